"""Small embedding sets made by code, and a recipe small enough to train on them in a test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from prom3e_index.training.stage_two.recipe import Recipe
from prom3e_index.training.stage_two.sets import EmbeddingSet

NAMES = ("image", "sat", "loc", "env", "text", "audio")
TINY = Recipe(
    embed_dim=16, heads=2, mlp_dim=24, registers=2, batch_size=16, steps=12, lr=1e-3, validate=2
)


def made(n, *, seed=0, d=12, species=True, missing=0.3) -> EmbeddingSet:
    """Rows whose modalities are noisy rotations of one latent point a species."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, max(2, n // 6), n)
    latent = np.random.default_rng(99).normal(size=(n, d))[label] + 0.4 * rng.normal(size=(n, d))
    turn = np.random.default_rng(7).normal(size=(6, d, d))
    x = np.einsum("nd,mde->nme", latent, turn).astype(np.float32)
    present = rng.random((n, 6)) > missing
    present[:, 0] |= ~present.any(axis=1)
    x = np.where(present[:, :, None], x / np.linalg.norm(x, axis=2, keepdims=True), 0)
    names = np.array([f"s{v}" for v in label]) if species else None
    return EmbeddingSet(
        torch.from_numpy(x), torch.from_numpy(present), names, "made", f"made{seed}{n}"
    )


def write_npz(path: Path, s: EmbeddingSet, **more) -> Path:
    arrays = {
        "embeddings": s.x.numpy(),
        "present": s.present.numpy(),
        "ids": np.arange(len(s)).astype(str),
    }
    if s.species is not None:
        arrays["species"] = s.species
    np.savez(path, **arrays, **more)
    return path
