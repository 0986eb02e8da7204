"""The level of every planned row: by the rules that it meets, its companions, its source's marks, what it had before.

The strictest holds. What is found is left in the plan's table `policy_levels`: `seq`, `level` (its strictness), `rule`
(0 where none decides), `month`, `source` (whether the source's marks alone decide), `stated` (whether the table states
that level, as this program exports it).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from prom3e_index.policy.cells import NAMES, SOURCE_CELL, strictness, strictness_sql
from prom3e_index.policy.generalise import LEVEL
from prom3e_index.policy.marks import source_levels
from prom3e_index.policy.matching import match_rules
from prom3e_index.policy.observers import days_of_observers, observer_cells
from prom3e_index.policy.rules import Policy
from prom3e_index.schema import quoted

if TYPE_CHECKING:
    import duckdb


def find_levels(
    con: duckdb.DuckDBPyConnection,
    policy: Policy | None,
    extra: Mapping[str, str],
    flags: Sequence[str],
    held: Iterable[Any] = (),
    seeds: Iterable[Any] = (),
    stated: bool = False,
    holder: str | None = None,
) -> list[str]:
    """Make `policy_levels`, of the rows of a plan that are not open.

    Args:
        con: The plan's connection.
        policy: None honours the source's marks alone.
        extra: Metadata columns of the plan → columns of the table.
        flags: Columns of the table that the field `obscured` is read from.
        held: Arrow tables of `observation` and `level` that rows of an index have or had: they are not loosened.
        seeds: Arrow tables of `who`, `a`, `b`, `level` of rows of an index whose companions are generalised too.
        stated: See `source_levels`.
        holder: See `observer_cells`.

    Returns:
        Sentences for the user.

    Raises:
        InputError: See `match_rules`.
    """
    said: list[str] = []
    con.execute(
        "CREATE OR REPLACE TABLE policy_hits (seq BIGINT, rule INTEGER, level INTEGER, month BOOLEAN, "
        "companions BOOLEAN)"
    )
    if policy is not None:
        said += match_rules(con, policy, extra)
    con.execute(
        "CREATE OR REPLACE TABLE policy_companions (seq BIGINT, rule INTEGER, level INTEGER, month BOOLEAN, "
        "spans BOOLEAN)"
    )
    con.execute(
        "CREATE OR REPLACE TABLE policy_seeds (who VARCHAR, a DATE, b DATE, rule INTEGER, level INTEGER, month BOOLEAN)"
    )
    if policy is not None and any(r.companions for r in policy.rules):
        said += _companions(con, observer_cells(extra, holder), seeds)
    con.execute(f"CREATE OR REPLACE TABLE policy_source AS {source_levels(extra, flags, stated)}")
    con.execute("CREATE OR REPLACE TABLE policy_held (observation VARCHAR, level INTEGER)")
    for table in held:
        con.register("held", table)
        con.execute("INSERT INTO policy_held BY NAME SELECT * FROM held")
        con.unregister("held")
    default = 0 if policy is None else strictness(policy.default)
    cell = strictness(SOURCE_CELL.name)
    con.execute(
        "CREATE OR REPLACE TABLE policy_levels AS WITH met AS (SELECT seq, level, rule, month FROM policy_hits "
        "UNION ALL SELECT seq, level, rule, month FROM policy_companions "
        "UNION ALL SELECT p.seq, h.level, 0, false FROM planned p JOIN policy_held h ON h.observation = p.observation "
        f"UNION ALL SELECT seq, {default}, 0, false FROM planned WHERE {default} > 0), "
        "found AS (SELECT seq, max(level) AS level, arg_max(rule, level * 1000000 - rule) AS rule, "
        "bool_or(month) AS month "
        "FROM met GROUP BY seq) "
        "SELECT coalesce(f.seq, s.seq) AS seq, greatest(coalesce(f.level, 0), coalesce(s.level, 0), "
        f"CASE WHEN f.seq IS NOT NULL AND s.drawn THEN {cell} ELSE 0 END) AS level, "
        "coalesce(f.rule, 0) AS rule, coalesce(f.month, false) AS month, f.seq IS NULL AS source, false AS stated "
        "FROM found f FULL JOIN policy_source s ON s.seq = f.seq WHERE f.seq IS NOT NULL OR s.level > 0"
    )
    if LEVEL in _columns(con):
        con.execute(
            "UPDATE policy_levels l SET stated = true FROM planned p WHERE p.seq = l.seq AND "
            f"{strictness_sql(f'p.{LEVEL}')} = l.level"
        )
    return said


def take_own_levels(con: duckdb.DuckDBPyConnection, extra: Mapping[str, str]) -> dict[str, str]:
    """Make the column `place_level` of a plan this program's own; what else a table has so called gets another name.

    Of a table's column it is this program's what it writes, the name of a level, in a row that is obscured.

    Args:
        con: The plan's connection.
        extra: Metadata columns of the plan → columns of the table.

    Returns:
        `extra` as it is now.
    """
    named = next((n for n in extra if n.lower() == LEVEL), None)
    if named is None:
        return dict(extra)
    if named != LEVEL:
        con.execute(f"ALTER TABLE planned RENAME {quoted(named)} TO {LEVEL}")
    out = {LEVEL if n == named else n: c for n, c in extra.items()}
    names = ", ".join(f"'{n}'" for n in NAMES[1:])
    others = f"{LEVEL} IS NOT NULL AND NOT ({LEVEL} IN ({names}) AND coalesce(obscured, false))"
    if not _number(con, f"SELECT count(*) FROM planned WHERE {others}"):
        return out
    other, taken = f"source_{LEVEL}", {n.lower() for n in _columns(con)}
    while other in taken:
        other = f"source_{other}"
    con.execute(f"ALTER TABLE planned ADD COLUMN {quoted(other)} VARCHAR")
    con.execute(f"UPDATE planned SET {quoted(other)} = {LEVEL}, {LEVEL} = NULL WHERE {others}")
    if not _number(con, f"SELECT count(*) FROM planned WHERE {LEVEL} IS NOT NULL"):
        con.execute(f"ALTER TABLE planned DROP COLUMN {LEVEL}")
        del out[LEVEL]
    return {**out, other: extra[named]}


def _columns(con: duckdb.DuckDBPyConnection) -> set[str]:
    return {str(r[0]) for r in con.execute("DESCRIBE planned").fetchall()}


def counted(con: duckdb.DuckDBPyConnection, policy: Policy | None) -> list[dict[str, Any]]:
    """What each rule meets: `rule`, `taxon`, `level`, `rows` and `companions`, in the order of the policy."""
    rows = dict(con.execute("SELECT rule, count(*) FROM policy_hits GROUP BY 1").fetchall())
    others = dict(
        con.execute(
            "SELECT rule, count(DISTINCT seq) FROM policy_companions c WHERE NOT EXISTS "
            "(SELECT 1 FROM policy_hits h WHERE h.seq = c.seq AND h.rule = c.rule) GROUP BY 1"
        ).fetchall()
    )
    return [
        {
            "rule": r.number, "taxon": r.taxon, "level": r.level, "rows": int(rows.get(r.number, 0)),
            "companions": int(others.get(r.number, 0)),
        }
        for r in (policy.rules if policy is not None else ())
    ]  # fmt: skip


def _companions(
    con: duckdb.DuckDBPyConnection, cells: Sequence[str], seeds: Iterable[Any]
) -> list[str]:
    """Rows of the same observer and day as those of rules that say so; where a date is a span, of its days."""
    con.execute(
        "INSERT INTO policy_seeds "
        + days_of_observers(
            "(SELECT p.*, h.rule, h.level, h.month FROM planned p JOIN policy_hits h USING (seq) WHERE h.companions)",
            cells, "rule", "level", "month",
        )
    )  # fmt: skip
    for table in seeds:
        con.register("seeds", table)
        con.execute("INSERT INTO policy_seeds SELECT who, a, b, 0, level, false FROM seeds")
        con.unregister("seeds")
    con.execute(
        "INSERT INTO policy_companions SELECT d.seq, s.rule, max(s.level), bool_or(s.month), "
        "bool_and(s.a < s.b OR d.a < d.b) FROM "
        f"({days_of_observers('planned', cells, 'seq')}) d JOIN policy_seeds s ON s.who = d.who AND d.a <= s.b "
        "AND d.b >= s.a GROUP BY ALL"
    )
    alone = _number(
        con,
        "SELECT count(DISTINCT seq) FROM policy_hits WHERE companions AND seq NOT IN "
        f"(SELECT seq FROM ({days_of_observers('planned', cells, 'seq')}))",
    )
    spans = _number(
        con,
        "SELECT count(*) FROM (SELECT seq FROM policy_companions WHERE seq NOT IN (SELECT seq FROM policy_hits) "
        "GROUP BY 1 HAVING bool_and(spans))",
    )
    said = []
    if alone:
        said.append(
            f"policy: {alone:,} rows have no observer or no day, so their companions cannot be told"
        )
    if spans:
        said.append(
            f"policy: {spans:,} companions are so since dates are spans, a month or a year, that have days in common"
        )
    return said


def _number(con: duckdb.DuckDBPyConnection, query: str) -> int:
    return int(con.execute(query).fetchall()[0][0])
