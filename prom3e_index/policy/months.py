"""Dates given by the month: the day goes from dates, from columns and texts that tell it, and no id may have it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from prom3e_index.policy.columns import plain, tells_day
from prom3e_index.policy.told_places import TEXTS
from prom3e_index.schema import MEDIA, quoted

if TYPE_CHECKING:
    import duckdb

ROWS = "SELECT seq FROM policy_levels WHERE month"
"""SQL of the rows whose dates are given by the month."""
_FORMS = (
    "%Y-%m-%d", "%Y%m%d", "%Y/%m/%d", "%Y.%m.%d", "%Y_%m_%d", "%Y-%j", "%d.%m.%Y", "%d/%m/%Y", "%d-%m-%Y", "%d_%m_%Y",
    "%d%m%Y", "%m/%d/%Y", "%m-%d-%Y", "%m.%d.%Y", "%-d.%-m.%Y", "%-d/%-m/%Y", "%-m/%-d/%Y", "%-d. %-m. %Y", "%d.%m.%y",
    "%d/%m/%y", "%m/%d/%y", "%-d.%-m.%y", "%-d/%-m/%y", "%-m/%-d/%y", "%-d %B", "%-d. %B", "%-d %b", "%-d. %b",
    "%B %-d", "%b %-d", "%d-%b", "%d%b%Y",
)  # fmt: skip
"""Ways in which a day is written, months in English."""


def tells_day_sql(cell: str) -> str:
    """SQL of whether a text has the first or the last day of its row, whose date is not changed yet."""
    found = " OR ".join(
        f"contains({text}, lower(strftime({day}, '{form}')))"
        for text in (f"lower({cell}::VARCHAR)",)
        for day in ("event_start", "event_end")
        for form in _FORMS
    )
    return f"coalesce({found}, false)"


def by_month(
    con: duckdb.DuckDBPyConnection, columns: Mapping[str, str], kept: Collection[str] = ()
) -> dict[str, int]:
    """Give the dates of rows by the month whose rules say so, and empty what tells the day.

    Args:
        con: The plan's connection, with `policy_levels`.
        columns: Columns of the plan that may be emptied → columns of the table.
        kept: Plain names of columns that stay, but for cells with the day unless their names are of days.

    Returns:
        Numbers of rows, `months`, and of media whose names tell the day, `dated_media`; they stay.
    """
    n = _count(con, f"SELECT count(*) FROM ({ROWS})")
    if not n:
        return {"months": 0, "dated_media": 0}
    for name, column in columns.items():
        cell = quoted(name)
        named = tells_day(column)
        if named and plain(column) in kept:
            continue
        which = f"{cell} IS NOT NULL" if named else tells_day_sql(cell)
        con.execute(f"UPDATE planned SET {cell} = NULL WHERE seq IN ({ROWS}) AND {which}")
    for name in (t for t in TEXTS if t != "event_date"):
        which = f"seq IN ({ROWS}) AND {tells_day_sql(quoted(name))}"
        if name == "text":  # what a row is searched by
            con.execute(
                "INSERT INTO lost SELECT seq, 'text', 'tells the day of a date that is given by the month; leave the "
                f"day out' FROM planned WHERE {which}"
            )
        con.execute(f"UPDATE planned SET {quoted(name)} = NULL WHERE {which}")
    media = sum(
        _count(con, f"SELECT count(*) FROM planned WHERE seq IN ({ROWS}) AND {tells_day_sql(name)}")
        for name in MEDIA
    )
    con.execute(
        "UPDATE planned SET event_start = date_trunc('month', event_start)::DATE, "
        "event_end = last_day(coalesce(event_end, event_start)), event_date = CASE WHEN event_start IS NULL THEN NULL "
        "WHEN date_trunc('month', event_start) = date_trunc('month', coalesce(event_end, event_start)) "
        "THEN strftime(event_start, '%Y-%m') "
        "ELSE strftime(event_start, '%Y-%m') || '/' || strftime(event_end, '%Y-%m') "
        f"END WHERE seq IN ({ROWS})"
    )
    return {"months": n, "dated_media": media}


def _count(con: duckdb.DuckDBPyConnection, query: str) -> int:
    return int(con.execute(query).fetchall()[0][0])
