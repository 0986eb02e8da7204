"""Places in grids and other datums: UTM, MGRS, EPSG codes, each turned into degrees of WGS84.

Sources: EPSG's codes and operations as `pyproj` has them; MGRS by `mgrs` (GEOTRANS). Both are in the extra `formats`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import lru_cache

FORMATS = "pip install 'prom3e-index[formats]'"
Degrees = tuple[float, float]
"""Latitude and longitude in WGS84."""

_AS_WGS84 = {
    "wgs84", "wgs1984", "worldgeodeticsystem1984", "wgs", "wgs84g1674", "crs84", "ogccrs84", "gps", "nad83", "nad1983",
    "northamericandatum1983", "etrs89", "etrs1989", "gda94", "gda2020", "sirgas2000", "jgd2000", "jgd2011", "nzgd2000",
    "cgcs2000", "rgf93", "hartebeesthoek94", "grs80", "itrf", "twd97",
}  # fmt: skip
_CODES_AS_WGS84 = {
    4326,
    4979,
    4269,
    4258,
    4283,
    7844,
    4674,
    4612,
    6668,
    4167,
    4490,
    4171,
    4148,
    3824,
}
"""Within two metres of WGS84."""
_UNSTATED = {
    "", "unknown", "notrecorded", "unrecorded", "notspecified", "na", "none", "null", "notprovided", "unspecified",
}  # fmt: skip
_NAMED = {
    "ed50": 4230, "europeandatum1950": 4230, "nad27": 4267, "nad1927": 4267, "northamericandatum1927": 4267,
    "osgb36": 4277, "osgb1936": 4277, "osgb": 4277, "agd66": 4202, "agd84": 4203, "nzgd49": 4272, "nzgd1949": 4272,
    "tokyo": 4301, "tokyodatum": 4301, "pulkovo1942": 4284, "sk42": 4284, "dhdn": 4314, "potsdam": 4314, "mgi": 4312,
    "amersfoort": 4289, "bd72": 4313, "belge1972": 4313, "ch1903": 4149, "sad69": 4618, "southamericandatum1969": 4618,
    "psad56": 4248, "corregoalegre": 4225, "cape": 4222, "arc1950": 4209, "arc1960": 4210, "tm65": 4299, "tm75": 4300,
    "rt90": 4124, "ntf": 4275, "montemario": 4265, "roma40": 4265, "indian1975": 4240, "luzon": 4253, "wgs72": 4322,
    "oldhawaiian": 4135, "datum73": 4274, "hutzushan": 4236, "twd67": 3821, "beijing54": 4214, "beijing1954": 4214,
    "xian80": 4610, "hd72": 4237, "ed87": 4231, "sjtsk": 4156,
}  # fmt: skip
"""Datums as collections write them, without blanks and signs, in lower case: their EPSG codes."""

_CODE = re.compile(r"(?:epsg|crs|srid)[^0-9]{0,8}(?:0/|[0-9.]{0,6}:)?([0-9]{4,6})|\A([0-9]{4,6})\Z")
_UTM = re.compile(
    r"(?:utm\s*)?(?:zone\s*)?([0-9]{1,2})\s*([c-hj-np-x]|north|south)?\s*[,;]?\s+"
    r"(?:[ex]\s*[:=]?\s*)?([0-9]{5,7}(?:[.,][0-9]+)?)\s*(?:m?\s*e)?\s*[,;]?\s+"
    r"(?:[ny]\s*[:=]?\s*)?([0-9]{1,8}(?:[.,][0-9]+)?)\s*(?:m?\s*n)?",
    re.ASCII,
)
_ZONE = re.compile(r"(?:utm\s*)?(?:zone\s*)?([0-9]{1,2})\s*([c-hj-np-x]|north|south)?", re.ASCII)
_MGRS = re.compile(
    r"(?:mgrs:?\s*)?([0-9]{1,2}\s*[c-hj-np-x])\s*([a-hj-np-z]{2})\s*([0-9]{0,10}|([0-9]{1,5})\s+([0-9]{1,5}))",
    re.ASCII,
)
_BANDS = "cdefghjklmnpqrstuvwx"


class NotRead(Exception):
    """A place cannot be read; the text is the reason."""


def datum_code(text: str | None) -> int | None:
    """EPSG code of a datum or projection that is not WGS84, nor within two metres of it.

    Raises:
        NotRead: The text names none that is known.
    """
    folded = " ".join((text or "")[:200].lower().split())
    found = _CODE.search(folded)
    if found:
        code = int(found[1] or found[2])
        return None if code in _CODES_AS_WGS84 else code
    plain = re.sub(r"[^a-z0-9]", "", folded)
    if plain in _UNSTATED or plain in _AS_WGS84 or plain.startswith(("wgs84", "wgs1984")):
        return None
    if plain not in _NAMED:
        raise NotRead(f"{folded[:60]!r} is no datum that is known here")
    return _NAMED[plain]


def datum_said(text: str | None) -> str | None:
    """What becomes of places in a stated datum, as a sentence; None where they are in WGS84 or none is stated."""
    shown = " ".join((text or "")[:200].split())[:60]
    try:
        code = datum_code(text)
    except NotRead:
        return f"{shown!r} is no datum that is known here; read as WGS84"
    if code is None:
        return None
    try:
        _, geographic = _transformer(code)
    except NotRead as e:
        return f"{shown!r} is not turned into WGS84 ({e}); kept as written, which may be some 200 m off"
    metres = (
        "" if geographic else "; cells within ±180 are read as degrees of WGS84, not as its metres"
    )
    return f"{shown!r} (EPSG:{code}) is turned into WGS84{metres}"


@lru_cache(256)
def _transformer(code: int) -> tuple[Callable[[float, float], tuple[float, float]], bool]:
    """A function x, y → longitude, latitude, and whether x and y are degrees."""
    try:
        import pyproj
    except ImportError:
        raise NotRead(f"EPSG:{code} needs {FORMATS}") from None
    try:
        crs = pyproj.CRS.from_epsg(code)
        made = pyproj.Transformer.from_crs(crs, 4326, always_xy=True, allow_ballpark=False)
    except pyproj.exceptions.ProjError as e:
        raise NotRead(f"EPSG:{code} is unknown to PROJ") from e
    return made.transform, bool(crs.is_geographic)


def in_degrees(text: str | None) -> bool:
    """Whether a stated datum has degrees; a projection has metres."""
    try:
        code = datum_code(text)
        return code is None or _transformer(code)[1]
    except NotRead:
        return True


def from_datum(latitude: float, longitude: float, text: str | None) -> Degrees:
    """Degrees of a stated datum in WGS84; as they are where the datum is unknown, or `pyproj` is lacking."""
    try:
        code = datum_code(text)
        if code is None:
            return latitude, longitude
        transform, geographic = _transformer(code)
    except NotRead:
        return latitude, longitude  # `datum_said` says so
    if not geographic:
        return latitude, longitude
    x, y = transform(longitude, latitude)
    if not (math.isfinite(x) and math.isfinite(y)):
        raise NotRead(f"'{latitude:g}, {longitude:g}' lies outside the area of EPSG:{code}")
    return y, x


def from_projection(easting: float, northing: float, text: str) -> Degrees:
    """Metres of a projection that is named by its EPSG code, in degrees of WGS84."""
    shown = f"'{easting:.12g} {northing:.12g}'"
    code = datum_code(text)
    if code is None:
        raise NotRead(f"{shown} is in metres, {text[:40]!r} in degrees")
    transform, geographic = _transformer(code)
    if geographic:
        raise NotRead(
            f"{shown} is in metres, EPSG:{code} in degrees; name the projection or the UTM zone"
        )
    x, y = transform(easting, northing)
    if not (math.isfinite(x) and math.isfinite(y) and abs(y) <= 90 and abs(x) <= 180):
        raise NotRead(f"{shown} lies outside the area of EPSG:{code}")
    return y, x


def utm_parts(text: str) -> tuple[str, float, float] | None:
    """Zone, easting and northing of `31U 600000 5670000`; None where the text is none."""
    found = _UTM.fullmatch(text.lower())
    if not found:
        return None
    easting, northing = (float(found[i].replace(",", ".")) for i in (3, 4))
    return f"{found[1]}{found[2] or ''}", easting, northing


def from_utm(zone: str, easting: float, northing: float, datum: str | None = None) -> Degrees:
    """A place in UTM, in degrees of WGS84; the zone has a band (`31U`), or says `N`, `S`, `north` or `south`.

    `S` is a band of the north and the short form of south: where both fit the northing, the place is refused.
    """
    shown = f"'{zone.strip().upper()} {easting:.12g} {northing:.12g}'"
    found = _ZONE.fullmatch(zone.strip().lower())
    number = int(found[1]) if found else 0
    if not found or not 1 <= number <= 60:
        raise NotRead(f"{shown} has no UTM zone (1 to 60)")
    if not (100_000 <= easting <= 900_000 and 0 <= northing <= 10_000_000):
        raise NotRead(f"{shown} is no place in UTM: easting and northing are in metres")
    band = found[2]
    if not band:
        raise NotRead(f"{shown} has no hemisphere; write the zone as {number}N or {number}S")
    if band == "s" and 3_530_000 <= northing <= 4_450_000:
        raise NotRead(
            f"{shown} may be band S of the north or the south; write {number} north or {number} south"
        )
    south = band in ("s", "south") or (len(band) == 1 and band < "n")
    latitude, longitude = _undone(number, easting, northing - (10_000_000 if south else 0), datum)
    if len(band) == 1 and band not in "ns":
        low = -80 + 8 * _BANDS.index(band)
        high = 84 if band == "x" else low + 8
        if not low - 0.5 <= latitude <= high + 0.5:
            raise NotRead(
                f"{shown} lies at {latitude:.2f}°, outside band {band.upper()} ({low}° to {high}°)"
            )
    return from_datum(latitude, longitude, datum)


def _undone(zone: int, easting: float, northing: float, datum: str | None) -> Degrees:
    """Latitude and longitude in the datum of a place in UTM, by the datum's own ellipsoid."""
    try:
        import pyproj
    except ImportError:
        raise NotRead(f"UTM needs {FORMATS}") from None
    shape = {"ellps": "WGS84"}
    try:
        code = datum_code(datum)
        if code is not None:
            ellipsoid = pyproj.CRS.from_epsg(code).ellipsoid
            shape = {"a": ellipsoid.semi_major_metre, "rf": ellipsoid.inverse_flattening}
    except (NotRead, pyproj.exceptions.ProjError):
        pass  # `datum_said` says that it is read as WGS84
    x, y = pyproj.Proj(proj="utm", zone=zone, **shape)(easting, northing, inverse=True)
    return float(y), float(x)


def from_mgrs(text: str) -> tuple[float, float, float] | None:
    """The middle of a square of MGRS in degrees of WGS84, and how far its corners are, in metres; None if it is none.

    Raises:
        NotRead: `mgrs` is lacking, or there is no such square.
    """
    found = _MGRS.fullmatch(text.strip().lower())
    if not found or len(found[4] or "") != len(found[5] or ""):
        return None
    digits = re.sub(r"\s", "", found[3])
    if len(digits) % 2:
        return None
    try:
        import mgrs
    except ImportError:
        raise NotRead(f"{text[:40]!r} is in MGRS, which needs {FORMATS}") from None
    half = len(digits) // 2
    middle = "5" if half < 5 else ""  # the middle of the square, as a reference of one digit more
    square = re.sub(r"\s", "", found[1] + found[2]).upper()
    try:
        latitude, longitude = mgrs.MGRS().toLatLon(
            f"{square.zfill(5)}{digits[:half]}{middle}{digits[half:]}{middle}"
        )
    except mgrs.core.MGRSError as e:
        raise NotRead(f"{text[:40]!r} is no square of MGRS") from e
    return float(latitude), float(longitude), math.sqrt(0.5) * 10 ** (5 - half)
