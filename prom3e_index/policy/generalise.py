"""Rows of a plan made what their levels let be known, before anything of them is encoded.

The place becomes the centre of its cell, or goes; own climate values, tiles and texts that tell the place go; dates may
become months. So embeddings, vectors, filters and exports know nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from prom3e_index.policy.columns import names_place, plain, tells_place
from prom3e_index.policy.months import ROWS, by_month, tells_day_sql
from prom3e_index.policy.places import replace_places
from prom3e_index.policy.rules import Policy
from prom3e_index.policy.told_places import IDS, TEXTS, redacted_sql, tells_alone_sql, tells_sql
from prom3e_index.schema import MEDIA, quoted

if TYPE_CHECKING:
    import duckdb

LEVEL, GENERALISED, WITHHELD = "place_level", "data_generalizations", "information_withheld"
"""Columns that say of a row how far its place was generalised, and the two texts of Darwin Core."""
OWN_COLUMNS = (LEVEL, GENERALISED, WITHHELD)
_TABLES = ("hits", "companions", "seeds", "source", "held", "levels", "places", "reach")
_DONE = (
    "protected",
    "by_source",
    "refused",
    "tiles",
    "media",
    "texts",
    "climates",
    "months",
    "dated_media",
)
_SHOWN = 12


def generalise(
    con: duckdb.DuckDBPyConnection,
    policy: Policy | None,
    extra: Mapping[str, str],
    kept: Collection[str] = (),
    embedded: bool = False,
) -> dict[str, Any]:
    """Do to the planned rows of `policy_levels` what their levels say; take that table and its kin away.

    Args:
        con: The plan's connection.
        policy: Whose levels they are; None where the source's marks alone decide.
        extra: Metadata columns of the plan → columns of the table.
        kept: Plain names of columns that stay in these rows as they are.
        embedded: Whether embeddings come with the rows, so that they may be searched by more than is planned.

    Returns:
        `rows` planned afterwards, and of the generalised: `protected`, `by_source`, `tiles` and `climates` left out,
        `media` whose names told the place, `texts` emptied, columns of `unknown` names emptied, `refused` rows whose
        ids told it or the day, `months`, and `dated_media`; see `by_month`.
    """
    if not _count(con, "SELECT count(*) FROM policy_levels"):
        if policy is not None:
            _refused(con)
        _drop(con)
        rows = _count(con, "SELECT count(*) FROM planned")
        return {"rows": rows, **dict.fromkeys(_DONE, 0), "unknown": []}
    replace_places(con, policy)
    done: dict[str, Any] = {
        "protected": _count(con, "SELECT count(*) FROM policy_places"),
        "by_source": _count(con, "SELECT count(*) FROM policy_levels WHERE source"),
    }
    con.execute(
        "CREATE OR REPLACE TABLE policy_reach AS SELECT p.seq, p.latitude, p.longitude, l.latitude AS centre_lat, "
        "l.longitude AS centre_lon, l.reach FROM planned p JOIN policy_places l USING (seq)"
    )
    done["refused"] = _refuse_told_ids(con)
    done |= _media(con)
    columns = {n: c for n, c in extra.items() if n not in OWN_COLUMNS}
    done |= _texts(con, columns, kept)
    done["climates"] = _count(
        con,
        "SELECT count(*) FROM planned WHERE env IS NOT NULL AND seq IN (SELECT seq FROM policy_places)",
    )
    for name in OWN_COLUMNS:
        con.execute(f"ALTER TABLE planned ADD COLUMN IF NOT EXISTS {name} VARCHAR")
    con.execute(
        "UPDATE planned SET latitude = l.latitude, longitude = l.longitude, coordinate_uncertainty_m = l.uncertainty, "
        f"obscured = true, env = NULL, {LEVEL} = l.level, {GENERALISED} = l.generalised, {WITHHELD} = l.withheld "
        "FROM policy_places l WHERE l.seq = planned.seq"
    )
    done |= by_month(con, columns, kept)
    _reasons(con, embedded)
    _drop(con)
    return {"rows": _count(con, "SELECT count(*) FROM planned"), **done}


def _drop(con: duckdb.DuckDBPyConnection) -> None:
    for name in _TABLES:
        con.execute(f"DROP TABLE IF EXISTS policy_{name}")


def _count(con: duckdb.DuckDBPyConnection, query: str) -> int:
    return int(con.execute(query).fetchall()[0][0])


def _told(cell: str) -> str:
    """SQL of whether a text tells the true place, or a place near the centre, all that `policy check` knows."""
    sides = (("r.latitude", "r.longitude"), ("r.centre_lat", "r.centre_lon"))
    return f"({' OR '.join(tells_sql(cell, *place, 'r.reach') for place in sides)})"


def _refuse_told_ids(con: duckdb.DuckDBPyConnection) -> int:
    """Refuse rows whose ids tell the place, or a hidden day, without their ids; number the others anew."""
    told = " OR ".join(_told(f"p.{name}") for name in IDS)
    days = " OR ".join(tells_day_sql(f"p.{name}") for name in IDS)
    places = f"SELECT p.seq FROM planned p JOIN policy_reach r USING (seq) WHERE {told}"
    ids = f"{places} UNION SELECT p.seq FROM planned p WHERE p.seq IN ({ROWS}) AND ({days})"
    gone = _count(con, f"SELECT count(*) FROM ({ids})")
    if not gone:
        return 0
    con.execute(
        "INSERT INTO rejected SELECT row_in, NULL, NULL, 'its id tells the ' || "
        f"CASE WHEN seq IN ({places}) THEN 'place that is generalised' ELSE 'day of a date that is given by the month' "
        f"END || '; give the row another id' FROM planned WHERE seq IN ({ids})"
    )
    con.execute(
        "CREATE OR REPLACE TABLE kept AS SELECT row_number() OVER (ORDER BY seq) - 1 AS new, seq AS old FROM planned "
        f"WHERE seq NOT IN ({ids})"
    )
    for name in ("planned", "lost", "policy_places", "policy_levels", "policy_reach"):
        con.execute(
            f"CREATE OR REPLACE TABLE {name} AS SELECT p.* REPLACE (k.new AS seq) FROM {name} p "
            "JOIN kept k ON k.old = p.seq ORDER BY k.new"
        )
    con.execute("DROP TABLE kept")
    return gone


def _media(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Leave out tiles, whose middle is the place, and media whose names tell it."""
    rows = "SELECT seq FROM policy_places"
    tiles = _count(con, f"SELECT count(*) FROM planned WHERE sat IS NOT NULL AND seq IN ({rows})")
    con.execute(f"UPDATE planned SET sat = NULL WHERE sat IS NOT NULL AND seq IN ({rows})")
    con.execute(
        "UPDATE planned SET more = list_filter(more, lambda m: m.modality <> 'sat') WHERE more IS NOT NULL "
        f"AND seq IN ({rows})"
    )
    named = 0
    for column in MEDIA:
        told = f"SELECT p.seq FROM planned p JOIN policy_reach r USING (seq) WHERE {_told(f'p.{column}')}"
        found = _count(con, f"SELECT count(*) FROM ({told})")
        if not found:
            continue
        named += found
        con.execute(
            f"INSERT INTO lost SELECT seq, '{column}', 'its file name tells the place that is generalised; name it "
            f"otherwise' FROM ({told})"
        )
        con.execute(f"UPDATE planned SET {column} = NULL WHERE seq IN ({told})")
    further = f"len(list_filter(more, lambda m: {_told('m.path')}))"
    found = _count(
        con,
        f"SELECT coalesce(sum({further}), 0) FROM planned JOIN policy_reach r USING (seq) WHERE more IS NOT NULL",
    )
    if found:
        named += found
        con.execute(
            f"UPDATE planned SET more = list_filter(more, lambda m: NOT {_told('m.path')}) FROM policy_reach r "
            "WHERE r.seq = planned.seq AND more IS NOT NULL"
        )
    return {"tiles": tiles, "media": named}


