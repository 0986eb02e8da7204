"""What an index's generations have of hidden places: levels that rows had in any of them, and what a new policy asks.

A place that was generalised once is not shown again by going back, whatever lies between.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from prom3e_index.bundle.manifest import GENERATIONS, read_manifest
from prom3e_index.bundle.metadata_database import connect_segments
from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.bundle.segment_views import observation_of
from prom3e_index.errors import BundleError, InputError
from prom3e_index.indexer.policy_expected import too_open
from prom3e_index.policy.cells import strictness_sql
from prom3e_index.policy.generalise import LEVEL
from prom3e_index.policy.observers import holder_column
from prom3e_index.policy.rules import Policy, policy_of

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

RANK = strictness_sql(LEVEL)
"""SQL of the strictness of a row's level."""
_SHOWN = 3


def segments_of(
    index: Path, now: dict[str, Any]
) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """Every segment that a generation of an index names, with the manifest that names it."""
    out = {str(s["name"]): (s, now) for s in now["segments"]}
    for path in sorted((index / GENERATIONS).glob("[0-9]*.json")):
        try:
            earlier = read_manifest(index, int(path.stem), check=False)
        except (BundleError, ValueError):
            continue  # `info` says so
        for s in earlier["segments"]:
            out.setdefault(str(s["name"]), (s, earlier))
    return out


@contextmanager
def metadata_of(index: Path, name: str, now: dict[str, Any]) -> Iterator[duckdb.DuckDBPyConnection]:
    """The metadata of one segment, as the view `every`.

    Args:
        index: The index's folder.
        name: The segment's.
        now: The present manifest.

    Raises:
        BundleError: The file is damaged: which, and what helps.
    """
    import duckdb

    path = index / name / "metadata.duckdb"
    try:
        con, _ = connect_segments([path], [0])
    except BundleError as e:
        raise _damaged(path, name, now, e) from e
    try:
        yield con
    except duckdb.Error as e:
        raise _damaged(path, name, now, e) from e
    finally:
        con.close()


def _damaged(path: Path, name: str, now: dict[str, Any], e: Exception) -> BundleError:
    if name in {str(s["name"]) for s in now["segments"]}:
        if isinstance(e, BundleError):
            return e
        cause = str(e).splitlines()[0]
        return BundleError(
            f"{path} cannot be read: {cause} Restore the index from a copy, or build it again."
        )
    return BundleError(
        f"{path}, which only earlier generations of the index name, is damaged: how far their places were generalised "
        "cannot be told. Put the file back from a copy; or take earlier generations away for good, `prom3e-index "
        "compact`, and run this again. Nothing was changed."
    )


def held_levels(index: Path, now: dict[str, Any]) -> Iterator[pa.Table]:
    """Arrow tables of `observation` and its greatest `level` in each segment that lies in the index's folder.

    Rows that were removed or replaced count too; open ones are left out.

    Raises:
        BundleError: The metadata of one is damaged; see `metadata_of`.
    """
    for name in segments_of(index, now):
        if not (index / name / "metadata.duckdb").is_file():
            continue
        with metadata_of(index, name, now) as con:
            columns = [str(r[0]) for r in con.execute("DESCRIBE every").fetchall()]
            if LEVEL not in columns:
                continue
            levels = con.sql(
                f"SELECT {observation_of(columns)} AS observation, max({RANK})::INTEGER AS level FROM every "
                f"WHERE {LEVEL} IS NOT NULL GROUP BY 1"
            ).to_arrow_table()
        yield levels


