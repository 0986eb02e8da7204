"""At most one hit of each value of a column, the best."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.search.hits import values_of

Floats = NDArray[np.float32]
Found = tuple[Floats, NDArray[np.int64], str]


def best_of_groups(
    bundle: BundleFolder, take: Callable[[int], Found], column: str, wanted: int, eligible: int
) -> Found:
    """The best row of each value, best first; a row without a value is a group of its own."""
    k = 4 * wanted
    while True:
        scores, found, path = take(k)
        values = values_of(bundle, found, [column])
        seen: set[Any] = set()
        keep = []
        for i, row in enumerate(found):
            value = values[int(row)][column]
            key = ("row", int(row)) if value is None else value  # unknown is no group
            if key not in seen:
                seen.add(key)
                keep.append(i)
        if len(keep) >= wanted or len(found) >= eligible:
            chosen = keep[:wanted]
            return scores[chosen], found[chosen], path
        k *= 4