def _texts(
    con: duckdb.DuckDBPyConnection, columns: Mapping[str, str], kept: Collection[str]
) -> dict[str, Any]:
    """Empty the cells that may tell the place: by the names of their columns, or by what stands in them."""
    emptied = 0
    unknown = []
    for name, column in columns.items():
        if plain(column) in kept and names_place(column):
            continue
        cell = quoted(name)
        whole = tells_place(column) and plain(column) not in kept
        if whole:
            which = f"{cell} IS NOT NULL AND seq IN (SELECT seq FROM policy_places)"
        else:
            which = f"seq IN (SELECT p.seq FROM planned p JOIN policy_reach r USING (seq) WHERE {_told(f'p.{cell}')})"
        found = _count(con, f"SELECT count(*) FROM planned WHERE {which}")
        emptied += found
        if found and whole and not names_place(column):
            unknown.append(column)
        con.execute(f"UPDATE planned SET {cell} = NULL WHERE {which}")
    for name in TEXTS:
        cell = quoted(name)
        which = f"seq IN (SELECT p.seq FROM planned p JOIN policy_reach r USING (seq) WHERE {_told(f'p.{cell}')})"
        emptied += _count(con, f"SELECT count(*) FROM planned WHERE {which}")
        if name == "text":  # what a row is searched by
            con.execute(
                "INSERT INTO lost SELECT seq, 'text', 'it tells the place that is generalised; leave the place out' "
                f"FROM planned WHERE {which}"
            )
        con.execute(f"UPDATE planned SET {cell} = NULL WHERE {which}")
    return {"texts": emptied, "unknown": unknown}


