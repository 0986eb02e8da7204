"""How often each species was counted in each cell, of records or of what one observer saw on one day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.diversity.estimators import Counts
from prom3e_index.errors import InputError, near_names
from prom3e_index.maps.occurrences import UNKNOWN, Occurrences
from prom3e_index.maps.placed import Placed

Ints = NDArray[np.int64]
UNITS = ("observer-day", "record")
"""What counts as one individual: all records of one species by one observer on one day in one cell, or each record."""


@dataclass(frozen=True)
class Tally:
    """How often each species was counted in each cell that has records.

    Attributes:
        cells: (c,) cells, ascending.
        counts: Of these cells; `species` (e,) says which species each count is of.
        records: (c,) records of each cell, before those of one observer and day are one.
        observers: (c,) observers known of each.
        alone: Records that count one each because their observer or day is not known.
    """

    cells: Ints
    counts: Counts
    species: Ints
    records: Ints
    observers: Ints
    alone: int


def tally(found: Occurrences, placed: Placed, unit: str = UNITS[0]) -> Tally:
    """Count the species of each cell.

    Args:
        found: The records.
        placed: Those that count.
        unit: One of `UNITS`.

    Raises:
        InputError: Another unit, or no record counts; says how many were left out, and why.
    """
    if unit not in UNITS:
        raise InputError(
            f"--unit is {unit!r}; known: {', '.join(UNITS)}{near_names(unit, list(UNITS))}."
        )
    if not len(placed.row):
        why = "; ".join(f"{n:,}: {reason}" for reason, n in placed.left_out.items())
        raise InputError(f"No record of {found.source} counts ({why}).")
    species, observer = found.species[placed.row], found.observer[placed.row]
    single = found.day[placed.row] == found.until[placed.row]
    day = np.where(single, found.day[placed.row], UNKNOWN)
    cells, size = np.unique(placed.cell, return_counts=True)
    keys: list[Any] = [species, placed.cell]
    alone = 0
    if unit == UNITS[0]:
        unknown = (observer == UNKNOWN) | (day == UNKNOWN)
        alone = int(unknown.sum())
        own = np.where(unknown, np.arange(len(unknown)), -1)  # each such record is one of its own
        keys = [own, np.where(unknown, 0, day), np.where(unknown, 0, observer), *keys]
        taken = _first_of_each(keys)
    else:
        taken = np.arange(len(species))
    order = taken[np.lexsort((species[taken], placed.cell[taken]))]
    cell, kind = placed.cell[order], species[order]
    new = np.ones(len(order), bool)
    new[1:] = (cell[1:] != cell[:-1]) | (kind[1:] != kind[:-1])
    at = np.flatnonzero(new)
    count = np.diff(np.append(at, len(order)))
    start = np.append(np.searchsorted(cell[at], cells), len(at))
    seen = _first_of_each([observer, placed.cell])
    seen = seen[observer[seen] != UNKNOWN]
    watched = np.bincount(np.searchsorted(cells, placed.cell[seen]), minlength=len(cells))
    return Tally(cells, Counts(start, count), kind[at], size, watched, alone)


def _first_of_each(keys: list[Ints]) -> Ints:
    """Rows that are the first of their combination of keys, in the order of the keys, the last one first."""
    order = np.lexsort(keys)
    new = np.zeros(len(order), bool)
    new[:1] = True
    for key in keys:
        new[1:] |= key[order][1:] != key[order][:-1]
    return np.asarray(order[new])
