"""Filters: a value that compiles to one SQL predicate over the observations table."""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any

from prom3e_index.bundle.predicate import cut
from prom3e_index.bundle.taxa import quoted as quoted
from prom3e_index.bundle.taxa import taxon_lookup
from prom3e_index.errors import InputError
from prom3e_index.licences import allowed_codes
from prom3e_index.tables.normalise import event_days

EARTH_RADIUS_KM = 6371.0088
_MOST = 120
"""Letters of a part of a query or a filter, as it is shown."""


@dataclass(frozen=True, repr=False)
class Filter:
    """What an observation must satisfy; all parts together.

    Attributes:
        where: SQL predicate over the observations table, true or false of each; see `predicate`.
        near: Latitude, longitude in degrees, radius in kilometres; or the text "48.2,16.3,50km".
        bbox: West, south, east, north in degrees (GeoJSON order), or a text of them; west > east crosses 180°.
        taxon: A whole name at any rank, scientific or common; case, authors and spaces do not matter.
        since: First day; or a text of a day, month or year, as "2024-05".
        until: Last day, or a text; an observation whose interval overlaps is kept.
        observed: Only observations that have this modality, not those it was completed for.
        licence_allow: Only observations under these licences, as "cc0,by,by-nc"; of the photo and the sound too, where
            the index knows theirs.

    Raises:
        InputError: A part that no observation could be compared with; says which, and what it must be.
    """

    where: str | None = None
    near: tuple[float, float, float] | str | None = None
    bbox: tuple[float, float, float, float] | str | None = None
    taxon: str | None = None
    since: date | str | None = None
    until: date | str | None = None
    observed: str | None = None
    licence_allow: tuple[str, ...] | str | None = None

    def __post_init__(self) -> None:
        for name in ("where", "taxon", "observed"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                raise InputError(f"{name} is {value!r:.60}; it must be text.")
        if self.taxon is not None and not self.taxon.strip():
            raise InputError("--taxon is empty; it is a name at any rank, as Corvidae.")
        readers = {
            "near": _near, "bbox": _bbox, "since": _first, "until": _last, "licence_allow": allowed_codes,
        }  # fmt: skip
        for name, read in readers.items():
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, read(value))
        first, final = self.days
        if first is not None and final is not None and first > final:
            raise InputError(f"--from {first} lies after --to {final}; no day is both.")

    def __repr__(self) -> str:
        return given_of(self)

    def __bool__(self) -> bool:
        return any(v is not None for v in vars(self).values())

    @property
    def circle(self) -> tuple[float, float, float] | None:
        """`near` as numbers."""
        return self.near if isinstance(self.near, tuple) else None

    @property
    def box(self) -> tuple[float, float, float, float] | None:
        """`bbox` as numbers."""
        return self.bbox if isinstance(self.bbox, tuple) else None

    @property
    def days(self) -> tuple[date | None, date | None]:
        """`since` and `until` as days."""
        first, last = (d if isinstance(d, date) else None for d in (self.since, self.until))
        return first, last

    def describe(self) -> dict[str, Any]:
        """The parts that are set, ready for JSON; a long predicate is cut."""
        parts: dict[str, Any] = {k: v for k, v in vars(self).items() if v is not None}
        for name, value in parts.items():
            if isinstance(value, date):
                parts[name] = str(value)
            elif name in ("near", "bbox", "licence_allow"):
                parts[name] = list(value)
        return parts | ({"where": cut(self.where)[1:-1]} if self.where is not None else {})


def _near(near: Any) -> tuple[float, float, float]:
    if isinstance(near, str):
        return parse_near(near)
    latitude, longitude, km = finite("near", near, "latitude, longitude, kilometres", 3)
    check_place("near", latitude, longitude)
    if km < 0:
        raise InputError(f"near has the radius {km:g} km; it must be 0 or more.")
    return latitude, longitude, km


def _bbox(bbox: Any) -> tuple[float, float, float, float]:
    if isinstance(bbox, str):
        return parse_bbox(bbox)
    west, south, east, north = finite("bbox", bbox, "west, south, east, north", 4)
    check_bbox(west, south, east, north)
    return west, south, east, north


