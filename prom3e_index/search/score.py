"""The hybrid score as one inner product: gallery rows and query rows.

    q̄ = normalise(mean of f over G)       q_t = (1 − δ)·q̄ + δ·f̂_t(G)
    g_t = normalise((1 − ε)·f_t + ε·f̂_t(P)) where observed, f̂_t(P) where completed
    score = (1 − γ)·⟨q_t, g_t⟩ + γ·⟨h(G), h(P)⟩ = ⟨[(1 − γ)·q_t, γ·h(G)], [g_t, h(P)]⟩

Source: ProM3E, section on retrieval by modality inversion; γ and ε are ours, 0 is the paper.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prom3e_index.encoders.protocol import unit_rows
from prom3e_index.errors import InputError
from prom3e_index.models.folder import Weights
from prom3e_index.schema import SPACES
from prom3e_index.schema import Space as Space

Floats = NDArray[np.float32]


def gallery(
    observed: Floats, has: NDArray[np.bool_], reconstructed: Floats, hidden: Floats, epsilon: float
) -> Floats:
    """Gallery rows [g_t, h] of one target.

    Args:
        observed: (n, d) encoder embeddings f_t; not read where `has` is False.
        has: (n,) whether the observation has the target.
        reconstructed: (n, d) f̂_t.
        hidden: (n, z).
        epsilon: Share of the reconstruction where observed.

    Returns:
        (n, d + z) float32.
    """
    mixed = unit_rows((1 - epsilon) * observed + epsilon * reconstructed) if epsilon else observed
    return np.concatenate([np.where(has[:, None], mixed, reconstructed), hidden], axis=1)


def query_rows(mean: Floats, completed: Floats, hidden: Floats, space: Space, w: Weights) -> Floats:
    """Query rows [(1 − γ)·q_t, γ·h], (n, d + z), in one of the four spaces.

    `encoder` is δ = γ = 0, `reconstructed` δ = 1 and γ = 0, `hidden` γ = 1.
    """
    if space not in SPACES:
        raise InputError(f"Unknown space {space!r}; known: {', '.join(SPACES)}.")
    delta, gamma = {
        "encoder": (0.0, 0.0),
        "reconstructed": (1.0, 0.0),
        "hidden": (w.delta, 1.0),
    }.get(space, (w.delta, w.gamma))
    q = (1 - delta) * mean + delta * completed
    return np.asarray(np.concatenate([(1 - gamma) * q, gamma * hidden], axis=1), np.float32)
