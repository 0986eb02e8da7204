"""Climate values of a place, looked up in a raster.

Layouts: `.npy` (rows, columns, bands) with rows from +90° and columns from −180°, already scaled (SINR's
file of elevation and WorldClim's 19 variables); or a GeoTIFF in degrees with one band per variable, scaled
here. The encoder knows values by how far they lie from the globe's mean, so a GeoTIFF is scaled by its own
cells only where these cover the globe. For any other a table of means and deviations lies beside it:
`sweden.tif` and `sweden.scale.csv`, one line `mean,std` for each band (`0,1` where it is scaled already).

Source: the nearest-cell lookup of the published code; where its formula runs off a global array
(latitude −90, longitude 180) the last row or column is taken.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import InputError

Floats = NDArray[np.float32]
Bounds = tuple[float, float, float, float]

GLOBE = (-56.0, 80.0)
"""Degrees of latitude that a raster must cover to be scaled by its own cells: the land but Antarctica."""
_WIDE = 359.0
_COLUMNS_WITH_LAND, _CELLS_WITH_LAND = 0.8, 0.15
"""Least shares with known values; WorldClim has some in every column and in 0.30 of the cells."""
_LARGEST = 20.0
"""Scaled values lie within a few deviations of the mean; WorldClim's yearly rain reaches 13."""
_UNKNOWN = (-9999.0, -32768.0)
"""Values that stand for nothing in files that do not say which does."""
_LEAST = -1e6
_EDGE_DEG = 1e-6
_MOST_VALUES = 1 << 30


