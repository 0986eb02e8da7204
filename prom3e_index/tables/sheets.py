"""Spreadsheets: XLSX, XLSM, XLS and ODS, by calamine."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prom3e_index.errors import TableError, near_names
from prom3e_index.tables.aliases import match_columns
from prom3e_index.tables.sheet_values import without_values
from prom3e_index.tables.source import MOST_COLUMNS, Source, unique_names
from prom3e_index.tables.two_lines import is_labels, joined

if TYPE_CHECKING:
    import pyarrow as pa

MOST_CELLS = 40_000_000
"""Cells between the first and the last filled one of a sheet; a sheet is in memory while it is read."""
_MOST_BYTES = 1 << 30
_TOP = 30
_CELL = re.compile(
    rb"""<(?:\w+:)?c\s[^>]*?\br\s*=\s*["']([A-Za-z]{1,3})(\d{1,7})["'](?:[^>]*[^/>])?>"""
)
_UNNUMBERED = re.compile(rb"<(?:\w+:)?c(?:>|\s(?![^>]*\br\s*=)[^>]*[^/]>)")
_ROW_OR_CELL = re.compile(rb"""<(?:\w+:)?(row|c)(?:\s(?:[^>]*?\br\s*=\s*["'](\d+))?[^>]*)?>""")
_REPEATED = re.compile(rb"<table:(table-row|table-cell|covered-table-cell)\b[^>]*?>")
_TIMES = re.compile(rb"""number-(?:rows|columns)-repeated\s*=\s*["'](\d+)["']""")
_COMPARED = 200
"""Rows by which one below the header is told from observations."""
_SAVE = "save the sheet as CSV"
Row = list[Any]


def open_sheet(path: Path, sheet: str | None = None) -> Source:
    """A row for each row below the header of one sheet.

    The sheet is `sheet`, else the one whose columns mean most fields; the header is looked for below title rows.
    Dates are ISO 8601, whole numbers have no decimals, cells that merge several rows fill them all.

    Raises:
        TableError: Damaged, encrypted, too large, without such a sheet, or without a header.
    """
    _check(path)
    book = _book(path)
    names: list[str] = list(book.sheet_names)
    if sheet is not None and sheet not in names:
        raise TableError(
            f"{path} has the sheets {', '.join(names)}, not {sheet!r}{near_names(sheet, names)}."
        )
    found = {n: _head(_sheet(path, book, n)) for n in ([sheet] if sheet is not None else names)}
    chosen = max(found, key=lambda n: (found[n][0], -names.index(n)))
    score, at, header = found[chosen]
    if not header:
        raise TableError(f"{path}: the sheet {chosen!r} has no row of column names.")
    said = []
    others = [n for n in names if n != chosen]
    if others:
        said.append(
            f"Sheet {chosen!r} is read, not {', '.join(map(repr, others))}; to read another name PATH::SHEET."
        )
    cells = _sheet(path, book, chosen)
    rows = cells.to_python(skip_empty_area=False)
    above = joined(_names(rows[at - 1]), header) if at else None
    below = joined(header, _names(rows[at + 1])) if at + 1 < len(rows) else None
    titles = at - 1 if above else at
    if titles:
        title = next((_text(c) for r in rows[:titles] for c in r if c not in (None, "")), None)
        said.append(
            f"{titles:,} rows above the column names were passed over{f' ({title[:60]!r})' if title else ''}."
        )
    if above or below:
        header, at = above or below or [], at if above else at + 1
        said.append(f"The names of the columns stand in two rows: {', '.join(header)[:160]}.")
    if zipfile.is_zipfile(path):
        said += without_values(path, chosen, _chunks)
    filled = _fill_merged(cells, rows, at)
    if filled:
        said.append(f"{filled:,} cells got the value of the merged cell that they lie in.")
    body = [
        (n, r) for n, r in enumerate(rows[at + 1 :], at + 2) if any(c not in (None, "") for c in r)
    ]
    first, *later = [_names(r) for _, r in body[:_COMPARED]] or [[]]
    if is_labels(first, later):
        said.append(
            f"The row under the header holds labels or units; passed over: {' / '.join(filter(None, first))[:80]!r}."
        )
        del body[0]
    kept = [
        i
        for i in range(len(header))
        if header[i] or any(i < len(r) and r[i] not in (None, "") for _, r in body)
    ]
    if len(kept) > MOST_COLUMNS:
        raise TableError(f"{path} has {len(kept):,} columns; at most {MOST_COLUMNS:,} are read.")
    columns = unique_names(header[i] or f"column_{i + 1}" for i in kept)

    def read(size: int) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        for start in range(0, len(body), size):
            part = body[start : start + size]
            yield pa.RecordBatch.from_arrays(
                [
                    pa.array([_text(r[i]) if i < len(r) else None for _, r in part], pa.string())
                    for i in kept
                ],
                names=columns,
            )

    facts: dict[str, Any] = {"rows": len(body), "sheet": chosen}
    if at:
        facts["header"] = f"header in row {at + 1:,}"
    return Source(sheet_format(path), columns, path.parent, read, facts, said)


