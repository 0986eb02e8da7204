"""One segment from the rows of several: what compacting and merging have in common.

Segments are read one after the other, so that an index of many needs no more open files than one of few.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.faiss.kinds import Wish
from prom3e_index.bundle.filters import quoted
from prom3e_index.bundle.memory_maps import release
from prom3e_index.bundle.metadata_database import connect_segments
from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.bundle.segment import Segment
from prom3e_index.bundle.taxa import SPECIES, add_species
from prom3e_index.errors import BundleError
from prom3e_index.indexer.complete import block_of, completed
from prom3e_index.indexer.metadata import finish_tables
from prom3e_index.indexer.new_array import new_array, save_array
from prom3e_index.indexer.plan import Progress
from prom3e_index.indexer.statistics import write_statistics
from prom3e_index.indexer.write_segment import write_indexes
from prom3e_index.schema import MEDIA
from prom3e_index.search.hubness import Bank, by_segment

if TYPE_CHECKING:
    from prom3e_index.models.folder import Model

Ints = NDArray[np.int64]


def rewrite(
    bundle: BundleFolder,
    live: Ints,
    stage: Path,
    model: Model,
    wish: Wish,
    repaired: bool,
    progress: Progress,
) -> dict[str, Any]:
    """Write some rows of a bundle as one segment; give its part of the manifest.

    Args:
        bundle: Whose embeddings and metadata are sound, and its vectors where `repaired` is False.
        live: Rows to keep, ascending; they are numbered anew from 0.
        stage: The segment's new folder.
        model: The bundle's; its device completes rows and finds lists, as in a build.
        wish: What the indexes must do.
        repaired: Whether the vectors are computed again from the embeddings. Their bias against hubs is also where
            an earlier version made it segment by segment.
        progress: Told of each stage.
    """
    for name in ("embeddings", "vectors", "faiss"):
        (stage / name).mkdir(parents=True)
    _copy_arrays(bundle, live, model, stage, repaired, progress)
    counts = _copy_metadata(bundle, live, stage)
    first = bundle.manifest["segments"][0]
    return {
        "rows": len(live),
        "media": str(bundle.segments[0].media),
        **{k: first[k] for k in ("beside", "built_media") if k in first},
        **_other_folders(bundle.manifest["segments"]),
        "counts": counts,
        "precision": _precision(bundle.manifest["segments"]),
        "index": write_indexes(stage, bundle.modalities, wish, progress, model.device),
    }


def _precision(entries: list[dict[str, Any]]) -> dict[str, str]:
    """At which precision each encoder ran for the rows of some segments; several are told side by side."""
    out: dict[str, set[str]] = {}
    for entry in entries:
        for modality, precision in entry.get("precision", {}).items():
            out.setdefault(modality, set()).update(str(precision).split(" and "))
    return {m: " and ".join(sorted(found)) for m, found in out.items()}


def _other_folders(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Where the files are that the one segment names by whole paths, as `_cell` writes them, to be found when moved."""
    first = entries[0]["media"]
    out: dict[str, dict[str, Any]] = {}
    for entry in entries:
        for folder in (entry, *entry.get("folders", ())):
            if folder["media"] != first:
                kept = {k: folder[k] for k in ("media", "beside", "built_media") if k in folder}
                out.setdefault(folder["media"], kept)
    return {"folders": list(out.values())} if out else {}


def _parts(bundle: BundleFolder, live: Ints) -> Iterator[tuple[Segment, slice, Ints]]:
    """Each segment with where its rows come to lie, and which of its rows are kept."""
    for segment in bundle.segments:
        low, high = np.searchsorted(live, [segment.first, segment.first + segment.rows])
        if high > low:
            yield segment, slice(int(low), int(high)), live[low:high] - segment.first


