"""What rows of shards have beside their vectors: the metadata of an index, and the items that they are made of."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from prom3e_index.bundle.filters import quoted
from prom3e_index.indexer.beside import take_away
from prom3e_index.indexer.cluster.job import Job
from prom3e_index.indexer.cluster.orders import Numbered
from prom3e_index.indexer.cluster.shards import beside_names
from prom3e_index.indexer.complete import KeptRows
from prom3e_index.indexer.losses import lost_tables
from prom3e_index.indexer.metadata import write_metadata
from prom3e_index.indexer.plan import open_plan
from prom3e_index.models.folder import Model

if TYPE_CHECKING:
    import duckdb

_FILES = ("metadata.duckdb", "metadata.duckdb.wal", "records.arrow", "species.npy", "rejected.parquet")  # fmt: skip


def write_beside(
    job: Job,
    own: Path,
    rows: KeptRows,
    wanted: bool,
) -> dict[str, Any]:
    """Write the metadata of the kept rows as an index has it, and from it what each shard is to be made of.

    Args:
        job: Whose shards they are.
        own: A folder for this alone.
        rows: Which they are.
        wanted: Whether any shard is still to be made.

    Returns:
        `columns` that shards have beside their vectors, with their types in DuckDB; `renamed`, those that an index
        calls otherwise, with their names there; and `counts` of a segment.
    """
    work, model, kept, present = rows.work, rows.model, rows.kept, rows.present
    folder = own / "metadata"
    take_away(folder, _FILES)
    folder.mkdir()
    con = open_plan(work)
    try:
        unknown = np.zeros(
            len(kept), np.float32
        )  # σ follows from the vectors, which are not made yet
        noted = lost_tables(work)
        counts = write_metadata(con, folder, kept, present, unknown, model.modalities, noted, {})
        path = str(folder / "metadata.duckdb").replace("'", "''")
        con.execute(f"ATTACH '{path}' AS made (READ_ONLY)")
        described = con.execute("DESCRIBE made.observations").fetchall()
        names = [str(r[0]) for r in described]
        shown = beside_names(names, model.modalities)
        if wanted:
            _write_rows(con, job, model, kept, names, shown)
        for table in ("rejected", "lost"):
            found = con.sql(f"SELECT * FROM made.{table}").to_arrow_table()
            job.storage.put_table(f"{table}.parquet", found, {"plan": job.plan})
    finally:
        con.close()
    take_away(folder, _FILES)
    kinds = {n: str(r[1]) for n, r in zip(shown, described, strict=True)}
    renamed = {s: n for s, n in zip(shown, names, strict=True) if s != n}
    return {"columns": kinds, "renamed": renamed, "counts": counts}


def _write_rows(
    con: duckdb.DuckDBPyConnection,
    job: Job,
    model: Model,
    kept: NDArray[np.int64],
    names: list[str],
    shown: list[str],
) -> None:
    con.register("numbered", pa.table({"row": np.arange(len(kept)), "seq": kept}))
    cells = [f"o.{quoted(n)} AS {quoted(s)}" for n, s in zip(names, shown, strict=True)]
    joins = []
    for m in model.modalities:
        item, made = quoted(f"item_{m}"), quoted(f"rows_{m}")
        if m in job.counts:
            joins.append(f"LEFT JOIN {made} ON {made}.seq = k.seq")
            cells.append(f"{made}.item AS {item}")
        else:
            cells.append(f"NULL::BIGINT AS {item}")
    query = (
        f"SELECT {', '.join(cells)} FROM made.observations o JOIN numbered k ON k.row = o.row {' '.join(joins)} "
        "ORDER BY o.row"
    )
    out = Numbered(job.storage, "rows", job.plan)
    first = 0
    for batch in con.sql(query).to_arrow_reader(job.rows):
        out.cut(first, pa.Table.from_batches([batch]), job.rows)
        first += batch.num_rows
    out.end()
    con.unregister("numbered")
