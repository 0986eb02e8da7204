"""How many observations there are by cell: squares of even degrees, some thousands of a tile at most."""

from __future__ import annotations

from typing import Any

from prom3e_index.bundle.filters import Filter
from prom3e_index.bundle.predicate import bounded
from prom3e_index.search.run import Bundle

ACROSS, DOWN = 64, 32
"""Cells of a tile. Tile 0/0/0 is the world, 360 by 180 degrees; each has four of the next zoom."""
DEEPEST = 12
HIDDEN_DEG = 1.0
"""Cells from this size on count obscured places too: no level has larger cells, but for what is withheld."""
SECONDS = 5.0
COLUMNS = ("west", "south", "east", "north", "count")


def density(bundle: Bundle, z: int, x: int, y: int, chosen: Filter) -> dict[str, Any]:
    """Count the observations of a tile by cell.

    Args:
        bundle: The index.
        z: Zoom, from 0.
        x: Of the tile, from the west.
        y: Of the tile, from the north.
        chosen: Which observations.

    Returns:
        `cells`, each as `COLUMNS` says, ascending from the south-west; `step_deg`; `sampled`, whether counts are of a
        part of the rows and multiplied; `hidden`, rows of obscured places that are too coarse for these cells.

    Raises:
        InputError: It takes too long.
    """
    wide = 360 / 2**z
    step = wide / ACROSS
    west, north = -180 + x * wide, 90 - y * wide / 2
    south, east = north - wide / 2, west + wide
    rows = bundle.eligible(chosen)
    if "latitude" not in bundle.columns:
        return _said([], step, 1, 0)
    upper = "<=" if x == 2**z - 1 else "<"
    top = "<=" if y == 0 else "<"
    where = f"latitude >= ? AND latitude {top} ? AND longitude >= ? AND longitude {upper} ?"
    column = f"least({ACROSS - 1}, floor((longitude - ?) / ?))::INTEGER"
    line = f"least({DOWN - 1}, floor((latitude - ?) / ?))::INTEGER"
    with bundle.located(rows, (west, south, east, north)) as places:
        every = places.every
        with bounded(places.con, "the map of densities", SECONDS):
            found = places.con.execute(
                f"SELECT {column} AS c, {line} AS l, hidden, count(*) AS n FROM {places.source} WHERE {where} "
                "GROUP BY ALL ORDER BY l, c",
                [west, step, south, step, south, north, west, east],
            ).fetchall()
    counts: dict[tuple[int, int], int] = {}
    left_out = 0
    for c, r, obscured, n in found:
        if obscured and step < HIDDEN_DEG:
            left_out += int(n) * every
        else:
            counts[int(r), int(c)] = counts.get((int(r), int(c)), 0) + int(n) * every
    cells = [
        [*_box(west + c * step, south + r * step, step), n] for (r, c), n in sorted(counts.items())
    ]
    return _said(cells, step, every, left_out)


def _said(cells: list[list[float]], step: float, every: int, hidden: int) -> dict[str, Any]:
    return {
        "columns": list(COLUMNS),
        "cells": cells,
        "step_deg": step,
        "sampled": every > 1,
        "hidden": hidden,
    }


def _box(west: float, south: float, step: float) -> list[float]:
    return [round(v, 9) for v in (west, south, west + step, south + step)]
