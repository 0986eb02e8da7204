"""What only a whole column tells of its dates: whether the day or the month comes first, and whether it counts days.

`04/05/2023` is read as the column's other dates are; where none tells, it is no date until the user says which.
A number such as `45069` is a day of a spreadsheet's count where the column holds nothing else, or its other dates
are of the same years.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from prom3e_index.errors import InputError
from prom3e_index.tables.short_years import year_first

Days = tuple[date, date]
Order = Literal["dmy", "mdy"]
ORDERS: tuple[Order, ...] = ("dmy", "mdy")

_NUMERIC = re.compile(
    r"(?<![\d.,:-])(?<!\b\d/)(?<!\b\d\d/)(\d{1,2})([/.\- ])(\d{1,2})\2(\d{4}(?!\d)|\d{2}(?![\d/.-]))",
    re.ASCII,
)
SERIAL = re.compile(r"\d{5}(?:[.,]\d{1,12})?", re.ASCII)
_YEAR = re.compile(r"(?<!\d)(1[789]\d\d|20\d\d)(?!\d)", re.ASCII)
_FIRST_SERIAL = date(1950, 1, 1)
_FOUR_YEARS = 1462
"""Days between the counts of 1900 and 1904."""


_SLIPS = 0.1
"""Of the dates that tell their order, so many may be against it: a slip costs its own cell, not the column."""
_DOTTED = 0.4
"""Dates with dots are of languages that put the day first. With the month first three in five would have a day above
12; where fewer than this share have one, it is a slip."""

_MONTHS = ("", "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
           "November", "December")  # fmt: skip


class Doubt(Exception):
    """A text could be two dates; says which, and what would tell."""


@dataclass(frozen=True)
class DateRules:
    """How the dates of one column are read.

    Attributes:
        order: Whether the day or the month comes first; None where nothing tells.
        dotted: The same of dates with dots, which are of languages that put the day first.
        given: The order was given by the user, not seen in the column.
        year_first: Of dates of two digits thrice: whether the year comes first; None where nothing tells.
        serials: First and last day that a number of a spreadsheet's count may mean; None where numbers are no dates.
        said: What a user should see of it, each a sentence without the column's name.
    """

    order: Order | None = None
    dotted: Order | None = "dmy"
    given: bool = False
    year_first: bool | None = False
    serials: Days | None = None
    said: tuple[str, ...] = ()


AS_IS = DateRules()
"""Nothing was learned of the column."""


def learn_dates(texts: Iterable[str | None], order: Order | None = None) -> DateRules:
    """See from a sample of a column how its dates are read.

    Args:
        texts: Cells; empty ones tell nothing.
        order: What the user says; nothing of it is learned then.
    """
    first: dict[str, str] = {}
    counts = dict.fromkeys(("dmy", "mdy", "either", ".dmy", ".mdy", ".either", "short"), 0)
    serials, others, years = [], 0, []
    numeric: list[str] = []
    short: list[str] = []
    for text in texts:
        cell = (text or "")[:200].strip()
        if not cell:
            continue
        if SERIAL.fullmatch(cell):
            serials.append(cell)
            continue
        others += 1
        years += [int(y) for y in _YEAR.findall(cell)]
        found_years = [year for *_, year in _NUMERIC.findall(cell)]
        if found_years:
            (short if any(len(y) == 2 for y in found_years) else numeric).append(cell)
        if _short_year(cell):
            counts["short"] += 1
            first.setdefault("short", cell[:40])
    years_first = False if order else year_first(short)
    for cell in numeric if years_first is not False else [*numeric, *short]:
        kinds = [_tells(int(a), int(b), mark) for a, mark, b, _ in _NUMERIC.findall(cell)]
        for kind in filter(None, kinds):
            counts[kind] += 1
            first.setdefault(kind, cell[:40])
    said = []
    if years_first:
        said.append(f"dates are read with the year first, as {short[0][:40]!r} has it")
    elif years_first is None:
        said.append(
            f"{_dates(len(short))} such as {short[0][:40]!r} may have the year first or last, and no date of the "
            "column tells: not read; write years with four digits, or say --date-order dmy or mdy"
        )
    found, dotted = order, order
    if order is None:
        found, sentence = _order(counts, first, "")
        said += [sentence] if sentence else []
        dotted, sentence = _order(counts, first, ".")
        if counts[".mdy"] <= _DOTTED * (counts[".mdy"] + counts[".dmy"] + counts[".either"]):
            dotted, sentence = "dmy", None
        said += [sentence] if sentence else []
    if counts["short"]:
        said.append(
            f"{_dates(counts['short'])} with a year of two digits, as {first['short']!r}: 00 to 29 are read as 2000 to "
            "2029, 30 to 99 as 1930 to 1999, as spreadsheets do"
        )
    span = _span(serials, others, years)
    if serials and span is not None:
        day = serial_day(serials[0])
        said.append(
            f"{_dates(len(serials), 'number')} such as {serials[0]!r}: read as days of a spreadsheet ({day}, counted "
            f"from 1900); a file that counts from 1904 would mean {day + timedelta(days=_FOUR_YEARS)}"
        )
    return DateRules(found, dotted, order is not None, years_first, span, tuple(said))


def order_named(name: str | None) -> Order | None:
    """The order that a user names.

    Raises:
        InputError: It is neither `dmy` nor `mdy`.
    """
    if name is None:
        return None
    for order in ORDERS:
        if name == order:
            return order
    raise InputError(
        f"--date-order is {name[:40]!r}; it must be dmy (day first) or mdy (month first)."
    )


def _order(
    counts: dict[str, int], first: dict[str, str], mark: str
) -> tuple[Order | None, str | None]:
    """The order that the dates of a column tell, and what is said of it."""
    dmy, mdy, either = (counts[mark + k] for k in ("dmy", "mdy", "either"))
    if dmy and mdy and min(dmy, mdy) > _SLIPS * (dmy + mdy):
        return None, (
            f"{first[mark + 'dmy']!r} has the day first and {first[mark + 'mdy']!r} the month ({dmy:,} and {mdy:,} "
            "such dates): dates that could be either are not read; say --date-order dmy or mdy"
        )
    if dmy or mdy:
        found: Order = "dmy" if dmy > mdy else "mdy"
        which = "the day first" if dmy else "the month first"
        return (
            found,
            f"dates are read with {which}, as {first[mark + found]!r} has it ({_dates(max(dmy, mdy))} of this kind)",
        )
    if either:
        return None, (
            f"{_dates(either)} such as {first[mark + 'either']!r} may have the day or the month first, and no date of "
            "the column tells: not read; say --date-order dmy or mdy"
        )
    return None, None


def _dates(count: int, what: str = "date") -> str:
    return f"{count:,} {what}{'s' if count != 1 else ''}"


def _tells(a: int, b: int, mark: str) -> str | None:
    """What two numbers before a year tell of their order."""
    dot = "." if mark == "." else ""
    if 12 < a <= 31 and 1 <= b <= 12:
        return dot + "dmy"
    if 12 < b <= 31 and 1 <= a <= 12:
        return dot + "mdy"
    return dot + "either" if 1 <= a <= 12 and 1 <= b <= 12 and a != b else None


def _short_year(cell: str) -> bool:
    return any(len(y) == 2 for *_, y in _NUMERIC.findall(cell)) or bool(
        re.search(r"(?<!\d)\d{1,2}[-./ ][^\W\d_]{1,10}\.?[-./ ]\d{2}(?!\d|:)", cell)
    )


def _span(serials: list[str], others: int, years: list[int]) -> Days | None:
    if not serials:
        return None
    if others:
        return (date(min(years), 1, 1), date(max(years), 12, 31)) if years else None
    last = date.today() + timedelta(days=366)
    plausible = all(_FIRST_SERIAL <= serial_day(s) <= last for s in serials)
    return (_FIRST_SERIAL, last) if plausible else None


def serial_day(text: str) -> date:
    """The day of a spreadsheet's count from 1900 (`45069` is 23 May 2023)."""
    return date(1899, 12, 30) + timedelta(days=int(text[:5]))


