"""A plan of rows generalised by a policy, without anything encoded: what tests of single rules look at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from policies import RULE, write_policy, write_rows

from prom3e_index.indexer.answering import observations_of
from prom3e_index.indexer.plan import open_plan, plan, silent
from prom3e_index.indexer.protect import protect
from prom3e_index.indexer.understood import understand
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.policy.rules import read_policy


@dataclass
class Planned:
    """The rows as they would be encoded, by id; refused rows; what rows lost; what is said; counts."""

    rows: dict[str, dict[str, Any]]
    rejected: list[tuple[Any, ...]]
    lost: list[tuple[Any, ...]]
    said: str
    done: dict[str, Any]

    def levels(self) -> dict[str, str | None]:
        return {key: row.get("place_level") for key, row in self.rows.items()}


def planned(
    folder: Path, rows: list[dict[str, object]], policy: str | None = RULE, **options: Any
) -> Planned:
    """Plan a table of rows and generalise it."""
    table = write_rows(folder / "planned.csv", rows)
    read = None if policy is None else read_policy(write_policy(folder, policy, "planned.toml"))
    config = BuildConfig(table=str(table), out=folder / "none", policy=read, **options)
    work = folder / "plan"
    work.mkdir(exist_ok=True)
    (work / "plan.duckdb").unlink(missing_ok=True)
    con = open_plan(work)
    try:
        found = observations_of(config)
        plan(con, found, "error", silent)
        facts = {"understood": understand(con, config.table, found).as_json()}
        done = protect(con, found, config, facts)
        relation = con.sql("SELECT * FROM planned ORDER BY seq")
        cells = [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]
        return Planned(
            {c["id"]: c for c in cells},
            con.sql("SELECT * FROM rejected").fetchall(),
            con.sql("SELECT * FROM lost").fetchall(),
            "; ".join(facts["understood"]["said"]),
            done["protected"],
        )
    finally:
        con.close()
