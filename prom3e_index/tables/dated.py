"""The days of rows: of which columns each is read, and what it lost."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from prom3e_index.tables.cells import Cells, Memo, Problems, but
from prom3e_index.tables.dates import DateRules, date_of_parts, learn_dates, read_days
from prom3e_index.tables.day_order import Order
from prom3e_index.tables.sample import Sample

if TYPE_CHECKING:
    import pyarrow as pa

_MOMENT = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?(Z|[+-][0-9]{2}:?[0-9]{2})?$"
"""A day and a time of it, which is left out."""

_NUMERIC = r"^[0-9]{1,2}[/.\- ][0-9]{1,2}[/.\- ][0-9]{2,4}\b"
"""A date of numbers, its year last."""
_A_NUMERIC = re.compile(_NUMERIC)


def learned(column: str, sample: Sample | None, order: Order | None) -> DateRules:
    """How the dates of a column are read: what its first rows tell, and where they leave it open all rows."""
    if sample is None:
        return learn_dates((), order)
    texts = sample.texts(column)
    rules = learn_dates(texts, order)
    if order is not None or rules.order is not None or sample.whole:
        return rules
    either = learn_dates((), "dmy")
    doubtful = any(
        read_days(t, rules)[2] and not read_days(t, either)[2] for t in dict.fromkeys(texts)
    )
    return learn_dates(sample.everything(column)) if doubtful else rules


class Dated:
    """The columns of a table that hold dates.

    Args:
        columns: Field → its columns in order of preference.
        sample: The first rows.
        order: What comes first in a date of numbers, where the user says so.

    Attributes:
        said: How dates are read, where the column had to tell.
        changed: Columns of which some cells are no date, or give way to year, month and day.
    """

    def __init__(
        self,
        columns: dict[str, tuple[str, ...]],
        sample: Sample | None = None,
        order: Order | None = None,
    ) -> None:
        self.said: list[str] = []
        self.changed: set[str] = set()
        self._ways: list[tuple[tuple[str, ...], Callable[..., str | None] | None, DateRules]] = []
        for column in columns.get("event_date", ()):
            self._add(column, sample, order)
        self._parts = columns.get("date_parts", ())
        plain = learn_dates((), order)
        ends = [t for c in columns.get("date_span", ()) if sample for t in sample.texts(c)]
        spanned = learn_dates(ends, order)
        self.said += [f"{' and '.join(columns['date_span'])}: {s}" for s in spanned.said if ends]
        for name, text in (
            ("date_parts", date_of_parts),
            ("date_span", _span),
            ("day_of_year", _ordinal),
        ):
            if name in columns:
                self._ways.append((columns[name], text, spanned if name == "date_span" else plain))
        for column in columns.get("verbatim_date", ()):
            self._add(column, sample, order)
        self._memos = [(_text_memo(text), _days_memo(rules)) for _, text, rules in self._ways]

    def _add(self, column: str, sample: Sample | None, order: Order | None) -> None:
        rules = learned(column, sample, order)
        texts = set(sample.texts(column)) if sample is not None else set()
        if any(read_days(t, rules)[0] is None or _A_NUMERIC.match(t) for t in texts):
            self.changed.add(column)
        self.said += [f"{column}: {sentence}" for sentence in rules.said]
        self._ways.append(((column,), None, rules))

    def read(self, cells: Cells, lost: Problems) -> dict[str, pa.Array]:
        """`event_date` as it is written, its first and last day.

        Of the columns the first that gives a date counts, row by row; year, month and day go before a date of numbers
        that could have either first. A row without a date has the first text, and
        its reason.
        """
        import pyarrow as pa
        from pyarrow import compute as pc

        kinds = [pa.date32(), pa.date32(), pa.string()]
        when, why = pa.nulls(cells.rows, pa.string()), pa.nulls(cells.rows, pa.string())
        start, end = pa.nulls(cells.rows, pa.date32()), pa.nulls(cells.rows, pa.date32())
        parts = np.zeros(cells.rows, bool)
        if self._parts:
            parts = np.all([cells.there(c) for c in self._parts], axis=0)
        for (columns, text, _), (texts, days) in zip(self._ways, self._memos, strict=True):
            if start.null_count == 0:
                break
            given = [cells.text(c) for c in columns]
            here = texts.arrays(given, [pa.string()])[0] if text else given[0]
            here = but(start.is_valid(), here)
            if text is None and parts.any():  # the parts say which number is the month
                here = but(pc.and_(pc.match_substring_regex(here, _NUMERIC), pa.array(parts)), here)
            if here.null_count == cells.rows:
                continue
            timed = pc.match_substring_regex(here, _MOMENT)
            brief = pc.if_else(timed, pc.utf8_slice_codeunits(here, 0, 10), here)
            first, last, reason = days.arrays([brief], kinds)
            if reason.null_count < len(reason):  # said of the whole cell
                reason = days.arrays([but(reason.is_null(), here)], kinds)[2]
            when = pc.coalesce(but(first.is_null(), here), when, here)
            start, end = pc.coalesce(start, first), pc.coalesce(end, last)
            why = pc.coalesce(why, reason)
        lost.note("event_date", but(start.is_valid(), why))
        return {"event_date": when, "event_start": start, "event_end": end}


def _text_memo(text: Callable[..., str | None] | None) -> Memo:
    return Memo(lambda *parts: (text(*parts) if text else None,))


def _days_memo(rules: DateRules) -> Memo:
    return Memo(lambda text: read_days(text, rules) if text else (None, None, None))


def _span(*days: str | None) -> str | None:
    """The first and the last day in one text, as ISO 8601 joins them where no day has its sign."""
    given = list(dict.fromkeys(d for d in days if d))
    return (" – " if any("/" in d for d in given) else "/").join(given) or None


def _ordinal(year: str | None, day: str | None) -> str | None:
    """The day of a year as ISO 8601 writes it."""
    number = (day or "").removesuffix(".0")
    return f"{year.removesuffix('.0')}-{number.zfill(3)}" if year and number.isdigit() else None
