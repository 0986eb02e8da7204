"""Building a bundle: plan, embed, infer, index, publish. Written beside, then renamed.

Source of the layout: `prom3e_index/README.md`. A build that was killed is continued by the same call.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
import time
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import prom3e_index
from prom3e_index import faiss_index
from prom3e_index.errors import InputError
from prom3e_index.hubs import chosen_method, gallery_bias
from prom3e_index.hybrid import gallery, hidden_width, infer
from prom3e_index.indexer.certify import certify
from prom3e_index.indexer.embed import ABSENT, ENCODED, Store, embed, read_lost, release
from prom3e_index.indexer.metadata import write_metadata
from prom3e_index.indexer.plan import (
    DUPLICATES,
    Progress,
    open_plan,
    plan,
    plan_embeddings,
    settle_embeddings,
)
from prom3e_index.indexer.work import BuildConfig, locked, open_model, work_folder
from prom3e_index.manifest import FORMAT_VERSION, describe_files, read_manifest, write_manifest
from prom3e_index.media.climate import ClimateRaster
from prom3e_index.model import NO_HUBS, Model
from prom3e_index.schema import set_key
from prom3e_index.tables import EMBEDDINGS, read_observations, recognise
from prom3e_index.tables.embeddings import read_embeddings

BLOCK = 2048
_STATISTIC_ROWS = 48


def _silent(stage: str, done: int, total: int | None) -> None:
    return


def encode_table(config: BuildConfig, work: Path, model: Model, progress: Progress) -> int:
    """Plan and embed; give the rows planned. Continues where an earlier call stopped."""
    done = work / "planned.json"
    kind = config.format or recognise(Path(config.table.partition("::")[0]))
    raster = None
    if config.duplicates not in DUPLICATES:
        raise InputError(f"--duplicates is {config.duplicates!r}; known: {', '.join(DUPLICATES)}.")
    climate = config.climate
    if kind == "taxabench" and climate is None:
        default = Path(config.table) / "bioclim_elevation_scaled.npy"
        climate = default if default.is_file() else None
    if climate is not None and "env" in model.settings.get("encoder", {}):
        raster = ClimateRaster.open(climate, model.encoder("env").inputs)  # type: ignore[attr-defined]
    con = open_plan(work)
    try:
        if kind in EMBEDDINGS:
            n = _plan_embeddings(con, config, kind, model, done, progress)
            _some_left(con, config, n)
            _copy_embeddings(con, config, kind, model, work, n, progress)
            return n
        if not done.is_file():
            table = read_observations(
                config.table,
                config.columns,
                format=config.format,
                media=config.media,
                allow_outside=config.allow_outside,
            )
            n = plan(con, table, config.duplicates, raster is not None, progress)
            facts = {
                "rows": n,
                "format": table.format,
                "media": str(table._rules.media.resolve()),
                "fields": {k: list(v) for k, v in table.fields.items()},
            }
            con.execute("CHECKPOINT")
            done.write_text(json.dumps(facts))
        facts = json.loads(done.read_text())
        n = int(facts["rows"])
        _some_left(con, config, n)
        embed(
            con,
            model,
            work,
            n,
            media=Path(facts["media"]),
            raster=raster,
            workers=config.workers,
            batch_size=config.batch_size,
            timeout_s=config.timeout_s,
            progress=progress,
        )
        return n
    finally:
        con.close()


def _plan_embeddings(
    con: Any, config: BuildConfig, kind: str, model: Model, done: Path, progress: Progress
) -> int:
    if not done.is_file():
        rows = 0
        for batch in read_embeddings(Path(config.table), kind, model.modalities, model.width):
            plan_embeddings(con, batch.ids, batch.metadata, rows)
            rows += len(batch.ids)
            progress("read", rows, None)
        if rows == 0:
            raise InputError(f"{config.table} holds no rows.")
        n = settle_embeddings(con, config.duplicates)
        con.execute("CHECKPOINT")
        done.write_text(
            json.dumps(
                {
                    "rows": n,
                    "format": kind,
                    "fields": {},
                    "media": str(Path(config.table).parent.resolve()),
                }
            )
        )
    return int(json.loads(done.read_text())["rows"])


def _copy_embeddings(
    con: Any, config: BuildConfig, kind: str, model: Model, work: Path, n: int, progress: Progress
) -> None:
    (work / "embeddings").mkdir(exist_ok=True)
    stores = [Store(work / "embeddings", m, n, model.width) for m in model.modalities]
    seqs = con.execute("SELECT row_in, seq FROM planned ORDER BY row_in").fetchnumpy()
    row_in, seq = (np.asarray(seqs[k], np.int64) for k in ("row_in", "seq"))
    at = 0
    for batch in read_embeddings(Path(config.table), kind, model.modalities, model.width):
        low, high = np.searchsorted(row_in, [at, at + len(batch.ids)])
        source, target = row_in[low:high] - at, seq[low:high]
        for m, store in enumerate(stores):
            store.values[target] = batch.embeddings[source, m]
            store.state[target] = np.where(batch.present[source, m], ENCODED, ABSENT)
        at += len(batch.ids)
        progress("read embeddings", at, None)
    for store in stores:
        store.values.flush()
        store.state.flush()


def kept_rows(work: Path, model: Model, n: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Rows with at least one modality left, and their presence (rows, m)."""
    states = [
        np.load(work / "embeddings" / f"{m}.state.npy", mmap_mode="r") for m in model.modalities
    ]
    present = np.stack([np.asarray(s) == ENCODED for s in states], axis=1).reshape(n, -1)
    kept = np.flatnonzero(present.any(axis=1))
    return kept, present[kept]


