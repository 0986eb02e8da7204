"""The calibration of shards: the one that an index of the same rows gets, of arrays written for the while."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.faiss.kinds import Wish
from prom3e_index.bundle.filters import quoted
from prom3e_index.bundle.manifest import describe_files
from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.confidence.calibrated import Calibration
from prom3e_index.indexer.cluster.shards import Shards, dense
from prom3e_index.indexer.confidence import calibration_of
from prom3e_index.indexer.new_array import RowFile, save_array
from prom3e_index.indexer.own_search import SCAN
from prom3e_index.indexer.plan import Progress, silent
from prom3e_index.indexer.write_segment import write_indexes
from prom3e_index.models.folder import Model


def calibration_of_shards(
    shards: Shards,
    names: Mapping[str, str],
    made: Mapping[str, Any],
    present: NDArray[np.bool_],
    model: Model,
    progress: Progress,
) -> Calibration | str:
    """What `calibration_of` gives an index of the same rows that is searched exactly; or why there is none.

    Its rows ask all others, so their arrays are needed whole: they lie in the folder for temporary files meanwhile, a
    few gigabytes at most.

    Args:
        shards: A whole set.
        names: Columns of a shard → of an index.
        made: What a manifest says before its rows.
        present: (n, m) which modalities each row has.
        model: That made them.
        progress: Told of each visible set.
    """
    n = len(present)
    if n > SCAN:
        return (
            f"it was filled from shards, whose {n:,} rows are more than the {SCAN:,} that can be compared without an "
            "index; a store that an index of theirs is pushed to is calibrated"
        )
    with (
        tempfile.TemporaryDirectory(prefix="prom3e-") as folder,
        _as_bundle(Path(folder), shards, names, made, present) as bundle,
    ):
        return calibration_of(bundle, model, progress)


def _as_bundle(
    folder: Path,
    shards: Shards,
    names: Mapping[str, str],
    made: Mapping[str, Any],
    present: NDArray[np.bool_],
) -> BundleFolder:
    import duckdb

    n, modalities, width = len(present), list(made["modalities"]), int(made["width"])
    wide = width + int(made["hidden_width"]) + int(made["bias_width"])
    for name in ("embeddings", "vectors"):
        (folder / name).mkdir()
    save_array(folder / "embeddings" / "present.npy", present)
    con = duckdb.connect(str(folder / "metadata.duckdb"))
    with ExitStack() as stack:
        stack.callback(con.close)
        files = {
            f"{what}_{m}": (stack.enter_context(RowFile(folder / place / f"{m}.npy", (n, w))), w)
            for what, place, w in (("embedding", "embeddings", width), ("vector", "vectors", wide))
            for m in modalities
        }
        kinds = shards.note["columns"]
        cells = ", ".join(f"{quoted(names[s])} {kinds[s]}" for s in names)
        con.execute(f"CREATE TABLE observations ({cells})")
        con.execute("CREATE TABLE lost (row BIGINT, modality VARCHAR, reason VARCHAR)")
        con.execute("CREATE TABLE rejected (row_in BIGINT, id VARCHAR, reason VARCHAR)")
        first = 0
        for table in shards.tables():
            for name, (file, w) in files.items():
                file.write(first, dense(table.column(name), w))
            con.register("shard", table.select(list(names)))
            con.execute("INSERT INTO observations SELECT * FROM shard")
            con.unregister("shard")
            first += len(table)
    manifest = {**made, "rows": n, "places": n, "deleted": None, "counts": shards.note["counts"]}
    (folder / "faiss").mkdir()
    exact = write_indexes(folder, modalities, Wish(kind="exact"), silent)
    media = made["source"]["media"]
    manifest["segments"] = [{"name": ".", "rows": n, "media": media, "index": exact}]
    manifest["files"] = describe_files(folder)
    return BundleFolder(folder, manifest)