def _copy_arrays(
    bundle: BundleFolder,
    live: Ints,
    model: Model,
    stage: Path,
    repaired: bool,
    progress: Progress,
) -> None:
    n, names = len(live), bundle.modalities
    width = int(bundle.manifest["width"]) + int(bundle.manifest["hidden_width"])
    present = np.zeros((n, len(names)), bool)
    x = {m: new_array(stage / "embeddings" / f"{m}.npy", (n, model.width)) for m in names}
    shape = (n, width + bundle.bias_width)
    size = block_of(model)
    vectors = {m: new_array(stage / "vectors" / f"{m}.npy", shape) for m in names}
    for segment, whole, kept in _parts(bundle, live):
        present[whole] = segment.present[kept]
        stored = {m: segment.embeddings(m) for m in names}
        made = {} if repaired else {m: segment.vectors(m) for m in names}
        for at in range(0, len(kept), size):
            rows = kept[at : at + size]
            part = slice(whole.start + at, whole.start + at + len(rows))
            for m in names:
                x[m][part] = stored[m][rows]
                if not repaired:
                    vectors[m][part] = made[m][rows]
            if repaired:
                _complete(bundle, model, x, vectors, present, part, width)
            for arrays in (x, vectors, stored, made):
                for array in arrays.values():
                    release(array)
            progress("copy", part.stop, n)
    if bundle.bias_width and n and (repaired or by_segment(bundle.manifest)):
        bank = Bank(model, bundle.manifest["hubs"]["method"])
        for m in names:
            vectors[m][:, width:] = bank.bias(vectors[m][:, :width], m)
            release(vectors[m])
    save_array(stage / "embeddings" / "present.npy", present)
    write_statistics(model, stage, present, progress)


def _complete(
    bundle: BundleFolder, model: Model, x: Any, vectors: Any, present: Any, part: slice, width: int
) -> None:
    """Gallery vectors of some rows, computed again from their embeddings."""
    names = bundle.modalities
    epsilon = [float(bundle.manifest["epsilon"][m]) for m in names]
    made, _ = completed(model, [x[m][part] for m in names], present[part], None, epsilon)
    for m, block in zip(names, made, strict=True):
        vectors[m][part, :width] = block


def _copy_metadata(bundle: BundleFolder, live: Ints, stage: Path) -> dict[str, int]:
    """Write the metadata of the rows that are kept.

    A rejected row whose id was removed is left out, unless an observation of that id is still there.
    """
    import pyarrow as pa

    con, _ = connect_segments(
        [s.folder / "metadata.duckdb" for s in bundle.segments],
        [s.first for s in bundle.segments],
        columns=bundle.metadata.metadata_columns,
        out=stage / "metadata.duckdb",
    )
    try:
        con.register("live", pa.table({"row": live, "new": np.arange(len(live))}))
        columns = ", ".join(_cell(bundle, c) for c in bundle.columns if c not in ("row", SPECIES))
        named = add_species(con, "every", bundle.columns)
        con.execute(
            f"CREATE TABLE out.observations AS SELECT CAST(l.new AS BIGINT) AS row, {columns}, n.{SPECIES} "
            f"FROM every e JOIN live l USING (row) {named} ORDER BY 1"
        )
        found = con.execute("SELECT count(DISTINCT row), count(*) FROM out.observations").fetchall()
        if found[0] != (len(live), len(live)):
            raise BundleError(
                f"{bundle.path}: the metadata describe {found[0][0]:,} of {len(live):,} rows, in {found[0][1]:,} "
                "lines. Restore the index from a copy, or build it again."
            )
        held = {str(r[0]) for r in con.execute("DESCRIBE lost").fetchall()}
        at = "o.row_in" if "row_in" in held else "NULL::BIGINT AS row_in"
        con.execute(
            f"CREATE TABLE out.lost AS SELECT CAST(l.new AS BIGINT) AS row, o.modality, o.reason, {at} FROM lost o "
            "JOIN live l USING (row) ORDER BY 1, 2"
        )
        con.execute(
            "CREATE TABLE out.rejected AS SELECT r.* FROM rejected r WHERE r.id IS NULL OR r.id IN "
            "(SELECT id FROM out.observations) OR r.id NOT IN (SELECT id FROM every)"
        )
        return finish_tables(con, stage, len(live))
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
