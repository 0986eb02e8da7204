"""Cells of H3: which lie in a region, where they are, and the raster that they are drawn on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import InputError

if TYPE_CHECKING:
    from prom3e_index.grid.region import Bounds

Floats = NDArray[np.float64]
MOST = 5_000_000
_MOST_PIXELS = 4_000_000
_SLAB_DEG = 60.0
_EDGE_DEG = 1e-6


def library() -> Any:
    """The package `h3`, which an extra brings.

    Raises:
        InputError: It is not installed.
    """
    try:
        import h3
    except ImportError as e:
        raise InputError(
            "Cells of H3 need the package h3: pip install 'prom3e-index[gis]'. Others need none."
        ) from e
    return h3


def average_km2(resolution: int) -> float:
    """Mean area of a cell."""
    return float(library().average_hexagon_area(resolution, unit="km^2"))


def cells_in(bounds: Bounds, resolution: int) -> NDArray[np.uint64]:
    """The cells whose centres lie within bounds, ascending.

    Raises:
        InputError: More than `MOST`.
    """
    h3 = library()
    west, south, east, north = bounds
    share = (east - west) / 360 * (np.sin(np.radians(north)) - np.sin(np.radians(south))) / 2
    expected = share * h3.get_num_cells(resolution)
    if expected > MOST:
        raise InputError(
            f"h3:{resolution} has about {expected:,.0f} cells in {west:g},{south:g},{east:g},{north:g}; at most "
            f"{MOST:,} are mapped at once. Take a lower resolution or a smaller region."
        )
    if expected * 4 > h3.get_num_cells(resolution):
        found = {c for base in h3.get_res0_cells() for c in h3.cell_to_children(base, resolution)}
    else:
        found = set()
        low, high = max(-90.0, south - _EDGE_DEG), min(90.0, north + _EDGE_DEG)
        at = west
        while at < east:
            upto = min(at + _SLAB_DEG, east)
            for turn in (0.0, -360.0):
                a, b = max(at + turn - _EDGE_DEG, -180.0), min(upto + turn + _EDGE_DEG, 180.0)
                if a < b:
                    box = h3.LatLngPoly([(low, a), (low, b), (high, b), (high, a)])
                    found.update(h3.h3shape_to_cells(box, resolution))
            at = upto
    every = np.sort(np.fromiter((int(c, 16) for c in found), np.uint64, len(found)))
    lat, lon = centres(every)
    inside = (lat >= south) & (lat <= north) & ((lon - west) % 360 < east - west)
    return every[inside]


def names(cells: NDArray[np.uint64]) -> list[str]:
    """Cells as 15 hexadecimal digits."""
    return [f"{int(c):x}" for c in cells]


def centres(cells: NDArray[np.uint64]) -> tuple[Floats, Floats]:
    """Latitude and longitude of the centres, degrees."""
    h3 = library()
    places = np.array([h3.cell_to_latlng(c) for c in names(cells)], np.float64).reshape(-1, 2)
    return places[:, 0], places[:, 1]


def sub_points(cells: NDArray[np.uint64], samples: int) -> tuple[Floats, Floats]:
    """Centres of the children of each cell, (k, 7); the centre alone (k, 1) for one sample.

    A pentagon has six children: its centre counts twice.
    """
    if samples == 1:
        lat, lon = centres(cells)
        return lat[:, None], lon[:, None]
    h3 = library()
    out = np.empty((len(cells), 7, 2))
    for i, name in enumerate(names(cells)):
        children = [h3.cell_to_latlng(c) for c in h3.cell_to_children(name)]
        out[i] = [*children, *[h3.cell_to_latlng(name)] * (7 - len(children))]
    return out[..., 0], out[..., 1]


def areas_km2(cells: NDArray[np.uint64]) -> Floats:
    """True areas on the sphere of H3, km²."""
    h3 = library()
    return np.array([h3.cell_area(c, unit="km^2") for c in names(cells)], np.float64)


def cell_of(
    cells: NDArray[np.uint64], resolution: int, latitude: Floats, longitude: Floats
) -> NDArray[np.int64]:
    """The number of the cell among `cells` in which each place lies; −1 for none of them."""
    h3 = library()
    known = np.isfinite(latitude) & np.isfinite(longitude)
    own = np.zeros(len(latitude), np.uint64)
    pairs: Sequence[tuple[float, float]] = list(
        zip(latitude[known].tolist(), longitude[known].tolist(), strict=True)
    )
    own[known] = np.fromiter(
        (int(h3.latlng_to_cell(a, b, resolution), 16) for a, b in pairs), np.uint64, len(pairs)
    )
    at = np.searchsorted(cells, own)
    found = known & (at < len(cells))
    found[found] = cells[at[found]] == own[found]
    return np.where(found, at, -1).astype(np.int64)


def pixel_deg(bounds: Bounds, resolution: int) -> float:
    """Sides of the pixels that cells are drawn with: a third of a cell's, larger where there would be too many."""
    west, south, east, north = bounds
    third = average_km2(resolution) ** 0.5 / 3 / 111.2
    least = ((east - west) * (north - south) / _MOST_PIXELS) ** 0.5
    return 1 / max(1, int(1 / max(third, least))) if max(third, least) < 1 else 1.0
