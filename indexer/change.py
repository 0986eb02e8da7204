"""Changing an index: add, update, remove. Each makes a new generation, or leaves the old one as it is."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.filters import Filter
from prom3e_index.bundle.media_folders import beside
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
from prom3e_index.indexer.beside import (
    STAGE_FILES,
    WORK_FILES,
    adding_of,
    real_path,
    refuse_others,
    take_away,
)
from prom3e_index.indexer.certify import certified, is_stale, tuned, wish_of
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
from prom3e_index.indexer.plan import Progress, sift_known, sift_told
from prom3e_index.indexer.understood import Heard, unheard
from prom3e_index.indexer.work import BuildConfig, identity, open_model, read_note, resumable
from prom3e_index.indexer.write_segment import write_segment
from prom3e_index.models.folder import Model
from prom3e_index.search.hubness import bias_centres, by_segment, same_centres
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
        InputError: The table has no ids, or cannot be read.
        MismatchError: The index's model has changed since.
    """
    action, index = "update" if update else "add", real_path(index)
    with changing(index, action, progress) as old:
        model, config = _as_built(index, old, config)
        bundle = BundleFolder(index, old)
        work = _work_folder(index, old, identity(config, model), config.restart, action)

        def sift(con: Any, facts: dict[str, Any]) -> dict[str, int]:
            if (
                "id" not in facts["fields"]
            ):  # invented ids name a row of one file, and no observation
                raise InputError(
                    f"{config.table} has no ids, so its rows cannot be told from the index's; name the column "
                    "that holds them (--map COLUMN=id), or give embeddings an array `ids`."
                )
            cells = observation_cells(bundle.columns)
            with bundle.reader(f"SELECT {cells} FROM observations", 65_536) as ids:
                noted = sift_known(con, ids, update)
            with bundle.reader("SELECT id, reason FROM rejected WHERE id IS NOT NULL") as told:
                return noted | sift_told(con, told)

        encode_table(config, work, model, progress, sift, heard)
        facts = json.loads((work / "planned.json").read_text())
        stage = work / "segment"
        take_away(stage, STAGE_FILES)
        columns = dict(bundle.metadata.metadata_columns)
        hubs = old["hubs"]["method"]
        entry = write_segment(work, stage, model, hubs, wish_of(old), progress, columns)
        entry["beside"] = beside(index, Path(entry["media"]))
        told = entry["counts"]["rows_rejected"]
        done = {"known": facts.get("known", 0), "rejected": told + facts.get("told", 0)}
        if not entry["rows"]:  # the index stays as it is, however often this is repeated
            reasons = _reasons_of(stage)
            take_away(work, WORK_FILES)
            return Changed(old, **done, reasons=reasons)
        new = successor(
            old, action, added=entry["rows"], known=done["known"], rejected=done["rejected"]
        )
        new["columns"] = columns
        planet = speaks_of_planet(model, facts, not means_nothing(bundle))
        if planet is not None:
            new["planet"] = planet
        removed = removed_rows(bundle)
        again = _rows_of(bundle, _observations_of(stage)) if update else np.zeros(0, np.int64)
        removed[again] = True
        new["history"][-1]["removed"] = len(again)
        take_segment(index, stage, new, entry)
        join_segments(index, new, model, progress)
        removed = np.concatenate([removed, np.zeros(entry["rows"], bool)])
        if removed.any():
            remove_rows(index, new, removed)
        new = _settle(index, old, new, model, progress)
        take_away(work, WORK_FILES)
        counts = entry["counts"]
        return Changed(
            new,
            entry["rows"],
            len(again),
            **done,
            lost=counts["files_lost"],
            observations=counts["observations"],
            said=tuple(said_of(expanded(facts), facts["windowing"])),
        )


def _work_folder(
    index: Path, old: dict[str, Any], made_of: dict[str, Any], restart: bool, action: str
) -> Path:
    """Where rows are encoded; what lies there of an index that has changed since is of no use."""
    folder = adding_of(index)
    refuse_others(folder, WORK_FILES)
    wanted = {**made_of, "action": action, "generation": str(old["generation"])}
    begun = read_note(folder / "identity.json")
    if begun is not None and begun.get("generation") != wanted["generation"]:
        take_away(folder, WORK_FILES)
    return resumable(folder, wanted, restart, action)


@full_disk_said
def remove(index: Path, where: Filter | None, ids: list[str] | None, progress: Progress) -> Changed:
    """Remove the rows that satisfy a filter, or the observations of some ids with all their rows.

    They are found no more from the next opening on; their data leave the files with `compact`. Damaged vectors and
    FAISS files do not stand in the way.
    """
    index = real_path(index)
    with changing(index, "remove", progress, check=False) as old:
        bundle = BundleFolder(index, there(index, old))
        unknown: list[str] = []
        if ids is not None:
            rows = _rows_of(bundle, ids)
            held = {name for names in _names_at(bundle, rows) for name in names}
            unknown = [i for i in ids if i not in held]
        else:
            found = bundle.eligible(where or Filter())
            if found is None:
                raise InputError("Say what to remove: --where PREDICATE or --ids FILE.")
            rows = found
        if not len(rows):
            return Changed(old, unknown=tuple(unknown))
        touched = len({observation for _, observation in _names_at(bundle, rows)})
        new = successor(old, "remove", removed=len(rows))
        removed = removed_rows(bundle)
        removed[rows] = True
        remove_rows(index, new, removed)
        new = _settle(index, old, new, None, progress)
        return Changed(new, removed=len(rows), observations=touched, unknown=tuple(unknown))