def _first(day: Any) -> date:
    return _day("since", day, last=False)


def _last(day: Any) -> date:
    return _day("until", day, last=True)


def _day(name: str, day: Any, *, last: bool) -> date:
    if isinstance(day, str):
        return parse_day(day, last=last)
    if not isinstance(day, date):
        raise InputError(f"{name} is {day!r:.60}; it must be a date, or a text as 2024-05-01.")
    return day.date() if isinstance(day, datetime) else day


def given_of(value: Any) -> str:
    """What a query or a filter was given, as it is written in Python, without what was left out; long parts are cut."""
    parts = []
    for f in fields(value):
        held = getattr(value, f.name)
        if held is f.default or (
            isinstance(held, str | int | float | Filter) and held == f.default
        ):
            continue
        many = not isinstance(held, str | Filter) and hasattr(held, "__len__") and len(held) > 4
        said = f"<{len(held)} values>" if many else repr(held)
        parts.append(f"{f.name}={said if len(said) <= _MOST else said[: _MOST - 1] + '…'}")
    return f"{type(value).__name__}({', '.join(parts)})"


def finite(name: str, values: Any, form: str, count: int | None = None) -> list[float]:
    """Numbers that a user gave, each of them one.

    Raises:
        InputError: Not numbers, not finite, or not `count` of them; says what `form` they must have.
    """
    try:
        out = [float(v) for v in values]
    except (TypeError, ValueError):
        out = []
    if not out or (count is not None and len(out) != count) or not all(map(math.isfinite, out)):
        wanted = "numbers" if count is None else f"{count} numbers"
        said = " ".join(f"{values!r}".split())
        raise InputError(f"{name} is {said:.80}; it must be {wanted}: {form}.")
    return out


def check_place(name: str, latitude: float, longitude: float) -> None:
    """Refuse a place that is none.

    Raises:
        InputError: Not numbers, or outside ±90 and ±180 degrees.
    """
    for part, value, most in (("latitude", latitude, 90), ("longitude", longitude, 180)):
        if not abs(value) <= most:  # of what is no number too
            said = f"outside -{most}..{most} degrees" if math.isfinite(value) else "not a number"
            swapped = part == "latitude" and 90 < abs(value) <= 180 and abs(longitude) <= 90
            more = "; latitude and longitude look swapped" if swapped else ""
            raise InputError(f"{name} has the {part} {value:g}: {said}{more}.")


def check_bbox(west: float, south: float, east: float, north: float) -> None:
    """Refuse four numbers that are no box.

    Raises:
        InputError: South above north, or outside ±90 and ±180 degrees.
    """
    if not (-90 <= south <= north <= 90 and -180 <= west <= 180 and -180 <= east <= 180):
        turned = -90 <= west <= east <= 90 and -180 <= south <= 180 and -180 <= north <= 180
        more = " They look like SOUTH,WEST,NORTH,EAST." if turned else ""
        raise InputError(
            f"bbox is {west:g},{south:g},{east:g},{north:g}: WEST,SOUTH,EAST,NORTH with south ≤ north within ±90, west "
            f"and east within ±180 are needed.{more}"
        )


def parse_place(text: str) -> tuple[float, float]:
    """Read a place as people write it, `46.8,-121.7` or `46°48'N 121°42'W`, as latitude, longitude in degrees."""
    from prom3e_index.tables.places import read_pair

    found = read_pair(text)
    if found.latitude is None or found.longitude is None:
        reason = found.reason or "it is empty"
        raise InputError(f"A place is LATITUDE,LONGITUDE in degrees, as 48.2,16.3; {reason}.")
    return found.latitude, found.longitude


