"""Going back to an earlier generation: what was removed, replaced or added since is undone, and can be redone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from prom3e_index.bundle.manifest import lineage, read_manifest
from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.errors import InputError
from prom3e_index.indexer.beside import real_path
from prom3e_index.indexer.disk import full_disk_said
from prom3e_index.indexer.generation import changing, commit, successor, summarise, there
from prom3e_index.indexer.plan import Progress
from prom3e_index.indexer.policy_generations import refuse_loosened

_OF_ITS_ROWS = (
    "segments", "deleted", "files", "rows", "places", "counts", "observed", "columns", "planet", "certificate",
    "confidence",
)  # fmt: skip
"""What a generation says of its rows; everything else stays as it is now."""


@dataclass(frozen=True)
class Restored:
    """What came of it: the manifest, and how many rows are back and are gone."""

    manifest: dict[str, Any]
    back: int
    gone: int


@full_disk_said
def restore(index: Path, at: int, progress: Progress) -> Restored:
    """Make the rows of an earlier generation the index's again, as a new generation.

    Nothing is encoded or written anew: until `compact` the files of every generation are kept, so this too can be
    undone. Media folders and the model stay where they are noted to be now.

    Args:
        index: The index's folder.
        at: The generation.
        progress: Told of each stage.

    Raises:
        BundleError: There is no such generation, or files of it are damaged.
        InputError: It is the present one, or has places of observations that any other one has
            generalised further.
    """
    index = real_path(index)
    with changing(index, "restore", progress, check=False) as old:
        if at == old["generation"]:
            raise InputError(f"{index} is generation {at} already; nothing was changed.")
        then = read_manifest(index, at)
        with BundleFolder(index, there(index, then)) as earlier:
            refuse_loosened(index, old, earlier)
        back, gone = _differences(index, old, then)
        new = successor(old, "restore", added=back, removed=gone, of=at)
        for key in _OF_ITS_ROWS:
            new.pop(key, None)
            if key in then:
                new[key] = then[key]
        new["segments"] = [_as_noted_now(s, old["segments"]) for s in then["segments"]]
        summarise(index, new)
        commit(index, old, new)
        return Restored(new, back, gone)


def _differences(index: Path, old: dict[str, Any], then: dict[str, Any]) -> tuple[int, int]:
    """Rows of `then` that `old` has not, and the reverse.

    Row numbers mean the same rows up to the last generation that led to both.
    """
    led_to_then = {int(then["generation"]), *lineage({**old, "generation": then["generation"]})}
    common = max(led_to_then & set(lineage(old)), default=0)
    shared = 0
    if common:
        shared = int(read_manifest(index, common, check=False)["places"])
    with (
        BundleFolder(index, there(index, old)) as now,
        BundleFolder(index, there(index, then)) as earlier,
    ):
        a, b = now.live, earlier.live
    back = np.setdiff1d(b[b < shared], a).size + int((b >= shared).sum())
    gone = np.setdiff1d(a[a < shared], b).size + int((a >= shared).sum())
    return int(back), int(gone)


def _as_noted_now(segment: dict[str, Any], known: list[dict[str, Any]]) -> dict[str, Any]:
    """A segment's entry with the media folder that is noted for it, or for files of the same folder, now."""
    built = segment.get("built_media") or segment["media"]
    same = [s for s in known if s["name"] == segment["name"]]
    folders = [f for s in known for f in (s, *s.get("folders", ()))]
    same += [f for f in folders if (f.get("built_media") or f["media"]) == built]
    if not same:
        return dict(segment)
    noted: dict[str, Any] = {
        k: same[0][k] for k in ("media", "beside", "built_media", "folders") if k in same[0]
    }
    return {**segment, **noted}
