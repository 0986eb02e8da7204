"""The rules of a table, one row and one cell at a time: what the rules by column are compared with."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import date
from itertools import zip_longest
from typing import Any

from prom3e_index.schema import MEDIA, MOST_SCALED, RANKS
from prom3e_index.tables.dates import date_of_parts, read_days
from prom3e_index.tables.names import taxon_text
from prom3e_index.tables.normalise import (
    PLAIN,
    Rules,
    clean,
    is_obscured,
    not_scaled,
    number,
)
from prom3e_index.tables.places import read_place
from prom3e_index.tables.vernacular import says_nothing

Row = Mapping[str, Any]
NAMES = ("scientific_name", "common_name")
SENTINELS = ("-9999", "999.9")


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
    out["latitude"], out["longitude"], reason = _place(rules, row)
    if reason:
        problems.append(("loc", reason))
    out["coordinate_uncertainty_m"] = _uncertainty(rules, row, problems)
    out["obscured"] = is_obscured(row, rules.columns.get("obscured", ()))
    out["event_date"], out["event_start"], out["event_end"], reason = _days(rules, row)
    if reason:
        problems.append(("event_date", reason))
    for name in (*RANKS, *NAMES, *PLAIN):
        out[name] = value(rules, row, name)
    written = value(rules, row, "text")
    scientific, species, common = (out[n] for n in ("scientific_name", "species", "common_name"))
    reason = None
    if scientific and says_nothing(scientific):
        scientific, reason = None, f"{scientific!r} names no taxon"
    out["scientific_name"] = scientific or species
    out["text"] = taxon_text(out, out["scientific_name"]) or None
    if out["text"] is None and out["scientific_name"]:
        reason = f"{out['scientific_name'][:60]!r} is not the name of one taxon"
    out["text"] = written or out["text"] or common
    if reason and not written:
        problems.append(("text", reason))
    out["env"] = _climate(rules, row, problems)
    return out, problems


def _place(rules: Rules, row: Row) -> tuple[float | None, float | None, str | None]:
    columns = (rules.columns.get(n, ()) for n in ("latitude", "longitude"))
    why = None
    for a, b in zip_longest(*columns, fillvalue=""):
        lat, lon = clean(row.get(a)), clean(row.get(b))
        if lat in SENTINELS or lon in SENTINELS:
            found, reason = (
                None,
                f"'{lat if lat in SENTINELS else lon}' stands for an unknown place",
            )
        else:
            found = read_place(lat, lon)
            reason = found.reason
        if found is not None and found.latitude == found.longitude == 0:
            reason = "'0, 0' stands for an unknown place"
        elif found is not None and found.latitude is not None:
            return found.latitude, found.longitude, None
        why = why or reason
    return None, None, why


def _days(rules: Rules, row: Row) -> tuple[str | None, date | None, date | None, str | None]:
    texts = [clean(row.get(c)) for c in rules.columns.get("event_date", ())]
    if "date_parts" in rules.columns:
        texts.append(date_of_parts(*(clean(row.get(c)) for c in rules.columns["date_parts"])))
    if "date_span" in rules.columns:
        span = (clean(row.get(c)) for c in rules.columns["date_span"])
        texts.append("/".join(dict.fromkeys(d for d in span if d is not None)) or None)
    why, first = None, None
    for text in (t for t in texts if t is not None):
        start, end, reason = read_days(text)
        if start is not None:
            return text, start, end, None
        why, first = why or reason, first or text
    return first, None, None, why


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
