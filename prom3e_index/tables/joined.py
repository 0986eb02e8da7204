"""Tables of one data set, gathered in one locked database and joined there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prom3e_index.schema import quoted as quoted
from prom3e_index.tables.source import Source, connect

if TYPE_CHECKING:
    import pyarrow as pa

NUMBER = '"row of the file"'


class Joined:
    """A database of the tables of one data set.

    Attributes:
        con: The database; it reads no file.
        said: Sentences on the tables that were stored, each with its name before it.
        rejected: (line or None, reason) of their records that gave no row.
        columns: Table → its columns by their name in lower case without `_`.
        origin: See `Source`.
    """

    def __init__(self) -> None:
        self.con, self.keep = connect()
        self.said: list[str] = []
        self.rejected: list[tuple[int | None, str]] = []
        self.columns: dict[str, dict[str, str]] = {}
        self.origin: dict[str, str] = {}

    def add(self, name: str, sources: Mapping[str, Source]) -> None:
        """Store the cells of some sources as one table; columns are matched by name, rows numbered in their order.

        Args:
            name: Of the table.
            sources: File name → its source.
        """
        known: dict[str, str] = {}
        into = {label: _matched(source.columns, known) for label, source in sources.items()}
        self.columns[name] = known
        cells = "".join(f", {quoted(c)} VARCHAR" for c in known.values())
        self.con.execute(f"CREATE TEMP TABLE {quoted(name)} ({NUMBER} BIGINT{cells})")
        for label, source in sources.items():
            self._store(name, source, into[label])
            self.said += [f"{label}: {s}" for s in source.said]
            self.rejected += [(line, f"{label}: {reason}") for line, reason in source.rejected]

    def _store(self, name: str, source: Source, into: list[str]) -> None:
        import pyarrow as pa

        schema = pa.schema([(c, pa.string()) for c in into])

        def batches() -> Iterator[pa.RecordBatch]:
            for batch in source.batches():
                yield pa.RecordBatch.from_arrays(
                    [a.cast(pa.string()) for a in batch], schema=schema
                )

        before = self.count(name)
        self.con.register("incoming", pa.RecordBatchReader.from_batches(schema, batches()))
        names = ", ".join(map(quoted, into))
        self.con.execute(
            f"INSERT INTO {quoted(name)} ({NUMBER}, {names}) "
            f"SELECT {before} + row_number() OVER (), {names} FROM incoming"
        )
        self.con.unregister("incoming")

    def rows(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Store rows of text as a table."""
        import pyarrow as pa

        cells = zip(*rows, strict=True) if rows else [()] * len(columns)
        given = pa.table({c: pa.array(v, pa.string()) for c, v in zip(columns, cells, strict=True)})
        self.columns[name] = {c.lower().replace("_", ""): c for c in columns}
        self.con.register("incoming", given)
        self.con.execute(
            f"CREATE TEMP TABLE {quoted(name)} AS SELECT row_number() OVER () AS {NUMBER}, * FROM incoming"
        )
        self.con.unregister("incoming")

    def has(self, table: str, *names: str) -> str | None:
        """The first of some columns that a table has, as SQL; None when it has none."""
        known = self.columns.get(table, {})
        found = (
            known[n.lower().replace("_", "")] for n in names if n.lower().replace("_", "") in known
        )
        return next((quoted(n) for n in found), None)

    def cell(self, table: str, alias: str, *names: str) -> str:
        """SQL of the cell of the first of some columns, NULL where it is blank or absent."""
        found = self.has(table, *names)
        return f"nullif(trim({alias}.{found}), '')" if found else "CAST(NULL AS VARCHAR)"

    def comes(self, column: str, table: str, *names: str) -> None:
        """Note that a column of the rows is made of those of some columns that a table has."""
        known = self.columns.get(table, {})
        own = [known[k] for n in names if (k := n.lower().replace("_", "")) in known]
        if own:
            self.origin[column] = f"{' + '.join(own)} ({table})"

    def count(self, table: str, where: str = "true") -> int:
        """How many rows of a table are so."""
        found = self.con.execute(f"SELECT count(*) FROM {quoted(table)} WHERE {where}").fetchall()
        return int(found[0][0])

    def source(
        self, format: str, query: str, media: Path, facts: dict[str, Any], keep: list[Any]
    ) -> Source:
        """A source that is one query on the tables, whose rows come in the order it says."""
        columns = [str(d[0]) for d in self.con.execute(f"DESCRIBE {query}").fetchall()]

        def read(rows: int) -> Iterator[pa.RecordBatch]:
            yield from self.con.sql(query).to_arrow_reader(rows)

        kept = [*self.keep, *keep, self]
        return Source(
            format,
            columns,
            media,
            read,
            facts,
            self.said,
            rejected=self.rejected,
            origin=self.origin,
            keep=kept,
        )


def _matched(columns: Sequence[str], known: dict[str, str]) -> list[str]:
    """The name in a joint table of each column of one file; new ones are added to `known`."""
    used: set[str] = set()
    out: list[str] = []
    for column in columns:
        key = column.lower().replace("_", "")
        while key in used:
            key += "_"
        used.add(key)
        out.append(known.setdefault(key, column))
    return out
