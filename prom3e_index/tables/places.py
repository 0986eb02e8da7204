"""Places: latitude and longitude as people write them, in degrees of WGS84, or the reason why they are none.

Decimal points and commas; degrees, minutes and seconds; hemispheres as signs, letters or words; two cells or one.
What could be two places is none: `O` is east in German and west in French, so the column must tell.
"""

from __future__ import annotations

import json
import math
import re
from functools import lru_cache
from typing import NamedTuple

from prom3e_index.tables.angles import (
    AS_IS,
    GROUPS,
    LONGEST,
    Writing,
    angle,
    degrees,
    folded,
    learn_writing,
)
from prom3e_index.tables.grids import (
    NotRead,
    datum_said,
    from_datum,
    from_mgrs,
    from_projection,
    from_utm,
    in_degrees,
    utm_parts,
)

__all__ = [
    "Place",
    "Writing",
    "datum_said",
    "learn_writing",
    "read_grid",
    "read_pair",
    "read_place",
]

_POINT = re.compile(
    r"(?:SRID\s*=\s*(\d+)\s*;)?\s*POINT\s*(?:ZM|Z|M)?\s*\(\s*([^\s()]+)\s+([^\s()]+)(?:\s+[^\s()]+){0,2}\s*\)",
    re.I,
)
_GEO = re.compile(r"geo:([^,;?]+),([^,;?]+)(?:,[^,;?]+)?((?:;[^;?]+)*)(?:\?.*)?", re.I)
_DECIMAL = r"(-?[0-9]{1,3}(?:\.[0-9]+)?)"
_LINKS = (
    re.compile(rf"!3d{_DECIMAL}!4d{_DECIMAL}"),
    re.compile(
        rf"[?&](?:q|ll|sll|query|center|daddr|destination|loc|cp)=(?:loc:)?{_DECIMAL}(?:,|%2c|~)\+?{_DECIMAL}",
        re.I,
    ),
    re.compile(rf"[?&]mlat={_DECIMAL}&mlon={_DECIMAL}", re.I),
    re.compile(rf"[#&]map=[0-9.]+/{_DECIMAL}/{_DECIMAL}", re.I),
    re.compile(rf"(?:/@|/place/|/search/){_DECIMAL},\+?{_DECIMAL}", re.I),
)
_LABEL = re.compile(r"\b(lat|latitude|lon|long|lng|longitude)\b\.?\s*[:=]?", re.I)
_NORTHERN = r"(?:N|S|North|South|Nord|Norte|Noord|Sud|Süd|Sur|Sul)"
_EASTERN = r"(?:E|W|O|East|West|Est|Este|Ost|Oost|Ouest|Oeste|Ovest)"
_SPLITS = (
    re.compile(r"([^;|]+)[;|]([^;|]+)"),
    re.compile(r"(.+?),\s+(.+)"),
    re.compile(r"([^,]+),([^,]+)"),
    re.compile(rf"(.*\d.*?(?:{_NORTHERN}|{_EASTERN}))\s*[,/]?\s*(\S.*)", re.I),
    re.compile(rf"((?:{_NORTHERN}|{_EASTERN}).*?)\s*[,/]?\s*((?:{_NORTHERN}|{_EASTERN}).+)", re.I),
    re.compile(r"(\S+)\s+(\S+)"),
    re.compile(r"([^/]+)/([^/]+)"),
    re.compile(
        r"([+-][0-9]+(?:\.[0-9]+)?)([+-][0-9]+(?:\.[0-9]+)?)(?:[+-][0-9.]+)?(?:CRS[A-Z0-9_]+)?/?"
    ),  # ISO 6709
    re.compile(r"([+-]?[0-9]+,[0-9]+),([+-]?[0-9]+,[0-9]+)"),
)


class Place(NamedTuple):
    """A place, or why there is none.

    Attributes:
        latitude: Degrees in WGS84; None without a place.
        longitude: Likewise.
        reason: Why what is written is no place; None where it is one, or nothing is written.
        uncertainty_m: Metres that the form itself leaves open, as a square of MGRS or `u` of a `geo:` address does.
    """

    latitude: float | None = None
    longitude: float | None = None
    reason: str | None = None
    uncertainty_m: float | None = None


def read_place(
    latitude: str | None,
    longitude: str | None,
    writing: Writing = AS_IS,
    datum: str | None = None,
) -> Place:
    """Read two cells; empty ones give no place and no reason.

    Args:
        latitude: As written, e.g. `51.2`, `51,2`, `51°12'30"N`, `N 51 12.5`; northing where `datum` is a projection.
        longitude: Likewise; easting.
        writing: What was learned from the table.
        datum: Of both: a name or EPSG code; WGS84 where None, empty or unknown (see `datum_said`).
    """
    lat, lon = (latitude or "").strip(), (longitude or "").strip()
    if not lat and not lon:
        return Place()
    if not lat or not lon:
        return Place(reason=f"{'longitude' if lat else 'latitude'} is missing")
    if datum and not in_degrees(datum) and (_metres(lat) > 180 or _metres(lon) > 180):
        return read_grid(lon, lat, datum=datum)
    try:
        return _checked(
            degrees(lat, "latitude", writing), degrees(lon, "longitude", writing), datum
        )
    except NotRead as e:
        return Place(reason=str(e))


