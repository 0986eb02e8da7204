"""Writing an index anew as one segment: removed rows leave every file, damaged indexes are restored."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from prom3e_index.bundle.filters import create_views, quoted
from prom3e_index.bundle.manifest import checksum
from prom3e_index.bundle.memory_maps import release
from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.errors import BundleError
from prom3e_index.indexer.certify import certified, wish_of
from prom3e_index.indexer.generation import (
    adding_of,
    changing,
    commit,
    stage_of,
    successor,
    summarise,
    take_segment,
)
from prom3e_index.indexer.metadata import finish_tables
from prom3e_index.indexer.plan import Progress
from prom3e_index.indexer.write_segment import new_array, write_indexes, write_statistics
from prom3e_index.mvae.completion import infer
from prom3e_index.schema import MEDIA
from prom3e_index.search.hubness import gallery_bias
from prom3e_index.search.score import gallery

if TYPE_CHECKING:
    from prom3e_index.models.folder import Model

BLOCK = 8192
DERIVED = (".faiss", ".lists.npy", "records.arrow", "statistics.json", "rejected.parquet")
"""Files that are always made anew, from those whose checksums must hold."""


def compact(
    index: Path,
    progress: Progress,
    wishes: Mapping[str, Any] | None = None,
    action: str = "compact",
) -> dict[str, Any]:
    """Write an index anew as one segment without its removed rows, then take the old files away.

    Afterwards no file of the index holds anything of the removed rows, and earlier generations are gone.
    Vectors that are damaged are computed again from the embeddings; FAISS files are always written anew.
    Row numbers are given anew; ids stay.

    Args:
        index: The index's folder.
        progress: Told of each stage.
        wishes: Fields of a `Wish` that replace those the index was built with.
        action: `compact` or `rebuild`, for lock and history.

    Returns:
        The manifest.

    Raises:
        BundleError: Embeddings or metadata are damaged: they cannot be made again from anything here.
    """
    with changing(index, action, check=False) as old:
        whole, repaired = _sound(index, old)
        bundle = BundleFolder(index, whole)
        model = bundle.model()
        new = successor(old, action)
        wish = replace(wish_of(old), **(wishes or {}))
        new["wish"] = asdict(wish)
        stage = stage_of(index)
        for name in ("embeddings", "vectors", "faiss"):
            (stage / name).mkdir(parents=True)
        _copy_arrays(bundle, model, stage, repaired, progress)
        counts = _copy_metadata(bundle, stage)
        entry = {
            "rows": bundle.rows,
            "media": str(bundle.segments[0].media),
            "counts": counts,
            "index": write_indexes(stage, bundle.modalities, wish, progress),
        }
        new["segments"], new["files"], new["deleted"] = [], {}, None
        new["oldest"] = new["generation"]
        for line in new["history"][:-1]:
            line.pop("command", None)  # it may name what was removed
        take_segment(index, stage, new, entry)
        summarise(index, new)
        new = certified(index, new, model, progress)
        commit(index, old, new)
        shutil.rmtree(
            adding_of(index), ignore_errors=True
        )  # of no use now, and may hold what was removed
        return new


def _sound(index: Path, manifest: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """The manifest without derived files and damaged vectors, and whether any vectors were damaged."""
    files, repaired = {}, False
    for name, entry in manifest["files"].items():
        if name.endswith(DERIVED):
            continue
        path = index / name
        if path.is_file() and checksum(path) == entry["sha256"]:
            files[name] = entry
        elif "vectors/" in name:
            repaired = True
        else:
            raise BundleError(
                f"{path} is {'not what its checksum says' if path.is_file() else 'missing'}, and nothing here "
                "can make it again. Restore it from a copy, or build the index again."
            )
    return {**manifest, "files": files}, repaired


def _copy_arrays(
    bundle: BundleFolder, model: Model, stage: Path, repaired: bool, progress: Progress
) -> None:
    live, n = bundle.live, bundle.rows
    width = int(bundle.manifest["width"]) + int(bundle.manifest["hidden_width"])
    present = bundle.present[live]
    np.save(stage / "embeddings" / "present.npy", present)
    x = {
        m: new_array(stage / "embeddings" / f"{m}.npy", (n, model.width)) for m in bundle.modalities
    }
    shape = (n, width + bundle.bias_width)
    vectors = {m: new_array(stage / "vectors" / f"{m}.npy", shape) for m in bundle.modalities}
    stored = {m: bundle.embeddings(m) for m in bundle.modalities}
    made = {} if repaired else {m: bundle.vectors(m) for m in bundle.modalities}
    for at in range(0, n, BLOCK):
        part, rows = slice(at, min(n, at + BLOCK)), live[at : at + BLOCK]
        for m in bundle.modalities:
            x[m][part] = stored[m][rows]
            if not repaired:
                vectors[m][part] = made[m][rows]
        if repaired:
            _complete(bundle, model, x, vectors, present, part, width)
        for arrays in (x, vectors, stored, made):
            for array in arrays.values():
                release(array)
        progress("copy", part.stop, n)
    if repaired and bundle.bias_width:
        method = bundle.manifest["hubs"]["method"]
        for m in bundle.modalities:
            vectors[m][:, width:] = gallery_bias(model, vectors[m][:, :width], m, method)
    write_statistics(model, stage, present, progress)


def _complete(
    bundle: BundleFolder, model: Model, x: Any, vectors: Any, present: Any, part: slice, width: int
) -> None:
    """Gallery vectors of some rows, computed again from their embeddings."""
    names = bundle.modalities
    block = np.stack([np.asarray(x[m][part], np.float32) for m in names], axis=1)
    inferred = infer(model, block, present[part], names)
    for i, m in enumerate(names):
        epsilon = float(bundle.manifest["epsilon"][m])
        vectors[m][part, :width] = gallery(
            block[:, i], present[part, i], inferred.reconstructed[:, i], inferred.hidden, epsilon
        )


def _copy_metadata(bundle: BundleFolder, stage: Path) -> dict[str, int]:
    """Write the metadata of the rows that are left; rejected rows of removed ids are left out too."""
    import duckdb
    import pyarrow as pa

    con = duckdb.connect(config={"memory_limit": "1GB", "temp_directory": str(stage / "spill")})
    try:
        for i, segment in enumerate(bundle.segments):
            path = str(segment.folder / "metadata.duckdb").replace("'", "''")
            con.execute(f"ATTACH '{path}' AS s{i} (READ_ONLY)")
        create_views(con, [s.first for s in bundle.segments])
        con.execute(
            f"ATTACH '{str(stage / 'metadata.duckdb').replace(chr(39), chr(39) * 2)}' AS out"
        )
        live = pa.table({"row": bundle.live, "new": np.arange(bundle.rows)})
        con.register("live", live)
        columns = ", ".join(_cell(bundle, c) for c in bundle.columns if c != "row")
        con.execute(
            f"CREATE TABLE out.observations AS SELECT CAST(l.new AS BIGINT) AS row, {columns} FROM every e "
            "JOIN live l USING (row) ORDER BY 1"
        )
        con.execute(
            "CREATE TABLE out.lost AS SELECT CAST(l.new AS BIGINT) AS row, o.modality, o.reason FROM lost o "
            "JOIN live l USING (row) ORDER BY 1, 2"
        )
        con.execute(
            "CREATE TABLE out.rejected AS SELECT r.* FROM rejected r WHERE r.id IS NULL OR NOT EXISTS "
            "(SELECT 1 FROM every e WHERE e.id = r.id AND e.row NOT IN (SELECT row FROM live))"
        )
        return finish_tables(con, stage, bundle.rows)
    finally:
        con.close()


def _cell(bundle: BundleFolder, column: str) -> str:
    """A column; media paths that start from another folder than the first segment's become absolute."""
    name = f"e.{quoted(column)}"
    if column not in MEDIA:
        return name
    cases = ""
    for segment in bundle.segments[1:]:
        if segment.media != bundle.segments[0].media:
            folder = str(segment.media.absolute()).replace("'", "''")
            last = segment.first + segment.rows - 1
            cases += (
                f" WHEN e.row BETWEEN {segment.first} AND {last} AND NOT starts_with({name}, '/') "
                f"THEN '{folder}/' || {name}"
            )
    return f"CASE{cases} ELSE {name} END AS {quoted(column)}" if cases else name
