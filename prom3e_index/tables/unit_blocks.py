"""Blocks of stored embeddings scaled to unit rows, several at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import TableError

Pair = tuple[NDArray[np.float32], NDArray[np.bool_]]
_AHEAD = 3
"""Blocks that are scaled at once."""
_LOOKED = 256
"""Rows whose numbers are looked at at a time."""
_SHORTEST = 1e-30


class Scaled(NamedTuple):
    """A block of unit rows.

    Attributes:
        x: (n, m, d) float32, zero where absent.
        present: (n, m).
        lengths: (n, m) float32: what the stored rows were divided by, 1 where absent; None where that was not asked
            for, or some value stored needs single precision.
    """

    x: NDArray[np.float32]
    present: NDArray[np.bool_]
    lengths: NDArray[np.float32] | None


def _unit(
    stored: NDArray[Any], present: NDArray[np.bool_], first: int, lengths: bool = False
) -> Scaled:
    x = np.asarray(stored, np.float32)
    norm = np.sqrt(np.einsum("nmd,nmd->nm", x, x, dtype=np.float64))
    bad = present & ~np.isfinite(norm)
    if bad.any():
        row = int(np.argwhere(bad)[0][0]) + first
        raise TableError(f"Row {row} holds values that are not numbers (NaN or infinite).")
    far = present & (norm != 0) & ~((norm > _SHORTEST) & (norm < 1 / _SHORTEST))
    if far.any():
        row, i = (int(v) for v in np.argwhere(far)[0])
        raise TableError(
            f"Row {row + first} has an embedding of length {norm[row, i]:.1e}; single precision scales lengths "
            f"between {_SHORTEST:g} and {1 / _SHORTEST:g} to 1."
        )
    scale = np.where(norm > 0, norm, 1).astype(np.float32)
    unit = np.divide(x, scale[:, :, None], out=np.zeros_like(x), where=present[:, :, None])
    if not lengths or not _halves(stored, present):
        return Scaled(unit, present, None)
    return Scaled(unit, present, np.where(present, scale, np.float32(1)))


def _halves(stored: NDArray[Any], present: NDArray[np.bool_]) -> bool:
    """Whether all values of rows that are there are numbers of half precision."""
    if stored.dtype == np.float16:
        return True
    with np.errstate(over="ignore", invalid="ignore"):
        for at in range(0, len(stored), _LOOKED):  # of other numbers the first rows tell it
            some = stored[at : at + _LOOKED]
            same = (some.astype(np.float16) == some).all(axis=2)
            if not (same | ~present[at : at + _LOOKED]).all():
                return False
    return True


def scaled(stored: Iterator[Pair], lengths: bool = False) -> Iterator[Scaled]:
    """Blocks as they are stored, in order, scaled to unit rows in single precision by threads that work ahead.

    Args:
        stored: In single or half precision.
        lengths: Whether to tell what half precision was divided by; see `Scaled`.

    Raises:
        TableError: Values that are not numbers, once their block is reached.
    """
    threads = ThreadPoolExecutor(_AHEAD, "scale")
    waiting: deque[Future[Scaled]] = deque()
    at = 0
    try:
        for x, present in stored:
            waiting.append(threads.submit(_unit, x, present, at, lengths))
            at += len(x)
            if len(waiting) > _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        threads.shutdown(cancel_futures=True)
