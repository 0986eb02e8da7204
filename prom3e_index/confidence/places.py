"""The places of the best of many scores: one selection for all that reads first rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.confidence.signals import FIRST

_GROUP = 32
"""Columns of a group, at most."""
_GROUPS = 4
"""So many times k groups there are, at least: fewer would let through too many columns."""


def first_places(scores: NDArray[Any], k: int = FIRST) -> NDArray[np.int64]:
    """Columns (q, min(k, g)) of the k best of each row of scores (q, g), best first, ties by column.

    What is no number stands last. Of columns that tie with the k-th, those with the lowest numbers are taken.
    """
    lacking = np.isnan(scores)
    s = np.where(lacking, -np.inf, scores) if lacking.any() else scores
    size = s.shape[1] // (_GROUPS * k) if k > 0 else 0
    if size < 2:
        return np.asarray(np.argsort(-s, axis=1, kind="stable")[:, :k])
    row, at = np.nonzero(s >= _reached(s, k, min(size, _GROUP)))
    found = s[row, at]
    order = np.lexsort((at, -found, row))
    begins = np.searchsorted(row, np.arange(len(s)))
    return np.asarray(at[order][begins[:, None] + np.arange(k)], np.int64)


def _reached(s: NDArray[Any], k: int, size: int) -> NDArray[Any]:
    """What k of each row reach at least, (q, 1): the k-th best of the best of groups of so many columns.

    Few columns reach more than the k-th best and less than this, so few are sorted.
    """
    count = s.shape[1] // size
    best = s[:, : count * size].reshape(len(s), count, size).max(axis=2)
    best.partition(best.shape[1] - k, axis=1)
    return np.asarray(best[:, -k][:, None])
