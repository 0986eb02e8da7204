"""The lattice of a raster file, to be made again exactly."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from prom3e_index.errors import InputError


def lattice_of(
    path: Path,
) -> tuple[Any, tuple[float, float, float, float, float, float], tuple[int, int]]:
    """Reference system, transform and shape of a raster.

    Raises:
        InputError: It cannot be read, has no reference system, or is turned.
    """
    import rasterio
    from rasterio.errors import RasterioError

    if not path.is_file():
        raise InputError(f"The raster {path} does not exist.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a file without georeference it is said below
            tif = rasterio.open(path)
        with tif:
            crs, t, shape = tif.crs, tif.transform, (tif.height, tif.width)
    except RasterioError as e:
        raise InputError(f"{path} cannot be read as a raster: {str(e).rstrip('.')}.") from e
    if crs is None:
        raise InputError(
            f"{path} has no reference system, so nobody can tell where it lies; give it one, as `gdal_edit.py -a_srs "
            "EPSG:5070`."
        )
    if t.b or t.d or t.e >= 0 or t.a <= 0:
        raise InputError(f"{path} is turned or upside down; its first row must be the northernmost.")  # fmt: skip
    return crs, (t.a, 0.0, t.c, 0.0, t.e, t.f), shape