def _settle(
    index: Path, old: dict[str, Any], new: dict[str, Any], model: Model | None, progress: Progress
) -> dict[str, Any]:
    """Count, certify where much has changed, and make the new generation current."""
    summarise(index, new)
    try:
        if is_stale(new):
            new = certified(index, new, model or BundleFolder(index, new).model(), progress)
        elif model is not None:
            new = tuned(index, new, model, progress)
    except (BundleError, MismatchError, ModelError, NotCachedError, FileNotFoundError) as e:
        if model is not None:
            raise
        made = new.get("certificate")  # a removal must not wait for a model, or for a repair
        new["certificate"] = {**(made if isinstance(made, dict) else {}), "stale": str(e)}
    commit(index, old, new)
    return new


def _as_built(
    index: Path, manifest: dict[str, Any], config: BuildConfig
) -> tuple[Model, BuildConfig]:
    """The index's model, checked, and a configuration with its settings."""
    made = manifest["model"]
    kept = manifest.get("windows")
    if config.windows is None and config.hop is None:
        config = replace(config, windows="none")
        if kept is not None:
            auto = kept["longer_than"] > kept["seconds"]
            config = replace(
                config, windows="auto" if auto else f"{kept['seconds']:g}", hop=kept["hop"]
            )
    config = replace(
        config,
        out=index,
        model=made["name"],
        hub=config.hub or (Path(made["hub"]) if made.get("hub") else None),
        exif_transpose=bool(made.get("exif_transpose")),
        audio_windows=bool(made.get("audio_windows")),
        hubs=manifest.get("hubs", {}).get("method", "none"),
        wish=wish_of(manifest),
    )
    manifest.setdefault("hubs", {"method": "none", "chosen_by": "the model"})
    raster = manifest["source"].get("climate")
    if config.climate is None and raster is not None:
        if not Path(raster).is_file():
            raise InputError(
                f"{index} was built with the climate raster {raster}, which is not there; give it: --climate FILE."
            )
        config = replace(config, climate=Path(raster))
    model = open_model(config)
    now = {"mvae": model.mvae_fingerprint}
    now |= {m: model.encoder(m).fingerprint for m in model.settings.get("encoder", {})}
    for part, fingerprint in now.items():
        stated = manifest["fingerprints"].get(part)
        if stated != fingerprint:
            raise MismatchError(
                f"The {part} of model {model.name} ({fingerprint}) is not the one that {index} was built with "
                f"({stated}). Restore that model, or build anew."
            )
    _same_correction(index, manifest, model)
    return model, config


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


def _same_correction(index: Path, manifest: dict[str, Any], model: Model) -> None:
    """Refuse to add rows whose bias against hubs could not be compared with the index's."""
    method = manifest["hubs"]["method"]
    if by_segment(manifest):
        raise InputError(
            f"{index} was corrected against hubs ({method}) by an earlier version, segment by segment: rows "
            "added now could not be compared with its own. Run prom3e-index rebuild first."
        )
    if not same_centres(manifest["hubs"].get("centre", {}), bias_centres(model, method)):
        raise MismatchError(
            f"The bank of training queries or the weights of model {model.name} are not those that {index} was "
            f"corrected against hubs ({method}) with. Restore that model, or build anew."
        )


def _observations_of(segment: Path) -> list[str]:
    import duckdb

    con = duckdb.connect(str(segment / "metadata.duckdb"), read_only=True)
    try:
        found = con.execute("SELECT DISTINCT observation FROM observations").fetchall()
        return [str(r[0]) for r in found]
    finally:
        con.close()


def _rows_of(bundle: BundleFolder, ids: list[str]) -> Ints:
    """Rows, ascending, of some observations, or with some ids."""
    found = bundle.sql(
        f"SELECT row FROM (SELECT row, {observation_cells(bundle.columns)} FROM observations) "
        "WHERE id IN (SELECT unnest(?::VARCHAR[])) OR observation IN (SELECT unnest(?::VARCHAR[])) ORDER BY row",
        [ids, ids],
    )
    return np.array([r[0] for r in found], np.int64)


def _names_at(bundle: BundleFolder, rows: Ints) -> list[tuple[Any, ...]]:
    """Id of each of some rows, and of its observation."""
    return bundle.sql(
        f"SELECT id, observation FROM (SELECT row, {observation_cells(bundle.columns)} FROM observations) "
        "WHERE row IN (SELECT unnest(?::BIGINT[]))",
        [rows.tolist()],
    )
