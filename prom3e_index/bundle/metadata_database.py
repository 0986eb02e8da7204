"""The metadata of all segments as one database, read only, without access to any other file.

A segment's `metadata.duckdb` may come from anyone. It is attached with extensions off, access to files is taken away
and the settings are locked before anything in it is read, and one that holds more than our own tables is refused.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.eligible import eligible_rows
from prom3e_index.bundle.filters import Filter
from prom3e_index.bundle.held_files import CLOSED, free_descriptors
from prom3e_index.bundle.known_taxa import KnownTaxon, known_taxa
from prom3e_index.bundle.segment_views import (
    Columns,
    create_views,
    first_columns,
    held_columns,
    together,
)
from prom3e_index.bundle.taxa import sorted_tables, unknown_taxon
from prom3e_index.errors import BundleError

if TYPE_CHECKING:
    import duckdb

OURS = ("observations", "lost", "rejected", "by_place", "by_taxon", "taxa")
"""Tables of a segment."""
ATTACHED = 128
"""Most databases that one connection keeps attached, if half of what the process may open suffices for them; the
smallest of further ones are copied into memory, without the tables sorted by place and taxon."""
NAMES_KEPT = 4096
"""Names of which the taxa are kept: whoever asks chooses them."""
_LIMITS = {
    "autoload_known_extensions": "false",
    "autoinstall_known_extensions": "false",
    "memory_limit": "2GB",
}
_FOREIGN = {
    "view": "SELECT database_name, view_name FROM duckdb_views() WHERE NOT internal",
    "schema": "SELECT database_name, schema_name FROM duckdb_schemas() WHERE schema_name != 'main' AND NOT internal",
    "macro": "SELECT database_name, function_name FROM duckdb_functions() WHERE NOT internal",
    "sequence": "SELECT database_name, sequence_name FROM duckdb_sequences()",
    "type": "SELECT database_name, type_name FROM duckdb_types() WHERE NOT internal",
    "index": "SELECT database_name, index_name FROM duckdb_indexes()",
    "table": f"SELECT database_name, table_name FROM duckdb_tables() WHERE table_name NOT IN {OURS}",
    "computed column": "SELECT database_name, table_name || '.' || column_name FROM duckdb_columns() "
    "WHERE NOT internal AND column_default IS NOT NULL",
}


def connect_segments(
    databases: Sequence[Path],
    firsts: Sequence[int],
    *,
    columns: Columns | None = None,
    out: Path | None = None,
) -> tuple[duckdb.DuckDBPyConnection, Columns]:
    """Attach the metadata of segments, check them, and show their tables as one; see `create_views`.

    Args:
        databases: The segments' `metadata.duckdb`.
        firsts: Row number of each one's first row.
        columns: Metadata columns, as the manifest has them; others are as the first segments have them.
        out: A new database to be attached as `out` for writing; files can then be written beside it, nowhere else.

    Returns:
        The connection, and the metadata columns.

    Raises:
        BundleError: A database that cannot be read, or holds anything but our tables.
        FileNotFoundError: One is not there.
    """
    import duckdb

    limits = dict(_LIMITS)
    if out is not None:
        limits["temp_directory"] = str(out.parent / "spill")
    con = duckdb.connect(config=limits)
    at: Path | None = None
    try:
        room = max(1, min(ATTACHED, free_descriptors() // 2))
        order = sorted(range(len(databases)), key=lambda i: -databases[i].stat().st_size)
        kept, copied = sorted(order[:room]), sorted(order[room:])
        shown: dict[str, int] = {}
        if copied:
            columns = _columns_of(con, databases, room, columns or {})
            shown = _copied(con, databases, firsts, copied, room, columns)
        for i in kept:
            at = databases[i]
            _attach(con, at, f"s{i}")
        at = None
        if out is not None:
            con.execute(f"ATTACH {_text(out.absolute())} AS out (TYPE duckdb)")
            con.execute(f"SET allowed_directories = [{_text(f'{out.parent.absolute()}/')}]")
        con.execute("SET enable_external_access = false")
        con.execute("SET lock_configuration = true")
        _refuse_foreign(con, {f"s{i}": databases[i] for i in kept})
        columns = create_views(con, {f"s{i}": firsts[i] for i in kept} | shown, columns)
    except (duckdb.Error, OSError, UnicodeDecodeError) as e:
        con.close()
        lacking = next((p for p in databases if not p.exists()), None)
        if lacking is not None:
            raise FileNotFoundError(lacking) from e
        raise BundleError(
            f"{at or databases[0]} cannot be opened: {str(e).splitlines()[0]} Restore the index from a "
            "copy, or build it again."
        ) from e
    except BaseException:
        con.close()
        raise
    return con, columns


def _attach(con: duckdb.DuckDBPyConnection, path: Path, name: str) -> None:
    con.execute(f"ATTACH {_text(path.absolute())} AS {name} (READ_ONLY, TYPE duckdb)")


def _batches(
    con: duckdb.DuckDBPyConnection, databases: Sequence[Path], chosen: Sequence[int], room: int
) -> Iterator[list[int]]:
    """Some databases attached as `c0`, `c1`, …, checked, no more at a time than there is room for."""
    for at in range(0, len(chosen), room):
        batch = list(chosen[at : at + room])
        for i in batch:
            _attach(con, databases[i], f"c{i}")
        _refuse_foreign(con, {f"c{i}": databases[i] for i in batch})
        yield batch
        for i in batch:
            con.execute(f"DETACH c{i}")


def _columns_of(
    con: duckdb.DuckDBPyConnection, databases: Sequence[Path], room: int, known: Columns
) -> Columns:
    held = []
    for batch in _batches(con, databases, range(len(databases)), room):
        found = held_columns(con)
        held += [found.get(f"c{i}", {}) for i in batch]
    return first_columns(held, known)


def _copied(
    con: duckdb.DuckDBPyConnection,
    databases: Sequence[Path],
    firsts: Sequence[int],
    chosen: Sequence[int],
    room: int,
    columns: Columns,
) -> dict[str, int]:
    """Copy observations, losses and refusals of some databases into memory; give the names of the copies."""
    shown: dict[str, int] = {}
    for batch in _batches(con, databases, chosen, room):
        name = f"m{len(shown)}"
        con.execute(f"ATTACH ':memory:' AS {name}")
        for table in ("observations", "lost", "rejected"):
            query = together(con, table, {f"c{i}": firsts[i] for i in batch}, columns)
            con.execute(f"CREATE TABLE {name}.main.{table} AS {query}")
        shown[name] = 0
    return shown


def _text(value: str | Path) -> str:
    """An SQL string."""
    return "'" + str(value).replace("'", "''") + "'"


def _refuse_foreign(con: duckdb.DuckDBPyConnection, paths: Mapping[str, Path]) -> None:
    """Refuse databases that hold something else than our tables; nothing of theirs is run for it."""
    for kind, query in _FOREIGN.items():
        for database, name in con.execute(query).fetchall():
            if database in paths:
                raise BundleError(
                    f"{paths[database]} holds the {kind} {name!r}, which no index has: it was changed by another "
                    "program. Restore the index from a copy, or build it again."
                )


class _Asking:
    """What a thread that can be stopped has asked."""

    def __init__(self) -> None:
        self.stopped, self.over = False, threading.Event()
        self.cursors: list[duckdb.DuckDBPyConnection] = []

    def interrupt(self) -> None:
        """Interrupt it until it is over: what comes before a query has begun is lost on DuckDB."""
        import duckdb

        while not self.over.is_set():
            for cursor in self.cursors:
                with suppress(duckdb.Error):  # it was closed
                    cursor.interrupt()
            self.over.wait(0.02)


class MetadataDatabase:
    """What filters and hits ask about the observations. Any number of threads may ask.

    Attributes:
        metadata_columns: The columns that are no fields, with their types; see `segment_views.Columns`.
        counted: How many rows a group of `named` stands for, in SQL.
    """

    counted = "count(*)"

    def __init__(
        self,
        databases: Sequence[Path],
        firsts: Sequence[int],
        places: int,
        removed: NDArray[np.bool_] | None,
        columns: Columns | None,
    ) -> None:
        import pyarrow as pa

        self._places, self._removed, self._closed = places, removed, False
        self._lock = threading.Lock()
        self._own = threading.local()
        self._checked: set[str] = set()
        self._known: dict[str, list[KnownTaxon]] = {}
        self._connection, self.metadata_columns = connect_segments(
            databases, firsts, columns=columns
        )
        live = ""
        if removed is not None:
            self._connection.register("gone", pa.table({"row": np.flatnonzero(removed)}))
            self._connection.execute("CREATE TABLE removed AS SELECT row FROM gone")
            self._connection.unregister("gone")
            live = " ANTI JOIN removed USING (row)"
        self._connection.execute(f"CREATE VIEW observations AS SELECT * FROM every{live}")

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A cursor for one thread.

        Raises:
            BundleError: The index was closed, or what the thread asks was stopped.
        """
        asking: _Asking | None = getattr(self._own, "asking", None)
        with self._lock:
            if self._closed or (asking is not None and asking.stopped):
                raise BundleError(CLOSED)
            cursor = self._connection.cursor()
            if asking is not None:
                asking.cursors.append(cursor)
            return cursor

    def named(self) -> duckdb.DuckDBPyConnection:
        """A cursor whose `observations` has at least the columns that name taxa, and every combination of names."""
        return self.cursor()

    @contextmanager
    def stoppable(self) -> Iterator[Callable[[], None]]:
        """Give what stops, called by another thread, whatever this one asks within: its queries fail then."""
        asking = self._own.asking = _Asking()

        def stop() -> None:
            with self._lock:
                asking.stopped = True
            threading.Thread(target=asking.interrupt, daemon=True).start()

        try:
            yield stop
        finally:
            self._own.asking = None
            asking.over.set()

    def sql(self, query: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a read-only query over `observations`, `lost` and `rejected`."""
        return [tuple(r) for r in self.cursor().execute(query, list(params)).fetchall()]

    @contextmanager
    def reader(self, query: str, rows: int = 4096) -> Iterator[Any]:
        """Arrow batches of a read-only query, so that a large result is never whole in memory."""
        cursor = self.cursor()
        try:
            yield cursor.sql(query).to_arrow_reader(rows)
        finally:
            cursor.close()

    @cached_property
    def columns(self) -> list[str]:
        """Columns of the observations table."""
        return [str(r[0]) for r in self.sql("DESCRIBE observations")]

    @cached_property
    def sorted_tables(self) -> frozenset[str]:
        """What every segment has sorted; see `taxa.sorted_tables`."""
        return sorted_tables(self.cursor())

    def eligible(self, f: Filter) -> NDArray[np.int64] | None:
        """Rows that satisfy a filter, ascending; None when there is no filter; see `eligible_rows`."""
        return eligible_rows(
            self.cursor(),
            f,
            self.columns,
            self.sorted_tables,
            self._places,
            self._removed,
            self._checked,
        )

    def unknown_taxon(self, name: str) -> str:
        """Advice for a taxon that no observation has: the nearest names, or an empty string."""
        return unknown_taxon(self.cursor(), name, self.columns, self.sorted_tables)

    def known_taxa(self, name: str, several: bool = False) -> list[KnownTaxon]:
        """The taxa that a name is of, those of most observations first; see `known_taxa`."""
        found = self._known.get(name)
        if found is None:
            found = known_taxa(self.cursor(), name, self.columns, self.sorted_tables, several)
            if len(self._known) >= NAMES_KEPT:
                self._known.clear()
            self._known[name] = found
        return found

    def close(self) -> None:
        """Close the databases."""
        with self._lock:
            self._closed = True
            self._connection.close()
