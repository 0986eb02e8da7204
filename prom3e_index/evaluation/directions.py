"""Recall of every direction, from embeddings: the table that the demo shows and training tunes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.evaluation.metrics import bootstrap_interval, expected_ranks, recall_at
from prom3e_index.models.folder import Model, Weights
from prom3e_index.mvae.completion import Completer, infer, mean_embedding
from prom3e_index.schema import set_key
from prom3e_index.search.score import Space

Floats = NDArray[np.float32]
SAME_ITEM = ("sat", "loc", "env")
"""Targets that are right when the very item is found; elsewhere an item of the same species counts."""

_IDENTICAL = 1 - 1e-4
_LEAST = 20


class Products:
    """Inner products of q queries with g gallery rows, each computed when first needed.

    Args:
        asked: (q, d) encoder embeddings of the queries, q̄.
        completed: (q, d) what the MVAE makes of each for the target.
        asked_hidden: (q, z).
        observed: (g, d) encoder embeddings of the gallery.
        reconstructed: (g, d) what the MVAE makes of the gallery's observations; read where ε > 0.
        hidden: (g, z), likewise.
        known: Products that exist already, by name: `hidden` is the same for every target.
    """

    def __init__(
        self,
        asked: Floats,
        completed: Floats,
        asked_hidden: Floats,
        observed: Floats,
        reconstructed: Floats,
        hidden: Floats,
        known: dict[str, Floats] | None = None,
    ) -> None:
        self._sides = {
            "mean_observed": (asked, observed),
            "mean_made": (asked, reconstructed),
            "completed_observed": (completed, observed),
            "completed_made": (completed, reconstructed),
            "hidden": (asked_hidden, hidden),
        }
        self._known = dict(known or {})

    def _product(self, name: str) -> Floats:
        if name not in self._known:
            left, right = self._sides[name]
            self._known[name] = left @ right.T
        return self._known[name]

    def _mixed(self, side: str, delta: float, part: slice) -> Floats:
        """(1 − δ)·⟨q̄, g⟩ + δ·⟨f̂, g⟩ for one side of the gallery; not to be written to."""
        if delta in (0.0, 1.0):
            return self._product(f"{'completed' if delta else 'mean'}_{side}")[part]
        mixed = self._product(f"mean_{side}")[part] * np.float32(1 - delta)
        mixed += self._product(f"completed_{side}")[part] * np.float32(delta)
        return mixed

    def scores(self, space: Space, w: Weights, part: slice = slice(None)) -> Floats:
        """Scores (q, g) in a space, not to be written to; see `hybrid` for the formula.

        Args:
            space: One of `hybrid.SPACES`.
            w: δ, γ, ε.
            part: Of the queries.
        """
        delta, gamma, epsilon = {
            "encoder": (0.0, 0.0, 0.0),
            "reconstructed": (1.0, 0.0, w.epsilon),
            "hidden": (0.0, 1.0, 0.0),
        }.get(space, (w.delta, w.gamma, w.epsilon))
        if gamma == 1:
            return self._product("hidden")[part]
        if not epsilon and gamma and 0 < delta < 1:  # the common case, in fewer passes
            scores = self._product("mean_observed")[part] * np.float32((1 - gamma) * (1 - delta))
            scores += self._product("completed_observed")[part] * np.float32((1 - gamma) * delta)
            scores += self._product("hidden")[part] * np.float32(gamma)
            return scores
        scores = self._mixed("observed", delta, part)
        if epsilon:
            scores = scores * np.float32(1 - epsilon)
            scores += self._mixed("made", delta, part) * np.float32(epsilon)
            scores /= self._length(epsilon)
        if gamma:
            scores = scores * np.float32(1 - gamma)
            scores += self._product("hidden")[part] * np.float32(gamma)
        return scores

    def _length(self, epsilon: float) -> Floats:
        """‖(1 − ε)·f + ε·r‖ of each gallery row."""
        if "gallery" not in self._known:
            observed, made = (self._sides[f"mean_{s}"][1] for s in ("observed", "made"))
            self._known["gallery"] = (observed * made).sum(axis=1)
        cross = 2 * epsilon * (1 - epsilon) * self._known["gallery"]
        return np.asarray(np.sqrt((1 - epsilon) ** 2 + epsilon**2 + cross), np.float32)


@dataclass(frozen=True)
class Direction:
    """Everything that scoring one direction needs: q queries against g gallery rows.

    Attributes:
        given: Visible set of the queries, `image+sat`.
        target: Modality of the gallery.
        same_item: Whether the very item is asked for, else another of the same species.
        products: Of the queries with the gallery. The gallery is completed without the modality that
            asks: a user's query is not in the bundle either, and would else be found by itself.
        relevant: (q, g).
        own: (q,) gallery row of the query's own observation where it may not answer, else −1: for
            targets matched by species the question is whether *another* observation is found.
    """

    given: str
    target: str
    same_item: bool
    products: Products
    relevant: NDArray[np.bool_]
    own: NDArray[np.int64]

    def ranks(self, space: Space, weights: Weights) -> NDArray[np.float64]:
        """Expected rank of the first right answer of each query that has one."""
        scores = self.products.scores(space, weights).copy()
        left_out = np.flatnonzero(self.own >= 0)
        scores[left_out, self.own[left_out]] = -np.inf
        ranks = expected_ranks(scores, self.relevant)
        return np.asarray(ranks[np.isfinite(ranks)])


def directions(
    model: Completer,
    x: Floats,
    present: NDArray[np.bool_],
    species: NDArray[Any] | None,
    limit: int = 800,
    givens: Sequence[tuple[str, ...]] | None = None,
) -> Iterator[Direction]:
    """Every visible set with every target outside it that have 20 queries and 20 gallery rows.

    Only observed targets are in the gallery.

    Args:
        model: Only its MVAE is used.
        x: (n, m, d) unit rows.
        present: (n, m).
        species: (n,) labels; an empty one is unknown and matches nothing. Without labels every
            target counts as found when the very item is.
        limit: Queries per direction, the first in order.
        givens: Visible sets; each modality alone when None.
    """
    names = model.modalities
    known = np.zeros(len(x), bool)
    if species is not None:
        known = np.array([s is not None and s != "" for s in species])
    for given in givens or [(n,) for n in names]:
        of_given = [names.index(g) for g in given]
        without = present.copy()
        without[:, of_given] = False
        rest = np.flatnonzero(without.any(axis=1))
        askers = np.flatnonzero(present[:, of_given].all(axis=1))
        if len(rest) < _LEAST or len(askers) < _LEAST:
            continue
        others = [t for t in names if t not in given]
        at = np.full(len(x), -1)
        at[rest] = np.arange(len(rest))
        whole = infer(model, x[rest], without[rest], others)
        mask = np.zeros((len(askers), len(names)), bool)
        mask[:, of_given] = True
        asked = infer(model, x[askers], mask, others)
        mean = mean_embedding(x[askers], mask)
        for i, target in enumerate(others):
            t = names.index(target)
            same_item = species is None or target in SAME_ITEM
            have = np.flatnonzero(present[:, t])
            able = present[askers, t] if same_item else known[askers]
            of = np.flatnonzero(able)[:limit]
            rows = askers[of]
            if len(rows) < _LEAST or len(have) < _LEAST:
                continue
            own = np.full(len(rows), -1)
            if same_item or species is None:
                relevant = x[rows, t] @ x[have, t].T > _IDENTICAL
            else:
                place = np.full(len(x), -1)
                place[have] = np.arange(len(have))
                own = place[rows]
                relevant = species[rows][:, None] == species[have][None, :]
                relevant &= np.arange(len(have)) != own[:, None]
            yield Direction(
                set_key(given, names),
                target,
                same_item,
                Products(
                    mean[of],
                    asked.reconstructed[of, i],
                    asked.hidden[of],
                    x[have, t],
                    whole.reconstructed[at[have], i],
                    whole.hidden[at[have]],
                ),
                np.asarray(relevant),
                own,
            )


def recall_table(
    model: Model,
    x: Floats,
    present: NDArray[np.bool_],
    species: NDArray[Any] | None,
    limit: int = 800,
) -> list[dict[str, Any]]:
    """Recall of every direction in three spaces.

    Returns:
        A record per direction: `given`, `target`, `match` (`same item` or `same species`), `rows`,
        `gallery`, and for `encoder`, `reconstructed` and `hybrid` each recall@1, recall@10 and the
        95 % bootstrap interval of recall@1.
    """
    out = []
    for d in directions(model, x, present, species, limit):
        record: dict[str, Any] = {
            "given": d.given,
            "target": d.target,
            "gallery": d.relevant.shape[1],
            "match": "same item" if d.same_item else "same species",
        }
        weights = replace(
            model.weights((d.given,), d.target), epsilon=model.weights((), d.target).epsilon
        )
        spaces: tuple[Space, ...] = ("encoder", "reconstructed", "hybrid")
        for space in spaces:
            ranks = d.ranks(space, weights)
            record["rows"] = len(ranks)
            record[space] = {
                "recall@1": recall_at(ranks, 1),
                "recall@10": recall_at(ranks, 10),
                "interval": bootstrap_interval(ranks <= 1, draws=300),
            }
        out.append(record)
    return out
