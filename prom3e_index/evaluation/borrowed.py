"""Means of many directions with few independent queries each, steadied by what the directions have in common.

Validation rows of a real set repeat: a few dozen photos, places or names ask hundreds of times. The mean of a
direction is then mostly chance, and the best of a hundred settings is the luckiest. So each direction's means are drawn
towards the mean of all, the more so the less its own queries can tell: empirical Bayes in its plainest form
(Efron and Morris, JASA 1975), with the variance within a direction taken over groups of alike queries.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FOLDS = 5


@dataclass(frozen=True)
class Grouped:
    """What s settings are worth to the queries of one direction, summed within groups of alike queries.

    Attributes:
        sums: (c, s) of each group.
        counts: (c,) queries of each group, at least 1.
        groups: (c,) their codes, the same over directions.
    """

    sums: Floats
    counts: NDArray[np.int64]
    groups: NDArray[np.int64]

    @classmethod
    def of(cls, values: Floats, groups: NDArray[np.int64]) -> Grouped:
        """From values (q, s) of queries and their groups (q,)."""
        codes, at = np.unique(groups, return_inverse=True)
        sums = np.zeros((len(codes), values.shape[1]))
        np.add.at(sums, at.reshape(-1), values)
        return cls(sums, np.bincount(at.reshape(-1), minlength=len(codes)), codes)

    def where(self, keep: NDArray[np.bool_]) -> Grouped:
        """Some of the groups."""
        return Grouped(self.sums[keep], self.counts[keep], self.groups[keep])

    def means(self) -> Floats:
        """(s,) means over queries; 0 without any."""
        return np.asarray(self.sums.sum(axis=0) / max(int(self.counts.sum()), 1))

    def errors(self) -> Floats:
        """(s,) variances of these means where groups, not queries, are independent; infinite with fewer than two."""
        c = len(self.counts)
        if c < 2:
            return np.full(self.sums.shape[1], np.inf)
        apart = self.sums - self.counts[:, None] * self.means()
        return np.asarray((apart**2).sum(axis=0) / self.counts.sum() ** 2 * c / (c - 1))

    def levelled(self) -> Grouped:
        """Each query's values less their mean over settings: how hard a query is says nothing of settings."""
        return Grouped(self.sums - self.sums.mean(axis=1, keepdims=True), self.counts, self.groups)


def steadied(directions: list[Grouped]) -> Floats:
    """What each setting is worth in each direction, (directions, s), drawn towards the mean of all directions.

    Values are relative to the mean over settings of the direction. One direction alone keeps its own means.
    """
    if not directions:
        return np.zeros((0, 0))
    level = [d.levelled() for d in directions]
    means = np.stack([d.means() for d in level])
    if len(means) == 1:
        return means
    within = np.stack([d.errors() for d in level])
    told = np.isfinite(within).all(axis=1)
    chance = within[told].mean(axis=0) if told.any() else np.inf
    between = float(np.maximum(means.var(axis=0, ddof=1) - chance, 0).mean())
    noise = within.mean(axis=1)
    share = np.where(np.isfinite(noise), between / np.maximum(between + noise, 1e-12), 0.0)
    centre = means.mean(axis=0)
    return np.asarray(centre + share[:, None] * (means - centre))


def folds_of(directions: list[Grouped], seed: int = 0) -> list[NDArray[np.int64]]:
    """Fold of each group of each direction, up to `FOLDS`; a group is in one fold in all directions."""
    every = np.unique(np.concatenate([d.groups for d in directions] or [np.zeros(0, np.int64)]))
    fold = np.empty(len(every), np.int64)
    fold[np.random.default_rng(seed).permutation(len(every))] = np.arange(len(every)) % FOLDS
    return [fold[np.searchsorted(every, d.groups)] for d in directions]


def gain(sums: Floats, counts: NDArray[np.int64], groups: NDArray[np.int64]) -> tuple[float, float]:
    """Mean over queries of differences summed by group (c,), and its standard error; a group may be there twice."""
    codes, at = np.unique(groups, return_inverse=True)
    whole = np.bincount(at.reshape(-1), sums, len(codes)).astype(np.float64)
    many = np.bincount(at.reshape(-1), counts, len(codes)).astype(np.int64)
    one = Grouped(whole[:, None], many, codes)
    return float(one.means()[0]), float(np.sqrt(one.errors()[0]))
