"""Arrays in files whose room on the disk is there before anything is written into them.

Writing to a mapped file that has no room ends the process with SIGBUS, without a word. So the room is asked for
first; a full disk is then an error like any other.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from prom3e_index.bundle.write_at import write_at

_BLOCK = 1 << 20


def new_array(path: Path, shape: tuple[int, ...], dtype: DTypeLike = np.float16) -> NDArray[Any]:
    """A memory-mapped array of zeros in a new `.npy` file, to be filled.

    An array without rows cannot be mapped; it comes back as an ordinary one.

    Raises:
        OSError: The disk has no room for it; the file is removed again.
    """
    path.unlink(missing_ok=True)
    try:
        with path.open("xb") as f:
            header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(f, header)
            f.flush()
            _reserve(f, f.tell(), int(np.prod(shape)) * np.dtype(dtype).itemsize)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    if 0 in shape:
        return np.zeros(shape, dtype)
    array: NDArray[Any] = np.lib.format.open_memmap(path, mode="r+")
    return array


class RowFile:
    """Rows of a new `.npy` file, written block by block without being mapped; any thread may write its own rows.

    What is written lies in the system's memory, not the process's, and goes to the disk when the system likes or
    `settle` asks. A context: closed at its end.

    Raises:
        OSError: The disk has no room for it; the file is removed again.
    """

    def __init__(self, path: Path, shape: tuple[int, int], dtype: DTypeLike = np.float16) -> None:
        self._dtype, self._width = np.dtype(dtype), shape[1]
        self._row = self._width * self._dtype.itemsize
        new_array(path, shape, dtype)
        self._descriptor = os.open(path, os.O_WRONLY)
        self._begin = os.fstat(self._descriptor).st_size - shape[0] * self._row

    def write(self, first: int, rows: NDArray[Any]) -> None:
        """Write rows (n, width) from number `first` on."""
        whole = np.ascontiguousarray(rows, self._dtype)
        write_at(self._descriptor, whole, self._begin + first * self._row)

    def settle(self) -> None:
        """Have what was written reach the disk."""
        os.fsync(self._descriptor)

    def __enter__(self) -> RowFile:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def save_array(path: Path, values: NDArray[Any]) -> None:
    """Write an array to a new `.npy` file.

    Raises:
        OSError: The disk has no room for it.
    """
    array = new_array(path, values.shape, values.dtype)
    if values.size:
        array[...] = values
        array.flush()  # type: ignore[attr-defined]


def _reserve(f: IO[bytes], at: int, size: int) -> None:
    """Have the disk set aside `size` bytes from `at` on, which read as zeros."""
    if size == 0:
        return
    try:
        os.posix_fallocate(f.fileno(), at, size)
        return
    except AttributeError:  # macOS
        pass
    except OSError as e:
        if e.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
            raise OSError(e.errno, e.strerror, f.name) from e
    for done in range(0, size, _BLOCK):
        f.write(bytes(min(_BLOCK, size - done)))
