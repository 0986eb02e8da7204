"""JSON of any size, one record after another: arrays, wrapped arrays, lines, and the table shapes of pandas."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prom3e_index.errors import TableError
from prom3e_index.tables.aliases import match_columns
from prom3e_index.tables.compressed import plain
from prom3e_index.tables.encoding import find_encoding
from prom3e_index.tables.looks import MOST_JSON

_CHUNK = 1 << 20
MOST_RECORD = 64 << 20
"""One record is at most this many characters."""
_PARTS = frozenset(
    "photos observation_photos sounds observation_sounds media multimedia images comments identifications ofvs tags "
    "annotations detections ancestors facts relations".split()
)
"""Lists that belong to one record, when it stands alone."""
_LINES = (".jsonl", ".ndjson", ".geojsonl", ".geojsons", ".jsonlines", ".ldjson")
_DECODER = json.JSONDecoder(parse_constant=lambda _: None)


@dataclass
class Shape:
    """How the records of a JSON file lie in it.

    Attributes:
        kind: `lines`, `values` (one after another), `array`, `wrapped` (an array within an object) or `whole`.
        key: Of the array, where it is wrapped.
        around: What stands before the array in its object.
    """

    kind: str
    key: str = ""
    around: dict[str, Any] = field(default_factory=dict)


class Cursor:
    """Reads a stream of JSON token by token; only what is being read is in memory."""

    def __init__(self, stream: io.TextIOBase, path: Path) -> None:
        self.stream, self.path = stream, path
        self.buffer, self.at, self.ended = "", 0, False

    def _more(self) -> bool:
        """Read on; False at the end."""
        kept = self.buffer[self.at :]
        if len(kept) > MOST_RECORD:
            raise TableError(
                f"{self.path}: one JSON value is longer than {MOST_RECORD:,} characters; "
                "write the records one a line (JSON lines)."
            )
        read = self.stream.read(max(_CHUNK, len(kept)))
        self.buffer, self.at = kept + read, 0
        self.ended = not read
        return bool(read)

    def peek(self) -> str:
        """The next character that is not blank; empty at the end."""
        while True:
            while self.at < len(self.buffer) and self.buffer[self.at] in " \t\r\n\x1e\ufeff":
                self.at += 1
            if self.at < len(self.buffer):
                return self.buffer[self.at]
            if not self._more():
                return ""

    def take(self, char: str) -> bool:
        """Step over a character if it is the next."""
        if self.peek() != char:
            return False
        self.at += 1
        return True

    def value(self) -> Any:
        """The next value."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self.buffer, self.at)
            except RecursionError as e:
                raise TableError(f"{self.path}: the JSON is nested too deeply.") from e
            except ValueError as e:
                if not self.ended and self._more():
                    continue
                raise TableError(f"{self.path} is no valid JSON: {e}.") from e
            length = end - self.at
            if end == len(self.buffer) and not self.ended and self._more():
                continue  # a number may go on
            self.at += length
            return value

    def items(self) -> Iterator[Any]:
        """The values of an array whose `[` was taken."""
        if self.take("]"):
            return
        while True:
            yield self.value()
            if self.take("]"):
                return
            if not self.take(","):
                raise TableError(
                    f"{self.path} is no valid JSON: an array is not closed; is the file cut off?"
                )


@contextmanager
def open_stream(path: Path) -> Iterator[io.TextIOBase]:
    """The text of a JSON file, decompressed; bytes that are not of its encoding become lone surrogates."""
    with plain(path) as raw:
        yield io.TextIOWrapper(
            raw, encoding=find_encoding(path).python, errors="surrogateescape", newline=""
        )


def shape_of(path: Path) -> Shape:
    """Find out how the records lie.

    Raises:
        TableError: No valid JSON, or values that are no records.
    """
    named = any(path.name.lower().removesuffix(".gz").endswith(e) for e in _LINES)
    with open_stream(path) as stream:
        first = stream.readline(MOST_RECORD).strip().lstrip("\x1e\ufeff")
        second = next(
            (line for line in iter(lambda: stream.readline(_CHUNK), "") if line.strip()), ""
        )
    if first.startswith("{") and (
        named or (first.endswith("}") and second.lstrip("\x1e ").startswith("{"))
    ):
        return Shape("lines")
    with open_stream(path) as stream:
        cursor = Cursor(stream, path)
        if cursor.take("["):
            if cursor.peek() not in ("{", "]"):
                raise TableError(
                    f"{path} is a JSON array of values; a table is an array of objects."
                )
            return Shape("array")
        if not cursor.take("{"):
            raise TableError(f"{path} is a JSON value; a table is an array of objects.")
        around: dict[str, Any] = {}
        while not cursor.take("}"):
            key = cursor.value()
            if not isinstance(key, str) or not cursor.take(":"):
                raise TableError(f"{path} is no valid JSON: an object lacks a key.")
            if cursor.peek() == "[" and key not in _PARTS | set(around):
                cursor.at += 1
                if cursor.peek() == "{":
                    return Shape("wrapped", key, around)
                cursor.buffer, cursor.at = "[" + cursor.buffer[cursor.at :], 0
            around[key] = cursor.value()
            cursor.take(",")
        return Shape("values" if cursor.peek() == "{" else "whole")


