"""`meta.xml` of a Darwin Core Archive: its tables, their columns and how they are delimited.

Source: Darwin Core text guide (TDWG), http://rs.tdwg.org/dwc/text/.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

from prom3e_index.errors import TableError, near_names
from prom3e_index.tables.source import MOST_COLUMNS

_ESCAPES = {"\\t": "\t", "\\n": "\n", "\\r": "\r", "\\r\\n": "\r\n", "&quot;": '"'}
_MOST_BYTES = 16 << 20


@dataclass(frozen=True)
class ArchiveTable:
    """One table of a Darwin Core Archive.

    Attributes:
        paths: Its files, of which the table is the whole.
        columns: Column names by position; None where no term is given.
        constants: Terms with one value for the whole table.
        defaults: Values of empty cells by their term.
        key: Position of the (core) id.
        delimiter: Between fields.
        quote: Around fields, empty for none.
        skip: Header lines.
        encoding: As meta.xml says.
        row_type: Last part of the row type's URI.
        absent: Of the core: files that `meta.xml` names and that are not there.
    """

    paths: tuple[Path, ...]
    columns: tuple[str | None, ...]
    constants: dict[str, str]
    defaults: dict[str, str]
    key: int
    delimiter: str
    quote: str
    skip: int
    encoding: str
    row_type: str
    absent: tuple[str, ...] = ()


def read_meta(folder: Path) -> tuple[ArchiveTable, list[ArchiveTable]]:
    """Read `meta.xml`: the core table and its extensions.

    Raises:
        TableError: No core, malformed XML, a location outside the folder, or a file that is absent.
    """
    meta = folder / "meta.xml"
    root = _parse(meta)
    cores: list[ArchiveTable] = []
    extensions: list[ArchiveTable] = []
    for node in root:
        tag = node.tag.rpartition("}")[2]
        if tag in ("core", "extension"):
            (cores if tag == "core" else extensions).append(_table(folder, node))
    if len(cores) != 1:
        raise TableError(f"{meta} has {len(cores)} core tables; a Darwin Core Archive has one.")
    here: list[ArchiveTable] = []
    absent: list[ArchiveTable] = []
    for e in extensions:
        (here if all(p.is_file() for p in e.paths) else absent).append(e)
    gone = tuple(p.name for e in absent for p in e.paths if not p.is_file())
    return replace(cores[0], absent=gone), here


def _parse(meta: Path) -> ElementTree.Element:
    """The tree of `meta.xml`; a document type is refused by the parser itself, whatever the encoding."""
    if meta.stat().st_size > _MOST_BYTES:
        raise TableError(f"{meta} is larger than {_MOST_BYTES:,} bytes; refused.")

    def refuse(*_: Any) -> None:
        raise TableError(f"{meta} declares a document type; refused.")

    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate(namespace_separator="}")
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(meta.read_bytes(), True)
        return builder.close()
    except (expat.ExpatError, LookupError, ValueError) as e:
        if isinstance(e, TableError):
            raise
        raise TableError(f"{meta} is not well-formed XML: {e}.") from e


def _table(folder: Path, node: ElementTree.Element) -> ArchiveTable:
    def attribute(name: str, default: str) -> str:
        value = node.get(name, default)
        return _ESCAPES.get(value, value)

    core = node.tag.endswith("core")
    locations = [(e.text or "").strip() for e in node.iter() if e.tag.endswith("location")]
    paths = tuple(_file(folder, location, core) for location in locations or [""])
    names: dict[int, str] = {}
    constants: dict[str, str] = {}
    defaults: dict[str, str] = {}
    key = 0
    try:
        for e in node:
            tag = e.tag.rpartition("}")[2]
            if tag in ("id", "coreid"):
                key = int(e.get("index", "0"))
            elif tag == "field":
                term = (e.get("term") or "").rstrip("/").rpartition("/")[2].rpartition("#")[2]
                index = e.get("index")
                default = e.get("default")
                if index is not None and term:
                    names[int(index)] = term
                if term and default:
                    (constants if index is None else defaults)[term] = default
        skip = int(node.get("ignoreHeaderLines", "0"))
    except ValueError as e:
        raise TableError(f"{folder / 'meta.xml'}: an index is no number: {e}.") from e
    width = max([key, *names]) + 1
    if width > MOST_COLUMNS or min([key, *names]) < 0:
        raise TableError(f"{folder / 'meta.xml'} has a field index out of range.")
    return ArchiveTable(
        paths,
        tuple(names.get(i) for i in range(width)),
        constants,
        defaults,
        key,
        attribute("fieldsTerminatedBy", ","),
        attribute("fieldsEnclosedBy", '"'),
        skip,
        node.get("encoding", "utf-8"),
        node.get("rowType", "").rpartition("/")[2],
    )


def _file(folder: Path, location: str, core: bool) -> Path:
    """A file that `meta.xml` names; that of a core must be there."""
    pure = PurePosixPath(location)
    if not location or pure.is_absolute() or ".." in pure.parts:
        raise TableError(f"{folder / 'meta.xml'}: file location {location!r} is empty or outside.")
    path = folder / pure
    if not path.is_file():
        path = folder / pure.name
    if core and not path.is_file():
        have = [p.name for p in folder.iterdir()]
        raise TableError(
            f"{folder / 'meta.xml'} names {location!r}, which is absent"
            f"{near_names(location, have)}."
        )
    return path
