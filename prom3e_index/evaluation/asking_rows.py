"""Validation rows as they ask an index of themselves: scores of each part of a query of several modalities.

Scores are arrays; where the model is on a card, its tensors: galleries stay there, queries are brought.

Gallery rows are completed from all that they have, and the query is no row of the index: by species its own row is
no answer; by row it is the only right one, and completed without what was asked with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from prom3e_index.evaluation.directions import label_codes
from prom3e_index.evaluation.gallery import Gallery
from prom3e_index.evaluation.ranking import Labels, Right
from prom3e_index.models.device import is_card
from prom3e_index.models.mixing import Weights
from prom3e_index.mvae.completion import Completer, Inferred, infer, mean_embedding
from prom3e_index.search.score import gallery, query_rows

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
WeightsOf = Callable[[tuple[str, ...], str], Weights]
LEAST, QUERIES = 20, 200
"""Queries that a direction needs, and has at most."""


@dataclass(frozen=True)
class SetAsked:
    """Scores (q, g) of queries with one visible set for one target; the own row's are those without the visible set.

    Arrays, or tensors of the model's card.

    Attributes:
        mean: Of q̄ with the target's block.
        completed: Of f̂.
        hidden: Of the hidden block.
        alone: Of the hybrid query of each modality alone.
        right: Right answers by rule, `row` and, with labels, `species`.
        half: (q,) 0 or 1, by species.
    """

    mean: Any
    completed: Any
    hidden: Any
    alone: list[Any]
    right: dict[str, Right]
    half: Ints

    def together(self, w: Weights) -> Any:
        """Scores of the query in which all is seen together."""
        q = _share(1 - w.delta) * self.mean + _share(w.delta) * self.completed
        return _share(1 - w.gamma) * q + _share(w.gamma) * self.hidden


def _share(value: float) -> float:
    return float(np.float32(value))


class AskingRows:
    """Validation rows, with the galleries of an index of them.

    Args:
        model: Completes.
        x: (n, m, d) unit rows.
        present: (n, m).
        species: (n,) labels, or None.
        weights: δ, γ, ε for a visible set and target.
    """

    def __init__(
        self,
        model: Completer,
        x: Floats,
        present: NDArray[np.bool_],
        species: NDArray[np.object_] | None,
        weights: WeightsOf,
    ) -> None:
        self.model, self.x, self.present, self.weights = model, x, present, weights
        self.names = model.modalities
        self.codes = label_codes(species, len(x))
        self.labelled = bool((self.codes >= 0).any())
        turn = np.random.default_rng(0)
        by = self.codes if self.labelled else np.arange(len(x))
        self.half = turn.integers(0, 2, int(by.max(initial=0)) + 1)[np.maximum(by, 0)]
        self.turn = turn.permutation(len(x))
        self.epsilon = {t: weights((), t).epsilon for t in self.names}
        self.made = [t for t in self.names if self.epsilon[t]]
        able = np.flatnonzero(present.any(axis=1))
        found = infer(model, x[able], present[able], self.made)
        at = np.zeros(len(x), np.int64)
        at[able] = np.arange(len(able))
        self.galleries, self.vectors = {}, {}
        for i, t in enumerate(self.names):
            g = Gallery(x, present, i)
            self.galleries[t] = g
            self.vectors[t] = self._vectors(
                t, g.rows, found.reconstructed[at[g.rows]], found.hidden[at[g.rows]]
            )
        card = self.vectors if is_card(model.device) else {}
        self._there = {t: torch.from_numpy(v).to(model.device) for t, v in card.items()}
        self._single: dict[str, Inferred] = {}
        self._last: tuple[tuple[str, ...], tuple[Ints, Inferred, Inferred]] | None = None
        self.labels = {t: Labels(self.codes[g.rows]) for t, g in self.galleries.items()}

    def _vectors(self, target: str, rows: Ints, made: Floats, hidden: Floats) -> Floats:
        t, epsilon = self.names.index(target), self.epsilon[target]
        observed = self.x[rows, t]
        mixed = made[:, self.made.index(target)] if epsilon else observed
        return gallery(observed, np.ones(len(rows), bool), mixed, hidden, epsilon)

    def _alone(self, m: str) -> Inferred:
        """What the model makes of all rows that show one modality alone; of those that lack it nothing is read."""
        if m not in self._single:
            one = np.zeros_like(self.present)
            one[:, self.names.index(m)] = True
            self._single[m] = infer(self.model, self.x, one, self.names)
        return self._single[m]

    def _shown(self, given: tuple[str, ...]) -> tuple[Ints, Inferred, Inferred]:
        """Rows that ask, what the model makes of what they show, and of what else they have."""
        if self._last is None or self._last[0] != given:
            shown = np.zeros_like(self.present)
            shown[:, [self.names.index(m) for m in given]] = True
            able = (self.present | ~shown).all(axis=1) & (self.present & ~shown).any(axis=1)
            rows = np.flatnonzero(able & ((self.codes >= 0) | (not self.labelled)))
            rows = np.sort(rows[np.argsort(self.turn[rows])[: 2 * QUERIES]])
            together = infer(self.model, self.x[rows], shown[rows], self.names)
            without = infer(self.model, self.x[rows], (self.present & ~shown)[rows], self.made)
            self._last = given, (rows, together, without)
        return self._last[1]

    def asked(self, given: tuple[str, ...], target: str) -> SetAsked | None:
        """Scores of a direction; None with too few queries or gallery rows."""
        every_row, together, without = self._shown(given)
        g, t = self.galleries[target], self.names.index(target)
        has = np.flatnonzero(self.present[every_row, t])
        has = np.sort(has[np.argsort(self.turn[every_row[has]])[:QUERIES]])
        rows = every_row[has]
        if len(rows) < LEAST or len(g) < LEAST:
            return None
        own = self._vectors(target, rows, without.reconstructed[has], without.hidden[has])
        every, there = self.vectors[target], self._there.get(target)
        place, d = g.place[rows], self.model.width
        at = np.arange(len(rows))

        def scores(q: Any, part: slice) -> Any:
            mine: Any = own[:, part]
            if there is not None:
                q, mine = (
                    torch.from_numpy(v).to(there.device) for v in (q, np.ascontiguousarray(mine))
                )
            out = q @ (every if there is None else there)[:, part].T
            out[at, place] = (q * mine).sum(1)
            return out

        alone = []
        for m in given:
            told, w = self._alone(m), self.weights((m,), target)
            shown = self.x[rows, self.names.index(m)]
            q = query_rows(shown, told.reconstructed[rows, t], told.hidden[rows], "hybrid", w)
            alone.append(scores(q, slice(None)))
        mean = np.zeros((len(rows), len(self.names)), bool)
        mean[:, [self.names.index(m) for m in given]] = True
        right = {"row": Right.rows(place)}
        if self.labelled:
            right["species"] = Right.alike(self.codes[rows], self.labels[target], place)
        block, rest = slice(None, d), slice(d, None)
        return SetAsked(
            scores(mean_embedding(self.x[rows], mean), block),
            scores(together.reconstructed[has, t], block),
            scores(together.hidden[has], rest),
            alone,
            right,
            self.half[rows],
        )
