"""Choosing δ, γ and ε on validation rows, by the expected reciprocal rank of the first right answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.evaluation.borrowed import Grouped, folds_of, gain, steadied
from prom3e_index.evaluation.directions import Direction
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
PARTS = ((0.0, 0.0), (1.0, 0.0), HIDDEN_ALONE)
"""δ and γ of what is mixed: encoder, reconstructed, hidden."""

SURE = 2.0
"""Standard errors by which a mixture may lose to its best part on what did not choose it.

With 0 the test rejects by chance what gains on other sites, 0.004 of recall@1, with 1 it is 0.001 (five models, each
half of the sites judging the other's choice); with 3, or without a test, recall is the same within 0.0003.
"""


Setting = tuple[float, float, float]


def settings_of(
    gammas: Iterable[float] = GAMMAS, epsilons: Iterable[float] = EPSILONS
) -> list[Setting]:
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


@dataclass(frozen=True)
class _Tried:
    """Of a direction: what each setting is worth to its queries, and its recall@1."""

    given: str
    target: str
    queries: int
    worth: Grouped
    first: dict[Setting, float]


def choose(every: Iterable[Direction], *, delta_only: bool = False) -> Chosen:
    """Choose δ and γ of each direction, and ε of each target, which is a property of its gallery.

    Validation rows are few and alike. So what a setting is worth in a direction is estimated together with the other
    directions of as many shown modalities (`borrowed.steadied`), and whatever is chosen is judged on species that did
    not choose it: a mixture gives way to the best of its parts (encoder, reconstructed, hidden) where it is surely
    worse there, and a gallery is mixed where that gains `EPSILON_GAIN`.

    Args:
        every: Directions of validation rows, one in memory at a time; `mixed` with all targets unless
            `delta_only`.
        delta_only: γ = ε = 0, as in the paper.
    """
    tried = settings_of((0.0,), (0.0,)) if delta_only else settings_of()
    settings: list[tuple[Space, Weights]] = [("hybrid", Weights(*t)) for t in tried]
    found = []
    for d in every:
        first = d.every_first(settings)
        has = first[0].found
        worth = np.stack([f[has].reciprocal_rank() for f in first], axis=1)
        recall = {t: recall_at(f[has], 1) for t, f in zip(tried, first, strict=True)}
        worth_of = Grouped.of(worth, d.groups[has])
        if has.any():
            found.append(_Tried(d.given, d.target, int(has.sum()), worth_of, recall))
    by_size: dict[int, list[_Tried]] = {}
    for f in found:
        by_size.setdefault(f.given.count("+"), []).append(f)
    sizes = [_Size(tried, of) for of in by_size.values()]
    epsilon = {t: _epsilon(sizes, t) for t in dict.fromkeys(f.target for f in found)}
    weights, records = {}, []
    for size in sizes:
        for i, f in enumerate(size.found):
            e = epsilon[f.target]
            best = tried[size.choice(i, e)]
            weights[f.given, f.target] = Weights(*best)
            told = {
                "encoder": f.first[0.0, 0.0, 0.0],
                "reconstructed": f.first[1.0, 0.0, e],
                "hybrid": f.first[best],
            }
            if not delta_only:
                told["hidden"] = f.first[(*HIDDEN_ALONE, e)]
            records.append(
                {"given": f.given, "target": f.target, "delta": best[0], "gamma": best[1]}
                | {"queries": f.queries}
                | told
            )
    return Chosen(epsilon, weights, _default(tried, found, epsilon), records)


class _Size:
    """The directions of one number of shown modalities.

    Args:
        tried: The settings.
        found: The directions.
    """

    def __init__(self, tried: list[Setting], found: list[_Tried]) -> None:
        self.tried, self.found = tried, found
        self._order = np.array([(-s[1], -abs(s[0] - 0.5)) for s in tried])
        worth = [f.worth for f in found]
        self._all = steadied(worth)
        self._fold = folds_of(worth)
        self._without = {
            int(k): steadied(
                [w.where(fold != k) for w, fold in zip(worth, self._fold, strict=True)]
            )
            for k in np.unique(np.concatenate(self._fold))
        }

    def _best(self, worth: NDArray[np.float64], among: NDArray[np.bool_]) -> int:
        """Of equal worth the setting with less of the hidden block, then the evener one."""
        places = np.flatnonzero(among)
        keys = np.lexsort((*self._order[places].T[::-1], np.round(worth[places], 4)))
        return int(places[keys[-1]])

    def at(self, epsilon: float) -> NDArray[np.bool_]:
        """Which settings have this ε."""
        return np.array([s[2] == epsilon for s in self.tried])

    def _parts(self, epsilon: float) -> NDArray[np.bool_]:
        return np.array([s[:2] in PARTS and s[2] == epsilon for s in self.tried])

    def judged(self, i: int, among: NDArray[np.bool_]) -> NDArray[np.float64]:
        """(c,) what the best of some settings is worth to each group, where other folds chose it."""
        out = np.zeros(len(self._fold[i]))
        for k, worth in self._without.items():
            mine = self._fold[i] == k
            out[mine] = self.found[i].worth.sums[mine, self._best(worth[i], among)]
        return out

    def choice(self, i: int, epsilon: float) -> int:
        """Place of the setting that a direction gets."""
        mixed, parts = self.at(epsilon), self._parts(epsilon)
        if len(self._without) < 2:  # nothing to judge a mixture on
            return self._best(self._all[i], parts)
        apart = self.judged(i, mixed) - self.judged(i, parts)
        worth = self.found[i].worth
        more, error = gain(apart, worth.counts, worth.groups)
        return self._best(self._all[i], mixed if more >= -SURE * error else parts)


def _epsilon(sizes: list[_Size], target: str) -> float:
    """ε of a target: one that surely gains on queries that did not choose it, all its directions together."""
    mine = [(s, i) for s in sizes for i, f in enumerate(s.found) if f.target == target]
    counts = np.concatenate([s.found[i].worth.counts for s, i in mine])
    groups = np.concatenate([s.found[i].worth.groups for s, i in mine])
    worth = {
        e: np.concatenate([s.judged(i, s.at(e)) for s, i in mine])
        for e in sorted({t[2] for t in mine[0][0].tried})
    }
    best = max(worth, key=lambda e: worth[e].sum())
    more, error = gain(worth[best] - worth[0.0], counts, groups)
    return best if more >= max(EPSILON_GAIN, SURE * error) else 0.0


def _default(
    tried: list[Setting], found: list[_Tried], epsilon: dict[str, float]
) -> tuple[float, float]:
    if not found:
        return 0.5, 0.0
    place = {s: i for i, s in enumerate(tried)}
    means = [f.worth.means() for f in found]
    worth = {
        s[:2]: sum(m[place[(*s[:2], epsilon[f.target])]] for m, f in zip(means, found, strict=True))
        for s in tried
        if s[2] == 0
    }
    return max(worth, key=lambda k: (round(worth[k], 3), -k[1]))
