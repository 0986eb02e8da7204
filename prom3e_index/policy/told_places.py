"""Texts that tell a place by numbers, and how they are found in cells, file names, reasons and sentences.

A number with two decimals or more that lies within a cell of the true latitude or longitude tells it; so do degrees
with minutes. Names of columns alone would miss a note such as `nest at 52.3131, 13.4453`.
"""

from __future__ import annotations

import re

NUMBERS = r"[-+]?[0-9]{1,3}[.,][0-9]{2,}"
MINUTES = r"[0-9]{1,3}\s?[°º]\s?[0-9]{1,2}"
_NUMBER, _MINUTES = re.compile(NUMBERS), re.compile(MINUTES)
_REDACTED = re.compile(r"[-+]?[0-9]+[.,][0-9]{2,}")


def tells_sql(cell: str, latitude: str, longitude: str, reach: str) -> str:
    """SQL of whether a text tells a place, that may be told to within `reach` degrees.

    Signs do not count, as `52.31 N, 4.5 W` has none.
    """
    number = "abs(try_cast(replace(x, ',', '.') AS DOUBLE))"
    near = " OR ".join(f"abs({number} - abs({side})) <= {reach}" for side in (latitude, longitude))
    found = f"len(list_filter(regexp_extract_all({cell}, '{NUMBERS}'), lambda x: coalesce({near}, false))) > 0"
    return f"(regexp_matches({cell}, '{MINUTES}') OR {found})"


def tells(text: str, latitude: float | None, longitude: float | None, reach: float) -> bool:
    """Whether a text tells a place; see `tells_sql`. Where the place is not known, whether it tells any pair."""
    numbers = [abs(float(n.replace(",", "."))) for n in _NUMBER.findall(text)]
    if _MINUTES.search(text):
        return True
    if latitude is None or longitude is None:
        return len([n for n in numbers if n <= 180]) > 1
    return any(abs(n - abs(side)) <= reach for n in numbers for side in (latitude, longitude))


def redacted(text: str) -> str:
    """A text with `#` in place of every number of two decimals or more."""
    return _REDACTED.sub("#", re.sub(MINUTES + r"[^,;)]*", "#", text))


def redacted_sql(cell: str) -> str:
    """SQL of the same."""
    minutes = f"regexp_replace({cell}, '{MINUTES}[^,;)]*', '#', 'g')"
    return f"regexp_replace({minutes}, '[-+]?[0-9]+[.,][0-9]{{2,}}', '#', 'g')"
