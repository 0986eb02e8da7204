"""Blocks of stored embeddings scaled to unit rows, several at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import TableError

Pair = tuple[NDArray[np.float32], NDArray[np.bool_]]
_AHEAD = 3
"""Blocks that are scaled at once."""
_SHORTEST = 1e-30


def _unit(x: NDArray[np.float32], present: NDArray[np.bool_], first: int) -> NDArray[np.float32]:
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
    return np.divide(x, scale[:, :, None], out=np.zeros_like(x), where=present[:, :, None])


def scaled(stored: Iterator[Pair]) -> Iterator[Pair]:
    """Blocks as they are stored, in order, scaled to unit rows in single precision by threads that work ahead.

    Raises:
        TableError: Values that are not numbers, once their block is reached.
    """
    threads = ThreadPoolExecutor(_AHEAD, "scale")
    waiting: deque[Future[Pair]] = deque()
    at = 0
    try:
        for x, present in stored:
            waiting.append(threads.submit(_unit_pair, x, present, at))
            at += len(x)
            if len(waiting) > _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        threads.shutdown(cancel_futures=True)


def _unit_pair(x: NDArray[Any], present: NDArray[np.bool_], first: int) -> Pair:
    return _unit(np.asarray(x, np.float32), present, first), present
