"""Choosing δ, γ and ε by recall on validation rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from prom3e_index.evaluation.directions import Direction
from prom3e_index.evaluation.first_right import FirstRight
from prom3e_index.evaluation.metrics import recall_at
from prom3e_index.models.folder import Weights
from prom3e_index.search.score import Space

DELTAS = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
GAMMAS = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
"""Up to the hidden block alone: a mixture may not lose to what it is mixed of."""
EPSILONS = (0.0, 0.25, 0.5)
EPSILON_GAIN = 0.01
"""A gallery is mixed only where it gains this much: unmixed, it serves the encoder space at once too."""

HIDDEN_ALONE = (0.5, 1.0)
"""δ and γ of the hidden block alone; its δ says nothing."""

_Setting = tuple[float, float, float]


def settings_of(
    gammas: Iterable[float] = GAMMAS, epsilons: Iterable[float] = EPSILONS
) -> list[_Setting]:
    """(δ, γ, ε) to try; of the hidden block alone one δ."""
    every = ((d, g, e) for d in DELTAS for g in gammas for e in epsilons)
    return [s for s in every if s[1] < 1 or s[:2] == HIDDEN_ALONE]


@dataclass(frozen=True)
class Chosen:
    """What validation chose.

    Attributes:
        epsilon: ε of each target.
        weights: Of each visible set (`image+sat`) and target.
        default: δ and γ for what has none of its own: the best on the mean of all directions.
        records: For each direction `given`, `target`, `delta`, `gamma`, `queries`, and recall@1 of
            `encoder`, `reconstructed`, `hybrid` with these weights, and `hidden` where γ is chosen too.
    """

    epsilon: dict[str, float]
    weights: dict[tuple[str, str], Weights]
    default: tuple[float, float]
    records: list[dict[str, Any]]


def choose(every: Iterable[Direction], *, delta_only: bool = False) -> Chosen:
    """Choose by the mean of recall@1 and recall@10 of each direction.

    ε is a property of a target's gallery, so one is chosen per target; δ and γ are per direction.

    Args:
        every: Directions of validation rows, one in memory at a time; `mixed` with all targets unless
            `delta_only`.
        delta_only: γ = ε = 0, as in the paper.
    """
    gammas, epsilons_tried = ((0.0,), (0.0,)) if delta_only else (GAMMAS, EPSILONS)
    tried = settings_of(gammas, epsilons_tried)
    settings: list[tuple[Space, Weights]] = [("hybrid", Weights(*t)) for t in tried]
    first: dict[tuple[str, str], dict[_Setting, float]] = {}
    quality: dict[tuple[str, str], dict[_Setting, float]] = {}
    queries: dict[tuple[str, str], int] = {}
    for d in every:
        key = d.given, d.target
        queries[key], stands = d.queries, d.first(settings)
        first[key] = {t: recall_at(s, 1) for t, s in zip(tried, stands, strict=True)}
        quality[key] = {t: _quality(s) for t, s in zip(tried, stands, strict=True)}
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
    weights, records = {}, []
    for (given, target), qualities in quality.items():
        epsilon = epsilons[target]
        found = {k: v for k, v in qualities.items() if k[2] == epsilon}
        best = max(found, key=lambda k: (round(found[k], 4), -k[1], -abs(k[0] - 0.5)))
        weights[given, target] = Weights(*best)
        recall = first[given, target]
        records.append(
            {
                "given": given,
                "target": target,
                "delta": best[0],
                "gamma": best[1],
                "queries": queries[given, target],
                "encoder": recall[0.0, 0.0, 0.0],
                "reconstructed": recall[1.0, 0.0, epsilon],
                "hybrid": recall[best],
            }
            | ({} if delta_only else {"hidden": recall[(*HIDDEN_ALONE, epsilon)]})
        )
    means = {
        (delta, gamma): sum(q[delta, gamma, epsilons[t]] for (_, t), q in quality.items())
        for delta, gamma, epsilon in tried
        if epsilon == 0
    }
    default = max(means, key=lambda k: (round(means[k], 3), -k[1]))
    return Chosen(epsilons, weights, default, records)


def _quality(first: FirstRight) -> float:
    return (recall_at(first, 1) + recall_at(first, 10)) / 2
