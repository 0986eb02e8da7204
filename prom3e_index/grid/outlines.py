"""Outlines of land, countries and US states, and which places lie within some.

They come with the program (`outlines.parquet`, made by `benchmarks/outlines.py`): Natural Earth 1:50m and states of the
US Census. Natural Earth's land holds lakes, and its countries are drawn as they are governed, not as they are claimed.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import Prom3eError

Floats = NDArray[np.float64]
FILE = Path(__file__).parent / "outlines.parquet"
LAYERS = ("land", "country", "state")
OUTSIDE_CONUS = ("US-AK", "US-HI", "US-AS", "US-GU", "US-MP", "US-PR", "US-VI")
"""States and territories that are not of the contiguous United States."""
_BIN_DEG = 0.25


@dataclass(frozen=True, eq=False)
class Outline:
    """What some rings surround.

    Attributes:
        name: In English, as the source gives it.
        code: ISO 3166-1 alpha-3 of a country, ISO 3166-2 of a state; empty for land and for a user's file.
        rings: (k, 2) longitude, latitude in degrees; what an odd number of them surrounds is inside.
    """

    name: str
    code: str
    rings: tuple[Floats, ...] = field(repr=False)

    def spans(self) -> tuple[float, float, float, float]:
        """West, south, east, north; east passes 180 where the shortest box around it crosses the date line."""
        south = min(float(r[:, 1].min()) for r in self.rings)
        north = max(float(r[:, 1].max()) for r in self.rings)
        pieces = sorted((float(r[:, 0].min()), float(r[:, 0].max())) for r in self.rings)
        merged = [pieces[0]]
        for low, high in pieces[1:]:
            if low <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
            else:
                merged.append((low, high))
        gaps = [b[0] - a[1] for a, b in zip(merged, merged[1:], strict=False)]
        around = merged[0][0] + 360 - merged[-1][1]
        if not gaps or around >= max(gaps):
            return merged[0][0], south, merged[-1][1], north
        at = int(np.argmax(gaps)) + 1
        return merged[at][0], south, merged[at - 1][1] + 360, north


@cache
def _read() -> tuple[dict[str, tuple[Outline, ...]], dict[str, str]]:
    import pyarrow.parquet as pq

    table = pq.read_table(FILE)
    found: dict[str, list[Outline]] = {layer: [] for layer in LAYERS}
    for row in table.to_pylist():
        found[row["layer"]].append(Outline(row["name"], row["code"], _rings(row["geometry"])))
    sources = json.loads(table.schema.metadata[b"sources"])
    return {k: tuple(v) for k, v in found.items()}, sources


def outlines(layer: str) -> tuple[Outline, ...]:
    """All outlines of a layer: `land` (one), `country` or `state`."""
    return _read()[0][layer]


def source(layer: str) -> str:
    """Where the outlines of a layer come from, their version and licence."""
    return _read()[1][layer]


def conus() -> tuple[Outline, ...]:
    """The 48 contiguous states and the District of Columbia."""
    return tuple(o for o in outlines("state") if o.code not in OUTSIDE_CONUS)


def _rings(wkb: bytes) -> tuple[Floats, ...]:
    """The rings of a little-endian WKB MultiPolygon."""
    order, kind, polygons = struct.unpack_from("<BII", wkb)
    if (order, kind) != (1, 6):
        raise Prom3eError(f"{FILE} holds WKB of kind {kind}; reinstall the program.")
    at, rings = 9, []
    for _ in range(polygons):
        (count,) = struct.unpack_from("<I", wkb, at + 5)
        at += 9
        for _ in range(count):
            (points,) = struct.unpack_from("<I", wkb, at)
            rings.append(np.frombuffer(wkb, "<f8", 2 * points, at + 4).reshape(-1, 2))
            at += 4 + 16 * points
    return tuple(rings)


def wrapped(longitude: Floats) -> Floats:
    """Longitudes from −180 on, below 180."""
    found: Floats = (np.asarray(longitude, np.float64) + 180) % 360 - 180
    return found


def holds(some: Iterable[Outline], latitude: Floats, longitude: Floats) -> NDArray[np.bool_]:
    """Which places lie within any of some outlines, (k,); a place that is not known (NaN) does not.

    A place is within by the number of edges east of it at its latitude, edges being straight in degrees. Of two
    outlines that share a border one has a place that lies on it.
    """
    lat, lon = np.asarray(latitude, np.float64), wrapped(longitude)
    inside = np.zeros(lat.shape, bool)
    for outline in some:
        for turn in _turns(outline.rings):
            x = lon + turn
            low = np.min([r.min(0) for r in outline.rings], axis=0)
            high = np.max([r.max(0) for r in outline.rings], axis=0)
            near = ~inside & (lat >= low[1]) & (lat <= high[1]) & (x >= low[0]) & (x <= high[0])
            which = np.flatnonzero(near)
            if len(which):
                inside[which] = _odd(outline.rings, lat[which], x[which])
    return inside


def _turns(rings: Sequence[Floats]) -> list[float]:
    """By how much longitudes of −180 to 180 are turned to be met by rings, which may reach beyond these."""
    low, high = min(r[:, 0].min() for r in rings), max(r[:, 0].max() for r in rings)
    return [0.0, *([360.0] if high > 180 else []), *([-360.0] if low < -180 else [])]


def _odd(rings: Sequence[Floats], latitude: Floats, longitude: Floats) -> NDArray[np.bool_]:
    from prom3e_index.grid.crossings import odd_crossings

    edges = _edges(rings)
    south = np.minimum(edges[:, 1], edges[:, 3])
    north = np.maximum(edges[:, 1], edges[:, 3])
    first = np.floor((south + 90) / _BIN_DEG).astype(np.int64)
    count = np.floor((north + 90) / _BIN_DEG).astype(np.int64) - first + 1
    which = np.repeat(np.arange(len(edges)), count)
    bins = first[which] + np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count)
    order = np.argsort(bins, kind="stable")
    starts = np.searchsorted(bins[order], np.arange(round(180 / _BIN_DEG) + 2))
    at = np.floor((latitude + 90) / _BIN_DEG).astype(np.int64)
    found: NDArray[np.bool_] = odd_crossings(edges[which[order]], starts, at, latitude, longitude)
    return found


def _edges(rings: Sequence[Floats]) -> Floats:
    parts: list[Any] = [np.hstack([r, np.roll(r, -1, axis=0)]) for r in rings]
    edges = np.concatenate(parts)
    kept: Floats = edges[edges[:, 1] != edges[:, 3]]
    return kept
