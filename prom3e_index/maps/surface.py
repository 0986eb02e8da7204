"""Scores of cells, and how each stands among all: similarity, percentile, and how far it lies from what is known."""

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
NEAREST = 10
"""An extrapolated cell is far from the tenth nearest of the observations."""


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


def mess(reference: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Multivariate environmental similarity surface, (n,): below 0 where a variable lies beyond all of the reference.

    Args:
        reference: (r, v) values of what is known.
        values: (n, v)

    Source: Elith, Kearney and Phillips 2010, appendix S3.
    """
    out = np.full(len(values), np.inf)
    for i in range(values.shape[1]):
        known = np.sort(reference[:, i])
        low, high = known[0], known[-1]
        span = high - low if high > low else 1.0
        below = 100 * np.searchsorted(known, values[:, i], side="left") / len(known)
        one = np.where(below <= 50, 2 * below, 2 * (100 - below))
        one = np.where(below == 0, 100 * (values[:, i] - low) / span, one)
        one = np.where(below == 100, 100 * (high - values[:, i]) / span, one)
        out = np.minimum(out, one)
    return out


class Nearness:
    """How far embeddings lie from known ones: the cosine distance to the tenth nearest, as a percentile of theirs.

    Attributes:
        count: Known embeddings.
    """

    def __init__(self, known: Floats) -> None:
        self._known, self.count = known, len(known)
        self._k = min(NEAREST, len(known) - 1)
        own = np.empty(len(known), np.float32)
        for at in range(0, len(known), 2048):  # the nearest of all is itself
            own[at : at + 2048] = self._distance(known[at : at + 2048], self._k + 1)
        self._own = np.sort(own)

    def _distance(self, some: Floats, k: int) -> Floats:
        products = some @ self._known.T
        at = products.shape[1] - k
        return np.asarray(1 - np.partition(products, at, axis=1)[:, at], np.float32)

    def percentile(self, some: Floats) -> NDArray[np.float64]:
        """(n,) the share in per cent of known embeddings that lie nearer to the others than each of `some` does."""
        parts = [self._distance(some[at : at + 2048], self._k) for at in range(0, len(some), 2048)]
        far = np.concatenate(parts) if parts else np.zeros(0, np.float32)
        found: NDArray[np.float64] = 100 * np.searchsorted(self._own, far - 1e-6) / len(self._own)
        return found
