"""Rows of a store with their places, fetched into a table that DuckDB can count."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from prom3e_index.bundle.filters import Filter
from prom3e_index.bundle.located import Located
from prom3e_index.store.expression import expression
from prom3e_index.store.literals import every as all_of
from prom3e_index.store.matching import Matching

if TYPE_CHECKING:
    from prom3e_index.store.opened import StoreBundle

SAMPLED_FROM = 50_000
"""Rows of a box above which a part of them is fetched for the whole: each costs some 10 µs, see `plan.md`."""


@contextmanager
def located(
    bundle: StoreBundle, rows: Matching, box: tuple[float, float, float, float]
) -> Iterator[Located]:
    """The eligible rows of a store in a box; where they are many, a part by their numbers."""
    import duckdb
    import pyarrow as pa

    where = all_of([rows.where, expression(Filter(bbox=box), bundle.known)])
    every = 1 + bundle.count(where) // SAMPLED_FROM
    if every > 1:
        where = all_of([where, f"row % {every} == 0"])
    hidden: set[int] = set()
    if "obscured" in bundle.columns:
        obscured = expression(Filter(where="obscured"), bundle.known)
        hidden = {int(r["row"]) for p in bundle.each(all_of([where, obscured]), []) for r in p}
    found = [
        (r["latitude"], r["longitude"], int(r["row"]) in hidden)
        for part in bundle.each(where, ["latitude", "longitude"])
        for r in part
    ]
    latitudes, longitudes, are_hidden = zip(*found, strict=True) if found else ((), (), ())
    table = pa.table(
        {
            "latitude": pa.array(latitudes, pa.float64()),
            "longitude": pa.array(longitudes, pa.float64()),
            "hidden": pa.array(are_hidden, pa.bool_()),
        }
    )
    con = duckdb.connect(config={"autoload_known_extensions": "false"})
    try:
        con.execute("SET enable_external_access = false")
        con.register("located", table)
        yield Located(con, "located", every)
    finally:
        con.close()
