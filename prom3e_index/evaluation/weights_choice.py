"""Choosing δ, γ and ε by recall on validation rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prom3e_index.evaluation.directions import Direction
from prom3e_index.evaluation.metrics import recall_at
from prom3e_index.models.folder import Weights

DELTAS = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
GAMMAS = (0.0, 0.1, 0.25, 0.5, 0.75)
EPSILONS = (0.0, 0.25, 0.5)
EPSILON_GAIN = 0.01
"""A gallery is mixed only where it gains this much: unmixed, it serves the encoder space at once too."""


@dataclass(frozen=True)
class Chosen:
    """What validation chose.

    Attributes:
        epsilon: ε of each target.
        weights: Of each visible set (`image+sat`) and target.
        default: δ and γ for what has none of its own: the best on the mean of all directions.
    """

    epsilon: dict[str, float]
    weights: dict[tuple[str, str], Weights]
    default: tuple[float, float]


def choose(every: Sequence[Direction], *, delta_only: bool = False) -> Chosen:
    """Choose by the mean of recall@1 and recall@10 of each direction.

    ε is a property of a target's gallery, so one is chosen per target; δ and γ are per direction.

    Args:
        every: Directions of validation rows.
        delta_only: γ = ε = 0, as in the paper.
    """
    gammas, epsilons_tried = ((0.0,), (0.0,)) if delta_only else (GAMMAS, EPSILONS)
    quality: dict[tuple[str, str], dict[tuple[float, float, float], float]] = {}
    for d in every:
        quality[d.given, d.target] = {
            (delta, gamma, epsilon): _quality(d.ranks("hybrid", Weights(delta, gamma, epsilon)))
            for delta in DELTAS
            for gamma in gammas
            for epsilon in epsilons_tried
        }
    totals: dict[str, dict[float, float]] = defaultdict(lambda: dict.fromkeys(epsilons_tried, 0.0))
    for (_, target), found in quality.items():
        for epsilon in epsilons_tried:
            totals[target][epsilon] += max(v for k, v in found.items() if k[2] == epsilon)
    epsilons = {}
    for target, values in totals.items():
        asking = sum(t == target for _, t in quality)
        best_of = max(values, key=lambda e: values[e])
        gain = (values[best_of] - values[0.0]) / asking
        epsilons[target] = best_of if gain >= EPSILON_GAIN else 0.0
    weights = {}
    for d in every:
        epsilon = epsilons[d.target]
        found = {k: v for k, v in quality[d.given, d.target].items() if k[2] == epsilon}
        best = max(found, key=lambda k: (round(found[k], 4), -k[1], -abs(k[0] - 0.5)))
        weights[d.given, d.target] = Weights(*best)
    means = {
        (delta, gamma): sum(
            quality[d.given, d.target][delta, gamma, epsilons[d.target]] for d in every
        )
        for delta in DELTAS
        for gamma in gammas
    }
    default = max(means, key=lambda k: (round(means[k], 3), -k[1]))
    return Chosen(epsilons, weights, default)


def _quality(ranks: NDArray[np.float64]) -> float:
    return (recall_at(ranks, 1) + recall_at(ranks, 10)) / 2
