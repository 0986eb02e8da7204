"""Texts that tell a place by numbers, and how they are found in cells, ids, file names, reasons and sentences.

A number with two decimals or more that lies within a cell of the true latitude or longitude tells it; so do a pair of
one decimal that both do, and degrees with minutes, however they are written. Where the place is not known, any pair
does. Names of columns alone would miss a note such as `nest at 52.3131, 13.4453`.
"""

from __future__ import annotations

import re

from prom3e_index.schema import FIELDS, MEDIA

IDS = ("id", "observation")
"""Fields that name a row, and so cannot be emptied."""
TEXTS = tuple(f for f, kind in FIELDS.items() if kind == "VARCHAR" and f not in (*IDS, *MEDIA))
"""Fields that are texts of the table, beside its further columns; builds and `policy check` look through them."""
NUMBERS = r"[0-9]{1,3}[.,][0-9]+"
_BLANKS = "\\s\u00a0\u2009\u202f"
_B = f"[{_BLANKS}]?"
_DEGREES, _SIXTY = "[0-9]{1,3}", "[0-5]?[0-9]"
_BETWEEN = f"{_B}[{_BLANKS}:_'’′°º˚-]{_B}"
_FINE = f"(?:{_BETWEEN}{_SIXTY}(?:[.,][0-9]+)?|[.,][0-9]+)"
"""What follows minutes: seconds, or decimals."""
_SIDE, _BEGIN, _END = "[NSEWO]", "(?:^|[^0-9A-Za-z])", "(?:[^0-9A-Za-z]|$)"
MINUTES = "(?:" + "|".join(
    (
        f"{_DEGREES}{_B}[°º˚]{_B}[0-9]{{1,2}}",
        f"{_DEGREES}{_B}[dD](?:eg)?[.]?{_B}{_SIXTY}(?:[.,][0-9]+)?{_B}m",
        f"{_BEGIN}{_DEGREES}{_BETWEEN}{_SIXTY}{_FINE}[{_BLANKS}_'’′\"”″-]{{0,3}}{_SIDE}{_END}",
        f"{_BEGIN}{_SIDE}{_B}{_DEGREES}{_BETWEEN}{_SIXTY}{_FINE}",
        f"{_BEGIN}[0-9]{{6,7}}{_B}[NS][{_BLANKS},_/-]{{0,2}}[0-9]{{6,7}}{_B}[EWO]{_END}",
    )
) + ")"  # fmt: skip
"""`52°18`, `52d18m47s`, `52 18 47 N`, `N 52 18.78`, `521847N 0132643E`; for Python and for DuckDB."""
_PAIR = f"{NUMBERS}[^0-9]{{1,4}}{NUMBERS}"
_REDACTED = f"(?:{MINUTES}[^,;)]*|[-+]?{_PAIR}|[-+]?[0-9]+[.,][0-9]{{2,}})"
_NUMBER, _TOLD = re.compile(NUMBERS), re.compile(MINUTES)
_ALONE = re.compile(r"[0-9]{1,3}[.,][0-9]{3,}")
_DOI = re.compile(r"10\.[0-9]{4,9}/")


def tells_sql(cell: str, latitude: str, longitude: str, reach: str) -> str:
    """SQL of whether a text tells a place, that may be told to within `reach` degrees; see `tells`."""
    value = "abs(try_cast(replace(x, ',', '.') AS DOUBLE))"
    lat, lon = (f"abs({value} - abs({side})) <= {reach}" for side in (latitude, longitude))

    def found(which: str) -> str:
        numbers = f"regexp_extract_all({cell}, '{NUMBERS}')"
        return f"len(list_filter({numbers}, lambda x: coalesce({which}, false)))"

    fine = f"regexp_matches(x, '[.,][0-9][0-9]') AND ({lat} OR {lon})"
    pair = f"{found(lat)} > 0 AND {found(lon)} > 0 AND {found(f'{lat} OR {lon}')} > 1"
    return (
        f"(regexp_matches({cell}, '{_quoted(MINUTES)}') OR CASE WHEN {latitude} IS NULL OR {longitude} IS NULL "
        f"THEN {found(f'{value} <= 180')} > 1 ELSE {found(fine)} > 0 OR ({pair}) END)"
    )


def tells(text: str, latitude: float | None, longitude: float | None, reach: float) -> bool:
    """Whether a text tells a place, that may be told to within `reach` degrees.

    Signs do not count, as `52.31 N, 4.5 W` has none. Where the place is not known, any pair of numbers with decimals
    does, of which each may be degrees.
    """
    if _TOLD.search(text):
        return True
    numbers = [(n, float(n.replace(",", "."))) for n in _NUMBER.findall(text)]
    if latitude is None or longitude is None:
        return sum(n <= 180 for _, n in numbers) > 1
    lat, lon = ([abs(n - abs(side)) <= reach for _, n in numbers] for side in (latitude, longitude))
    either = [a or b for a, b in zip(lat, lon, strict=True)]
    fine = (near and len(n) - max(n.find("."), n.find(",")) > 2
            for (n, _), near in zip(numbers, either, strict=True))  # fmt: skip
    return any(fine) or (any(lat) and any(lon) and sum(either) > 1)


def tells_alone(text: str) -> bool:
    """Whether a text of which no row is known may tell a place: as above, or by one number of three decimals or more.

    The prefix of a DOI is none.
    """
    return tells(text, None, None, 0) or _ALONE.search(_DOI.sub("", text)) is not None


def tells_alone_sql(cell: str) -> str:
    """SQL of the same."""
    own = f"regexp_replace({cell}, '{_DOI.pattern}', '', 'g')"
    pair = tells_sql(cell, "NULL::DOUBLE", "NULL::DOUBLE", "0")
    return f"({pair} OR regexp_matches({own}, '{_ALONE.pattern}'))"


def redacted(text: str) -> str:
    """A text with `#` in place of every number of two decimals or more, pair of numbers, and degrees with minutes."""
    return re.sub(_REDACTED, "#", text)


def redacted_sql(cell: str) -> str:
    """SQL of the same."""
    return f"regexp_replace({cell}, '{_quoted(_REDACTED)}', '#', 'g')"


def _quoted(pattern: str) -> str:
    return pattern.replace("'", "''")
