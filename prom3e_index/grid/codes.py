"""Names of cells, the same in every map with such cells, and the cell that a name is of."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from prom3e_index.grid import hexagons

if TYPE_CHECKING:
    from prom3e_index.grid.grid import Grid

_STEPS = re.compile(r"E(-?\d{1,9})N(-?\d{1,9})")
_H3 = re.compile(r"[0-9a-f]{15}")


def codes_of(grid: Grid, cells: NDArray[np.int64]) -> list[str]:
    """H3's digits, `25kmE12N-3`, `0.1degE12N3`: steps of the lattice from its origin to the south-western corner."""
    if grid.hexagons is not None:
        return hexagons.names(grid.hexagons[cells])
    row, column = np.divmod(cells, grid.shape[1])
    first, top = _corner(grid)
    own = _own(grid)
    east, north = (first + column).tolist(), (top - 1 - row).tolist()
    return [f"{own}E{x}N{y}" for x, y in zip(east, north, strict=True)]


def cell_named(grid: Grid, code: str) -> int | None:
    """The cell of a name; None where it is no name of a cell of this grid."""
    if grid.hexagons is not None:
        if not _H3.fullmatch(code):
            return None
        at = int(np.searchsorted(grid.hexagons, np.uint64(int(code, 16))))
        held = at < len(grid.hexagons) and int(grid.hexagons[at]) == int(code, 16)
        return at if held else None
    own = _own(grid)
    found = _STEPS.fullmatch(code[len(own) :]) if code.startswith(own) else None
    if found is None:
        return None
    first, top = _corner(grid)
    row, column = top - 1 - int(found[2]), int(found[1]) - first
    inside = 0 <= row < grid.shape[0] and 0 <= column < grid.shape[1]
    return row * grid.shape[1] + column if inside else None


def _own(grid: Grid) -> str:
    return grid.name.split(" on ")[0]


def _corner(grid: Grid) -> tuple[int, int]:
    """Steps from the lattice's origin to the western and to the northern edge."""
    a, _, c, _, e, f = grid.affine
    return round(c / a), round(f / -e)
