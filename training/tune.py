"""Choosing the mixing weights δ, γ of every direction on validation embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.hybrid import gallery, infer, query_rows
from prom3e_index.metrics import expected_ranks, recall_at
from prom3e_index.model import Model, Weights

DELTAS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
GAMMAS = (0.0, 0.1, 0.25, 0.5)
SAME_ITEM = ("sat", "loc", "env")
"""Targets that are right when the very item is found; elsewhere the same species counts."""


def relevance(
    target: str, species_q: NDArray[Any], species_g: NDArray[Any], rows_q: NDArray[Any], x_g: NDArray[Any],
    x_q: NDArray[Any],
) -> NDArray[np.bool_]:  # fmt: skip
    """Which gallery rows answer which queries, (q, n)."""
    if target in SAME_ITEM:
        return np.asarray(x_q @ x_g.T > 1 - 1e-4)
    same = species_q[:, None] == species_g[None, :]
    return np.asarray(same & (rows_q[:, None] != np.arange(len(species_g))[None, :]))


def tune(
    model: Model, x: NDArray[np.float32], present: NDArray[np.bool_], species: NDArray[Any], limit: int = 800
) -> dict[str, dict[str, float]]:
    """Best δ, γ by recall@1 + recall@10 for every ordered pair of modalities.

    The gallery is completed without the modality that asks, as a user's query is not in the bundle.

    Args:
        model: Encoders are not needed, only the MVAE.
        x: (n, m, d) unit rows of validation observations.
        present: (n, m).
        species: (n,) labels.
        limit: Queries per direction.

    Returns:
        `image->text` → `delta`, `gamma`, `recall`, and recall@1 of the spaces `encoder`,
        `reconstructed` beside it.
    """
    names = model.modalities
    out: dict[str, dict[str, float]] = {}
    for g, given in enumerate(names):
        rows = np.flatnonzero(present[:, g])[:limit]
        mask = np.zeros((len(rows), len(names)), bool)
        mask[:, g] = True
        seen = infer(model, x[rows], mask, names)
        without = present.copy()
        without[:, g] = False  # else a row would be found by the very embedding that asks
        rest = np.flatnonzero(without.any(axis=1))
        whole = infer(model, x[rest], without[rest], names)
        at = np.full(len(x), -1)
        at[rest] = np.arange(len(rest))
        for t, target in enumerate(names):
            if t == g:
                continue
            have = np.flatnonzero(present[:, t])
            both = present[rows, t] if target in SAME_ITEM else np.ones(len(rows), bool)
            if both.sum() < 20 or len(have) < 20:
                continue
            bank = gallery(x[have, t], np.ones(len(have), bool), whole.reconstructed[at[have], t],
                           whole.hidden[at[have]], 0.0)  # fmt: skip
            position = np.full(len(x), -1)
            position[have] = np.arange(len(have))
            truth = relevance(target, species[rows[both]], species[have], position[rows[both]],
                              x[have, t], x[rows[both], t])  # fmt: skip
            scored: dict[tuple[float, float], float] = {}
            ones: dict[tuple[float, float], float] = {}
            for delta in DELTAS:
                for gamma in GAMMAS:
                    q = query_rows(x[rows[both], g], seen.reconstructed[both, t], seen.hidden[both],
                                   "hybrid", Weights(delta, gamma))  # fmt: skip
                    ranks = expected_ranks(q @ bank.T, truth)
                    ranks = ranks[np.isfinite(ranks)]
                    ones[delta, gamma] = recall_at(ranks, 1)
                    scored[delta, gamma] = recall_at(ranks, 1) + recall_at(ranks, 10)
            delta, gamma = max(scored, key=lambda key: (round(scored[key], 4), -key[1], -abs(key[0] - 0.5)))
            out[f"{given}->{target}"] = {
                "delta": delta, "gamma": gamma, "recall": ones[delta, gamma], "encoder": ones[0.0, 0.0],
                "reconstructed": ones[1.0, 0.0], "queries": float(both.sum()),
            }  # fmt: skip
    return out
