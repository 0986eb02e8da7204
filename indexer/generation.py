"""Generations: a change is written beside, then one rename makes it the index.

    1  new files are written, synced, and renamed to their places; no manifest names them yet
    2  the manifest that is current is kept as `generations/NNNNNN.json`
    3  `manifest.json` is replaced by the new one: from here the change holds

A process killed before 3 leaves files that no manifest names; the next change takes them away. Segments
and bitmaps of removed rows are never written twice, so a reader of an older manifest is undisturbed.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.manifest import (
    FORMAT_VERSION,
    GENERATIONS,
    NAME,
    checksum,
    describe_files,
    history_entry,
    manifest_path,
    read_manifest,
    sync,
    write_manifest,
)
from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.indexer.work import locked


def segment_name(generation: int) -> str:
    """Folder of the segment that a generation adds."""
    return f"segments/{generation:06d}"


def summarise(folder: Path, manifest: dict[str, Any]) -> None:
    """Fill in `rows`, `places`, `counts` and `observed` from the segments and what was removed."""
    segments = manifest["segments"]
    manifest["places"] = sum(s["rows"] for s in segments)
    removed = int(manifest["deleted"]["rows"]) if manifest["deleted"] else 0
    manifest["rows"] = manifest["places"] - removed
    parts = [s["counts"] for s in segments if "counts" in s] or [manifest["counts"]]
    if len(parts) < len(segments):  # a segment of format 1: its counts stood in the manifest alone
        first = manifest["segments"][0]
        first["counts"] = manifest["counts"]
        parts = [s["counts"] for s in segments]
    counts = {k: sum(int(p.get(k, 0)) for p in parts) for k in _COUNTS}
    counts["rows_indexed"] = manifest["rows"]
    manifest["counts"] = counts | ({"rows_removed": removed} if removed else {})
    bundle = BundleFolder(folder, manifest)
    held = bundle.present[bundle.live].sum(axis=0)
    manifest["observed"] = {m: int(n) for m, n in zip(bundle.modalities, held, strict=True)}


OWNED = (
    "segments", "deleted", GENERATIONS, "embeddings", "vectors", "faiss", "metadata.duckdb",
    "metadata.duckdb.wal", "records.arrow", "rejected.parquet", "statistics.json",
)  # fmt: skip
"""What an index's folder holds beside its manifest; other files there are somebody else's."""
_COUNTS = ("rows_in", "rows_indexed", "rows_rejected", "files_lost")


@contextmanager
def changing(index: Path, action: str, *, check: bool = True) -> Iterator[dict[str, Any]]:
    """Be the index's only writer; give its manifest, after clearing what a killed change left.

    Raises:
        BundleError: Another writer is at work, or the index is damaged.
    """
    read_manifest(index, check=check)  # no lock file is left beside what is no index
    with locked(index, action):
        manifest = read_manifest(index, check=check)
        clear(index, manifest)
        yield manifest


def successor(manifest: dict[str, Any], action: str, **noted: int) -> dict[str, Any]:
    """A copy of a manifest to be changed into the next generation; `noted` goes into its history."""
    created = datetime.now(UTC).isoformat(timespec="seconds")
    generation = int(manifest["generation"]) + 1
    entry = history_entry(
        generation, created, action, noted.pop("added", 0), noted.pop("removed", 0)
    )
    return {
        **manifest,
        "format_version": FORMAT_VERSION,
        "generation": generation,
        "created": created,
        "segments": [dict(s) for s in manifest["segments"]],
        "files": dict(manifest["files"]),
        "history": [*map(dict, manifest["history"]), {**entry, **noted, "command": sys.argv}],
    }


def take_segment(index: Path, stage: Path, manifest: dict[str, Any], entry: dict[str, Any]) -> None:
    """Move a written segment to its place and name it in a manifest that is being made."""
    name = segment_name(manifest["generation"])
    for path in [*stage.rglob("*"), stage]:
        sync(path)
    files = describe_files(stage)
    (index / "segments").mkdir(exist_ok=True)
    stage.rename(index / name)
    sync(index / "segments")
    sync(index)
    manifest["segments"].append({**entry, "name": name})
    manifest["files"] |= {f"{name}/{k}": v for k, v in files.items()}


def remove_rows(index: Path, manifest: dict[str, Any], removed: NDArray[np.bool_]) -> None:
    """Write which rows are removed, (places,), and name that in a manifest that is being made."""
    if manifest["deleted"]:
        manifest["files"].pop(manifest["deleted"]["file"])
        manifest["deleted"] = None
    if not removed.any():
        return
    name = f"deleted/{manifest['generation']:06d}.npy"
    path = index / name
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_name(path.name + ".new")
    with temporary.open("wb") as f:
        np.save(f, np.packbits(removed, bitorder="little"))
    sync(temporary)
    temporary.replace(path)
    sync(path.parent)
    sync(index)
    manifest["files"][name] = {"bytes": path.stat().st_size, "sha256": checksum(path)}
    manifest["deleted"] = {"file": name, "rows": int(removed.sum())}


def removed_rows(bundle: BundleFolder) -> NDArray[np.bool_]:
    """(places,) which rows of a bundle are removed."""
    out = np.ones(bundle.places, bool)
    out[bundle.live] = False
    return out


def commit(index: Path, old: dict[str, Any], new: dict[str, Any]) -> None:
    """Make a new manifest current; the old one stays to be looked at, unless the new one ends its history."""
    if new.get("oldest", 1) <= old["generation"]:
        kept = manifest_path(index, int(old["generation"]))
        kept.parent.mkdir(exist_ok=True)
        if not kept.is_file():
            write_manifest(kept, old)
    write_manifest(index / NAME, new)
    clear(index, new)


def clear(index: Path, manifest: dict[str, Any]) -> None:
    """Take away what neither a manifest nor one of the generations still kept names."""
    for name in strays(index, manifest):
        (index / name).unlink()
    for top in OWNED:
        for path in [*sorted((index / top).rglob("*"), reverse=True), index / top]:
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()
    if stage_of(index).exists():
        shutil.rmtree(stage_of(index))


def strays(index: Path, manifest: dict[str, Any] | None = None) -> list[str]:
    """Files among an index's own that neither its manifest nor a generation still kept names."""
    manifest = manifest or read_manifest(index, check=False)
    named = {*manifest["files"], NAME}
    for path in sorted((index / GENERATIONS).glob("[0-9]*.json")):
        number = int(path.stem)
        if manifest.get("oldest", 1) <= number < manifest["generation"]:
            named |= {*read_manifest(index, number, check=False)["files"]}
            named.add(path.relative_to(index).as_posix())
    found = [index / (NAME + ".new")]
    for top in OWNED:
        found += [index / top, *sorted((index / top).rglob("*"))]
    names = [p.relative_to(index).as_posix() for p in found if p.is_file()]
    return [n for n in names if n not in named]


def adding_of(index: Path) -> Path:
    """Where rows to be added are encoded; an interrupted `add` finds them there, of the same generation."""
    return index.with_name(index.name + ".adding")


def stage_of(index: Path) -> Path:
    """Where a segment is written that replaces others; of no use after a crash."""
    return index.with_name(index.name + ".compacting")
