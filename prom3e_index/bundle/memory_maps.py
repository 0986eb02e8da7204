"""Memory-mapped arrays: letting go of their pages, and several shown as one."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def release(array: Any) -> None:
    """Write a memory-mapped array's changes to its file and let go of its pages; others are left alone.

    Without this the pages count as resident until the system wants them, and memory seems to grow.
    """
    if isinstance(array, Stacked):
        for part in array.parts:
            release(part)
        return
    owner = getattr(array, "_mmap", None)
    if owner is None:
        return
    if array.flags.writeable:
        array.flush()
    if hasattr(mmap, "MADV_DONTNEED"):
        owner.madvise(mmap.MADV_DONTNEED)


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
