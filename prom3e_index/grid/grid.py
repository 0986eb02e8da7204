"""A region cut into cells: where they are, how large, which one holds a place, and the raster that they fill."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import InputError
from prom3e_index.grid import hexagons
from prom3e_index.grid.area import boxes_km2, quadrilaterals_km2
from prom3e_index.grid.cells import DEGREES, EARTH_M, EASE, Cells, crs_name, crs_of, is_equal_area
from prom3e_index.grid.codes import codes_of
from prom3e_index.grid.like import lattice_of
from prom3e_index.grid.outlines import wrapped
from prom3e_index.grid.projection import Projection
from prom3e_index.grid.region import Region

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Affine6 = tuple[float, float, float, float, float, float]
MOST_CELLS = 60_000_000
_DEGREE_M = math.pi * EARTH_M / 180


@dataclass(frozen=True, eq=False)
class Grid:
    """Cells over a region, in the order of a raster: row by row, the northernmost first, each from west to east.

    Cells of H3 have their own order, and are drawn on a raster of degrees.

    Attributes:
        name: As it was asked for, with its reference system.
        crs: `EPSG:6933`, or WKT where it has no code.
        affine: (a, b, c, d, e, f) of the raster: x = a·column + c, y = e·row + f, with e < 0.
        shape: Rows and columns of the raster.
        region: What it shows.
        size_deg: Side of a square of a cell's area as degrees of latitude, at most twice the shorter side.
        equal_area: Whether all cells have one true area.
        snapped: Whether it lies on a lattice of the whole Earth, so that no other map has cells shifted by a part.
        hexagons: (n,) uint64 cells of H3, ascending; None for others.
        resolution: Of these.
    """

    name: str
    crs: str
    affine: Affine6
    shape: tuple[int, int]
    region: Region
    size_deg: float
    equal_area: bool = False
    hexagons: NDArray[np.uint64] | None = field(default=None, repr=False)
    resolution: int | None = None
    snapped: bool = True

    @classmethod
    def of(
        cls, region: str | Region = "world", cells: str = "25km", crs: int | str | None = None
    ) -> Grid:
        """The cells of a region.

        Degrees and kilometres snap to a lattice, so that maps of any two regions with the same cells fit each other:
        degrees to −180 and 90, others to the origin of the projection. Kilometres are of EASE-Grid 2.0 (EPSG:6933)
        where no other reference system is given.

        Args:
            region: See `Region.of`.
            cells: `0.1deg`, `5min`, `25km`, `500m`, `250x500` (rows x columns over the region's bounds, in degrees) or
                `h3:5`.
            crs: EPSG code or WKT, for kilometres and metres.

        Raises:
            InputError: Unknown region, cells or reference system; cells that do not go with it; too many.
        """
        where = region if isinstance(region, Region) else Region.of(region)
        asked = Cells.of(cells)
        if crs is not None and asked.metres is None:
            raise InputError(
                f"--crs {crs} goes with cells of kilometres or metres; {asked.name} is in degrees. Give --grid 25km."
            )
        if asked.h3 is not None:
            return cls._hexagonal(where, asked.h3)
        if asked.shape is not None:
            return cls._divided(where, asked.shape, asked.name)
        if asked.degrees is not None:
            return cls._degrees(where, asked)
        return cls._metric(where, asked, crs_of(crs, EASE))

    @classmethod
    def like(cls, raster: str | Path) -> Grid:
        """The cells of a raster file, with its transform, shape and reference system bit for bit.

        Raises:
            InputError: It cannot be read, has no reference system, or is turned.
        """
        crs, affine, shape = lattice_of(Path(raster))
        _check(shape[0] * shape[1], f"{raster}")
        step = _side(affine[0], -affine[4])
        if crs.is_projected:
            step *= crs.linear_units_factor[1] / _DEGREE_M
        projection = Projection(crs_name(crs))
        region = Region(f"as {Path(raster).name}", projection.spans(affine, shape))
        name = f"as {Path(raster).name}"
        return cls(
            name, crs_name(crs), affine, shape, region, step, is_equal_area(crs), snapped=False
        )

    @classmethod
    def _degrees(cls, region: Region, asked: Cells) -> Grid:
        assert asked.degrees is not None  # of degrees
        cell, (west, south, east, north) = asked.degrees, region.bounds
        step = float(cell)
        first = math.floor(round((west + 180) / step, 9))
        last = math.ceil(round((east + 180) / step, 9))
        top = math.floor(round((90 - north) / step, 9))
        bottom = math.ceil(round((90 - south) / step, 9))
        last = min(last, first + int(360 / cell))
        shape = (bottom - top, last - first)
        _check(shape[0] * shape[1], asked.name)
        affine = (step, 0.0, float(first * cell - 180), 0.0, -step, float(90 - top * cell))
        return cls(f"{asked.name} on {DEGREES}", DEGREES, affine, shape, region, step)

    @classmethod
    def _divided(cls, region: Region, shape: tuple[int, int], name: str) -> Grid:
        west, south, east, north = region.bounds
        _check(shape[0] * shape[1], name)
        wide, high = (east - west) / shape[1], (north - south) / shape[0]
        affine = (wide, 0.0, west, 0.0, -high, north)
        return cls(
            f"{name} on {DEGREES}", DEGREES, affine, shape, region, _side(wide, high), snapped=False
        )

    @classmethod
    def _metric(cls, region: Region, asked: Cells, crs: Any) -> Grid:
        assert asked.metres is not None  # of metres
        if not crs.is_projected:
            raise InputError(
                f"--crs {crs_name(crs)} is in degrees; {asked.name} needs a projection. Give --grid 0.1deg or "
                "--crs 6933."
            )
        name = crs_name(crs)
        cell = asked.metres / float(crs.linear_units_factor[1])
        left, low, right, high = Projection(name).box(region)
        first, last = math.floor(left / cell + 1e-9), math.ceil(right / cell - 1e-9)
        bottom, top = math.floor(low / cell + 1e-9), math.ceil(high / cell - 1e-9)
        shape = (top - bottom, last - first)
        _check(shape[0] * shape[1], asked.name)
        affine = (cell, 0.0, first * cell, 0.0, -cell, top * cell)
        size = asked.metres / _DEGREE_M
        return cls(f"{asked.name} on {name:.40}", name, affine, shape, region, size, is_equal_area(crs))  # fmt: skip

    @classmethod
    def _hexagonal(cls, region: Region, resolution: int) -> Grid:
        cells = hexagons.cells_in(region.bounds, resolution)
        if not len(cells):
            raise InputError(f"No centre of a cell of h3:{resolution} lies in {region.name}.")
        west, south, east, north = region.bounds
        step = hexagons.pixel_deg(region.bounds, resolution)
        shape = (math.ceil((north - south) / step - 1e-9), math.ceil((east - west) / step - 1e-9))
        affine = (step, 0.0, west, 0.0, -step, north)
        size = hexagons.average_km2(resolution) ** 0.5 * 1000 / _DEGREE_M
        return cls(f"h3:{resolution}", DEGREES, affine, shape, region, size, False, cells, resolution)  # fmt: skip

    def __len__(self) -> int:
        """Cells n."""
        return self.shape[0] * self.shape[1] if self.hexagons is None else len(self.hexagons)

    @property
    def transform(self) -> Any:
        """`rasterio.Affine` of the raster."""
        from rasterio import Affine

        return Affine(*self.affine)

    @cached_property
    def projection(self) -> Projection:
        """Between degrees and the reference system."""
        return Projection(self.crs)

    @cached_property
    def _first(self) -> float | None:
        """The longitude where cells begin, where rows are of one latitude; of the whole Earth the region's."""
        first, (west, _, east, _) = self.projection.longitude_of(self.affine[2]), self.region.bounds
        if first is None or self.projection.degrees or east - west < 359:
            return first
        return max(first, west)

    def centres(self, cells: Ints | None = None) -> tuple[Floats, Floats]:
        """Latitude and longitude of cells' centres, (k,) each, degrees, longitudes from −180 on, below 180.

        NaN for a cell of which the reference system has no place, as in the corners of a round projection.

        Args:
            cells: (k,) their numbers; all when None.
        """
        if self.hexagons is not None:
            return hexagons.centres(self.hexagons if cells is None else self.hexagons[cells])
        lat, lon = self.sub_points(cells, 1)
        return lat[:, 0], lon[:, 0]

    def sub_points(self, cells: Ints | None = None, samples: int = 4) -> tuple[Floats, Floats]:
        """Places spread evenly over cells, (k, samples) each, as `centres`; of H3 the 7 children's centres.

        Raises:
            InputError: `samples` is no square number.
        """
        side = math.isqrt(max(samples, 0))
        if samples < 1 or side * side != samples or samples > 100:
            raise InputError(f"--samples is {samples}; it must be 1, 4, 9, 16 or a square up to 100.")  # fmt: skip
        if self.hexagons is not None:
            own = self.hexagons if cells is None else self.hexagons[cells]
            return hexagons.sub_points(own, samples)
        which = np.arange(len(self)) if cells is None else np.asarray(cells, np.int64)
        row, column = np.divmod(which, self.shape[1])
        steps = (np.arange(side) + 0.5) / side
        down, across = np.repeat(steps, side), np.tile(steps, side)
        a, _, c, _, e, f = self.affine
        x = c + a * (column[:, None] + across)
        y = f + e * (row[:, None] + down)
        lat, lon = self.projection.places(x.ravel(), y.ravel(), self._first)
        return lat.reshape(x.shape), lon.reshape(x.shape)

    def areas_km2(self, cells: Ints | None = None) -> Floats:
        """True areas of cells, (k,), km²."""
        if self.hexagons is not None:
            return hexagons.areas_km2(self.hexagons if cells is None else self.hexagons[cells])
        which = np.arange(len(self)) if cells is None else np.asarray(cells, np.int64)
        row, column = np.divmod(which, self.shape[1])
        a, _, c, _, e, f = self.affine
        if self.projection.degrees:
            return boxes_km2(f + e * (row + 1), f + e * row, a)
        x = c + a * (column[:, None] + np.array([0, 1, 1, 0]))
        y = f + e * (row[:, None] + np.array([0, 0, 1, 1]))
        lat, lon = self.projection.places(x.ravel(), y.ravel(), None)
        return quadrilaterals_km2(lat.reshape(x.shape), lon.reshape(x.shape))

    def cell_of(self, latitude: Floats, longitude: Floats) -> Ints:
        """The cell in which each place lies, (k,); −1 where none does.

        On a line it is the one south or east of it; on the southern or eastern side of all the one within, so that a
        box holds its four sides, and the world its poles.
        """
        lat, lon = np.asarray(latitude, np.float64), np.asarray(longitude, np.float64)
        if self.hexagons is not None:
            assert self.resolution is not None  # of H3
            return hexagons.cell_of(self.hexagons, self.resolution, lat, wrapped(lon))
        a, _, c, _, e, f = self.affine
        x, y = self.projection.points(lat, lon, self._first)
        with np.errstate(invalid="ignore"):
            column, row = _whole((x - c) / a, self.shape[1]), _whole((y - f) / e, self.shape[0])
            inside = (row >= 0) & (row < self.shape[0]) & (column >= 0) & (column < self.shape[1])
        found = np.full(lat.shape, -1, np.int64)
        found[inside] = (row[inside] * self.shape[1] + column[inside]).astype(np.int64)
        return found

    @cached_property
    def _pixels(self) -> Ints:
        """The cell of H3 of each pixel of the raster; −1 for none."""
        assert self.hexagons is not None and self.resolution is not None
        a, _, c, _, e, f = self.affine
        lat = np.clip(f + e * (np.arange(self.shape[0]) + 0.5), -90, 90)
        lon = c + a * (np.arange(self.shape[1]) + 0.5)
        every = np.meshgrid(lat, lon, indexing="ij")
        drawn = self.cell_of(every[0].ravel(), every[1].ravel())
        lat, lon = hexagons.centres(self.hexagons)  # a cell at the edge may have no other pixel
        row = np.clip(((lat - f) / e).astype(int), 0, self.shape[0] - 1)
        column = np.clip((((lon - c) % 360) / a).astype(int), 0, self.shape[1] - 1)
        drawn[row * self.shape[1] + column] = np.arange(len(self))
        return drawn

    def raster(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values of cells (…, n) as rasters (…, rows, columns); a pixel without a cell is NaN, or False."""
        return self.raster_rows(values, 0, self.shape[0])

    def raster_rows(self, values: NDArray[Any], first: int, last: int) -> NDArray[Any]:
        """Some rows of `raster`: from `first`, before `last`."""
        if values.shape[-1] != len(self):
            raise InputError(f"{values.shape[-1]:,} values for {len(self):,} cells of {self.name}.")
        columns = self.shape[1]
        part, shape = (
            slice(first * columns, last * columns),
            (*values.shape[:-1], last - first, columns),
        )
        if self.hexagons is None:
            return values[..., part].reshape(shape)
        pixels = self._pixels[part]
        nothing = False if values.dtype == bool else np.nan
        return np.where(pixels >= 0, values[..., pixels], nothing).reshape(shape)

    def codes(self, cells: Ints | None = None) -> list[str]:
        """Names of cells, the same in every map with such cells; see `codes.codes_of`."""
        which = np.arange(len(self)) if cells is None else np.asarray(cells, np.int64)
        return codes_of(self, which)

    def said(self) -> dict[str, Any]:
        """What it is, as plain values."""
        a, _, c, _, e, f = self.affine
        return {
            "name": self.name,
            "crs": self.crs,
            "rows": self.shape[0],
            "columns": self.shape[1],
            "cells": len(self),
            "cell": [a, -e],
            "left_bottom_right_top": [c, f + e * self.shape[0], c + a * self.shape[1], f],
            "equal_area": self.equal_area,
            "region": self.region.name,
            "west_south_east_north": list(self.region.bounds),
            "h3": self.resolution,
        }

    @cached_property
    def fingerprint(self) -> str:
        """Equal for grids with the same cells in the same order."""
        told = hashlib.sha256(json.dumps([self.crs, self.affine, self.shape]).encode())
        if self.hexagons is not None:
            told.update(self.hexagons.tobytes())
        return told.hexdigest()[:16]


def _side(wide: float, high: float) -> float:
    return min(math.sqrt(wide * high), 2 * min(wide, high))


def _whole(values: Floats, n: int) -> Floats:
    """Rounded down; what decimals keep from lying on a line lies on it, and the last of n cells holds its end."""
    near = np.round(values)
    found: Floats = np.where(
        np.abs(values - near) < 1e-7, np.where(near == n, n - 1, near), np.floor(values)
    )
    return found


def _check(cells: int, name: str) -> None:
    if cells > MOST_CELLS:
        raise InputError(
            f"{name} makes {cells:,} cells; at most {MOST_CELLS:,} are mapped at once. Take larger cells, or less "
            "of the Earth."
        )
    if cells < 1:
        raise InputError(f"{name} makes no cell.")