def sheet_format(path: Path) -> str:
    """`xlsx`, `ods` or `xls`, by content."""
    with path.open("rb") as f:
        if f.read(4) == b"\xd0\xcf\x11\xe0":
            return "xls"
    with zipfile.ZipFile(path) as z:
        return "ods" if "content.xml" in z.namelist() else "xlsx"


def _book(path: Path) -> Any:
    import python_calamine as calamine

    try:
        return calamine.CalamineWorkbook.from_path(str(path))
    except calamine.PasswordError as e:
        raise TableError(f"{path} is protected by a password; save it without one.") from e
    except (calamine.CalamineError, OSError) as e:
        raise TableError(f"{path} is no readable spreadsheet: {str(e).splitlines()[0]}.") from e


def _sheet(path: Path, book: Any, name: str) -> Any:
    import python_calamine as calamine

    try:
        return book.get_sheet_by_name(name)
    except (calamine.CalamineError, OSError) as e:
        raise TableError(
            f"{path}: the sheet {name!r} cannot be read: {str(e).splitlines()[0]}."
        ) from e


def _check(path: Path) -> None:
    """Refuse a sheet that would fill the memory, before it is loaded.

    Raises:
        TableError: It expands too far, or one sheet has more than `MOST_CELLS` between first and last cell.
    """
    with path.open("rb") as f:
        if f.read(4) == b"\xd0\xcf\x11\xe0":
            return  # at most 65,536 rows of 256 cells
    try:
        with zipfile.ZipFile(path) as z:
            total = sum(
                i.file_size for i in z.infolist() if i.filename.lower().endswith((".xml", ".bin"))
            )
            if total > _MOST_BYTES:
                raise TableError(
                    f"{path} expands to {total:,} bytes of cells; at most {_MOST_BYTES:,}. {_SAVE}."
                )
            for name in z.namelist():
                if name == "xl/workbook.bin":
                    raise TableError(f"{path} is a binary workbook (XLSB); save it as XLSX.")
                if re.match(r"xl/worksheets/[^/]+\.xml\Z", name, re.IGNORECASE):
                    area = _area(z, name)
                elif name == "content.xml":
                    area = _expanded(z, name)
                else:
                    continue
                if area > MOST_CELLS:
                    raise TableError(
                        f"{path} spans {area:,} cells in one sheet; at most {MOST_CELLS:,} are read. Is a stray value "
                        f"far below or beside the table? Remove it, or {_SAVE}."
                    )
    except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, OSError) as e:
        raise TableError(f"{path} is no readable spreadsheet: {e}.") from e


