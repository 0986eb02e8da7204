"""Zips and tars of tables, unpacked without trusting what is inside."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from prom3e_index.errors import TableError

_MAX_RATIO = 300
_FREE_BYTES = 1 << 30
_TABLES = (".csv", ".tsv", ".txt")
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")


def is_zip(path: Path) -> bool:
    """Whether a file begins as a zip does, of members or of none.

    `zipfile.is_zipfile` looks for the end of a zip anywhere in a file's last bytes, and finds one by chance in
    what is compressed otherwise.
    """
    with path.open("rb") as f:
        return f.read(4) in _ZIP


def unpack(
    path: Path,
    into: Path,
    wanted: Callable[[str], bool] | None = None,
    flat: bool = True,
) -> Path:
    """Unpack the metadata and tables of a zip or tar into `into`; give the folder to read.

    Args:
        path: The zip or tar.
        into: An empty folder.
        wanted: Which members, by name; meta.xml and text tables when None.
        flat: Leave out the folders that members lie in.

    Raises:
        TableError: A member's path leaves the folder (zip slip), is a link, the archive is damaged,
            or it expands beyond 300 times its size.
    """
    wanted = wanted or _wanted
    try:
        if is_zip(path):
            with zipfile.ZipFile(path) as z:
                members = [(i.filename, i.file_size) for i in z.infolist() if not i.is_dir()]
                _check(path, members)
                for name, _ in members:
                    if wanted(name):
                        target = _target(into, name, flat)
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
                    handle = t.extractfile(m) if wanted(m.name) else None
                    if handle is not None:
                        with _target(into, m.name, flat).open("wb") as out:
                            shutil.copyfileobj(handle, out, 1 << 20)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError, RuntimeError) as e:
        if isinstance(e, OSError) and e.errno == 28:
            raise
        raise TableError(f"{path} is a damaged archive: {e}.") from e
    return into


def _target(into: Path, name: str, flat: bool) -> Path:
    pure = PurePosixPath(name)
    target = into / (pure.name if flat else pure)
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


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