def _reasons(con: duckdb.DuckDBPyConnection, embedded: bool) -> None:
    """Take numbers out of the reasons why values were lost or rows refused, and say why rows may have nothing left."""
    rows = "SELECT seq FROM policy_places"
    con.execute(
        f"UPDATE lost SET reason = CASE WHEN modality IN ('image', 'audio', 'sat') THEN {redacted_sql('reason')} "
        f"ELSE regexp_replace(reason, '[0-9]+', '#', 'g') END WHERE seq IN ({rows})"
    )
    _refused(con)
    if embedded:
        return
    con.execute(
        "INSERT INTO lost SELECT seq, 'loc', 'withheld, and nothing else is left to search by' FROM planned "
        f"WHERE seq IN ({rows}) AND latitude IS NULL AND image IS NULL AND audio IS NULL AND sat IS NULL "
        "AND text IS NULL"
    )


def _refused(con: duckdb.DuckDBPyConnection) -> None:
    """Take places out of the ids and the reasons of rows that were refused; which rule they meet is not known."""
    con.execute(
        f"UPDATE rejected SET reason = {redacted_sql('reason')}, "
        f"id = CASE WHEN {tells_alone_sql('id')} THEN NULL ELSE id END"
    )


def summed(
    done: Mapping[str, Any], rules: list[dict[str, Any]], policy: Policy | None
) -> list[str]:
    """Sentences on what was done, without a place in them."""
    out = []
    if policy is not None:
        for r in rules:
            if r["rows"] or r["companions"]:
                more = f" and {r['companions']:,} companions" if r["companions"] else ""
                out.append(
                    f"policy rule {r['rule']} ({r['taxon'] or 'every taxon'}, {r['level']}): {r['rows']:,} rows{more}"
                )
    if done["by_source"]:
        out.append(
            f"{done['by_source']:,} places that their source hides are withheld, or made cells of 0.2 degree"
        )
    if done["protected"]:
        left = [
            f"{done[k]:,} {word}" for k, word in
            (("tiles", "tiles"), ("climates", "climates of their own"), ("media", "media named after the place"),
             ("texts", "cells that tell the place")) if done[k]
        ]  # fmt: skip
        of_them = f"; left out of them: {', '.join(left)}" if left else ""
        out.append(f"{done['protected']:,} rows are generalised before they are encoded{of_them}")
    if done["unknown"]:
        first = ", ".join(map(repr, done["unknown"][:_SHOWN]))
        others = len(done["unknown"]) - _SHOWN
        out.append(
            f"{len(done['unknown']):,} columns are emptied in them, since by their names they may tell the place: "
            f"{first}{f' and {others:,} more' if others > 0 else ''}; `--keep-column NAME` keeps one, but for cells "
            "with coordinates"
        )
    if done["months"]:
        out.append(f"{done['months']:,} rows have their dates by the month")
    if done["dated_media"]:
        out.append(
            f"{done['dated_media']:,} of their media have names that tell the day; they stay as they are"
        )
    if done["refused"]:
        out.append(
            f"{done['refused']:,} rows are refused since their ids tell the place or the day"
        )
    return out
