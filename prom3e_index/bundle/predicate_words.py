"""What DuckDB says of a predicate, in the words of whoever wrote it: the column, the value, what to write instead."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from prom3e_index.errors import near_names

if TYPE_CHECKING:
    import duckdb

_NO_COLUMN = re.compile(r'Referenced (?:column|table) "(?P<name>[^"]*)" not found')
_COMPARED = re.compile(
    r"Cannot (?:compare|mix) values of type (?P<one>\w+).* and (?:type )?(?P<other>\w+)"
)
_NO_NUMBER = re.compile(
    r"Could not convert string '(?P<value>.*?)' to (?:U?(?:TINY|SMALL|BIG|HUGE)?INT|DOUBLE|FLOAT|DECIMAL)"
)
_NO_DATE = re.compile(
    r'(?:date|timestamp) field value out of range: "(?P<out>[^"]*)"|'
    r'invalid (?:date|timestamp) field format: "(?P<form>[^"]*)"'
)
_NUMBER = r"(?P<op><=|>=|<>|!=|==|=|<|>)\s*(?P<number>[+-]?\d+(?:\.\d*)?)(?![\w'])"


def in_words(con: duckdb.DuckDBPyConnection, where: str, reason: str) -> str:
    """Why a predicate cannot be applied, and what would do.

    Args:
        con: Where the observations are.
        where: The predicate.
        reason: What DuckDB says of it.
    """
    columns = {str(r[0]): str(r[1]) for r in con.execute("DESCRIBE observations").fetchall()}
    if found := _NO_COLUMN.search(reason):
        name = found["name"]
        near = near_names(name, list(columns))
        return f"there is no column {name!r}{near}; text is written in single quotes, as '{name}'"
    if (found := _COMPARED.search(reason)) and "VARCHAR" in found.groups():
        return _cast_instead(where, columns)
    if found := _NO_NUMBER.search(reason):
        return (
            f"{found['value']!r} is no number; where other words stand among the numbers of a column, write "
            'TRY_CAST("column" AS DOUBLE), which leaves their rows out'
        )
    if found := _NO_DATE.search(reason):
        return f"{found['out'] or found['form']!r} is no date; write one as '2023-05-31'"
    return re.sub(r"^(?:[A-Z]\w+ )+Error: ", "", reason)


def _cast_instead(where: str, columns: dict[str, str]) -> str:
    """What to write where a column of text is compared with a number."""
    for name, kind in columns.items():
        if kind != "VARCHAR":
            continue
        written = rf"(?:{re.escape(_quoted(name))}|(?<![\w\"]){re.escape(name)}(?![\w\"]))"
        found = re.search(rf"{written}\s*{_NUMBER}", where, re.IGNORECASE)
        if found:
            number = "DOUBLE" if "." in found["number"] else "INT"
            return (
                f"column {name!r} holds text, which is not compared with a number; write "
                f"TRY_CAST({_quoted(name)} AS {number}) {found['op']} {found['number']}: rows whose text is no "
                "number are left out"
            )
    return (
        'text is compared with a number; write the text in single quotes, or TRY_CAST("column" AS DOUBLE) for a column '
        "of text that holds numbers"
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
