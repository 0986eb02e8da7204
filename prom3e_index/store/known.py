"""What a head tells of all rows of a store: counts, bounds, and the names of its taxa, asked by DuckDB in memory."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any

from prom3e_index.bundle.held_files import CLOSED
from prom3e_index.bundle.known_taxa import KnownTaxon, known_taxa
from prom3e_index.bundle.metadata_database import NAMES_KEPT
from prom3e_index.bundle.segment_views import IS_PART
from prom3e_index.bundle.taxa import SPECIES, quoted, unknown_taxon
from prom3e_index.errors import BundleError, InputError, StoreError
from prom3e_index.schema import RANKS
from prom3e_index.store.head import folder_needed

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb
    import pyarrow as pa

NAMES = (*RANKS, "scientific_name", "common_name", SPECIES, "text")
"""Columns that name a taxon."""
_TYPE = re.compile(r"[A-Z][A-Z0-9_ ]{0,60}(\(\d{1,3}(, ?\d{1,3})?\))?(\[\d{0,9}\])*")
_BOUNDS = ("west", "south", "east", "north", "first", "last")
_EDGES = (
    ("longitude", "min"),
    ("latitude", "min"),
    ("longitude", "max"),
    ("latitude", "max"),
    ("event_start", "min"),
    ("event_end", "max"),
)


class Summary:
    """Counts of rows without a value, licences, and bounds of places and days.

    The bounds only widen: what was removed may have been at their edge.
    """

    def __init__(self, held: Mapping[str, Any] | None = None, rows: int = 0) -> None:
        held = held or {}
        self.rows = rows
        self._present = Counter({k: int(v) for k, v in held.get("present", {}).items()})
        self._licences: Counter[str | None] = Counter()
        for text, count in held.get("licences", ()):
            self._licences[text] += int(count)
        self._bounds: dict[str, Any] = dict(held.get("bounds", {}))
        self._taxa = Counter({tuple(line[:-2]): int(line[-2]) for line in held.get("taxa", ())})
        self._whole = Counter({tuple(line[:-2]): int(line[-1]) for line in held.get("taxa", ())})

    def count(self, con: duckdb.DuckDBPyConnection, table: pa.Table, sign: int = 1) -> None:
        """Add rows by their columns, or with −1 take them away; `con` is a connection of its own."""
        names = table.column_names
        con.register("counted", table)
        present = ", ".join(f"count({quoted(n)})" for n in names)
        (found,) = con.execute(f"SELECT {present} FROM counted").fetchall()
        self.rows += sign * table.num_rows
        for name, value in zip(names, found, strict=True):
            self._present[name] += sign * int(value)
        licence = "license" if "license" in names else "NULL::VARCHAR"
        for text, value in con.execute(
            f"SELECT {licence}, count(*) FROM counted GROUP BY 1"
        ).fetchall():
            self._licences[text] += sign * int(value)
        cells = ", ".join(quoted(n) if n in names else "NULL::VARCHAR" for n in NAMES)
        whole = f"count_if(NOT coalesce({IS_PART}, false))" if IS_PART in names else "count(*)"
        query = f"SELECT {cells}, count(*), {whole} FROM counted GROUP BY ALL"
        for line in con.execute(query).fetchall():
            self._taxa[line[:-2]] += sign * int(line[-2])
            self._whole[line[:-2]] += sign * int(line[-1])
        if sign > 0:
            bounds = [f"{how}({c})" for c, how in _EDGES if c in names]
            held = [b for b, (c, _) in zip(_BOUNDS, _EDGES, strict=True) if c in names]
            (edges,) = (
                con.execute(f"SELECT {', '.join(bounds)} FROM counted").fetchall()
                if bounds
                else [()]
            )
            self._widen(zip(held, edges, strict=True))
        con.unregister("counted")

    def _widen(self, edges: Iterable[tuple[str, Any]]) -> None:
        for bound, value in edges:
            if value is not None:
                value = str(value) if isinstance(value, date) else value
                now = self._bounds.get(bound)
                better = min if bound in ("west", "south", "first") else max
                self._bounds[bound] = value if now is None else better(now, value)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "present": {k: v for k, v in sorted(self._present.items()) if v},
            "licences": [[k, v] for k, v in sorted(self._licences.items(), key=str) if v],
            "bounds": dict(sorted(self._bounds.items())),
            "taxa": [[*k, v, self._whole[k]] for k, v in sorted(self._taxa.items(), key=str) if v],
        }

    def lacking(self, column: str) -> int:
        """Rows without a value of a column."""
        return self.rows - self._present[column]

    @property
    def licences(self) -> list[tuple[str | None, int]]:
        """Texts and their rows."""
        return [(text, count) for text, count in self._licences.items() if count]

    @property
    def days(self) -> list[tuple[date | None, date | None]]:
        """The first and the last day."""
        found = [self._bounds.get(b) for b in ("first", "last")]
        first, last = (None if d is None else date.fromisoformat(d) for d in found)
        return [(first, last)]

    @property
    def extent(self) -> list[tuple[Any, ...]]:
        """West, south, east, north."""
        return [tuple(self._bounds.get(b) for b in ("west", "south", "east", "north"))]

    def names(self) -> pa.Table:
        """Each combination of names, with its `rows` and `observations`."""
        import pyarrow as pa

        lines = [(*k, v, self._whole[k]) for k, v in self._taxa.items() if v]
        columns = list(zip(*lines, strict=True)) or [()] * (len(NAMES) + 2)
        kinds = [pa.string()] * len(NAMES) + [pa.int64()] * 2
        arrays = [pa.array(c, k) for c, k in zip(columns, kinds, strict=True)]
        return pa.Table.from_arrays(arrays, names=[*NAMES, "rows", "observations"])


def table_connection(types: Mapping[str, str]) -> duckdb.DuckDBPyConnection:
    """DuckDB in memory, without access to files, with an empty table `observations`, also called `every`."""
    import duckdb

    con = duckdb.connect(config={"autoload_known_extensions": "false"})
    con.execute("SET enable_external_access = false")
    cells = ", ".join(f"{quoted(n)} {safe_type(kind)}" for n, kind in types.items())
    try:
        con.execute(f"CREATE TABLE observations ({cells})")
    except duckdb.Error as e:
        raise StoreError(
            f"The store's columns are none: {str(e).splitlines()[0]:.200} Push the index again."
        ) from e
    con.execute("CREATE VIEW every AS SELECT * FROM observations")
    return con


def safe_type(kind: str) -> str:
    """A type as SQL; text in place of what is none, or is one that no cell of a store has."""
    return kind if _TYPE.fullmatch(kind) else "VARCHAR"


def fill(
    con: duckdb.DuckDBPyConnection, types: Mapping[str, str], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Write rows into the table of `table_connection`."""
    import pyarrow as pa

    con.register(
        "fetched",
        pa.table({n: pa.array([r[n] for r in rows], from_pandas=False) for n in types}),
    )
    cells = ", ".join(f"CAST({quoted(n)} AS {safe_type(kind)})" for n, kind in types.items())
    con.execute(f"INSERT INTO observations SELECT {cells} FROM fetched")
    con.unregister("fetched")


