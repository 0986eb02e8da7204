"""What the hits of a ranking have in common: how many have each value of a column."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from prom3e_index.licences import code_of
from prom3e_index.schema import RANKS
from prom3e_index.search.answered import Hit
from prom3e_index.search.run import Bundle
from prom3e_index.show.escapes import plain

MOST = 50
"""Values of a facet that are told; of further ones the number."""
_TIME = re.compile(r"[T ]([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?")
_MIDNIGHT = "00", "00", "00"
"""As tables write that no time is known: of iNaturalist's days without a time, and of spreadsheets' dates, each one."""
Values = dict[str, Any]


def _species(v: Values) -> Any:
    return v.get("taxon_species") or v.get("species")


def _genus(v: Values) -> Any:
    return v.get("genus") or (str(_species(v)).split()[0] if _species(v) else None)


def _month(v: Values) -> Any:
    """A month, where the date is of one: of a year or a longer interval no month is known."""
    first, last = v.get("event_start"), v.get("event_end")
    if first is None or last is None or (first.year, first.month) != (last.year, last.month):
        return None
    return f"{first.month:02d}"


def _year(v: Values) -> Any:
    first, last = v.get("event_start"), v.get("event_end")
    return str(first.year) if first and last and first.year == last.year else None


def _hour(v: Values) -> Any:
    """An hour, where the date is of one: none is known of a longer interval, nor of a day written as midnight."""
    if v.get("event_start") is None or v.get("event_start") != v.get("event_end"):
        return None
    hours = {t[1] for t in _TIME.finditer(str(v.get("event_date"))) if t.groups("00") != _MIDNIGHT}
    return hours.pop() if len(hours) == 1 else None


FACETS: dict[str, tuple[tuple[str, ...], Callable[[Values], Any]]] = {
    **{r: ((r,), lambda v, r=r: v.get(r)) for r in RANKS[:5]},  # type: ignore[misc]
    "genus": (("genus", "species", "taxon_species"), _genus),
    "species": (("species", "taxon_species"), _species),
    "month": (("event_start", "event_end"), _month),
    "year": (("event_start", "event_end"), _year),
    "hour": (("event_date", "event_start", "event_end"), _hour),
    "license": (("license",), lambda v: code_of(v.get("license"))),
    "rights_holder": (("rights_holder",), lambda v: v.get("rights_holder")),
    "source": (("source",), lambda v: v.get("source")),
    "kind": ((), lambda v: v["kind"]),
}
"""Facet → the columns that it is read from, and its value of a row; `kind` is observed or completed."""


def facets(bundle: Bundle, hits: Sequence[Hit], by: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Count hits by some facets: the values with most hits first, then by value; months, hours and years in order.

    Args:
        bundle: The index.
        hits: Of a ranking.
        by: Of `FACETS`.
    """
    columns = [c for c in dict.fromkeys(c for f in by for c in FACETS[f][0]) if c in bundle.columns]
    rows = np.array([h.row for h in hits], np.int64)
    held = bundle.values(rows, columns) if columns and len(rows) else {h.row: {} for h in hits}
    cells = [{**held[h.row], "kind": h.kind} for h in hits]
    return {f: _counts(f, Counter(plain(FACETS[f][1](v)) for v in cells)) for f in by}


def _counts(facet: str, counts: Counter[Any]) -> dict[str, Any]:
    without = counts.pop(None, 0) + counts.pop("", 0)
    in_order = facet in ("month", "hour", "year")
    values = (
        sorted(counts, key=str) if in_order else sorted(counts, key=lambda v: (-counts[v], str(v)))
    )
    told = values[:MOST]
    return {
        "values": [{"value": str(v), "count": counts[v]} for v in told],
        "others": len(values) - len(told),
        "without": without,
    }
