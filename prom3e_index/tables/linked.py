"""What belongs to the rows of a table, looked up as they are read: their event's cells, and their media."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prom3e_index.tables.media_rows import MediaTable
from prom3e_index.tables.source import Source

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_INHERITED = frozenset(
    "decimallatitude decimallongitude geodeticdatum coordinateuncertaintyinmeters footprintwkt "
    "verbatimlatitude verbatimlongitude verbatimcoordinates eventdate eventtime year month day verbatimeventdate "
    "country countrycode stateprovince locality habitat license rightsholder".split()
)
"""Cells that an event has from the event that it is part of."""
_MOST_LEVELS = 10


class Linked:
    """The tables that belong to another, in a DuckDB that spills to disk.

    Args:
        con: Holds the tables.
        parent: Table of what rows are part of: events; its key's position.
        media: Tables of media.
    """

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        parent: tuple[Source, int] | None,
        media: list[MediaTable],
    ) -> None:
        self.con, self.parent, self.media = con, parent, media
        self.lone = self.shared = 0

    def load(self, keys: Iterable[pa.RecordBatch]) -> None:
        """Read the tables.

        Args:
            keys: A column `key` of the rows, to tell which parents have one row only; read where there are a parent
                and media.
        """
        self.con.execute("CREATE OR REPLACE TEMP TABLE seen (key VARCHAR)")
        self.con.execute("CREATE OR REPLACE TEMP TABLE seen_own (key VARCHAR)")
        if self.parent is not None:
            self._load_parent(*self.parent)
        self.con.execute(
            "CREATE OR REPLACE TEMP TABLE media (extension INT, n BIGINT, of_row VARCHAR, own VARCHAR, link VARCHAR, "
            "kind VARCHAR)"
        )
        for i, table in enumerate(self.media):
            for batch in table.batches(i):
                self._insert("media", batch)
        if self.parent is not None:
            self.con.execute("CREATE OR REPLACE TEMP TABLE keys (key VARCHAR)")
            if self.media:
                for batch in keys:
                    self._insert("keys", batch)
            self.con.execute(
                "CREATE OR REPLACE TEMP TABLE alone AS SELECT key FROM keys GROUP BY key HAVING count(*) = 1"
            )
            unclear = "own IS NULL AND of_row IN (FROM keys) AND of_row NOT IN (FROM alone)"
            self.shared = self._count(f"FROM media WHERE {unclear}")
            self.con.execute(f"DELETE FROM media WHERE {unclear}")
        else:
            self.con.execute("UPDATE media SET own = NULL")
        self.con.execute(
            "CREATE OR REPLACE TEMP TABLE media_of AS SELECT own IS NOT NULL AS is_own, coalesce(own, of_row) AS key, "
            "list(link ORDER BY kind, extension, n) FILTER (kind != 'audio') AS image, "
            "list(link ORDER BY extension, n) FILTER (kind = 'audio') AS audio FROM "
            "(FROM media QUALIFY row_number() OVER (PARTITION BY own, of_row, link ORDER BY extension, n) = 1) "
            "GROUP BY ALL"
        )

    def _load_parent(self, source: Source, key: int) -> None:
        """`parent` (key, a column per cell by its position); what it lacks it has from the event that it is part of."""
        import pyarrow as pa

        names = [f"c{i}" for i in range(len(source.columns))]
        columns = ", ".join(f"{n} VARCHAR" for n in names)
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE parent (n BIGINT, {columns})")
        at = 0
        for batch in source.read(1 << 14):
            numbers = pa.array(range(at, at + batch.num_rows), pa.int64())
            at += batch.num_rows
            self._insert("parent", pa.record_batch([numbers, *batch.columns], ["n", *names]))
        self.con.execute(
            f"CREATE OR REPLACE TEMP TABLE parent AS SELECT c{key} AS key, * FROM parent "
            f"QUALIFY row_number() OVER (PARTITION BY c{key} ORDER BY n) = 1"
        )
        lower = [c.lower() for c in source.columns]
        if "parenteventid" not in lower:
            return
        up = f"c{lower.index('parenteventid')}"
        filled = ", ".join(
            f"coalesce(e.c{i}, p.c{i}) AS c{i}"
            for i, name in enumerate(lower)
            if name in _INHERITED
        )
        if not filled:
            return
        for _ in range(_MOST_LEVELS):
            if not self._count(f"FROM parent e JOIN parent p ON p.key = e.{up}"):
                break
            self.con.execute(
                f"CREATE OR REPLACE TEMP TABLE parent AS SELECT e.* REPLACE ({filled}, p.{up} AS {up}) "
                f"FROM parent e LEFT JOIN parent p ON p.key = e.{up}"
            )

    def cells_of_parent(self, keys: pa.Array) -> list[pa.Array]:
        """The parent's cells of some rows, in its columns' order; null where there is no such parent."""
        assert self.parent is not None
        names = ", ".join(f"p.c{i}" for i in range(len(self.parent[0].columns)))
        found = self._look_up(keys, f"{names} FROM given g LEFT JOIN parent p ON p.key = g.key")
        return [found.column(i).combine_chunks() for i in range(found.num_columns)]

    def media_of(self, keys: pa.Array, own: pa.Array | None) -> list[pa.Array]:
        """Lists of photos and of recordings of some rows, null where there are none; videos are behind photos."""
        import pyarrow.compute as pc

        query = (
            "m.image, m.audio FROM given g LEFT JOIN media_of m ON m.key = g.key AND {} m.is_own"
        )
        found = self._look_up(keys, query.format("NOT"))
        lists = [found.column(i).combine_chunks() for i in range(2)]
        if own is not None and self.parent is not None:
            named = self._look_up(own, query.format(""))
            lists = [pc.coalesce(named.column(i).combine_chunks(), lists[i]) for i in range(2)]
            self._insert("seen_own", _keys(own))
        return lists

    def saw(self, keys: pa.Array) -> None:
        """Note rows, to tell afterwards what belongs to none."""
        self._insert("seen", _keys(keys))

    def found(self, core: str) -> list[str]:
        """Sentences on what belongs to no row, complete once all rows were looked up."""
        said = []
        if self.parent is not None:
            lone = self._count(
                "FROM parent WHERE key NOT IN (SELECT key FROM seen WHERE key NOT NULL)"
            )
            lost = self._count("FROM seen s WHERE NOT EXISTS (FROM parent p WHERE p.key = s.key)")
            rows, parents = self._count("FROM seen"), self._count("FROM parent")
            said.append(
                f"{rows:,} occurrences of {parents:,} {core} rows: each occurrence is a row."
            )
            if lone:
                said.append(f"{lone:,} {core} rows have no occurrence; they give no row.")
            if lost:
                said.append(f"{lost:,} occurrences name no {core} row that is there.")
        if self.shared:
            said.append(
                f"{self.shared:,} media belong to {core} rows with several occurrences, none named; not used."
            )
        lost = self._count(
            "FROM media m WHERE CASE WHEN own IS NULL THEN NOT EXISTS (FROM seen s WHERE s.key = m.of_row) "
            "ELSE NOT EXISTS (FROM seen_own s WHERE s.key = m.own) END"
        )
        for count, what in (
            (lost, "belong to no row of the archive"),
            (sum(m.without_link for m in self.media), "name no file (identifier or accessURI)"),
            (sum(m.other for m in self.media), "are neither photo, sound nor video"),
        ):
            if count:
                said.append(f"{count:,} media rows {what}; not used.")
        return said

    def _look_up(self, keys: pa.Array, query: str) -> pa.Table:
        import pyarrow as pa

        numbers = pa.array(range(len(keys)), pa.int64())
        self.con.register("given", pa.table([numbers, keys.cast(pa.string())], ["n", "key"]))
        try:
            return self.con.sql(f"SELECT {query} ORDER BY g.n").to_arrow_table()
        finally:
            self.con.unregister("given")

    def _insert(self, table: str, batch: pa.RecordBatch) -> None:
        self.con.register("given", batch)
        try:
            self.con.execute(f"INSERT INTO {table} FROM given")
        finally:
            self.con.unregister("given")

    def _count(self, query: str) -> int:
        return int(self.con.execute(f"SELECT count(*) {query}").fetchall()[0][0])


def _keys(keys: pa.Array) -> pa.RecordBatch:
    import pyarrow as pa

    return pa.record_batch([keys.cast(pa.string())], ["key"])
