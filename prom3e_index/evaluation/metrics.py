"""What ranks are worth: recall, reciprocal rank, gain, and intervals over queries."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.evaluation.first_right import FirstRight
from prom3e_index.evaluation.ranking import PLACES

DRAWS = 1000
LEVEL = 0.95


def recall_at(first: FirstRight, k: int) -> float:
    """Mean probability that a right answer is among the first k, ties in random order; 0 without queries."""
    return float(first.recall(k).mean()) if len(first) else 0.0


def ndcg(gain: NDArray[Any], right: NDArray[np.int32]) -> NDArray[np.float64]:
    """Normalised discounted cumulative gain of the first `PLACES` answers, (b,).

    The ideal has all right answers first. Queries without a right answer get 0.

    Args:
        gain: (b, PLACES), probability that the answer at a place is right.
        right: (b,) right answers in the gallery.
    """
    discount = 1 / np.log2(np.arange(PLACES) + 2)
    ideal = np.concatenate([[0.0], np.cumsum(discount)])[np.minimum(right, PLACES)]
    return np.asarray((gain @ discount) / np.where(ideal > 0, ideal, 1))


class Resampler:
    """Bootstrap resamples of n queries, the same for every metric and space of those queries.

    Args:
        seed: Of the draws.
        draws: Resamples.
    """

    def __init__(self, seed: int = 0, draws: int = DRAWS) -> None:
        self._seed, self._draws = seed, draws
        self._counts: dict[int, NDArray[np.float32]] = {}

    def intervals(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Percentile intervals (c, 2) at `LEVEL` of the means of the columns of (n, c); 0 without rows."""
        n = len(values)
        if n == 0:
            return np.zeros((values.shape[1], 2))
        if n not in self._counts:
            rng = np.random.default_rng(self._seed)
            counts = [np.bincount(rng.integers(0, n, n), minlength=n) for _ in range(self._draws)]
            self._counts = {n: np.asarray(counts, np.float32)}  # the latest only
        means = (self._counts[n] @ np.asarray(values, np.float32)).astype(np.float64) / n
        tail = (1 - LEVEL) / 2
        return np.asarray(np.quantile(means, [tail, 1 - tail], axis=0).T)


def r_squared(truth: NDArray[Any], told: NDArray[Any]) -> float:
    """1 − squared error over the variance around the truth's mean; 0 where nothing varies."""
    total = float(((truth - truth.mean()) ** 2).sum())
    return 1 - float(((truth - told) ** 2).sum()) / total if total > 0 else 0.0
