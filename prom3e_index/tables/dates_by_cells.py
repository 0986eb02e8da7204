"""Dates of tables that have none by their names: in one column, whatever its language, or in three; or what is said."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from prom3e_index.tables.by_cells import CELLS, MOST, Said, share, words
from prom3e_index.tables.dates import read_days
from prom3e_index.tables.day_order import learn_dates
from prom3e_index.tables.sample import Sample
from prom3e_index.tables.written_dates import month_number

DATES = frozenset({"event_date", "date_parts", "date_span", "day_of_year", "verbatim_date"})
"""Fields that dates are read from."""

_WHEN = re.compile(
    r"(?:date|dates|datum|datums|datoen?|data|fecha|tarih|tarihi|dia|tag|jour|day|dag|giorno|when|wann|quand|cuando"
    r"|zeitpunkt|moment|paiva|paivamaara|pvm|kuupaev|дата|日期|日時|年月日|날짜)\Z"
    r"|.+(?:datum|date|dato|datetime)\Z"
)
_ANOTHER_DAY = re.compile(
    r"entry|enter|eingabe|eingegeben|erfass|export|import|upload|creat|modif|updat|edit|chang|ander|identif|determin"
    r"|bestimm|birth|geburt|naissance|nacimiento|nascimento|publi|valid|review|saisie|sync|receiv|last|letzt|next"
    r"|print|download|registr|scan|digit|lab\b|seq|extract|deliver|expir|embargo"
)
_FULL_DATE = re.compile(
    r"[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}(?![0-9])|(?<![0-9])[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{2,4}"
    r"|[0-9]{1,2}(?:\.|er)?[ -]?(?:de |d')?[^\W\d_]{3,}\.?[ -]?(?:de )?[0-9]{2,4}|[0-9]{4}年"
)
_NUMERIC = re.compile(r"[0-9]{1,2}[/.\- ][0-9]{1,2}[/.\- ][0-9]{2,4}\b")


def dates(columns: Iterable[str], sample: Sample) -> Said:
    """Dates of a table that has none by its names: the one column called so, in whatever language, that holds some."""
    columns = list(columns)
    in_parts = _in_parts(columns, sample)
    if in_parts.fields:
        return in_parts
    named: list[str] = []
    others: list[str] = []
    for column in columns:
        parts = words(column)
        texts = list(dict.fromkeys(sample.texts(column)))[:CELLS]
        if _ANOTHER_DAY.search(" ".join(parts)) or not texts:
            continue
        rules = learn_dates(texts)
        full = share(texts, lambda t: _FULL_DATE.search(t) is not None)
        read = share(
            texts,
            lambda t, r=rules: read_days(t, r)[0] is not None or _NUMERIC.match(t) is not None,  # type: ignore[misc]
        )
        if read < MOST or full < 0.5:
            continue
        (named if any(_WHEN.match(w) for w in parts) else others).append(column)
    if len(named) == 1:
        said = f"{named[0]!r} is read as the column of dates, for what its cells hold"
        return Said({"event_date": (named[0],)}, (said,))
    either = dict.fromkeys([*named, *others], "event_date")
    return Said({}, (), either) if either else in_parts


_PARTS = (
    ("year", re.compile(r"(?:year|yr|annee|ano|anno|rok|jaar|ar|vuosi|год|年)\Z|.*jahr\Z")),
    ("month", re.compile(r"(?:month|mes|mois|mese|maand|manad|maned|miesiac|kuukausi|месяц|月)\Z|.*monat\Z")),
    ("day", re.compile(r"(?:day|dia|jour|giorno|dag|dzien|paiva|день|日)\Z|.*tag\Z")),
)  # fmt: skip
_RANGES = {"year": (1600, 2100), "month": (1, 12), "day": (1, 31)}


def _in_parts(columns: Iterable[str], sample: Sample) -> Said:
    """Year, month and day in three columns of another language; a year alone is said."""
    found: dict[str, list[str]] = {part: [] for part, _ in _PARTS}
    for column in columns:
        parts = words(column)
        if _ANOTHER_DAY.search(" ".join(parts)):
            continue
        for part, named in _PARTS:
            texts = sample.texts(column)
            if any(named.match(w) for w in parts) and share(texts, _within(part)) >= MOST:
                found[part].append(column)
                break
    if any(len(names) != 1 for names in found.values()):
        years = found["year"]
        return Said({}, (), {years[0]: "event_date"} if len(years) == 1 else None)
    chosen = tuple(names[0] for names in found.values())
    said = (
        f"{', '.join(map(repr, chosen))} are read as year, month and day, for what their cells hold"
    )
    return Said({"date_parts": chosen}, (said,))


def _within(part: str) -> Callable[[str], bool]:
    low, high = _RANGES[part]

    def holds(text: str) -> bool:
        plain = text.removesuffix(".0").removesuffix(".")
        number = int(plain) if re.fullmatch(r"[0-9]{1,4}", plain) else None
        if number is None and part == "month":
            number = month_number(text[:20])
        return number is not None and low <= number <= high

    return holds
