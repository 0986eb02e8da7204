"""Years of two digits: which year they mean, and whether a column's dates have them first (`21-05-03`) or last."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date

_THREE = re.compile(r"(?<!\d)(\d{2})([/.-])(\d{2})\2(\d{2})(?!\d)", re.ASCII)


def full_year(digits: str) -> int:
    """A year of four digits or two: 00 to 29 are 2000 to 2029, 30 to 99 are 1930 to 1999."""
    year = int(digits)
    return year if len(digits) > 2 else year + (2000 if year < 30 else 1900)


def year_first(cells: Iterable[str]) -> bool | None:
    """Whether dates of two digits thrice begin with the year.

    The reading under which a date does not exist or is yet to come is not the column's. Where both can be, a column
    has fewer years than days. Where that does not tell either, dates with hyphens may be either, for so does ISO
    8601 without its century; others have the year last.

    Args:
        cells: Dates of a column whose last number has two digits.

    Returns:
        None where it could be either.
    """
    firsts, lasts, marks = set(), set(), set()
    first = last = True
    for cell in cells:
        found = _THREE.search(cell)
        if found is None:  # `3/5/21`
            return False
        a, mark, b, c = found.groups()
        firsts.add(a)
        lasts.add(c)
        marks.add(mark)
        first &= _past(a, b, c)
        last &= _past(c, b, a) or _past(c, a, b)
    if not firsts or first != last or not first:
        return bool(firsts) and first and not last
    if len(firsts) != len(lasts):
        return len(firsts) < len(lasts)
    return None if "-" in marks else False


def _past(year: str, month: str, day: str) -> bool:
    try:
        return date(full_year(year), int(month), int(day)) <= date.today()
    except ValueError:
        return False
