"""What the name of a column tells of the signs of its degrees: `Longitude (W)`, `Latitud S`, and what O means there."""

from __future__ import annotations

import re
from collections.abc import Iterable

from prom3e_index.tables.angles import Writing
from prom3e_index.tables.grids import NotRead

_BRACKETED = re.compile(r"[(\[]([^()\[\]]*)[)\]]")
_WEST = frozenset(("w", "west", "oeste", "ouest", "ovest", "väst", "vest", "western"))
_SOUTH = frozenset(("s", "south", "sur", "sud", "süd", "sul", "zuid", "southern"))
_O_IS_WEST = re.compile(r"longitud(?![e])|longitudine|oeste|ouest|ovest", re.IGNORECASE)
_O_IS_EAST = re.compile(r"l[äa]nge|laenge|lengte|ost\b|oost", re.IGNORECASE)
_SIGNED = re.compile(r"\s*[-−–]")
_O = re.compile(r"(?<![^\W\d_])[Oo](?![^\W\d_])")
_LETTER = re.compile(r"[^\W\d_]")
_WORDED = re.compile(r"[^\W\d_]|\A\s*[+\-−–]")


def side_named(column: str, cells: Iterable[str], writing: Writing) -> int:
    """-1 where degrees without a sign are west or south by their column's name, 0 where it does not tell, else 1.

    It does not tell where `O` may be both, or where some cells have the sign that others leave to the name.

    Args:
        column: Its name; what stands in brackets or last counts.
        cells: Some of its cells.
        writing: How they are written.
    """
    last = re.split(r"[\W_]+", column.strip())[-1:] if re.search(r"[\W_]", column.strip()) else []
    held = [w for part in _BRACKETED.findall(column) for w in re.split(r"[\W_]+", part) if w]
    told = {w.lower() for w in held or last}
    side = -1 if told & (_WEST | _SOUTH) else 1
    if "o" in told:
        side = {-1: -1, 1: 1}.get(o_named(column) or writing.o_means, 0)
    if told & {"n", "e", "north", "east"}:  # `(N/S)`, `E/W`: which of them is not said
        side = 1
    signed = [_SIGNED.match(c) is not None for c in cells if not _LETTER.search(c)]
    return 1 if side == 1 or all(signed) else 0 if any(signed) else side


def o_named(column: str) -> int:
    """What the letter O of cells means by their column's language: -1 west, 1 east, 0 unknown."""
    if _O_IS_WEST.search(column):
        return -1
    return 1 if _O_IS_EAST.search(column) else 0


def sided(text: str | None, side: int, column: str) -> str | None:
    """A cell with the sign that its column's name tells; one that has a sign or letters stays.

    Raises:
        NotRead: The name does not tell which.
    """
    if text is None or side == 1 or not text.strip() or _WORDED.search(text):
        return text
    if side == 0:
        raise NotRead(
            f"'{text[:60]}': the column's name {column!r} does not tell its side; write its sign or letter"
        )
    return "-" + text.strip()


def said_of_o(columns: Iterable[str], cells: Iterable[str], writing: Writing) -> list[str]:
    """How the letter O is read, where cells have it."""
    if not writing.o_means or not any(_O.search(c) for c in cells):
        return []
    where = " and ".join(map(repr, columns))
    side = "west (ouest, oeste)" if writing.o_means < 0 else "east (Ost, oost)"
    return [
        f"{where}: the letter O is read as {side}, as the name or other cells of the column tell"
    ]
