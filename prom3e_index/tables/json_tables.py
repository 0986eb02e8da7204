"""JSON files and JSON lines of observations."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prom3e_index.errors import TableError
from prom3e_index.tables.encoding import find_encoding
from prom3e_index.tables.json_records import Cells, flat
from prom3e_index.tables.json_stream import Shape, records, shape_of
from prom3e_index.tables.source import MOST_COLUMNS, Source

if TYPE_CHECKING:
    import pyarrow as pa

_LONE = re.compile("[\ud800-\udfff]")
_ODD = " hold bytes that are no characters; they stand as \ufffd."
_LAID = {
    "lines": "one record a line",
    "values": "one record after another",
    "array": "an array of records",
    "wrapped": "an array of records in {!r}",
    "whole": "one object",
}
_PAGES = (("numPages", "page"), ("endOfRecords", "offset"), ("total_results", "page"))


def open_json(path: Path) -> Source:
    """A row for each record of a JSON file, whose columns are those of all its records.

    The file is read twice: for its columns, and for its rows; one record at a time is in memory.

    Raises:
        TableError: No valid JSON, no records in it, or more than `MOST_COLUMNS` columns.
    """
    shape = shape_of(path)
    lines = shape.kind == "lines"
    said = [page] if (page := _pages(shape)) else []
    origin: dict[str, str] = {}
    kind = "jsonl" if lines else "json"
    return from_records(path, kind, shape, lambda r: flat(r, origin), said, origin)


def from_records(
    path: Path,
    format: str,
    shape: Shape,
    cells: Callable[[dict[str, Any]], Cells],
    said: list[str],
    origin: dict[str, str],
) -> Source:
    """A source of the records of a JSON file, each made into cells."""
    columns: dict[str, bool] = {}
    rejected: list[tuple[int | None, str]] = []
    rows = 0
    for record in records(path, shape, rejected):
        rows += 1
        for name, cell in cells(record).items():
            columns[name] = columns.get(name, False) or isinstance(cell, list)
        if len(columns) > MOST_COLUMNS:
            raise TableError(
                f"{path} has more than {MOST_COLUMNS:,} columns; at most {MOST_COLUMNS:,} are read. "
                "Are its keys ids? Write an array of objects."
            )
    if not rows:
        raise TableError(f"{path} holds no record.")
    names = _spelled(list(columns))
    odd: list[None] = []

    def read(size: int) -> Iterator[pa.RecordBatch]:
        rejected.clear()
        odd.clear()
        part: list[Cells] = []
        for record in records(path, shape, rejected):
            part.append(cells(record))
            if len(part) == size:
                yield cells_batch(part, columns, names, odd)
                part = []
        if part:
            yield cells_batch(part, columns, names, odd)
        said[:] = [s for s in said if not s.endswith(_ODD)]
        if odd:
            said.append(f"{len(odd):,} cells{_ODD}")

    facts = {
        "rows": rows + len(rejected),
        "shape": _LAID[shape.kind].format(shape.key),
        "encoding": find_encoding(path).name,
    }
    own = list(names.values())
    return Source(format, own, path.parent, read, facts, said, rejected=rejected, origin=origin)


def _spelled(columns: list[str]) -> dict[str, str]:
    """Key → column name; keys that differ by case only get `_` at their end."""
    from prom3e_index.tables.source import unique_names

    return dict(zip(columns, unique_names(_sound(c, []) or "column" for c in columns), strict=True))


def _sound(cell: str, odd: list[None]) -> str:
    """A text that can be written: what is no character stands as U+FFFD, and is counted."""
    if cell.isascii() or not _LONE.search(cell):
        return cell
    odd.append(None)
    return _LONE.sub("\ufffd", cell)


def cells_batch(
    part: list[Cells], columns: dict[str, bool], names: dict[str, str], odd: list[None]
) -> pa.RecordBatch:
    """Some rows of cells as a batch.

    Args:
        part: The rows.
        columns: Key → whether its cells are lists.
        names: Key → column name.
        odd: Gets an entry for each cell with what is no character.
    """
    import pyarrow as pa

    arrays = []
    for key, listed in columns.items():
        cells = [row.get(key) for row in part]
        if listed:
            kind = pa.list_(pa.string())
            lists = [[c] if isinstance(c, str) else c for c in cells]
            arrays.append(pa.array([c and [_sound(p, odd) for p in c] for c in lists], kind))
        else:
            texts = [c if c is None else _sound(c, odd) for c in cells]
            arrays.append(pa.array(texts, pa.string()))
    return pa.RecordBatch.from_arrays(arrays, names=list(names.values()))


def _pages(shape: Shape) -> str | None:
    """What is said of an answer that is one page of several."""
    around = shape.around
    if shape.kind != "wrapped" or not any(
        whole in around and page in around for whole, page in _PAGES
    ):
        return None
    pages, total = str(around.get("numPages", "")), around.get("total_results")
    per_page = around.get("per_page")
    partial = (
        (pages.isdigit() and int(pages) > 1)
        or around.get("endOfRecords") is False
        or (isinstance(total, int) and isinstance(per_page, int) and total > per_page)
    )
    if not partial:
        return None
    count = around.get("numRecordings") or around.get("count") or total
    whole = f" of {count} records" if count else ""
    return f"The file is one page of an answer{whole}; the other pages are other files."
