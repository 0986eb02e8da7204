"""The best rows of a query vector: from the stored galleries, or from one mixed anew with another ε."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.errors import InputError
from prom3e_index.search.groups import best_of_groups
from prom3e_index.search.query import Query

if TYPE_CHECKING:
    from prom3e_index.models.folder import Model, Weights

Floats = NDArray[np.float32]


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


def find(
    bundle: BundleFolder,
    model: Model,
    query: Query,
    target: str,
    vector: Floats,
    rows: NDArray[np.int64] | None,
    weights: Weights,
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
    """
    from prom3e_index.bundle.faiss.scan import best

    stored = float(bundle.manifest.get("epsilon", {}).get(target, 0.0))
    remixed: Floats | None = None
    every = bundle.live if rows is None else rows
    if weights.epsilon != stored:
        remixed = _remixed_scores(bundle, model, target, vector, every, weights.epsilon)

    def take(k: int) -> tuple[Floats, NDArray[np.int64], str]:
        if remixed is not None:
            return (
                *best(remixed, every, k),
                f"exact, gallery mixed anew with ε = {weights.epsilon:g}",
            )
        scores, found, path = bundle.nearest(target, vector[None], k, rows, exactly=query.exact)
        return scores[0], found[0], path

    if query.group_by is None:
        return take(query.k)
    return best_of_groups(bundle, take, query.group_by, query.k, len(every))


def _remixed_scores(
    bundle: BundleFolder,
    model: Model,
    target: str,
    vector: Floats,
    rows: NDArray[np.int64],
    epsilon: float,
) -> Floats:
    """Scores with another ε than the stored one: the gallery is computed again, block by block."""
    from prom3e_index.mvae.completion import infer
    from prom3e_index.search.score import gallery

    t = bundle.modalities.index(target)
    stored = [bundle.embeddings(m) for m in bundle.modalities]
    out = np.empty(len(rows), np.float32)
    for at in range(0, len(rows), 2048):
        part = rows[at : at + 2048]
        x = np.stack([np.asarray(e[part], np.float32) for e in stored], axis=1)
        has = bundle.present[part]
        inferred = infer(model, x, has, (target,))
        block = gallery(x[:, t], has[:, t], inferred.reconstructed[:, 0], inferred.hidden, epsilon)
        out[at : at + 2048] = block.astype(np.float16).astype(np.float32) @ vector[: block.shape[1]]
    return out
