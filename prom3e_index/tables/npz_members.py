"""Arrays of an `.npz` in blocks of rows, so that a file of any length takes the memory of a block.

Members are read in order through the zip, stored or compressed, so that its checksums are compared on the way;
a memory map would be as small and would not notice a damaged file.
"""

from __future__ import annotations

import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from prom3e_index.errors import TableError

_WIDEST_CELL = 1 << 20
_LONGEST_HEADER = 10_000
"""As numpy has it, which reads a header before it looks at its length."""


@dataclass(frozen=True)
class Member:
    """An array of an `.npz`.

    Attributes:
        shape: Its shape.
        dtype: Its type.
        fortran: Whether it is stored column by column.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool


class Npz:
    """An `.npz` file.

    Attributes:
        path: The file.
        members: Its arrays by name.

    Raises:
        TableError: No zip, an array that needs a pickle, or one whose length is not what its shape says.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.members: dict[str, Member] = {}
        with self._readable(), zipfile.ZipFile(path) as z:
            for name in z.namelist():
                if name.endswith(".npy"):
                    with z.open(name) as f:
                        member, size = _header(f)
                    if (
                        size + prod(member.shape) * member.dtype.itemsize
                        != z.getinfo(name).file_size
                    ):
                        raise ValueError(f"{name} is not as long as its shape {member.shape} says")
                    self.members[name.removesuffix(".npy")] = member

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except TableError:
            raise
        except (ValueError, OSError, EOFError, RuntimeError, NotImplementedError, SyntaxError,
                zipfile.BadZipFile, zlib.error) as e:  # fmt: skip
            raise TableError(f"{self.path} cannot be read as .npz without pickles: {e}.") from e

    def whole(self, name: str) -> NDArray[Any]:
        """A small array, of any shape."""
        member = self.members[name]
        if prod(member.shape) * member.dtype.itemsize > _WIDEST_CELL:
            raise TableError(f"{self.path}: {name} is {member.shape}, more than is expected.")
        with self._readable(), zipfile.ZipFile(self.path) as z, z.open(f"{name}.npy") as f:
            return np.asarray(npy_format.read_array(f, allow_pickle=False))

    def blocks(self, name: str, rows: int) -> Iterator[NDArray[Any]]:
        """An array of one or more axes, `rows` rows at a time."""
        member = self.members[name]
        n, rest = member.shape[0], member.shape[1:]
        with self._readable(), zipfile.ZipFile(self.path) as z, z.open(f"{name}.npy") as f:
            _header(f)
            if member.fortran and rest:
                yield from _by_column(f, member, rows)
            else:
                for at in range(0, n, rows):
                    count = min(rows, n - at)
                    raw = _exactly(f, count * prod(rest) * member.dtype.itemsize)
                    yield np.frombuffer(raw, member.dtype).reshape(count, *rest)
            f.read(1)  # the end: the checksum is compared


def _header(f: IO[bytes]) -> tuple[Member, int]:
    """The shape and type that begin an array, and their length in bytes."""
    version = npy_format.read_magic(f)
    read = (
        npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
    )
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"an array is of the .npy version {version}; 1.0 and 2.0 are read")
    stated = f.read(2 if version == (1, 0) else 4)
    if int.from_bytes(stated, "little") > _LONGEST_HEADER:
        raise ValueError("the header of an array is longer than any")
    f.seek(-len(stated), os.SEEK_CUR)
    shape, fortran, dtype = read(f)  # type: ignore[no-untyped-call]
    if dtype.hasobject:
        raise ValueError("an array of Python objects needs a pickle")
    if dtype.itemsize > _WIDEST_CELL:
        raise ValueError(f"a cell of an array takes {dtype.itemsize:,} bytes")
    return Member(tuple(shape), dtype, bool(fortran)), f.tell()


def _exactly(f: IO[bytes], size: int) -> bytes:
    parts: list[bytes] = []
    while size > 0:
        part = f.read(size)
        if not part:
            raise EOFError("it ends too early")
        parts.append(part)
        size -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _by_column(f: IO[bytes], member: Member, rows: int) -> Iterator[NDArray[Any]]:
    """Rows of an array that is stored by columns: by way of a file, where each row can be reached."""
    with tempfile.TemporaryFile() as spilled:
        left = prod(member.shape) * member.dtype.itemsize
        while left > 0:
            part = _exactly(f, min(left, 1 << 22))
            spilled.write(part)
            left -= len(part)
        spilled.flush()
        if not prod(member.shape):
            return
        values = np.memmap(spilled, member.dtype, "r", 0, member.shape, "F")
        for at in range(0, member.shape[0], rows):
            yield np.array(values[at : at + rows], order="C")
