"""Answers that are fitted together, and what is found of them out of fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from prom3e_index.confidence.answers import Answers, Floats, Ints
from prom3e_index.confidence.fitted import LEVEL, Fitted, Interval, Linear, chances, inside
from prom3e_index.confidence.linear import fit_logistic, fit_ridge
from prom3e_index.confidence.signals import UNKNOWN, error_signals, shares, signals

LEAST = 50
"""Observations that must have asked."""
FOLDS = 5
TEMPERATURES = (0.005, 0.007, 0.01, 0.014, 0.02, 0.028, 0.04, 0.056, 0.08, 0.113, 0.16)
"""Among which τ is chosen."""
_TENTHS = 10
_LEAST_BIN = 20


@dataclass(frozen=True)
class Pooled:
    """Answers that are fitted together, and what was found out of fold."""

    keys: tuple[str, ...]
    answers: list[Answers]
    modalities: tuple[str, ...]
    temperature: float
    x: Floats
    shown: Floats
    right: NDArray[np.bool_]
    observation: Ints
    group: Ints
    fold: Ints
    p: Floats

    @classmethod
    def of(
        cls, keys: tuple[str, ...], some: list[Answers], modalities: tuple[str, ...], seed: int
    ) -> Pooled:
        """Answers fitted together, each judged by functions that were fitted without its group."""
        shown = np.concatenate(
            [np.tile([m in a.visible for m in modalities], (len(a.truth), 1)) for a in some]
        ).astype(np.float64)
        right = np.concatenate([a.right for a in some])
        observation = np.concatenate([a.observation for a in some])
        group = np.concatenate([a.group for a in some])
        likely = _likely(some)
        made: dict[float, Floats] = {}

        def at(rows: NDArray[np.bool_]) -> Floats:
            """The signals of all answers at the τ of some."""
            tau = TEMPERATURES[int(likely[:, rows].sum(axis=1).argmax())]
            if tau not in made:
                made[tau] = np.concatenate([signals(a.first, tau) for a in some])
            return made[tau]

        fold = _folds(group, seed)
        p = np.full(len(right), right.mean())
        for k in np.unique(fold):
            out = fold == k
            if right[~out].any() and not right[~out].all():
                x = at(~out)
                function = fit_logistic(x[~out], shown[~out], right[~out], modalities)
                p[out] = chances(_apply(function, x[out], shown[out], modalities))
            else:
                p[out] = right[~out].mean()
        every = np.ones(len(right), bool)
        tau = TEMPERATURES[int(likely.sum(axis=1).argmax())]
        return cls(
            keys, some, modalities, tau, at(every), shown, right, observation, group, fold, p
        )

    def fitted(self) -> Fitted:
        """The functions of all of them."""
        right = fit_logistic(self.x, self.shown, self.right, self.modalities)
        below = self.below()
        edges = edges_of(self.p)
        error, off = self._error()
        return Fitted(
            self.temperature,
            right,
            self.bins(),
            edges,
            set_below(self.p, below, edges),
            error,
            off,
            len(np.unique(self.observation)),
            len(self.right),
            float(self.right.mean()),
        )

    def below(self) -> Floats:
        """How far below the first score the best right row is; infinity where none is among the first rows."""
        out = []
        for a in self.answers:
            same = (a.first.codes == a.truth[:, None]) & np.isfinite(a.first.scores)
            best = np.where(same, a.first.scores, -np.inf).max(axis=1, initial=-np.inf)
            out.append(a.first.scores[:, 0] - best)
        return np.concatenate(out)

    def sets(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_], Floats]:
        """Whether each answer has a set, whether that held the right one, its size; limits made without its fold."""
        below = self.below()
        limit = np.full(len(self.p), np.inf)
        for k in np.unique(self.fold):
            out = self.fold == k
            edges = edges_of(self.p[~out])
            found = set_below(self.p[~out], below[~out], edges)
            limit[out] = np.asarray(found)[np.searchsorted(edges, self.p[out], side="right")]
        sizes, at = [], 0
        for a in self.answers:
            mine = limit[at : at + len(a.truth)]
            at += len(a.truth)
            codes = np.sort(np.where(inside(a.first, mine), a.first.codes, UNKNOWN), axis=1)
            new = np.diff(codes, axis=1, prepend=UNKNOWN) != 0
            sizes.append((new & (codes != UNKNOWN)).sum(axis=1))
        given = np.isfinite(limit)
        return given, given & (below <= limit), np.concatenate(sizes).astype(np.float64)

    def bins(self) -> tuple[tuple[float, int, int, int], ...]:
        """Tenths of out-of-fold P; fewer where observations are few."""
        count = max(1, min(_TENTHS, len(np.unique(self.observation)) // _LEAST_BIN))
        parts = np.array_split(np.argsort(self.p, kind="stable"), count)
        return tuple(
            (
                float(self.p[i].mean()),
                len(i),
                int(self.right[i].sum()),
                len(np.unique(self.observation[i])),
            )
            for i in parts
            if len(i)
        )

    def errors(self) -> tuple[Floats, Floats, NDArray[np.bool_]]:
        """Signals of the error, the error, and where it is known."""
        x = np.concatenate([error_signals(a.first, self.temperature) for a in self.answers])
        y = np.concatenate([a.error for a in self.answers])
        return x, y, np.isfinite(y)

    @cached_property
    def errors_out_of_fold(self) -> tuple[Floats, Floats] | None:
        """Expected and true errors where these are known; None where too few are."""
        x, y, known = self.errors()
        if len(np.unique(self.observation[known])) < LEAST:
            return None
        expected = np.full(len(y), np.nan)
        for k in np.unique(self.fold):
            fits, out = known & (self.fold != k), known & (self.fold == k)
            if fits.any():
                made = fit_ridge(x[fits], self.shown[fits], y[fits], self.modalities)
                expected[out] = _apply(made, x[out], self.shown[out], self.modalities)
        held = np.isfinite(expected) & known
        return (expected[held], y[held]) if held.any() else None

    def _error(self) -> tuple[Linear | None, float | None]:
        found = self.errors_out_of_fold
        if found is None:
            return None, None
        off = quantile(np.abs(found[0] - found[1]))
        if not np.isfinite(off):
            return None, None
        x, y, known = self.errors()
        return fit_ridge(x[known], self.shown[known], y[known], self.modalities), off


def _apply(made: Linear, x: Floats, shown: Floats, modalities: tuple[str, ...]) -> Floats:
    visible = np.array([made.visible.get(m, 0.0) for m in modalities])
    return np.asarray(made.of(x, ()) + shown @ visible)


def _likely(some: Sequence[Answers]) -> Floats:
    """Log of the share that the right rows of each answer have at each of `TEMPERATURES`, (τ, n)."""
    out = []
    for tau in TEMPERATURES:
        masses = [
            (shares(a.first.scores, tau) * (a.first.codes == a.truth[:, None])).sum(axis=1)
            for a in some
        ]
        out.append(np.log(np.maximum(np.concatenate(masses), 1e-4)))
    return np.stack(out)


def _folds(group: Ints, seed: int) -> Ints:
    """Fold of each answer: whole groups, dealt out at random, the largest first, to the fold that has least."""
    names, code, size = np.unique(group, return_inverse=True, return_counts=True)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(names))
    order = order[np.argsort(-size[order], kind="stable")]
    held = np.zeros(min(FOLDS, len(names)))
    fold = np.zeros(len(names), np.int64)
    for i in order:
        fold[i] = int(held.argmin())
        held[fold[i]] += size[i]
    return np.asarray(fold[code.reshape(-1)])


def edges_of(p: Floats) -> Interval:
    """The two values that part P into thirds."""
    low, high = np.quantile(p, [1 / 3, 2 / 3])
    return float(low), float(high)


def set_below(p: Floats, below: Floats, edges: Interval) -> tuple[float, float, float]:
    """By third of P, how far below the first score the right species stands in `LEVEL` of the answers."""
    third = np.searchsorted(edges, p, side="right")
    a, b, c = (quantile(below[third == i]) for i in range(3))
    return a, b, c


def quantile(values: Floats, level: float = LEVEL) -> float:
    """The ⌈(n + 1)·level⌉-th smallest; infinity where there are too few: split conformal prediction."""
    place = int(np.ceil((len(values) + 1) * level))
    return float(np.sort(values)[place - 1]) if 0 < place <= len(values) else float("inf")
