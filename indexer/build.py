"""Building a bundle: plan, embed, infer, index, publish. Written beside, then renamed.

Source of the layout: `prom3e_index/README.md`. A build that was killed is continued by the same call.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import prom3e_index
from prom3e_index.bundle.faiss.kinds import choose
from prom3e_index.bundle.manifest import (
    FORMAT_VERSION,
    NAME,
    describe_files,
    history_entry,
    read_manifest,
    write_manifest,
)
from prom3e_index.bundle.media_folders import beside
from prom3e_index.bundle.model_place import noted_model
from prom3e_index.indexer.answering import speaks_of_planet, with_model
from prom3e_index.indexer.beside import STAGE_FILES, WORK_FILES, real_path, take_away
from prom3e_index.indexer.certify import certified
from prom3e_index.indexer.confidence import calibrated
from prom3e_index.indexer.disk import full_disk_said
from prom3e_index.indexer.encode import encode_table, some_kept
from prom3e_index.indexer.expand import expanded
from prom3e_index.indexer.generation import summarise
from prom3e_index.indexer.lock import locked
from prom3e_index.indexer.plan import Progress, silent
from prom3e_index.indexer.policy_generations import said_of_replaced
from prom3e_index.indexer.protect import note_act
from prom3e_index.indexer.publish import publish, settle
from prom3e_index.indexer.understood import Heard, Understood, unheard
from prom3e_index.indexer.unfinished import kept_where_encoded
from prom3e_index.indexer.work import BuildConfig, climate_of, open_model, work_folder
from prom3e_index.indexer.write_segment import bias_width, vector_width, write_segment
from prom3e_index.models.folder import Model
from prom3e_index.mvae.completion import hidden_width
from prom3e_index.policy.log import append_acts, carried
from prom3e_index.search.hubness import bias_centres, chosen_method
from prom3e_index.tables import recognise


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
    if config.format is None:
        recognise(Path(config.table.partition("::")[0]))  # a name mistyped leaves nothing behind
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

    n = encode_table(config, work, model, progress, heard=heard, planned=planned)
    some_kept(config, work, model, n)
    stage = work / "bundle"
    take_away(stage, STAGE_FILES)
    entry = write_segment(work, stage, model, hubs, config.wish, progress)
    entry["beside"] = beside(config.out, Path(entry["media"]))
    facts = json.loads((work / "planned.json").read_text())
    manifest = _manifest(config, model, facts, hubs)
    planet = speaks_of_planet(model, facts)
    if planet is not None:
        manifest["planet"] = planet
    manifest["segments"] = [{**entry, "name": "."}]
    manifest["history"][0]["added"] = entry["rows"]
    note_act(manifest, config, facts)
    manifest["files"] = describe_files(stage)
    summarise(stage, manifest)
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


def _manifest(
    config: BuildConfig, model: Model, facts: dict[str, Any], hubs: str
) -> dict[str, Any]:
    own = model.settings.get("encoder", {})
    loaded = {m: model.encoder(m).fingerprint for m in model.modalities if m in own}
    created = datetime.now(UTC).isoformat(timespec="seconds")
    raster = climate_of(config)
    return {
        "format_version": FORMAT_VERSION,
        "generation": 1,
        "program": f"prom3e-index {prom3e_index.__version__}",
        "created": created,
        "deleted": None,
        "wish": asdict(config.wish),
        "history": [{**history_entry(1, created, "build", 0, 0), "command": sys.argv}],
        "modalities": list(model.modalities),
        "width": model.width,
        "hidden_width": hidden_width(model),
        "bias_width": bias_width(model, hubs),
        "hubs": {
            "method": hubs,
            "chosen_by": "the build" if config.hubs else "the model",
            "centre": bias_centres(model, hubs),
        },
        "model": {
            **noted_model(model, config.out),
            "decode": model.decode,
            "hidden": model.hidden,
            "exif_transpose": config.exif_transpose,
            "audio_windows": config.audio_windows,
        },
        "fingerprints": {**loaded, "mvae": model.mvae_fingerprint},
        "windows": facts["windowing"],
        "weights": model.settings.get("weights", {}),
        "epsilon": {m: model.weights((), m).epsilon for m in model.modalities},
        "source": {
            "table": config.table,
            "format": facts["format"],
            "media": facts["media"],
            "fields": facts["fields"],
            "citations": facts.get("citations", []),
            "duplicates": config.duplicates,
            "licence_allow": list(config.licence_allow) if config.licence_allow else None,
            "understood": facts["understood"],
            "expanded": expanded(facts),
            "climate": str(raster.resolve()) if raster else None,
            "climate_beside": beside(config.out, raster) if raster else None,
        },
        "machine": {
            "python": platform.python_version(),
            "platform": platform.platform(),
            "device": config.device,
        },
        "command": sys.argv,
    }
