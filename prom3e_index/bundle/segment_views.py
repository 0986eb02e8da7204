"""The tables of several segments shown as one, a column of one type in all of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from prom3e_index.bundle.column_types import TEXT, TYPES, as_text, beside, number, reproduced
from prom3e_index.bundle.taxa import SPECIES, quoted
from prom3e_index.errors import BundleError
from prom3e_index.schema import FIELDS

if TYPE_CHECKING:
    import duckdb

Columns = Mapping[str, Mapping[str, str]]
"""Metadata columns, those that are no fields: the `type` of each, and the column of `text`s that do not fit it."""

IS_PART = "is_part"
"""Whether a row is a further photo, sound or window of an observation, and not the row of a table."""
LATER = ("observation", "start_s", "end_s")
"""Fields that earlier indexes do not have."""


def observation_cells(columns: Collection[str]) -> str:
    """SQL of each row's `id`, the `observation` it belongs to, and whether it `is_part` of one."""
    part = f"coalesce({IS_PART}, false)" if IS_PART in columns else "false"
    return f"id, {observation_of(columns)} AS observation, {part} AS is_part"


def observation_of(columns: Collection[str]) -> str:
    """SQL of the observation that a row belongs to; a row of an earlier index is one of its own."""
    if IS_PART not in columns:
        return "id"
    return f"CASE WHEN {IS_PART} IS NULL THEN id ELSE observation END"


def create_views(
    con: duckdb.DuckDBPyConnection, firsts: Mapping[str, int], columns: Columns | None = None
) -> Columns:
    """Show the tables of attached databases as one each, rows numbered through.

    `every` holds all observations; `lost` and `rejected` go with them; `by_place`, `by_taxon` and `taxa` are made
    where every database has them. A column has one type in all of `every`: the index's; texts that do not fit it
    stand in the column beside.

    Args:
        con: The connection.
        firsts: Row number of each database's first row, by the database's name.
        columns: The metadata columns that the manifest describes; of others the first database with one rules.

    Returns:
        The metadata columns of the index.
    """
    held = held_columns(con)
    for database, first in firsts.items():
        if database not in held:
            raise BundleError(
                f"The metadata of the rows from {first} on have no observations. Restore the index from a copy, or "
                "build it again."
            )
    columns = first_columns((held[database] for database in firsts), columns or {})
    found = con.execute("SELECT database_name, table_name FROM duckdb_tables()").fetchall()
    for table in ("observations", "lost", "rejected", "by_place", "by_taxon", "taxa"):
        lacking = set(firsts) - {d for d, name in found if name == table}
        if lacking and table in ("lost", "rejected"):
            raise BundleError(
                f"The metadata of the rows from {min(firsts[d] for d in lacking)} on have no table {table!r}. Restore "
                "the index from a copy, or build it again."
            )
        if not lacking:
            view = "every" if table == "observations" else table
            con.execute(f"CREATE VIEW {view} AS {together(con, table, firsts, columns)}")
    return columns


def together(
    con: duckdb.DuckDBPyConnection, table: str, firsts: Mapping[str, int], columns: Columns
) -> str:
    """SQL of one table of several databases; see `create_views`."""
    held = held_columns(con) if table == "observations" else {}
    parts = []
    for i, (database, first) in enumerate(firsts.items()):
        cells = [f"row + {first} AS row"] if first and table not in ("rejected", "taxa") else []
        more = [f"{i} AS segment"] if table in ("by_taxon", "taxa") else []
        if table == "observations":
            replaced, more = _fitted(held[database], columns)
            cells += replaced
        shown = [f"* REPLACE ({', '.join(cells)})" if cells else "*", *more]
        parts.append(f"SELECT {', '.join(shown)} FROM {database}.main.{table}")
    return " UNION ALL BY NAME ".join(parts)


def held_columns(con: duckdb.DuckDBPyConnection) -> dict[str, dict[str, str]]:
    """Columns of every database's observations and their types; checks those that are no metadata.

    Raises:
        BundleError: A column that is not of its type.
    """
    out: dict[str, dict[str, str]] = {}
    query = (
        "SELECT database_name, column_name, data_type FROM duckdb_columns() "
        "WHERE table_name = 'observations' AND NOT internal ORDER BY database_oid, column_index"
    )
    for database, name, kind in con.execute(query).fetchall():
        out.setdefault(str(database), {})[str(name)] = str(kind)
    for columns in out.values():
        lacking = [
            c for c in ("row", "id", "latitude", "longitude", "sigma_l1") if c not in columns
        ]
        if lacking:
            raise BundleError(
                f"The metadata lack the column {lacking[0]!r}. Restore the index from a copy, or build it again."
            )
        for name, kind in columns.items():
            want = _fixed_type(name)
            if name in LATER and IS_PART not in columns:
                want = None  # metadata of an earlier index, which happen to have this name
            if kind != want if want else not TYPES.fullmatch(kind):
                raise BundleError(
                    f"The metadata's column {name!r} is {kind}, an index has {want or 'text or numbers'} there. "
                    "Restore the index from a copy, or build it again."
                )
    return out


def _fixed_type(column: str) -> str | None:
    """The type of a column that is no metadata; None of one that is."""
    fixed = {"row": "BIGINT", "sigma_l1": "FLOAT", SPECIES: "VARCHAR", IS_PART: "BOOLEAN"} | FIELDS
    return "BOOLEAN" if column.startswith("has_") else fixed.get(column)


def first_columns(held: Iterable[Mapping[str, str]], known: Columns) -> dict[str, dict[str, str]]:
    """The metadata columns of an index: those known, and of others the type where they stand first."""
    out = {name: dict(column) for name, column in known.items()}
    taken = {
        *FIELDS,
        *(n.lower() for n in out),
        *(c["text"].lower() for c in out.values() if "text" in c),
    }
    new: dict[str, str] = {}
    for columns in held:
        for name, kind in columns.items():
            if _fixed_type(name) is None and name.lower() not in taken:
                new[name] = kind
                taken.add(name.lower())
    for name, kind in new.items():
        out[name] = {"type": kind}
        if kind != TEXT:
            out[name]["text"] = beside(name, taken)
            taken.add(out[name]["text"].lower())
    return out


def _fitted(held: Mapping[str, str], columns: Columns) -> tuple[list[str], list[str]]:
    """SQL of a segment's columns that are of another type than the index's, and of texts that do not fit it."""
    replaced, texts = [], []
    known = {name.lower(): column for name, column in columns.items()}
    for name, kind in held.items():
        column = known.get(name.lower())
        if column is None or kind == column["type"]:
            continue
        text = as_text(quoted(name), kind)
        replaced.append(f"{number(text, column['type'])} AS {quoted(name)}")
        if "text" in column:
            fits = f"coalesce({reproduced(text, column['type'])}, false)"
            texts.append(f"CASE WHEN NOT {fits} THEN {text} END AS {quoted(column['text'])}")
    return replaced, texts
