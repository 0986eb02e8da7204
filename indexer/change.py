"""Changing an index: add, update, remove. Each makes a new generation, or leaves the old one as it is."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.faiss.kinds import choose
from prom3e_index.bundle.filters import Filter
from prom3e_index.bundle.media_folders import beside
from prom3e_index.bundle.model_place import noted_model, placed_beside
from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.bundle.segment_views import observation_cells
from prom3e_index.errors import (
    BundleError,
    InputError,
    MismatchError,
    ModelError,
    NotCachedError,
)
from prom3e_index.indexer.answering import speaks_of_planet
from prom3e_index.indexer.as_built import as_built
from prom3e_index.indexer.beside import (
    STAGE_FILES,
    WORK_FILES,
    adding_of,
    real_path,
    refuse_others,
    take_away,
)
from prom3e_index.indexer.certify import certified, is_stale, tuned
from prom3e_index.indexer.confidence import calibrated, is_due, outdated
from prom3e_index.indexer.disk import full_disk_said
from prom3e_index.indexer.encode import encode_table
from prom3e_index.indexer.expand import expanded, said_of
from prom3e_index.indexer.generation import (
    changing,
    commit,
    remove_rows,
    removed_rows,
    successor,
    summarise,
    take_segment,
    there,
)
from prom3e_index.indexer.merge import join_segments
from prom3e_index.indexer.plan import Progress, count_incomplete, sift_known, sift_told
from prom3e_index.indexer.policy_generations import refuse_another, said_of_policy
from prom3e_index.indexer.protect import Held, note_act
from prom3e_index.indexer.removal import Removal, rows_of, selected
from prom3e_index.indexer.understood import Heard, unheard
from prom3e_index.indexer.unfinished import kept_where_encoded, serves
from prom3e_index.indexer.wished import wish_of
from prom3e_index.indexer.work import BuildConfig, identity, read_note, resumable
from prom3e_index.indexer.write_segment import vector_width, write_segment
from prom3e_index.models.folder import Model
from prom3e_index.policy.rules import policy_of
from prom3e_index.search.meaning import means_nothing

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Changed:
    """What a change did.

    Attributes:
        manifest: Of the index as it is now; the old one's where nothing was to be done.
        added: Rows written.
        removed: Rows found no more.
        known: Rows passed over because the index holds their ids.
        lost: Files and values that the rows written are without.
        observations: Observations that the rows written, or removed, belong to.
        said: Sentences on the rows that observations became.
        rejected: Rows refused, with reasons in the new segment's `rejected.parquet`.
        unknown: Ids to be removed that no observation has.
        reasons: Why rows were refused, at most 20, where no new segment keeps the reasons.
        incomplete: Of the `known` rows, those that the index has without a file that was lost.
    """

    manifest: dict[str, Any]
    added: int = 0
    removed: int = 0
    known: int = 0
    rejected: int = 0
    lost: int = 0
    observations: int = 0
    said: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    incomplete: int = 0


@full_disk_said
def add(
    index: Path,
    config: BuildConfig,
    progress: Progress,
    update: bool = False,
    heard: Heard = unheard,
) -> Changed:
    """Add the observations of a table that an index does not hold yet; only they are encoded.

    With `update`, the table's rows replace the observations of the same ids instead; rows with other ids are
    rejected. A row that cannot be encoded leaves the old observation in place.

    Args:
        index: The index's folder.
        config: Table and how to read it; model and preprocessing are the index's own.
        progress: Told of each stage.
        update: Replace instead of add.
        heard: Told what was understood of the table, before it is encoded.

    Raises:
        InputError: The table has no ids, or cannot be read; or the index has another policy than is given.
        MismatchError: The index's model has changed since.
    """
    action, index = "update" if update else "add", real_path(index)
    with changing(index, action, progress) as old:
        named = config.model is not None or config.hub is not None
        for said in placed_beside(old, index, config.model, config.hub):
            progress(said, 0, None)
        model, config = as_built(index, old, config)
        bundle = BundleFolder(index, old)
        noted = policy_of(old.get("policy"), index)
        if config.policy is None:
            config = replace(config, policy=noted)
        elif not config.replace_policy:
            refuse_another(config.policy, noted, index)
        work = _work_folder(index, old, identity(config, model), config.restart, action)

        def sift(con: Any, facts: dict[str, Any]) -> dict[str, int]:
            if (
                "id" not in facts["fields"]
            ):  # invented ids name a row of one file, and no observation
                raise InputError(
                    f"{config.table} has no ids, so its rows cannot be told from the index's; name the column "
                    "that holds them (--map COLUMN=id), or give embeddings an array `ids`."
                )
            with bundle.reader(_LOST_FILES, 65_536) as ids:
                incomplete = 0 if update else count_incomplete(con, ids)
            cells = observation_cells(bundle.columns)
            with bundle.reader(f"SELECT {cells} FROM observations", 65_536) as ids:
                noted = sift_known(con, ids, update)
            with bundle.reader("SELECT id, reason FROM rejected WHERE id IS NOT NULL") as told:
                return noted | sift_told(con, told) | {"incomplete": incomplete}

        hubs, wish = old["hubs"]["method"], wish_of(old)

        def planned(con: Any, rows: int) -> None:
            choose(wish, rows, vector_width(model, hubs), len(model.modalities))

        with kept_where_encoded(work):
            encode_table(config, work, model, progress, sift, heard, planned, Held(bundle, update))
        facts = json.loads((work / "planned.json").read_text())
        stage = work / "segment"
        take_away(stage, STAGE_FILES)
        columns = dict(bundle.metadata.metadata_columns)
        entry = write_segment(work, stage, model, hubs, wish, progress, columns)
        entry["beside"] = beside(index, Path(entry["media"]))
        told = entry["counts"]["rows_rejected"]
        done = {"known": facts.get("known", 0), "rejected": told + facts.get("told", 0)}
        done["incomplete"] = facts.get("incomplete", 0)
        if not entry["rows"]:  # the index stays as it is, however often this is repeated
            reasons = _reasons_of(stage)
            take_away(work, WORK_FILES)
            return Changed(old, **done, reasons=reasons)
        new = successor(
            old, action, added=entry["rows"], known=done["known"], rejected=done["rejected"]
        )
        new["columns"] = columns
        note_act(new, config, facts)
        cited = [*new["source"].get("citations", ()), *facts.get("citations", ())]
        new["source"] = {**new["source"], "citations": list(dict.fromkeys(cited))}
        if named:
            new["model"] = {**old["model"], **noted_model(model, index)}
        planet = speaks_of_planet(model, facts, not means_nothing(bundle))
        if planet is not None:
            new["planet"] = planet
        removed = removed_rows(bundle)
        again = rows_of(bundle, _observations_of(stage)) if update else np.zeros(0, np.int64)
        removed[again] = True
        new["history"][-1]["removed"] = len(again)
        take_segment(index, stage, new, entry)
        join_segments(index, new, model, progress)
        removed = np.concatenate([removed, np.zeros(entry["rows"], bool)])
        if removed.any():
            remove_rows(index, new, removed)
        new = conclude(index, old, new, model, progress)
        take_away(work, WORK_FILES)
        counts = entry["counts"]
        told = [*said_of(expanded(facts), facts["windowing"]), *said_of_policy(index, old, new)]
        if update and facts["protected"]["protected"]:
            told.append(
                "what stood of these observations before lies in the index's folder until compact; `policy check` says "
                "whether it tells their places"
            )
        return Changed(
            new,
            entry["rows"],
            len(again),
            **done,
            lost=counts["files_lost"],
            observations=counts["observations"],
            said=tuple(told),
        )


_LOST_FILES = (
    "SELECT DISTINCT o.id FROM lost l JOIN observations o ON o.row = l.row "
    "WHERE l.modality IN ('image', 'sat', 'audio')"
)


def _work_folder(
    index: Path, old: dict[str, Any], made_of: dict[str, Any], restart: bool, action: str
) -> Path:
    """Where rows are encoded; what lies there of another table and an index that has changed since is of no use."""
    folder = adding_of(index)
    refuse_others(folder, WORK_FILES)
    wanted = {**made_of, "action": action, "generation": str(old["generation"])}
    begun = read_note(folder / "identity.json")
    if begun and begun.get("generation") != wanted["generation"] and not serves(begun, wanted):
        take_away(folder, WORK_FILES)
    return resumable(folder, wanted, restart, action)


@full_disk_said
def remove(
    index: Path,
    where: Filter | None,
    ids: list[str] | None,
    progress: Progress,
    looked_at: Removal | None = None,
) -> Changed:
    """Remove the rows that satisfy a filter, or the observations of some ids with all their rows.

    They are found no more from the next opening on; `restore` puts them back until `compact`, which takes their data
    out of the files. Damaged vectors and FAISS files do not stand in the way. `removal` says beforehand what is meant.

    Args:
        index: The index's folder.
        where: Rows that satisfy it, where no `ids` are given.
        ids: Of observations, or of single rows.
        progress: Told of each stage.
        looked_at: What `removal` said of the index; one that has changed since, or was built anew, is left as it is.

    Raises:
        BundleError: The index is another than was looked at.
    """
    index = real_path(index)
    with changing(index, "remove", progress, check=False) as old:
        if looked_at is not None:
            _refuse_another(index, old, looked_at)
        bundle = BundleFolder(index, there(index, old))
        found = selected(bundle, where, ids)
        if not len(found.rows):
            return Changed(old, unknown=found.unknown)
        new = successor(old, "remove", removed=len(found.rows))
        removed = removed_rows(bundle)
        removed[found.rows] = True
        remove_rows(index, new, removed)
        new = conclude(index, old, new, None, progress)
        return Changed(
            new, removed=len(found.rows), observations=found.observations, unknown=found.unknown
        )


def _refuse_another(index: Path, now: dict[str, Any], looked_at: Removal) -> None:
    generation, created = int(now["generation"]), str(now.get("created", ""))
    if (generation, created) != (looked_at.generation, looked_at.created):
        raise BundleError(
            f"{index} became generation {generation} of {created} after generation {looked_at.generation} of "
            f"{looked_at.created} was looked at; nothing was removed. Look again, then remove."
        )


def conclude(
    index: Path, old: dict[str, Any], new: dict[str, Any], model: Model | None, progress: Progress
) -> dict[str, Any]:
    """Count, certify where much has changed, and make the new generation current."""
    summarise(index, new)
    try:
        if is_stale(new):
            new = certified(index, new, model or BundleFolder(index, new).model(), progress)
        elif model is not None:
            new = tuned(index, new, model, progress)
    except _IN_THE_WAY as e:
        if model is not None:
            raise
        made = new.get("certificate")
        noted = made if isinstance(made, dict) else {}
        new["certificate"] = {**noted, "stale": getattr(e, "typed", str(e))}
    try:
        if is_due(new, model is not None):
            new = calibrated(index, new, model or BundleFolder(index, new).model(), progress)
    except _IN_THE_WAY as e:
        if model is not None:
            raise
        new = outdated(new, getattr(e, "typed", str(e)))
    commit(index, old, new)
    return new


_IN_THE_WAY = (BundleError, MismatchError, ModelError, NotCachedError, FileNotFoundError)
"""What a removal does not wait for: a model, or a repair."""


def _reasons_of(segment: Path, most: int = 20) -> tuple[str, ...]:
    """Why rows were refused, a line each."""
    import duckdb

    con = duckdb.connect(str(segment / "metadata.duckdb"), read_only=True)
    try:
        found = con.execute(
            "SELECT CASE WHEN row_in IS NULL THEN '' ELSE 'table row ' || (row_in + 1) || "
            "coalesce(', id ' || id, '') || ': ' END || reason FROM rejected ORDER BY row_in LIMIT ?",
            [most],
        ).fetchall()
    finally:
        con.close()
    return tuple(str(r[0]) for r in found)


def _observations_of(segment: Path) -> list[str]:
    import duckdb

    con = duckdb.connect(str(segment / "metadata.duckdb"), read_only=True)
    try:
        found = con.execute("SELECT DISTINCT observation FROM observations").fetchall()
        return [str(r[0]) for r in found]
    finally:
        con.close()
