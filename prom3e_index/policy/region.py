"""Regions of a policy's rules: a box, or the polygons of a GeoJSON file; both in degrees."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import InputError

Floats = NDArray[np.float64]
Box = tuple[float, float, float, float]
Rings = tuple[tuple[tuple[float, float], ...], ...]
MOST_POINTS = 20_000
"""Corners of all polygons of a policy: an index holds them in its manifest."""
_MOST_BYTES = 16 << 20


@dataclass(frozen=True)
class Region:
    """Where a rule holds.

    Attributes:
        box: West, south, east, north in degrees; west > east crosses 180°. None where there are only polygons.
        rings: Outlines of polygons (longitude, latitude), holes among them; what an odd number of them surrounds is
            inside. Empty where there is only a box.
    """

    box: Box | None = None
    rings: Rings = ()

    def holds(self, latitude: Floats, longitude: Floats) -> NDArray[np.bool_]:
        """Which places lie within; a place that is not known (NaN) does, since it cannot be told that it does not."""
        unknown = np.isnan(latitude) | np.isnan(longitude)
        inside = np.ones(len(latitude), bool)
        if self.box is not None:
            west, south, east, north = self.box
            across = (longitude >= west) & (longitude <= east)
            if west > east:
                across = (longitude >= west) | (longitude <= east)
            inside &= across & (latitude >= south) & (latitude <= north)
        if self.rings:
            inside &= _odd(self.rings, latitude, longitude)
        found: NDArray[np.bool_] = inside | unknown
        return found


def _odd(rings: Rings, latitude: Floats, longitude: Floats) -> NDArray[np.bool_]:
    """Which places an odd number of outlines surrounds; one on an outline counts as inside."""
    odd = np.zeros(len(latitude), bool)
    edge = np.zeros(len(latitude), bool)
    for ring in rings:
        points = np.asarray(ring, np.float64)
        for (ax, ay), (bx, by) in zip(points, np.roll(points, -1, 0), strict=True):
            spans = (ay > latitude) != (by > latitude)
            if by != ay:
                at = ax + (latitude - ay) / (by - ay) * (bx - ax)
                odd ^= spans & (longitude < at)
                low, high = min(ay, by), max(ay, by)
                edge |= (latitude >= low) & (latitude <= high) & (np.abs(longitude - at) < 1e-9)
            else:
                level = latitude == ay
                edge |= level & (longitude >= min(ax, bx)) & (longitude <= max(ax, bx))
    found: NDArray[np.bool_] = odd | edge
    return found


def box_of(value: Any, where: str) -> Box:
    """West, south, east, north of a rule.

    Raises:
        InputError: No four numbers within the globe.
    """
    numbers = isinstance(value, list) and all(map(_finite, value))
    if not numbers or len(value) != 4:
        raise InputError(f"{where} is {value!r:.80}; it must be [west, south, east, north].")
    west, south, east, north = map(float, value)
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= north <= 90):
        raise InputError(
            f"{where} is {value!r:.80}; longitudes lie within ±180, latitudes within ±90, south below north."
        )
    return west, south, east, north


def read_rings(path: Path, where: str) -> Rings:
    """The outlines in a GeoJSON file of polygons.

    Raises:
        InputError: It is not there, is no GeoJSON of polygons in degrees, or has more corners than `MOST_POINTS`.
    """
    try:
        if not path.is_file() and path.exists():
            raise InputError(f"{where}: {path} is no file.")
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(f"{where}: {path} has more than {_MOST_BYTES >> 20} MB; simplify it.")
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as e:
        raise InputError(f"{where}: {path} cannot be read: {e.strerror}.") from e
    except (ValueError, RecursionError) as e:
        raise InputError(f"{where}: {path} is no GeoJSON: {e}.") from e
    return checked_rings([list(map(list, ring)) for ring in _rings_of(values, f"{where}: {path}")],
                         f"{where}: {path}")  # fmt: skip


def checked_rings(value: Any, where: str) -> Rings:
    """Outlines from plain lists, checked.

    Raises:
        InputError: They are none.
    """
    out: list[tuple[tuple[float, float], ...]] = []
    points = 0
    for ring in value if isinstance(value, list) else ():
        if not isinstance(ring, list) or len(ring) < 3:
            raise InputError(f"{where} has an outline of fewer than three corners.")
        corners = []
        for corner in ring:
            if not (
                isinstance(corner, list) and len(corner) >= 2 and all(map(_finite, corner[:2]))
            ):
                raise InputError(f"{where} has a corner that is no longitude and latitude.")
            lon, lat = float(corner[0]), float(corner[1])
            if abs(lon) > 180 or abs(lat) > 90:
                raise InputError(
                    f"{where} has corners beyond ±180, ±90; give it in degrees (WGS84)."
                )
            corners.append((lon, lat))
        points += len(corners)
        if points > MOST_POINTS:
            raise InputError(f"{where} has more than {MOST_POINTS:,} corners; simplify it.")
        out.append(tuple(corners))
    if not out:
        raise InputError(f"{where} has no polygon.")
    return tuple(out)


def few_enough(polygons: Mapping[str, Rings], where: str) -> None:
    """Make sure that all files of a policy together have no more corners than `MOST_POINTS`.

    Raises:
        InputError: They have: how many, in how many files.
    """
    points = sum(len(ring) for rings in polygons.values() for ring in rings)
    if points > MOST_POINTS:
        raise InputError(
            f"{where} has polygons of {points:,} corners in {len(polygons):,} files, and at most {MOST_POINTS:,} in "
            "all; simplify them."
        )


def _finite(value: Any) -> bool:
    """Whether a value is a number that a place may be; an integer of 400 digits is beyond every float."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and -1e9 <= value <= 1e9


def _rings_of(values: Any, where: str, depth: int = 0) -> Iterator[Any]:
    if not isinstance(values, dict) or depth > 4:
        raise InputError(f"{where} is no GeoJSON of polygons.")
    kind = values.get("type")
    members = {"FeatureCollection": "features", "GeometryCollection": "geometries"}.get(str(kind))
    if members is not None:
        for part in values.get(members) or ():
            yield from _rings_of(part, where, depth + 1)
        return
    if kind == "Feature":
        yield from _rings_of(values.get("geometry"), where, depth + 1)
        return
    if kind not in ("Polygon", "MultiPolygon"):
        raise InputError(f"{where} has a {kind!r:.40}; only polygons say what lies inside.")
    inside = values.get("coordinates")
    if not isinstance(inside, list):
        raise InputError(f"{where} has a polygon without coordinates.")
    for polygon in [inside] if kind == "Polygon" else inside:
        for ring in polygon if isinstance(polygon, list) else ():
            if not isinstance(ring, list) or not all(isinstance(c, list) for c in ring):
                raise InputError(f"{where} has an outline that is no list of corners.")
            yield ring