def parse_near(text: str) -> tuple[float, float, float]:
    """Read `46.8,-121.7,50km` (or `500m`): latitude, longitude, radius in kilometres."""
    place, _, radius = text.rpartition(",")
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(km|m)\s*", radius)
    if not found or "," not in place:
        raise InputError(
            f"--near is LATITUDE,LONGITUDE,RADIUS with km or m, as 46.8,-121.7,50km; not {text!r}."
        )
    km = float(found[1]) / (1000 if found[2] == "m" else 1)
    return (*parse_place(place), km)


def parse_bbox(text: str) -> tuple[float, float, float, float]:
    """Read `west,south,east,north` in degrees."""
    try:
        west, south, east, north = (float(v) for v in text.split(","))
    except ValueError:
        raise InputError(f"--bbox is WEST,SOUTH,EAST,NORTH in degrees, not {text!r:.80}.") from None
    check_bbox(west, south, east, north)
    return west, south, east, north


def parse_day(text: str, *, last: bool) -> date:
    """Read a day, month or year; of a month or year the first or last day."""
    first, final = event_days(text)
    if first is None or final is None:
        raise InputError(f"{text!r} is no date; write 2024-05-01, 2024-05 or 2024.")
    return final if last else first


def lookups(
    f: Filter, columns: list[str], sorted_tables: Collection[str]
) -> list[tuple[str, list[Any]]]:
    """Compile a filter to SQL queries with parameters; rows that all of them give satisfy it.

    Each query gives `row`. `where` must have been checked.

    Args:
        f: The filter.
        columns: Columns of the observations table.
        sorted_tables: Which of `by_place` and `by_taxon` there are, and `species`; see `taxon_lookup`. Other
            filters scan the observations.
    """
    out: list[tuple[str, list[Any]]] = []
    parts, params = _place(f)
    if parts:
        table = "by_place" if "by_place" in sorted_tables else "every"
        out.append((f"SELECT row FROM {table} WHERE {' AND '.join(parts)}", params))
    if f.taxon is not None:
        out.append(taxon_lookup(f.taxon, columns, sorted_tables))
    parts, params = [], []
    if f.where is not None:
        parts.append(f"({f.where}\n)")
    if f.since is not None:
        parts.append("(event_end >= ?)")
        params.append(f.since)
    if f.until is not None:
        parts.append("(event_start <= ?)")
        params.append(f.until)
    if f.observed is not None:
        parts.append(quoted(f"has_{f.observed}"))
    if parts:
        out.append((f"SELECT row FROM every AS observations WHERE {' AND '.join(parts)}", params))
    return out


def _place(f: Filter) -> tuple[list[str], list[Any]]:
    """Predicates of `near` and `bbox` over latitude and longitude, and their parameters."""
    parts: list[str] = []
    params: list[Any] = []
    if f.circle is not None:
        latitude, longitude, km = f.circle
        degrees = math.degrees(km / EARTH_RADIUS_KM)
        parts.append("latitude BETWEEN ? AND ?")
        params += [latitude - degrees - 1e-9, latitude + degrees + 1e-9]
        if abs(latitude) + degrees < 89:  # no pole within: longitudes are bounded too
            ratio = math.sin(math.radians(degrees)) / math.cos(math.radians(latitude))
            wide = math.degrees(math.asin(min(1.0, ratio))) + 1e-9
            if -180 <= longitude - wide and longitude + wide <= 180:
                parts.append("longitude BETWEEN ? AND ?")
                params += [longitude - wide, longitude + wide]
        parts.append(
            "2 * ? * asin(sqrt(least(1.0, pow(sin(radians(latitude - ?) / 2), 2) + cos(radians(?)) * "
            "cos(radians(latitude)) * pow(sin(radians(longitude - ?) / 2), 2)))) <= ?"
        )
        params += [EARTH_RADIUS_KM, latitude, latitude, longitude, km]
    if f.box is not None:
        west, south, east, north = f.box
        join = "AND" if west <= east else "OR"
        within = f"(longitude >= ? {join} longitude <= ?)"
        params += [south, north, west, east]
        if 180 in (abs(west), abs(east)):  # one meridian has two names
            within += " OR abs(longitude) = 180"
        parts.append(f"(latitude BETWEEN ? AND ? AND ({within}))")
    return parts, params
