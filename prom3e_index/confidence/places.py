"""The places of the best of many scores: one selection for all that reads first rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.confidence.signals import FIRST


def first_places(scores: NDArray[Any], k: int = FIRST) -> NDArray[np.int64]:
    """Columns (q, min(k, g)) of the k best of each row of scores (q, g), best first, ties by column.

    What is no number stands last. Of columns that tie with the k-th, those with the lowest numbers are taken.
    """
    lacking = np.isnan(scores)
    s = np.where(lacking, -np.inf, scores) if lacking.any() else scores
    if not 0 < k < s.shape[1]:
        return np.asarray(np.argsort(-s, axis=1, kind="stable")[:, :k])
    at = np.sort(np.argpartition(-s, k - 1, axis=1)[:, :k], axis=1)
    taken = np.take_along_axis(s, at, 1)
    least = taken.min(axis=1, keepdims=True)
    left_out = np.count_nonzero(s == least, axis=1) > np.count_nonzero(taken == least, axis=1)
    for i in np.flatnonzero(left_out):  # which of them were taken is left to chance
        at[i] = np.sort(np.argsort(-s[i], kind="stable")[:k])
    order = np.argsort(-np.take_along_axis(s, at, 1), axis=1, kind="stable")
    return np.asarray(np.take_along_axis(at, order, 1), np.int64)
