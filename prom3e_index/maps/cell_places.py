"""Cells as an encoder sees them: the mean of what lies within each, since one place is not like 25 km."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.encoders.protocol import unit_rows
from prom3e_index.errors import InputError

Floats = NDArray[np.float32]
_AT_ONCE = 4096


def embed_cells(
    encoder: Any,
    grid: Any,
    cells: NDArray[np.int64],
    samples: int = 4,
    progress: Callable[[str, int, int | None], None] = lambda s, d, t: None,
) -> Floats:
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
        lat, lon = grid.sub_points(cells[at : at + step], samples)
        known = np.isfinite(lat) & np.isfinite(lon)
        if not known.any(axis=1).all():
            raise InputError(f"A cell of {grid.name} has no place on Earth.")
        out[at : at + step] = mean_of_cells(encoder, np.stack([lat[known], lon[known]], 1), known)
        progress("cells", min(len(cells), at + step), len(cells))
    return out


def mean_of_cells(encoder: Any, items: NDArray[Any], known: NDArray[np.bool_]) -> Floats:
    """Unit means (n, d) of the embeddings of what each cell holds; a cell that holds nothing is 0.

    Args:
        encoder: Of the items.
        items: (k, …) of all cells, cell by cell.
        known: (n, s) of which sub-points there is one, k in all.
    """
    out = np.zeros((len(known), encoder.width), np.float32)
    step = max(1, _AT_ONCE // max(known.shape[1], 1))
    first = np.concatenate([[0], np.cumsum(known.sum(1))])
    for at in range(0, len(known), step):
        here = known[at : at + step]
        some = items[first[at] : first[min(at + step, len(known))]]
        found = np.zeros((*here.shape, encoder.width), np.float32)
        found[here] = encoded(encoder, np.asarray(some, np.float32))
        out[at : at + step] = unit_rows(found.sum(1))
    return out


def encoded(encoder: Any, items: Any) -> Floats:
    """Embeddings of items, as many at once as suit the encoder."""
    step = encoder.batch_size
    parts = [encoder.encode(items[at : at + step]) for at in range(0, len(items), step)]
    return np.concatenate(parts) if parts else np.zeros((0, encoder.width), np.float32)
