"""Maps as files: Cloud-Optimised GeoTIFF and JSON; each whole in its place, or not there at all."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import InputError, Prom3eError
from prom3e_index.grid.style import style

if TYPE_CHECKING:
    from prom3e_index.grid.grid import Grid

NODATA = -9999.0
_BLOCK, _WIDE = 512, 4096
_GDAL_BYTES = 64 << 20
"""Of blocks that GDAL holds; its own limit is a twentieth of the machine's memory."""
_NO_ROOM = 1 << 18
"""Bytes: whoever has fewer left has a full disk."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_@.-]{0,63}\Z")


@dataclass(frozen=True, eq=False)
class Band:
    """A value for each cell.

    Attributes:
        name: As software shows it: letters, digits and `_`.
        values: (n,) NaN where there is none; or what makes them, asked when they are needed (once to be written, once
            more for a picture), so that of many bands of a large grid one at a time is in memory.
        units: Of the values, empty for plain numbers.
        words: What it is, in a sentence.
        low: Least value of its colours; the same in every map. None where no scale is fixed.
        high: Highest.
        colours: A colour map of matplotlib.
    """

    name: str
    values: NDArray[Any] | Callable[[], NDArray[Any]] = field(repr=False)
    units: str = ""
    words: str = ""
    low: float | None = None
    high: float | None = None
    colours: str = "viridis"

    def cells(self) -> NDArray[Any]:
        """(n,) the values."""
        return self.values() if callable(self.values) else self.values


def write_raster(path: Path, grid: Grid, bands: Sequence[Band], tags: Mapping[str, str]) -> None:
    """Write bands as a Cloud-Optimised GeoTIFF: float32, nodata −9999 and no NaN, statistics, names, units and tags.

    It is read back and compared before it stands at `path`. A QGIS style of the first band is written beside it.

    Raises:
        InputError: A value that is infinite or the nodata value itself, a name of another form, or no band.
        Prom3eError: What was read back differs.
    """
    import rasterio
    from rasterio.shutil import copy

    if not bands:
        raise InputError("A map has at least one band.")
    with TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        plain, made = Path(folder) / "plain.tif", Path(folder) / "cog.tif"
        profile = {
            "driver": "GTiff", "dtype": "float32", "count": len(bands), "height": grid.shape[0],
            "width": grid.shape[1], "crs": grid.crs, "transform": grid.transform, "nodata": NODATA,
            "BIGTIFF": "IF_SAFER", "interleave": "band", "tiled": True, "blockxsize": _BLOCK, "blockysize": _BLOCK,
        }  # fmt: skip
        with _full_disk_said(path), rasterio.Env(GDAL_NUM_THREADS=1, GDAL_CACHEMAX=_GDAL_BYTES):
            told = []
            with rasterio.open(plain, "w", **profile) as tif:
                tif.update_tags(AREA_OR_POINT="Area", **dict(tags))
                for i, band in enumerate(bands, 1):
                    told.append(_put(tif, i, grid, band))
                    tif.set_band_description(i, band.name)
                    tif.set_band_unit(i, band.units)
                    tif.update_tags(i, long_name=band.words, units=band.units)
            copy(plain, made, driver="COG", COMPRESS="DEFLATE", PREDICTOR="YES", STATISTICS="YES",
                 OVERVIEW_RESAMPLING="AVERAGE", BLOCKSIZE=_BLOCK, BIGTIFF="IF_SAFER")  # fmt: skip
            plain.unlink()
            _read_back(made, grid, bands, told)
        first = bands[0]
        if first.low is not None and first.high is not None:
            beside = Path(folder) / "style.qml"
            beside.write_text(style(first.name, first.low, first.high, first.colours))
            beside.replace(path.with_suffix(".qml"))
        made.replace(path)


@contextmanager
def _full_disk_said(path: Path) -> Iterator[None]:
    """Let what GDAL raises on a full disk say so: its own words are that a write failed."""
    try:
        yield
    except OSError:
        raise
    except Exception as e:  # of many kinds, some of which rasterio does not give away
        if shutil.disk_usage(path.parent).free >= _NO_ROOM:
            raise
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from e


def _put(tif: Any, number: int, grid: Grid, band: Band) -> str:
    """Write a band, made once, some rows at a time; give the checksum of what was written."""
    values = band.cells()
    if not _NAME.match(band.name):
        raise InputError(f"A band is named {band.name!r:.80}; letters, digits and _ are needed.")
    if values.shape != (len(grid),):
        raise InputError(
            f"Band {band.name} has {values.shape} values, {grid.name} has {len(grid):,} cells."
        )
    told = hashlib.sha256()
    for window in _windows(grid):
        part = grid.raster_rows(values, *window[0])[:, slice(*window[1])]
        with np.errstate(over="ignore"):  # is told below
            drawn = part.astype(np.float32)
        if np.isinf(drawn).any() or (drawn == NODATA).any():
            raise InputError(
                f"Band {band.name} holds values that are infinite, or {NODATA:g}, or beyond what 32 bits hold."
            )
        drawn[np.isnan(drawn)] = NODATA
        tif.write(drawn, number, window=window)
        told.update(drawn.tobytes())
    return told.hexdigest()


def _windows(grid: Grid) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Whole blocks, from the north and the west: rows from and to, columns from and to."""
    rows, columns = grid.shape
    for down in range(0, rows, _BLOCK):
        for across in range(0, columns, _WIDE):
            yield (down, min(down + _BLOCK, rows)), (across, min(across + _WIDE, columns))


