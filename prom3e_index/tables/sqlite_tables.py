"""Tables of SQLite files, such as those of BirdNET-Pi and Timelapse, read without running anything in them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from prom3e_index.errors import TableError, near_names
from prom3e_index.tables.joined import quoted
from prom3e_index.tables.source import Source, unique_names

if TYPE_CHECKING:
    import pyarrow as pa

_USUAL = ("observations", "detections", "datatable", "occurrence", "occurrences", "records")


def sqlite_files(path: Path) -> list[Path]:
    """The file and its log, where there is one."""
    log = path.with_name(path.name + "-wal")
    return [path, log] if log.is_file() and log.stat().st_size else [path]


def open_sqlite(path: Path, table: str | None = None) -> Source:
    """A row for each row of one stored table, in the order of its row numbers.

    It is `table`, else the only one, else the one of a usual name (`observations`, BirdNET-Pi's `detections`,
    Timelapse's `DataTable`). Views and virtual tables are not run.

    Raises:
        TableError: No SQLite file, no such table, or a view of that name.
    """
    con = _connect(path)
    try:
        stored, views = _tables(con)
        wanted = _choose(path, stored, views, table)
        columns = [
            str(r[1]) for r in con.execute(f"PRAGMA table_info({quoted(wanted)})").fetchall()
        ]
        rows = int(con.execute(f"SELECT count(*) FROM {quoted(wanted)}").fetchone()[0])
    except (sqlite3.Error, UnicodeError) as e:
        raise TableError(f"{path} cannot be read as SQLite: {e}.") from e
    finally:
        con.close()
    said = []
    others = [n for n in stored if n != wanted]
    if others:
        said.append(
            f"Table {wanted!r} is read, not {', '.join(others)}; to read another name PATH::TABLE."
        )
    names = unique_names(columns)

    def read(size: int) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        con = _connect(path)
        try:
            cells = ", ".join(map(quoted, columns))
            found = con.execute(f"SELECT {cells} FROM {quoted(wanted)}")
            while part := found.fetchmany(size):
                yield pa.RecordBatch.from_arrays(
                    [
                        pa.array([_text(r[i]) for r in part], pa.string())
                        for i in range(len(columns))
                    ],
                    names=names,
                )
        except (sqlite3.Error, UnicodeError) as e:
            raise TableError(f"{path}, table {wanted!r}, cannot be read: {e}.") from e
        finally:
            con.close()

    return Source("sqlite", names, path.parent, read, {"rows": rows, "table": wanted}, said)


def _connect(path: Path) -> sqlite3.Connection:
    still = "" if len(sqlite_files(path)) > 1 else "&immutable=1"
    con = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro{still}", uri=True)
    con.text_factory = lambda b: b.decode("utf-8", "replace")
    con.execute("PRAGMA trusted_schema = OFF")
    con.execute("PRAGMA cell_size_check = ON")
    con.set_authorizer(_allowed)
    return con


def _allowed(action: int, first: str | None, *_: Any) -> int:
    if action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ):
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_FUNCTION:
        return sqlite3.SQLITE_OK if _ and _[0] == "count" else sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_PRAGMA:
        return sqlite3.SQLITE_OK if first == "table_info" else sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_DENY


def _tables(con: sqlite3.Connection) -> tuple[list[str], list[str]]:
    """Names of stored tables, and of what would be run: views and virtual tables."""
    found = con.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
    tables = [(str(n), str(sql or "")) for kind, n, sql in found if kind == "table"]
    run = [n for n, sql in tables if sql.lstrip().upper().startswith("CREATE VIRTUAL")]
    run += [str(n) for kind, n, _ in found if kind == "view"]
    stored = [n for n, _ in tables if n not in run and not n.startswith("sqlite_")]
    return sorted(stored), run


def _choose(path: Path, stored: list[str], views: list[str], wanted: str | None) -> str:
    if wanted in views:
        raise TableError(
            f"{path}: {wanted!r} is a view or virtual table, which is not run. Store it as a table first."
        )
    lower = {n.lower(): n for n in stored}
    chosen = wanted or (
        stored[0] if len(stored) == 1 else next((lower[n] for n in _USUAL if n in lower), None)
    )
    if chosen not in stored:
        near = near_names(chosen, stored) if chosen else ""
        missing = f", not {chosen!r}" if chosen else ""
        raise TableError(
            f"{path} has the tables {', '.join(stored) or '(none)'}{missing}{near}; name one as PATH::TABLE."
        )
    return chosen


def _text(cell: Any) -> str | None:
    if cell is None or isinstance(cell, bytes):
        return None
    return repr(cell) if isinstance(cell, float) else str(cell)
