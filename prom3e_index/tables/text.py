"""A raw table as a DuckDB query, and the reading of delimited text."""

from __future__ import annotations

import csv
import gzip
import io
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prom3e_index.errors import TableError

if TYPE_CHECKING:
    import duckdb

_SNIFF = 16 << 20
_HEADER = 1 << 20
MOST_COLUMNS = 5000


@dataclass
class Source:
    """A raw table.

    Attributes:
        format: One of `FORMATS`.
        connection: Private DuckDB connection.
        query: SELECT of all raw cells, in the order of the file.
        params: Its parameters.
        columns: Column names of the query.
        media: Folder that relative media paths start from.
        complete: Adds to a raw row what the format keeps elsewhere (file names by id).
        keep: What must live as long as the source (a temporary folder).
    """

    format: str
    connection: duckdb.DuckDBPyConnection
    query: str
    params: list[Any]
    columns: list[str]
    media: Path
    complete: Callable[[dict[str, Any]], None] | None = None
    keep: list[Any] = field(default_factory=list)

    def rejected(self) -> Iterator[tuple[int, str]]:
        """Lines that could not be split into columns: (line number, reason), after reading."""
        noted = self.connection.execute(
            "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'reject_errors'"
        ).fetchall()
        if not noted[0][0]:
            return
        found = self.connection.execute(
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


def _text_stream(path: Path, encoding: str) -> io.TextIOWrapper:
    with path.open("rb") as f:
        zipped = f.read(2) == b"\x1f\x8b"
    raw: Any = gzip.open(path, "rb") if zipped else path.open("rb")  # noqa: SIM115 - wrapped below
    return io.TextIOWrapper(raw, encoding=encoding, newline="")


def _encoding(path: Path) -> str:
    """`utf-8` when the first 16 MB are, else `latin-1`; UTF-16 by its byte order mark."""
    with _text_stream(path, "latin-1") as f:
        data = bytes(f.buffer.read(_SNIFF))
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    if b"\0" in data[:4096]:
        raise TableError(f"{path} is a binary file of no known format.")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as e:
        if e.start < len(data) - 4:
            return "latin-1"
    return "utf-8"


def header(path: Path, delimiter: str | None = None) -> tuple[list[str], str, str]:
    """Read the column names (made unique), the delimiter and the encoding of a text table."""
    try:
        encoding = _encoding(path)
        python = "utf-8-sig" if encoding == "utf-8" else encoding
        with _text_stream(path, python) as f:
            line = f.readline(_HEADER)
    except (UnicodeDecodeError, OSError, EOFError) as e:
        raise TableError(f"{path} cannot be read as text: {e}.") from e
    if not line.strip():
        raise TableError(f"{path} starts with an empty line; a header is needed.")
    if len(line) >= _HEADER:
        raise TableError(
            f"{path}: the first line is longer than {_HEADER:,} characters; a header is needed."
        )
    delimiter = delimiter or max("\t,;|", key=line.count)
    if line.count(delimiter) >= 2 * MOST_COLUMNS:
        raise TableError(
            f"{path} has {line.count(delimiter) + 1:,} columns; at most {MOST_COLUMNS:,} are read."
        )
    try:
        lines = csv.reader([line, ""], delimiter=delimiter)
        cells = next(lines)
        if lines.line_num > 1:
            raise TableError(
                f"{path}: a quotation mark in the first line is not closed there; write each column name in one line."
            )
    except (csv.Error, StopIteration) as e:
        raise TableError(f"{path}: the first line cannot be split into column names: {e}.") from e
    return (
        unique_names(c.strip() or f"column_{i + 1}" for i, c in enumerate(cells)),
        delimiter,
        encoding,
    )


def csv_query(
    columns: list[str],
    delimiter: str,
    quote: str,
    encoding: str,
    skip: int,
    gzipped: bool,
    note_rejects: bool = True,
) -> str:
    """Build the query that reads every cell as text.

    Lines that do not split go to `reject_errors`, or are passed over without `note_rejects`.
    """
    struct = ", ".join(f"{text_literal(c)}: 'VARCHAR'" for c in columns)
    encodings = {"utf-8": "utf-8", "utf8": "utf-8", "utf-16": "utf-16"}
    known = encodings.get(encoding.lower(), "latin-1")
    return (
        f"SELECT * FROM read_csv(?, auto_detect=false, header=false, skip={skip}, "
        f"columns={{{struct}}}, delim={text_literal(delimiter)}, quote={text_literal(quote)}, "
        f"escape={text_literal(quote)}, encoding='{known}', "
        f"{'store_rejects' if note_rejects else 'ignore_errors'}=true, "
        f"max_line_size=16777216, compression='{'gzip' if gzipped else 'none'}')"
    )


def checked(path: Path) -> str:
    """Give a path as DuckDB reads it, absolute; glob characters would mean other files."""
    if any(c in str(path) for c in "*?["):
        raise TableError(
            f"{path} has *, ? or [ in its name, which DuckDB reads as a pattern; rename it."
        )
    return str(path.absolute())


def open_text(path: Path, kind: str, quote: str = '"') -> Source:
    """Open one delimited text file, gzipped or not."""
    columns, delimiter, encoding = header(path, "\t" if kind == "tsv" else None)
    with _text_stream(path, "latin-1") as text:
        first = text.read(4)
    if kind == "gbif" and delimiter == "\t" and '"' not in first:
        quote = ""  # GBIF's tab-separated files do not quote; copies saved by other programs do
    with path.open("rb") as f:
        gzipped = f.read(2) == b"\x1f\x8b"
    query = csv_query(columns, delimiter, quote, encoding, 1, gzipped)
    con, keep = connect(path)
    return Source(kind, con, query, [checked(path)], columns, path.parent, keep=keep)
