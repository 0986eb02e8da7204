"""Blocks of delimited lines to Arrow batches of text: a line that does not split costs no other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from prom3e_index.tables.heading import is_number
from prom3e_index.tables.lines import Block, Tally
from prom3e_index.tables.marks import MarkedLines, without_lines
from prom3e_index.tables.quotes import STYLES, Record, read_record

if TYPE_CHECKING:
    import pyarrow as pa

MOST_AHEAD = 1 << 20
"""Characters in which a quoted cell must end."""
_BARE = "\x01"
"""The quotation mark of tables that have none, around cells that the reader puts together."""
_FEW = 10
_MOST_MERGED = 5
_NAMED = 40


@dataclass
class Splitter:
    """Splits the lines of one table.

    A record is lines whose quotes are those of RFC 4180. Where they are not, the record is read by the first of
    `STYLES` that gives it the right number of cells, else with its quotation marks as they stand. A quoted cell that
    does not end within `MOST_AHEAD` characters, or whose record then has another number of cells, is none.

    Attributes:
        columns: Names, one per cell.
        delimiter: One character.
        quote: One character; empty where quotation marks are text.
        quoting: Whether cells are known to be quoted in this table.
        numeric: Positions of columns that hold numbers.
        header: A line that is no record wherever it stands; none when empty.
        rows: Records so far, rejected ones included.
        lines: Lines so far.
        rejected: (line, reason) of records that have more cells than columns.
        odd: Lines whose quotes follow another rule and were read by it.
        literal: Lines whose quotes were read as text.
        short: Records whose last cells are absent, read as empty.
        joined: Records broken over two lines without quotes.
        comments: Lines that begin with `#` and are no records.
        merged: Records with a delimiter too many, in the only cell that can hold it for the numbers to stand right.
        headers: Lines that repeat the header.
        empty: Lines without any cell filled, those at the end left out.
    """

    columns: list[str]
    delimiter: str
    quote: str
    quoting: bool = False
    numeric: tuple[int, ...] = ()
    header: str = ""
    rows: int = 0
    lines: int = 0
    rejected: list[tuple[int | None, str]] = field(default_factory=list)
    odd: Tally = field(default_factory=Tally)
    literal: Tally = field(default_factory=Tally)
    short: Tally = field(default_factory=Tally)
    joined: Tally = field(default_factory=Tally)
    comments: Tally = field(default_factory=Tally)
    merged: Tally = field(default_factory=Tally)
    headers: Tally = field(default_factory=Tally)
    empty: Tally = field(default_factory=Tally)
    _blank: list[int] = field(default_factory=list)

    def batches(self, blocks: Iterator[Block], skip: int = 0) -> Iterator[pa.RecordBatch]:
        """Cells of the blocks in their order, without the first `skip` lines; an empty cell is null."""
        rest = b""
        for block in blocks:
            data, first = rest + block.data, self.lines + 1
            if not self.quote and _BARE.encode() in data:
                data = data.replace(_BARE.encode(), b" ")
            if skip:
                data, skipped = without_lines(data, skip)
                self.lines += skipped
                first, skip = first + skipped, skip - skipped
            lines = MarkedLines(data, self.delimiter, self.quote)
            parts, used = self._parts(lines, first, block.last)
            self.lines += used
            rest = data[lines.next[used - 1] :] if used else data
            batch = self._arrow(parts)
            if batch is not None:
                yield batch

    def _parts(self, lines: MarkedLines, first: int, last: bool) -> tuple[list[bytes], int]:
        """Pieces of strict text that hold the records of some lines, and how many lines they are."""
        n = len(self.columns)
        good = lines.strict & (lines.cells == n) & ~lines.blank
        if self.delimiter != "\t":  # what people write into tab-separated cells looks quoted too
            self.quoting = self.quoting or bool((good & (lines.quotes > 0)).any())
        again = lines.equal(self.header.encode("utf-8"))
        good[again] = False
        parts: list[bytes] = []
        at = 0
        for i in np.flatnonzero(~good).tolist():
            if i < at:
                continue
            if i > at:
                self._note_empty()
                parts.append(lines.data[lines.start[at] : lines.next[i - 1]])
                self.rows += i - at
            if lines.blank[i]:
                self._blank.append(first + i)
                at = i + 1
                continue
            if i in again:
                self.headers.add(first + i)
                at = i + 1
                continue
            found = self._careful(lines, i, first + i, last)
            if found is None:
                return parts, i
            cells, at = found
            self._note_empty()
            if cells is not None:
                parts.append(_strictly(cells, self.delimiter, self.quote or _BARE))
        if at < len(lines.start):
            self._note_empty()
            parts.append(lines.data[lines.start[at] :])
            self.rows += len(lines.start) - at
        return parts, len(lines.start)

    def _note_empty(self) -> None:
        """Count the empty lines before a record; those at the end of a file are none."""
        for line in self._blank:
            self.empty.add(line)
        self._blank.clear()

    def _careful(
        self, lines: MarkedLines, i: int, line: int, last: bool
    ) -> tuple[list[str] | None, int] | None:
        """The record that begins with a line: its cells, or None where it is no record, and the line after it.

        None where the block does not hold enough to tell.
        """
        n = len(self.columns)
        text = lines.text(i)
        cells, after, rule = text.split(self.delimiter), i + 1, ""
        if self.quote and lines.quotes[i]:
            quoted = self._quoted(lines, i, last)
            if quoted is None:
                return None
            cells, after, rule = quoted
        elif len(cells) > n and "\\" + self.delimiter in text:
            escaped = read_record(text, self.delimiter, self.quote, "escapes")
            if isinstance(escaped, Record) and len(escaped.cells) == n:
                cells, rule = escaped.cells, "odd"
        if len(cells) != n and text.startswith("#"):
            self.comments.add(line)
            return None, i + 1
        while len(cells) > n and not cells[-1].strip():
            cells.pop()
        if len(cells) < n and after == i + 1:
            if after >= len(lines.start) and not last:
                return None
            joint = self._with_next(lines, i, cells)
            if joint is not None:
                self.rows += 1
                self.joined.add(line)
                return joint, i + 2
        self.rows += 1
        whole = self._merged(cells)
        if whole is not None:
            self.merged.add(line)
            return whole, after
        if len(cells) > n or len(cells) == 1 < n - 1:
            self.rejected.append((line, _unfit(cells, n, rule)))
            return None, after
        if len(cells) < n:
            self.short.add(line)
            cells += [""] * (n - len(cells))
        if rule:
            (self.odd if rule == "odd" else self.literal).add(line)
        return cells, after

    def _merged(self, cells: list[str]) -> list[str] | None:
        """A record of too many cells, put together where only one cell can hold the delimiters that are too many."""
        n, more = len(self.columns), len(cells) - len(self.columns)
        if not 0 < more <= _MOST_MERGED or not self.numeric:
            return None
        found = []
        for j in range(n + 1):
            # The last way: what is behind the columns belongs to none.
            way = [*cells[:j], self.delimiter.join(cells[j : j + more + 1]), *cells[j + more + 1 :]]
            numbers = [way[k] for k in self.numeric]
            if j in self.numeric or (j == n and j - 1 not in self.numeric):
                continue
            if any(c.strip() for c in numbers) and all(is_number(c) for c in numbers):
                found.append(way)
        return found[0] if len(found) == 1 and len(found[0]) == n else None

    def _with_next(self, lines: MarkedLines, i: int, cells: list[str]) -> list[str] | None:
        """A record whose line was broken inside a cell: what it lacks is what the next line has."""
        n, j = len(self.columns), i + 1
        if n < 6 or j >= len(lines.start) or lines.quotes[i] or lines.quotes[j]:
            return None
        if len(cells) + int(lines.cells[j]) - 1 != n or int(lines.cells[j]) == len(cells):
            return None
        rest = lines.text(j).split(self.delimiter)
        return [*cells[:-1], f"{cells[-1]}\n{rest[0]}", *rest[1:]]

    def _quoted(self, lines: MarkedLines, i: int, last: bool) -> tuple[list[str], int, str] | None:
        """Cells of a record with quotes, the line after it, and by which rule where it is not of RFC 4180."""
        n = len(self.columns)
        text = lines.text(i)
        literal = text.split(self.delimiter)
        ragged: tuple[list[str], int, str] | None = None
        for style in ("strict", *STYLES):
            found = read_record(text, self.delimiter, self.quote, style)
            rule = "" if style == "strict" else "odd"
            if isinstance(found, Record):
                if style == "strict":
                    return found.cells, i + 1, ""
                if len(found.cells) == n:
                    return found.cells, i + 1, "literal" if found.cells == literal else rule
            elif found == -1 and style in ("strict", "backslash"):
                over = self._over_lines(lines, i, last, style)
                if over == "more":
                    return None
                if isinstance(over, tuple) and len(over[0]) == n:
                    return *over, rule
                if isinstance(over, tuple) and len(over[0]) < n:
                    ragged = ragged or (*over, rule)
        if len(literal) != n and ragged is not None:
            return ragged
        return literal, i + 1, "literal"

    def _over_lines(
        self, lines: MarkedLines, i: int, last: bool, style: str
    ) -> tuple[list[str], int] | str | None:
        """A record with a quoted cell of several lines and the line after it; `more` where the block ends too soon."""
        for most in (1 << 12, 1 << 16, MOST_AHEAD):
            window, whole = lines.ahead(i, most)
            found = read_record(window, self.delimiter, self.quote, style)  # type: ignore[arg-type]
            if isinstance(found, Record) and found.end == len(window) and not (whole and last):
                found = -1
            if found != -1 or whole:
                break
        if found == -1 and whole and not last:
            return "more"
        if not isinstance(found, Record):
            return None
        after = lines.line_at(i, window, found.end) + 1
        if len(self.columns) > 1 and self._are_records(lines, i, after):
            return None
        return found.cells, after

    def _are_records(self, lines: MarkedLines, i: int, after: int) -> bool:
        """Whether lines that one quoted cell could join are records by themselves."""
        if (lines.delimiters[i:after] + 1 != len(self.columns)).any():
            return False
        if after - i > _FEW or not self.numeric:
            return after - i > 2 or not self.quoting
        cells = (lines.text(j).split(self.delimiter) for j in range(i, after))
        return all(is_number(row[k]) for row in cells for k in self.numeric)

    def _arrow(self, parts: list[bytes]) -> pa.RecordBatch | None:
        import pyarrow as pa
        from pyarrow import csv

        data = b"".join(parts)
        if not data:
            return None
        mark = self.quote or (_BARE if _BARE.encode() in data else "")
        table = csv.read_csv(
            pa.BufferReader(data),
            csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=self.columns),
            csv.ParseOptions(
                delimiter=self.delimiter,
                quote_char=mark if mark and mark.encode() in data else False,
                newlines_in_values=True,
            ),
            csv.ConvertOptions(
                check_utf8=False,
                column_types=dict.fromkeys(self.columns, pa.string()),
                strings_can_be_null=True,
                null_values=[""],
            ),
        )
        return table.combine_chunks().to_batches()[0] if table.num_rows else None


def _unfit(cells: list[str], n: int, rule: str) -> str:
    """Why a record is none."""
    quote = "; a quotation mark does not close" if rule == "literal" else ""
    if len(cells) < n:
        return f"one cell, {cells[0][:_NAMED]!r}, where the header has {n}{quote}"
    extra = ", ".join(repr(c[:_NAMED]) for c in cells[n : n + 2])
    return f"{len(cells)} cells where the header has {n}: {extra} too many{quote}"


def _strictly(cells: list[str], delimiter: str, quote: str) -> bytes:
    """A record as RFC 4180 writes it."""
    marked = [
        quote + c.replace(quote, quote + quote) + quote
        if quote in c or delimiter in c or "\n" in c or "\r" in c
        else c
        for c in cells
    ]
    return (delimiter.join(marked) + "\n").encode("utf-8")
