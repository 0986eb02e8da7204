"""Delimited text as a source: encoding, heading and records, and what was found on the way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from prom3e_index.errors import TableError
from prom3e_index.tables.compressed import compression
from prom3e_index.tables.delimited import Splitter
from prom3e_index.tables.encoding import find_encoding
from prom3e_index.tables.heading import Heading, read_heading
from prom3e_index.tables.lines import LONGEST_LINE, Block, Lines
from prom3e_index.tables.source import Source

if TYPE_CHECKING:
    import pyarrow as pa

_NAMES = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "pipe", " ": "space"}
_SPECIES_LIST = frozenset(("taxonkey", "scientificname", "numberofoccurrences"))
_UNIT = "\x1f"
"""Stands for a delimiter of several bytes while lines are split."""


def header(
    path: Path, delimiter: str | None = None, encoding: str | None = None
) -> tuple[list[str], str, str]:
    """The column names (made unique), the delimiter and the encoding of a text table.

    Raises:
        TableError: The file is no text, or has no header.
    """
    found = find_encoding(path, encoding)
    head = read_heading(path, found, delimiter)
    return head.columns, head.delimiter, found.name


def open_text(
    path: Path,
    kind: str,
    encoding: str | None = None,
    delimiter: str | None = None,
    quote: str | None = None,
) -> Source:
    """Open one delimited text file, compressed or not.

    Args:
        path: The file.
        kind: One of `FORMATS`.
        encoding: Of the file; told by its bytes when None.
        delimiter: Between cells; told by its lines when None.
        quote: Around cells, empty for none; told by its lines when None.

    Raises:
        TableError: The file is no text, or has no header.
    """
    found = find_encoding(path, encoding)
    head = read_heading(path, found, delimiter or ("\t" if kind == "tsv" else None))
    if {c.lower() for c in head.columns} >= _SPECIES_LIST:
        raise TableError(
            f"{path} is a species list of GBIF: names and counts, no observations. Ask GBIF for SIMPLE_CSV or DWCA."
        )
    if quote is not None:
        head.quote = quote
    elif kind == "gbif" and head.delimiter == "\t" and not head.quoting:
        head.quote = (
            ""  # GBIF's tab-separated files do not quote; copies saved by other programs do
        )
    media = path.with_name("multimedia.txt")
    if kind == "gbif" and path.name == "occurrence.txt" and media.is_file():
        head.said.append(f"{media.name} beside it is not read; name the folder to have its media.")
    return text_source(path, kind, Lines(path, found), head)


def text_source(path: Path, kind: str, lines: Lines, head: Heading) -> Source:
    """The source of a text file whose heading is known."""
    encoding = lines.encoding

    def read(rows: int) -> Iterator[pa.RecordBatch]:
        now = Lines(path, encoding)
        single = len(head.delimiter.encode()) == 1
        splitter = Splitter(
            head.columns,
            head.delimiter if single else _UNIT,
            head.quote,
            head.quoting,
            head.numeric,
            head.line if single else "",
        )
        splitter.rejected = source.rejected
        source.rejected.clear()
        blocks = now.blocks()
        if not single:
            blocks = (_with_unit(b, head.delimiter) for b in blocks)
        for batch in splitter.batches(blocks, head.skip):
            for at in range(0, batch.num_rows, rows):
                yield batch.slice(at, rows)
        _report(source, head, now, splitter)

    facts = {
        "encoding": encoding.name,
        "delimiter": _NAMES.get(head.delimiter, head.delimiter),
        "compression": compression(path),
    }
    source = Source(kind, head.columns, path.parent, read, facts)
    source.said = list(head.said)
    if encoding.guessed:
        source.said.append(_guessed(encoding.name))
    return source


def _with_unit(block: Block, delimiter: str) -> Block:
    data = block.data.replace(_UNIT.encode(), b" ").replace(delimiter.encode(), _UNIT.encode())
    return Block(data, block.first, block.last)


def _guessed(name: str) -> str:
    return f"The text was read as {name} (guessed; --encoding NAME says otherwise)."


def _report(source: Source, head: Heading, lines: Lines, splitter: Splitter) -> None:
    """What a whole reading found."""
    for line in lines.long.first:
        splitter.rejected.append((line, f"a line of more than {LONGEST_LINE:,} bytes"))
    splitter.rejected.sort(key=lambda r: r[0] or 0)
    name = lines.encoding.name
    source.facts |= {
        "encoding": name,
        "rows": splitter.rows + lines.long.count,
        "lines": lines.count,
    }
    said = list(head.said)
    if lines.encoding.guessed:
        said.append(_guessed(name))
    for tally, what in (
        (lines.odd, f"not {name}, read as {lines.encoding.other} where {name} fails"),
        (splitter.literal, "with quotation marks that do not close, read as they stand"),
        (
            splitter.odd,
            "with blanks, backslashes or single marks about its quotation marks, read all the same",
        ),
        (splitter.joined, "broken inside a cell, joined with the next line"),
        (splitter.merged, "with a delimiter inside a cell, which only one cell can hold; read so"),
        (splitter.short, "with fewer cells than the header, the last ones read as empty"),
        (splitter.comments, "beginning with # and of other cells, passed over"),
        (splitter.headers, "repeating the header, passed over"),
        (splitter.empty, "without any cell filled, passed over"),
    ):
        if tally.count:
            plural = "s" * (tally.count > 1)
            said.append(f"{tally.count:,} line{plural} {what}: line{plural} {tally}.")
    source.said[:] = said