def _read_back(path: Path, grid: Grid, bands: Sequence[Band], told: Sequence[str]) -> None:
    import rasterio
    from rasterio.crs import CRS

    found = [hashlib.sha256() for _ in bands]
    with rasterio.open(path) as tif:
        same = tif.crs == CRS.from_user_input(grid.crs) and tif.shape == grid.shape
        same &= tuple(tif.transform)[:6] == grid.affine and tif.nodata == NODATA
        same &= tif.descriptions == tuple(b.name for b in bands)
        for window in _windows(grid) if same else ():
            for values, one in zip(tif.read(window=window), found, strict=True):
                one.update(values.tobytes())
    if not same or [one.hexdigest() for one in found] != list(told):
        raise Prom3eError(
            f"{path.name}: what was written reads otherwise: its reference system, lattice or values differ. The "
            f"reference system {grid.crs:.60} may not be one that GeoTIFF can hold; take an EPSG code."
        )


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write plain values with sorted keys; numbers to 6 significant digits, what is no finite number as null."""
    path.write_text(
        json.dumps(_plain(values), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
        + "\n",
        encoding="utf-8",
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value


FILES = frozenset(
    ["map.tif", "map.qml", "map.png", "map.json", "odmap.json", "folds.json", "diversity.tif", "diversity.qml",
     "diversity.png", "diversity.json", "report.html", "cells.parquet", "cube.parquet"]
)  # fmt: skip
"""What stands in the folder of a map; one that holds anything else is not replaced."""
_BESIDE = (".aux.xml", ".ovr", ".DS_Store", "Thumbs.db")
"""What GIS and desktops add without being asked."""


def check_folder(out: Path, overwrite: bool = False) -> None:
    """Refuse a folder that cannot be made, or may not be replaced, before anything is worked out.

    Raises:
        InputError: There is something already; it holds what is of no map, or the command itself; it cannot be
            written there.
    """
    if out.is_symlink() and not out.exists():
        raise InputError(f"{out} is a link to nothing; name another folder.")
    if out.exists():
        if not overwrite:
            raise InputError(f"{out} exists; name another folder with -o, or give --overwrite.")
        if not out.is_dir():
            raise InputError(f"{out} is a file, so it is not overwritten; name another folder.")
        if Path.cwd().is_relative_to(out.resolve()):
            raise InputError(
                f"{out} holds the folder you are in, so it is not overwritten; name another folder."
            )
        others = sorted(
            p.name for p in out.iterdir() if p.name not in FILES and not p.name.endswith(_BESIDE)
        )
        if others:
            raise InputError(
                f"{out} holds {others[0]!r}, which is of no map, so it is not overwritten; name another folder."
            )
    within = next(p for p in out.resolve().parents if p.exists())
    if not within.is_dir() or not os.access(within, os.W_OK | os.X_OK):
        raise InputError(f"{out} cannot be made: nothing can be written in {within}.")


@contextmanager
def whole_folder(out: Path, overwrite: bool = False) -> Iterator[Path]:
    """A folder to write into, which becomes `out` when all went well; else nothing is left, and `out` is as it was.

    Args:
        out: Where it will be; a link to a folder stays one.
        overwrite: Replace what is there, if nothing but a map stands in it.

    Raises:
        InputError: See `check_folder`.
    """
    check_folder(out, overwrite)
    real = out.resolve()
    missing = [p for p in real.parents if not p.exists()]
    try:
        real.parent.mkdir(parents=True, exist_ok=True)
        made = Path(mkdtemp(dir=real.parent, prefix=f".{real.name}."))
    except OSError as e:
        raise InputError(f"{out} cannot be made: {e.strerror}.") from e
    try:
        yield made
        made.chmod(0o755)
        if real.exists():
            _replace(real, made)
        else:
            made.replace(real)
    finally:
        shutil.rmtree(made, ignore_errors=True)
        if not real.exists():
            for parent in missing:  # the innermost first
                with suppress(OSError):
                    parent.rmdir()


def _replace(real: Path, made: Path) -> None:
    """Put a folder in the place of another; interrupted, the other stands there again."""
    old = Path(mkdtemp(dir=real.parent, prefix=f".{real.name}.old."))
    was = old / "was"
    try:
        real.replace(was)
        made.replace(real)
    finally:
        if was.exists() and not real.exists():
            was.replace(real)
        if real.exists():
            shutil.rmtree(old, ignore_errors=True)
