"""Where the cells of a text table begin: what stands above its header, its delimiter, its column names."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from prom3e_index.errors import TableError
from prom3e_index.tables.encoding import Encoding
from prom3e_index.tables.lines import Lines
from prom3e_index.tables.quotes import Record, read_record
from prom3e_index.tables.source import MOST_COLUMNS, unique_names
from prom3e_index.tables.two_lines import is_labels, joined

DELIMITERS = ("\t", ",", ";", "|")
_HEAD = 1 << 20
_SAMPLE = 200
_MOST_NAME = 100_000
_MOST_LINES = 50
_NUMBER = re.compile(r"\s*[-+]?\d+([.,:/-]\d+)*\s*\Z")
_SEPARATOR = re.compile(r'"?sep=(.)"?[\t,;|]*\Z', re.IGNORECASE)


@dataclass
class Heading:
    """What the first lines of a text table say of the rest.

    Attributes:
        columns: Names, made unique.
        delimiter: Between cells.
        quote: Around cells.
        skip: Lines up to the first record.
        quoting: Whether the first lines show that cells are quoted: the header is, or a cell holds a delimiter.
        numeric: Positions of columns whose cells in the first records are numbers.
        line: The header as it stands, where it is one line.
        said: Sentences on what stands above the header.
    """

    columns: list[str]
    delimiter: str
    quote: str
    skip: int
    quoting: bool
    numeric: tuple[int, ...] = ()
    line: str = ""
    said: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Row:
    """A record of the first lines: its cells, its first line and the line after it, from 0.

    `strict` tells whether its quotes are those of RFC 4180, `quoted` whether a cell would be another without them.
    """

    cells: list[str]
    line: int
    after: int
    strict: bool
    quoted: bool

    def filled(self) -> int:
        """How many cells hold something."""
        return sum(bool(c.strip()) for c in self.cells)

    def names(self) -> bool:
        """Whether it could be column names: filled, different, no numbers."""
        have = [c.strip() for c in self.cells if c.strip()]
        return (
            len(have) >= max(1, len(self.cells) / 2)
            and len(set(have)) == len(have)
            and not any(_NUMBER.match(c) for c in have)
        )


def read_heading(path: Path, encoding: Encoding, delimiter: str | None = None) -> Heading:
    """Find the header of a text table, and how its lines divide.

    Above it may stand `sep=;`, empty lines, lines that begin with `#` and titles. The header itself may begin with
    `#`. The delimiter is the one that divides the lines alike.

    Raises:
        TableError: The file has no line that could be one, or has too many columns.
    """
    lines, cut = _first_lines(path, encoding)
    at = next((i for i, line in enumerate(lines) if line.strip()), None)
    if at is None:
        raise TableError(f"{path} starts with empty lines only; a header is needed.")
    if len(lines) == 1 and cut:
        raise TableError(
            f"{path}: the first line is longer than {_HEAD:,} characters; a header is needed."
        )
    said: list[str] = []
    separator = _SEPARATOR.match(lines[at].strip("\r\n \ufeff"))
    if separator:
        delimiter = delimiter or separator[1]
        at += 1
    remarks = []
    while at < len(lines) and (not lines[at].strip() or lines[at].startswith("#")):
        if lines[at].strip():
            remarks.append(at)
        at += 1
    quote = _quote(lines[at : at + 20])
    body = lines[at : at + _SAMPLE]
    given = delimiter or _best(body or [lines[i] for i in remarks], quote)
    rows = _rows(body, given, quote, at)
    width = Counter(len(r.cells) for r in rows).most_common(1)[0][0] if rows else 0
    named = _named_by_remark(lines, remarks, rows, given, quote, width)
    if named is not None:
        remarks, head, skip = remarks[:-1], named, at
    elif rows:
        which = _header(rows, width)
        head, skip = rows[which], rows[which].after
        if which:
            titles = " / ".join(_line(r) for r in rows[:which])[:80]
            said.append(
                f"{which:,} line{'s' * (which > 1)} above the header passed over: {titles!r}."
            )
        rows = rows[which + 1 :]
    else:
        raise TableError(f"{path} has comment lines only; a header is needed.")
    if remarks:
        said.append(
            f"{len(remarks):,} comment line{'s' * (len(remarks) > 1)} above the header passed over: "
            f"{lines[remarks[0]].strip()[:80]!r}."
        )
    both = joined(head.cells, rows[0].cells) if named is None and rows else None
    if both is not None:
        said.append(f"The names of the columns stand in two lines: {', '.join(both)[:160]}.")
        head, rows = Row(both, head.line, rows[0].after, head.strict, head.quoted), rows[1:]
        skip = head.after
    if rows and is_labels(rows[0].cells, [r.cells for r in rows[1:]]):
        said.append(
            f"The line under the header holds labels or units; passed over: {_line(rows[0])[:80]!r}."
        )
        skip, rows = rows[0].after, rows[1:]
    names = _names(path, head.cells, rows, said)
    quoting = lines[head.line].lstrip("\ufeff#").startswith(quote) or any(r.quoted for r in rows)
    own = lines[head.line].strip("\r\n\ufeff") if head.after == head.line + 1 else ""
    numeric = numeric_columns(rows, len(names))
    return Heading(names, given, quote, skip, quoting, numeric, own, said)


def numeric_columns(rows: list[Row], width: int) -> tuple[int, ...]:
    """Columns that hold numbers in nine of ten records that have them filled."""
    out = []
    for i in range(width):
        cells = [c for r in rows if len(r.cells) == width for c in (r.cells[i].strip(),) if c]
        if cells and sum(bool(_NUMBER.match(c)) for c in cells) >= 0.9 * len(cells):
            out.append(i)
    return tuple(out)


def is_number(cell: str) -> bool:
    """Whether a cell holds digits and their marks only, or nothing."""
    return not cell.strip() or bool(_NUMBER.match(cell))


def first_rows(path: Path, encoding: Encoding, delimiter: str, quote: str) -> list[Row]:
    """The records of a file's first lines, as they are; without `quote` quotation marks are text."""
    lines, _ = _first_lines(path, encoding)
    return _rows(lines[:_SAMPLE], delimiter, quote or "\0", 0)


