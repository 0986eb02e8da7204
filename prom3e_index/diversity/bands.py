"""The bands of a diversity map: what was counted, what was seen, and what can be compared between cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.diversity.counting import Tally
from prom3e_index.diversity.estimators import (
    ORDERS,
    chao1,
    common_coverage,
    coverage,
    covered,
    hill,
    rarefied,
    shannon,
)
from prom3e_index.diversity.smoothing import printed, smoothed
from prom3e_index.errors import InputError

if TYPE_CHECKING:
    from prom3e_index.grid.grid import Grid

Floats = NDArray[np.float64]
LEAST = 200
"""Individuals that a cell needs to be compared at equal coverage."""
EFFORT = "follows the effort: more records, more species"


@dataclass(frozen=True, eq=False)
class Measured:
    """A band over the cells that have records.

    Attributes:
        name: Of the band.
        words: What it is.
        values: (c,) of the tally's cells, NaN where it is not known; None where `dense` makes it.
        units: Of the values.
        follows: Whether it follows the effort.
        dense: Makes the values of all cells (n,), where it is no band of the counted cells alone.
        of: The band that it is a smoothed one of.
    """

    name: str
    words: str
    values: Floats | None
    units: str = ""
    follows: bool = False
    dense: Callable[[], NDArray[np.float32]] | None = field(default=None, repr=False)
    of: str | None = None


def spread(values: NDArray[Any], cells: NDArray[np.int64], n: int) -> NDArray[np.float32]:
    """Values of some cells as those of all n, NaN elsewhere."""
    out = np.full(n, np.nan, np.float32)
    out[cells] = values
    return out


def measure(tally: Tally, m: int, with_chao1: bool) -> tuple[list[Measured], dict[str, Any]]:
    """The bands of a tally, those that can be compared first, and what they were compared at.

    Args:
        tally: Of the records.
        m: Individuals that richness is rarefied to.
        with_chao1: Whether Chao's lower bound is among them.

    Returns:
        The bands; `rarefied_to`, `cells_rarefied`, `coverage` (`share`, `least`, `cells`; or `reason`).

    Raises:
        InputError: No cell has m individuals; names the most that one has.
    """
    counts = tally.counts
    richness = rarefied(counts, m)
    if not np.isfinite(richness).any():
        most = int(counts.n.max())
        remedy = f", or --rarefy {most}" if most > 1 else ""
        raise InputError(
            f"No cell has {m} records to be rarefied to; the most that one has is {most}, in "
            f"{len(tally.cells):,} cell{'s' * (len(tally.cells) != 1)} with records. Take larger cells{remedy}."
        )
    told: dict[str, Any] = {"rarefied_to": m, "cells_rarefied": int(np.isfinite(richness).sum())}
    bands = [Measured(f"rarefied_{m}", f"species expected among {m} records", richness, "species")]
    share = common_coverage(counts, LEAST)
    if share is None:
        most = int(counts.n.max())
        told["coverage"] = {
            "reason": f"no cell has {LEAST} records; the most that one has is {most}"
        }
    else:
        enough = counts.n >= LEAST
        at = np.full((len(counts), len(ORDERS)), np.nan)
        at[enough] = covered(counts.at(enough), share)
        told["coverage"] = {
            "share": share,
            "least": LEAST,
            "cells": int(np.isfinite(at[:, 0]).sum()),
        }
        for q in ORDERS:
            words = f"Hill number of order {q} at a coverage of {share:.3f}, of cells with {LEAST} records"
            bands.append(Measured(f"coverage_hill{q}", words, at[:, q], "effective species"))
    bands += [
        Measured("coverage", "share of the individuals, seen or not, whose species were seen (Chao and Jost)",
                 coverage(counts)),
        Measured("records", "records that count", tally.records.astype(np.float64), "records", True),
        Measured("individuals", "what is counted: records, or species an observer saw on a day",
                 counts.n.astype(np.float64), "individuals", True),
        Measured("observers", "observers known", tally.observers.astype(np.float64), "observers", True),
    ]  # fmt: skip
    for q, named in zip(
        ORDERS,
        ("species seen", "exponential of Shannon's entropy", "inverse of Simpson's concentration"),
        strict=True,
    ):
        words = f"{named}, as observed; {EFFORT}"
        bands.append(Measured(f"hill{q}", words, hill(counts, q), "effective species", True))
    bands.append(
        Measured(
            "shannon",
            f"Shannon's entropy of the counts; {EFFORT}",
            shannon(counts),
            "nats",
            True,
        )
    )
    if with_chao1:
        words = (
            "a lower bound of the species, unseen ones too (Chao 1984); it still follows the effort"
        )
        bands.append(Measured("chao1", words, chao1(counts), "species", True))
    return bands, told


def smooth_bands(
    bands: list[Measured], tally: Tally, grid: Grid, inside: NDArray[np.bool_], sigma: float
) -> list[Measured]:
    """A smoothed band behind each of richness rarefied and Shannon's entropy; the others stay alone.

    Raises:
        InputError: The cells are hexagons, which have no rows and columns.
    """
    if grid.hexagons is not None:
        raise InputError("--smooth goes with cells in rows and columns; hexagons have none.")
    around = _around(grid)
    out = []
    for band in bands:
        out.append(band)
        values = band.values
        if values is None or not (band.name.startswith("rarefied_") or band.name == "shannon"):
            continue

        def dense(values: Floats = values) -> NDArray[np.float32]:
            whole = grid.raster(spread(values, tally.cells, len(grid)))
            return smoothed(whole, grid.raster(inside), sigma, around).reshape(-1)

        words = f"{band.words}; smoothed with a Gaussian of {sigma:g} cells within the mask"
        name = f"{band.name}_smoothed"
        out.append(Measured(name, words, None, band.units, band.follows, dense, band.name))
    return out


def _around(grid: Grid) -> bool:
    """Whether the raster goes around the globe."""
    west, _, east, _ = grid.region.bounds
    return bool(east - west >= 360 - 1e-9)


def printed_bands(tally: Tally, grid: Grid, inside: NDArray[np.bool_]) -> list[Measured]:
    """The four maps of the paper's recipe: species and Shannon's entropy of all records, and both after its filter.

    Source: ProM3E, supplement 1.3, figure 5.
    """
    counts = tally.counts
    out = []
    for name, words, units, values in (
        ("species", "species seen", "species", counts.richness.astype(np.float64)),
        ("shannon", "Shannon's entropy of the records' species", "nats", shannon(counts)),
    ):
        said = f"{words}, as the paper counts them; {EFFORT}"
        out.append(Measured(name, said, values, units, True))

        def dense(values: Floats = values) -> NDArray[np.float32]:
            whole = grid.raster(spread(values, tally.cells, len(grid)))
            found = printed(whole)
            return np.where(grid.raster(inside), found, np.nan).astype(np.float32).reshape(-1)

        said = (
            f"{words}, after the paper's Gaussian of 2 cells, cells without records as 0; {EFFORT}"
        )
        out.append(Measured(f"{name}_smoothed", said, None, units, True, dense, name))
    return out
