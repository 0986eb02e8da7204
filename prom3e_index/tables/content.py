"""What a table is, told by its content: two tables are the same when every file that is read has the same bytes."""

from __future__ import annotations

import hashlib
import zipfile
from functools import lru_cache
from pathlib import Path

from prom3e_index.errors import TableError
from prom3e_index.tables.archives import is_zip
from prom3e_index.tables.piped import settled
from prom3e_index.tables.sources import format_of


def source_files(path: Path, format: str | None = None) -> list[Path]:
    """Every file that reading a table opens, in a fixed order; photos and recordings are none of them.

    Raises:
        TableError: It does not exist, or is no known format.
    """
    return format_of(path, format).files(settled(path))


def content(path: Path, format: str | None = None) -> list[str]:
    """A line for each of a table's files, with its name and the SHA-256 of its bytes.

    Of a zip it is that of the names, lengths and checksums of the members. A folder of media that is looked
    through for file names adds a line for the names. A file that has not changed since is not read again.

    Raises:
        TableError: It does not exist, or is no known format.
    """
    kind = format_of(path, format)
    path = settled(path)
    lines = [f"{p.name} {digest(p)}" for p in kind.files(path)]
    names = kind.listed(path)
    if names:
        listed = chr(0).join(names).encode("utf-8", "surrogateescape")
        lines.append(f"names {hashlib.sha256(listed).hexdigest()}")
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