def tidy(name: str) -> str:
    """A column name in one line, without a quotation mark that does not close."""
    name = " ".join(name.split())
    return name.strip('"') if name.count('"') % 2 else name


def _line(row: Row) -> str:
    return " ".join(c.strip() for c in row.cells if c.strip())


def _first_lines(path: Path, encoding: Encoding) -> tuple[list[str], bool]:
    """Lines of the first megabyte, with their ends, and whether there are more."""
    data, whole = b"", False
    for block in Lines(path, encoding).blocks(_HEAD):
        data, whole = data + block.data, block.last
        if len(data) >= _HEAD:
            break
    text = data[: 4 * _HEAD].decode("utf-8", "replace")
    lines = [x for x in re.split(r"(?<=\n)|(?<=\r)(?!\n)", text) if x]
    return lines, not whole or len(data) > _HEAD


def _quote(lines: list[str]) -> str:
    """The quotation mark: `'` where the first line has every cell in it and none in double ones."""
    first = next((x.strip() for x in lines if x.strip()), "")
    single = len(first) > 2 and first[0] == first[-1] == "'" and '"' not in first
    return "'" if single and re.search(r"'[\t,;|]'", first) else '"'


def _rows(lines: list[str], delimiter: str, quote: str, first: int) -> list[Row]:
    """The records of some lines; a quote that does not close is text."""
    out: list[Row] = []
    i = 0
    while i < len(lines):
        line = lines[i].rstrip("\r\n")
        if not line.strip(delimiter + " "):
            i += 1
            continue
        found = read_record(line, delimiter, quote)
        after = i + 1
        if found == -1:
            window = "".join(lines[i : i + _MOST_LINES])
            found = read_record(window, delimiter, quote)
            if isinstance(found, Record):
                after = i + len(re.findall(r"\r\n|\r|\n", window[: found.end])) + 1
        strict = isinstance(found, Record)
        if not isinstance(found, Record):
            found, after = read_record(line, delimiter, quote, "inner"), i + 1
        cells = found.cells if isinstance(found, Record) else line.split(delimiter)
        proof = any(quote in c or delimiter in c or "\n" in c for c in cells)
        out.append(Row(cells, first + i, first + after, strict, strict and proof))
        i = after
    return out