def records(
    path: Path, shape: Shape, rejected: list[tuple[int | None, str]]
) -> Iterator[dict[str, Any]]:
    """The records of a file in order; a line that is no record is `rejected` with its number."""
    if shape.kind == "whole":
        yield from _whole(path)
        return
    with open_stream(path) as stream:
        if shape.kind == "lines":
            yield from _lines(path, stream, rejected)
            return
        cursor = Cursor(stream, path)
        if shape.kind == "values":
            values: Iterator[Any] = iter(lambda: cursor.value() if cursor.peek() else None, None)
        else:
            if shape.kind == "wrapped":
                _enter(cursor, shape.key)
            cursor.take("[")
            values = cursor.items()
        for n, value in enumerate(values, 1):
            if isinstance(value, dict):
                yield value
            else:
                rejected.append((n, f"record {n} is no object"))


def _enter(cursor: Cursor, wanted: str) -> None:
    """Step to the value of a key of the outermost object."""
    cursor.take("{")
    while True:
        key = cursor.value()
        cursor.take(":")
        if key == wanted and cursor.peek() == "[":
            return
        cursor.value()
        cursor.take(",")


def _lines(
    path: Path, stream: io.TextIOBase, rejected: list[tuple[int | None, str]]
) -> Iterator[dict[str, Any]]:
    for n, line in enumerate(iter(lambda: stream.readline(MOST_RECORD + 1), ""), 1):
        if len(line) > MOST_RECORD:
            raise TableError(
                f"{path}: line {n:,} is longer than {MOST_RECORD:,} characters; refused."
            )
        text = line.strip().lstrip("\x1e\ufeff")
        if not text:
            continue
        try:
            value = _DECODER.decode(text)
        except RecursionError:
            rejected.append((n, "the JSON is nested too deeply"))
        except ValueError as e:
            rejected.append((n, f"no valid JSON: {e}"))
        else:
            if isinstance(value, dict):
                yield value
            else:
                rejected.append((n, "the line is no JSON object"))


def _whole(path: Path) -> Iterator[dict[str, Any]]:
    """The records of an object that holds no array of objects."""
    with open_stream(path) as stream:
        text = stream.read(MOST_JSON + 1)
    if len(text) > MOST_JSON:
        raise TableError(
            f"{path} is one JSON object of more than {MOST_JSON:,} characters; write its records one a line."
        )
    value = _DECODER.decode(text.strip().lstrip("\ufeff"))
    yield from rows_of(value, 3)


def rows_of(value: Any, depth: int) -> list[dict[str, Any]]:
    """The records of one JSON object: an array of objects within it, columns, rows by their index, or itself."""
    if not isinstance(value, dict):
        return []
    columns, data = value.get("columns"), value.get("data")
    if (
        isinstance(columns, list)
        and isinstance(data, list)
        and all(isinstance(r, list) for r in data)
    ):
        return [dict(zip(map(str, columns), row, strict=False)) for row in data]
    inner = list(value.values())
    if inner and all(isinstance(v, list) for v in inner) and len({len(v) for v in inner}) == 1:
        return [dict(zip(value, row, strict=True)) for row in zip(*inner, strict=True)]
    if len(inner) > 0 and all(isinstance(v, dict) for v in inner):
        keys = list(dict.fromkeys(k for v in inner for k in v))
        if not any(isinstance(c, dict | list) for v in inner for c in v.values()) or len(inner) > 1:
            if len(match_columns(list(value), {})) >= max(1, len(match_columns(keys, {}))):
                return [{c: cells.get(k) for c, cells in value.items()} for k in keys]
            return [dict(v) for v in inner]
    if depth:
        for name, v in value.items():
            if (
                isinstance(v, list)
                and v
                and all(isinstance(r, dict) for r in v)
                and name not in _PARTS
            ):
                return v
        for v in inner:
            found = rows_of(v, depth - 1) if isinstance(v, dict) and _has_rows(v, depth - 1) else []
            if found:
                return found
    return [value] if value else []


def _has_rows(value: dict[str, Any], depth: int) -> bool:
    """Whether an array of objects lies within."""
    return any(
        (
            isinstance(v, list)
            and bool(v)
            and all(isinstance(r, dict) for r in v)
            and k not in _PARTS
        )
        or (isinstance(v, dict) and depth > 0 and _has_rows(v, depth - 1))
        for k, v in value.items()
    )
