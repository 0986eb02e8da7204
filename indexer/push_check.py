"""Rows of an index as they go into a store, and the check that they have arrived."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.store.engine import Engine

Ints = NDArray[np.int64]
ROWS = 2048
"""Rows that are written together."""
SAMPLE = 64
"""Rows that are compared with their source once all are written."""


def blocks(bundle: BundleFolder, rows: Ints) -> Iterator[Any]:
    """Some observations of an index as Arrow tables, by row."""
    import pyarrow as pa

    for at in range(0, len(rows), ROWS):
        part = rows[at : at + ROWS]
        low, high = int(part[0]), int(part[-1])
        query = f"SELECT * FROM observations WHERE row BETWEEN {low} AND {high}"
        if high - low + 1 != len(part):
            query += f" AND row IN ({', '.join(map(str, part.tolist()))})"
        with bundle.reader(f"{query} ORDER BY row", ROWS) as batches:
            yield pa.Table.from_batches(list(batches), batches.schema)


def sample(rows: Ints, seed: int = 0) -> list[int]:
    """Some row numbers, drawn by chance, ascending."""
    drawn = np.random.default_rng(seed).choice(rows, min(SAMPLE, len(rows)), replace=False)
    return sorted(int(r) for r in drawn)


def verify(
    engine: Engine,
    name: str,
    rows: int,
    generation: int,
    scalars: Sequence[dict[str, Any]],
    vectors: NDArray[np.float16],
) -> str:
    """Count the rows that a generation has in a collection, and compare some with what was to be written.

    Returns:
        How they are otherwise than they were written, a sentence; empty where they are not.
    """
    where = f"born <= {generation} and gone > {generation}"
    found = engine.count(name, where, strong=True)
    if found != rows:
        return f"{engine.address}: {name} has {found:,} rows after {rows:,} were written."
    numbers = [int(s["row"]) for s in scalars]
    held = engine.rows(name, numbers, ["vector", "id", "taxa", "columns"], strong=True)
    for number, vector, scalar in zip(numbers, vectors, scalars, strict=True):
        mine = {k: scalar[k] for k in ("id", "taxa", "columns")}
        theirs = {k: held.get(number, {}).get(k) for k in mine}
        theirs["taxa"] = [int(t) for t in theirs["taxa"] or ()]
        there = np.asarray(held.get(number, {}).get("vector", ()), np.float32)
        if not np.array_equal(there, vector.astype(np.float32)) or mine != theirs:
            return f"{engine.address}: row {number} of {name} is otherwise than it was written."
    return ""
