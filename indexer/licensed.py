"""Leaving out of a plan what is not under the licences that are allowed: rows, or a row's photo or sound alone."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from prom3e_index.bundle.filters import quoted
from prom3e_index.bundle.licensed import stated_licence
from prom3e_index.licences import NONE, code_of, licence_columns

if TYPE_CHECKING:
    import duckdb


def keep_licensed(
    con: duckdb.DuckDBPyConnection, allowed: Collection[str] | None
) -> dict[str, int]:
    """Take out of a plan the rows, and the photos and sounds, under other licences than some.

    A row whose observation is under another licence is rejected. Where a table has a column for the licence of its
    photos or sounds, one under another licence is lost to its row, which stays.

    Args:
        con: The plan's connection.
        allowed: Codes, of `licences.CODES`; all when None.

    Returns:
        `rows` left; nothing where all are allowed.
    """
    if allowed is None:
        return {}
    names = [str(r[0]) for r in con.execute("DESCRIBE planned").fetchall()]
    _note_codes(con, stated_licence(["license"]), allowed)
    con.execute(
        "INSERT INTO rejected SELECT p.row_in, NULL, p.id, 'licence ' || o.code || ' is not allowed "
        "(--licence-allow)' FROM planned p JOIN other_licences o ON o.seq = p.seq ORDER BY p.row_in"
    )
    con.execute("DELETE FROM planned WHERE seq IN (SELECT seq FROM other_licences)")
    for modality, columns in licence_columns(names).items():
        _note_codes(con, stated_licence(columns), allowed)
        held = f"(p.{quoted(modality)} IS NOT NULL OR list_contains(list_transform(coalesce(p.more, []), lambda m: "
        held += f"m.modality), '{modality}'))"
        con.execute(
            f"INSERT INTO lost SELECT p.seq, '{modality}', 'its licence, ' || o.code || ', is not allowed "
            f"(--licence-allow)' FROM planned p JOIN other_licences o ON o.seq = p.seq WHERE {held}"
        )
        con.execute(
            f"UPDATE planned SET {quoted(modality)} = NULL, more = list_filter(more, lambda m: m.modality <> "
            f"'{modality}') WHERE seq IN (SELECT seq FROM other_licences)"
        )
    con.execute("DROP TABLE other_licences")
    con.execute(
        "CREATE OR REPLACE TABLE kept AS SELECT row_number() OVER (ORDER BY seq) - 1 AS new, seq AS old FROM planned"
    )
    con.execute(
        "CREATE OR REPLACE TABLE planned AS SELECT p.* REPLACE (k.new AS seq) FROM planned p "
        "JOIN kept k ON k.old = p.seq ORDER BY k.new"
    )
    con.execute(
        "CREATE OR REPLACE TABLE lost AS SELECT l.* REPLACE (k.new AS seq) FROM lost l "
        "JOIN kept k ON k.old = l.seq"
    )
    con.execute("DROP TABLE kept")
    return {"rows": int(con.execute("SELECT count(*) FROM planned").fetchall()[0][0])}


def _note_codes(con: duckdb.DuckDBPyConnection, stated: str, allowed: Collection[str]) -> None:
    """Make `other_licences`: `seq` and `code` of the planned rows under none of those allowed."""
    texts = [r[0] for r in con.execute(f"SELECT DISTINCT {stated} FROM planned").fetchall()]
    con.execute("CREATE OR REPLACE TEMP TABLE codes (stated VARCHAR, code VARCHAR)")
    others = [(t, code_of(t)) for t in texts if t is not None and code_of(t) not in allowed]
    if others:
        con.executemany("INSERT INTO codes VALUES (?, ?)", others)
    silent = f"UNION ALL SELECT seq, '{NONE}' FROM planned WHERE {stated} IS NULL"
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE other_licences AS SELECT p.seq, c.code FROM (SELECT seq, {stated} AS stated "
        f"FROM planned) p JOIN codes c USING (stated) {silent if NONE not in allowed else ''}"
    )
    con.execute("DROP TABLE codes")