def build(config: BuildConfig, progress: Progress = _silent) -> dict[str, Any]:
    """Build a bundle from a table; see `BuildConfig`.

    Returns:
        The manifest.

    Raises:
        InputError: Bad options or table, the bundle exists, or nothing is left to index.
        ModelError, NotCachedError: The model cannot be loaded.
    """
    started = time.monotonic()
    model = open_model(config)
    _ = model.mvae  # a model without one is refused before anything is encoded
    chosen_method(model, config.hubs)
    with locked(config.out):
        return _build(config, model, progress, started)


def _build(config: BuildConfig, model: Model, progress: Progress, started: float) -> dict[str, Any]:
    work = work_folder(config, model)
    n = encode_table(config, work, model, progress)
    kept, present = kept_rows(work, model, n)
    facts = json.loads((work / "planned.json").read_text())
    stage = work / "bundle"
    shutil.rmtree(stage, ignore_errors=True)
    for name in ("embeddings", "vectors", "faiss"):
        (stage / name).mkdir(parents=True)
    if len(kept) == 0:
        reason = next((f"{m}: {r}" for _, m, r in read_lost(work)), "no modality could be encoded")
        raise InputError(f"Nothing of {config.table} is left to index; the first reason: {reason}.")
    sigma_l1 = _infer(model, work, stage, kept, present, config, progress)
    statistics = _uncertainty_statistics(model, stage, present, progress)
    (stage / "statistics.json").write_text(json.dumps(statistics))
    con = open_plan(work)
    try:
        counts = write_metadata(
            con, stage, kept, present, sigma_l1, model.modalities, list(read_lost(work))
        )
    finally:
        con.close()
    progress("certify", 0, None)
    manifest = _manifest(config, model, facts, counts, present, stage)
    manifest["certificate"] = certify(stage, manifest, model)
    manifest["files"] = describe_files(stage)
    manifest["seconds"] = round(time.monotonic() - started, 2)
    write_manifest(stage, manifest)
    read_manifest(stage)
    _publish(stage, config.out)
    shutil.rmtree(work, ignore_errors=True)
    return manifest


def _some_left(con: Any, config: BuildConfig, rows: int) -> None:
    """Refuse to go on with no row; say the first reason."""
    if rows == 0:
        first = con.execute("SELECT reason FROM rejected LIMIT 1").fetchall()
        reason = first[0][0] if first else "the table has no rows"
        raise InputError(f"Nothing of {config.table} is left to index; the first reason: {reason}.")


def _infer(
    model: Model,
    work: Path,
    stage: Path,
    kept: NDArray[np.int64],
    present: NDArray[np.bool_],
    config: BuildConfig,
    progress: Progress,
) -> NDArray[np.float32]:
    """Write embeddings, gallery vectors and FAISS indexes of the kept rows; give ‖σ‖₁."""
    hubs = chosen_method(model, config.hubs)
    plain = model.width + hidden_width(model)
    n, width = len(kept), plain + _bias_width(model, hubs)
    raw = {m: np.load(work / "embeddings" / f"{m}.npy", mmap_mode="r") for m in model.modalities}
    saved = {m: _new(stage / "embeddings" / f"{m}.npy", (n, model.width)) for m in model.modalities}
    vectors = {m: _new(stage / "vectors" / f"{m}.npy", (n, width)) for m in model.modalities}
    np.save(stage / "embeddings" / "present.npy", present)
    sigma_l1 = np.zeros(n, np.float32)
    epsilon = {m: model.weights((), m).epsilon for m in model.modalities}
    for at in range(0, n, BLOCK):
        part = slice(at, min(n, at + BLOCK))
        has = present[part]
        x = np.stack([np.asarray(raw[m][kept[part]], np.float32) for m in model.modalities], axis=1)
        x = np.where(has[:, :, None], x, 0)
        inferred = infer(model, x, has, model.modalities)
        sigma_l1[part] = inferred.sigma_l1
        for i, m in enumerate(model.modalities):
            saved[m][part] = x[:, i]
            vectors[m][part, :plain] = gallery(
                x[:, i], has[:, i], inferred.reconstructed[:, i], inferred.hidden, epsilon[m]
            )
        for arrays in (raw, saved, vectors):
            for array in arrays.values():
                release(array)
        progress("complete", part.stop, n)
    for i, m in enumerate(model.modalities):
        if width > plain:
            vectors[m][:, plain:] = gallery_bias(model, vectors[m][:, :plain], m, hubs)
        faiss_index.build(vectors[m], stage / "faiss" / f"{m}.faiss")
        release(vectors[m])
        progress("index", i + 1, len(model.modalities))
    return sigma_l1