def day_month(
    a: int, b: int, year: int, mark: str, rules: DateRules, shown: str
) -> tuple[int, int, int] | None:
    """Year, month and day of two numbers before a year; a day or month of 0 is unknown.

    Raises:
        Doubt: They could be either, or are against the order of the column.
    """
    first = _valid(year, b, a)
    second = _valid(year, a, b)
    order = rules.dotted if mark == "." else rules.order
    if first and second and a != b:
        if order is None:
            days = (
                f"{a} {_MONTHS[b]} or {b} {_MONTHS[a]}" if a and b else "the day or the month first"
            )
            raise Doubt(f"{shown} may be {days}; say --date-order dmy or mdy")
        return (year, b, a) if order == "dmy" else (year, a, b)
    if not first and not second:
        return None
    own: Order = "dmy" if first else "mdy"
    if order not in (None, own) and a != b and (mark != "." or rules != AS_IS):
        which = {"dmy": "the day", "mdy": "the month"}
        whose = "--date-order says" if rules.given else "the column's first dates have"
        raise Doubt(f"{shown} has {which[own]} first, {whose} {which[str(order)]} first")
    return (year, b, a) if first else (year, a, b)


def _valid(year: int, month: int, day: int) -> bool:
    if month == 0:
        return day == 0
    try:
        date(year, month, day or 1)
    except ValueError:
        return False
    return True


def counted(text: str, rules: DateRules, shown: str) -> Days | None:
    """A number that counts days (spreadsheets), seconds or milliseconds (Unix); None where it is none.

    Raises:
        Doubt: It may be a spreadsheet's, and the column does not tell.
    """
    if SERIAL.fullmatch(text):
        day = serial_day(text)
        if rules.serials is None or not rules.serials[0] <= day <= rules.serials[1]:
            raise Doubt(
                f"{shown} may be the day {day} of a spreadsheet's count, but the column's other cells do not tell"
            )
        return day, day
    if re.fullmatch(r"1\d{9}(?:\.\d{1,9})?|1\d{12}", text, re.ASCII):
        whole = text.partition(".")[0]
        moment = datetime.fromtimestamp(int(whole[:10]), UTC)
        if moment < datetime.now(UTC) + timedelta(days=1):
            return moment.date(), moment.date()
    return None
