"""Records into cells: which count, what is left out, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from prom3e_index.maps.occurrences import UNKNOWN, Occurrences

if TYPE_CHECKING:
    from prom3e_index.grid.grid import Grid

Ints = NDArray[np.int64]
OUTSIDE = -1
HIDDEN = "the place is obscured or generalised"


@dataclass(frozen=True)
class Placed:
    """Records that count, with the cells that they lie in.

    Attributes:
        row: (k,) which records of the occurrences.
        cell: (k,) the cell of each.
        left_out: The other rows of the source, by reason; with `k` they sum to its rows.
    """

    row: Ints
    cell: Ints
    left_out: dict[str, int]


def place(
    found: Occurrences, grid: Grid, inside: NDArray[np.bool_], *, coarse_too: bool = False
) -> Placed:
    """Give each record its cell; leave out what has no true place as fine as a cell, no species, or lies outside.

    A place is as fine as its cell where its uncertainty is at most half the diagonal of a square of the cell's area.
    Where no uncertainty is stated it counts.

    Args:
        found: The records.
        grid: The cells.
        inside: (n,) cells within the mask.
        coarse_too: Also count places less certain than a cell, as the paper does; never hidden ones.
    """
    left = dict(found.left_out)
    rows = np.arange(len(found))

    def leave(reason: str, gone: NDArray[np.bool_]) -> NDArray[np.bool_]:
        if gone.any():
            left[reason] = left.get(reason, 0) + int(gone.sum())
        return ~gone

    rows = rows[leave("no place", ~np.isfinite(found.latitude) & ~found.hidden)]
    rows = rows[leave(HIDDEN, found.hidden[rows])]
    rows = rows[leave("no species is named", found.species[rows] == UNKNOWN)]
    cell = grid.cell_of(found.latitude[rows], found.longitude[rows])
    rows, cell = _both(rows, cell, leave("outside the region", cell == OUTSIDE))
    rows, cell = _both(rows, cell, leave("outside the mask", ~inside[cell]))
    if coarse_too:
        return Placed(rows, cell, left)
    own, back = np.unique(cell, return_inverse=True)
    reach = 1000 * np.sqrt(grid.areas_km2(own) / 2) if len(own) else np.zeros(0)
    with np.errstate(invalid="ignore"):
        coarse = found.uncertainty_m[rows] > reach[back.reshape(-1)]
    rows, cell = _both(
        rows, cell, leave("the place is less certain than half a cell's diagonal", coarse)
    )
    return Placed(rows, cell, left)


def _both(a: Ints, b: Ints, kept: NDArray[np.bool_]) -> tuple[Ints, Ints]:
    return a[kept], b[kept]
