"""A plan before its places are generalised: in memory, so that a process that is killed leaves none of them behind.

Beyond 1 GB it is spilled to `spill` of the work folder, which is emptied when the next plan is begun.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from prom3e_index.indexer.plan import PLAN, open_plan, settings

if TYPE_CHECKING:
    import duckdb

_KEPT = ("planned", "rejected", "lost", "durations")
"""Tables of a plan that are needed once it is generalised; what files say of their places is none of them."""


def open_draft(work: Path) -> duckdb.DuckDBPyConnection:
    """A plan's database in memory, with what an earlier plan in the work folder measured of recordings."""
    import duckdb

    shutil.rmtree(work / "spill", ignore_errors=True)
    con = duckdb.connect(config=settings(work))
    if (work / PLAN).is_file():
        before = open_plan(work)
        try:
            if "durations" in _tables(before):
                measured = before.sql("SELECT * FROM durations").to_arrow_table()
                con.register("measured", measured)
                con.execute("CREATE TABLE durations AS SELECT * FROM measured")
                con.unregister("measured")
        finally:
            before.close()
    return con


def write_plan(con: duckdb.DuckDBPyConnection, work: Path) -> duckdb.DuckDBPyConnection:
    """Write a generalised plan to a new file, in which nothing is left of what it was before.

    Returns:
        The connection to that file; the other one is closed.
    """
    new = work / f"{PLAN}.new"
    for path in (new, new.with_name(new.name + ".wal")):
        path.unlink(missing_ok=True)
    con.execute(f"ATTACH '{str(new).replace(chr(39), chr(39) * 2)}' AS anew")
    for name in (n for n in _KEPT if n in _tables(con)):
        con.execute(f"CREATE TABLE anew.{name} AS SELECT * FROM {name}")
    con.execute("DETACH anew")
    con.close()
    (work / f"{PLAN}.wal").unlink(missing_ok=True)
    new.replace(work / PLAN)
    return open_plan(work)


def _tables(con: duckdb.DuckDBPyConnection) -> set[str]:
    found = con.execute("SELECT table_name FROM duckdb_tables() WHERE NOT temporary").fetchall()
    return {str(r[0]) for r in found}
