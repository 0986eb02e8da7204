"""The files of a diversity map: GeoTIFF, pictures, cells and cube as Parquet, JSON, a page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from prom3e_index import __version__
from prom3e_index.diversity.bands import Measured, spread
from prom3e_index.diversity.cube import write_cube
from prom3e_index.diversity.page import page
from prom3e_index.grid.picture import picture_png
from prom3e_index.grid.write import Band, write_json, write_raster
from prom3e_index.show.files import replacing, write_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from prom3e_index.diversity.run import Diversity
    from prom3e_index.grid.grid import Grid

SEEN = "what was seen and reported, not what lives there"
"""What every picture says under it."""
_SHOWN = ("shannon", "hill0", "species", "individuals", "coverage", "sigma_l1", "entropy")


def write_files(folder: Path, made: Diversity) -> None:
    """Write `diversity.tif`, `diversity.png`, `diversity.json`, `cells.parquet`, `cube.parquet` and `report.html`."""
    grid, told = made.grid, made.told
    every = [*made.bands, *made.model]
    known: dict[str, dict[str, Any]] = {}
    bands = [_band(b, made, known) for b in every]
    write_raster(folder / "diversity.tif", grid, bands, _tags(made))
    told["bands"] = known
    write_cells(folder / "cells.parquet", made)
    held = made.tally.cells
    codes = dict(zip(held.tolist(), grid.codes(held), strict=True))
    told["cube"] = {
        "records": write_cube(folder / "cube.parquet", made.found, made.placed, codes, lattice_name(grid)),
        "cellcode": f"{lattice_name(grid)}cellcode",
    }  # fmt: skip
    pictures = []
    for measured, plain in zip(every, bands, strict=True):
        first = measured is made.bands[0]
        if not (first or measured.of is not None or measured.name in _SHOWN):
            continue
        low, high = _scale(measured, made, known[measured.name])
        band = replace(plain, low=low, high=high)
        title = measured.name.replace("_", " ")
        coast = not told["invented"]
        drawn = picture_png(grid, band, title=title, below=_below(measured, made), coast=coast)
        if first:
            (folder / "diversity.png").write_bytes(drawn)
        pictures.append((measured, drawn))
    write_json(folder / "diversity.json", told)
    write_text(folder / "report.html", page(told, pictures))


def _band(measured: Measured, made: Diversity, known: dict[str, dict[str, Any]]) -> Band:
    """A band for the raster; its values are made when it is written, and what is told of them noted then."""

    def values() -> NDArray[np.float32]:
        dense = _dense(measured, made)
        if measured.name not in known:
            known[measured.name] = _summary(
                measured, dense if measured.values is None else measured.values
            )
        return dense

    low = high = None
    if measured.values is not None:  # the first band's are the colours for QGIS
        low, high = _scale(measured, made, _summary(measured, measured.values))
    return Band(
        measured.name,
        values,
        measured.units,
        measured.words,
        low,
        high,
        "magma" if measured.name in ("sigma_l1", "sigma_l1_rank", "entropy") else "viridis",
    )


def _dense(measured: Measured, made: Diversity) -> NDArray[np.float32]:
    if measured.dense is not None:
        return measured.dense()
    assert measured.values is not None  # one of them makes a band
    return spread(measured.values, made.tally.cells, len(made.grid))


def _scale(measured: Measured, made: Diversity, known: Mapping[str, Any]) -> tuple[float, float]:
    """The ends of a band's colours, round numbers, of what is told of its values."""
    name = measured.name
    if name.startswith("rarefied_"):
        return 0.0, float(made.told["compared"]["rarefied_to"])
    if name == "coverage":
        return 0.0, 1.0
    if name == "sigma_l1_rank":
        return 0.0, 100.0
    if not known["cells"]:
        return 0.0, 1.0
    low, high = known["least"], known["most"]
    if name == "sigma_l1":
        step = round_up((high - low) / 10 or abs(high) / 10 or 1.0)
        return math.floor(low / step) * step, math.ceil(high / step + 1e-9) * step
    return 0.0, round_up(high)


def round_up(value: float) -> float:
    """The next of 1, 2, 5, 10, 20 … or their tenths that is not below a value; 1 for nothing."""
    if not value > 0:
        return 1.0
    ten = 10.0 ** math.floor(math.log10(value))
    return next(float(f"{k * ten:.3g}") for k in (1, 2, 5, 10) if k * ten >= value * (1 - 1e-9))


def _summary(measured: Measured, values: NDArray[Any]) -> dict[str, Any]:
    known = values[np.isfinite(values)]
    out: dict[str, Any] = {"words": measured.words, "units": measured.units, "cells": len(known)}
    if len(known):
        low, middle, high = np.quantile(known, [0, 0.5, 1])
        out |= {"least": float(low), "median": float(middle), "most": float(high)}
    return out


def _below(measured: Measured, made: Diversity) -> Sequence[str]:
    told = made.told
    counted = f"{told['records']:,} records of {told['species']:,} species; {told['grid']['name']}; {SEEN}"
    rho = told["effort"].get(measured.name, {}).get("spearman")
    effort = "" if rho is None else f". Spearman with the records of a cell: {rho:.2f}"
    return [f"{measured.words}{effort}", counted]


def _tags(made: Diversity) -> dict[str, str]:
    told = made.told
    return {
        "software": f"prom3e-index {__version__}",
        "made_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "recipe": told["recipe"],
        "records": str(told["records"]),
        "left_out": str(sum(told["left_out"].values())),
        "unit": told["unit"],
        "mask": told["mask"]["words"],
        "smoothed_by_cells": str(told["smoothed_by_cells"] or 0),
        "days": " to ".join(told["days"] or ["not known"]),
        "licences": "; ".join("not stated" if k == "None" else k for k in told["licences"])[:1000],
        "meaning": SEEN,
    }


def lattice_name(grid: Grid) -> str:
    """What a cube's column of cell codes is called by."""
    if grid.hexagons is not None:
        return "h3"
    known = {"EPSG:6933": "ease", "EPSG:4326": "deg", "EPSG:3035": "eea"}
    return known.get(grid.crs) or (grid.crs.lower().replace(":", "") if len(grid.crs) < 12 else "own")  # fmt: skip


def write_cells(path: Path, made: Diversity) -> None:
    """A row for each cell with records: `cellcode`, its centre, `area_km2`, and the bands that are not smoothed."""
    import pyarrow as pa
    from pyarrow import parquet

    cells = made.tally.cells
    latitude, longitude = made.grid.centres(cells)
    columns: dict[str, Any] = {
        f"{lattice_name(made.grid)}cellcode": made.grid.codes(cells),
        "latitude": latitude,
        "longitude": longitude,
        "area_km2": made.grid.areas_km2(cells),
    }
    for band in made.bands:
        if band.values is not None:
            columns[band.name] = pa.array(band.values, mask=~np.isfinite(band.values))
    for band in made.model:
        values = _dense(band, made)[cells].astype(np.float64)
        columns[band.name] = pa.array(values, mask=~np.isfinite(values))
    with replacing(path) as new:
        parquet.write_table(pa.table(columns), new, compression="zstd")
