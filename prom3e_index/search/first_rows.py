"""The first rows of an answer as its confidence is told from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.confidence.signals import UNKNOWN, First
from prom3e_index.errors import ModelError
from prom3e_index.models.folder import NO_HUBS
from prom3e_index.search.hubness import by_segment
from prom3e_index.search.meaning import means_nothing

if TYPE_CHECKING:
    from prom3e_index.confidence.calibrated import Calibration
    from prom3e_index.models.folder import Model

Floats = NDArray[np.float32]
Part = tuple[NDArray[np.int64], NDArray[np.float16], NDArray[np.int64]]


def calibration_for(
    bundle: BundleFolder, model: Model, visible: Sequence[str], target: str
) -> tuple[Calibration | None, str]:
    """The calibration that knows a direction: the index's own, else the model's; and why there is none.

    A model's says nothing of observations of which the model knows nothing, see `meaning`, nor where the index is
    mixed or corrected in another way than the rows were that the model was validated on. A damaged one decides
    nothing of what is found: it is a reason like others.
    """
    own = bundle.calibration
    why = bundle.uncalibrated if own is None else own.why_not(visible, target)
    if not why:
        return own, ""
    if means_nothing(bundle):
        return None, why
    try:
        theirs = model.confidence
    except ModelError as e:
        return None, f"{why}; the model's own cannot be read: {e.typed}"
    if theirs is None or theirs.why_not(visible, target) is not None:
        return None, why
    other = _made_otherwise(bundle, model, target)
    return (
        (None, f"{why}; the model's own calibration does not hold: {other}")
        if other
        else (theirs, "")
    )


def _made_otherwise(bundle: BundleFolder, model: Model, target: str) -> str:
    """How an index is made otherwise than the gallery that its model was validated with; empty where it is not."""
    made = bundle.manifest
    hubs = str(made.get("hubs", {}).get("method", NO_HUBS))
    if hubs != model.hubs:
        return f"it was validated with hubs {model.hubs}, the index has {hubs}"
    if by_segment(made):
        return "the index is corrected against hubs by segment, as earlier versions did"
    epsilon = float(made.get("epsilon", {}).get(target, 0.0))
    validated = model.weights((), target).epsilon
    if epsilon != validated:
        return f"it was validated with ε {validated:g} of {target}, the index has {epsilon:g}"
    return ""


def first_rows(
    bundle: BundleFolder,
    target: str,
    scores: Floats,
    rows: NDArray[np.int64],
    completed: Floats,
    *,
    by_row: bool = False,
    species: NDArray[np.int64] | None = None,
    own: tuple[NDArray[np.int64], Floats] | None = None,
) -> First:
    """What is read of the first rows of q answers.

    Args:
        bundle: What was searched.
        target: Modality searched for.
        scores: (q, k) as `nearest` gives them, best first.
        rows: (q, k) row numbers; −1 is none.
        completed: (q, d) f̂_t of the queries.
        by_row: Whether each row counts as its own species.
        species: (places,) codes of all rows, where they are known already.
        own: By row: row numbers (q,) and target blocks (q, d) that stand for the stored ones of those rows.
    """
    held = rows >= 0
    codes = np.full(rows.shape, UNKNOWN, np.int64)
    if by_row:
        codes[held] = rows[held]
    elif species is not None:
        codes[held] = species[rows[held]]
    else:
        codes[held] = bundle.species(rows[held])
    cosines, alike = np.zeros(rows.shape, np.float32), np.zeros(rows.shape, np.float32)
    for i, line in enumerate(held):
        some = rows[i, line]
        if not len(some):
            continue
        mine = np.zeros(len(some), bool) if own is None else some == own[0][i]
        block = None if own is None else own[1][i]
        galleries = list(bundle.gallery_parts(target, some))
        cosines[i, line] = _products(galleries, completed[i], mine, block)
        if by_row:  # by species nothing reads it
            first = (
                _stored(galleries, completed.shape[1]) if block is None or not mine[0] else block
            )
            alike[i, line] = _products(galleries, first, mine, block)
    return First.of(np.where(held, scores, -np.inf), codes, cosines, alike)


def _products(
    galleries: Sequence[Part], wanted: Floats, mine: NDArray[np.bool_], block: Floats | None
) -> Floats:
    """(k,) inner products of a target block (d,) with those of rows; where `mine`, with another block instead."""
    from prom3e_index.bundle.faiss.scan import score_rows

    out = np.zeros(len(mine), np.float32)
    for here, vectors, places in galleries:
        query = np.zeros(vectors.shape[1], np.float32)  # 0 beyond the target block
        query[: len(wanted)] = wanted
        out[here] = score_rows(vectors, places, query)
    if block is not None:
        out[mine] = block @ wanted
    return out


def _stored(galleries: Sequence[Part], width: int) -> Floats:
    """The target block (width,) of the first row."""
    for here, vectors, places in galleries:
        if here[0] == 0:
            return np.asarray(vectors[places[0], :width], np.float32)
    raise IndexError("the first row is none of the index")
