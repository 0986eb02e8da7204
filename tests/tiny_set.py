"""A tiny set of embeddings with species, made by code, for tests of evaluation and training."""

from __future__ import annotations

import numpy as np

from prom3e_index.evaluation.data import EvalSet

NAMES = ("image", "sat", "loc", "env", "text", "audio")


def tiny(n=40, seed=0, missing=0.2, d=512):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 6, d)).astype(np.float32)
    x[: n // 4, 4] = x[0, 4]  # one name for many rows
    x /= np.linalg.norm(x, axis=2, keepdims=True)
    present = rng.random((n, 6)) > missing
    present[~present.any(1), 0] = True
    x[~present] = 0
    species = np.array([f"s{i}" for i in rng.integers(0, 6, n)])
    species[3] = ""
    columns = {
        "species": species,
        "genus": np.array(
            [s[:1] + str(len(s) and int(s[1:] or 0) // 2) if s else "" for s in species]
        ),
    }
    return EvalSet(
        x, present, NAMES, np.arange(n).astype(str), columns, f"tiny{seed}", "f", np.arange(n), n
    )


def write(path, data, **more):
    np.savez(path, embeddings=data.x, present=data.present, ids=data.ids, **data.columns, **more)
