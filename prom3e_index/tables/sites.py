"""Sites: cells of latitude and longitude, which are kept together where rows are held out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def sites_of(place: NDArray[np.float64], side: float) -> NDArray[np.int64]:
    """Number (n,) of each row's cell of `side` degrees, from 0 in the order of cells; −1 without a place.

    Args:
        place: (n, 2) latitude and longitude in degrees; not finite where unknown.
        side: Of a cell.
    """
    known = np.isfinite(place).all(axis=1)
    out = np.full(len(place), -1, np.int64)
    cell = np.stack([place[:, 0], (place[:, 1] + 180) % 360], axis=1)  # ±180° is one meridian
    cells = np.floor(cell[known] / side)
    if len(cells):
        out[known] = np.unique(cells, axis=0, return_inverse=True)[1].reshape(-1)
    return out
