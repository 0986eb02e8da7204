"""What a policy would do to a table: its plan, made and generalised in a temporary folder; nothing is encoded."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from prom3e_index.errors import InputError
from prom3e_index.indexer.answering import observations_of
from prom3e_index.indexer.draft import open_draft
from prom3e_index.indexer.file_facts import take_file_facts
from prom3e_index.indexer.plan import Progress, plan, silent
from prom3e_index.indexer.protect import protect
from prom3e_index.indexer.understood import understand
from prom3e_index.indexer.work import BuildConfig, table_kind
from prom3e_index.policy.cells import LEVELS, OPEN, WITHHOLD
from prom3e_index.policy.columns import denied, plain, tells_place
from prom3e_index.policy.generalise import LEVEL
from prom3e_index.policy.rules import Policy
from prom3e_index.tables import EMBEDDINGS

_IDS = 3


def explain(config: BuildConfig, policy: Policy, progress: Progress = silent) -> list[str]:
    """Sentences on what each rule of a policy would do to a table, the rows of each level, and its columns.

    Args:
        config: The table and how it is read; its policy, model and index do not matter.
        policy: The policy.
        progress: Told how many rows are read.

    Raises:
        InputError: A name may be misspelt, or the file holds embeddings.
        TableError: The table cannot be read.
    """
    if table_kind(config) in EMBEDDINGS:
        raise InputError(
            f"{config.table} holds embeddings, not observations; `build --policy` reads it."
        )
    config = replace(config, policy=policy)
    with tempfile.TemporaryDirectory(prefix="prom3e-policy-") as folder:
        con = open_draft(Path(folder))
        try:
            table = observations_of(config)
            duplicates = "first" if config.duplicates == "error" else config.duplicates
            plan(con, table, duplicates, progress)
            facts: dict[str, Any] = {"understood": understand(con, config.table, table).as_json()}
            if config.file_facts:
                take_file_facts(con, table.media, config.workers, config.timeout_s, progress)
            facts["understood"]["said"] = []
            facts |= protect(con, table, config, facts)
            return [
                f"policy {policy.cited}"
                + (f", of {policy.authority}" if policy.authority else "")
                + (f", to be reviewed {policy.review}" if policy.review else ""),
                *_rules(policy, facts["protected"]["rules"]),
                *_levels(con, int(facts["rows"])),
                *_columns(table, facts["protected"]["kept"]),
                *facts["understood"]["said"],
            ]
        finally:
            con.close()


def _rules(policy: Policy, met: list[dict[str, Any]]) -> list[str]:
    out = []
    for rule, found in zip(policy.rules, met, strict=True):
        where = [w for w, given in (("in a box", rule.region and rule.region.box),
                                    ("in polygons", rule.region and rule.region.rings)) if given]  # fmt: skip
        where += [f"in {', '.join(sorted(rule.countries))}"] if rule.countries else []
        where += [f"in months {', '.join(map(str, sorted(rule.months)))}"] if rule.months else []
        more = f" and {found['companions']:,} companions" if rule.companions else ""
        dates = ", dates by the month" if rule.by_month else ""
        reason = f"; {rule.reason}" if rule.reason else ""
        limits = f" {', '.join(where)}" if where else ""
        out.append(
            f"{rule.title}{limits} → {rule.level}{dates}: {found['rows']:,} rows{more}{reason}"
        )
    return out


def _levels(con: Any, rows: int) -> list[str]:
    columns = {str(r[0]) for r in con.execute("DESCRIBE planned").fetchall()}
    if LEVEL not in columns:
        return [f"all {rows:,} rows stay open"]
    found = dict(
        (str(level), (int(n), ids))
        for level, n, ids in con.execute(
            f"SELECT coalesce({LEVEL}, '{OPEN}'), count(*), min_by(id, seq, {_IDS}) FROM planned GROUP BY 1"
        ).fetchall()
    )
    out = []
    for name, level in LEVELS.items():
        if name in found:
            n, ids = found[name]
            what = (
                "as they are" if name == OPEN else "no place is kept" if name == WITHHOLD
                else f"to the centre of a {level.words} cell"
            )  # fmt: skip
            out.append(f"  {name}: {n:,} rows, {what}; as {', '.join(map(repr, ids))}")
    return out


def _columns(table: Any, kept: list[str]) -> list[str]:
    never = [c for c in table.columns if denied(c)]
    emptied = [c for c in table.extra.values() if tells_place(c) and plain(c) not in kept]
    stay = [c for c in table.extra.values() if not tells_place(c)]
    out = []
    if never:
        out.append(f"columns that no index holds: {', '.join(never)}")
    if emptied:
        out.append(f"columns that are emptied in generalised rows: {', '.join(emptied)}")
    if stay:
        out.append(f"columns that stay there, but for cells with coordinates: {', '.join(stay)}")
    if kept:
        out.append(f"columns that are kept there though they may tell the place: {', '.join(kept)}")
    return out
