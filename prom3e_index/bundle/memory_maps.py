"""Memory-mapped arrays: mapping them from an open file, letting go of their pages, several shown as one."""

from __future__ import annotations

import ctypes
import io
import math
import mmap
import os
import tokenize
import weakref
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray


@cache
def _libc() -> Any:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return libc


class Pages:
    """The bytes of an open file, mapped for reading; `numpy.asarray` shows them without a copy.

    `mmap.mmap` keeps a descriptor for every mapping before Python 3.13, and an index has thousands of files; this
    needs none once it is made. It holds the bytes even after the file was taken away.
    """

    def __init__(self, descriptor: int) -> None:
        self._length = os.fstat(descriptor).st_size
        given = (None, self._length, mmap.PROT_READ, mmap.MAP_SHARED, descriptor, 0)
        self._address = _libc().mmap(*given)
        if self._address in (None, ctypes.c_void_p(-1).value):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        self.__array_interface__ = {
            "shape": (self._length,), "typestr": "|u1", "data": (self._address, True), "version": 3,
        }  # fmt: skip
        unmap = weakref.finalize(self, _libc().munmap, self._address, self._length)
        unmap.atexit = False  # other threads may still read when the program ends

    def release(self) -> None:
        """Let go of the pages in memory; they are read again when they are wanted."""
        if hasattr(mmap, "MADV_DONTNEED"):
            _libc().madvise(self._address, self._length, mmap.MADV_DONTNEED)


def stored_array(data: NDArray[np.uint8]) -> NDArray[Any]:
    """The array in the bytes of an `.npy` file, without a copy and without trusting them.

    Raises:
        ValueError: The bytes are no array of plain numbers, or more or fewer than its shape needs.
    """
    head = io.BytesIO(data[: 1 << 16].tobytes())
    try:
        version = np.lib.format.read_magic(head)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, fortran, dtype = read(head)  # type: ignore[no-untyped-call]
        numbers = all(isinstance(n, int) and n >= 0 for n in shape) and dtype.kind in "biuf"
    except (KeyError, TypeError, SyntaxError, AttributeError, tokenize.TokenError) as e:
        raise ValueError("its header is not an array's") from e
    except (MemoryError, RecursionError, OverflowError) as e:
        raise ValueError("its header asks for too much") from e
    if fortran or not numbers:
        raise ValueError("it holds something else than rows of numbers")
    body, want = data[head.tell() :], math.prod(shape) * dtype.itemsize
    if len(body) != want:
        raise ValueError(f"it has {len(body):,} bytes of numbers, its shape {shape} needs {want:,}")
    out: NDArray[Any] = body.view(dtype).reshape(shape)
    return out


def release(array: Any) -> None:
    """Write a memory-mapped array's changes to its file and let go of its pages; others are left alone.

    Without this the pages count as resident until the system wants them, and memory seems to grow.
    """
    if isinstance(array, Stacked):
        for part in array.parts:
            release(part)
        return
    owner = array
    while isinstance(owner, np.ndarray) and not isinstance(owner, np.memmap):
        owner = owner.base
    if isinstance(owner, Pages):
        owner.release()
    elif isinstance(owner, np.memmap):
        mapped = getattr(owner, "_mmap", None)
        if mapped is None:
            return
        if owner.flags.writeable:
            owner.flush()
        if hasattr(mmap, "MADV_DONTNEED"):
            mapped.madvise(mmap.MADV_DONTNEED)


class Stacked:
    """Arrays of equal width one above the other, read like one: `a[rows]`, `a[3:9]`, `len(a)`.

    Attributes:
        parts: The arrays.
        shape: (n, width) of the whole.
        dtype: Of every part.
    """

    def __init__(self, parts: Sequence[NDArray[Any]]) -> None:
        self.parts = tuple(parts)
        self._ends = np.cumsum([len(p) for p in self.parts])
        self.shape = (int(self._ends[-1]), *self.parts[0].shape[1:])
        self.dtype = self.parts[0].dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(np.concatenate(self.parts), dtype or self.dtype)

    def __getitem__(self, at: Any) -> NDArray[Any]:
        if isinstance(at, int | np.integer):
            return np.asarray(self[np.array([at])][0])
        if isinstance(at, slice):
            at = np.arange(*at.indices(len(self)))
        rows = np.asarray(at)
        if rows.dtype == bool:
            rows = np.flatnonzero(rows)
        rows = np.where(rows < 0, rows + len(self), rows)
        out = np.empty((len(rows), *self.shape[1:]), self.dtype)
        part = np.searchsorted(self._ends, rows, side="right")
        for number in np.unique(part):
            here = part == number
            first = self._ends[number - 1] if number else 0
            out[here] = self.parts[number][rows[here] - first]
        return out


def stacked(parts: Sequence[NDArray[Any]]) -> NDArray[Any] | Stacked:
    """The only part, or all of them as one."""
    return parts[0] if len(parts) == 1 else Stacked(parts)
