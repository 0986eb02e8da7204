"""Where what was asked for may live: the map of a search, by the same code as `prom3e-index map`."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import numpy as np

from prom3e_index.maps.extrapolation import SHARE
from prom3e_index.maps.run import MapConfig, make_map
from prom3e_index.maps.spaces import maps_space
from prom3e_index.search.query import Query
from prom3e_index.search.run import Bundle
from prom3e_index.server.mapped import Box
from prom3e_index.server.problems import Problem
from prom3e_index.server.sentences import coded
from prom3e_index.show.escapes import plain
from prom3e_index.store.head import folder_needed
from prom3e_index.store.opened import StoreBundle

SIDES = (0.1, 0.2, 0.25, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 5.0, 10.0)
"""Degrees of the cells that there are."""
BANDS = ("similarity", "percentile", "extrapolation")
COLUMNS = ("west", "south", "east", "north", *BANDS)
NO_PROBABILITY = (
    "Similarity is no probability: it says where the model finds places like what was asked for."
)
_one = threading.Lock()


def side_of(box: Box | None, cells: int) -> float:
    """The finest side, in degrees, with which a box has no more than so many cells; the coarsest where none has."""
    west, south, east, north = box or (-180.0, -90.0, 180.0, 90.0)
    wide = (east - west) % 360 or 360.0
    for side in SIDES:
        if (wide / side + 1) * ((north - south) / side + 1) <= cells:
            return side
    return SIDES[-1]


def range_map(bundle: Bundle, query: Query, box: Box | None, cells: int) -> dict[str, Any]:
    """The cells of a search's map.

    Args:
        bundle: The index, whose policy holds.
        query: What was asked; its target and filter count for nothing here.
        box: West, south, east, north; the world when None.
        cells: At most; land alone is mapped.

    Raises:
        InputError: Cells finer than the policy allows, or places that are withheld.
        Problem: 503, another map is being made.
    """
    if isinstance(bundle, StoreBundle):
        raise folder_needed("A map of where it may live", str(bundle.address), bundle.manifest)
    side = side_of(box, cells)
    region = "world" if box is None else ",".join(f"{v:.6f}" for v in box)
    config = MapConfig(region=region, cells=f"{side:g}deg", expected_error=False)
    asked = replace(query, space=maps_space(bundle.model(query.model, query.hub, query.device)))
    if not _one.acquire(blocking=False):
        raise Problem(
            503, "busy", "Another map is being made", "Ask again in a moment.", headers={"Retry-After": "3"}
        )  # fmt: skip
    try:
        made = make_map(bundle, asked, config)
    finally:
        _one.release()
    lat, lon = made.grid.centres(made.mask.cells)
    bands = {name: made.band(name) for name in BANDS}
    values = [np.asarray(bands[n].cells(), np.float64)[made.mask.cells] for n in BANDS]
    half = side / 2
    table = np.column_stack([lon - half, lat - half, lon + half, lat + half, *values])
    return {
        "columns": list(COLUMNS),
        "cells": [[_short(v) for v in row] for row in table.tolist()],
        "side_deg": side,
        "asked": made.question.words,
        "taxon": made.question.taxon,
        "extrapolated_above": SHARE,
        "means": {n: bands[n].words for n in BANDS},
        "finest": {"level": made.question.allowed.level.name, "why": made.question.allowed.why},
        "facts": plain(made.facts),
        "sentences": [NO_PROBABILITY],
        "said": coded([NO_PROBABILITY]),
    }


def _short(value: float) -> float | None:
    return round(value, 6) if np.isfinite(value) else None
