"""Generations: a change is written beside, then one rename makes it the index.

    1  new files are written, synced, and renamed to their places; no manifest names them yet
    2  the manifest that is current is kept as `generations/NNNNNN.json`
    3  `manifest.json` is replaced by the new one: from here the change holds

A process killed before 3 leaves files that no manifest names; the next change takes them away. Segments
and bitmaps of removed rows are never written twice, so a reader of an older manifest is undisturbed.
"""

from __future__ import annotations

import errno
import os
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
    lineage,
    manifest_path,
    read_manifest,
    sync,
    write_manifest,
)
from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.bundle.own_files import OWNED, entries, refuse_links
from prom3e_index.indexer.beside import STAGE_FILES, stage_of, take_away
from prom3e_index.indexer.lock import locked
from prom3e_index.indexer.new_array import save_array
from prom3e_index.indexer.parts import counted
from prom3e_index.indexer.plan import Progress, silent
from prom3e_index.indexer.protect import rows_by_level
from prom3e_index.indexer.publish import set_aside, settle
from prom3e_index.indexer.work import read_note
from prom3e_index.policy.log import append_acts

_NEW = NAME + ".new"
_COUNTS = ("rows_in", "rows_indexed", "rows_rejected", "files_lost")


def segment_name(generation: int) -> str:
    """Folder of the segment that a generation adds."""
    return f"segments/{generation:06d}"


def summarise(folder: Path, manifest: dict[str, Any]) -> None:
    """Fill in `rows`, `places`, `counts`, `observed` and `columns` from the segments and what was removed."""
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
    bundle = BundleFolder(folder, there(folder, manifest))
    observations, of_table = counted(bundle.metadata.cursor(), "observations")
    gone = counts["rows_indexed"] - of_table
    counts |= {"rows_indexed": of_table, "observations": observations, "rows": manifest["rows"]}
    manifest["counts"] = counts | ({"rows_removed": gone} if gone else {})
    manifest["columns"] = dict(bundle.metadata.metadata_columns)
    held = bundle.present[bundle.live].sum(axis=0)
    manifest["observed"] = {m: int(n) for m, n in zip(bundle.modalities, held, strict=True)}
    if manifest.get("policy") is not None:
        manifest["policy"] = {**manifest["policy"], "rows": rows_by_level(bundle)}


@contextmanager
def changing(
    index: Path, action: str, progress: Progress = silent, *, check: bool = True
) -> Iterator[dict[str, Any]]:
    """Be the index's only writer; give its manifest, after clearing what a killed change left.

    Args:
        index: Its `real_path`.
        action: What is done, for whoever else wants to write meanwhile.
        progress: Told what was put back, taken away, or cannot be read.
        check: Whether every file that the manifest names must be there at its size.

    Raises:
        BundleError: Another writer is at work, or the index is damaged, or something in it is a link.
    """
    if index.exists() or not set_aside(index):
        read_manifest(index, check=check)  # no lock file is left beside what is no index
    with locked(index, action):
        settle(index, progress)
        manifest = read_manifest(index, check=check)
        clear(index, manifest)
        append_acts(index, manifest)
        for name in unreadable(index, manifest):
            progress(f"{name} cannot be read and is kept, with all files, until compact", 0, None)
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


def take_segment(
    index: Path,
    stage: Path,
    manifest: dict[str, Any],
    entry: dict[str, Any],
    name: str | None = None,
) -> None:
    """Move a written segment to its place and name it in a manifest that is being made."""
    name = name or segment_name(manifest["generation"])
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
    save_array(temporary, np.packbits(removed, bitorder="little"))
    sync(temporary)
    temporary.replace(path)
    sync(path.parent)
    sync(index)
    manifest["files"][name] = {"bytes": path.stat().st_size, "sha256": checksum(path)}
    manifest["deleted"] = {"file": name, "rows": int(removed.sum())}


