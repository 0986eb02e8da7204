"""The one engine of ranks: where the first right answer of a query stands, and what is in its first ten places.

Training, choice of weights, demo and evaluation all rank here. Every score is compared once with the
best right one, in compiled loops that keep a row of scores in the core's cache; `benchmarks/LOG.md` has
what numpy's passes cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.faiss.compiled import compiled
from prom3e_index.evaluation.first_right import FirstRight

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
PLACES = 10
_SEEN = PLACES + 2
_STRIDE = 64
_NONE = -np.float32(np.inf)


@compiled()
def _place(row, members, skip):  # type: ignore[no-untyped-def]
    """Answers above the best right one; that tie with it; right ones among these; right ones in all.

    `members` are the right ones and `skip` is no answer at all. What is no number is below all numbers.
    """
    top = np.float32(-np.inf)
    above = tied = good = right = 0
    for j in members:
        if j != skip:
            right += 1
            if row[j] > top:
                top = row[j]
    if right == 0:
        return above, tied, good, right
    for j in members:
        good += j != skip and row[j] == top
    if good == 0:
        for j in range(len(row)):
            if j != skip:
                above += row[j] == row[j]
                tied += row[j] != row[j]
        return above, tied, right, right
    for j in range(len(row)):
        above += row[j] > top
        tied += row[j] == top
    if skip >= 0:
        above -= row[skip] > top
        tied -= row[skip] == top
    return above, tied, good, right


@compiled()
def _places(scores, members, begin, end, skip, count):  # type: ignore[no-untyped-def]
    """Fill `count` (b, 4) with what `_place` says of each query."""
    for i in range(len(scores)):
        count[i] = _place(scores[i], members[begin[i] : end[i]], skip[i])


@compiled()
def _scan(scores, own, members, begin, end, count, value, index):  # type: ignore[no-untyped-def]
    """Fill `count` (b, 2, 4), by row and by species, `value` and `index` (b, seen); see `Answers`."""
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
                v = row[j] if row[j] == row[j] else np.float32(-np.inf)
                if v > last or filled < seen:
                    place = min(filled, seen - 1)
                    while place > 0 and value[i, place - 1] < v:
                        value[i, place] = value[i, place - 1]
                        index[i, place] = index[i, place - 1]
                        place -= 1
                    value[i, place], index[i, place] = v, j
                    filled = min(filled + 1, seen)
                    last = value[i, seen - 1]
        mine = own[i : i + 1] if own[i] >= 0 else own[:0]
        count[i, 0] = _place(row, mine, -1)
        count[i, 1] = _place(row, members[begin[i] : end[i]], own[i])


@compiled()
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


@dataclass(frozen=True)
class Right:
    """The right answers of q queries: `members[begin[i]:end[i]]`, without `skip[i]`.

    Attributes:
        members: Gallery rows; several queries may share a stretch.
        begin: (q,)
        end: (q,)
        skip: (q,) gallery row that is no answer, right or wrong; −1 where all are.
    """

    members: Ints
    begin: Ints
    end: Ints
    skip: Ints

    def __len__(self) -> int:
        return len(self.begin)

    def part(self, at: slice) -> Right:
        """Those of some of the queries."""
        return Right(self.members, self.begin[at], self.end[at], self.skip[at])

    @classmethod
    def rows(cls, own: Ints) -> Right:
        """One gallery row each; −1 where the gallery lacks it."""
        at = np.arange(len(own))
        return cls(own, at, at + (own >= 0), np.full(len(own), -1))

    @classmethod
    def alike(cls, label: Ints, labels: Labels, own: Ints) -> Right:
        """The gallery rows with a query's label (q,), −1 unknown; its own row is no answer."""
        known = (label >= 0) & (label < len(labels.sizes))
        at = np.where(known, label, 0)
        begin = labels.start[at]
        return cls(labels.members, begin, np.where(known, labels.start[at + 1], begin), own)

    @classmethod
    def where(cls, relevant: NDArray[np.bool_], skip: Ints | None = None) -> Right:
        """Where a matrix (q, g) says so."""
        ends = np.concatenate([[0], np.cumsum(relevant.sum(axis=1))])
        none = np.full(len(relevant), -1) if skip is None else skip
        return cls(np.nonzero(relevant)[1], ends[:-1], ends[1:], none)


