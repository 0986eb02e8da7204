"""Cells as a location encoder sees them: the mean of places spread over each, since one place is not like 25 km."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.encoders.protocol import unit_rows
from prom3e_index.errors import InputError

_AT_ONCE = 4096


def embed_cells(
    encoder: Any,
    grid: Any,
    cells: NDArray[np.int64],
    samples: int = 4,
    progress: Callable[[str, int, int | None], None] = lambda s, d, t: None,
) -> NDArray[np.float32]:
    """Embeddings of cells, (k, d) unit rows: of the mean of the embeddings of places within each.

    Args:
        encoder: Of places; takes latitude and longitude in degrees.
        grid: The cells.
        cells: (k,) which of them; each must have a place.
        samples: Places in each cell, a square number.
        progress: Told how many cells are done.

    Raises:
        InputError: `samples` is no square number, or a cell has no place.
    """
    out = np.zeros((len(cells), encoder.width), np.float32)
    step = max(1, _AT_ONCE // samples)
    for at in range(0, len(cells), step):
        part = cells[at : at + step]
        lat, lon = grid.sub_points(part, samples)
        known = np.isfinite(lat) & np.isfinite(lon)
        if not known.any(axis=1).all():
            raise InputError(f"A cell of {grid.name} has no place on Earth.")
        places = np.stack([lat[known], lon[known]], axis=1).astype(np.float32)
        found = np.zeros((*lat.shape, encoder.width), np.float32)
        found[known] = encoder.encode(places)
        out[at : at + step] = unit_rows(found.sum(axis=1))
        progress("cells", min(len(cells), at + step), len(cells))
    return out
