"""Which cells of a grid are mapped: land, the region's own outline, where a climate is known, or a user's file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import InputError
from prom3e_index.grid.outlines import Outline, holds, outlines, source
from prom3e_index.policy.region import read_rings

if TYPE_CHECKING:
    from prom3e_index.grid.grid import Grid
    from prom3e_index.media.climate import ClimateRaster

Floats = NDArray[np.float64]
Inside = Callable[[Floats, Floats], NDArray[np.bool_]]
KINDS = ("land", "climate", "none")
PLANET = "planet"
"""The land of the invented planet, in place of the Earth's."""
_PART = 500_000


@dataclass(frozen=True, eq=False)
class Mask:
    """The cells that are mapped.

    Attributes:
        inside: (n,) whether the centre of a cell is inside.
        words: What made it, with versions.
    """

    inside: NDArray[np.bool_]
    words: str

    @cached_property
    def cells(self) -> NDArray[np.int64]:
        """Numbers of the cells inside, ascending."""
        return np.flatnonzero(self.inside)


def mask_of(grid: Grid, kind: str = "land", climate: ClimateRaster | None = None) -> Mask:
    """The cells of a grid whose centres lie inside.

    The region's own outline (a country, states, a file) holds as well, whatever is asked for.

    Args:
        grid: The cells.
        kind: `land`, `climate` (where the raster has a value), `none`, or the path of a GeoJSON of polygons or of a
            GeoTIFF, of which cells count that are neither 0 nor without value.
        climate: For `climate`.

    Raises:
        InputError: An unknown kind, a file that cannot be read, or no cell left.
    """
    tests: list[tuple[Inside, str]] = []
    region = grid.region
    if region.outlines:
        words = source(region.layer) if region.layer else "the region's file"
        tests.append((_within(region.outlines), f"{region.name}: {words}"))
    if kind == "land" and not region.layer:  # countries and states have their own coast
        tests.append((_within(outlines("land")), source("land")))
    elif kind == "climate":
        if climate is None:
            raise InputError(
                "--mask climate needs --climate RASTER: it holds where a climate is known."
            )
        raster = climate
        tests.append((lambda lat, lon: raster.lookup(lat, lon)[1], f"known in {climate.path.name}"))
    elif kind == PLANET:
        tests.append((_planet, "land of the invented planet"))
    elif kind not in KINDS:
        tests.append((_file(Path(kind)), Path(kind).name))
    inside = np.zeros(len(grid), bool)
    for at in range(0, len(grid), _PART):
        cells = np.arange(at, min(at + _PART, len(grid)))
        lat, lon = grid.centres(cells)
        good = np.isfinite(lat)
        for test, _ in tests:
            which = np.flatnonzero(good)
            good[which] = test(lat[which], lon[which])
        inside[cells] = good
    if not inside.any():
        raise InputError(
            f"No cell of {grid.name} in {grid.region.name} lies within the mask ({words_of(tests)}). "
            "Take smaller cells, another region or --mask none."
        )
    return Mask(inside, words_of(tests))


def climate_of_mask(path: Path | None, kind: str) -> ClimateRaster | None:
    """The raster of the mask `climate`, of any variables, in any units.

    Raises:
        InputError: A raster is given for another mask, which has no use for it, or cannot be read.
    """
    if path is None:
        return None
    if kind != "climate":
        raise InputError(
            f"--climate {path} tells here only where a climate is known: it goes with --mask climate. Add that, or "
            "leave it out."
        )
    from prom3e_index.media.climate import ClimateRaster

    return ClimateRaster.open(path, None)


def words_of(tests: Sequence[tuple[Inside, str]]) -> str:
    """What some tests are made of; `none` without any."""
    return "; ".join(words for _, words in tests) or "none"


def _planet(latitude: Floats, longitude: Floats) -> NDArray[np.bool_]:
    from prom3e_index.world import planet

    return planet.is_land(planet.fields(latitude, longitude))


def _within(some: tuple[Outline, ...]) -> Inside:
    return lambda latitude, longitude: holds(some, latitude, longitude)


def _file(path: Path) -> Inside:
    if path.suffix.lower() in (".geojson", ".json"):
        rings = tuple(np.asarray(r, np.float64) for r in read_rings(path, "--mask"))
        return _within((Outline(path.name, "", rings),))
    if path.suffix.lower() in (".tif", ".tiff"):
        return _raster(path)
    raise InputError(
        f"--mask is {str(path)!r:.80}; it must be {', '.join(KINDS)}, a .geojson of polygons or a .tif."
    )


def _raster(path: Path) -> Inside:
    from rasterio import open as open_raster

    from prom3e_index.grid.grid import Grid

    own = Grid.like(path)
    with open_raster(path) as tif:
        first = tif.read(1, masked=True)
    known = np.append((first.filled(0) != 0).ravel() & ~np.isnan(first.filled(0)).ravel(), False)

    def inside(latitude: Floats, longitude: Floats) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = known[
            own.cell_of(latitude, longitude)
        ]  # −1 is the last: outside
        return found

    return inside
