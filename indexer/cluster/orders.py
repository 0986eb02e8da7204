"""What is to be encoded, cut into pieces: written where every worker reads it.

A modality's items are numbered as `embed` numbers them; piece `p` has the items from `p · items` on. An order is the
table of one piece: of files and names `item`, `value`; of recordings also `start`, `end` and the `reading` that a span
is read with; of places and climates `item`, `latitude`, `longitude`, `env`. 256 orders are one file, a row group each.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from prom3e_index.bundle.filters import quoted
from prom3e_index.indexer.cluster.job import Job
from prom3e_index.indexer.cluster.storage import Storage, told_plan
from prom3e_index.indexer.embed import NUMBERS, column_of, numbers_of, whole_values
from prom3e_index.indexer.spans import first_span, readings, spans_of

if TYPE_CHECKING:
    import duckdb

TOGETHER = 256
"""Tables of one file."""
NUMERIC = ("loc", "env")
_RECORDINGS = pa.schema(
    {"item": pa.int64(), "value": pa.string(), "start": pa.float64(), "end": pa.float64(), "reading": pa.int64()}
)  # fmt: skip


class Numbered:
    """Tables with numbers from 0 on, written in that order, `TOGETHER` in a file; what is of one number becomes one."""

    def __init__(self, storage: Storage, folder: str, plan: str) -> None:
        self._storage, self._folder, self._plan = storage, folder, plan
        self._parts: list[pa.Table] = []
        self._tables: list[pa.Table] = []
        self._number = self._first = 0

    def add(self, number: int, table: pa.Table) -> None:
        """Add rows to a table whose number is the last one's or the next."""
        if number != self._number:
            self._close()
            self._number = number
        self._parts.append(table)

    def cut(self, first: int, table: pa.Table, size: int) -> None:
        """Add rows that are numbered from `first` on to the tables of `size` rows that they belong to."""
        at = 0
        while at < len(table):
            number = (first + at) // size
            part = table.slice(at, (number + 1) * size - first - at)
            self.add(number, part)
            at += len(part)

    def _close(self) -> None:
        if self._parts:
            self._tables.append(pa.concat_tables(self._parts).combine_chunks())
            self._parts = []
        if len(self._tables) == TOGETHER:
            self.end()

    def end(self) -> int:
        """Write what is left; give how many tables there are."""
        if self._parts:
            self._close()
        if self._tables:
            about = {"plan": self._plan, "first": self._first}
            name = f"{self._folder}/{self._first // TOGETHER:06d}.parquet"
            self._storage.put_tables(name, self._tables, about)
            self._first += len(self._tables)
            self._tables = []
        return self._first


def numbered(storage: Storage, folder: str, number: int, plan: str) -> pa.Table:
    """One of the tables that `Numbered` wrote."""
    name = f"{folder}/{number // TOGETHER:06d}.parquet"
    file, about = storage.open_table(name)
    with file:
        told_plan(about, plan, f"{storage.place}/{name}")
        return file.read_row_group(number % TOGETHER)


def number_items(
    con: duckdb.DuckDBPyConnection, modality: str, raster: object | None, usual_s: float
) -> int:
    """Make the table `rows_MODALITY` (seq, item) of the rows that have something to be encoded; give how many items.

    Args:
        con: The plan's connection.
        modality: Its name.
        raster: Where climates are looked up; None without one.
        usual_s: Seconds of a span whose end is not known.
    """
    rows = quoted(f"rows_{modality}")
    if modality in NUMERIC:
        con.execute(
            f"CREATE OR REPLACE TABLE {rows} AS SELECT seq, row_number() OVER (ORDER BY seq) - 1 AS item "
            f"FROM ({numbers_of(modality, raster)})"
        )
    else:
        column = quoted(column_of(modality, raster))
        con.execute(
            f"CREATE OR REPLACE TABLE {rows} AS WITH known AS (SELECT {column} AS value, seq FROM "
            f"{whole_values(modality)}), numbered AS (SELECT value, row_number() OVER (ORDER BY min(seq)) - 1 AS item "
            "FROM known GROUP BY 1) SELECT seq, item FROM known JOIN numbered USING (value)"
        )
    if modality == "audio":
        con.execute(
            f"INSERT INTO {rows} SELECT unnest(seqs), item FROM (SELECT seqs, row_number() OVER () - 1 + ? AS item "
            f"FROM ({spans_of(usual_s)}))",
            [first_span(con)],
        )
    return int(con.execute(f"SELECT coalesce(max(item) + 1, 0) FROM {rows}").fetchall()[0][0])


def write_orders(
    con: duckdb.DuckDBPyConnection, job: Job, modality: str, raster: object | None, usual_s: float
) -> None:
    """Write the orders of a modality."""
    out = Numbered(job.storage, f"orders/{modality}", job.plan)
    size = job.items[modality]
    parts = _numbers(con, modality, raster) if modality in NUMERIC else _values(con, modality)
    for first, table in parts:
        out.cut(first, table, size)
    if modality == "audio":
        for number, reading in enumerate(readings(con, usual_s)):
            table = _as_table(number, reading)
            last = reading.number + len(reading.spans) - 1
            for piece in range(reading.number // size, last // size + 1):
                out.add(piece, table)  # one that two pieces share is read for both
    out.end()


def _values(con: duckdb.DuckDBPyConnection, modality: str) -> Iterator[tuple[int, pa.Table]]:
    query = f"SELECT {quoted(modality)} AS value FROM {whole_values(modality)} GROUP BY 1 ORDER BY min(seq)"
    first = 0
    for batch in con.cursor().sql(query).to_arrow_reader(1 << 16):
        item = pa.array(range(first, first + batch.num_rows), pa.int64())
        columns: dict[str, Any] = {"item": item, "value": batch.column(0).cast(pa.string())}
        if modality == "audio":
            for name in ("start", "end", "reading"):
                columns[name] = pa.nulls(len(item), _RECORDINGS.field(name).type)
        yield first, pa.table(columns)
        first += batch.num_rows


def _numbers(
    con: duckdb.DuckDBPyConnection, modality: str, raster: object | None
) -> Iterator[tuple[int, pa.Table]]:
    first = 0
    for batch in con.cursor().sql(numbers_of(modality, raster)).to_arrow_reader(16 * NUMBERS):
        item = pa.array(range(first, first + batch.num_rows), pa.int64())
        columns = {n: batch.column(n) for n in ("latitude", "longitude", "env")}
        if pa.types.is_null(columns["env"].type) or not pa.types.is_list(columns["env"].type):
            columns["env"] = pa.nulls(len(item), pa.list_(pa.float64()))
        for name in ("latitude", "longitude"):
            columns[name] = pc.cast(columns[name], pa.float64())
        yield first, pa.table({"item": item, **columns})
        first += batch.num_rows


def _as_table(number: int, reading: Any) -> pa.Table:
    spans = len(reading.spans)
    return pa.table(
        {
            "item": range(reading.number, reading.number + spans),
            "value": [reading.path] * spans,
            "start": [a for a, _ in reading.spans],
            "end": [b for _, b in reading.spans],
            "reading": [number] * spans,
        },
        _RECORDINGS,
    )
