"""What is said of a filter: which rows it leaves out for want of a value, and why it leaves none."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any
from weakref import WeakKeyDictionary

from prom3e_index.bundle.filters import Filter
from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.bundle.predicate import cut
from prom3e_index.bundle.taxa import NAMED_BY, quoted
from prom3e_index.errors import InputError
from prom3e_index.licences import code_of

_KEPT: WeakKeyDictionary[BundleFolder, dict[str, Any]] = WeakKeyDictionary()
_VALUE = {"no date": "event_start", "no place": "latitude", "no name": "text"}
Extent = tuple[float, float, float, float]


def left_out(bundle: BundleFolder, f: Filter) -> list[str]:
    """How many rows have not what the filter asks about: they are left out whatever it is."""
    about = {
        "no date": f.since is not None or f.until is not None,
        "no place": f.near is not None or f.bbox is not None,
        "no name": f.taxon is not None,
    }
    out = []
    for lack, asked in about.items():
        count = _lacking(bundle, _VALUE[lack]) if asked else 0
        if count:
            have = "has" if count == 1 else "have"
            out.append(f"{count:,} of {bundle.rows:,} observations {have} {lack} and are left out")
    return out


def none_left(bundle: BundleFolder, f: Filter) -> list[str]:
    """Why a filter leaves no row: a taxon that is none, a place the other way round, where and when the rows are."""
    out = ["no observation satisfies the filters"]
    parts = list(_parts(f))
    if len(parts) > 1:
        counts = [f"{option} {_count(bundle, part):,}" for option, part in parts]
        out.append(f"each alone leaves rows: {', '.join(counts)}")
    out += empty_columns(bundle, f.where) if f.where is not None else []
    if f.taxon is not None and not _count(bundle, Filter(taxon=f.taxon)):
        near = bundle.unknown_taxon(f.taxon)
        out.append(f"taxon {cut(f.taxon)}{near or ': no such name'}")
    if f.near is not None or f.bbox is not None:
        out += [said for said in (_turned(bundle, f), _where(bundle)) if said]
    if f.licence_allow is not None:
        out.append(_licences(bundle))
    if f.since is not None or f.until is not None:
        known = days(bundle)
        out += [f"the dates of the observations go from {known[0]} to {known[1]}"] if known else []
    return out


def empty_columns(bundle: BundleFolder, where: str) -> list[str]:
    """Sentences on the columns of a predicate that have no value in any row, and what has names instead."""
    words = set(re.findall(r"\w+", re.sub(r"'[^']*'", " ", where.lower())))
    out = []
    for column in (c for c in bundle.columns if c.lower() in words):
        if _lacking(bundle, column) < bundle.rows:
            continue
        named = [n for n in NAMED_BY if n != column and n in bundle.columns]
        instead = [n for n in named if _lacking(bundle, n) < bundle.rows]
        hint = f": names stand in {', '.join(instead)}; --taxon asks all of them"
        hint = hint if column in NAMED_BY and instead else ""
        out.append(f"the column {column} is empty in every observation{hint}")
    return out


def place_outside(bundle: BundleFolder, place: tuple[float, float]) -> str | None:
    """What is to be said of a place that lies among the observations only with its two numbers exchanged."""
    lies = extent(bundle)
    if lies is None or _within(lies, *place) or not _within(lies, place[1], place[0]):
        return None
    return (
        f"the place {place[0]:g},{place[1]:g} lies outside of all observations and {place[1]:g},{place[0]:g} among "
        "them: latitude comes first"
    )


def extent(bundle: BundleFolder) -> Extent | None:
    """West, south, east, north of the observations in degrees; None where none has a place."""

    def read() -> Extent | None:
        if "latitude" not in bundle.columns:
            return None
        (found,) = _told(
            bundle,
            "extent",
            "SELECT min(longitude), min(latitude), max(longitude), max(latitude) FROM observations",
        )
        return None if found[0] is None else found

    found: Extent | None = _kept(bundle, "extent", read)
    return found


def _within(lies: Extent, latitude: float, longitude: float) -> bool:
    west, south, east, north = lies
    return south <= latitude <= north and west <= longitude <= east


def _where(bundle: BundleFolder) -> str | None:
    lies = extent(bundle)
    if lies is None:
        return "no observation has a place"
    west, south, east, north = lies
    return (
        f"the observations lie at latitudes {south:.5g} to {north:.5g} and longitudes {west:.5g} to {east:.5g}: "
        f"--bbox {west:.5g},{south:.5g},{east:.5g},{north:.5g}"
    )


def _turned(bundle: BundleFolder, f: Filter) -> str | None:
    """Whether rows are left once latitude and longitude are exchanged."""
    circle, box = f.circle, f.box
    other: dict[str, Any] = {}
    if circle is not None:
        other["near"] = (circle[1], circle[0], circle[2])
    if box is not None:
        other["bbox"] = (box[1], box[0], box[3], box[2])
    for turned in [other, *({k: v} for k, v in other.items() if len(other) > 1)]:
        try:
            count = _count(bundle, replace(f, **turned))
        except InputError:
            continue  # it is no place
        if count:
            near, bbox = turned.get("near"), turned.get("bbox")
            said = [f"--near {near[0]:g},{near[1]:g},{near[2]:g}km"] if near else []
            said += [f"--bbox {','.join(f'{v:g}' for v in bbox)}"] if bbox else []
            return (
                f"with latitude and longitude exchanged {count:,} rows are left: {' '.join(said)}"
            )
    return None


def _parts(f: Filter) -> Iterator[tuple[str, Filter]]:
    """Each part of a filter alone, and how it is typed."""
    if f.near is not None:
        yield "--near", Filter(near=f.near)
    if f.bbox is not None:
        yield "--bbox", Filter(bbox=f.bbox)
    if f.taxon is not None:
        yield "--taxon", Filter(taxon=f.taxon)
    if f.where is not None:
        yield "--where", Filter(where=f.where)
    if f.since is not None or f.until is not None:
        options = {"--from": f.since, "--to": f.until}
        names = " ".join(o for o, day in options.items() if day is not None)
        yield names, Filter(since=f.since, until=f.until)
    if f.observed is not None:
        yield f"having {f.observed}", Filter(observed=f.observed)
    if f.licence_allow is not None:
        yield f"--licence-allow {','.join(f.licence_allow)}", Filter(licence_allow=f.licence_allow)


def _count(bundle: BundleFolder, f: Filter) -> int:
    rows = bundle.eligible(f)
    return bundle.rows if rows is None else len(rows)


def licences(bundle: BundleFolder) -> list[tuple[str | None, int]]:
    """What is written as licence of the observations, and how many rows have it; nothing without that column."""
    if "license" not in bundle.columns:
        return []
    query = "SELECT license, count(*) FROM observations GROUP BY license"
    return [(text, int(rows)) for text, rows in _told(bundle, "licences", query)]


def _licences(bundle: BundleFolder) -> str:
    """Which licences the observations have, by code, the most frequent first."""
    held = licences(bundle)
    if not held:
        return "the index knows no licences: all rights are reserved (arr)"
    counts: Counter[str] = Counter()
    for text, rows in held:
        counts[code_of(text)] += rows
    return "licences of the observations: " + ", ".join(
        f"{code.lower()} {rows:,}"
        for code, rows in sorted(counts.items(), key=lambda c: (-c[1], c[0]))
    )


def days(bundle: BundleFolder) -> tuple[date, date] | None:
    """The first and the last day of the observations; None where none has a date."""
    if "event_start" not in bundle.columns:
        return None
    (found,) = _told(bundle, "days", "SELECT min(event_start), max(event_end) FROM observations")
    return None if found[0] is None else found


def _lacking(bundle: BundleFolder, column: str) -> int:
    """Rows without a value."""

    def read() -> int:
        if column not in bundle.columns:
            return bundle.rows
        if bundle.summary is not None:
            return int(bundle.summary.lacking(column))
        null = f"SELECT count(*) FROM observations WHERE {quoted(column)} IS NULL"
        return int(bundle.sql(null)[0][0])

    count: int = _kept(bundle, column, read)
    return count


def _told(bundle: BundleFolder, what: str, query: str) -> list[tuple[Any, ...]]:
    """Rows of a query over all observations; a store has them in its summary."""
    if bundle.summary is not None:
        return list(getattr(bundle.summary, what))
    return bundle.sql(query)


def _kept(bundle: BundleFolder, key: str, read: Any) -> Any:
    """What is read once of a bundle: it is one generation and does not change."""
    held = _KEPT.setdefault(bundle, {})
    if key not in held:
        held[key] = read()
    return held[key]
