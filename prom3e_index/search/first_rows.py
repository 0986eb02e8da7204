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
_QUERIES = 64
"""Answers whose rows are read at once."""


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
    for at in range(0, len(rows), _QUERIES):
        part = slice(at, at + _QUERIES)
        given = None if own is None else (own[0][part], own[1][part])
        read = _Read(bundle, target, rows[part], given)
        cosines[part] = read.products(completed[part])
        if by_row:  # by species nothing reads it
            alike[part] = read.products(read.first(completed.shape[1]))
    return First.of(np.where(held, scores, -np.inf), codes, cosines, alike)


class _Read:
    """The first rows of some queries, where they are stored.

    Args:
        bundle: What was searched.
        target: Modality searched for.
        rows: (q, k) row numbers; −1 is none.
        own: Row numbers (q,) and target blocks (q, d) that stand for the stored ones.
    """

    def __init__(
        self,
        bundle: BundleFolder,
        target: str,
        rows: NDArray[np.int64],
        own: tuple[NDArray[np.int64], Floats] | None,
    ) -> None:
        self._held = rows >= 0
        self._which = np.nonzero(self._held)[0]
        flat = rows[self._held]
        self._parts = list(bundle.gallery_parts(target, flat)) if len(flat) else []
        self._own = None if own is None else own[1]
        self._mine = np.zeros(len(flat), bool) if own is None else flat == own[0][self._which]

    def products(self, wanted: Floats) -> Floats:
        """(q, k) inner products of a target block (q, d) with those of each query's rows; 0 where there is none."""
        from prom3e_index.bundle.faiss.scan import score_pairs

        found = np.zeros(len(self._which), np.float32)
        for here, vectors, places in self._parts:
            queries = np.zeros((len(wanted), vectors.shape[1]), np.float32)
            queries[:, : wanted.shape[1]] = wanted  # 0 beyond the target block
            found[here] = score_pairs(vectors, places, queries, self._which[here])
        if self._own is not None:
            for at in np.flatnonzero(self._mine):
                query = self._which[at]
                found[at] = self._own[query] @ wanted[query]
        out = np.zeros(self._held.shape, np.float32)
        out[self._held] = found
        return out

    def first(self, width: int) -> Floats:
        """The target block (q, width) of each query's first row; 0 where it has none."""
        out = np.zeros((len(self._held), width), np.float32)
        begins = np.flatnonzero(np.diff(self._which, prepend=-1))
        for here, vectors, places in self._parts:
            mine = np.isin(here, begins)
            out[self._which[here[mine]]] = vectors[places[mine], :width]
        if self._own is not None:
            begins = begins[self._mine[begins]]
            out[self._which[begins]] = self._own[self._which[begins], :width]
        return out
