"""Dates of observations: what people write, as first and last day, or the reason why it is none.

ISO 8601 days, months, years, weeks, days of the year and intervals of them (Darwin Core, `eventDate`), what
spreadsheets, cameras and programs make of them, and what people write (`written_dates`). Of what only the column
tells see `day_order`.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from functools import lru_cache

from prom3e_index.tables.day_order import AS_IS, DateRules, Days, Doubt, counted, learn_dates
from prom3e_index.tables.written_dates import month_number, span, winter, written

__all__ = ["DateRules", "date_of_parts", "event_days", "learn_dates", "read_days"]

_LONGEST = 100

_POINT = re.compile(
    r"""(?P<year>[12]\d{3})
    (?: (?P<sep>[-/])(?P<month>\d{1,2})(?:(?P=sep)(?P<day>\d{1,2}))?
      | (?P<sep2>[.: ])(?P<month2>\d{1,2})(?P=sep2)(?P<day2>\d{1,2})
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
_DURATION = re.compile(
    r"P(?=.)(?:(\d{1,6})Y)?(?:(\d{1,6})M)?(?:(\d{1,6})W)?(?:(\d{1,6})D)?(?:T[\dHMS.,]+)?\Z"
)
_PACKED = re.compile(
    r"((?:1[6-9]|20)\d{6})[_\- ]?((?:[01]\d|2[0-3])[0-5]\d(?:[0-5]\d)?)\Z", re.ASCII
)
_ABOUT = re.compile(
    r"\A(?:(?:ca|c|circa|approx|approximately|about|around|um|vers|env)\b\.?\s*|~\s*)",
    re.IGNORECASE,
)
_EDTF = re.compile(r"[?~%]+\Z")
_UNKNOWN = re.compile(r"(?<=-)(?:[xXuU]{2}|\?\?)(?=-|\Z)")
_BETWEEN = re.compile(
    r"\s*(?:–|—|--|\.\.)\s*|\s+(?:-|to|until|till|through|bis|au|al|até|tot|t/m|til)\s+",
    re.IGNORECASE,
)
_LIST = re.compile(r"\s*[&;|]\s*|\s+(?:and|und|et|y|e|en|og|och)\s+", re.IGNORECASE)
_WORDED = re.compile(
    r"\A(?:between|zwischen|entre)\s+(.+?)\s+(?:and|und|et|y|e)\s+(.+)", re.IGNORECASE
)
_DAYS_FIRST = re.compile(r"\A([^\W\d_]+\.?)\s+(\d{1,2})\s*[-–]\s*(\d{1,2}),?\s+(\d{4})\Z")
"""`May 1-3, 2023`."""
_NEAR = timedelta(days=31)
"""Days of a list are read as an interval where they are as near as this."""


def _date_part(text: str) -> str:
    """A moment without its time of day."""
    timed = _TIMED.match(text)
    return timed["date"] if timed else text


def _point(text: str, rules: DateRules) -> Days | None:
    """First and last day of one day, week, month, year or more; None where it is none of these."""
    part = _date_part(text)
    found = _POINT.match(part)
    if found:
        # `2023 May`: what follows a year may be a month, what follows a day is a time or a remark
        return (written(text, rules) if len(part) == 4 < len(text) else None) or _iso(found)
    packed = _PACKED.match(text)
    if packed:
        return span(int(packed[1][:4]), int(packed[1][4:6]), int(packed[1][6:8]))
    number = counted(text, rules, repr(text[:60]))
    if number is not None:
        return number
    plain = _UNKNOWN.sub("00", _EDTF.sub("", _ABOUT.sub("", text)))
    found = _POINT.match(plain) if plain != text else None
    return _iso(found) if found else written(plain, rules)


def _iso(found: re.Match[str]) -> Days | None:
    part = {
        k.rstrip("2"): int(v) for k, v in found.groupdict().items() if v and not k.startswith("sep")
    }
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
    except (ValueError, OverflowError):
        return None
    month, day_number = part.get("month", 0), part.get("day", 0)
    if 21 <= month <= 41 and not day_number and found["sep"] == "-":  # a season of EDTF
        return winter(year) if month in (24, 28, 32) else span(year, 0, 0)
    return span(year, month, day_number)


def _moved(day: date, text: str, sign: int) -> date | None:
    """A day a duration later or earlier: `P3D` after 1 May is 4 May."""
    found = _DURATION.match(text)
    if not found:
        return None
    years, months, weeks, days = (sign * int(g or 0) for g in found.groups())
    at = day.month - 1 + months
    try:
        month = date(day.year + years + at // 12, at % 12 + 1, 1)
        last = span(month.year, month.month, 0)
        assert last is not None
        return month.replace(day=min(day.day, last[1].day)) + timedelta(weeks=weeks, days=days)
    except (ValueError, OverflowError):
        return None


def _ends(begin: Days, begin_text: str, end_text: str, rules: DateRules) -> list[Days]:
    """What the end of an interval may mean, given its begin: itself, or what it leaves out taken from there."""
    stem = _date_part(begin_text)
    short = _date_part(end_text)
    whole = stem[: -len(short)] + short if 0 < len(short) < len(stem) else ""
    found = [_quiet(end_text, rules)]
    if not (stem != begin_text and short == end_text) and _POINT.match(stem):
        found.append(_quiet(whole, rules))
    day = _moved(begin[0], end_text, 1)
    found.append((day, day) if day else None)
    if stem != begin_text and _TIME.match(end_text):  # 10:00/12:00 of one day
        found.append((begin[1], begin[1]))
    return [days for days in found if days is not None]


def _quiet(text: str, rules: DateRules) -> Days | None:
    try:
        return _point(text, rules)
    except Doubt:
        return None


def read_days(text: str, rules: DateRules = AS_IS) -> tuple[date | None, date | None, str | None]:
    """Read a date or an interval.

    Days, months, years, weeks (`2024-W18`) and days of the year (`2024-123`) may be written compactly
    (`20240501`), with unknown parts (`2024-05-00`, `199X`), a month in words or Roman numerals, or the day or month
    first as the column has it, and may have a time of day, which is left out; an interval is two of them with `/`,
    `to` or a dash between, either shortened or not, or a duration (`P3D`).

    Args:
        text: The cell.
        rules: What `learn_dates` saw in its column.

    Returns:
        First day, last day, None; or None, None and the reason why it is no date.
    """
    short = " ".join(text[: _LONGEST + 1].split())
    if len(short) > _LONGEST or len(text) > 4 * _LONGEST:
        return None, None, f"{short[:60]!r}… is no date"
    return _read_days(short, rules)


@lru_cache(1 << 14)
def _read_days(text: str, rules: DateRules) -> tuple[date | None, date | None, str | None]:
    try:
        whole = _point(text.rstrip("/ "), rules)
        if whole is not None:
            return (*whole, None)
    except Doubt as e:
        return None, None, str(e)
    text = _WORDED.sub(r"\1 to \2", _DAYS_FIRST.sub(r"\2-\3 \1 \4", text))
    for pattern in (_BETWEEN, _LIST):
        days = _spoken_interval(text, pattern, rules)
        if days is not None and days[0] <= days[1]:
            return (*days, None)
    found = _interval(text, rules)
    if isinstance(found, tuple):
        return (*found, None)
    return (
        None,
        None,
        found or f"{text[:60]!r} is no date; write 2024-05-01 or 2024-05-01/2024-05-03",
    )


def _interval(text: str, rules: DateRules) -> Days | str | None:
    """An interval with `/`; or why it is none, where its halves are dates."""
    reason: str | None = None
    for at in (i for i, c in enumerate(text) if c == "/"):
        left, right = text[:at].strip(), text[at + 1 :].strip()
        try:
            begin = _point(left, rules)
        except Doubt:
            begin = None
        if begin is None:
            end = _quiet(right, rules)
            if left in ("..", "") and end is not None:
                reason = f"the interval {text[:60]!r} has no begin"
            elif end is not None:
                earlier = _moved(end[0], left, -1)
                begin = (earlier, earlier) if earlier else _begun(left, end, rules)  # 12/14.V.2023
                if begin is not None and begin[0] <= end[1]:
                    return begin[0], end[1]
            continue
        ends = _ends(begin, left, right, rules)
        last = next((days[1] for days in ends if days[1] >= begin[1]), None)
        if last is not None:
            return begin[0], last
        if ends:
            reason = f"the interval {text[:60]!r} ends before it begins"
        elif right == "..":
            reason = f"the interval {text[:60]!r} has no end"
    return reason


def _begun(left: str, end: Days, rules: DateRules) -> Days | None:
    """The begin of `1–3 May 2023` or `28.IV.–3.V.2023`: what it leaves out is taken from the end."""
    if end[0] != end[1] and left[:1].isdigit():
        return None  # `04/05/2023` is no interval of a day and a month
    if not re.fullmatch(
        r"\d{1,2}\.?|\d{1,2}[\s.\-]+[^\W\d_]+\.?|[^\W\d_]+\.?(?:\s+\d{1,2})?", left
    ):
        return None
    for tail in (f" {end[0].year}", f" {end[0]:%B} {end[0].year}"):
        found = _quiet(left.rstrip(".") + tail, rules)
        if found is not None:
            return found
    return None


def _spoken_interval(text: str, pattern: re.Pattern[str], rules: DateRules) -> Days | None:
    """An interval with a dash or a word between, or a list of two days that are near."""
    halves = pattern.split(text.removeprefix("from "))
    if len(halves) == 1 and pattern is _BETWEEN and text.count("-") == 1:
        halves = text.split("-")
        if re.search(r"\d/\d", text):
            return None
    if len(halves) != 2 or not all(halves):
        return None
    end = _quiet(halves[1].strip(), rules)
    if end is None:
        return None
    begin = _quiet(halves[0].strip(), rules) or _begun(halves[0].strip(), end, rules)
    if begin is None or (pattern is _LIST and end[0] - begin[1] > _NEAR):
        return None
    return begin[0], end[1]


def event_days(text: str | None) -> tuple[date | None, date | None]:
    """First and last day of a date or an interval (see `read_days`); None where unreadable or empty."""
    return read_days(text)[:2] if text else (None, None)


def date_of_parts(year: str | None, month: str | None, day: str | None) -> str | None:
    """One text of three cells, as far as they are filled from the left; a number may end in `.0`.

    A month may be a name or a Roman numeral. A month or day without what stands above it gives a text that is no
    date, so that it is not lost unsaid.
    """
    parts = [re.sub(r"\.0+\Z", "", p) if p else None for p in (year, month, day)]
    if parts[1] and (number := month_number(parts[1][:20])):
        parts[1] = str(number)
    if parts[0] is None and any(parts):
        return "-".join(p or "?" for p in parts)
    known = parts[: next((i for i, p in enumerate(parts) if p is None), 3)]
    return "-".join(str(p).zfill(2) for p in known) or None
