"""Where the land is: of the Earth, or of the demo's planet, whose observations have their own map."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from prom3e_index.grid.outlines import outlines, source
from prom3e_index.search.run import Bundle

Rings = tuple[NDArray[np.float64], ...]
Outline = Literal["earth", "planet"]
_lock = threading.Lock()
_STEP = 0.5
"""Degrees between the places at which the planet's coast is looked for."""
_FINEST, _SENT = 0.05, 0.1
"""Degrees: a coast is drawn and sent no finer, for it lies under marks and is not to be measured."""


def outline_of(bundle: Bundle) -> Outline:
    """Which world the observations of an index lie in."""
    return "planet" if bundle.manifest.get("planet") else "earth"


def coast_of(bundle: Bundle) -> Rings:
    """The rings of the land, (k, 2) longitude and latitude each; what an odd number of them surrounds is land."""
    return coast(outline_of(bundle))


def coast(world: Outline) -> Rings:
    """The rings of a world's land, made once however many ask for them."""
    with _lock:
        return _coast(world)


@lru_cache(2)
def _coast(world: Outline) -> Rings:
    if world == "planet":
        return tuple(_planet())
    rings = (thinned(r, _FINEST) for o in outlines("land") for r in o.rings)
    return tuple(r for r in rings if len(r) >= 4)


@lru_cache(2)
def as_text(world: Outline) -> str:
    """`as_geojson` as it is sent."""
    return json.dumps(as_geojson(world), separators=(",", ":"))


def as_geojson(world: Outline) -> dict[str, Any]:
    """The land as one MultiPolygon, lakes left out."""
    rings = [r for r in (thinned(c, _SENT) for c in coast(world)) if len(r) >= 4]
    polygons = [[np.round(r, 2).tolist() for r in polygon] for polygon in _polygons(rings)]
    whose = "invented" if world == "planet" else source("land")
    return {
        "type": "FeatureCollection",
        "outline": world,
        "source": whose,
        "features": [
            {
                "type": "Feature",
                "properties": {"kind": "land"},
                "geometry": {"type": "MultiPolygon", "coordinates": polygons},
            }
        ],
    }


def thinned(ring: NDArray[np.float64], least: float) -> NDArray[np.float64]:
    """A ring without points that lie nearer than so many degrees to the one before that is kept."""
    kept = [0]
    for i in range(1, len(ring)):
        if np.abs(ring[i] - ring[kept[-1]]).max() >= least:
            kept.append(i)
    out = ring[kept]
    if len(out) and not np.array_equal(out[0], out[-1]):
        out = np.vstack([out, out[:1]])
    return out


def _planet() -> Iterable[NDArray[np.float64]]:
    """The planet's coast, followed through a lattice of heights; land that reaches an edge of the map ends there."""
    from contourpy import LineType, contour_generator

    from prom3e_index.world import planet

    lat, lon = np.arange(-90, 90 + _STEP / 2, _STEP), np.arange(-180, 180 + _STEP / 2, _STEP)
    x, y = np.meshgrid(lon, lat)
    land = planet.is_land(planet.fields(y.ravel(), x.ravel())).reshape(x.shape)
    framed = np.pad(land.astype(float), 1)
    at_lon = np.concatenate([[-180 - 1e-6], lon, [180 + 1e-6]])
    at_lat = np.concatenate([[-90 - 1e-6], lat, [90 + 1e-6]])
    lines = contour_generator(at_lon, at_lat, framed, line_type=LineType.Separate).lines(0.5)
    for line in lines:
        ring = np.clip(np.asarray(line, np.float64), [-180, -90], [180, 90])
        if len(ring) >= 4:
            yield ring


def _polygons(rings: Sequence[NDArray[np.float64]]) -> list[list[NDArray[np.float64]]]:
    """Rings as polygons: those that surround land, each with the lakes within it."""
    low = np.array([r.min(0) for r in rings])
    high = np.array([r.max(0) for r in rings])
    around: list[list[int]] = []
    for i, ring in enumerate(rings):
        near = (low <= ring[0]).all(1) & (high >= ring[0]).all(1)
        near[i] = False
        around.append([j for j in np.flatnonzero(near).tolist() if _inside(ring[0], rings[j])])
    out = {i: [rings[i]] for i, others in enumerate(around) if not len(others) % 2}
    for i, others in enumerate(around):
        if (
            len(others) % 2
        ):  # the innermost land around a lake has as many around it as the lake, but itself
            out[max((j for j in others if j in out), key=lambda j: len(around[j]))].append(rings[i])
    return list(out.values())


def _inside(point: NDArray[np.float64], ring: NDArray[np.float64]) -> bool:
    a, b = ring[:-1], ring[1:]
    over = (a[:, 1] > point[1]) != (b[:, 1] > point[1])
    a, b = a[over], b[over]
    at = a[:, 0] + (point[1] - a[:, 1]) / (b[:, 1] - a[:, 1]) * (b[:, 0] - a[:, 0])
    return bool((at > point[0]).sum() % 2)