def there(index: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    """A manifest without the files that are missing, for what needs none of them."""
    files = {n: e for n, e in manifest["files"].items() if (index / n).is_file()}
    return {**manifest, "files": files}


def removed_rows(bundle: BundleFolder) -> NDArray[np.bool_]:
    """(places,) which rows of a bundle are removed."""
    out = np.ones(bundle.places, bool)
    out[bundle.live] = False
    return out


def known_removals(index: Path, manifest: dict[str, Any]) -> NDArray[np.bool_]:
    """(places,) rows that some generation whose file of them is sound says are removed.

    Rows keep their numbers until an index is compacted; generations that a `restore` went back on say nothing.
    """
    out = np.zeros(int(manifest["places"]), bool)
    led_here = {manifest_path(index, g).relative_to(index).as_posix() for g in lineage(manifest)}
    for name in led_here & set(_generations(index, manifest)):
        earlier = read_note(index / name) or {}
        try:
            file = earlier["deleted"]["file"]
            path, stated = index / file, earlier["files"][file]["sha256"]
        except (KeyError, TypeError):
            continue  # none was removed then, or it cannot be read
        if Path(file).parts[:1] == ("deleted",) and ".." not in Path(file).parts:
            if path.is_file() and checksum(path) == stated:
                bits = np.unpackbits(np.load(path, allow_pickle=False), bitorder="little")
                out[: len(bits)] |= bits[: len(out)].astype(bool)
    return out


def commit(index: Path, old: dict[str, Any], new: dict[str, Any]) -> None:
    """Make a new manifest current; the old one stays to be looked at, unless the new one ends its history."""
    if new.get("oldest", 1) <= old["generation"]:
        kept = manifest_path(index, int(old["generation"]))
        kept.parent.mkdir(exist_ok=True)
        if not kept.is_file():
            write_manifest(kept, old)
    write_manifest(index / NAME, new)
    append_acts(index, new)
    clear(index, new)


def clear(index: Path, manifest: dict[str, Any]) -> None:
    """Take away what neither a manifest nor one of the generations still kept names. No link is followed.

    Raises:
        BundleError: Something of the index is a link.
    """
    refuse_links(index)
    gone = set(strays(index, manifest))
    root = os.open(index, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for name in gone & {*OWNED, _NEW}:
            os.unlink(name, dir_fd=root)
        for top in (t for t in OWNED if (index / t).is_dir()):
            for here, folders, files, at in os.fwalk(top, topdown=False, dir_fd=root):
                for name in files:
                    if f"{here}/{name}" in gone:
                        os.unlink(name, dir_fd=at)
                for name in folders:
                    _remove_empty(name, at)
            _remove_empty(top, root)
    finally:
        os.close(root)
    take_away(stage_of(index), STAGE_FILES)


def _remove_empty(name: str, at: int) -> None:
    try:
        os.rmdir(name, dir_fd=at)
    except OSError as e:
        if e.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise


def strays(index: Path, manifest: dict[str, Any] | None = None) -> list[str]:
    """Files among an index's own that neither its manifest nor a generation still kept names.

    While a generation cannot be read, any file may be one of those that it names.
    """
    manifest = manifest or read_manifest(index, check=False)
    named, damaged = {*manifest["files"]}, False
    for name, files in _generations(index, manifest).items():
        named |= {name, *(files or ())}
        damaged |= files is None
    found = [_NEW] if (index / _NEW).is_file() else []
    for top in () if damaged else OWNED:
        path = index / top
        if path.is_file():
            found.append(top)
        elif path.is_dir():
            inside = (e.path for e in entries(path) if not e.is_dir(follow_symlinks=False))
            found += sorted(Path(p).relative_to(index).as_posix() for p in inside)
    return [n for n in found if n not in named]


def unreadable(index: Path, manifest: dict[str, Any]) -> list[str]:
    """Manifests of generations still kept that are damaged."""
    return [name for name, files in _generations(index, manifest).items() if files is None]


def _generations(index: Path, manifest: dict[str, Any]) -> dict[str, list[str] | None]:
    """The manifests of earlier generations still kept, each with the files it names; None if damaged."""
    out: dict[str, list[str] | None] = {}
    for path in sorted((index / GENERATIONS).glob("[0-9]*.json")):
        name = path.relative_to(index).as_posix()
        if path.stem.isdigit() and manifest.get("oldest", 1) <= int(path.stem):
            if int(path.stem) < manifest["generation"]:
                files = (read_note(path) or {}).get("files")
                out[name] = list(files) if isinstance(files, dict) else None
    return out
