"""The places of the best of many scores: one selection for all that reads first rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.faiss.compiled import compiled


def first_places(scores: NDArray[Any], k: int) -> NDArray[np.int64]:
    """Columns (q, min(k, g)) of the k best of each row of scores (q, g), best first, ties by column.

    What is no number stands last. Of columns that tie with the k-th, those with the lowest numbers are taken.
    """
    places = np.empty((len(scores), max(0, min(k, scores.shape[1]))), np.int64)
    if places.size:
        _first(scores, places)
    return places


@compiled()
def _first(scores, places):  # type: ignore[no-untyped-def]
    """One reading of each row: the best so far are a heap whose first is the worst of them."""
    k = places.shape[1]
    best = np.empty(k, scores.dtype)
    for i in range(len(scores)):
        row, columns = scores[i], places[i]
        for j in range(k):
            best[j] = -np.inf if np.isnan(row[j]) else row[j]
            columns[j] = j
        for at in range(k // 2 - 1, -1, -1):
            _sink(best, columns, at, k)
        for j in range(k, len(row)):
            if row[j] > best[0]:
                best[0] = row[j]
                columns[0] = j
                _sink(best, columns, 0, k)
        for last in range(k - 1, 0, -1):
            best[0], best[last] = best[last], best[0]
            columns[0], columns[last] = columns[last], columns[0]
            _sink(best, columns, 0, last)


@compiled()
def _sink(best, columns, at, size):  # type: ignore[no-untyped-def]
    """Let a place of a heap sink below all that are worse: a lower score, or the same and a higher column."""
    score, column = best[at], columns[at]
    while 2 * at + 1 < size:
        worse, other = 2 * at + 1, 2 * at + 2
        if other < size and (
            best[other] < best[worse]
            or (best[other] == best[worse] and columns[other] > columns[worse])
        ):
            worse = other
        if score < best[worse] or (score == best[worse] and column > columns[worse]):
            break
        best[at] = best[worse]
        columns[at] = columns[worse]
        at = worse
    best[at] = score
    columns[at] = column
