"""A raw table: its cells in batches, in the order of the file, and what is to be said of how it was read."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prom3e_index.errors import TableError

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

MOST_COLUMNS = 5000


@dataclass
class Source:
    """A raw table.

    Attributes:
        format: One of `FORMATS`.
        columns: Column names of the batches, in their order.
        media: Folder that relative media paths start from.
        read: Gives the cells in batches of at most that many rows, in the order of the file. Cells are text, or what
            the format types them as; a cell of media may be a list of paths.
        facts: What was found out about the file, by name: `encoding`, `delimiter`, `rows` (records in the file, those
            that were rejected included; filled by reading to the end).
        said: Sentences on how the file was read that a user should see; complete once it is read.
        rejected: (line or None, reason) of records that gave no row; complete once it is read.
        origin: Column → where its cells stand in the file, of columns that the reader makes of others.
        citations: How it asks to be cited, a line each.
        keep: What must live as long as the source (a connection, a temporary folder).
    """

    format: str
    columns: list[str]
    media: Path
    read: Callable[[int], Iterator[pa.RecordBatch]]
    facts: dict[str, Any] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    _: KW_ONLY
    rejected: list[tuple[int | None, str]] = field(default_factory=list)
    origin: dict[str, str] = field(default_factory=dict)
    citations: list[str] = field(default_factory=list)
    keep: list[Any] = field(default_factory=list)

    def batches(self, rows: int = 4096) -> Iterator[pa.RecordBatch]:
        """The cells, from the start.

        Raises:
            TableError: The table is damaged.
        """
        with readable(f"The table ({self.format})"):
            yield from self.read(rows)


def from_query(
    format: str,
    con: duckdb.DuckDBPyConnection,
    query: str,
    params: list[Any],
    columns: list[str],
    media: Path,
    keep: list[Any],
) -> Source:
    """A source that is one DuckDB query, whose rows come in the order of the file.

    Lines that could not be split into columns are `rejected` once it is read.
    """

    def read(rows: int) -> Iterator[pa.RecordBatch]:
        source.rejected.clear()
        yield from con.sql(query, params=params).to_arrow_reader(rows)
        source.rejected.extend(_unsplit(con))

    source = Source(format, columns, media, read, keep=[*keep, con])
    return source


def _unsplit(con: duckdb.DuckDBPyConnection) -> Iterator[tuple[int, str]]:
    noted = con.execute(
        "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'reject_errors'"
    ).fetchall()
    if not noted[0][0]:
        return
    found = con.execute(
        "SELECT line, string_agg(DISTINCT error_message, '; ') FROM reject_errors "
        "GROUP BY line ORDER BY line"
    ).fetchall()
    for line, reason in found:
        yield int(line), str(reason).replace("\n", " ")


def connect(*files: Path, attach: str | None = None) -> tuple[duckdb.DuckDBPyConnection, list[Any]]:
    """An in-memory DuckDB that reads the given files and nothing else, and what must live as long.

    It installs and loads no extension, and spills to a folder of its own. Whatever a file holds, no query on this
    connection can open another file or address.

    Args:
        files: What `read_csv` and `read_parquet` may open.
        attach: A DuckDB file to attach read-only as `given` first.
    """
    import duckdb

    spill = tempfile.TemporaryDirectory(prefix="prom3e-spill-")
    con = duckdb.connect(
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "memory_limit": "2GB",
            "preserve_insertion_order": "true",
            "temp_directory": spill.name,
        }
    )
    if attach is not None:
        con.execute(f"ATTACH {text_literal(attach)} AS given (READ_ONLY)")
    con.execute(f"SET allowed_paths = [{', '.join(text_literal(checked(f)) for f in files)}]")
    con.execute("SET enable_external_access = false")
    con.execute("SET lock_configuration = true")
    return con, [spill]


def text_literal(value: str) -> str:
    """A text as SQL."""
    return "'" + value.replace("'", "''") + "'"


def unique_names(names: Iterable[str]) -> list[str]:
    """Column names, one that differs from an earlier one by case only gets `_` at its end.

    Raises:
        TableError: There are more than `MOST_COLUMNS`.
    """
    given = list(names)
    if len(given) > MOST_COLUMNS:
        raise TableError(
            f"The table has {len(given):,} columns; at most {MOST_COLUMNS:,} are read. Keep those that are needed."
        )
    out: list[str] = []
    taken: set[str] = set()
    tails: dict[str, int] = {}
    for name in given:
        key = name.lower()
        tail = tails.get(key, 0)
        while key + "_" * tail in taken:
            tail += 1
        tails[key] = tail + 1
        taken.add(key + "_" * tail)
        out.append(name + "_" * tail)
    return out


def check_encoding(what: str, encoding: str | None) -> None:
    """Refuse an encoding that a user names for what says its own."""
    if encoding is not None:
        raise TableError(f"{what} says its own encoding; leave --encoding out.")


@contextmanager
def readable(what: str) -> Iterator[None]:
    """Turn DuckDB's and Arrow's complaints about `what` into `TableError`s of one line."""
    try:
        yield
    except TableError:
        raise
    except Exception as e:
        if type(e).__module__.partition(".")[0] not in ("duckdb", "_duckdb", "pyarrow"):
            raise
        raise TableError(f"{what} cannot be read: {str(e).splitlines()[0]}") from e


def checked(path: Path) -> str:
    """Give a path as DuckDB reads it, absolute; glob characters would mean other files."""
    if any(c in str(path) for c in "*?["):
        raise TableError(
            f"{path} has *, ? or [ in its name, which DuckDB reads as a pattern; rename it."
        )
    return str(path.absolute())