class HeadMetadata:
    """What a store answers of its columns and names; anything else that a folder's tables tell is refused.

    Attributes:
        metadata_columns: Columns that are no fields.
        counted: How many rows a group of `named` stands for, in SQL.
        sorted_tables: As a folder's; names are looked for in all combinations of them.
    """

    counted = "sum(rows)"
    sorted_tables = ()

    def __init__(
        self,
        types: Mapping[str, str],
        summary: Summary,
        store: str,
        manifest: Mapping[str, Any],
    ) -> None:
        import duckdb

        self._store, self._summary, self._manifest = store, summary, manifest
        self._connection = table_connection(types)
        self._names = duckdb.connect(config={"autoload_known_extensions": "false"})
        self._names.register("given", summary.names())
        held = [n for n in NAMES if n in types]
        shown = ", ".join(map(quoted, held)) or "NULL AS none"
        self._names.execute(
            f"CREATE TABLE observations AS SELECT {shown}, rows, observations FROM given"
        )
        self._names.unregister("given")
        self.columns, self._held = list(types), held
        self.metadata_columns: dict[str, Any] = {}
        self._known: dict[tuple[str, bool], list[KnownTaxon]] = {}
        self._own = threading.local()
        self._lock, self._closed = threading.Lock(), False

    def _cursor(self, con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
        with self._lock:
            if self._closed:
                raise BundleError(CLOSED)
            return con.cursor()

    def typed(self) -> duckdb.DuckDBPyConnection:
        """A cursor where `observations` has the columns of the store, and no row."""
        return self._cursor(self._connection)

    def named(self) -> duckdb.DuckDBPyConnection:
        """A cursor whose `observations` has every combination of names, and how many rows have it."""
        return self._cursor(self._names)

    @contextmanager
    def stoppable(self) -> Iterator[Callable[[], None]]:
        """Give what stops, called by another thread, what this one asks of the store within: `go_on` fails then."""
        stopped = self._own.stopped = threading.Event()
        try:
            yield stopped.set
        finally:
            self._own.stopped = None

    def go_on(self) -> None:
        """Between two parts of what is asked.

        Raises:
            StoreError: It was stopped: nobody waits for it any more.
        """
        stopped: threading.Event | None = getattr(self._own, "stopped", None)
        if stopped is not None and stopped.is_set():
            raise StoreError(f"What was asked of {self._store} was stopped.")

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Refused: a store has no tables.

        Raises:
            InputError: Always.
        """
        raise self.refused("SQL over all observations")

    def refused(self, what: str) -> InputError:
        """The error of what only a folder can do."""
        return folder_needed(what, self._store, self._manifest)

    def sql(self, query: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Refused, as `cursor`."""
        raise self.refused("SQL over all observations")

    @contextmanager
    def reader(self, query: str, rows: int = 4096) -> Iterator[Any]:
        """Refused, as `cursor`."""
        raise self.refused("SQL over all observations")
        yield

    def unknown_taxon(self, name: str) -> str:
        """Advice for a taxon that no observation has."""
        return unknown_taxon(self.named(), name, self._held, ())

    def known_taxa(self, name: str, several: bool = False) -> list[KnownTaxon]:
        """The taxa that a name is of, those of most observations first."""
        asked = (name, several)
        found = self._known.get(asked)
        if found is None:
            counted = f"CAST(sum({'observations' if several else 'rows'}) AS BIGINT) AS count"
            found = known_taxa(self.named(), name, self._held, (), several, counted)
            if len(self._known) >= NAMES_KEPT:
                self._known.clear()
            self._known[asked] = found
        return found

    def close(self) -> None:
        """Let go of the databases."""
        with self._lock:
            self._closed = True
            self._connection.close()
            self._names.close()
