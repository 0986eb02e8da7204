"""Rows that were found, with what is shown of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.media_folders import is_remote
from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.schema import MEDIA, SHOWN
from prom3e_index.search.answered import Hit

Floats = NDArray[np.float32]


def hits_of(
    bundle: BundleFolder, target: str, scores: Floats, found: NDArray[np.int64]
) -> list[Hit]:
    """The rows of an answer, best first as they come: fields, file, and what was observed."""
    if len(found) == 0:
        return []
    names = [c for c in SHOWN if c in bundle.columns]
    by_row = bundle.values(found, names)
    has = bundle.observed(found)
    hits = []
    for i, (score, row) in enumerate(zip(scores, found, strict=True)):
        values = by_row[int(row)]
        observed = tuple(m for m, h in zip(bundle.modalities, has[i].tolist(), strict=True) if h)
        files = {m: values.pop(m, None) for m in MEDIA}
        if values.get("obscured"):
            files["sat"] = None  # a tile, and its name, tell the place
        order = (target, *MEDIA) if target in MEDIA else MEDIA
        shown = next((m for m in order if files.get(m) and m in observed), None)
        file = None if shown is None else files[shown]
        completed = target not in observed
        hits.append(
            Hit(
                i + 1,
                int(row),
                float(score),
                completed,
                observed,
                bundle.file_of(int(row), file) if file else None,
                values,
                shown == "audio",
                files=tuple(
                    m for m, f in files.items() if f and m in observed and not is_remote(f)
                ),
            )
        )
    return hits
