"""A raw table as a DuckDB query, and the reading of delimited text."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prom3e_index.errors import TableError

if TYPE_CHECKING:
    import duckdb

_SNIFF = 16 << 20


@dataclass
class Source:
    """A raw table.

    Attributes:
        format: One of `FORMATS`.
        connection: Private DuckDB connection.
        query: SELECT of all raw cells.
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
        if self.query.find("store_rejects") < 0:
            return
        found = self.connection.execute(
            "SELECT line, string_agg(DISTINCT error_message, '; ') FROM reject_errors "
            "GROUP BY line ORDER BY line"
        ).fetchall()
        for line, reason in found:
            yield int(line), str(reason).replace("\n", " ")


def connect() -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB that installs no extensions and spills to the temporary folder."""
    import duckdb

    return duckdb.connect(
        config={
            "autoinstall_known_extensions": "false",
            "memory_limit": "2GB",
            "preserve_insertion_order": "true",
        }
    )


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
            line = f.readline(1 << 20)
    except (UnicodeDecodeError, OSError, EOFError) as e:
        raise TableError(f"{path} cannot be read as text: {e}.") from e
    if not line.strip():
        raise TableError(f"{path} starts with an empty line; a header is needed.")
    delimiter = delimiter or max("\t,;|", key=line.count)
    names: list[str] = []
    for i, name in enumerate(next(csv.reader([line], delimiter=delimiter))):
        name = name.strip() or f"column_{i + 1}"
        while name.lower() in (n.lower() for n in names):
            name += "_"
        names.append(name)
    return names, delimiter, encoding


def csv_query(
    columns: list[str], delimiter: str, quote: str, encoding: str, skip: int, gzipped: bool
) -> str:
    """Build the query that reads every cell as text; lines that do not split go to `reject_errors`."""

    def text(value: str) -> str:
        return "'" + value.replace("'", "''") + "'"

    struct = ", ".join(f"{text(c)}: 'VARCHAR'" for c in columns)
    encodings = {"utf-8": "utf-8", "utf8": "utf-8", "utf-16": "utf-16"}
    known = encodings.get(encoding.lower(), "latin-1")
    return (
        f"SELECT * FROM read_csv(?, auto_detect=false, header=false, skip={skip}, "
        f"columns={{{struct}}}, delim={text(delimiter)}, quote={text(quote)}, "
        f"escape={text(quote)}, encoding='{known}', store_rejects=true, max_line_size=16777216, "
        f"compression='{'gzip' if gzipped else 'none'}')"
    )


def checked(path: Path) -> str:
    """Give a path as DuckDB reads it; glob characters would mean other files."""
    if any(c in str(path) for c in "*?["):
        raise TableError(
            f"{path} has *, ? or [ in its name, which DuckDB reads as a pattern; rename it."
        )
    return str(path)


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
    return Source(kind, connect(), query, [checked(path)], columns, path.parent)
