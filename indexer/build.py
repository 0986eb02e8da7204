"""Building a bundle: plan, embed, infer, index, publish. Written beside, then renamed.

Source of the layout: `prom3e_index/README.md`. A build that was killed is continued by the same call.
"""

from __future__ import annotations

import json
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from prom3e_index.bundle.faiss.gpu import uploads_stay
from prom3e_index.bundle.faiss.kinds import choose
from prom3e_index.bundle.manifest import (
    NAME,
    describe_files,
    read_manifest,
    write_manifest,
)
from prom3e_index.bundle.media_folders import beside
from prom3e_index.indexer.answering import speaks_of_planet, with_model
from prom3e_index.indexer.beside import STAGE_FILES, WORK_FILES, real_path, take_away
from prom3e_index.indexer.certify import certified
from prom3e_index.indexer.confidence import calibrated
from prom3e_index.indexer.described import described
from prom3e_index.indexer.disk import full_disk_said
from prom3e_index.indexer.encode import encode_table, some_kept
from prom3e_index.indexer.engine import checked_engine, engine_of
from prom3e_index.indexer.generation import summarise
from prom3e_index.indexer.lock import locked
from prom3e_index.indexer.plan import Progress, silent
from prom3e_index.indexer.policy_generations import said_of_replaced
from prom3e_index.indexer.protect import note_act
from prom3e_index.indexer.publish import publish, settle
from prom3e_index.indexer.understood import Heard, Understood, unheard
from prom3e_index.indexer.unfinished import kept_where_encoded
from prom3e_index.indexer.work import BuildConfig, open_model, table_kind, work_folder
from prom3e_index.indexer.write_segment import vector_width, write_segment
from prom3e_index.models.folder import Model
from prom3e_index.policy.log import append_acts, carried
from prom3e_index.search.hubness import chosen_method


@full_disk_said
def build(
    config: BuildConfig, progress: Progress = silent, heard: Heard = unheard
) -> dict[str, Any]:
    """Build a bundle from a table; see `BuildConfig`. `heard` is told what was understood of it, before it is encoded.

    Returns:
        The manifest.

    Raises:
        InputError: Bad options or table, the bundle exists, or nothing is left to index.
        ModelError, NotCachedError: The model cannot be loaded.
    """
    started = time.monotonic()
    config = with_model(config)
    model = open_model(config)
    _ = model.mvae  # a model without one is refused before anything is encoded
    chosen_method(model, config.hubs)
    checked_engine(config, table_kind(config))  # a name mistyped leaves nothing behind
    config = replace(config, out=real_path(config.out))
    with locked(config.out, "build"):
        settle(config.out, progress)
        replaced = said_of_replaced(config.out, config.policy)

        def told(understood: Understood) -> None:
            heard(replace(understood, said=[*understood.said, *replaced]))

        return _build(config, model, progress, told, started)


def _build(
    config: BuildConfig, model: Model, progress: Progress, heard: Heard, started: float
) -> dict[str, Any]:
    work = work_folder(config, model)
    with kept_where_encoded(work):
        return _from_work(config, work, model, progress, heard, started)


def _from_work(
    config: BuildConfig,
    work: Path,
    model: Model,
    progress: Progress,
    heard: Heard,
    started: float,
) -> dict[str, Any]:
    hubs = chosen_method(model, config.hubs)

    def planned(con: Any, rows: int) -> None:
        """Refuse a wish that no index of these rows meets."""
        choose(config.wish, rows, vector_width(model, hubs), len(model.modalities))

    engine = engine_of(config, work, hubs)
    with closing(engine):
        n = encode_table(config, work, model, progress, heard=heard, planned=planned, engine=engine)
        some_kept(config, work, model, n)
        stage = work / "bundle"
        take_away(stage, STAGE_FILES)
        entry = write_segment(work, stage, model, hubs, config.wish, progress, engine=engine)
    entry["beside"] = beside(config.out, Path(entry["media"]))
    facts = json.loads((work / "planned.json").read_text())
    manifest = described(config, model, facts, hubs)
    planet = speaks_of_planet(model, facts)
    if planet is not None:
        manifest["planet"] = planet
    manifest["history"][0]["added"] = entry["rows"]
    note_act(manifest, config, facts)
    engine.describe(manifest)
    manifest["segments"] = [{**entry, "name": "."}]
    manifest["files"] = describe_files(stage)
    summarise(stage, manifest)
    with uploads_stay():
        manifest = certified(stage, manifest, model, progress)
        manifest = calibrated(stage, manifest, model, progress)
    manifest["seconds"] = round(time.monotonic() - started, 2)
    write_manifest(stage / NAME, manifest)
    read_manifest(stage)
    carried(config.out, stage)
    append_acts(stage, manifest)
    publish(stage, config.out)
    take_away(work, WORK_FILES)
    return manifest
