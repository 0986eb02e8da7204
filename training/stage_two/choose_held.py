"""Choosing δ, γ, ε on rows that a run holds out: they ask, and all rows answer, as in an index of the whole set.

Few rows can be held out of a small set, and few of their photos may be distinct. So a setting counts as good as
the best where held-out queries cannot tell the two apart, within one standard error over distinct queries; of
those the one is taken that serves the rows trained on best, for these are what the index holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prom3e_index.evaluation.directions import Direction
from prom3e_index.evaluation.weights_choice import (
    EPSILON_GAIN,
    EPSILONS,
    HIDDEN_ALONE,
    Chosen,
    settings_of,
)
from prom3e_index.models.folder import Weights

Quality = NDArray[np.float64]
Key = tuple[str, str]
_TRIED = settings_of()
_ENCODER, _COMPLETED = (0.0, 0.0), (1.0, 0.0)


@dataclass(frozen=True)
class _Found:
    """Of a direction.

    Attributes:
        held: (c, s) quality of each setting for each distinct query that was held out.
        trained: (s,) mean quality over distinct queries that were trained on; zeros without.
        queries: Held-out queries, repeated ones included.
        first: (s,) their recall@1.
    """

    held: Quality
    trained: Quality
    queries: int
    first: Quality


def choose_held(
    held: Iterable[Direction],
    trained: Iterable[Direction],
    marks: Callable[[str], NDArray[np.uint64]],
) -> Chosen:
    """Choose by the expected reciprocal rank of the first right answer; see above.

    Args:
        held: Directions in which held-out rows ask.
        trained: Directions in which rows ask that were trained on.
        marks: Of a modality, one number for each row of the data, equal where two rows have the same embedding.
    """
    found = {(d.given, d.target): _of(d, marks) for d in held}
    own = {(d.given, d.target): _of(d, marks).held.mean(axis=0) for d in trained}
    found = {
        k: _Found(f.held, own.get(k, np.zeros(len(_TRIED))), f.queries, f.first)
        for k, f in found.items()
        if len(f.held)
    }
    epsilon = {t: _epsilon([f for (_, to), f in found.items() if to == t]) for _, t in found}
    weights, records = {}, []
    for (given, target), f in found.items():
        at = np.array([s[2] == epsilon[target] for s in _TRIED])
        best = _TRIED[_best([f], [at])]
        weights[given, target] = Weights(*best)
        recall = {s: float(r) for s, r in zip(_TRIED, f.first, strict=True)}
        names = {
            "encoder": (*_ENCODER, 0.0),
            "reconstructed": (*_COMPLETED, epsilon[target]),
            "hidden": (*HIDDEN_ALONE, epsilon[target]),
            "hybrid": best,
        }
        records.append(
            {"given": given, "target": target, "delta": best[0], "gamma": best[1]}
            | {"queries": f.queries, "distinct": len(f.held)}
            | {name: recall[s] for name, s in names.items()}
        )
    every = list(found.items())
    masks = [np.array([s[2] == epsilon[t] for s in _TRIED]) for (_, t), _ in every]
    default = _TRIED[_best([f for _, f in every], masks)][:2] if every else (0.5, 0.0)
    return Chosen(epsilon, weights, default, records)


def _of(d: Direction, marks: Callable[[str], NDArray[np.uint64]]) -> _Found:
    stands = d.every_first([("hybrid", Weights(*s)) for s in _TRIED])
    has = np.all([f.found for f in stands], axis=0)
    rows = d.rows[has]
    top = np.stack([f[has].recall(1) for f in stands], axis=1)
    quality = np.stack([f[has].reciprocal_rank() for f in stands], axis=1)
    distinct, at = np.unique(marks(d.given)[rows], return_inverse=True)
    sums = np.zeros((len(distinct), len(_TRIED)))
    np.add.at(sums, at.reshape(-1), quality)
    counts = np.bincount(at.reshape(-1), minlength=len(distinct))
    held = sums / np.maximum(counts, 1)[:, None]
    first = top.mean(axis=0) if len(top) else np.zeros(len(_TRIED))
    return _Found(held, np.zeros(len(_TRIED)), int(has.sum()), first)


def _epsilon(found: list[_Found]) -> float:
    """ε of a target: one that gains on held-out queries with the best δ and γ of each direction."""
    total = {
        e: np.mean([f.held.mean(axis=0)[[s[2] == e for s in _TRIED]].max() for f in found])
        for e in EPSILONS
    }
    best = max(total, key=lambda e: total[e])
    return best if total[best] - total[0.0] >= EPSILON_GAIN else 0.0


def _best(found: list[_Found], masks: list[NDArray[np.bool_]]) -> int:
    """Place in `_TRIED` of the setting for some directions together, each with the settings it may have."""
    own = np.mean([f.trained[m] for f, m in zip(found, masks, strict=True)], axis=0)
    held = [f.held[:, m] for f, m in zip(found, masks, strict=True)]
    held = [h for h in held if len(h) > 1] or held
    mean = np.mean([h.mean(axis=0) for h in held], axis=0)
    best = int(mean.argmax())
    if len(held[0]) > 1:
        apart = [(h[:, [best]] - h).var(axis=0, ddof=1) / len(h) for h in held]
        alike = mean[best] - mean <= np.sqrt(np.sum(apart, axis=0)) / len(held)
    else:
        alike = np.ones(len(mean), bool)  # one query tells nothing
    settings = np.flatnonzero(masks[0])
    order = [
        (round(float(own[i]), 4), round(float(mean[i]), 4), -_TRIED[s][1], -abs(_TRIED[s][0] - 0.5), int(s))
        for i, s in enumerate(settings)
        if alike[i]
    ]  # fmt: skip
    return max(order)[-1]