def read_grid(
    easting: str | None, northing: str | None, zone: str | None = None, datum: str | None = None
) -> Place:
    """Read metres: of a UTM zone (`31U`, `31N`, `31 south`), or of the projection that `datum` names by its code."""
    if not (easting or "").strip() and not (northing or "").strip():
        return Place()
    x, y = _metres(easting or ""), _metres(northing or "")
    shown = f"'{(easting or '')[:30]} {(northing or '')[:30]}'"
    if not (math.isfinite(x) and math.isfinite(y)):
        return Place(reason=f"{shown} is no easting and northing in metres")
    try:
        if zone and zone.strip():
            return _checked(*from_utm(zone[:40], x, y, datum))
        if not datum or not datum.strip():
            raise NotRead(f"{shown} has neither a UTM zone nor an EPSG code")
        return _checked(*from_projection(x, y, datum))
    except NotRead as e:
        return Place(reason=str(e))


def read_pair(text: str | None, writing: Writing = AS_IS, datum: str | None = None) -> Place:
    """Read one cell that holds both: latitude first, but for WKT and GeoJSON, or as letters or labels say.

    `51.2, 4.3`, `51,2345; 4,4321`, `51°12'N 4°18'E`, `POINT(4.3 51.2)`, `geo:51.2,4.3`, a link to a map,
    `31U 600000 5670000`, `31UFS0000070000`, `{"type": "Point", "coordinates": [4.3, 51.2]}`.
    """
    cell = (text or "")[: LONGEST + 1].strip()
    if not cell:
        return Place()
    if len(cell) > LONGEST or len(text or "") > 4 * LONGEST:
        return Place(reason=f"{cell[:60]!r}… is no place")
    try:
        return _pair(cell, writing, datum)
    except NotRead as e:
        return Place(reason=str(e))


@lru_cache(1 << 14)
def _pair(cell: str, writing: Writing, datum: str | None) -> Place:
    shown = repr(" ".join(cell.split())[:60])
    if cell[0] == "{":
        return _checked(*_of_json(cell, shown), datum)
    point = _POINT.fullmatch(cell)
    if point:
        lat, lon = _number(point[3], shown), _number(point[2], shown)
        return _checked(lat, lon, f"EPSG:{point[1]}" if point[1] else datum)
    geo = _GEO.fullmatch(cell)
    if geo:
        parts = dict(p.split("=", 1) for p in geo[3].lower().split(";") if "=" in p)
        found = _checked(_number(geo[1], shown), _number(geo[2], shown), parts.get("crs", datum))
        return found._replace(uncertainty_m=_number(parts["u"], shown) if "u" in parts else None)
    if "://" in cell:
        for link in _LINKS:
            at = link.search(cell)
            if at:
                return _checked(float(at[1]), float(at[2]), None)
        raise NotRead(f"{shown} is an address without a place")
    utm = utm_parts(cell)
    if utm:
        return _checked(*from_utm(*utm, datum))
    square = from_mgrs(cell)
    if square:
        return _checked(square[0], square[1])._replace(uncertainty_m=round(square[2], 1))
    whole = folded(cell).strip("()[] ,;")
    labels = [m.lower()[:2] for m in _LABEL.findall(whole)]
    plain = _LABEL.sub(" ", whole).strip(" ,;") if sorted(labels) == ["la", "lo"] else whole
    reason = f"{shown} is no place"
    for split in _SPLITS:
        halves = split.fullmatch(plain)
        if halves is None:
            continue
        try:
            values = [angle(h.strip(" ,;"), writing) for h in halves.groups()]
        except NotRead as e:
            reason = str(e) if "may be" in str(e) or "O is" in str(e) else reason
            continue
        axes = [axis for _, axis in values]
        turned = axes in (["longitude", "latitude"], ["longitude", None], [None, "latitude"])
        if axes[0] is not None and axes[0] == axes[1]:
            raise NotRead(f"{shown} has two {axes[0]}s")
        turned |= axes == [None, None] and labels == ["lo", "la"]
        (a, _), (b, _) = reversed(values) if turned else values
        return _checked(a, b, datum)
    raise NotRead(reason)


def _of_json(cell: str, shown: str) -> tuple[float, float]:
    try:
        held = json.loads(cell)
        held = held.get("geometry") or held
        if "coordinates" in held:
            if str(held.get("type", "Point")).lower() != "point":
                raise NotRead(f"{shown} is no point")
            lon, lat = held["coordinates"][:2]
        else:
            keys = {k.lower()[:3]: v for k, v in held.items()}
            lat, lon = keys["lat"], keys.get("lon", keys.get("lng"))
        return _number(str(lat), shown), _number(str(lon), shown)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise NotRead(f"{shown} is no place") from None


def _number(text: str, shown: str) -> float:
    if not re.fullmatch(r"\s*[+-]?[0-9]{1,20}(?:\.[0-9]{0,20})?(?:[eE][+-]?[0-9]{1,3})?\s*", text):
        raise NotRead(f"{shown} is no place")
    return float(text)


def _metres(text: str) -> float:
    """A number of metres, thousands split by blanks or not; no number is NaN."""
    plain = re.sub(r"(?<=\d)[ \u00a0'](?=\d{3}\b)", "", text[:60].strip()).removesuffix("m").strip()
    if GROUPS.fullmatch(plain) and len(re.findall("[.,]", plain)) > 1:
        plain = re.sub("[.,]", "", plain)
    found = re.fullmatch(r"[+-]?[0-9]{1,12}(?:[.,][0-9]{0,12})?", plain)
    return float(plain.replace(",", ".")) if found else math.nan


def _checked(latitude: float, longitude: float, datum: str | None = None) -> Place:
    """A place that lies on earth, in WGS84."""
    if not abs(latitude) <= 90:
        swapped = abs(latitude) <= 180 and abs(longitude) <= 90
        hint = "; latitude and longitude look swapped" if swapped else ""
        raise NotRead(f"latitude {latitude:g} is outside -90..90{hint}")
    if not abs(longitude) <= 180:
        raise NotRead(f"longitude {longitude:g} is outside -180..180")
    return Place(*from_datum(latitude, longitude, datum))
