"""Files as their bytes, whatever they were compressed with."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from prom3e_index.errors import TableError

_MAGIC = {
    b"\x1f\x8b": "gzip",
    **{
        b"BZh%d%b" % (level, then): "bzip2"
        for level in range(1, 10)
        for then in (
            b"1AY",
            b"\x17rE",
        )  # a block, or the end of what is empty; BZh alone begins words
    },
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}


def compression(path: Path) -> str | None:
    """What a file is compressed with, by its first bytes: `gzip`, `bzip2`, `xz`, `zstd` or None."""
    with path.open("rb") as f:
        head = f.read(8)
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)


@contextmanager
def plain(path: Path) -> Iterator[IO[bytes]]:
    """A file's bytes, decompressed as they are read.

    Raises:
        TableError: It cannot be read, or ends or breaks where its compression says it should not.
    """
    kind = compression(path)
    try:
        with _open(path, kind) as f:
            yield f
    except (OSError, EOFError, lzma.LZMAError) as e:
        if kind is None and not isinstance(e, OSError):
            raise
        what = f"is a damaged {kind} file" if kind else "cannot be read"
        raise TableError(f"{path} {what}: {e}.") from e


def _open(path: Path, kind: str | None) -> IO[bytes]:
    if kind == "gzip":
        return cast("IO[bytes]", gzip.open(path, "rb"))
    if kind == "bzip2":
        return cast("IO[bytes]", bz2.open(path, "rb"))
    if kind == "xz":
        return cast("IO[bytes]", lzma.open(path, "rb"))
    if kind == "zstd":
        import pyarrow as pa

        stream: Any = pa.CompressedInputStream(pa.OSFile(str(path)), "zstd")
        return io.BufferedReader(stream)
    return path.open("rb")
