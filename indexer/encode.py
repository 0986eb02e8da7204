"""From a table to embeddings in a work folder: plan, then encode what is planned."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.memory_maps import release
from prom3e_index.errors import InputError
from prom3e_index.indexer.answering import open_table, planned_names_of_planet
from prom3e_index.indexer.complete import KeptRows
from prom3e_index.indexer.draft import open_draft, write_plan
from prom3e_index.indexer.embed import PlannedRows
from prom3e_index.indexer.engine import HERE, Engine
from prom3e_index.indexer.expand import expand
from prom3e_index.indexer.file_facts import take_file_facts
from prom3e_index.indexer.licensed import keep_licensed
from prom3e_index.indexer.losses import read_lost
from prom3e_index.indexer.plan import DUPLICATES, Progress, open_plan, plan
from prom3e_index.indexer.protect import OF_PLACES, Held, generalised_rows, protect
from prom3e_index.indexer.store import ABSENT, ENCODED, Store
from prom3e_index.indexer.understood import (
    Heard,
    Understood,
    refuse_losses,
    understand,
    unheard,
)
from prom3e_index.indexer.unfinished import take_over_lengths
from prom3e_index.indexer.windows import windows_of
from prom3e_index.indexer.work import BuildConfig, climate_of, table_kind, unchanged, write_note
from prom3e_index.indexer.write_segment import kept_rows
from prom3e_index.media.climate import ClimateRaster
from prom3e_index.models.folder import Model
from prom3e_index.tables import EMBEDDINGS
from prom3e_index.tables.embeddings import read_embeddings

Sift = Callable[[Any, dict[str, Any]], dict[str, int]]
"""Takes rows out of a finished plan, given its connection and facts; gives facts to note."""
_OF_TRUE_PLACE = "its embedding tells the true place of a row that is generalised"


def encode_table(
    config: BuildConfig,
    work: Path,
    model: Model,
    progress: Progress,
    sift: Sift | None = None,
    heard: Heard = unheard,
    planned: Callable[[Any, int], None] | None = None,
    held: Held | None = None,
    engine: Engine = HERE,
) -> int:
    """Plan and embed; give the rows planned. Continues where an earlier call stopped.

    `heard` is told what was understood of the table before anything is encoded.

    `sift` may take rows out of a finished plan, before anything is encoded; what it counts is noted in the
    plan's facts. `planned` is given the plan's connection and its rows before anything is encoded, and may refuse.
    `held` is what the index that the rows are added to has of their places and observers. `engine` encodes.
    """
    done = work / "planned.json"
    kind = table_kind(config)
    raster = None
    if config.duplicates not in DUPLICATES:
        raise InputError(f"--duplicates is {config.duplicates!r}; known: {', '.join(DUPLICATES)}.")
    climate = climate_of(config)
    if climate is not None and "env" in model.settings.get("encoder", {}):
        raster = ClimateRaster.open(climate, model.encoder("env").inputs)  # type: ignore[attr-defined]
    windows = windows_of(config, kind, model)
    begun = done.is_file()
    con = open_draft(work) if config.policy is not None and not begun else open_plan(work)
    try:
        if not begun:
            table = open_table(config, kind, model.modalities, model.width)
            facts: dict[str, Any] = {
                "rows": plan(con, table, config.duplicates, progress),
                "planet": planned_names_of_planet(con),
                "format": table.format,
                "media": str(table.media.resolve()),
                "fields": {k: list(v) for k, v in table.fields.items()},
                "citations": table.citations,
            }
            unchanged(config, work)
            facts["understood"] = understand(con, config.table, table).as_json()
            if sift is not None:
                facts |= sift(con, facts)
            facts["windowing"] = windows.as_json() if windows else None
            if kind not in EMBEDDINGS and config.file_facts:
                facts["understood"]["said"] += take_file_facts(
                    con, Path(facts["media"]), config.workers, config.timeout_s, progress
                )
            facts |= protect(con, table, config, facts, held)
            if config.policy is not None or facts["protected"]["protected"]:
                con = write_plan(con, work)
            facts |= keep_licensed(con, config.licence_allow)
            if kind not in EMBEDDINGS:
                take_over_lengths(con, work)
                facts |= expand(
                    con,
                    work,
                    Path(facts["media"]),
                    windows,
                    model.audio_spec() if "audio" in model.settings.get("encoder", {}) else None,
                    config.further_media,
                    config.workers,
                    config.timeout_s,
                    progress,
                )
            con.execute("CHECKPOINT")
            write_note(done, facts)
        facts = json.loads(done.read_text())
        understood = Understood.from_json(facts["understood"])
        heard(understood)
        if config.strict:
            refuse_losses(understood)
        n = int(facts["rows"])
        _some_left(con, config, n, sift is None)
        if planned is not None:
            planned(con, n)
        if kind in EMBEDDINGS:
            _copy_embeddings(con, config, kind, model, work, n, progress)
            unchanged(config, work)
            return n
        media = Path(facts["media"])
        engine.embed(PlannedRows(con, config, model, work, n, media, raster, progress))
        if config.strict:
            _none_lost(config, work)
        return n
    finally:
        con.close()


def _copy_embeddings(
    con: Any, config: BuildConfig, kind: str, model: Model, work: Path, n: int, progress: Progress
) -> None:
    (work / "embeddings").mkdir(exist_ok=True)
    stores = [Store(work / "embeddings", m, n, model.width) for m in model.modalities]
    seqs = con.execute("SELECT row_in, seq FROM planned ORDER BY row_in").fetchnumpy()
    row_in, seq = (np.asarray(seqs[k], np.int64) for k in ("row_in", "seq"))
    at = 0
    hidden = generalised_rows(con, n)
    con.execute("DELETE FROM lost WHERE reason = ?", [_OF_TRUE_PLACE])  # of a run that was cut off
    with ThreadPoolExecutor(len(stores), "store") as threads:
        storing: list[Future[None]] = []
        for batch in read_embeddings(Path(config.table), kind, model.modalities, model.width):
            low, high = np.searchsorted(row_in, [at, at + len(batch.ids)])
            source, target = row_in[low:high] - at, seq[low:high]
            for task in storing:  # the batch before, whose threads work while this one is read
                task.result()
            storing = []
            for m, (name, store) in enumerate(zip(model.modalities, stores, strict=True)):
                present = batch.present[source, m]
                if name in OF_PLACES:  # encoded from the true place, whatever the row says now
                    _note_hidden(con, name, target[present & hidden[target]])
                    present = present & ~hidden[target]
                of = (batch.embeddings[:, m], source, target, present)
                storing.append(threads.submit(_store, store, *of))
            at += len(batch.ids)
            progress("read embeddings", at, None)
        for task in storing:
            task.result()
    for store in stores:
        release(store.values)
        release(store.state)


def _store(
    store: Store,
    embeddings: NDArray[np.float32],
    source: NDArray[np.int64],
    target: NDArray[np.int64],
    present: NDArray[np.bool_],
) -> None:
    """Store some rows of a block of embeddings (n, d), zeros where one is not present, and mark them."""
    rows = np.where(present[:, None], embeddings[source], np.float32(0))
    store.values[target] = rows
    store.state[target] = np.where(present, ENCODED, ABSENT)


def _note_hidden(con: Any, modality: str, seq: NDArray[np.int64]) -> None:
    import pyarrow as pa

    if len(seq):
        con.register("hidden", pa.table({"seq": seq}))
        con.execute("INSERT INTO lost SELECT seq, ?, ? FROM hidden", [modality, _OF_TRUE_PLACE])
        con.unregister("hidden")


def _none_lost(config: BuildConfig, work: Path) -> None:
    """Refuse to go on when a row has lost a file."""
    lost = {(seq, m): reason for seq, m, reason in read_lost(work)}
    if lost:
        raise InputError(
            f"{len(lost):,} files or values of {config.table} are lost (strict); the first reason: "
            f"{next(iter(lost.values()))}. Without --strict the same command goes on from here."
        )


def some_kept(config: BuildConfig, work: Path, model: Model, rows: int) -> KeptRows:
    """Refuse to go on when no row could be encoded; say the first reason. Give those that could."""
    left = kept_rows(work, model, rows)
    if len(left.kept) == 0:
        reason = next((f"{m}: {r}" for _, m, r in read_lost(work)), "no modality could be encoded")
        raise InputError(f"Nothing of {config.table} is left to index; the first reason: {reason}.")
    return left


def _some_left(con: Any, config: BuildConfig, rows: int, needed: bool) -> None:
    """Refuse to go on with no row; say the first reason."""
    if rows == 0 and needed:
        first = con.execute("SELECT reason FROM rejected LIMIT 1").fetchall()
        reason = first[0][0] if first else "the table has no rows"
        raise InputError(f"Nothing of {config.table} is left to index; the first reason: {reason}.")
