"""Types of metadata columns: numbers only where a cell's text follows from its number, else text.

A column's type is chosen when the column is first written and holds for good. A cell that a later table brings and
that does not fit keeps its text in a column of the same name with `_text` behind it; where it is a number all the same,
as 3.50 among whole shortest decimals, the number stands in the column as well.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

_PLAIN = "-?(0|[1-9][0-9]*)([.][0-9]+)?"
_SHORTEST = "-?(0|[1-9][0-9]*)([.][0-9]*[1-9])?"
_DOUBLE_DIGITS, _DECIMAL_DIGITS = 15, 18
TYPES = re.compile(r"BIGINT|DOUBLE|VARCHAR|DECIMAL\(18,([1-9]|1[0-5])\)")
"""What a metadata column may be."""
TEXT, WHOLE, NUMBER = "VARCHAR", "BIGINT", "DOUBLE"


def decimal_type(places: int) -> str:
    """The type of numbers that all have this many decimals, as 4.50 and 12.00."""
    return f"DECIMAL({_DECIMAL_DIGITS},{places})"


def _digits(text: str) -> str:
    return f"length(replace(replace({text}, '-', ''), '.', ''))"


def number(text: str, type: str) -> str:
    """SQL that gives the number in a text cell, exactly, or NULL where the type cannot hold it.

    Args:
        text: SQL of the cell, VARCHAR.
        type: A type of `TYPES`.
    """
    short = f"regexp_replace(regexp_replace({text}, '([.][0-9]*?)0+$', '\\1'), '[.]$', '')"
    plain = f"regexp_full_match({text}, '{_PLAIN}')"
    if type == TEXT:
        return text
    if type == WHOLE:
        return (
            f"CASE WHEN {plain} AND NOT contains({short}, '.') THEN TRY_CAST({short} AS BIGINT) END"
        )
    if type == NUMBER:
        fits = f"{_digits(short)} <= {_DOUBLE_DIGITS}"
        return f"CASE WHEN {plain} AND {fits} THEN TRY_CAST({short} AS DOUBLE) END"
    places = int(type[type.index(",") + 1 : -1])
    fits = f"length(split_part({short}, '.', 2)) <= {places}"
    return f"CASE WHEN {plain} AND {fits} THEN TRY_CAST({short} AS {type}) END"


def reproduced(text: str, type: str) -> str:
    """SQL that says whether a text cell follows from its number alone: true, or false or NULL."""
    if type == TEXT:
        return "true"
    if type == NUMBER:
        shortest = f"regexp_full_match({text}, '{_SHORTEST}') AND {text} != '-0'"
        return f"{shortest} AND {_digits(text)} <= {_DOUBLE_DIGITS}"
    return f"CAST(TRY_CAST({text} AS {type}) AS VARCHAR) = {text}"


def beside(column: str, taken: Collection[str]) -> str:
    """The name of the column that keeps the texts that do not fit a column; unlike all `taken` ones."""
    lower, name = {t.lower() for t in taken}, f"{column}_text"
    while name.lower() in lower:
        name += "_"
    return name


def chosen_type(con: duckdb.DuckDBPyConnection, table: str, column: str) -> str:
    """The type of a new column, from all its texts in a table: numbers if every text follows from its number."""
    cell = f'"{column.replace(chr(34), 2 * chr(34))}"'
    places = f"length(split_part({cell}, '.', 2))"
    filled, whole, shortest, least, most = con.execute(
        f"SELECT count({cell}), count_if({reproduced(cell, WHOLE)}), count_if({reproduced(cell, NUMBER)}), "
        f"min({places}), max({places}) FROM {table}"
    ).fetchall()[0]
    if not filled or whole == filled:
        return WHOLE if filled else TEXT
    if shortest == filled:
        return NUMBER
    if least == most and 1 <= least <= 15:
        decimals = decimal_type(least)
        fit = con.execute(f"SELECT count_if({reproduced(cell, decimals)}) FROM {table}").fetchall()
        return decimals if fit[0][0] == filled else TEXT
    return TEXT


def as_text(value: str, type: str) -> str:
    """SQL that gives the text of a typed cell, as `reproduced` understands it."""
    text = f"CAST({value} AS VARCHAR)"
    return f"regexp_replace({text}, '[.]0$', '')" if type == NUMBER else text