def loosened(index: Path, now: dict[str, Any], earlier: BundleFolder) -> list[str]:
    """Observations that a generation has at weaker levels than they have, or had, in any other."""
    import duckdb

    con = duckdb.connect(config={"memory_limit": "1GB"})
    try:
        con.execute("CREATE TABLE since (observation VARCHAR, level INTEGER)")
        for table in held_levels(index, now):
            con.register("part", table)
            con.execute("INSERT INTO since BY NAME SELECT * FROM part")
            con.unregister("part")
        if not con.execute("SELECT count(*) FROM since").fetchall()[0][0]:
            return []
        columns = earlier.columns
        level = RANK if LEVEL in columns else "0"
        query = (
            f"SELECT {observation_of(columns)} AS observation, min({level})::INTEGER AS level FROM observations "
            "GROUP BY 1"
        )
        with earlier.reader(query, 65_536) as rows:
            con.register("back", rows)
            found = con.execute(
                "SELECT DISTINCT b.observation FROM back b JOIN since s USING (observation) WHERE b.level < s.level "
                "ORDER BY 1"
            ).fetchall()
    finally:
        con.close()
    return [str(r[0]) for r in found]


def refuse_loosened(index: Path, now: dict[str, Any], earlier: BundleFolder) -> None:
    """Refuse to go back to a generation in which places stand that were generalised since, even if taken back again.

    Raises:
        InputError: How many observations, and the first of them.
    """
    found = loosened(index, now, earlier)
    if found:
        raise InputError(
            f"Generation {earlier.manifest['generation']} has the places of {len(found):,} observations as they were "
            f"before the policy generalised them further, the first is {found[0][:80]!r}; it is not restored. "
            "`compact` takes those places out of the index's files for good."
        )


def refuse_another(given: Policy, noted: Policy | None, index: Path) -> None:
    """Refuse a policy that is not the index's own.

    Raises:
        InputError: Both are named.
    """
    if noted is not None and noted.sha256 != given.sha256:
        raise InputError(
            f"{index} has the policy {noted.cited}, and {given.cited} was given. Leave --policy out to go by the "
            "index's own; with --replace-policy the other takes its place, for rows that come from now on. Nothing was "
            "changed."
        )


def said_of_policy(index: Path, old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Sentences on an index whose policy is another than before: which it was, and rows more open than it asks for."""
    before, after = policy_of(old.get("policy"), index), policy_of(new.get("policy"), index)
    if after is None or (before is not None and before.sha256 == after.sha256):
        return []
    of = "none" if before is None else before.cited
    said = [f"the index's policy is now {after.cited}; before: {of}"]
    found = more_open(index, new, after)
    if found:
        first = ", ".join(repr(i[:80]) for i in found[:_SHOWN])
        said.append(
            f"{len(found):,} rows of the index stand with places more open than that policy asks for: {first}; "
            "`update` them from their table, then `compact`"
        )
    return said


def said_of_replaced(index: Path, policy: Policy | None) -> list[str]:
    """Sentences on an index that is built anew with another policy than it had, or with none."""
    try:
        noted = policy_of(read_manifest(index, check=False).get("policy"), index)
    except (BundleError, FileNotFoundError):
        return []
    if noted is None or (policy is not None and policy.sha256 == noted.sha256):
        return []
    now = f"{policy.cited} now" if policy else "none now, and places stand as the table gives them"
    return [f"the index that is replaced had the policy {noted.cited}; the new one has {now}"]


def more_open(index: Path, now: dict[str, Any], policy: Policy) -> list[str]:
    """Ids of an index's rows whose places are more open than a policy asks for, in the order of its rows."""
    with BundleFolder(index, now) as bundle:
        live = np.zeros(bundle.places, bool)
        live[bundle.live] = True
    out: list[str] = []
    holder = holder_column(now.get("source", {}).get("fields"))
    first = 0
    for segment in now["segments"]:
        con, _ = connect_segments([index / str(segment["name"]) / "metadata.duckdb"], [0])
        try:
            columns = [str(r[0]) for r in con.execute("DESCRIBE every").fetchall()]
            asked = too_open(con, policy, columns, holder)
            out += [key for row, key, _, _ in asked if live[first + row]]
        finally:
            con.close()
        first += int(segment["rows"])
    return out
