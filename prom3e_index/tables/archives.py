"""Darwin Core Archives and zipped tables: opened without trusting what is inside."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

from prom3e_index.errors import TableError, near_names

_MAX_RATIO = 300
_FREE_BYTES = 1 << 30
_ESCAPES = {"\\t": "\t", "\\n": "\n", "\\r": "\r", "\\r\\n": "\r\n", "&quot;": '"'}
_TABLES = (".csv", ".tsv", ".txt")


def unpack(path: Path, into: Path) -> Path:
    """Unpack the metadata and tables of a zip or tar into `into`; give the folder to read.

    Raises:
        TableError: A member's path leaves the folder (zip slip), is a link, the archive is damaged,
            or it expands beyond 300 times its size.
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as z:
                members = [(i.filename, i.file_size) for i in z.infolist() if not i.is_dir()]
                _check(path, members)
                for name, _ in members:
                    if _wanted(name):
                        target = into / PurePosixPath(name).name
                        with z.open(name) as source, target.open("wb") as out:
                            shutil.copyfileobj(source, out, 1 << 20)
        else:
            with tarfile.open(path, "r:*") as t:
                files = [m for m in t.getmembers() if not m.isdir()]
                links = [m.name for m in files if not m.isfile()]
                if links:
                    raise TableError(f"{path}: member {links[0]!r} is a link or device; refused.")
                _check(path, [(m.name, m.size) for m in files])
                for m in files:
                    handle = t.extractfile(m) if _wanted(m.name) else None
                    if handle is not None:
                        with (into / PurePosixPath(m.name).name).open("wb") as out:
                            shutil.copyfileobj(handle, out, 1 << 20)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError, RuntimeError) as e:
        if isinstance(e, OSError) and e.errno == 28:
            raise
        raise TableError(f"{path} is a damaged archive: {e}.") from e
    return into


def _wanted(name: str) -> bool:
    pure = PurePosixPath(name)
    hidden = any(p.startswith((".", "__MACOSX")) for p in pure.parts)
    return not hidden and (pure.name == "meta.xml" or pure.suffix.lower() in _TABLES)


def _check(path: Path, members: list[tuple[str, int]]) -> None:
    for name, _ in members:
        pure = PurePosixPath(name.replace("\\", "/"))
        if pure.is_absolute() or ".." in pure.parts or ":" in (pure.parts or ("",))[0]:
            raise TableError(
                f"{path}: member {name!r} would be written outside the archive; refused."
            )
    total = sum(size for _, size in members)
    if total > max(_FREE_BYTES, _MAX_RATIO * path.stat().st_size):
        raise TableError(
            f"{path} expands to {total:,} bytes from {path.stat().st_size:,}; refused."
        )


@dataclass(frozen=True)
class ArchiveTable:
    """One text file of a Darwin Core Archive.

    Attributes:
        path: The file.
        columns: Column names by position; None where no term is given.
        constants: Terms with one value for the whole file.
        key: Position of the (core) id.
        delimiter: Between fields.
        quote: Around fields, empty for none.
        skip: Header lines.
        encoding: As meta.xml says.
        row_type: Last part of the row type's URI.
    """

    path: Path
    columns: tuple[str | None, ...]
    constants: dict[str, str]
    key: int
    delimiter: str
    quote: str
    skip: int
    encoding: str
    row_type: str


def read_meta(folder: Path) -> tuple[ArchiveTable, list[ArchiveTable]]:
    """Read `meta.xml`: the core table and its extensions.

    Raises:
        TableError: No core, malformed XML, a location outside the folder, or a file that is absent.
    """
    meta = folder / "meta.xml"
    text = meta.read_bytes()
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise TableError(f"{meta} declares a document type; refused.")
    try:
        root = ElementTree.fromstring(text)  # no entities: checked above
    except ElementTree.ParseError as e:
        raise TableError(f"{meta} is not well-formed XML: {e}.") from e
    cores: list[ArchiveTable] = []
    extensions: list[ArchiveTable] = []
    for node in root:
        tag = node.tag.rpartition("}")[2]
        if tag in ("core", "extension"):
            (cores if tag == "core" else extensions).append(_table(folder, node))
    if len(cores) != 1:
        raise TableError(f"{meta} has {len(cores)} core tables; a Darwin Core Archive has one.")
    return cores[0], [e for e in extensions if e.path.is_file()]


def _table(folder: Path, node: ElementTree.Element) -> ArchiveTable:
    def attribute(name: str, default: str) -> str:
        value = node.get(name, default)
        return _ESCAPES.get(value, value)

    location = next((e.text or "" for e in node.iter() if e.tag.endswith("location")), "").strip()
    pure = PurePosixPath(location)
    if not location or pure.is_absolute() or ".." in pure.parts:
        raise TableError(f"{folder / 'meta.xml'}: file location {location!r} is empty or outside.")
    path = folder / pure
    if not path.is_file():
        path = folder / pure.name
    core = node.tag.endswith("core")
    if core and not path.is_file():
        have = [p.name for p in folder.iterdir()]
        raise TableError(
            f"{folder / 'meta.xml'} names {location!r}, which is absent"
            f"{near_names(location, have)}."
        )
    names: dict[int, str] = {}
    constants: dict[str, str] = {}
    key = 0
    try:
        for e in node:
            tag = e.tag.rpartition("}")[2]
            if tag in ("id", "coreid"):
                key = int(e.get("index", "0"))
            elif tag == "field":
                term = (e.get("term") or "").rstrip("/").rpartition("/")[2].rpartition("#")[2]
                index = e.get("index")
                if index is not None and term:
                    names[int(index)] = term
                elif term and e.get("default"):
                    constants[term] = str(e.get("default"))
        skip = int(node.get("ignoreHeaderLines", "0"))
    except ValueError as e:
        raise TableError(f"{folder / 'meta.xml'}: an index is no number: {e}.") from e
    width = max([key, *names]) + 1
    if width > 5000 or min([key, *names]) < 0:
        raise TableError(f"{folder / 'meta.xml'} has a field index out of range.")
    return ArchiveTable(
        path,
        tuple(names.get(i) for i in range(width)),
        constants,
        key,
        attribute("fieldsTerminatedBy", ","),
        attribute("fieldsEnclosedBy", '"'),
        skip,
        node.get("encoding", "utf-8"),
        node.get("rowType", "").rpartition("/")[2],
    )
