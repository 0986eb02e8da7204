"""Climate values of a place, looked up in a raster.

Layouts: `.npy` (rows, columns, bands) with rows from +90° and columns from −180°, already z-scored
(SINR's file of elevation and WorldClim's 19 variables); or a GeoTIFF in degrees with one band per
variable, z-scored here over its valid cells. NaN becomes 0 after scoring.

Source: the nearest-cell lookup of the published code; where its formula runs off the array
(latitude −90, longitude 180) the last row or column is taken.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import InputError

_MISSING = -1e6


class ClimateRaster:
    """A global raster of climate variables, memory-mapped where the format allows.

    Attributes:
        values: (rows, columns, bands) float16 or float32, z-scored, NaN where unknown.
        bounds: South, west, north, east in degrees.
        path: Where it was read from.
    """

    def __init__(
        self, values: NDArray[Any], bounds: tuple[float, float, float, float], path: Path
    ) -> None:
        self.values, self.bounds, self.path = values, bounds, path

    @classmethod
    def open(cls, path: Path, bands: int) -> ClimateRaster:
        """Open a raster; one with another number of bands than the encoder reads is refused."""
        if not path.is_file():
            raise InputError(f"Climate raster {path} does not exist.")
        raster = cls._open_npy(path) if path.suffix == ".npy" else cls._open_geotiff(path, bands)
        have = raster.values.shape[2]
        if have != bands:
            raise InputError(f"Climate raster {path} has {have} bands, the model reads {bands}.")
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
    def _open_geotiff(cls, path: Path, bands: int) -> ClimateRaster:
        import rasterio
        from rasterio.errors import RasterioError

        try:
            with rasterio.open(path, driver="GTiff") as tif:
                if tif.count != bands:
                    raise InputError(
                        f"Climate raster {path} has {tif.count} bands, the model reads {bands}."
                    )
                if tif.crs is not None and not tif.crs.is_geographic:
                    raise InputError(f"Climate raster {path} is in {tif.crs}; degrees are needed.")
                if tif.width * tif.height * bands > 1 << 30:
                    raise InputError(f"Climate raster {path} has more than 2³⁰ values.")
                layers = tif.read(masked=True).astype(np.float32).filled(np.nan)
                b = tif.bounds
        except RasterioError as e:
            raise InputError(f"Climate raster {path} cannot be read: {e}") from e
        layers[layers < _MISSING] = np.nan
        with np.errstate(invalid="ignore"):
            mean = np.nanmean(layers, axis=(1, 2), keepdims=True)
            std = np.nanstd(layers, axis=(1, 2), keepdims=True)
        values = (layers - mean) / np.where(std > 0, std, 1)
        return cls(values.transpose(1, 2, 0), (b.bottom, b.left, b.top, b.right), path)

    def cell(
        self, latitude: NDArray[np.float64], longitude: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Row and column of each place, (n,) each, clamped to the raster."""
        rows, columns = self.values.shape[:2]
        south, west, north, east = self.bounds
        row = ((north - np.asarray(latitude)) * rows / (north - south)).astype(np.int64)
        column = ((np.asarray(longitude) - west) * columns / (east - west)).astype(np.int64)
        return np.clip(row, 0, rows - 1), np.clip(column, 0, columns - 1)

    def lookup(
        self, latitude: NDArray[np.float64], longitude: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """Climate at each place, (n, bands) float32, unknown values 0 (the mean)."""
        row, column = self.cell(latitude, longitude)
        return np.nan_to_num(np.asarray(self.values[row, column], np.float32), nan=0.0)
