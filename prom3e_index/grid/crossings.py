"""The loop that asks of every place how many edges lie east of it, compiled by numba on first use.

One method for every grid: nothing is projected, so nothing is torn at the date line or bent by a projection.
"""

from __future__ import annotations

import numpy as np
from numba import njit


def _crossings(edges, starts, bins, latitude, longitude):  # type: ignore[no-untyped-def]
    odd = np.zeros(len(latitude), np.bool_)
    for i in range(len(latitude)):
        y, x = latitude[i], longitude[i]
        for j in range(starts[bins[i]], starts[bins[i] + 1]):
            ax, ay, bx, by = edges[j]
            if (ay > y) != (by > y) and x < ax + (y - ay) / (by - ay) * (bx - ax):
                odd[i] = not odd[i]
    return odd


try:
    odd_crossings = njit(nogil=True, cache=True)(_crossings)
except (RuntimeError, OSError):  # no folder that numba can write to
    odd_crossings = njit(nogil=True)(_crossings)
