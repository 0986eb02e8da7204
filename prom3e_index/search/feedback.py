"""Relevance feedback: rows marked as wanted or unwanted move what is asked for.

    q' = q + 0.75 · mean of the wanted rows − 0.15 · mean of the unwanted ones

in each of the two blocks of the query vector, whose length stays: what the model completes and its hidden state keep
the weights that the query has, and the scores their range.

Source: Rocchio's algorithm with the weights of Manning, Raghavan and Schütze, Introduction to Information Retrieval
(2008), section 9.1.1: 1, 0.75 and 0.15.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.search.query import Query

Floats = NDArray[np.float32]
WANTED, UNWANTED = 0.75, 0.15


def moved(bundle: BundleFolder, query: Query, target: str, vector: Floats) -> Floats:
    """A query vector moved by the rows that a query marks; the vector itself without any.

    Args:
        bundle: Its gallery rows are what the vector moves to and from, observed or completed.
        query: Says which.
        target: Modality searched for.
        vector: (d + z,) as it is asked without marks.

    Returns:
        (d + z,) float32.
    """
    if not (query.more or query.less):
        return vector
    step = np.zeros(len(vector))
    for rows, share in ((query.more, WANTED), (query.less, -UNWANTED)):
        if rows:
            step += share * _mean(bundle, target, rows, len(vector))
    out, width = vector.astype(np.float64), int(bundle.manifest["width"])
    for block in (slice(0, width), slice(width, None)):
        length = float(np.linalg.norm(out[block]))
        to = out[block] + length * step[block]
        moved_length = float(np.linalg.norm(to))
        if length and moved_length:  # a block of weight 0 stays out of it
            out[block] = to * (length / moved_length)
    return out.astype(np.float32)


def _mean(
    bundle: BundleFolder, target: str, rows: Sequence[int], width: int
) -> NDArray[np.float64]:
    total = np.zeros(width)
    for _, vectors, places in bundle.gallery_parts(target, np.array(rows, np.int64)):
        total += np.asarray(vectors[places, :width], np.float64).sum(axis=0)
    return total / len(rows)


def said_of(query: Query) -> list[str]:
    """What is to be said of an answer that marks moved."""
    parts = [
        f"{verb} {len(rows):,} marked {'row' if len(rows) == 1 else 'rows'}"
        for verb, rows in (("towards", query.more), ("away from", query.less))
        if rows
    ]
    if not parts:
        return []
    return [f"moved {' and '.join(parts)} (Rocchio: 1 for the query, {WANTED}, {UNWANTED})"]
