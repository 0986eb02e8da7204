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
    s = np.where(np.isnan(scores), -np.inf, scores)
    if not 0 < k < s.shape[1]:
        return np.asarray(np.argsort(-s, axis=1, kind="stable")[:, :k])
    least = -np.partition(-s, k - 1, axis=1)[:, k - 1 : k]
    above, ties = s > least, s == least
    spare = k - above.sum(axis=1, keepdims=True)
    kept = above | (ties & (np.cumsum(ties, axis=1) <= spare))
    at = np.nonzero(kept)[1].reshape(len(s), k)
    order = np.argsort(-np.take_along_axis(s, at, 1), axis=1, kind="stable")
    return np.asarray(np.take_along_axis(at, order, 1), np.int64)
