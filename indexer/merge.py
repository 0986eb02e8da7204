"""Keeping an index in few segments: small ones are joined while rows are added.

Rows keep their numbers, so what was removed stays noted as it is, and earlier generations, which name the
segments that were joined, can be looked at until the index is compacted.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.errors import BundleError
from prom3e_index.indexer.beside import stage_of
from prom3e_index.indexer.compact import sound
from prom3e_index.indexer.generation import segment_name, take_segment
from prom3e_index.indexer.plan import Progress
from prom3e_index.indexer.rewrite import rewrite
from prom3e_index.indexer.wished import wish_of

if TYPE_CHECKING:
    from prom3e_index.models.folder import Model

MOST = 16
"""Segments of an index: a search looks into each of them, and opening one takes 13 ms."""


def join_from(rows: Sequence[int]) -> int | None:
    """From which segment on all are joined into one; None while there are no more than `MOST`.

    From the first that has no more rows than all after it together: a row that is copied then lies in a segment at
    least twice as large as before, so it is copied log₂(n) times at most. Where every segment has more, they halve
    from one to the next and the last two are small. The first segment, what was built, is never joined.
    """
    if len(rows) <= MOST:
        return None
    after = np.cumsum(np.asarray(rows[::-1]))[::-1] - np.asarray(rows)
    fit = [i for i in range(1, len(rows) - 1) if rows[i] <= after[i]]
    return fit[0] if fit else len(rows) - 2


def join_segments(index: Path, manifest: dict[str, Any], model: Model, progress: Progress) -> None:
    """Join the last segments of a manifest that is being made, where it has too many."""
    segments = manifest["segments"]
    start = join_from([s["rows"] for s in segments])
    if start is None:
        return
    last = segments[start:]
    prefixes = tuple(s["name"] + "/" for s in last)
    files = {n: e for n, e in manifest["files"].items() if n.startswith(prefixes)}
    rows = sum(s["rows"] for s in last)
    part = {
        **manifest,
        "segments": last,
        "files": files,
        "deleted": None,
        "rows": rows,
        "places": rows,
    }
    try:
        whole, repaired = sound(index, part)
    except BundleError as e:
        progress(f"segments are not joined: {e}", 0, None)
        return
    bundle = BundleFolder(index, whole)
    stage = stage_of(index)
    entry = rewrite(bundle, bundle.live, stage, model, wish_of(manifest), repaired, progress)
    manifest["segments"] = segments[:start]
    manifest["files"] = {n: e for n, e in manifest["files"].items() if n not in files}
    take_segment(index, stage, manifest, entry, segment_name(manifest["generation"]) + "-joined")
