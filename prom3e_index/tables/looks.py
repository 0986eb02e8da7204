"""What can be told of a file or folder before it is opened as a table: names, first bytes, columns."""

from __future__ import annotations

import json
import zipfile
from functools import cached_property
from pathlib import Path
from typing import Any

from prom3e_index.errors import TableError
from prom3e_index.tables.archives import is_zip
from prom3e_index.tables.compressed import compression, plain
from prom3e_index.tables.encoding import is_text
from prom3e_index.tables.text import header

_HEAD = 8192
MOST_JSON = 256 << 20
"""A JSON document that must be parsed whole is at most this many bytes."""


class Look:
    """A look at what a user named; each question is answered once.

    Raises:
        TableError: It does not exist, is empty, or is a damaged zip.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.folder = path.is_dir()
        if not self.folder and not path.is_file():
            if path.exists():
                raise TableError(f"{path} is no file or folder.")
            raise TableError(f"{path} does not exist.")
        if not self.folder and not self.head:
            raise TableError(f"{path} is empty (0 bytes).")

    @cached_property
    def names(self) -> list[str]:
        """Names directly in a folder, or of all members of a zip, sorted; hidden ones are left out."""
        if self.folder:
            return sorted(p.name for p in self.path.iterdir() if not p.name.startswith("."))
        if not self.zipped:
            return []
        try:
            with zipfile.ZipFile(self.path) as z:
                return sorted(
                    i.filename for i in z.infolist() if not (i.is_dir() or is_hidden(i.filename))
                )
        except (zipfile.BadZipFile, NotImplementedError) as e:
            raise TableError(f"{self.path} is a damaged zip file: {e}.") from e

    @cached_property
    def bare(self) -> dict[str, str]:
        """Lower-case last part of each name → the name; of members with one last part, the highest."""
        by_depth = sorted(self.names, key=lambda n: (-n.count("/"), n))
        return {n.rpartition("/")[2].lower(): n for n in by_depth}

    @cached_property
    def head(self) -> bytes:
        """The first bytes of a file as they are; none of a folder."""
        if self.folder:
            return b""
        with self.path.open("rb") as f:
            return f.read(_HEAD)

    @cached_property
    def zipped(self) -> bool:
        """Whether it is a zip."""
        return not self.folder and is_zip(self.path)

    @cached_property
    def parquet(self) -> bool:
        """Whether it is Parquet, be it damaged; PAR1 may also be the first letters of a text table.

        After them Parquet has a header, of a page or of the whole, whose first field is an integer: a byte that text
        does not have. Other bytes are asked for as a whole, since packed columns may hold no zero byte for long.
        """
        head = self.head
        if not head.startswith(b"PAR1"):
            return False
        if head[4:5] == b"\x15" or not is_text(head):
            return True
        with self.path.open("rb") as f:
            f.seek(-4, 2)
            return b"\n" not in head and f.read() == b"PAR1"

    @cached_property
    def inner(self) -> bytes:
        """The first bytes of a file, unpacked where it is compressed."""
        if self.folder or compression(self.path) is None:
            return self.head
        with plain(self.path) as f:
            return f.read(_HEAD)

    @cached_property
    def text(self) -> str:
        """The first characters of a text file, without byte order mark and leading blanks."""
        wide = self.inner[:2] in (b"\xff\xfe", b"\xfe\xff")
        text = self.inner.decode("utf-16" if wide else "utf-8", "replace")
        return text.removeprefix("\ufeff").lstrip()

    @cached_property
    def _header(self) -> tuple[list[str], str, str]:
        return header(self.path)

    @cached_property
    def columns(self) -> set[str]:
        """The column names of a text table, in lower case."""
        return {n.lower() for n in self._header[0]}

    @property
    def delimiter(self) -> str:
        """What stands between the columns of a text table."""
        return self._header[1]


def is_hidden(name: str) -> bool:
    """Whether a file is one that systems leave behind: `.x`, `._x`, `__MACOSX/x`, `_SUCCESS`, `Thumbs.db`."""
    parts = name.replace("\\", "/").split("/")
    last = parts[-1].lower()
    return (
        any((p.startswith(".") and p not in (".", "..")) or p == "__MACOSX" for p in parts)
        or last in ("thumbs.db", "desktop.ini", "ehthumbs.db", "_success")
        or last.startswith(("_started", "_committed", "_metadata", "_common_metadata"))
    )


def json_file(path: Path) -> Any:
    """The value of a whole JSON file.

    Raises:
        TableError: It is larger than `MOST_JSON`, nested too deeply, or no JSON.
    """
    if path.stat().st_size > MOST_JSON:
        raise TableError(
            f"{path} is larger than {MOST_JSON:,} bytes; refused as one JSON document."
        )
    try:
        return json.loads(path.read_bytes().decode("utf-8-sig"), parse_constant=lambda _: None)
    except RecursionError as e:
        raise TableError(f"{path}: the JSON is nested too deeply.") from e
    except ValueError as e:
        raise TableError(f"{path} is no valid JSON: {e}.") from e