class ClimateRaster:
    """A raster of climate variables, memory-mapped where the format allows.

    Attributes:
        values: (rows, columns, bands) float16 or float32, scaled, NaN where unknown; north and west first.
        bounds: South, west, north, east in degrees.
        path: Where it was read from.
    """

    def __init__(self, values: NDArray[Any], bounds: Bounds, path: Path) -> None:
        self.values, self.bounds, self.path = values, bounds, path

    @classmethod
    def open(cls, path: Path, bands: int | None) -> ClimateRaster:
        """Open a raster with as many bands as the encoder reads; None to ask only where any value is known.

        Raises:
            InputError: Another number of bands; not in degrees; values that are not scaled, or that do
                not cover the globe and have no scale beside them.
        """
        if not path.is_file():
            raise InputError(f"Climate raster {path} does not exist.")
        raster = cls._open_npy(path) if path.suffix == ".npy" else cls._open_geotiff(path, bands)
        have = raster.values.shape[2]
        if bands is None:
            return raster
        if have != bands:
            raise InputError(f"Climate raster {path} has {have} bands, the model reads {bands}.")
        _check_scaled(raster.values, path)
        return raster

    @classmethod
    def _open_npy(cls, path: Path) -> ClimateRaster:
        try:
            values = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, OSError, EOFError) as e:
            raise InputError(f"Climate raster {path} is no plain .npy array: {e}") from e
        if values.ndim != 3 or values.dtype.kind != "f" or 0 in values.shape:
            raise InputError(
                f"Climate raster {path} is {values.shape} {values.dtype}; "
                "needed: (rows, columns, bands) of floats."
            )
        return cls(values, (-90.0, -180.0, 90.0, 180.0), path)

    @classmethod
    def _open_geotiff(cls, path: Path, wanted: int | None) -> ClimateRaster:
        import rasterio
        from rasterio.errors import RasterioError

        try:
            with rasterio.open(path, driver="GTiff") as tif:
                bands = tif.count
                if wanted not in (None, bands):
                    raise InputError(
                        f"Climate raster {path} has {bands} bands, the model reads {wanted}."
                    )
                if tif.crs is not None and not tif.crs.is_geographic:
                    raise InputError(f"Climate raster {path} is in {tif.crs}; degrees are needed.")
                if tif.width * tif.height * bands > _MOST_VALUES:
                    raise InputError(f"Climate raster {path} has more than 2³⁰ values.")
                values = np.empty((tif.height, tif.width, bands), np.float32)
                for i in range(bands):
                    values[..., i] = _known(tif, i + 1)
                t, width, height = tif.transform, tif.width, tif.height
        except RasterioError as e:
            raise InputError(f"Climate raster {path} cannot be read: {e}") from e
        if t.b or t.d:
            raise InputError(f"Climate raster {path} is turned; north must be up.")
        if t.e > 0:  # its first row is the southernmost
            values = values[::-1]
        if t.a < 0:
            values = values[:, ::-1]
        south, north = sorted((t.f, t.f + t.e * height))
        west, east = sorted((t.c, t.c + t.a * width))
        if south < -90 - abs(t.e) or north > 90 + abs(t.e) or east - west > 360 + abs(t.a):
            raise InputError(
                f"Climate raster {path} reaches from {south:g} to {north:g} and from {west:g} to {east:g}; "
                "degrees of latitude and longitude are needed."
            )
        bounds = (south, west, north, east)
        if wanted is None:
            return cls(values, bounds, path)
        beside = path.with_suffix(".scale.csv")
        if beside.is_file():
            mean, std = _read_scale(beside, bands)
        else:
            _check_global(values, bounds, path, beside)
            mean, std = _own_scale(values)
        for i in range(bands):
            values[..., i] -= mean[i]
            values[..., i] /= std[i] if std[i] > 0 else 1
        return cls(values, bounds, path)

    def cell(
        self, latitude: NDArray[np.float64], longitude: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Row and column of each place, (n,) each; −1 in both for a place that the raster does not cover.

        Longitudes are met again every 360°; a place on the southern or eastern edge lies inside.
        """
        rows, columns = self.values.shape[:2]
        south, west, north, east = self.bounds
        lat, lon = np.asarray(latitude, np.float64), np.asarray(longitude, np.float64)
        for turn in (360.0, -360.0):
            other = lon + turn
            outside = (lon < west - _EDGE_DEG) | (lon > east + _EDGE_DEG)
            lon = np.where(
                outside & (other >= west - _EDGE_DEG) & (other <= east + _EDGE_DEG), other, lon
            )
        inside = (lat >= south - _EDGE_DEG) & (lat <= north + _EDGE_DEG)
        inside &= (lon >= west - _EDGE_DEG) & (lon <= east + _EDGE_DEG)
        row = np.where(inside, (north - lat) * rows / (north - south), -1).astype(np.int64)
        column = np.where(inside, (lon - west) * columns / (east - west), -1).astype(np.int64)
        row = np.where(inside, np.clip(row, 0, rows - 1), -1)
        return row, np.where(inside, np.clip(column, 0, columns - 1), -1)

    def lookup(
        self, latitude: NDArray[np.float64], longitude: NDArray[np.float64]
    ) -> tuple[Floats, NDArray[np.bool_]]:
        """Climate at each place.

        Returns:
            (n, bands) float32, an unknown value among known ones 0 (the mean) as published; and (n,)
            whether any value is known: not outside the raster, nor at sea where it has none.
        """
        row, column = self.cell(latitude, longitude)
        values = np.asarray(self.values[row, column], np.float32)
        known = np.isfinite(values) & (row >= 0)[:, None]
        return np.where(known, values, np.float32(0)), known.any(axis=1)


def _known(tif: Any, band: int) -> Floats:
    """A band in its own units, NaN where it has no value."""
    layer = tif.read(band, masked=True)
    values = layer.astype(np.float32).filled(np.nan)
    if tif.nodatavals[band - 1] is None:
        values[np.isin(values, _UNKNOWN)] = np.nan
    values[~np.isfinite(values) | (values < _LEAST)] = np.nan
    return np.asarray(values * tif.scales[band - 1] + tif.offsets[band - 1], np.float32)


def _own_scale(values: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and deviation of each band over its known cells."""
    mean, std = np.zeros(values.shape[2]), np.zeros(values.shape[2])
    for i in range(values.shape[2]):
        layer = values[..., i]
        known = layer[np.isfinite(layer)].astype(np.float64)
        if known.size:
            mean[i], std[i] = known.mean(), known.std()
    return mean, std


def _read_scale(path: Path, bands: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Means and deviations from a table with the columns `mean` and `std`, a line for each band."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as f:
            lines = list(csv.DictReader(f))
        pairs = np.array([(float(x["mean"]), float(x["std"])) for x in lines]).reshape(-1, 2)
    except (KeyError, TypeError, ValueError, csv.Error) as e:
        raise InputError(f"{path} is no table of numbers with the columns mean,std: {e}.") from e
    if len(pairs) != bands or not np.isfinite(pairs).all() or (pairs[:, 1] <= 0).any():
        raise InputError(
            f"{path} has {len(pairs)} lines; needed: one for each of the {bands} bands, with a deviation "
            "above 0."
        )
    return pairs[:, 0], pairs[:, 1]


def _check_global(values: Floats, bounds: Bounds, path: Path, beside: Path) -> None:
    """Refuse to scale a part of the globe by itself: its own mean is not the globe's."""
    south, west, north, east = bounds
    known = np.zeros(values.shape[:2], bool)
    for i in range(values.shape[2]):
        known |= np.isfinite(values[..., i])
    if not known.any():
        raise InputError(f"Climate raster {path} holds no known value.")
    covers = south <= GLOBE[0] and north >= GLOBE[1] and east - west >= _WIDE
    covers &= bool(known.mean() >= _CELLS_WITH_LAND)
    covers &= bool(known.any(axis=0).mean() >= _COLUMNS_WITH_LAND)
    if not covers:
        raise InputError(
            f"Climate raster {path} has values for a part of the globe only (latitude {south:g} to {north:g}, "
            f"longitude {west:g} to {east:g}, {known.mean():.0%} of its cells), so that its own mean is not "
            f"the one that the encoder learned. Write the means and deviations of a global raster to {beside}: "
            "a first line `mean,std`, then a line for each band (`0,1` for each if it is scaled already)."
        )


def _check_scaled(values: NDArray[Any], path: Path) -> None:
    """Refuse values in their own units; a part of the rows and columns tells."""
    some = np.asarray(values[:: max(1, len(values) // 256), :: max(1, values.shape[1] // 256)])
    some = some[np.isfinite(some)].astype(np.float32)
    if some.size and (np.abs(some) > _LARGEST).mean() > 1e-3:
        raise InputError(
            f"Climate raster {path} has values such as {some[np.argmax(np.abs(some))]:g}; the encoder takes "
            f"scaled ones (less the mean, divided by the deviation), within ±{_LARGEST:g}."
        )
