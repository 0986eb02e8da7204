"""Text from tables, models and errors, made harmless for what shows it: terminal, page, spreadsheet, JSON.

Names, places and reasons come from other people's tables. Whatever leaves the program passes through here.
"""

from __future__ import annotations

import codecs
import csv
import datetime
import json
import math
import re
import shlex
from collections.abc import Iterable, Mapping
from decimal import Decimal
from html import escape
from typing import IO, Any

_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0 and C1 controls: escape sequences, bells, carriage returns
    "\u061c\u200b\u200e\u200f\u202a-\u202e\u2066-\u206f"  # marks, overrides and isolates of direction
    "\u2028\u2029\u2060-\u2065\ufeff\ufff9-\ufffb"  # breaks, joiners and anchors without a width
    "\U000e0000-\U000e007f"  # tags: whole sentences that no terminal shows
    "\ud800-\udfff]"  # halves of characters: bytes of a file name that are no UTF-8
)
_LAYOUT = "\n\t"
_RUN = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20\t\r\n]")
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?", re.ASCII)
_WORDS = {
    "→": "->", "‖": "||", "σ": "sigma", "₁": "1", "δ": "delta", "γ": "gamma", "ε": "epsilon", "μ": "mu",
    "−": "-", "–": "-", "—": "-", "…": "...", "·": "-", "×": "x", "≥": ">=", "≤": "<=", "²": "2", "√": "sqrt",
}  # fmt: skip
WORDS = "prom3e-words"
"""Error handler of streams: signs that an encoding lacks are written as words, others as `\\u…`."""


def shown(value: object, *, layout: bool = False) -> str:
    r"""Text for a terminal: what would steer it or not be seen is written out, ESC as `\x1b`.

    Letters of every script stay, the joiners that some need too. With `layout` line ends and tabs stay.
    """
    text = str(value)
    if text.isprintable():
        return text
    return _UNSEEN.sub(lambda m: m[0] if layout and m[0] in _LAYOUT else _written(m[0]), text)


def in_command(value: object) -> str:
    """A word of a command that is told, as a shell takes it: quoted where it has to be, with nothing unseen."""
    return shlex.quote(shown(value))


def _written(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00  # a byte of a name that is no UTF-8
    return (
        f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"
    )


def _in_words(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_WORDS.get(c) or _written(c) for c in lacking), error.end


codecs.register_error(WORDS, _in_words)


def html(value: object) -> str:
    """Text for an HTML page, inside an element or a quoted attribute."""
    return escape(shown(value, layout=True), quote=True)


def markdown_cell(value: object) -> str:
    """Text for a cell of a Markdown table; HTML in it is shown, not run."""
    return escape(shown(value), quote=False).replace("|", "\\|")


def plain(value: Any) -> Any:
    """A value that JSON can say: numbers that are none become None, dates and the rest text."""
    if isinstance(value, str):  # most of what there is
        return _whole(value)
    if hasattr(value, "tolist"):  # numpy's numbers and arrays, without importing it
        value = value.tolist()
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float | Decimal):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {_whole(str(k)): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(v) for v in value]
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return _whole(str(value))


def _whole(text: str) -> str:
    """Text without halves of characters, which UTF-8 cannot hold."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return re.sub("[\ud800-\udfff]", lambda m: _written(m[0]), text)
    return text


def json_text(value: Any, *, indent: int | None = None, ascii_only: bool = False) -> str:
    """JSON that every parser reads: no NaN, no infinity, no half characters."""
    return json.dumps(plain(value), ensure_ascii=ascii_only, indent=indent, allow_nan=False)


def feature(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record as a GeoJSON feature (RFC 7946: longitude first).

    A place that is unknown or none on Earth gives no geometry; what the record says of it stays in the
    properties.
    """
    values: dict[str, Any] = plain(record)
    place = (values.get("longitude"), values.get("latitude"))
    point = None
    if on_earth(*place):
        point = {"type": "Point", "coordinates": list(place)}
        del values["longitude"], values["latitude"]
    elif place == (None, None):
        values.pop("longitude", None), values.pop("latitude", None)
    return {"type": "Feature", "geometry": point, "properties": values}


def on_earth(longitude: Any, latitude: Any) -> bool:
    """Whether two numbers are a place; unknown ones are none."""
    numbers = all(type(v) in (int, float) for v in (longitude, latitude))
    return numbers and abs(longitude) <= 180 and abs(latitude) <= 90


def cell(value: Any) -> Any:
    """A CSV cell: lists joined by `|`, unknown numbers empty, and `'` before what a spreadsheet would run.

    A spreadsheet runs text that begins with = + - @ (full width too), a tab or a line end, after blanks
    or not. Numbers stay as they are, decimals with the digits of the table; truth is `true` or `false`.
    """
    if isinstance(value, Decimal):
        return str(value)
    value = plain(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        value = "|".join("" if v is None else str(v) for v in value)
    elif isinstance(value, dict):
        value = json_text(value)
    if isinstance(value, str) and _RUN.match(value) and not _NUMBER.fullmatch(value):
        return "'" + value
    return value


class _UnixLines:
    """Writes lines that end in CRLF with LF, cells with line ends of their own as they are."""

    def __init__(self, to: IO[str]) -> None:
        self._to = to

    def write(self, line: str) -> None:
        self._to.write(line.removesuffix("\r\n") + "\n")


def csv_lines(to: IO[str]) -> Any:
    r"""A `csv.writer` whose lines end in LF.

    It quotes cells with `\r` too, which others take for the end of a line: what follows there would be a new
    line's first cell. Python before 3.13 quotes them only where lines end in CRLF.
    """
    return csv.writer(_UnixLines(to), lineterminator="\r\n")


def cells(values: Iterable[Any]) -> list[Any]:
    """A CSV line's cells, of values or of column names."""
    return [cell(v) for v in values]
