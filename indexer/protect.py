"""A plan's rows generalised as a policy says, between what their files say and their encoding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.filters import quoted
from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.bundle.segment_views import observation_of
from prom3e_index.errors import InputError
from prom3e_index.indexer.policy_generations import RANK, held_levels
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.policy.cells import LEVELS, NAMES, strictness
from prom3e_index.policy.columns import checked_kept
from prom3e_index.policy.generalise import LEVEL, generalise, summed
from prom3e_index.policy.levels import counted, find_levels, take_own_levels
from prom3e_index.policy.log import act
from prom3e_index.policy.observers import days_of_observers, holder_column, observer_cells
from prom3e_index.policy.rules import Policy
from prom3e_index.policy.told_places import redacted, tells_alone

if TYPE_CHECKING:
    import duckdb

    from prom3e_index.tables import Observations
    from prom3e_index.tables.embedded import EmbeddedObservations

OF_PLACES = ("loc", "env", "sat")
"""Modalities whose embeddings tell the place that they were made of."""
_BATCH = 65_536


@dataclass(frozen=True)
class Held:
    """An index that rows are added to: what of its rows bears on theirs.

    Attributes:
        bundle: The index.
        update: Whether the rows replace those of the same ids.
    """

    bundle: BundleFolder
    update: bool

    def levels(self) -> Iterator[Any]:
        """Levels that observations have, or had before they were removed or replaced."""
        yield from held_levels(self.bundle.path, self.bundle.manifest)

    def seeds(self, policy: Policy) -> Iterator[Any]:
        """Observers and days of rows whose companions get their level."""
        if LEVEL not in self.bundle.columns:
            return
        least = min((strictness(r.level) for r in policy.rules if r.companions), default=None)
        if least is None:
            return
        rows = (
            f"(SELECT *, {RANK} AS level FROM observations WHERE {LEVEL} IN "
            f"({', '.join(repr(n) for n in NAMES[least:])}))"
        )
        yield from self._tables(days_of_observers(rows, self._observers(), "level"))

    def exposed(self, con: duckdb.DuckDBPyConnection) -> dict[str, bool]:
        """Open rows of the index that are companions of rows of the plan, and are not replaced by it.

        Returns:
            Their ids → whether they are companions by spans of days alone.
        """
        level = f"{LEVEL} IS NULL" if LEVEL in self.bundle.columns else "true"
        rows = f"(SELECT * FROM observations WHERE {level})"
        own = observation_of(self.bundle.columns)
        query = days_of_observers(
            rows.replace("*", f"*, {own} AS of_row"), self._observers(), "of_row"
        )
        found: dict[str, bool] = {}
        for table in self._tables(query):
            con.register("open_rows", table)
            for of_row, spans in con.execute(
                "SELECT o.of_row, bool_and(s.a < s.b OR o.a < o.b) FROM open_rows o JOIN policy_seeds s "
                "ON s.who = o.who AND o.a <= s.b AND o.b >= s.a WHERE s.rule > 0 "
                "AND o.of_row NOT IN (SELECT observation FROM planned) GROUP BY 1 ORDER BY 1"
            ).fetchall():
                found[str(of_row)] = bool(spans) and found.get(str(of_row), True)
            con.unregister("open_rows")
        return found

    def _observers(self) -> list[str]:
        names = self.bundle.metadata.metadata_columns
        holder = holder_column(self.bundle.manifest.get("source", {}).get("fields"))
        return observer_cells({n: n.removeprefix("source_") for n in names}, holder)

    def _tables(self, query: str) -> Iterator[Any]:
        import pyarrow as pa

        with self.bundle.reader(query, _BATCH) as batches:
            for batch in batches:
                yield pa.Table.from_batches([batch])


def protect(
    con: duckdb.DuckDBPyConnection,
    table: Observations | EmbeddedObservations,
    config: BuildConfig,
    facts: dict[str, Any],
    held: Held | None = None,
) -> dict[str, Any]:
    """Generalise the rows of a plan; nothing of them is encoded yet.

    Args:
        con: The plan's connection; what the files of its rows say stands in it.
        table: What was planned.
        config: With the policy, if any, and the columns that are kept.
        facts: Of the plan; `understood` gets sentences, and numbers of its reasons go where rows are generalised.
        held: The index that the rows are added to.

    Returns:
        `rows` planned now, and `protected`: `rules` with what each met, and what was done.

    Raises:
        InputError: A name of the policy may be misspelt, or open rows of the index would be companions.
    """
    kept = checked_kept(config.keep_columns, table.columns)
    policy = config.policy
    extra = take_own_levels(con, table.extra)
    said = find_levels(
        con,
        policy,
        extra,
        table.fields.get("obscured", ()),
        held.levels() if held is not None else (),
        held.seeds(policy) if held is not None and policy is not None else (),
        table.embedded,
        holder_column(table.fields),
    )
    if held is not None and policy is not None and any(r.companions for r in policy.rules):
        _refuse_exposed(held.exposed(con))
    rules = counted(con, policy)
    done = generalise(con, policy, extra, kept, table.embedded)
    said += summed(done, rules, policy)
    if table.embedded and done["protected"]:
        said.append(
            f"embeddings of {', '.join(OF_PLACES)} of these rows are left out, since they tell the true place; `lost` "
            "of the index has each"
        )
    understood = facts["understood"]
    if done["protected"] or policy is not None:
        for reason in (
            *understood["rejected"],
            *(r for f in understood["fields"] for r in f["lost"]),
        ):
            reason["text"] = redacted(reason["text"])
        understood["said"] = [redacted(s) for s in understood["said"]]
        _take_ids_out(con, understood)
    understood["said"] += said
    return {"rows": done.pop("rows"), "protected": {"rules": rules, **done, "kept": sorted(kept)}}


def _take_ids_out(con: duckdb.DuckDBPyConnection, understood: dict[str, Any]) -> None:
    """Leave out of what was understood those ids that may tell a place, and those that were refused for it."""
    reasons = [*understood["rejected"], *(r for f in understood["fields"] for r in f["lost"])]
    named = {i for r in reasons for i in r["ids"] if i is not None}
    held = {
        str(r[0])
        for name in ("planned", "rejected")
        for r in con.execute(
            f"SELECT id FROM {name} WHERE id IN (SELECT unnest(?))", [sorted(named)]
        ).fetchall()
    }
    gone = {i for i in named if tells_alone(i) or (i not in held and redacted(i) != i)}
    for reason in reasons:
        reason["ids"] = [None if i in gone else i for i in reason["ids"]]


def _refuse_exposed(found: dict[str, bool]) -> None:
    """Refuse what `Held.exposed` finds."""
    if not found:
        return
    first = ", ".join(repr(i) for i in list(found)[:5])
    spans = sum(found.values())
    some = "" if spans == len(found) else f"{spans:,} of them "
    by_spans = (
        f" ({some}since dates are spans, a month or a year, that have days in common)"
        if spans
        else ""
    )
    raise InputError(
        f"{len(found):,} observations of the index are of the same observer and day as rows that the policy "
        f"generalises{by_spans}, and stand there with their true places: {first}. Take them out for good "
        "(prom3e-index remove, then compact), and add them again together with these rows. Nothing was changed."
    )


def generalised_rows(con: duckdb.DuckDBPyConnection, n: int) -> NDArray[np.bool_]:
    """(n,) which planned rows are generalised."""
    out = np.zeros(n, bool)
    columns = {str(r[0]) for r in con.execute("DESCRIBE planned").fetchall()}
    if LEVEL in columns:
        found = con.execute(
            f"SELECT seq FROM planned WHERE {quoted(LEVEL)} IS NOT NULL"
        ).fetchnumpy()
        out[np.asarray(found["seq"], np.int64)] = True
    return out


def note_act(manifest: dict[str, Any], config: BuildConfig, facts: dict[str, Any]) -> None:
    """Note in a manifest that is being made the policy, and in the last line of its history what it did."""
    protected = facts.get("protected", {})
    if config.policy is not None:
        before = manifest.get("policy") or {}
        kept = sorted({*before.get("kept", ()), *protected.get("kept", ())})
        manifest["policy"] = {**config.policy.as_json(), "kept": kept}
    done = act(manifest.get("policy"), protected)
    if done is not None:
        manifest["history"][-1]["policy"] = done


def rows_by_level(bundle: BundleFolder) -> dict[str, int]:
    """How many rows of an index have each level, the strictest last; `open` is everything else."""
    if LEVEL not in bundle.columns:
        return {"open": bundle.rows}
    found = dict(
        bundle.sql(f"SELECT coalesce({LEVEL}, 'open'), count(*) FROM observations GROUP BY 1")
    )
    return {n: int(found[n]) for n in LEVELS if n in found}
