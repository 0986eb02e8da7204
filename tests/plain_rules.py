"""The rules of a table, one row and one cell at a time: what the rules by column are compared with."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

from prom3e_index.schema import MEDIA, RANKS
from prom3e_index.tables.dates import date_of_parts, read_days
from prom3e_index.tables.names import taxon_text
from prom3e_index.tables.normalise import (
    MOST_SCALED,
    NAMED,
    Rules,
    clean,
    coordinates,
    is_obscured,
    not_scaled,
    number,
)

Row = Mapping[str, Any]


def value(rules: Rules, row: Row, name: str) -> str | None:
    """The first non-empty cell of a field's columns."""
    cells = (clean(row.get(c)) for c in rules.columns.get(name, ()))
    return next((c for c in cells if c is not None), None)


def observation(rules: Rules, row: Row) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """The fields of an observation, and (modality, reason) of each problem."""
    problems: list[tuple[str, str]] = []
    out: dict[str, Any] = {"id": value(rules, row, "id")}
    for modality in MEDIA:
        text, reason = value(rules, row, modality), None
        if text is not None:
            text, reason = rules.media_path(text)
        if reason:
            problems.append((modality, reason))
        out[modality] = text
    out["latitude"], out["longitude"], reason = coordinates(*_place(rules, row))
    if reason:
        problems.append(("loc", reason))
    out["coordinate_uncertainty_m"] = _uncertainty(rules, row, problems)
    out["obscured"] = is_obscured(row, rules.columns.get("obscured", ()))
    when = value(rules, row, "event_date")
    if when is None and "date_parts" in rules.columns:
        when = date_of_parts(*(clean(row.get(c)) for c in rules.columns["date_parts"]))
    if when is None and "date_span" in rules.columns:
        span = (clean(row.get(c)) for c in rules.columns["date_span"])
        when = "/".join(dict.fromkeys(d for d in span if d is not None)) or None
    out["event_date"] = when
    out["event_start"], out["event_end"], reason = read_days(when) if when else (None, None, None)
    if reason:
        problems.append(("event_date", reason))
    for name in (*RANKS, *NAMED):
        out[name] = value(rules, row, name)
    written = value(rules, row, "text")
    out["text"] = written or taxon_text(out, out["scientific_name"]) or None
    if out["text"] is None and (out["scientific_name"] or out["species"]):
        name = str(out["scientific_name"] or out["species"])
        problems.append(("text", f"{name[:60]!r} is not the name of one taxon"))
    out["env"] = _climate(rules, row, problems)
    return out, problems


def _place(rules: Rules, row: Row) -> tuple[str | None, str | None]:
    if "latlon" in rules.columns:
        parts = (value(rules, row, "latlon") or "").strip("[]() ").split(",")
        return (parts[0], parts[1]) if len(parts) == 2 else (None, None)
    columns = (rules.columns.get(n, ()) for n in ("latitude", "longitude"))
    pairs = [(clean(row.get(a)), clean(row.get(b))) for a, b in zip_longest(*columns, fillvalue="")]
    whole = (p for p in pairs if None not in p)
    return next(whole, next((p for p in pairs if p != (None, None)), (None, None)))


def _uncertainty(rules: Rules, row: Row, problems: list[tuple[str, str]]) -> float | None:
    text = value(rules, row, "coordinate_uncertainty_m")
    if text is None:
        return None
    try:
        metres = number(text)
    except ValueError:
        metres = -1.0
    if metres < 0:
        problems.append(("coordinate_uncertainty_m", f"{text[:40]!r} is no distance in metres"))
        return None
    return metres


def _climate(rules: Rules, row: Row, problems: list[tuple[str, str]]) -> list[float] | None:
    names = rules.columns.get("env", ())
    texts = [clean(row.get(n)) for n in names]
    if not any(t is not None for t in texts):
        return None
    if rules.raw_climate is not None:
        problems.append(("env", rules.raw_climate))
        return None
    values = []
    for name, text in zip(names, texts, strict=True):
        try:
            found = number(text) if text is not None else 0.0
        except ValueError:
            problems.append(("env", f"{name} {str(text)[:40]!r} is no number"))
            return None
        if abs(found) > MOST_SCALED:
            problems.append(("env", not_scaled(name, found)))
            return None
        values.append(found)
    return values


def kept(value: Any) -> str | None:
    """A metadata cell as text."""
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, str):
        return value
    return json.dumps(value, default=str) if isinstance(value, list | dict) else str(value)
