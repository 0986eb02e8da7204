"""Which cells and how many records fit some records, for a page that nobody chose them for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from prom3e_index.diversity.counting import tally
from prom3e_index.errors import InputError
from prom3e_index.grid.grid import Grid
from prom3e_index.grid.masks import PLANET, mask_of
from prom3e_index.maps.occurrences import Occurrences
from prom3e_index.maps.placed import OUTSIDE_MASK, place

SIZES_KM = (2, 5, 10, 25, 50, 100, 250, 500, 1000)
RAREFIED_TO = (30, 10, 5)
"""Individuals that species are compared at, the first that enough cells have."""
ENOUGH = 10
"""Cells with so many individuals."""
LEAST = 3
"""Of which nothing is compared below."""
MOST_CELLS = 60_000
"""Of the region; finer ones are not tried."""


@dataclass(frozen=True)
class Fitted:
    """What fits.

    Attributes:
        cells: As `Grid.of` takes them.
        rarefy: Individuals that richness is rarefied to.
        mask: `land`, or `none` where most records lie off it.
        compared: Cells with so many individuals.
    """

    cells: str
    rarefy: int
    mask: str
    compared: int


def fitting(found: Occurrences, region: str, invented: bool) -> Fitted:
    """The cells of which the most can be compared, and at how many individuals.

    Of sizes at which the cells with 30 individuals hold at least half of all, the one with the most such cells, the
    finer of two that are equal. Where no size has ten of them 10, then 5 individuals are asked for.

    Args:
        found: The records.
        region: A box around them.
        invented: Whether they are of the invented planet.

    Raises:
        InputError: No record counts, or no size has three cells with five individuals.
    """
    mask, tried = "", []
    for km in SIZES_KM:
        cells = f"{km}km"
        try:
            grid = Grid.of(region, cells)
        except InputError:  # more cells than there may be
            continue
        if len(grid) > MOST_CELLS:
            continue
        mask = mask or _mask(found, grid, invented)
        placed = place(found, grid, _inside(grid, mask, invented))
        if len(placed.row):
            tried.append((cells, tally(found, placed).counts.n))
    if not tried:
        left = place(found, grid, _inside(grid, mask, invented)).left_out
        why = "; ".join(f"{n:,}: {reason}" for reason, n in left.items())
        raise InputError(f"No record counts ({why}).")
    for m in RAREFIED_TO:
        best, compared = "", 0
        for cells, n in tried:
            enough = n >= m
            if 2 * n[enough].sum() >= n.sum() and enough.sum() > compared:
                best, compared = cells, int(enough.sum())
        if compared >= (ENOUGH if m > RAREFIED_TO[-1] else LEAST):
            return Fitted(best, m, mask, compared)
    cells, n = tried[-1]
    raise InputError(
        f"Too few records to compare places: of cells of {tried[0][0]} to {cells} none has {LEAST} with "
        f"{RAREFIED_TO[-1]} individuals and half of all in them; the {int(n.sum()):,} that count lie in {len(n):,} of "
        f"the largest, of which the fullest has {int(n.max()):,}."
    )


def _mask(found: Occurrences, grid: Grid, invented: bool) -> str:
    """Land, unless most records lie off it."""
    placed = place(found, grid, _inside(grid, "land", invented))
    off = placed.left_out.get(OUTSIDE_MASK, 0)
    return "none" if off > len(placed.row) else "land"


def _inside(grid: Grid, mask: str, invented: bool) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    try:
        return mask_of(grid, PLANET if invented and mask == "land" else mask).inside
    except InputError:  # no centre lies on land
        return np.zeros(len(grid), bool)