def first_right(scores: NDArray[Any], right: Right) -> FirstRight:
    """Where the first right answer of each query stands.

    Args:
        scores: (q, g), higher is better; taken as float32. What is no number is below all numbers.
        right: Of q queries.
    """
    count = np.zeros((len(scores), 4), np.int64)
    _places(
        np.ascontiguousarray(scores, np.float32), right.members, right.begin, right.end,
        right.skip, count,
    )  # fmt: skip
    return _first(count)


def _first(count: Ints) -> FirstRight:
    above, tied, good, _ = count.T.astype(np.int32)
    return FirstRight(above, tied, good)


@dataclass(frozen=True)
class Ranks:
    """Of b queries.

    Attributes:
        first: Where the first right answer stands.
        gain: (b, PLACES) float32, probability that the answer at a place is right; None when not
            asked for.
        right: (b,) int32, right answers in the gallery.
    """

    first: FirstRight
    gain: Floats | None
    right: NDArray[np.int32]


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
        self._count = np.zeros((b, 2, 4), np.int64)
        self._value, self.index = np.empty((b, seen), np.float32), np.empty((b, seen), np.int64)
        right = Right.alike(label, species, own)
        _scan(
            scores, own, right.members, right.begin, right.end,
            self._count, self._value, self.index,
        )  # fmt: skip

    def by_row(self) -> Ranks:
        """Only the query's own row is right; without one nothing is."""
        count = self._count[:, 0]
        above, tied, _, right = count.T
        gain = np.zeros((len(right), PLACES), np.float32)
        for place in range(PLACES):
            inside = (right > 0) & (above <= place) & (place < above + tied)
            gain[inside, place] = 1 / tied[inside]
        return Ranks(_first(count), gain, right.astype(np.int32))

    def by_species(self) -> Ranks:
        """Every row of the query's species is right; its own is no answer."""
        right = self._count[:, 1, 3]
        value, index = self._others
        hit = (self._of[index] == self._label[:, None]) & (self._label >= 0)[:, None]
        hit &= value > _NONE
        gain = np.zeros((len(right), PLACES), np.float32)
        gain[:, : min(PLACES, hit.shape[1])] = hit[:, :PLACES]
        mixed = (value[:, 1:] == value[:, :-1]) & (value[:, 1:] > _NONE)
        for row in np.flatnonzero(mixed.any(axis=1)):
            for v in np.unique(value[row][1:][mixed[row]]):
                alike = hit[row][value[row] == v]
                if v > value[row, -1] and (alike.all() or not alike.any()):
                    continue  # the whole tie is in view
                first, size, good_ones = self._tie(row, v, self._of, int(self._label[row]))
                gain[row, first : first + size] = good_ones / size
        return Ranks(_first(self._count[:, 1]), gain, right.astype(np.int32))

    def by_label(self, label: Ints, labels: Labels) -> Ranks:
        """As `by_species` by another label, as far as the first ten places: none found beyond, no gains.

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
        # Where a stands alone in its tie, or among right ones only, its place is certain.
        above, good = np.where(found, place, 0), found.astype(np.int64)
        tied = good.copy()
        # A tie at the first right answer, or a tie across the last place that may hide one.
        first = np.take_along_axis(value, place[:, None], axis=1)
        alike = value == first
        wrong_too = (alike[:, : hit.shape[1]] & ~hit).any(axis=1)
        beyond = (value[:, -1:] == first)[:, 0] & (alike.sum(axis=1) > 1)
        unclear = ((found & wrong_too) | beyond) & (right > 0)
        for row in np.flatnonzero(unclear):
            above[row], tied[row], good[row] = self._tie(row, first[row, 0], of, int(label[row]))
        counts = np.stack([above, tied, good, right], axis=1)
        counts[(good == 0) | (above >= PLACES)] = 0
        return Ranks(_first(counts), None, right.astype(np.int32))

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
