"""Tables that come through a pipe: copied to a file once, so that they can be read as any other."""

from __future__ import annotations

import shutil
import stat
import sys
import tempfile
from pathlib import Path
from typing import IO

from prom3e_index.errors import TableError

STANDARD = "-"
"""The name of standard input."""
_STREAMS = ("/dev/stdin", "/dev/fd/", "/proc/self/fd/")
_PIECE = 1 << 20
_KEPT_FREE = 1 << 30
"""Bytes that a copy leaves free on the disk of temporary files."""
_copies: dict[tuple[object, ...], tuple[Path, tempfile.TemporaryDirectory[str]]] = {}


def is_piped(path: Path) -> bool:
    """Whether a path is a stream that can be read once: `-`, `/dev/stdin`, a named pipe, `<(...)` of a shell."""
    name = str(path)
    if name == STANDARD or name.startswith(_STREAMS):
        return True
    try:
        return stat.S_ISFIFO(path.stat().st_mode)
    except OSError:
        return False


def settled(path: Path) -> Path:
    """A path whose bytes can be read many times: of a stream a copy named `stdin`, else the path itself.

    A stream is copied at the first call; the copy lives as long as the process.

    Raises:
        TableError: Standard input is a terminal, nothing came, or the disk has no room for the copy.
    """
    if not is_piped(path):
        return path
    key: tuple[object, ...] = (STANDARD,)
    if str(path) not in (STANDARD, "/dev/stdin"):
        try:
            state = path.stat()
        except OSError as e:
            raise TableError(f"{path} cannot be read: {e.strerror}.") from e
        key = (str(path), state.st_dev, state.st_ino)
    if key not in _copies:
        folder = tempfile.TemporaryDirectory(prefix="prom3e-stdin-")
        copy = Path(folder.name) / "stdin"
        if key == (STANDARD,):
            if sys.stdin is None or sys.stdin.isatty():
                raise TableError(
                    f"{path} is the terminal; send a table into it: head -1000 t.csv | … {path}"
                )
            _copy(sys.stdin.buffer, copy, path)
        else:
            with path.open("rb") as f:
                _copy(f, copy, path)
        _copies[key] = copy, folder
    return _copies[key][0]


def _copy(source: IO[bytes], copy: Path, path: Path) -> None:
    """Copy a stream, as long as the disk has room."""
    done = 0
    with copy.open("wb") as out:
        while piece := source.read(_PIECE):
            if shutil.disk_usage(copy.parent).free - len(piece) < _KEPT_FREE:
                raise TableError(
                    f"{path} is longer than {done:,} bytes, and {copy.parent.parent} has no room for more; write it "
                    "to a file first, or name another folder for temporary files: TMPDIR=FOLDER."
                )
            out.write(piece)
            done += len(piece)
    if not done:
        raise TableError(f"Nothing came through {path} (0 bytes).")
