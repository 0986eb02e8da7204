"""A filter as the expression of a store: the rows that satisfy it are those that DuckDB finds in a folder."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.filters import EARTH_RADIUS_KM, Filter
from prom3e_index.bundle.species_codes import code_of
from prom3e_index.bundle.taxa import key, searched_names
from prom3e_index.errors import InputError
from prom3e_index.store.literals import every, listed, number, some
from prom3e_index.store.predicate import Column, where_expression

if TYPE_CHECKING:
    import duckdb

NO_DAY = 10**6
"""Days from 1970 that no date reaches: what a row without a date has, above as its first and below as its last day."""
NO_PLACE = 1000.0
"""Latitude and longitude of a row without a place."""
NOT_ASKED = ""
"""The licence of a photo or sound that a row has not, or whose own the index does not know."""
_BANDS = (16, 64, 256)
_MANY = 20_000
"""Rows near the rim of a circle from which on narrower bands are tried."""
_ROOM = 1e-7
"""Degrees that bounds are drawn apart: more than float64 loses."""
Near = Callable[[str], tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]]
Count = Callable[[str], int]


@dataclass(frozen=True)
class Known:
    """What an expression is made from.

    Attributes:
        typed: Gives a cursor of DuckDB for one use, with an empty table `observations` of the index's columns.
        columns: As the store has them.
        modalities: In the order of the fields `has_0`, `has_1`, …
        count: How many rows satisfy an expression.
        near: Row numbers, latitudes and longitudes of the rows that satisfy one.
    """

    typed: Callable[[], duckdb.DuckDBPyConnection]
    columns: Mapping[str, Column]
    modalities: Sequence[str]
    count: Count
    near: Near


def expression(f: Filter, known: Known) -> str:
    """The expression of a filter; of an empty one, of every row.

    A circle is told by bands of latitude: what lies in all of them for certain is said by bounds, and the rows near its
    rim are fetched once, measured, and named by their numbers.

    Raises:
        InputError: A part that is none, or that a store cannot answer.
    """
    parts = []
    if f.where is not None:
        parts.append(where_expression(known.typed(), f.where, known.columns))
    if f.box is not None:
        parts.append(_box(f.box))
    if f.taxon is not None:
        parts.append(_taxon(known.typed(), f.taxon))
    first, last = f.days
    if first is not None:
        parts.append(f"last_day >= {_day(first)}")
    if last is not None:
        parts.append(f"first_day <= {_day(last)}")
    if f.observed is not None:
        if f.observed not in known.modalities:
            raise InputError(f"No observation can have {f.observed!r}: the index does not know it.")
        parts.append(f"has_{known.modalities.index(f.observed)} == true")
    if f.licence_allow is not None:
        allowed = listed(f.licence_allow)
        also = listed([NOT_ASKED, *f.licence_allow])
        parts.append(
            f"licence in {allowed} and licence_image in {also} and licence_audio in {also}"
        )
    if f.circle is not None:
        parts.append(_circle(f.circle, known, parts))
    return every(parts)


def _day(day: date) -> int:
    return (day - date(1970, 1, 1)).days


def _taxon(con: duckdb.DuckDBPyConnection, name: str) -> str:
    """Rows that have a name, by the numbers of the spellings that it is looked for by."""
    found = con.execute(
        f"SELECT DISTINCT {key('name')} FROM (SELECT unnest(?::VARCHAR[]) AS name)",
        [searched_names(name)],
    )
    return (
        f"array_contains_any(taxa, {listed(sorted(code_of(str(r[0])) for r in found.fetchall()))})"
    )


def _box(box: tuple[float, float, float, float]) -> str:
    west, south, east, north = box
    join = "and" if west <= east else "or"
    within = f"longitude >= {number(west)} {join} longitude <= {number(east)}"
    if 180 in (abs(west), abs(east)):  # one meridian has two names
        within = f"({within}) or longitude == 180.0 or longitude == -180.0"
    return f"latitude >= {number(south)} and latitude <= {number(north)} and ({within})"


def _circle(circle: tuple[float, float, float], known: Known, others: Sequence[str]) -> str:
    rest = [*others]
    for bands in _BANDS:
        inside, around = circle_bands(circle, bands)
        rim = every([*rest, around, f"not ({inside})"])
        if bands == _BANDS[-1] or known.count(rim) <= _MANY:
            break
    rows, latitudes, longitudes = known.near(rim)
    within = rows[distances_km(latitudes, longitudes, circle[0], circle[1]) <= circle[2]]
    return some([inside, *([f"row in {listed(np.sort(within).tolist())}"] if len(within) else [])])


def distances_km(
    latitudes: NDArray[np.float64],
    longitudes: NDArray[np.float64],
    latitude: float,
    longitude: float,
) -> NDArray[np.float64]:
    """Great circle distances of places from one, all in degrees, by the haversine, as folders measure."""
    north, east = np.radians(latitudes - latitude) / 2, np.radians(longitudes - longitude) / 2
    part = np.sin(north) ** 2
    part += math.cos(math.radians(latitude)) * np.cos(np.radians(latitudes)) * np.sin(east) ** 2
    return np.asarray(2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.minimum(1.0, part))), np.float64)


def circle_bands(circle: tuple[float, float, float], bands: int) -> tuple[str, str]:
    """Two expressions: of rows that lie in a circle for certain, and of all that may.

    Args:
        circle: Latitude and longitude in degrees, radius in kilometres.
        bands: Of latitude, that it is cut into.
    """
    latitude, longitude, km = circle
    reach = math.degrees(km / EARTH_RADIUS_KM)
    low, high = max(-90.0, latitude - reach), min(90.0, latitude + reach)
    edges = np.linspace(low, high, bands + 1).tolist()
    sure, may = [], []
    for south, north in zip(edges[:-1], edges[1:], strict=True):
        least, most = _half_width(latitude, reach, south, north)
        inner = f"latitude >= {number(south + _ROOM)} and latitude <= {number(north - _ROOM)}"
        outer = f"latitude >= {number(south - _ROOM)} and latitude <= {number(north + _ROOM)}"
        if least > _ROOM:
            sure.append(f"{inner} and ({_longitudes(longitude, least - _ROOM)})")
        may.append(f"{outer} and ({_longitudes(longitude, most + _ROOM)})")
    return some(sure), some(may)


def _half_width(latitude: float, reach: float, south: float, north: float) -> tuple[float, float]:
    """Degrees of longitude that a circle reaches to either side in a band: everywhere in it, and at most.

    On its rim cos r = sin φ₀ sin φ + cos φ₀ cos φ cos Δλ. Δλ is greatest, or of more than half the globe
    least, where sin φ = sin φ₀ / cos r, so that the ends of the band and that place tell the bounds.
    """
    r = math.radians(reach)
    places = [south, north]
    if abs(math.cos(r)) > abs(math.sin(math.radians(latitude))):
        widest = math.degrees(math.asin(math.sin(math.radians(latitude)) / math.cos(r)))
        places += [widest] if south < widest < north else []
    widths = [_width(latitude, r, p) for p in places]
    return min(widths), max(widths)


def _width(latitude: float, r: float, at: float) -> float:
    a, b = math.radians(latitude), math.radians(at)
    across = math.cos(a) * math.cos(b)
    if r >= math.pi:
        return 180.0
    up = math.cos(r) - math.sin(a) * math.sin(b)
    if across < 1e-12:  # a pole: all of it, or nothing
        return 180.0 if up <= 1e-12 else 0.0
    return math.degrees(math.acos(min(1.0, max(-1.0, up / across))))


def _longitudes(middle: float, half: float) -> str:
    """Longitudes within so many degrees of one, around the date line too."""
    if half >= 180:
        return "longitude <= 180.0"
    west, east = middle - half, middle + half
    parts = [(max(west, -180.0), min(east, 180.0))]
    parts += [(west + 360, 180.0)] if west < -180 else []
    parts += [(-180.0, east - 360)] if east > 180 else []
    return some(f"longitude >= {number(a)} and longitude <= {number(b)}" for a, b in parts)
