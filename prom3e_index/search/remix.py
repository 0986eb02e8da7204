"""Scores of a gallery with another ε than the stored one, from what is stored as far as that goes.

The hidden block of every row is stored, and so is f̂ of rows that lack the target. With ε = 0 the rest are encoder
embeddings, so nothing is computed anew. With any other ε the MVAE completes the target of the observations that have
it, once: the last answer is kept for the next question of the same rows.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.errors import InputError

if TYPE_CHECKING:
    from prom3e_index.models.folder import Model

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
MOST = 100_000
"""Observations that one query may have completed anew: 50 s of one core with `mini`, 2,100 a second."""
_BLOCK = 8192

_kept: WeakKeyDictionary[BundleFolder, tuple[str, Ints, NDArray[np.float16]]] = WeakKeyDictionary()
_lock = threading.Lock()


def remixed_scores(
    bundle: BundleFolder, model: Model, target: str, vector: Floats, rows: Ints, epsilon: float
) -> tuple[Floats, int]:
    """Scores of some rows against one query vector, rounded as those of the stored galleries are.

    Args:
        bundle: What is searched.
        model: Its model.
        target: Modality searched for.
        vector: (d + z,) or longer; what is beyond is not read.
        rows: Ascending row numbers.
        epsilon: Share of the reconstruction where observed.

    Returns:
        (rows,) float32, and how many observations the MVAE completed for it.

    Raises:
        InputError: More than `MOST` would have to be completed; says how many, and what asks for less.
    """
    from prom3e_index.bundle.faiss.scan import score_rows
    from prom3e_index.encoders.protocol import unit_rows

    t, width = bundle.modalities.index(target), int(bundle.manifest["width"])
    whole = width + int(bundle.manifest["hidden_width"])
    has = bundle.present[rows, t]
    observed = rows[has]
    made, computed = None, 0
    if epsilon > 0 and len(observed):
        made, computed = _completed(bundle, model, target, observed, epsilon)
    embedded, stored = bundle.embeddings(target), bundle.vectors(target)
    place = np.cumsum(has) - 1
    out = np.empty(len(rows), np.float32)
    for at in range(0, len(rows), _BLOCK):
        part, seen = rows[at : at + _BLOCK], has[at : at + _BLOCK]
        block = np.ascontiguousarray(stored[part][:, :whole])
        f = embedded[part[seen]]
        if made is not None:
            held = made[place[at : at + _BLOCK][seen]].astype(np.float32)
            f = unit_rows((1 - epsilon) * f.astype(np.float32) + epsilon * held)
        block[seen, :width] = f
        out[at : at + len(part)] = score_rows(block, np.arange(len(part)), vector[:whole])
    return out, computed


def _completed(
    bundle: BundleFolder, model: Model, target: str, rows: Ints, epsilon: float
) -> tuple[NDArray[np.float16], int]:
    """f̂ of some rows, (rows, d) half precision, and how many of them were computed now."""
    from prom3e_index.mvae.completion import infer

    with _lock:
        kept = _kept.get(bundle)
    if kept is not None and kept[0] == target and np.array_equal(kept[1], rows):
        return kept[2], 0
    if len(rows) > MOST:
        own = float(bundle.manifest.get("epsilon", {}).get(target, 0.0))
        raise InputError(
            f"ε = {epsilon:g} mixes the gallery anew: the {target} of {len(rows):,} observations would have to be "
            f"completed again, at most {MOST:,} are for one query. Narrow the filter, or ask with the index's own "
            f"ε = {own:g}, or with ε = 0."
        )
    stored = [bundle.embeddings(m) for m in bundle.modalities]
    made = np.empty((len(rows), int(bundle.manifest["width"])), np.float16)
    for at in range(0, len(rows), _BLOCK):
        part = rows[at : at + _BLOCK]
        x = np.stack([np.asarray(e[part], np.float32) for e in stored], axis=1)
        made[at : at + len(part)] = infer(model, x, bundle.present[part], (target,)).reconstructed[
            :, 0
        ]
    with _lock:
        _kept[bundle] = (target, rows, made)
    return made, len(rows)
