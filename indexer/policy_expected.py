"""Rows of an index whose places are more open than its policy, or their source, asks for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from prom3e_index.bundle.filters import quoted
from prom3e_index.policy.cells import NAMES, OPEN, strictness_sql
from prom3e_index.policy.columns import plain
from prom3e_index.policy.generalise import LEVEL
from prom3e_index.policy.levels import find_levels
from prom3e_index.policy.rules import Policy
from prom3e_index.schema import FIELDS

if TYPE_CHECKING:
    import duckdb


def too_open(
    con: duckdb.DuckDBPyConnection, policy: Policy | None, columns: list[str], holder: str | None
) -> Iterator[tuple[int, str, str, str]]:
    """Rows that the policy's rules meet as they stand, at a weaker level: row, id, its level, the level asked for.

    A row that is generalised already is compared by taxon and month alone: its place is a centre now, which may lie
    outside a region that the true one is in. So is it with companions whose days became months.

    Args:
        con: With the view `every`.
        policy: The index's.
        columns: Of the view.
        holder: See `observer_cells`.
    """
    lacking = [f for f in FIELDS if f not in columns]
    more = "".join(f", NULL::{FIELDS[f]} AS {f}" for f in lacking)
    level = quoted(LEVEL) if LEVEL in columns else "NULL::VARCHAR"
    extra = {c: c.removeprefix("source_") for c in columns if c not in FIELDS and c != LEVEL}
    texts = ", ".join(f"{quoted(c)}::VARCHAR AS {quoted(c)}" for c in extra)  # as of a table
    cells = f"* REPLACE ({texts})" if texts else "*"
    con.execute(
        f"CREATE OR REPLACE TABLE planned AS SELECT {cells}, row AS seq{more}, {level} AS stands FROM every"
    )
    try:
        if policy is not None:
            has_country = any(plain(c) == "countrycode" for c in extra.values())
            rules = tuple(
                replace(r, absent=True, companions=r.companions and not r.by_month)
                for r in policy.rules
                if has_country or not r.countries
            )
            policy = replace(policy, rules=rules)
        find_levels(con, policy, extra, (), stated=True, holder=holder)
        local = [r.number for r in (policy.rules if policy else ()) if r.region is not None]
        con.execute("CREATE OR REPLACE TABLE judged AS SELECT seq, max(level) AS level FROM "
                    "(SELECT h.seq, h.level FROM policy_hits h JOIN planned p USING (seq) WHERE p.stands IS NULL "
                    f"OR h.rule NOT IN ({', '.join(map(str, local)) or 0}) "
                    "UNION ALL SELECT l.seq, l.level FROM policy_levels l JOIN planned p USING (seq) "
                    "WHERE p.stands IS NULL) "
                    "GROUP BY 1")  # fmt: skip
        found = con.execute(
            f"SELECT p.row, p.id, coalesce(p.stands, '{OPEN}'), j.level FROM planned p JOIN judged j USING (seq) "
            f"WHERE {strictness_sql('p.stands')} < j.level AND p.latitude IS NOT NULL ORDER BY 1"
        )
        while rows := found.fetchmany(1000):
            for row, key, stands, wanted in rows:
                yield int(row), str(key), str(stands), NAMES[int(wanted)]
    finally:
        for name in ("planned", "judged", "policy_hits", "policy_companions", "policy_seeds", "policy_source",
                     "policy_held", "policy_levels"):  # fmt: skip
            con.execute(f"DROP TABLE IF EXISTS {name}")
