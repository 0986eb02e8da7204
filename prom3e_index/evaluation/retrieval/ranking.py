"""Exact expected ranks of a block of queries, and what stands in the first ten places.

Every score is compared once with the query's own and once with the best right one, in compiled loops
that keep a row of scores in the core's cache; `benchmarks/LOG.md` has what numpy's passes cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
PLACES = 10
_SEEN = PLACES + 2
_STRIDE = 64
_NONE = -np.float32(np.inf)


@njit(nogil=True, cache=True)
def _scan(scores, own, label, start, members, count, value, index):  # type: ignore[no-untyped-def]
    """Fill `count` (b, 6), `value` and `index` (b, seen); see `Answers`."""
    b, g = scores.shape
    seen = value.shape[1]
    for i in range(b):
        row = scores[i]
        for j in range(seen):
            value[i, j], index[i, j] = -np.inf, -1
        last = np.float32(-np.inf)
        filled = 0
        for low in range(0, g, _STRIDE):
            high = min(low + _STRIDE, g)
            if filled == seen:
                better = 0
                for j in range(low, high):
                    better += row[j] > last
                if better == 0:
                    continue
            for j in range(low, high):
                v = row[j]
                if v > last or filled < seen:
                    place = min(filled, seen - 1)
                    while place > 0 and value[i, place - 1] < v:
                        value[i, place] = value[i, place - 1]
                        index[i, place] = index[i, place - 1]
                        place -= 1
                    value[i, place], index[i, place] = v, j
                    filled = min(filled + 1, seen)
                    last = value[i, seen - 1]
        above = tied = 0
        if own[i] >= 0:
            mine = row[own[i]]
            for j in range(g):
                above += row[j] > mine
                tied += row[j] == mine
        count[i, 0], count[i, 1] = above, tied
        top = np.float32(-np.inf)
        right = above = tied = good = 0
        if 0 <= label[i] < len(start) - 1:
            of = members[start[label[i]] : start[label[i] + 1]]
            for j in of:
                if j != own[i]:
                    right += 1
                    top = max(top, row[j])
            if right > 0:
                for j in of:
                    good += j != own[i] and row[j] == top
                for j in range(g):
                    above += row[j] > top
                    tied += row[j] == top
                if own[i] >= 0:
                    above -= row[own[i]] > top
                    tied -= row[own[i]] == top
        count[i, 2], count[i, 3], count[i, 4], count[i, 5] = above, tied, good, right


@njit(nogil=True, cache=True)
def _tied(row, value, of, label, own):  # type: ignore[no-untyped-def]
    """See `Answers._tie`."""
    above = size = good = 0
    for j in range(len(row)):
        if j == own:
            continue
        above += row[j] > value
        size += row[j] == value
        good += row[j] == value and label >= 0 and of[j] == label
    return above, size, good


@dataclass(frozen=True)
class Ranks:
    """Of b queries.

    Attributes:
        rank: (b,) float32, expected rank of the first right answer when ties are broken at random;
            infinity where nothing is right.
        gain: (b, PLACES) float32, probability that the answer at a place is right; None when not
            asked for.
        right: (b,) int32, right answers in the gallery.
    """

    rank: Floats
    gain: Floats | None
    right: NDArray[np.int32]


class Labels:
    """Codes of the gallery's rows, and the rows of each code.

    Args:
        of: (g,) codes from 0; −1 is unknown and right for nobody.
    """

    def __init__(self, of: Ints) -> None:
        self.of = of
        self.sizes = np.bincount(of[of >= 0], minlength=1)
        self.start = np.concatenate([[0], np.cumsum(self.sizes)])
        self.members = np.argsort(of, kind="stable")[int((of < 0).sum()) :]


class Answers:
    """The answers of b queries among g gallery rows, counted.

    Args:
        scores: (b, g) float32, higher first.
        own: (b,) gallery row of each query's own observation, −1 where it is not there.
        label: (b,) codes of the queries' species, −1 where unknown.
        species: Those of the gallery.

    Attributes:
        index: (b, ≤ 12) gallery rows of the best answers, best first, ties by row; −1 beyond the last.
    """

    def __init__(self, scores: Floats, own: Ints, label: Ints, species: Labels) -> None:
        b, g = scores.shape
        self._scores, self._own, self._label, self._of = scores, own, label, species.of
        seen = min(_SEEN, g)
        self._count = np.zeros((b, 6), np.int64)
        self._value, self.index = np.empty((b, seen), np.float32), np.empty((b, seen), np.int64)
        _scan(
            scores, own, label, species.start, species.members,
            self._count, self._value, self.index,
        )  # fmt: skip

    def by_row(self) -> Ranks:
        """Only the query's own row is right; without one nothing is."""
        above, tied = self._count[:, 0], self._count[:, 1]
        has = self._own >= 0
        gain = np.zeros((len(has), PLACES), np.float32)
        for place in range(PLACES):
            inside = has & (above <= place) & (place < above + tied)
            gain[inside, place] = 1 / tied[inside]
        rank = np.where(has, above + 1 + (tied - 1) / 2, np.inf)
        return Ranks(rank.astype(np.float32), gain, has.astype(np.int32))

    def by_species(self) -> Ranks:
        """Every row of the query's species is right; its own is no answer."""
        above, tied, good, right = self._count[:, 2:].T
        rank = np.where(right > 0, above + 1 + (tied - good) / (good + 1), np.inf)
        value, index = self._others
        hit = (self._of[index] == self._label[:, None]) & (self._label >= 0)[:, None]
        hit &= value > _NONE
        gain = np.zeros((len(rank), PLACES), np.float32)
        gain[:, : min(PLACES, hit.shape[1])] = hit[:, :PLACES]
        mixed = (value[:, 1:] == value[:, :-1]) & (value[:, 1:] > _NONE)
        for row in np.flatnonzero(mixed.any(axis=1)):
            for v in np.unique(value[row][1:][mixed[row]]):
                alike = hit[row][value[row] == v]
                if v > value[row, -1] and (alike.all() or not alike.any()):
                    continue  # the whole tie is in view
                first, size, good_ones = self._tie(row, v, self._of, int(self._label[row]))
                gain[row, first : first + size] = good_ones / size
        return Ranks(rank.astype(np.float32), gain, right.astype(np.int32))

    def by_label(self, label: Ints, labels: Labels) -> Ranks:
        """As `by_species` by another label, as far as the first ten places: infinity beyond, no gains.

        A label with many rows is nearly always in sight, and only the best answers are read.

        Args:
            label: (b,) codes of the queries.
            labels: Those of the gallery.
        """
        of, sizes = labels.of, labels.sizes
        known = (label >= 0) & (label < len(sizes))
        right: Ints = np.where(known, sizes[np.where(known, label, 0)], 0)
        right = right - (known & (self._own >= 0))
        value, index = self._others
        hit = (of[index] == label[:, None]) & (value > _NONE) & (right > 0)[:, None]
        hit = hit[:, :PLACES]
        found = hit.any(axis=1)
        place = np.where(found, hit.argmax(axis=1), hit.shape[1] - 1)
        rank = np.where(found, place + 1.0, np.inf)
        # A tie at the first right answer, or a tie across the last place that may hide one.
        first = np.take_along_axis(value, place[:, None], axis=1)
        alike = value == first
        wrong_too = (alike[:, : hit.shape[1]] & ~hit).any(axis=1)
        beyond = (value[:, -1:] == first)[:, 0] & (alike.sum(axis=1) > 1)
        unclear = ((found & wrong_too) | beyond) & (right > 0)
        for row in np.flatnonzero(unclear):
            above, size, good = self._tie(row, first[row, 0], of, int(label[row]))
            rank[row] = above + 1 + (size - good) / (good + 1) if good else np.inf
        return Ranks(
            np.where(rank <= PLACES, rank, np.inf).astype(np.float32), None, right.astype(np.int32)
        )

    @cached_property
    def _others(self) -> tuple[Floats, Ints]:
        """Best answers but the query's own row, (b, ≤ 11)."""
        mine = (self.index == self._own[:, None]) & (self._own >= 0)[:, None]
        order = np.argsort(mine, axis=1, kind="stable")[:, : PLACES + 1]
        value = np.take_along_axis(np.where(mine, _NONE, self._value), order, axis=1)
        return value, np.take_along_axis(self.index, order, axis=1)

    def _tie(self, row: int, value: np.float32, of: Ints, label: int) -> tuple[int, int, int]:
        """Answers above a value, answers of that value, right ones among these; the own row left out."""
        above, size, good = _tied(self._scores[row], value, of, label, self._own[row])
        return above, size, good


def ndcg(gain: Floats, right: NDArray[np.int32]) -> NDArray[np.float64]:
    """Normalised discounted cumulative gain of the first PLACES answers, (b,).

    The ideal has all right answers first. Queries without a right answer get 0.
    """
    discount = 1 / np.log2(np.arange(PLACES) + 2)
    ideal = np.concatenate([[0.0], np.cumsum(discount)])[np.minimum(right, PLACES)]
    return np.asarray((gain @ discount) / np.where(ideal > 0, ideal, 1))
