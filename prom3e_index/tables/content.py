"""What a table is, told by its content: two tables are the same when every file that is read has the same bytes."""

from __future__ import annotations

import hashlib
import zipfile
from functools import lru_cache
from pathlib import Path

from prom3e_index.errors import TableError
from prom3e_index.tables.archives import is_zip
from prom3e_index.tables.layouts import TAXABENCH_MEDIA, open_data_files
from prom3e_index.tables.meta_xml import read_meta
from prom3e_index.tables.sources import recognise


def source_files(path: Path, format: str | None = None) -> list[Path]:
    """Every file that reading a table opens, in a fixed order; photos and recordings are none of them.

    Raises:
        TableError: It does not exist, or is no known format.
    """
    kind = format or recognise(path)
    if kind == "duckdb":
        log = path.with_name(path.name + ".wal")
        return [path, log] if log.is_file() else [path]
    if not path.is_dir():
        return [path]
    if kind == "dwca":
        core, extensions = read_meta(path)
        return [path / "meta.xml", core.path, *(e.path for e in extensions)]
    if kind == "taxabench":
        climate = path / "bioclim_elevation_scaled.npy"
        return [path / "test_df.csv", *([climate] if climate.is_file() else [])]
    return list(open_data_files(path).values())


def content(path: Path, format: str | None = None) -> list[str]:
    """A line for each of a table's files, with its name and the SHA-256 of its bytes.

    Of a zip it is that of the names, lengths and checksums of the members. A folder of media that is looked
    through for file names adds a line for the names. A file that has not changed since is not read again.

    Raises:
        TableError: It does not exist, or is no known format.
    """
    lines = [f"{p.name} {digest(p)}" for p in source_files(path, format)]
    if path.is_dir() and (format or recognise(path)) == "taxabench":
        for name in TAXABENCH_MEDIA:
            names = (
                sorted(p.name for p in (path / name).iterdir()) if (path / name).is_dir() else []
            )
            lines.append(f"{name} {hashlib.sha256(chr(0).join(names).encode()).hexdigest()}")
    return lines


def digest(path: Path) -> str:
    """SHA-256 of a file's content, or of the checksums in a zip; see `content`."""
    try:
        s = path.stat()
        return _digest(path.absolute(), s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino)
    except OSError as e:
        raise TableError(f"{path} cannot be read: {e.strerror}.") from e


@lru_cache(1 << 10)
def _digest(path: Path, *state: int) -> str:
    """Remembered as long as the file's length, times and number stay what they are."""
    if is_zip(path):
        try:
            with zipfile.ZipFile(path) as z:
                members = [f"{i.filename}\0{i.file_size}\0{i.CRC}" for i in z.infolist()]
            return hashlib.sha256("\0".join(members).encode("utf-8", "surrogateescape")).hexdigest()
        except zipfile.BadZipFile as e:
            raise TableError(f"{path} is a damaged zip file: {e}.") from e
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()
