"""Rows with their places, in a table that DuckDB can count."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import duckdb

    from prom3e_index.bundle.opened import BundleFolder

SAMPLED_FROM = 3_000_000
"""Rows above which a part of them is counted for the whole."""


@dataclass(frozen=True)
class Located:
    """Rows that can be counted by place.

    Attributes:
        con: A cursor that nothing else uses.
        source: What stands behind FROM: it has `latitude` and `longitude` in degrees and `hidden`, whether a place is
            obscured, of the eligible rows in the box, and perhaps of others that are not in it.
        every: It has one row in so many.
    """

    con: duckdb.DuckDBPyConnection
    source: str
    every: int


@contextmanager
def located(bundle: BundleFolder, rows: NDArray[np.int64] | None) -> Iterator[Located]:
    """The eligible rows of a folder; of all, where they are many, a part."""
    every = 1 + bundle.rows // SAMPLED_FROM if rows is None else 1
    hidden = "coalesce(obscured, false)" if "obscured" in bundle.columns else "false"
    source = "observations"
    con = bundle.metadata.cursor()
    try:
        if rows is not None:
            source += " SEMI JOIN wanted USING (row)"
            con.register("wanted", _table(rows))
        part = f" WHERE row % {every} = 0" if every > 1 else ""
        cells = f"latitude, longitude, {hidden} AS hidden"
        yield Located(con, f"(SELECT {cells} FROM {source}{part})", every)
    finally:
        con.close()


def _table(rows: NDArray[np.int64]) -> Any:
    import pyarrow as pa

    return pa.table({"row": rows})
