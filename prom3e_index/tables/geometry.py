"""Geometries as one point each: well-known binary and GeoJSON coordinates, without a geometry library.

Source: OGC Simple Features 06-103r4 (WKB, with the Z and M of ISO 19125 and of PostGIS); RFC 7946 (GeoJSON).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

_KINDS = {
    1: "Point",
    2: "LineString",
    3: "Polygon",
    4: "MultiPoint",
    5: "MultiLineString",
    6: "MultiPolygon",
    7: "GeometryCollection",
}
_DEEPEST = 8
Coordinates = Sequence[Any]


def from_wkb(data: bytes) -> tuple[str, Coordinates]:
    """Type and coordinates, as GeoJSON nests them, of a geometry in well-known binary.

    Raises:
        ValueError: It is cut off, of another type (curves, surfaces), or nested too deeply.
    """
    try:
        kind, coordinates, _ = _wkb(data, 0, 0)
    except struct.error as e:
        raise ValueError("the geometry is cut off") from e
    return kind, coordinates


def _wkb(data: bytes, at: int, depth: int) -> tuple[str, Coordinates, int]:
    if depth > _DEEPEST:
        raise ValueError("the geometry is nested too deeply")
    order = "<" if data[at : at + 1] == b"\x01" else ">"
    (code,) = struct.unpack_from(order + "I", data, at + 1)
    at += 5
    width = 2
    if code & 0x80000000:
        width += 1
    if code & 0x40000000:
        width += 1
    if code & 0x20000000:
        at += 4
    code &= 0x0FFFFFFF
    if code >= 1000:
        width += 2 if code // 1000 == 3 else 1
        code %= 1000
    kind = _KINDS.get(code)
    if kind is None:
        raise ValueError(f"a geometry of type {code} has no point")

    def points(at: int, count: int) -> tuple[list[list[float]], int]:
        end = at + 8 * width * count
        if end > len(data):
            raise ValueError("the geometry is cut off")
        found = np.frombuffer(data, order + "f8", width * count, at).reshape(count, width)
        return found[:, :2].tolist(), end

    if kind == "Point":
        found, at = points(at, 1)
        return kind, found[0], at
    (count,) = struct.unpack_from(order + "I", data, at)
    at += 4
    if kind == "LineString":
        found, at = points(at, count)
        return kind, found, at
    parts: list[Any] = []
    for _ in range(min(count, len(data))):
        if kind == "Polygon":
            (size,) = struct.unpack_from(order + "I", data, at)
            found, at = points(at + 4, size)
            parts.append(found)
            continue
        inner, part, at = _wkb(data, at, depth + 1)
        parts.append((inner, part) if kind == "GeometryCollection" else part)
    return kind, parts, at


def centre(kind: str, coordinates: Coordinates) -> tuple[float, float] | None:
    """The point that stands for a geometry, (x, y); None of an empty one.

    Of several points their mean, of lines the point half way along the longest, of polygons the centroid of the
    largest, or a point within it where the centroid lies outside.

    Raises:
        ValueError: The coordinates are no numbers, or the type is unknown.
    """
    try:
        if kind == "GeometryCollection":
            found = (centre(k, c) for k, c in coordinates)
            return next((p for p in found if p is not None), None)
        if kind == "Point":
            points = _array([coordinates]) if len(coordinates) else _array([])
        elif kind == "MultiPoint":
            points = _array(coordinates)
        elif kind in ("LineString", "MultiLineString"):
            lines = [coordinates] if kind == "LineString" else coordinates
            return _half_way(max((_array(c) for c in lines), key=_length, default=_array([])))
        elif kind in ("Polygon", "MultiPolygon"):
            polygons = [coordinates] if kind == "Polygon" else coordinates
            rings = [[_array(r) for r in p] for p in polygons if p]
            return _within(max(rings, key=lambda r: abs(_area(r[0])), default=[]))
        else:
            raise ValueError(f"a geometry of type {kind[:40]} has no point")
    except TypeError as e:
        raise ValueError("the coordinates are no numbers") from e
    if not len(points) or not np.isfinite(points).all():
        return None
    x, y = points.mean(axis=0)
    return float(x), float(y)


def _array(points: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    try:
        return np.array([[float(p[0]), float(p[1])] for p in points], np.float64).reshape(-1, 2)
    except (TypeError, ValueError, IndexError, OverflowError) as e:
        raise ValueError("the coordinates are no numbers") from e


def _length(points: np.ndarray[Any, Any]) -> float:
    return float(np.hypot(*np.diff(points, axis=0).T).sum()) if len(points) > 1 else 0.0


def _half_way(points: np.ndarray[Any, Any]) -> tuple[float, float] | None:
    if not len(points):
        return None
    if len(points) == 1 or not (total := _length(points)):
        return float(points[0, 0]), float(points[0, 1])
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    x, y = (float(np.interp(total / 2, along, points[:, i])) for i in (0, 1))
    return x, y


def _area(ring: np.ndarray[Any, Any]) -> float:
    if len(ring) < 3:
        return 0.0
    x, y = (ring - ring[0]).T
    return float(0.5 * (x * np.roll(y, -1) - np.roll(x, -1) * y).sum())


def _within(rings: list[np.ndarray[Any, Any]]) -> tuple[float, float] | None:
    """The centroid of a polygon, or the middle of the widest stretch within it at half its height."""
    if not rings or not len(rings[0]):
        return None
    outer = rings[0]
    area = _area(outer)
    if not area or not math.isfinite(area):
        return _half_way(outer)
    x, y = (outer - outer[0]).T
    cross = x * np.roll(y, -1) - np.roll(x, -1) * y
    centroid = [
        float(((a + np.roll(a, -1)) * cross).sum() / (6 * area) + origin)
        for a, origin in ((x, outer[0, 0]), (y, outer[0, 1]))
    ]
    inside = [_crossings(r, centroid[1]) for r in rings]
    if sum(sum(c < centroid[0] for c in cs) for cs in inside) % 2:
        return centroid[0], centroid[1]
    level = float((outer[:, 1].min() + outer[:, 1].max()) / 2)
    cuts = sorted(c for r in rings for c in _crossings(r, level))
    stretches = [(b - a, (a + b) / 2) for a, b in zip(cuts[::2], cuts[1::2], strict=False)]
    return (max(stretches)[1], level) if stretches else (centroid[0], centroid[1])


def _crossings(ring: np.ndarray[Any, Any], level: float) -> list[float]:
    """Where the edges of a ring cross a horizontal line."""
    found = []
    for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        if (y0 <= level) != (y1 <= level):
            found.append(float(x0 + (level - y0) * (x1 - x0) / (y1 - y0)))
    return found