def _best(lines: list[str], quote: str) -> str:
    """The delimiter that gives the most lines one and the same number of cells, the first line among them."""

    def alike(delimiter: str) -> tuple[float, float, int]:
        rows = _rows(lines, delimiter, quote, 0)
        widths = [len(r.cells) for r in rows]
        wide = Counter(w for w in widths if w > 1).most_common(1)
        if not wide:
            return 0.0, 0.0, 0
        width, count = wide[0]
        # The header of R has no name for the row names.
        score = count + (0.99 if widths[0] == width - 1 else 0.0)
        score *= 1.0 if widths[0] > 1 else 0.7
        return score / len(rows), sum(r.strict for r in rows) / len(rows), width

    found = {d: alike(d) for d in DELIMITERS}
    best = max(DELIMITERS, key=lambda d: found[d])
    if found[best][2] < 2:
        spaces = alike(" ")
        return " " if spaces[0] > 0.9 and spaces[2] > 2 and quote in lines[0] else ","
    return best


def _named_by_remark(
    lines: list[str], remarks: list[int], rows: list[Row], delimiter: str, quote: str, width: int
) -> Row | None:
    """The header where it is the last line that begins with `#`."""
    if not remarks:
        return None
    last = remarks[-1]
    found = _rows([lines[last].lstrip("#").lstrip(" ")], delimiter, quote, last)
    if not found or (rows and (rows[0].names() or len(found[0].cells) not in (width, width - 1))):
        return None
    return found[0] if found[0].names() and len(found[0].cells) > 1 else None


def _header(rows: list[Row], width: int) -> int:
    """Which of the first rows is the header: the first, unless it is a title of fewer cells."""
    if width < 2:
        return 0
    first = rows[0]
    whole = len(first.cells) >= width - 1 and first.filled() > width / 2
    if whole and len(first.cells) != width - 1:
        return 0
    for i, row in enumerate(rows[:20]):
        after = rows[i + 1] if i + 1 < len(rows) else None
        if whole and (len(row.cells) != width or after is None or after.names()):
            continue  # the first may be R's, which names no row names
        if len(row.cells) >= width - 1 and row.filled() > width / 2 and row.names():
            return i
    return 0


def _names(path: Path, cells: list[str], rows: list[Row], said: list[str]) -> list[str]:
    """Column names of a header; those of R leave the row names out."""
    while len(cells) > 1 and not cells[-1].strip() and all(len(r.cells) < len(cells) for r in rows):
        if not rows:
            break
        cells = cells[:-1]
    if len(cells) > MOST_COLUMNS:
        raise TableError(f"{path} has {len(cells):,} columns; at most {MOST_COLUMNS:,} are read.")
    if any(len(c) > _MOST_NAME for c in cells):
        raise TableError(
            f"{path}: the first line cannot be split into column names: one is longer than {_MOST_NAME:,} characters."
        )
    shorter = bool(rows) and all(len(r.cells) == len(cells) + 1 for r in rows)
    if shorter and any(r.cells[-1].strip() for r in rows):
        said.append(
            f"The header has {len(cells)} cells, the rows {len(cells) + 1}: the first is a row name."
        )
        cells = ["row_name", *cells]
    return unique_names(tidy(c) or f"column_{i + 1}" for i, c in enumerate(cells))
