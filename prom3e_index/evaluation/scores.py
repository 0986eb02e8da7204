"""Scores of queries with the gallery of a target, in every space, each product computed when first needed.

Arrays, or tensors of a device where `VisibleSet.on` brings them there: the same formulas.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from prom3e_index.encoders.protocol import unit_rows
from prom3e_index.evaluation.gallery import Gallery
from prom3e_index.models.folder import Weights
from prom3e_index.models.joined import Joined
from prom3e_index.mvae.class_tokens import Tokens
from prom3e_index.mvae.completion import Completer, infer, mean_embedding
from prom3e_index.search.score import Space

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


class Products:
    """Inner products of q queries with g gallery rows, each computed when first needed.

    Args:
        asked: (q, d) encoder embeddings of the queries, q̄.
        gallery: Their target's.
        completed: (q, d) what the MVAE makes of each for the target; None with the encoder space alone.
        asked_hidden: (q, z), likewise.
        reconstructed: (g, d) what the MVAE makes of the gallery's observations; None where ε is 0.
        hidden: (g, z), likewise None with the encoder space alone.
        hidden_product: ⟨asked_hidden, hidden⟩ (q, g), where it is known: it is the same for every target.
        joined: How the hybrid query is joined, and the products of each given modality alone.
    """

    def __init__(
        self,
        asked: Floats,
        gallery: Gallery,
        completed: Floats | None = None,
        asked_hidden: Floats | None = None,
        reconstructed: Floats | None = None,
        hidden: Floats | None = None,
        hidden_product: Floats | None = None,
        joined: tuple[Joined, Sequence[Products]] | None = None,
    ) -> None:
        self._gallery, self._reconstructed, self._joined = gallery, reconstructed, joined
        self._asked = {"mean": asked, "completed": completed}
        self._hidden = (asked_hidden, hidden)
        self._known: dict[str, Floats] = {}
        if hidden_product is not None:
            self._known["hidden"] = hidden_product

    def _product(self, name: str) -> Floats:
        if name not in self._known:
            if name == "hidden":
                left, right = self._hidden
            else:
                which, _, side = name.partition("_")
                left = self._asked[which]
                right = self._reconstructed if side == "made" else self._gallery.observed
            if left is None or right is None:
                raise ValueError(f"The product {name} was not prepared; see `VisibleSet`.")
            plain = name.endswith("_observed")
            self._known[name] = self._gallery.products(left) if plain else left @ right.T
        return self._known[name]

    def _mixed(self, side: str, delta: float, part: slice) -> Floats:
        """(1 − δ)·⟨q̄, g⟩ + δ·⟨f̂, g⟩ for one side of the gallery; not to be written to."""
        if delta in (0.0, 1.0):
            return self._product(f"{'completed' if delta else 'mean'}_{side}")[part]
        mixed = self._product(f"mean_{side}")[part] * float(1 - delta)
        mixed += self._product(f"completed_{side}")[part] * float(delta)
        return mixed

    def scores(self, space: Space, w: Weights, part: slice = slice(None)) -> Floats:
        """Scores (q, g) in a space, not to be written to; see `search.score` for the formula.

        Args:
            space: One of `search.score.SPACES`.
            w: δ, γ, ε.
            part: Of the queries.
        """
        if space == "hybrid" and self._joined is not None:
            how, alone = self._joined
            one = [
                p.scores(space, replace(own, epsilon=w.epsilon), part)
                for p, own in zip(alone, how.weights, strict=True)
            ]
            joined: Floats = how.of(self._together(space, w, part), one)
            return joined
        return self._together(space, w, part)

    def _together(self, space: Space, w: Weights, part: slice) -> Floats:
        """Scores of the query in which all that is given is seen together."""
        delta, gamma, epsilon = {
            "encoder": (0.0, 0.0, 0.0),
            "reconstructed": (1.0, 0.0, w.epsilon),
            "hidden": (0.0, 1.0, 0.0),
        }.get(space, (w.delta, w.gamma, w.epsilon))
        if gamma == 1:
            return self._product("hidden")[part]
        if not epsilon and gamma and 0 < delta < 1:  # the common case, in fewer passes
            scores = self._product("mean_observed")[part] * float((1 - gamma) * (1 - delta))
            scores += self._product("completed_observed")[part] * float((1 - gamma) * delta)
            scores += self._product("hidden")[part] * float(gamma)
            return scores
        scores = self._mixed("observed", delta, part)
        if epsilon:
            scores = scores * float(1 - epsilon)
            scores += self._mixed("made", delta, part) * float(epsilon)
            scores /= self._length(epsilon)
        if gamma:
            scores = scores * float(1 - gamma)
            scores += self._product("hidden")[part] * float(gamma)
        return scores

    def _length(self, epsilon: float) -> Any:
        """‖(1 − ε)·f + ε·r‖ of each gallery row."""
        if "cosine" not in self._known:
            assert self._reconstructed is not None  # `_mixed` has read it
            self._known["cosine"] = (self._gallery.observed * self._reconstructed).sum(axis=1)
        cross = 2 * epsilon * (1 - epsilon) * self._known["cosine"]
        squared = (1 - epsilon) ** 2 + epsilon**2 + cross
        return squared.clip(min=1e-12) ** 0.5


class _Alone:
    """What one of several modalities asks alone: its embeddings (q, d), completions (q, t, d), hidden (q, z)."""

    def __init__(self, asked: Floats, completed: Floats, hidden: Floats, names: list[str]) -> None:
        self._asked, self._completed, self._hidden, self._names = asked, completed, hidden, names

    def products(
        self, target: str, gallery: Gallery, part: slice | Ints, made: Floats | None, hidden: Floats
    ) -> Products:
        done = self._completed[:, self._names.index(target)]
        return Products(self._asked[part], gallery, done[part], self._hidden[part], made, hidden)


class VisibleSet:
    """What one visible set asks: its queries, and what the MVAE says of them and of the galleries.

    A gallery row's hidden vector, and its reconstruction where ε is above 0, is inferred without the
    visible set: a user's query is not in the index either, and would else be found by itself.

    Args:
        x: (n, m, d) unit rows.
        present: (n, m).
        modalities: m names.
        given: The visible set.
        queries: (q,) rows that ask; each has all of `given`.
        galleries: By target.
        model: Completes; None for the encoder space alone.
        mixed: Targets whose ε may be above 0.
        tokens: Of all rows, where they are prepared; see `mvae.completion.prepare`.
        joins: How hybrid queries are joined of what each modality asks alone, by target; see `models.joined`.

    Attributes:
        given: The visible set.
        queries: (q,) rows that ask.
        sigma_l1: (q,) ‖σ‖₁ of each; none with the encoder space alone.
    """

    def __init__(
        self,
        x: Floats,
        present: NDArray[np.bool_],
        modalities: Sequence[str],
        given: tuple[str, ...],
        queries: Ints,
        galleries: dict[str, Gallery],
        model: Completer | None,
        mixed: Collection[str] = (),
        tokens: Tokens | None = None,
        joins: Mapping[str, Joined] | None = None,
    ) -> None:
        self.given, self.queries, self.galleries = given, queries, galleries
        self._device: str | None = None
        columns = [modalities.index(m) for m in given]
        shown = np.zeros((len(queries), len(modalities)), bool)
        shown[:, columns] = True
        self._mean: Any = mean_embedding(x[queries], shown)
        self._completes = model is not None
        self._joins: dict[str, Joined] = {}
        self.sigma_l1 = np.zeros(0, np.float32)
        if model is None:
            return
        names = list(galleries)

        def of(rows: Ints) -> tuple[Tokens, Ints] | None:
            return None if tokens is None else (tokens, rows)

        asked = infer(model, x[queries], shown, names, tokens=of(queries))
        self._completed: dict[str, Any] = {
            t: asked.reconstructed[:, i] for i, t in enumerate(names)
        }
        self._asked_hidden: Any = asked.hidden
        self.sigma_l1 = asked.sigma_l1
        without = present.copy()
        without[:, columns] = False
        rest = np.flatnonzero(without.any(axis=1))
        self._at = np.full(len(x), -1, np.int64)
        self._at[rest] = np.arange(len(rest))
        made = [t for t in names if t in mixed]
        found = infer(model, x[rest], without[rest], made, tokens=of(rest))
        self._hidden: Any = found.hidden
        self._made: dict[str, Any] = {t: found.reconstructed[:, i] for i, t in enumerate(made)}
        self._joins = {t: how for t, how in (joins or {}).items() if t in galleries}
        self._alone: list[_Alone] = []
        for column in columns if self._joins else []:
            one = np.zeros_like(shown)
            one[:, column] = True
            told = infer(model, x[queries], one, names, tokens=of(queries))
            self._alone.append(_Alone(x[queries, column], told.reconstructed, told.hidden, names))

    def finite(self) -> bool:
        """Whether all that the MVAE says is finite numbers; ranks by other scores would mean nothing."""
        if not self._completes:
            return True
        said = (self._asked_hidden, self._hidden, *self._completed.values(), *self._made.values())
        # minima and maxima are NaN where any number is
        return all(
            bool(np.isfinite([float(v.min()), float(v.max())]).all()) for v in said if v.shape[0]
        )

    def on(self, device: str) -> VisibleSet:
        """The same, its products computed by a device: `products` brings tensors, equal but for rounding."""
        out = copy(self)
        out._device = device
        if not self._completes or self._joins:
            raise ValueError("Only what is completed and asks together is brought to a device.")

        def there(values: Floats) -> Any:
            return torch.from_numpy(np.ascontiguousarray(values, np.float32)).to(device)

        out.galleries = {t: g.on(device) for t, g in self.galleries.items()}
        out._mean, out._asked_hidden, out._hidden = (
            there(v) for v in (self._mean, self._asked_hidden, self._hidden)
        )
        out._completed = {t: there(v) for t, v in self._completed.items()}
        out._made = {t: there(v) for t, v in self._made.items()}
        return out

    def completed(self, target: str) -> Floats:
        """(q, d) what the MVAE makes of each query for a target."""
        return np.asarray(self._completed[target])

    def block(self, target: str, epsilon: float) -> Floats:
        """(g, d) what a target's gallery is searched by beside the hidden block: g_t, mixed by ε."""
        g = self.galleries[target]
        if not epsilon:
            return np.asarray(g.observed)
        made = self._made[target][self._at[g.rows]]
        return unit_rows((1 - epsilon) * g.observed + epsilon * made)

    def vectors(self, target: str, epsilon: float) -> Floats:
        """(g, d + z) a target's gallery as an index holds it: `block` and the hidden vectors."""
        at = self._at[self.galleries[target].rows]
        return np.concatenate([self.block(target, epsilon), self._hidden[at]], axis=1)

    def hidden_product(self, part: slice | Ints) -> Floats | None:
        """⟨h, h⟩ of some queries with all rows that are in any gallery, for `products`."""
        return self._asked_hidden[part] @ self._hidden.T if self._completes else None

    def products(
        self, target: str, part: slice | Ints = slice(None), hidden: Floats | None = None
    ) -> Products:
        """Products of some queries with a target's gallery.

        Args:
            target: One of the galleries.
            part: Of the queries.
            hidden: From `hidden_product` of the same queries; computed when needed, else.
        """
        g = self.galleries[target]
        if not self._completes:
            return Products(self._mean[part], g)
        at = self._at[g.rows]
        if hidden is not None and len(at) < len(self._hidden):
            hidden = hidden[:, at]
        made = self._made[target][at] if target in self._made else None
        joined = None
        if target in self._joins:
            alone = [a.products(target, g, part, made, self._hidden[at]) for a in self._alone]
            joined = self._joins[target], alone
        return Products(
            self._mean[part],
            g,
            self._completed[target][part],
            self._asked_hidden[part],
            made,
            self._hidden[at] if hidden is None else None,
            hidden,
            joined,
        )

    def products_of(
        self, target: str, asked: Floats, completed: Floats | None, asked_hidden: Floats | None
    ) -> Products:
        """Products of queries from elsewhere, with the same visible set, with a target's gallery.

        Arrays; brought to the device where this set is on one.
        """
        g = self.galleries[target]
        if not self._completes:
            return Products(asked, g)
        at = self._at[g.rows]
        made = self._made[target][at] if target in self._made else None
        q, f, h = (self._brought(v) for v in (asked, completed, asked_hidden))
        return Products(q, g, f, h, made, self._hidden[at])

    def _brought(self, values: Floats | None) -> Any:
        if values is None or self._device is None:
            return values
        return torch.from_numpy(np.ascontiguousarray(values)).to(self._device)
