"""Filters: a value that compiles to one SQL predicate over the observations table."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from prom3e_index.errors import InputError, near_names
from prom3e_index.schema import RANKS
from prom3e_index.tables.normalise import event_days

if TYPE_CHECKING:
    import duckdb

EARTH_RADIUS_KM = 6371.0088
_RESERVED = ("order", "group", "table", "column")


def quoted(name: str) -> str:
    """A column name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


@dataclass(frozen=True)
class Filter:
    """What an observation must satisfy; all parts together.

    Attributes:
        where: SQL predicate over the observations table.
        near: Latitude, longitude in degrees, radius in kilometres.
        bbox: West, south, east, north in degrees (GeoJSON order); west > east crosses 180°.
        taxon: A name at any rank, scientific or common; case is ignored.
        since: First day.
        until: Last day; an observation whose interval overlaps is kept.
        observed: Only observations that have this modality, not those it was completed for.
    """

    where: str | None = None
    near: tuple[float, float, float] | None = None
    bbox: tuple[float, float, float, float] | None = None
    taxon: str | None = None
    since: date | None = None
    until: date | None = None
    observed: str | None = None

    def __bool__(self) -> bool:
        return any(v is not None for v in vars(self).values())

    def describe(self) -> dict[str, Any]:
        """The parts that are set, ready for JSON."""
        return {
            k: str(v) if isinstance(v, date) else v for k, v in vars(self).items() if v is not None
        }


def parse_place(text: str) -> tuple[float, float]:
    """Read `46.8,-121.7` as latitude, longitude in degrees."""
    from prom3e_index.tables.normalise import coordinates

    parts = text.split(",")
    if len(parts) != 2:
        raise InputError(f"A place is LATITUDE,LONGITUDE in degrees, not {text!r}.")
    latitude, longitude, reason = coordinates(*parts)
    if latitude is None or longitude is None:
        raise InputError(f"{text!r} is no place: {reason or 'empty'}.")
    return latitude, longitude


def parse_near(text: str) -> tuple[float, float, float]:
    """Read `46.8,-121.7,50km` (or `500m`): latitude, longitude, radius in kilometres."""
    place, _, radius = text.rpartition(",")
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(km|m)\s*", radius)
    if not found or "," not in place:
        raise InputError(
            f"--near is LATITUDE,LONGITUDE,RADIUS with km or m, as 46.8,-121.7,50km; not {text!r}."
        )
    km = float(found[1]) / (1000 if found[2] == "m" else 1)
    return (*parse_place(place), km)


def parse_bbox(text: str) -> tuple[float, float, float, float]:
    """Read `west,south,east,north` in degrees."""
    try:
        west, south, east, north = (float(v) for v in text.split(","))
    except ValueError:
        raise InputError(f"--bbox is WEST,SOUTH,EAST,NORTH in degrees, not {text!r}.") from None
    if not (-90 <= south <= north <= 90 and -180 <= west <= 180 and -180 <= east <= 180):
        raise InputError(f"--bbox {text!r}: south ≤ north within ±90, west and east within ±180.")
    return west, south, east, north


def parse_day(text: str, *, last: bool) -> date:
    """Read a day, month or year; of a month or year the first or last day."""
    first, final = event_days(text)
    if first is None or final is None:
        raise InputError(f"{text!r} is no date; write 2024-05-01, 2024-05 or 2024.")
    return final if last else first


def check_predicate(con: duckdb.DuckDBPyConnection, where: str) -> None:
    """Refuse whatever is not one plain predicate: statements, subqueries, comments that swallow text.

    Raises:
        InputError: Says what it is instead.
    """
    if not where.strip():
        raise InputError('--where is empty; it is an SQL predicate such as "latitude > 60".')
    # Bare, a bracket that closes ours cannot parse; in brackets, no further clause can follow.
    for text in (where, f"({where}\n)"):
        wrapped = f"SELECT row FROM observations WHERE {text}\n"
        tree = json.loads(con.execute("SELECT json_serialize_sql(?)", [wrapped]).fetchall()[0][0])
        if tree.get("error"):
            hint = "".join(
                f' Write "{w}" in double quotes.'
                for w in _RESERVED
                if re.search(rf"(?<![\"\w]){w}(?![\"\w])", where, re.IGNORECASE)
            )
            message = str(tree.get("error_message", "")).splitlines()[0]
            raise InputError(f"--where {where!r} is no SQL predicate: {message}.{hint}")
    statements = tree["statements"]
    node = statements[0]["node"] if len(statements) == 1 else {}
    if (
        node.get("type") != "SELECT_NODE"
        or node.get("modifiers")
        or node.get("from_table", {}).get("table_name") != "observations"
    ):
        raise InputError(f"--where {where!r} is not one predicate.")
    for extra in ("group_expressions", "having", "qualify", "sample"):
        if node.get(extra):
            raise InputError(f"--where {where!r} is not one predicate.")
    _refuse_subqueries(node["where_clause"], where)


