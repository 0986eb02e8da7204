"""The best rows of a query vector: from the stored galleries, or from one mixed anew with another ε."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.errors import InputError
from prom3e_index.search.groups import PER_GROUP, Found, best_of_groups
from prom3e_index.search.query import Query

if TYPE_CHECKING:
    from prom3e_index.models.folder import Model, Weights

Floats = NDArray[np.float32]
_NONE = np.zeros(0, np.int64)


def weights_of(
    bundle: BundleFolder, model: Model, query: Query, visible: list[str], target: str
) -> Weights:
    """δ, γ, ε of a query: its own, else the model's and the bundle's, as its space takes them.

    Raises:
        InputError: A weight that is not between 0 and 1.
    """
    from prom3e_index.models.folder import Weights

    own = model.weights(visible, target)
    stored = float(bundle.manifest.get("epsilon", {}).get(target, 0.0))
    chosen = {"delta": query.delta, "gamma": query.gamma, "epsilon": query.epsilon}
    for name, value in chosen.items():
        if value is not None and not 0 <= value <= 1:
            raise InputError(f"--{name} is {value}; it must lie between 0 and 1.")
    values = {"delta": own.delta, "gamma": own.gamma, "epsilon": stored}
    values |= {k: v for k, v in chosen.items() if v is not None}
    fixed = {
        "encoder": {"delta": 0.0, "gamma": 0.0, "epsilon": 0.0},
        "reconstructed": {"delta": 1.0, "gamma": 0.0},
        "hidden": {"gamma": 1.0},
    }.get(query.space, {})
    return Weights(**{**values, **fixed})


def mixed_anew(bundle: BundleFolder, target: str, weights: Weights) -> bool:
    """Whether the gallery of a target has to be mixed anew for an ε that is not the stored one."""
    stored = float(bundle.manifest.get("epsilon", {}).get(target, 0.0))
    return weights.epsilon != stored and weights.gamma < 1  # γ = 1 asks the hidden block alone


@dataclass(frozen=True)
class Ahead:
    """The best rows of a query, found before they are asked for.

    Attributes:
        asked: So many were asked for.
        found: Fewer where no more are eligible.
        exact: Whether they are the very best, so that fewer of them are what a search for fewer finds.
    """

    asked: int
    found: Found
    exact: bool

    def first(self, k: int) -> Found | None:
        """The k best; None where another search might find others."""
        scores, rows, path = self.found
        every = len(rows) < self.asked
        if k != self.asked and not (self.exact and (k < self.asked or every)):
            return None
        return scores[:k], rows[:k], path


def but(found: Found, without: NDArray[np.int64], k: int) -> Found:
    """The k best of rows that were found, without some of them."""
    scores, rows, path = found
    if len(without):
        kept = ~np.isin(rows, without)
        scores, rows = scores[kept], rows[kept]
    return scores[:k], rows[:k], path


def first_k(query: Query) -> int:
    """How many rows `find` takes first: more than hits where groups are asked for."""
    return query.k if query.group_by is None else PER_GROUP * query.k


def find(
    bundle: BundleFolder,
    model: Model,
    query: Query,
    target: str,
    vector: Floats,
    rows: NDArray[np.int64] | None,
    weights: Weights,
    ahead: Ahead | None = None,
    without: NDArray[np.int64] = _NONE,
) -> tuple[Floats, NDArray[np.int64], str]:
    """Scores, row numbers, best first, ties by row; and the path taken.

    Args:
        bundle: What is searched.
        model: Its model, for a gallery mixed anew.
        query: Says k, groups and whether the index may be used.
        target: Modality searched for.
        vector: (d + z + bias,) query vector.
        rows: Eligible rows, ascending; all when None.
        weights: As `weights_of` gives them.
        ahead: The best rows where they are known already.
        without: Rows that are left out, ascending.

    Raises:
        InputError: Too many rows would have to be completed anew; see `remix`.
    """
    if mixed_anew(bundle, target, weights):
        every = bundle.all_of(rows, mixed=True)
        kept = every if not len(without) else every[~np.isin(every, without, assume_unique=True)]
        take = _remixed(bundle, model, target, vector, kept, weights.epsilon)
    else:

        def take(k: int) -> Found:
            known = None if ahead is None else ahead.first(k)
            if known is not None:
                return known
            scores, found, path = bundle.nearest(
                target, vector[None], k + len(without), rows, exactly=query.exact
            )
            return but((scores[0], found[0], path), without, k)

    if query.group_by is None:
        return take(query.k)
    every = bundle.all_of(rows)
    return best_of_groups(bundle, take, query.group_by, query.k, every, target)


def _remixed(
    bundle: BundleFolder,
    model: Model,
    target: str,
    vector: Floats,
    rows: NDArray[np.int64],
    epsilon: float,
) -> Callable[[int], Found]:
    """Takes the k best of rows scored with another ε."""
    from prom3e_index.bundle.faiss.scan import best
    from prom3e_index.search.remix import remixed_scores

    scores, computed = remixed_scores(bundle, model, target, vector, rows, epsilon)
    path = f"exact, gallery mixed anew with ε = {epsilon:g}"
    if computed:
        path += f", {computed:,} observations completed again"
    return lambda k: (*best(scores, rows, k), path)
