"""Retrieval metrics, ties counted fairly."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def expected_ranks(scores: NDArray[Any], relevant: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Expected rank of the best relevant item of each query when ties are broken at random.

    Args:
        scores: (q, n), higher is better.
        relevant: (q, n); a query without a relevant item gets rank infinity.

    Returns:
        (q,) float64, 1 is best: items above, plus 1, plus the irrelevant among its ties divided by
        the relevant ones plus 1.
    """
    best = np.where(relevant, scores, -np.inf).max(axis=1, keepdims=True)
    above = (scores > best).sum(axis=1)
    tied = scores == best
    good = (tied & relevant).sum(axis=1)
    ranks = above + 1 + (tied & ~relevant).sum(axis=1) / (good + 1)
    return np.where(relevant.any(axis=1), ranks, np.inf)


def recall_at(ranks: NDArray[np.float64], k: int) -> float:
    """Share of queries whose expected rank is at most k; 0 without queries."""
    return float((ranks <= k).mean()) if len(ranks) else 0.0


def mean_reciprocal_rank(ranks: NDArray[np.float64]) -> float:
    """Mean of 1 / rank; 0 without queries."""
    return float((1 / ranks).mean()) if len(ranks) else 0.0


def bootstrap_interval(
    values: NDArray[Any], seed: int = 0, draws: int = 1000, level: float = 0.95
) -> tuple[float, float]:
    """Percentile bootstrap interval of a mean over queries."""
    if len(values) == 0:
        return 0.0, 0.0
    rng = np.random.default_rng(seed)
    means = [float(values[rng.integers(0, len(values), len(values))].mean()) for _ in range(draws)]
    tail = (1 - level) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)
