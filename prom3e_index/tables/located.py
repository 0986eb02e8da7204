"""The places of rows: of which columns each is read, and what it lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING

import numpy as np

from prom3e_index.tables.cells import Cells, Memo, Problems, numbers
from prom3e_index.tables.grids import NotRead
from prom3e_index.tables.hemispheres import o_named, said_of_o, side_named, sided
from prom3e_index.tables.places import (
    Place,
    Writing,
    datum_said,
    learn_writing,
    read_grid,
    read_pair,
    read_place,
)
from prom3e_index.tables.sample import Sample

if TYPE_CHECKING:
    import pyarrow as pa

_UNKNOWN = frozenset(
    sign + digits + tail
    for digits in ("999", "9999", "99999", "999999", "9999999")
    for sign in ("", "-")
    for tail in ("", ".0", ".9", ".99")
)
"""Numbers that stand for "not known" in tables of the trade."""
ZERO = "'0, 0' stands for an unknown place"


@dataclass(frozen=True)
class _Way:
    """One way of reading a place: its columns, and a function of their cells and the datum."""

    columns: tuple[str, ...]
    read: Callable[..., Place]
    decimal: bool = False


def _plain(
    latitude: str | None, longitude: str | None, writing: Writing, datum: str | None
) -> Place:
    for text in (latitude, longitude):
        if text in _UNKNOWN and abs(float(text)) > 180:
            return Place(reason=f"'{text}' stands for an unknown place")
    return read_place(latitude, longitude, writing, datum)


class Located:
    """The columns of a table that hold places.

    Args:
        columns: Field → its columns in order of preference.
        sample: The first rows, from which decimal commas and the like are learned.
    """

    def __init__(self, columns: dict[str, tuple[str, ...]], sample: Sample | None = None) -> None:
        pairs = zip_longest(columns.get("latitude", ()), columns.get("longitude", ()), fillvalue="")
        self._ways: list[_Way] = []
        self._sided: list[str] = []
        for a, b in pairs:
            known = sample is not None and a and b
            writing, sides = Writing(), (1, 1)
            if known and sample:
                writing = learn_writing(sample.column(a), sample.column(b))
                writing = replace(writing, o_means=o_named(b) or writing.o_means)
                south, west = (side_named(c, sample.texts(c), writing) for c in (a, b))
                sides = (south, west)
                self._sided += said_of_o((b,), sample.texts(b), writing)
            for column, side, word in zip((a, b), sides, ("south", "west"), strict=True):
                if side < 0:
                    self._sided.append(
                        f"{column!r}: degrees without a sign are {word}, as the name of the column says"
                    )
            reader = (
                _pair_reader(writing) if sides == (1, 1) else _sided_reader(writing, sides, (a, b))
            )
            self._ways.append(_Way((a, b), reader, decimal=sides == (1, 1)))
        zone = columns.get("utm_zone", ())
        if "grid" in columns:
            given = (*columns["grid"], *zone[:1])
            self._ways.append(_Way(given, _grid))
        for column in columns.get("latlon", ()):
            self._ways.append(_Way((column,), _single))
        self._datum = columns.get("datum", ())
        self._memos = [Memo(_zero_checked(w.read)) for w in self._ways]
        self._datums: Counter[str] = Counter()

    def begin(self) -> None:
        """Start counting anew."""
        self._datums.clear()

    @property
    def said(self) -> list[str]:
        """Which signs the names of columns tell, and what became of places in stated datums, with counts."""
        told = ((n, datum_said(text)) for text, n in self._datums.most_common())
        return [*self._sided, *(f"{n:,} rows: {sentence}" for n, sentence in told if sentence)]

    def read(self, cells: Cells, lost: Problems) -> dict[str, pa.Array]:
        """`latitude` and `longitude` in degrees, and `square_m`, what the form of a place leaves open, in metres.

        Of the ways of writing a place the first that gives one counts, row by row; columns with both cells go
        before those with one. A row that has none has the reason of the first.
        """
        import pyarrow as pa

        n = cells.rows
        lat, lon, square = (np.full(n, np.nan) for _ in range(3))
        reasons: list[str | None] = [None] * n
        datum = cells.first(self._datum)
        stated = np.asarray(datum.is_valid().to_numpy(zero_copy_only=False), bool)
        for way, memo in zip(self._ways, self._memos, strict=True):
            texts = [cells.text(c) for c in way.columns]
            some = np.any([cells.there(c) for c in way.columns], axis=0)
            rest = some & np.isnan(lat)
            if way.decimal and rest.any():
                a, b = (numbers(t) for t in texts)
                fine = (
                    rest & ~stated & (np.abs(a) <= 90) & (np.abs(b) <= 180) & ((a != 0) | (b != 0))
                )
                lat[fine], lon[fine] = a[fine], b[fine]
                rest &= ~fine
            rows = np.flatnonzero(rest)
            if not len(rows):
                continue
            at = pa.array(rows)
            answers, own = memo.over(*(t.take(at) for t in texts), datum.take(at))
            for row, i in zip(rows, own, strict=True):
                place = answers[i]
                if place.latitude is not None:
                    lat[row], lon[row] = place.latitude, place.longitude
                    square[row] = np.nan if place.uncertainty_m is None else place.uncertainty_m
                elif place.reason is not None and reasons[row] is None:
                    reasons[row] = place.reason
        if stated.any():
            placed = stated & ~np.isnan(lat)
            self._datums.update(t for t in datum.filter(pa.array(placed)).to_pylist())
        why = [r if r and np.isnan(lat[i]) else None for i, r in enumerate(reasons)]
        lost.note("loc", pa.array(why, pa.string()))
        named = (("latitude", lat), ("longitude", lon), ("square_m", square))
        return {name: pa.array(values, mask=np.isnan(values)) for name, values in named}


def _pair_reader(writing: Writing) -> Callable[..., Place]:
    return lambda latitude, longitude, datum: _plain(latitude, longitude, writing, datum)


def _sided_reader(
    writing: Writing, sides: tuple[int, int], columns: tuple[str, str]
) -> Callable[..., Place]:
    """A reader of two cells whose columns' names tell the side of those without a sign."""

    def read(latitude: str | None, longitude: str | None, datum: str | None) -> Place:
        try:
            north, east = (
                sided(text, side, column)
                for text, side, column in zip((latitude, longitude), sides, columns, strict=True)
            )
        except NotRead as e:
            return Place(reason=str(e))
        return _plain(north, east, writing, datum)

    return read


def _grid(easting: str | None, northing: str | None, *more: str | None) -> Place:
    *zone, datum = more
    return read_grid(easting, northing, zone[0] if zone else None, datum)


def _single(text: str | None, datum: str | None) -> Place:
    return read_pair(text, datum=datum)


def _zero_checked(read: Callable[..., Place]) -> Callable[..., Place]:
    """A place of 0, 0 is none."""

    def checked(*texts: str | None) -> Place:
        place = read(*texts)
        return Place(reason=ZERO) if place.latitude == 0 and place.longitude == 0 else place

    return checked
