"""One record of delimited text, read by the rules that its quotation marks follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Style = Literal["strict", "spaces", "backslash", "inner", "escapes"]
STYLES: tuple[Style, ...] = ("spaces", "backslash", "inner", "escapes")
"""Ways in which a record that is not of RFC 4180 may be quoted, the most usual first."""


@dataclass(frozen=True)
class Record:
    """Cells of one record.

    Attributes:
        cells: Their text.
        end: Where the record ends in the text: at its line end, or at the end of the text.
    """

    cells: list[str]
    end: int


def read_record(text: str, delimiter: str, quote: str, style: Style = "strict") -> Record | int:
    """Read the record that a text begins with.

    Args:
        text: The record's first line and what follows it.
        delimiter: One character.
        quote: One character.
        style: `strict` as RFC 4180 has it, quotes only around whole cells and doubled inside them; `spaces` may stand
            around a quoted cell; `backslash` before a quote inside one; `inner` takes a quote inside a quoted cell
            that ends no cell as it stands; `escapes` has no quotes but a backslash before a delimiter.

    Returns:
        The record; or the place of the quotation mark that does not keep to the style, or -1 when the text ends
        inside a quoted cell.
    """
    if style == "escapes":
        return _escaped(text, delimiter)
    cells: list[str] = []
    at, n = 0, len(text)
    around = delimiter != " " and style in ("spaces", "inner")
    while True:
        begin = at
        if around:
            while begin < n and text[begin] == " ":
                begin += 1
        if begin < n and text[begin] == quote:
            found = _quoted(text, begin + 1, delimiter, quote, style, around)
            if isinstance(found, int):
                return found
            cell, at = found
        else:
            end = _cell_end(text, at, delimiter)
            cell = text[at:end]
            if style == "strict" and quote in cell:
                return at + cell.index(quote)
            at = end
        cells.append(cell)
        if at >= n or text[at] in "\r\n":
            return Record(cells, at)
        at += 1


def _cell_end(text: str, at: int, delimiter: str) -> int:
    """The next delimiter or line end."""
    n = len(text)
    ends = [p for p in (text.find(c, at) for c in (delimiter, "\n", "\r")) if p >= 0]
    return min(ends, default=n)


def _quoted(
    text: str, at: int, delimiter: str, quote: str, style: Style, around: bool
) -> tuple[str, int] | int:
    """A quoted cell from behind its first mark, and where it ends; else what `read_record` gives."""
    parts: list[str] = []
    begin, n = at, len(text)
    while True:
        mark = text.find(quote, at)
        if mark < 0:
            return -1
        if style == "backslash" and _backslashes(text, begin, mark) % 2:
            at = mark + 1
            continue
        after = mark + 1
        if text[after : after + 1] == quote:
            parts.append(text[begin:after])
            begin = at = after + 1
            continue
        end = after
        if around:
            while end < n and text[end] == " ":
                end += 1
        if end >= n or text[end] in "\r\n" or text[end] == delimiter:
            cell = "".join(parts) + text[begin:mark]
            if style == "backslash":
                cell = cell.replace("\\" + quote, quote).replace("\\\\", "\\")
            return cell, end
        if style != "inner":
            return mark
        at = after


def _backslashes(text: str, begin: int, at: int) -> int:
    """How many backslashes stand before a place."""
    start = at
    while start > begin and text[start - 1] == "\\":
        start -= 1
    return at - start


def _escaped(text: str, delimiter: str) -> Record:
    """A line without quotes whose delimiters may stand behind a backslash."""
    end = min((p for p in (text.find(c) for c in "\r\n") if p >= 0), default=len(text))
    cells, cell = [], ""
    for piece in text[:end].split(delimiter):
        cell += piece
        if _backslashes(cell, 0, len(cell)) % 2:
            cell = cell[:-1] + delimiter
            continue
        cells.append(cell.replace("\\\\", "\\"))
        cell = ""
    return Record([*cells, cell] if cell else cells, end)