def _bias_width(model: Model, hubs: str) -> int:
    """Columns of the bias against hubs: one for each modality that may ask."""
    return 0 if hubs == NO_HUBS else len(model.modalities)


def _new(path: Path, shape: tuple[int, ...]) -> Any:
    return np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=shape)


def _uncertainty_statistics(
    model: Model, stage: Path, present: NDArray[np.bool_], progress: Progress
) -> dict[str, dict[str, Any]]:
    """Mean change of ‖σ‖₁ when a modality is added to a visible set, over rows that have both.

    Visible set → {added modality → [mean change, rows]}. Up to 48 rows per pair; all visible sets of
    up to six modalities, of larger models those of up to two.
    """
    rng = np.random.default_rng(0)
    names = model.modalities
    stored = {m: np.load(stage / "embeddings" / f"{m}.npy", mmap_mode="r") for m in names}
    largest = len(names) if len(names) <= 6 else 2
    sets = [s for size in range(1, largest + 1) for s in combinations(range(len(names)), size)]
    out: dict[str, dict[str, Any]] = {}
    for number, seen in enumerate(sets):
        for added in range(len(names)):
            if added in seen:
                continue
            having = np.flatnonzero(present[:, (*seen, added)].all(axis=1))
            if len(having) == 0:
                continue
            rows = np.sort(rng.choice(having, min(_STATISTIC_ROWS, len(having)), replace=False))
            x = np.stack([np.asarray(stored[m][rows], np.float32) for m in names], axis=1)
            mask = np.zeros((len(rows), len(names)), bool)
            mask[:, seen] = True
            before = infer(model, x, mask, ()).sigma_l1
            mask[:, added] = True
            change = infer(model, x, mask, ()).sigma_l1 - before
            key = set_key([names[i] for i in seen], names)
            out.setdefault(key, {})[names[added]] = [float(change.mean()), len(rows)]
        progress("uncertainty", number + 1, len(sets))
    return out


def _manifest(
    config: BuildConfig,
    model: Model,
    facts: dict[str, Any],
    counts: dict[str, Any],
    present: NDArray[np.bool_],
    stage: Path,
) -> dict[str, Any]:
    hubs = chosen_method(model, config.hubs)
    own = model.settings.get("encoder", {})
    loaded = {m: model.encoder(m).fingerprint for m in model.modalities if m in own}
    builtin = model.folder.parent.name == "models" and model.folder.name == config.model
    return {
        "format_version": FORMAT_VERSION,
        "generation": 1,
        "program": f"prom3e-index {prom3e_index.__version__}",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "rows": len(present),
        "counts": counts,
        "modalities": list(model.modalities),
        "observed": {m: int(present[:, i].sum()) for i, m in enumerate(model.modalities)},
        "width": model.width,
        "hidden_width": hidden_width(model),
        "bias_width": _bias_width(model, hubs),
        "hubs": {"method": hubs, "chosen_by": "the build" if config.hubs else "the model"},
        "model": {
            "name": config.model if builtin else str(model.folder.resolve()),
            "hub": str(config.hub.resolve()) if config.hub else None,
            "decode": model.decode,
            "hidden": model.hidden,
            "exif_transpose": config.exif_transpose,
            "audio_windows": config.audio_windows,
        },
        "fingerprints": {**loaded, "mvae": model.mvae_fingerprint},
        "weights": model.settings.get("weights", {}),
        "epsilon": {m: model.weights((), m).epsilon for m in model.modalities},
        "source": {
            "table": config.table,
            "format": facts["format"],
            "media": facts["media"],
            "fields": facts["fields"],
            "duplicates": config.duplicates,
            "climate": str(config.climate) if config.climate else None,
        },
        "machine": {
            "python": platform.python_version(),
            "platform": platform.platform(),
            "device": config.device,
        },
        "command": sys.argv,
    }


def _publish(stage: Path, out: Path) -> None:
    """Sync everything to disk, then rename; an old bundle is moved aside first and then removed."""
    for path in stage.rglob("*"):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    old = out.with_name(f"{out.name}.replaced-{os.getpid()}")
    if out.exists():
        out.rename(old)
    stage.rename(out)
    if old.exists():
        shutil.rmtree(old)
