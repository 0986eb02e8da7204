"""Who observed a row, as columns of tables tell it, and on which days: what companions are found by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from prom3e_index.policy.columns import plain
from prom3e_index.schema import quoted

_HOLDER = "rightsholder"
_OBSERVERS = frozenset(
    """
    recordedby recordedbyid userid userlogin username usernames observer observers observerid observername recordist
    collector collectors photographer photographers recorder recorders creator identifiedbyobserver leg legit beobachter
    melder sammler observateur observateurs observador observadores osservatore waarnemer waarnemers observator
    """.split()
)
"""Plain names of columns that tell who observed."""
_NOBODY = (
    "anonymous", "anon", "anonym", "anonyme", "anonimo", "unknown", "unbekannt", "inconnu", "desconocido", "onbekend",
    "okand", "ukjent", "not recorded", "not known", "not given", "no data", "none", "null", "nan", "n/a", "na", "n.a",
    "al", "others", "and others", "several", "various", "various observers", "observer",
)  # fmt: skip
"""Words that stand where nobody is named, without a full stop at their end."""
_DIVIDED = r"\s*[;|&]\s*|\s+(?:and|und|et|y|e|og|och|en|with|mit)\s+"


def holder_column(fields: Any) -> str | None:
    """The column that the field `rights_holder` is first read from; None where there is none, or it is not known.

    Args:
        fields: Field → columns, of a table or as a manifest notes it.
    """
    found = fields.get("rights_holder") if isinstance(fields, Mapping) else None
    return str(found[0]) if isinstance(found, list | tuple) and found else None


def observer_cells(columns: Mapping[str, str], holder: str | None) -> list[str]:
    """SQL of the cells that tell who observed a row.

    The field `rights_holder` is one of them where it is read from a column of observers. Where it is read from
    `rightsHolder`, often an institution, it is so only in a table that tells nobody else.

    Args:
        columns: Columns of the relation → what they are called in their table.
        holder: See `holder_column`.
    """
    names = dict.fromkeys(n for n, column in columns.items() if plain(column) in _OBSERVERS)
    if not names or holder is None or plain(holder) != _HOLDER:
        names["rights_holder"] = None
    return [f"{quoted(n)}::VARCHAR" for n in names]


def observer_column(columns: Mapping[str, str], holder: str | None) -> str | None:
    """The one column that tells best who observed, of those of `observer_cells`: the first; None where none does."""
    named = next((n for n, column in columns.items() if plain(column) in _OBSERVERS), None)
    return named or (None if holder is None else "rights_holder")


def nobody(text: str) -> bool:
    """Whether a cell of observers names none: `anonymous`, `?`."""
    return not any(c.isalnum() for c in text) or text.strip().rstrip(".").lower() in _NOBODY


def days_of_observers(relation: str, cells: Sequence[str], *carried: str) -> str:
    """SQL of who observed rows when: `who`, `a`, `b` (first and last day) and the columns carried along.

    Several in one cell are divided by `;`, `|`, `&` and words for `and`; by commas where each part has two words, as
    `Bell, Anna` is one person. The whole cell counts too.
    """
    listed = ", ".join(map(_people, cells))
    more = "".join(f", {c}" for c in carried)
    nobody = ", ".join(f"'{n}'" for n in _NOBODY)
    return (
        f"SELECT DISTINCT trim(who) AS who, a, b{more} FROM (SELECT unnest(flatten([{listed}])) AS who, "
        f"event_start AS a, coalesce(event_end, event_start) AS b{more} FROM {relation}) "
        f"WHERE regexp_matches(who, '[\\p{{L}}\\p{{N}}]') AND rtrim(trim(who), '.') NOT IN ({nobody}) AND a IS NOT NULL"
    )


def _people(cell: str) -> str:
    text = f"trim(regexp_replace(strip_accents(lower({cell})), '\\s+', ' ', 'g'))"
    parts = "list_transform(string_split(p, ','), lambda q: trim(q))"
    named = f"len(list_filter({parts}, lambda q: NOT contains(q, ' '))) = 0"
    divided = f"string_split_regex({text}, '{_DIVIDED}')"
    return f"flatten(list_transform({divided}, lambda p: CASE WHEN {named} THEN {parts} ELSE [trim(p)] END)), [{text}]"
