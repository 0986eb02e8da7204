"""Writing a segment: completion, metadata, indexes of the rows that were encoded together."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from prom3e_index.bundle.faiss.kinds import Wish, choose
from prom3e_index.bundle.faiss.search import Point
from prom3e_index.bundle.faiss.write import build as write_index
from prom3e_index.bundle.memory_maps import release
from prom3e_index.bundle.segment_views import Columns
from prom3e_index.indexer.complete import KeptRows
from prom3e_index.indexer.engine import HERE, Engine
from prom3e_index.indexer.losses import lost_tables
from prom3e_index.indexer.metadata import write_metadata
from prom3e_index.indexer.new_array import save_array
from prom3e_index.indexer.parts import heard_rows
from prom3e_index.indexer.plan import Progress, open_plan
from prom3e_index.indexer.statistics import write_statistics
from prom3e_index.indexer.store import ENCODED
from prom3e_index.models.folder import NO_HUBS, Model
from prom3e_index.mvae.completion import hidden_width
from prom3e_index.tables import EMBEDDINGS


def kept_rows(work: Path, model: Model, n: int) -> KeptRows:
    """Rows with at least one modality left, and their presence (rows, m); see `heard_rows`."""
    states = [
        np.load(work / "embeddings" / f"{m}.state.npy", mmap_mode="r") for m in model.modalities
    ]
    present = np.stack([np.asarray(s) == ENCODED for s in states], axis=1).reshape(n, len(states))
    kept = heard_rows(work, model.modalities, states, present)
    return KeptRows(work, model, kept, present[kept])


def write_segment(
    work: Path,
    folder: Path,
    model: Model,
    hubs: str,
    wish: Wish,
    progress: Progress,
    columns: Columns | None = None,
    engine: Engine = HERE,
) -> dict[str, Any]:
    """Write what a work folder has encoded as a segment in a new `folder`; give its part of the manifest.

    Args:
        work: Planned and encoded rows.
        folder: The segment's.
        model: Whose embeddings they are.
        hubs: Method against hubs.
        wish: What the indexes must do.
        progress: Told of each stage.
        columns: Metadata columns of the index that the segment joins; of a new index none.
        engine: Where rows are completed.
    """
    facts = json.loads((work / "planned.json").read_text())
    rows = kept_rows(work, model, int(facts["rows"]))
    kept, present = rows.kept, rows.present
    for name in ("embeddings", "vectors", "faiss"):
        (folder / name).mkdir(parents=True)
    sigma_l1 = engine.complete(rows, folder, hubs, progress)
    write_statistics(model, folder, present, progress)
    con = open_plan(work)
    try:
        counts = write_metadata(
            con, folder, kept, present, sigma_l1, model.modalities, lost_tables(work), columns or {}
        )
    finally:
        con.close()
    return {
        "rows": len(kept),
        "media": facts["media"],
        "counts": counts,
        "precision": {} if facts["format"] in EMBEDDINGS else engine.precision(model, progress),
        "index": write_indexes(folder, model.modalities, wish, progress, model.device),
    }


def write_indexes(
    folder: Path, targets: Iterable[str], wish: Wish, progress: Progress, device: str = "cpu"
) -> dict[str, dict[str, Any]]:
    """Write the FAISS files of a segment from its vectors; give each target's part of the manifest.

    Args:
        folder: The segment's.
        targets: Modalities.
        wish: What the indexes must do.
        progress: Told of each target.
        device: Where the centres of lists and the list of each row are found.
    """
    targets = tuple(targets)
    out: dict[str, dict[str, Any]] = {}
    for target in targets:
        path = folder / "vectors" / f"{target}.npy"
        with path.open("rb") as f:
            np.lib.format.read_magic(f)
            rows = np.lib.format.read_array_header_1_0(f)[0][0]
        if rows == 0:
            out[target] = {**Point().to_dict(), "why": "no rows", "seconds": 0.0}
            continue
        vectors = np.load(path, mmap_mode="r", allow_pickle=False)
        kind, why = choose(wish, vectors.shape[0], vectors.shape[1], len(targets))
        begun = time.monotonic()

        def report(done: int, total: int, target: str = target) -> None:
            progress(f"index {target}", done, total)

        path = folder / "faiss" / f"{target}.faiss"
        assigned = write_index(vectors, path, kind, 0, report, device)
        if assigned is not None:
            save_array(folder / "faiss" / f"{target}.lists.npy", assigned)
        release(vectors)
        seconds = round(time.monotonic() - begun, 2)
        out[target] = {**Point(kind.name).to_dict(), "why": why, "seconds": seconds}
        progress(f"index {target}", len(vectors), len(vectors))
    return out


def bias_width(model: Model, hubs: str) -> int:
    """Columns of the bias against hubs: one for each modality that may ask."""
    return 0 if hubs == NO_HUBS else len(model.modalities)


def vector_width(model: Model, hubs: str) -> int:
    """Columns of a gallery vector: the completed target, the hidden block, the bias against hubs."""
    return model.width + hidden_width(model) + bias_width(model, hubs)
