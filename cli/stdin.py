"""What is piped in, as a file: decoders and readers of tables need one they can look at twice."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from prom3e_index.errors import InputError

MOST = 2 << 30
"""Bytes that are taken from a pipe: an hour of sound at 96 kHz and 24 bits is half of that."""


@contextmanager
def piped(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """The same paths, `-` among them replaced by a file of what stands on stdin, which is there until the end.

    Raises:
        InputError: `-` twice, nothing is piped in, or more than `MOST` bytes.
    """
    from tempfile import TemporaryDirectory

    if not any(str(p) == "-" for p in paths):
        yield list(paths)
        return
    if sum(str(p) == "-" for p in paths) > 1:
        raise InputError("`-` stands for stdin, which can be read once; give it once.")
    if sys.stdin is None or sys.stdin.isatty():
        raise InputError("`-` stands for stdin, and nothing is piped in.")
    with TemporaryDirectory(prefix="prom3e-stdin-") as folder:
        file = Path(folder) / "stdin"
        taken = 0
        with file.open("wb") as f:
            while block := sys.stdin.buffer.read(1 << 20):
                taken += len(block)
                if taken > MOST:
                    raise InputError(f"stdin gives more than {MOST >> 30} GB; name a file.")
                f.write(block)
        if not taken:
            raise InputError("`-` stands for stdin, and nothing came from it.")
        yield [file if str(p) == "-" else p for p in paths]
