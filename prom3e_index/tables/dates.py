"""Dates of observations: ISO 8601 days, months, years, weeks, days of the year, and intervals of them.

Source: Darwin Core, `eventDate` (ISO 8601-1:2019), and what spreadsheets make of it (`2024/05/01`, `2024.0`).
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from functools import lru_cache

Days = tuple[date, date]
_LONGEST = 100

_POINT = re.compile(
    r"""(?P<year>[12]\d{3})
    (?: (?P<sep>[-/])(?P<month>\d{1,2})(?:(?P=sep)(?P<day>\d{1,2}))?
      | -(?P<ordinal>\d{3})
      | -?W(?P<week>\d{2})(?:-?(?P<weekday>[1-7]))?
      | (?P<compact>\d{4}|\d{3})
    )?(?:\.0+|(?<=\d\d-\d\d)(?:Z|[+-]\d{2}:\d{2}))?\Z""",
    re.VERBOSE | re.ASCII,
)
_MINUTES = r"(?::\d{2}(?::\d{2}(?:[.,]\d+)?)?|\d{2}(?:\d{2}(?:[.,]\d+)?)?)"
_CLOCK = rf"\d{{1,2}}{_MINUTES}|\d{{1,2}}(?=\s*[hap])"
_ZONE = r"\s*(?:[a-z]{0,5}\s*[+-]\s*\d{1,2}(?::?\d{2})?)?"
_TIMED = re.compile(
    rf"(?P<date>[^T\s]+?)(?:T(?:(?:{_CLOCK}|\d{{1,2}}){_ZONE})?|,?\s+(?:(?:{_CLOCK}){_ZONE})?)\D*\Z",
    re.IGNORECASE | re.ASCII,
)
"""A date, then a time of day, a zone, words; a further number could be another date, so there is none."""
_TIME = re.compile(rf"T?(?:{_CLOCK}|\d{{1,2}}){_ZONE}[a-z]*\Z", re.IGNORECASE | re.ASCII)
_DURATION = re.compile(r"P(?=.)(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T[\dHMS.,]+)?\Z")


def _date_part(text: str) -> str:
    """A moment without its time of day."""
    timed = _TIMED.match(text)
    return timed["date"] if timed else text


def _month(year: int, month: int) -> Days:
    first = date(year, month, 1)
    return first, (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)


def _point(text: str) -> Days | None:
    """First and last day of one day, week, month or year; None where it is none of these."""
    found = _POINT.match(_date_part(text))
    if not found:
        return None
    part = {k: int(v) for k, v in found.groupdict().items() if v and k != "sep"}
    year, compact = part["year"], found["compact"]
    if compact and len(compact) == 4:
        part |= {"month": int(compact[:2]), "day": int(compact[2:])}
    elif compact:
        part["ordinal"] = int(compact)
    try:
        if "week" in part:
            day = date.fromisocalendar(year, part["week"], part.get("weekday", 1))
            return day, day + timedelta(days=0 if "weekday" in part else 6)
        if "ordinal" in part:
            day = date(year, 1, 1) + timedelta(days=part["ordinal"] - 1)
            return (day, day) if day.year == year else None
        if "day" in part:
            day = date(year, part["month"], part["day"])
            return day, day
        if "month" in part:
            return _month(year, part["month"])
        return date(year, 1, 1), date(year, 12, 31)
    except (ValueError, OverflowError):
        return None


def _after(begin: Days, text: str) -> Days | None:
    """The last day of a duration that starts on the first day: `P3D` after 1 May is 4 May."""
    found = _DURATION.match(text)
    if not found:
        return None
    years, months, weeks, days = (int(g or 0) for g in found.groups())
    month = begin[0].month - 1 + months
    year = begin[0].year + years + month // 12
    try:
        base = min(date(year, month % 12 + 1, 1).replace(day=1), date(9000, 1, 1))
        last = _month(base.year, base.month)[1]
        day = base.replace(day=min(begin[0].day, last.day)) + timedelta(weeks=weeks, days=days)
    except (ValueError, OverflowError):
        return None
    return day, day


def _ends(begin: Days, begin_text: str, end_text: str) -> list[Days]:
    """What the end of an interval may mean, given its begin: itself, or what it leaves out taken from there."""
    stem = _date_part(begin_text)
    short = _date_part(end_text)
    whole = stem[: -len(short)] + short if 0 < len(short) < len(stem) else ""
    found = [
        _point(end_text),
        _point(whole) if not (stem != begin_text and short == end_text) else None,
    ]
    found.append(_after(begin, end_text))
    if stem != begin_text and _TIME.match(end_text):  # 10:00/12:00 of one day
        found.append((begin[1], begin[1]))
    return [days for days in found if days is not None]


def read_days(text: str) -> tuple[date | None, date | None, str | None]:
    """Read a date or an interval.

    Days, months, years, weeks (`2024-W18`) and days of the year (`2024-123`) may be written compactly
    (`20240501`) and may have a time of day, which is left out; an interval is two of them with `/` between, the
    second shortened or not, or a duration (`P3D`).

    Returns:
        First day, last day, None; or None, None and the reason why it is no date.
    """
    short = " ".join(text[: _LONGEST + 1].split())
    if len(short) > _LONGEST or len(text) > 4 * _LONGEST:
        return None, None, f"{short[:60]!r}… is no date"
    return _read_days(short)


@lru_cache(1 << 14)
def _read_days(text: str) -> tuple[date | None, date | None, str | None]:
    whole = _point(text.rstrip("/ "))
    if whole is not None:
        return (*whole, None)
    reason = f"{text[:60]!r} is no date; write 2024-05-01 or 2024-05-01/2024-05-03"
    for at in (i for i, c in enumerate(text) if c == "/"):
        left, right = text[:at].strip(), text[at + 1 :].strip()
        begin = _point(left)
        if begin is None:
            if left == ".." and _point(right) is not None:
                reason = f"the interval {text[:60]!r} has no begin"
            continue
        ends = _ends(begin, left, right)
        last = next((days[1] for days in ends if days[1] >= begin[1]), None)
        if last is not None:
            return begin[0], last, None
        if ends:
            reason = f"the interval {text[:60]!r} ends before it begins"
        elif right == "..":
            reason = f"the interval {text[:60]!r} has no end"
    return None, None, reason


def event_days(text: str | None) -> tuple[date | None, date | None]:
    """First and last day of a date or an interval (see `read_days`); None where unreadable or empty."""
    return read_days(text)[:2] if text else (None, None)


def date_of_parts(year: str | None, month: str | None, day: str | None) -> str | None:
    """One text of three cells, as far as they are filled from the left; a number may end in `.0`.

    A month or day without what stands above it gives a text that is no date, so that it is not lost unsaid.
    """
    parts = [re.sub(r"\.0+\Z", "", p) if p else None for p in (year, month, day)]
    if parts[0] is None and any(parts):
        return "-".join(p or "?" for p in parts)
    known = parts[: next((i for i, p in enumerate(parts) if p is None), 3)]
    return "-".join(str(p).zfill(2) for p in known) or None
