"""One table of a Darwin Core Archive as a source: its files as `meta.xml` describes them, or as they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from prom3e_index.errors import InputError
from prom3e_index.tables.encoding import Encoding, find_encoding
from prom3e_index.tables.heading import DELIMITERS, Heading, Row, first_rows, numeric_columns, tidy
from prom3e_index.tables.lines import Lines
from prom3e_index.tables.meta_xml import ArchiveTable
from prom3e_index.tables.source import Source, unique_names
from prom3e_index.tables.text import text_source

if TYPE_CHECKING:
    import pyarrow as pa


def table_source(table: ArchiveTable) -> Source:
    """The rows of one table, its files one after the other.

    Columns that have no term have the name that a header gives them. Empty cells have the term's default, and terms
    with one value for the whole table are columns behind the others. Where `meta.xml` says another delimiter than the
    file has, or that there is no header where there is one, the file is believed.
    """
    parts = [_part(table, path) for path in table.paths]
    columns = parts[0].columns
    known = {c.lower() for c in columns}
    constants = {t: v for t, v in table.constants.items() if t.lower() not in known}
    defaults = {c: table.defaults[c] for c in columns if c in table.defaults}

    def read(rows: int) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa
        import pyarrow.compute as pc

        source.rejected.clear()
        source.facts |= {"rows": 0, "lines": 0}
        said = []
        for part in parts:
            for batch in part.read(rows):
                cells = dict(zip(columns, batch.columns, strict=True))
                for name, value in defaults.items():
                    cells[name] = pc.fill_null(cells[name], value)
                for name, value in constants.items():
                    cells[name] = pa.repeat(pa.scalar(value, pa.string()), batch.num_rows)
                yield pa.RecordBatch.from_pydict(cells)
            for fact in ("rows", "lines"):
                source.facts[fact] += part.facts[fact]
            source.rejected.extend(part.rejected)
            said += _of_file(part)
        source.said[:] = said

    source = Source("dwca", [*columns, *constants], table.paths[0].parent, read)
    source.facts |= {k: parts[0].facts[k] for k in ("encoding", "delimiter")}
    source.said = [s for part in parts for s in _of_file(part)]
    return source


def _of_file(part: Source) -> list[str]:
    name = part.media.name
    return [f"{name}: {sentence}" for sentence in part.said]


def _part(table: ArchiveTable, path: Path) -> Source:
    """One file of a table; `media` is the file."""
    said: list[str] = []
    try:
        encoding = find_encoding(path, table.encoding)
    except InputError as e:
        said.append(f"{e} The file is read by its bytes.")
        encoding = find_encoding(path)
    delimiter, quote = table.delimiter, table.quote
    wanted = len(table.columns)
    if _width(path, encoding, delimiter, quote) == 1 < wanted:
        for other in DELIMITERS:
            if _width(path, encoding, other, quote) >= wanted:
                said.append(f"meta.xml says {delimiter!r} between cells; the file has {other!r}.")
                delimiter = other
                break
    rows = first_rows(path, encoding, delimiter, quote)
    skip = table.skip
    terms = {t.lower() for t in table.columns if t}
    if (
        not skip
        and rows
        and sum(c.strip().lower() in terms for c in rows[0].cells) > len(terms) / 2
    ):
        said.append("meta.xml says that there is no header line; the first line is one.")
        skip = 1
    body = [r for r in rows if r.line >= skip]
    head = [r for r in rows if r.line < skip]
    width = max(wanted, _usual(body))
    if all(not c.strip() for r in body for c in r.cells[wanted:]):
        width = wanted
    titles = head[-1].cells if head else []
    named = {n.lower() for n in table.columns if n} | {t.lower() for t in table.constants}
    names = []
    for i in range(width):
        term = table.columns[i] if i < wanted else None
        title = tidy(titles[i]) if i < len(titles) else ""
        free = title and title.lower() not in named and i != table.key
        names.append(term or ("coreid" if i == table.key else title if free else f"column_{i + 1}"))
    if width > wanted:
        said.append(
            f"{width - wanted:,} columns behind those of meta.xml are kept: {', '.join(names[wanted:][:8])}."
        )
    quoting = any(r.quoted for r in rows)
    heading = Heading(
        unique_names(names),
        delimiter,
        quote,
        skip,
        quoting,
        numeric_columns(body, width),
        said=said,
    )
    source = text_source(path, "dwca", Lines(path, encoding), heading)
    source.media = path
    return source


def _width(path: Path, encoding: Encoding, delimiter: str, quote: str) -> int:
    return _usual(first_rows(path, encoding, delimiter, quote))


def _usual(rows: list[Row]) -> int:
    """How many cells most rows have."""
    widths = Counter(len(r.cells) for r in rows)
    return widths.most_common(1)[0][0] if widths else 0
