"""Choosing the mixing weights δ, γ of every direction on validation embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.metrics import recall_at
from prom3e_index.model import Model, Weights
from prom3e_index.recall import directions

DELTAS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
GAMMAS = (0.0, 0.1, 0.25, 0.5)


def tune(
    model: Model, x: NDArray[np.float32], present: NDArray[np.bool_], species: NDArray[Any]
) -> dict[str, dict[str, float]]:
    """Best δ, γ by recall@1 + recall@10 for every ordered pair of modalities.

    Returns:
        `image->text` → `delta`, `gamma`, their `recall`@1, and recall@1 of `encoder` and
        `reconstructed` beside it.
    """
    out: dict[str, dict[str, float]] = {}
    for d in directions(model, x, present, species):
        scored: dict[tuple[float, float], float] = {}
        first: dict[tuple[float, float], float] = {}
        for delta in DELTAS:
            for gamma in GAMMAS:
                ranks = d.ranks("hybrid", Weights(delta, gamma))
                first[delta, gamma] = recall_at(ranks, 1)
                scored[delta, gamma] = first[delta, gamma] + recall_at(ranks, 10)
        best = max(scored, key=lambda key: (round(scored[key], 4), -key[1], -abs(key[0] - 0.5)))
        out[f"{d.given}->{d.target}"] = {
            "delta": best[0],
            "gamma": best[1],
            "recall": first[best],
            "encoder": first[0.0, 0.0],
            "reconstructed": first[1.0, 0.0],
            "queries": float(len(d.queries)),
        }
    return out
