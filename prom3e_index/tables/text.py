"""Delimited text."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path
from typing import Any

from prom3e_index.errors import TableError
from prom3e_index.tables.source import (
    MOST_COLUMNS,
    Source,
    checked,
    connect,
    from_query,
    text_literal,
    unique_names,
)

_SNIFF = 16 << 20
_HEADER = 1 << 20


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
    return from_query(kind, con, query, [checked(path)], columns, path.parent, keep)
