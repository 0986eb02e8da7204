"""Between degrees and a reference system, many places at a time; longitudes run on past the date line."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import InputError
from prom3e_index.grid.cells import DEGREES, EASE
from prom3e_index.grid.outlines import wrapped

if TYPE_CHECKING:
    from prom3e_index.grid.region import Region

Floats = NDArray[np.float64]
_PART = 500_000
_MOST_OFF_M = 10.0
"""A place that comes back farther from where it was is none: a projection folded over."""


class Projection:
    """Of one reference system.

    Degrees and EASE-Grid 2.0 are straight: x follows from the longitude alone, y from the latitude, so that x runs on
    where a region crosses the date line. Others are transformed place by place.
    """

    def __init__(self, crs: str) -> None:
        self.crs, self._ease = crs, crs == EASE
        from rasterio.crs import CRS

        self.degrees = bool(CRS.from_user_input(crs).is_geographic)

    @cached_property
    def _metres_by_degree(self) -> float:
        x, _ = self._transform(DEGREES, self.crs, np.array([90.0]), np.array([0.0]))
        return float(x[0]) / 90

    @staticmethod
    def _transform(source: str, target: str, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Points in another system; NaN for those that have no place there."""
        out = np.full((2, len(x)), np.nan)
        known = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
        parts = [known[at : at + _PART] for at in range(0, len(known), _PART)]
        while parts:
            part = parts.pop()
            found = _transformed(source, target, x[part], y[part])
            if found is not None:
                out[:, part] = found
            elif len(part) > 1:  # one of them lies outside, and is looked for
                parts += [part[: len(part) // 2], part[len(part) // 2 :]]
        out[:, ~np.isfinite(out).all(0)] = np.nan
        return out[0], out[1]

    def places(self, x: Floats, y: Floats, first: float | None) -> tuple[Floats, Floats]:
        """Latitude and longitude of points, NaN where there is no such place; longitudes from −180 on, below 180.

        Args:
            x: (k,) in units of the reference system.
            y: (k,)
            first: Longitude where the raster begins: what lies west of it, or 360° east, is the same place again, and
                NaN. None takes all.
        """
        if self.degrees:
            lat, lon = y.astype(np.float64), x
        elif self._ease:
            rows, which = np.unique(y, return_inverse=True)
            _, (pole,) = self._transform(DEGREES, self.crs, np.zeros(1), np.array([90.0]))
            rows = np.where(np.abs(rows) <= pole, rows, np.nan)
            _, some = self._transform(self.crs, DEGREES, np.zeros(len(rows)), rows)
            lat, lon = some[which], x / self._metres_by_degree
        else:
            lon, lat = self._transform(self.crs, DEGREES, x, y)
            bx, by = self._transform(DEGREES, self.crs, lon, lat)
            with np.errstate(invalid="ignore"):
                off = ~(np.hypot(bx - x, by - y) < _MOST_OFF_M)
            lat, lon = np.where(off, np.nan, lat), np.where(off, np.nan, lon)
        bad = ~(np.abs(lat) <= 90)
        if first is not None and (self.degrees or self._ease):
            bad |= (lon < first - 1e-9) | (lon >= first + 360 - 1e-9)
        lat, lon = np.where(bad, np.nan, lat), np.where(bad, np.nan, wrapped(lon))
        return lat, lon

    def longitude_of(self, x: float) -> float | None:
        """The longitude that a vertical line of the raster is; None where such lines are none."""
        return x if self.degrees else x / self._metres_by_degree if self._ease else None

    def points(
        self, latitude: Floats, longitude: Floats, first: float | None
    ) -> tuple[Floats, Floats]:
        """Points of places, NaN for those that have none; a longitude is met again every 360° east of `first`."""
        if first is not None and self.degrees:
            return first + _turned(longitude - first), np.where(
                np.abs(latitude) <= 90, latitude, np.nan
            )
        if first is not None and self._ease:
            _, y = self._transform(DEGREES, self.crs, np.zeros(len(latitude)), latitude)
            return (first + _turned(longitude - first)) * self._metres_by_degree, y
        return self._transform(DEGREES, self.crs, wrapped(longitude), latitude)

    def box(self, region: Region) -> tuple[float, float, float, float]:
        """Left, bottom, right, top of a region.

        Raises:
            InputError: The reference system does not show all of it.
        """
        west, south, east, north = region.bounds
        if region.outlines:
            corners = np.concatenate([r for o in region.outlines for r in o.rings])
            lon, lat = corners[:, 0], corners[:, 1]
        else:
            mesh = np.meshgrid(np.linspace(south, north, 91), np.linspace(west, east, 181))
            lat, lon = mesh[0].ravel(), mesh[1].ravel()
        if self._ease:
            _, y = self._transform(DEGREES, self.crs, np.zeros(2), np.array([south, north]))
            by = self._metres_by_degree
            return west * by, float(y[0]), east * by, float(y[1])
        x, y = self._transform(DEGREES, self.crs, wrapped(lon), lat)
        back_lon, back_lat = self._transform(self.crs, DEGREES, x, y)
        with np.errstate(invalid="ignore"):
            off = np.abs(back_lat - lat) + np.abs(wrapped(back_lon - lon)) * np.cos(np.radians(lat))
        if not (off < 1e-3).all():
            raise InputError(
                f"{self.crs:.60} does not show all of {region.name}; take another --crs, as 6933, or a smaller region."
            )
        return float(x.min()), float(y.min()), float(x.max()), float(y.max())

    def spans(
        self, affine: tuple[float, ...], shape: tuple[int, int]
    ) -> tuple[float, float, float, float]:
        """West, south, east and north of a raster, degrees; the world's where its edge does not tell."""
        a, _, c, _, e, f = affine
        if self.degrees:
            return c, max(-90.0, f + e * shape[0]), c + a * shape[1], min(90.0, f)
        mesh = np.meshgrid(np.linspace(0, shape[1], 61), np.linspace(0, shape[0], 61))
        lat, lon = self.places(c + a * mesh[0].ravel(), f + e * mesh[1].ravel(), None)
        if not np.isfinite(lat).all() or np.ptp(lon) > 350:
            return -180.0, -90.0, 180.0, 90.0
        return float(lon.min()), float(lat.min()), float(lon.max()), float(lat.max())


def _turned(degrees: Floats) -> Floats:
    """Within 0 and 360; what decimals put just below 0 is 0."""
    found = degrees % 360
    kept: Floats = np.where(found > 360 - 1e-9, 0.0, found)
    return kept


def _transformed(source: str, target: str, x: Floats, y: Floats) -> Floats | None:
    """Points in another system; None where one of them has no place there."""
    from rasterio._err import CPLE_BaseError
    from rasterio.errors import RasterioError
    from rasterio.warp import transform

    try:
        return np.asarray(transform(source, target, x, y)[:2], np.float64)
    except (RasterioError, CPLE_BaseError):
        return None