def _refuse_subqueries(node: Any, where: str) -> None:
    if isinstance(node, dict):
        if node.get("class") == "SUBQUERY":
            raise InputError(f"--where {where!r} holds a subquery; a predicate looks at one row.")
        for value in node.values():
            _refuse_subqueries(value, where)
    elif isinstance(node, list):
        for value in node:
            _refuse_subqueries(value, where)


def lookups(
    f: Filter, columns: list[str], sorted_tables: Collection[str]
) -> list[tuple[str, list[Any]]]:
    """Compile a filter to SQL queries with parameters; rows that all of them give satisfy it.

    Each query gives `row`. `where` must have been checked.

    Args:
        f: The filter.
        columns: Columns of the observations table.
        sorted_tables: Which of `by_place` and `by_taxon` there are; other filters scan the observations.
    """
    out: list[tuple[str, list[Any]]] = []
    parts, params = _place(f)
    if parts:
        table = "by_place" if "by_place" in sorted_tables else "every"
        out.append((f"SELECT row FROM {table} WHERE {' AND '.join(parts)}", params))
    if f.taxon is not None:
        if "by_taxon" in sorted_tables:
            query = (
                "SELECT row FROM by_taxon SEMI JOIN (SELECT segment, taxon FROM taxa WHERE name = lower(?)) "
                "USING (segment, taxon)"
            )
            out.append((query, [f.taxon]))
        else:
            names = taxon_columns(columns)
            test = " OR ".join(f"lower({quoted(c)}) = lower(?)" for c in names)
            out.append((f"SELECT row FROM every WHERE {test or 'false'}", [f.taxon] * len(names)))
    parts, params = [], []
    if f.where is not None:
        parts.append(f"({f.where}\n)")
    if f.since is not None:
        parts.append("(event_end >= ?)")
        params.append(f.since)
    if f.until is not None:
        parts.append("(event_start <= ?)")
        params.append(f.until)
    if f.observed is not None:
        parts.append(quoted(f"has_{f.observed}"))
    if parts:
        out.append((f"SELECT row FROM every AS observations WHERE {' AND '.join(parts)}", params))
    return out


def taxon_columns(columns: Collection[str]) -> list[str]:
    """Columns that hold a taxon's names."""
    return [c for c in (*RANKS, "scientific_name", "common_name") if c in columns]


def _place(f: Filter) -> tuple[list[str], list[Any]]:
    """Predicates of `near` and `bbox` over latitude and longitude, and their parameters."""
    parts: list[str] = []
    params: list[Any] = []
    if f.near is not None:
        latitude, longitude, km = f.near
        degrees = math.degrees(km / EARTH_RADIUS_KM)
        parts.append("latitude BETWEEN ? AND ?")
        params += [latitude - degrees - 1e-9, latitude + degrees + 1e-9]
        if abs(latitude) + degrees < 89:  # no pole within: longitudes are bounded too
            ratio = math.sin(math.radians(degrees)) / math.cos(math.radians(latitude))
            wide = math.degrees(math.asin(min(1.0, ratio))) + 1e-9
            if -180 <= longitude - wide and longitude + wide <= 180:
                parts.append("longitude BETWEEN ? AND ?")
                params += [longitude - wide, longitude + wide]
        parts.append(
            "2 * ? * asin(sqrt(least(1.0, pow(sin(radians(latitude - ?) / 2), 2) + cos(radians(?)) * "
            "cos(radians(latitude)) * pow(sin(radians(longitude - ?) / 2), 2)))) <= ?"
        )
        params += [EARTH_RADIUS_KM, latitude, latitude, longitude, km]
    if f.bbox is not None:
        west, south, east, north = f.bbox
        join = "AND" if west <= east else "OR"
        parts.append(f"(latitude BETWEEN ? AND ? AND (longitude >= ? {join} longitude <= ?))")
        params += [south, north, west, east]
    return parts, params


def unknown_taxon(
    con: duckdb.DuckDBPyConnection, name: str, columns: list[str], sorted_tables: Collection[str]
) -> str:
    """Advice for a taxon that no observation has: the nearest names, or an empty string."""
    union = "SELECT written AS name FROM taxa"
    if "by_taxon" not in sorted_tables:
        names = taxon_columns(columns)
        union = " UNION ".join(f"SELECT {quoted(c)} AS name FROM observations" for c in names)
    known = [
        str(r[0])
        for r in con.execute(
            f"SELECT DISTINCT name FROM ({union}) WHERE name IS NOT NULL "
            "ORDER BY levenshtein(lower(name), lower(?)), name LIMIT 50",
            [name],
        ).fetchall()
    ]
    return near_names(name, known)
