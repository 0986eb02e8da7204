"""Scores of cells, and how each stands among all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.faiss.scan import score_all
from prom3e_index.encoders.protocol import unit_rows
from prom3e_index.maps.cells import Part
from prom3e_index.mvae.completion import infer

if TYPE_CHECKING:
    from prom3e_index.models.folder import Model

Floats = NDArray[np.float32]
_AT_ONCE = 1 << 20


def hybrid_scores(part: Part, vectors: Floats, epsilon: float) -> Floats:
    """Score cells as observations are: ⟨[(1 − γ)·q, γ·h, bias weights], [g, h, bias]⟩.

    Args:
        part: Cells.
        vectors: (q, d + z + b) of queries.
        epsilon: Share of the completed place in a cell's own.

    Returns:
        (q, k) scores.
    """
    d = part.loc.shape[1]
    g = part.loc
    if epsilon:
        loc, place = np.asarray(part.loc, np.float32), np.asarray(part.place, np.float32)
        g = unit_rows((1 - epsilon) * loc + epsilon * place).astype(np.float16)
    h = np.concatenate([part.hidden, part.bias], 1) if part.bias.shape[1] else part.hidden
    own, rest = np.ascontiguousarray(vectors[:, :d]), np.ascontiguousarray(vectors[:, d:])
    return np.stack([score_all(g, a) + score_all(h, b) for a, b in zip(own, rest, strict=True)])


def paper_scores(part: Part, model: Model, x: Floats, given: list[str]) -> Floats:
    """Score cells as the paper's maps, (k,): the cosine of the query's own embedding with what each is completed to.

    Args:
        part: Cells.
        model: Completes.
        x: (m, d) embeddings of the query.
        given: Which modalities it gives; their cosines are averaged.

    Source: ProM3E, supplement 1.2.
    """
    own = np.stack([x[model.modalities.index(m)] for m in given])
    made = infer(model, *part.shown(model), given).reconstructed
    return np.asarray(np.einsum("ntd,td->n", made, own) / len(given), np.float32)


def percentile(values: NDArray[Any]) -> Floats:
    """The share in per cent of all values that are at most each; equal values have one."""
    order = np.sort(values)
    out = np.empty(len(values), np.float32)
    for at in range(0, len(values), _AT_ONCE):
        part = slice(at, at + _AT_ONCE)
        out[part] = 100 * np.searchsorted(order, values[part], side="right") / len(values)
    return out