def _chunks(z: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    """The bytes of a member, each chunk beginning with the end of the last, cut at a tag."""
    rest = b""
    with z.open(name) as f:
        while data := f.read(1 << 20):
            data = rest + data
            cut = data.rfind(b"<")
            if cut <= 0:
                cut = len(data) if len(data) > 1 << 22 else 0
            rest = data[cut:]
            yield data[:cut]
    yield rest


def _area(z: zipfile.ZipFile, name: str) -> int:
    """Rows × columns between the first and the last cell of an XLSX sheet that is not empty."""
    rows: set[int] = set()
    columns: set[bytes] = set()
    unnumbered = False
    for data in _chunks(z, name):
        for column, row in _CELL.findall(data):
            columns.add(column.upper())
            rows.add(int(row))
        rows = {min(rows), max(rows)} if rows else rows
        unnumbered = unnumbered or _UNNUMBERED.search(data) is not None
    wide = [_column(c) for c in columns]
    if unnumbered:
        height, width = _counted(z, name)
        rows |= {1, height}
        wide += [1, width]
    return (max(rows) - min(rows) + 1) * (max(wide) - min(wide) + 1) if rows else 0


def _counted(z: zipfile.ZipFile, name: str) -> tuple[int, int]:
    """(Last row, most cells of a row) where cells do not say where they are."""
    at = cells = width = last = 0
    for data in _chunks(z, name):
        for tag, number in _ROW_OR_CELL.findall(data):
            if tag == b"row":
                at, cells = int(number) if number else at + 1, 0
                last = max(last, at)
            else:
                cells += 1
                width = max(width, cells)
    return last, width


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


def _expanded(z: zipfile.ZipFile, name: str) -> int:
    """Cells of an ODS file with those that it repeats, the empty ends of rows left out."""
    total = width = waiting = times = 0
    for data in _chunks(z, name):
        for tag in _REPEATED.finditer(data):
            found = _TIMES.search(tag[0])
            count = int(found[1]) if found else 1
            if tag[1] == b"table-row":
                total += width * times
                width = waiting = 0
                times = count
            elif tag[0].endswith(b"/>"):
                waiting += count
            else:
                width += waiting + count
                waiting = 0
    return total + width * times


def _head(sheet: Any) -> tuple[int, int, list[str]]:
    """(Fields that its columns mean, row of the column names, the names) of a sheet."""
    best: tuple[int, int, list[str]] = (-1, 0, [])
    for at, row in enumerate(sheet.to_python(skip_empty_area=False, nrows=_TOP)):
        names = [(_text(c) or "").strip() for c in row]
        filled = [n for n in names if n]
        if not filled or not all(isinstance(c, str) or c is None for c in row if c != ""):
            continue
        score = len(match_columns(unique_names(filled[:MOST_COLUMNS]), {}))
        if score > best[0] and (score or len(filled) > 1 or best[0] < 0):
            best = (score, at, [" ".join(n.split()) for n in names])
    return best


def _names(row: Row) -> list[str]:
    """The cells of a row that names columns, each in one line."""
    return [" ".join((_text(c) or "").split()) for c in row]


def _fill_merged(sheet: Any, rows: list[Row], at: int) -> int:
    """Give the value of a merged cell to the empty ones below it, below the header; how many were filled."""
    filled = 0
    for (top, left), (bottom, right) in sheet.merged_cell_ranges or []:
        if top <= at or bottom == top or left != right:
            continue
        for row in range(top + 1, min(bottom + 1, len(rows))):
            if (
                left < len(rows[row])
                and rows[top][left] not in (None, "")
                and rows[row][left] in (None, "")
            ):
                rows[row][left] = rows[top][left]
                filled += 1
    return filled


def _text(cell: Any) -> str | None:
    """A cell as text: ISO 8601 for dates and times, no decimals for whole numbers."""
    if cell is None or cell == "":
        return None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, datetime):
        return cell.isoformat() if cell.time() != time(0) else cell.date().isoformat()
    if isinstance(cell, date | time):
        return cell.isoformat()
    if isinstance(cell, timedelta):
        whole = int(cell.total_seconds())
        return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"
    return str(cell)
