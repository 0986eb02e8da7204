"""Which cells and how many records fit some records, for a page that nobody chose them for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from prom3e_index.diversity.counting import tally
from prom3e_index.errors import InputError
from prom3e_index.grid.grid import Grid
from prom3e_index.grid.masks import PLANET, mask_of
from prom3e_index.maps.occurrences import Occurrences
from prom3e_index.maps.placed import OUTSIDE_MASK, Placed, place

SIZES_KM = (2, 5, 10, 25, 50, 100, 250, 500, 1000)
RAREFIED_TO = (30, 10, 5)
"""Individuals that species are compared at, the first that enough cells have."""
ENOUGH = 10
"""Cells with so many individuals."""
LEAST = 3
"""Of which nothing is compared below."""
MOST_CELLS = 60_000
"""Of the region; finer ones are not tried."""
OFF, OFF_PLANET = 0.1, 0.5
"""Share of the records that the mask of land may leave out; of the planet, whose coast is not drawn, more."""


@dataclass(frozen=True)
class Fitted:
    """What fits.

    Attributes:
        cells: As `Grid.of` takes them.
        rarefy: Individuals that richness is rarefied to.
        mask: `land`, or `none` where too many records lie in cells whose centre is at sea.
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
    tried = []
    for km in SIZES_KM:
        cells = f"{km}km"
        try:
            grid = Grid.of(region, cells)
        except InputError:  # more cells than there may be
            continue
        if len(grid) > MOST_CELLS:
            continue
        mask, placed = _placed(found, grid, invented)
        if len(placed.row):
            tried.append((cells, mask, tally(found, placed).counts.n))
    if not tried:
        why = "; ".join(f"{n:,}: {reason}" for reason, n in placed.left_out.items())
        raise InputError(f"No record counts ({why}).")
    for m in RAREFIED_TO:
        best, compared = ("", ""), 0
        for cells, mask, n in tried:
            enough = n >= m
            if 2 * n[enough].sum() >= n.sum() and enough.sum() > compared:
                best, compared = (cells, mask), int(enough.sum())
        if compared >= (ENOUGH if m > RAREFIED_TO[-1] else LEAST):
            return Fitted(best[0], m, best[1], compared)
    cells, _, n = tried[-1]
    raise InputError(
        f"Too few records to compare places: of cells of {tried[0][0]} to {cells} none has {LEAST} with "
        f"{RAREFIED_TO[-1]} individuals and half of all in them; the {int(n.sum()):,} that count lie in {len(n):,} of "
        f"the largest, of which the fullest has {int(n.max()):,}."
    )


def _placed(found: Occurrences, grid: Grid, invented: bool) -> tuple[str, Placed]:
    """Records in cells of land; in all, where too many lie in cells whose centre is at sea."""
    try:
        inside = mask_of(grid, PLANET if invented else "land").inside
    except InputError:  # no centre lies on land
        inside = np.zeros(len(grid), bool)
    placed = place(found, grid, inside)
    off = placed.left_out.get(OUTSIDE_MASK, 0)
    if off <= (OFF_PLANET if invented else OFF) * (off + len(placed.row)):
        return "land", placed
    return "none", place(found, grid, np.ones(len(grid), bool))
