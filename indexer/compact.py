"""Writing an index anew as one segment: removed rows leave every file, damaged indexes are restored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.faiss.kinds import Wish
from prom3e_index.bundle.manifest import checksum
from prom3e_index.bundle.model_place import noted_model
from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.errors import BundleError
from prom3e_index.indexer.beside import WORK_FILES, adding_of, real_path, stage_of, take_away
from prom3e_index.indexer.certify import certified
from prom3e_index.indexer.confidence import FOLDER, recalibrated
from prom3e_index.indexer.disk import full_disk_said
from prom3e_index.indexer.generation import (
    changing,
    commit,
    known_removals,
    successor,
    summarise,
    take_segment,
)
from prom3e_index.indexer.plan import Progress
from prom3e_index.indexer.rewrite import rewrite
from prom3e_index.indexer.wished import wish_of
from prom3e_index.search.hubness import bias_centres, by_segment

DERIVED = (
    ".faiss", ".lists.npy", "records.arrow", "statistics.json", "rejected.parquet", "species.npy",
)  # fmt: skip
"""Files that are always made anew, from those whose checksums must hold."""


@full_disk_said
def compact(
    index: Path,
    progress: Progress,
    wishes: Mapping[str, Any] | None = None,
    action: str = "compact",
    accept_removed_rows: bool = False,
    model: str | None = None,
    hub: Path | None = None,
    device: str = "cpu",
) -> dict[str, Any]:
    """Write an index anew as one segment without its removed rows, then take the old files away.

    Afterwards no file of the index holds anything of the removed rows, and earlier generations are gone.
    Vectors that are damaged are computed again from the embeddings; FAISS files are always written anew.
    Row numbers are given anew; ids stay.

    Args:
        index: The index's folder.
        progress: Told of each stage, and of what could not be read.
        wishes: Fields of a `Wish` that replace those the index was built with.
        action: `compact` or `rebuild`, for lock and history.
        accept_removed_rows: Go on where it cannot be read any more which rows were removed. Those that an earlier
            generation says, and all but the latest row of an id, stay removed; the others come back.
        model: Where the index's model is now, if it has moved; that is noted.
        hub: The same of its copy of the hub.
        device: Where rows are completed, lists found, and the index is certified and calibrated.

    Returns:
        The manifest.

    Raises:
        BundleError: Embeddings, metadata or the removed rows are damaged: they cannot be made again from
            anything here.
    """
    index = real_path(index)
    with changing(index, action, progress, check=False) as old:
        whole, repaired = sound(index, old, accept_removed_rows)
        bundle = BundleFolder(index, whole, model=model, hub=hub)
        own = bundle.model(device=device)
        live = bundle.live
        if whole["deleted"] is not old["deleted"]:
            live = _not_known_removed(index, old, bundle)
        back = len(live) - int(old["rows"])
        if back:
            progress(f"{back:,} removed rows are back: which they were cannot be read", 0, None)
        new = successor(old, action, added=max(0, back))
        wish = replace(_wish(old, progress), **(wishes or {}))
        new["wish"] = asdict(wish)
        new["columns"] = dict(bundle.metadata.metadata_columns)
        if model is not None or hub is not None:
            new["model"] = {**old["model"], **noted_model(own, index)}
        stage = stage_of(index)
        entry = rewrite(bundle, live, stage, own, wish, repaired, progress)
        if bundle.bias_width and (repaired or by_segment(old)):
            centre = bias_centres(own, old["hubs"]["method"])
            new["hubs"] = {**old["hubs"], "centre": centre}
        new["segments"], new["files"], new["deleted"] = [], {}, None
        new.pop("confidence", None)
        new["oldest"] = new["generation"]
        for line in new["history"][:-1]:
            line.pop("command", None)  # it may name what was removed
        take_segment(index, stage, new, entry)
        summarise(index, new)
        new = certified(index, new, own, progress)
        new = recalibrated(index, old, new, own, progress)
        commit(index, old, new)
        take_away(adding_of(index), WORK_FILES)  # of no use now, and may hold what was removed
        return new


def _wish(manifest: dict[str, Any], progress: Progress) -> Wish:
    try:
        return wish_of(manifest)
    except BundleError as e:
        progress(f"{e} The usual one is taken", 0, None)
        return Wish()


def sound(
    index: Path, manifest: dict[str, Any], accept_removed_rows: bool = False
) -> tuple[dict[str, Any], bool]:
    """The manifest without derived files and damaged vectors, and whether any vectors were damaged.

    Raises:
        BundleError: Anything else is damaged.
    """
    files, repaired = {}, False
    bitmap = manifest["deleted"] and manifest["deleted"]["file"]
    for name, entry in manifest["files"].items():
        if name.endswith(DERIVED) or name.startswith(FOLDER + "/"):
            continue
        path = index / name
        if path.is_file() and checksum(path) == entry["sha256"]:
            files[name] = entry
            continue
        if "vectors/" in name:
            repaired = True
            continue
        what = f"{path} is {'not what its checksum says' if path.is_file() else 'missing'}"
        if name != bitmap:
            raise BundleError(
                f"{what}, and nothing here can make it again. Restore it from a copy, or build the index again."
            )
        if not accept_removed_rows:
            raise BundleError(
                f"{what}; it says which {int(manifest['deleted']['rows']):,} rows were removed. Restore it from a "
                "copy, or have those rows back: prom3e-index rebuild --accept-removed-rows."
            )
        manifest = {**manifest, "deleted": None}
    return {**manifest, "files": files}, repaired


def _not_known_removed(
    index: Path, manifest: dict[str, Any], bundle: BundleFolder
) -> NDArray[np.int64]:
    """Rows that no earlier generation says are removed, and of each id the latest: an update replaced the others."""
    removed = known_removals(index, manifest)
    rows = np.flatnonzero(~removed)
    ids = np.array([r[0] for r in bundle.sql("SELECT id FROM every ORDER BY row")], object)[rows]
    latest = {key: row for key, row in zip(ids, rows, strict=True)}
    return np.sort(np.fromiter(latest.values(), np.int64, len(latest)))
