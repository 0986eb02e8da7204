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
OUTSIDE_MASK = "outside the mask"
UNSTATED_M = 1000.0
"""What an uncertainty that is not stated is taken for, as GBIF's cubes do."""
_EARTH_M = 6_371_008.8


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
    found: Occurrences,
    grid: Grid,
    inside: NDArray[np.bool_],
    *,
    coarse_too: bool = False,
    drawn: int | None = None,
) -> Placed:
    """Give each record its cell; leave out what has no true place as fine as a cell, no species, or lies outside.

    A place is as fine as its cell where its uncertainty is at most half the diagonal of a square of the cell's area.
    An uncertainty that is not stated is taken for `UNSTATED_M`.

    Args:
        found: The records.
        grid: The cells.
        inside: (n,) cells within the mask.
        coarse_too: Also count places less certain than a cell, as the paper does; never hidden ones.
        drawn: Give each record the cell of a place drawn within its circle of uncertainty, as GBIF's cubes do; the
            seed of the draws, one for each record in its order, whatever is left out. None takes its point.
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
    latitude, longitude = found.latitude, found.longitude
    if drawn is not None:
        latitude, longitude = drawn_places(found, drawn)
    cell = grid.cell_of(latitude[rows], longitude[rows])
    rows, cell = _both(rows, cell, leave("outside the region", cell == OUTSIDE))
    rows, cell = _both(rows, cell, leave(OUTSIDE_MASK, ~inside[cell]))
    if coarse_too:
        return Placed(rows, cell, left)
    own, back = np.unique(cell, return_inverse=True)
    reach = 1000 * np.sqrt(grid.areas_km2(own) / 2) if len(own) else np.zeros(0)
    stated = np.isfinite(found.uncertainty_m[rows])
    coarse = stated_or(found)[rows] > reach[back.reshape(-1)]
    kept = leave("the place is less certain than half a cell's diagonal", coarse & stated)
    why = f"no uncertainty is stated, and {UNSTATED_M:,.0f} m are more than half a cell's diagonal"
    kept &= leave(why, coarse & ~stated)
    return Placed(*_both(rows, cell, kept), left)


def stated_or(found: Occurrences) -> NDArray[np.float64]:
    """(n,) uncertainty of each place in metres, `UNSTATED_M` where none is stated."""
    return np.where(np.isfinite(found.uncertainty_m), found.uncertainty_m, UNSTATED_M)


def drawn_places(found: Occurrences, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Latitudes and longitudes (n,) drawn evenly from the circles of uncertainty around the records' points."""
    share, turn = np.random.default_rng([seed, 2]).random((2, len(found)))
    far = np.minimum(stated_or(found) / _EARTH_M, np.pi)
    away = 2 * np.arcsin(np.sqrt(share) * np.sin(far / 2))  # evenly over the cap of the sphere
    bearing = 2 * np.pi * turn
    lat, lon = np.deg2rad(found.latitude), np.deg2rad(found.longitude)
    sine = np.sin(lat) * np.cos(away) + np.cos(lat) * np.sin(away) * np.cos(bearing)
    east = np.arctan2(
        np.sin(bearing) * np.sin(away) * np.cos(lat), np.cos(away) - np.sin(lat) * sine
    )
    new = np.rad2deg(np.arcsin(np.clip(sine, -1, 1)))
    return new, (np.rad2deg(lon + east) + 180) % 360 - 180


def _both(a: Ints, b: Ints, kept: NDArray[np.bool_]) -> tuple[Ints, Ints]:
    return a[kept], b[kept]
