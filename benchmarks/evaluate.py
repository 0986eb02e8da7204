"""Time and memory of `evaluate retrieval` at the size of TaxaBench-8k, on synthetic embeddings.

    python benchmarks/evaluate.py [--rows 8813]

Six modalities of width 512 by species, genus, family and order, an MVAE of the default size with random
weights (its recall means nothing; its cost is that of the released one), all 30 directions, four spaces.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from prom3e_index.evaluation.directions import pairs
from prom3e_index.evaluation.retrieval.records import records
from prom3e_index.evaluation.retrieval.run import RetrievalConfig, evaluate_retrieval
from prom3e_index.evaluation.retrieval.scoring import score
from prom3e_index.evaluation.sources import read_eval
from prom3e_index.models.folder import Model
from prom3e_index.mvae.files import write_mvae
from prom3e_index.mvae.network import MVAE, MVAEConfig

SPECIES = 1200


def synthetic(path: Path, rows: int) -> None:
    """Write embeddings of a long-tailed world: kinds near one another where their kinds are."""
    rng = np.random.default_rng(0)
    share = 1 / np.arange(1, SPECIES + 1) ** 0.7
    species = rng.choice(SPECIES, rows, p=share / share.sum())
    kinds = [species, species // 3, species // 24, species // 120]
    base = np.zeros((rows, 512), np.float32)
    for kind, weight in zip(kinds, (1, 0.8, 0.6, 0.5), strict=True):
        centres = rng.normal(size=(kind.max() + 1, 512)) / np.sqrt(512)
        base += (weight * centres[kind]).astype(np.float32)
    x = np.repeat(base[:, None], 6, axis=1)
    noisy = [0, 1, 2, 3, 5]  # a name is the same for all rows of a species
    x[:, noisy] += (rng.normal(size=(rows, 5, 512)) * 2.2 / np.sqrt(512)).astype(np.float32)
    x /= np.linalg.norm(x, axis=2, keepdims=True)
    names = dict(zip(("species", "genus", "family", "order"), kinds, strict=True))
    np.savez(
        path, embeddings=x, ids=np.arange(rows), **{k: v.astype(str) for k, v in names.items()}
    )


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=8813)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        synthetic(folder / "data.npz", rows)
        torch.manual_seed(0)
        write_mvae(MVAE(MVAEConfig()), folder / "model")
        (folder / "model/model.toml").write_text(
            'name = "random"\nwidth = 512\n[mvae]\nsource = "."\n'
            'modalities = ["image", "sat", "loc", "env", "text", "audio"]\n'
            "[weights.default]\ndelta = 0.5\ngamma = 0.25\nepsilon = 0.0\n"
        )
        model = Model.open(folder / "model")
        begun = time.perf_counter()
        data = read_eval(folder / "data.npz", model.modalities, model.width)
        scored = score(
            data, model, pairs(model.modalities), weights=lambda g, t: model.weights(g, t)
        )
        ranked = time.perf_counter()
        records(scored)
        done = time.perf_counter()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(f"{rows:,} rows, 30 directions, 4 spaces, rows, species, genus, family, order:")
        print(f"ranks {ranked - begun:.1f} s, intervals {done - ranked:.1f} s, peak {peak:.2f} GB")
        begun = time.perf_counter()
        evaluate_retrieval(
            RetrievalConfig(folder / "data.npz", folder / "out", str(folder / "model"))
        )
        whole = time.perf_counter() - begun
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(f"whole command, with zero-shot, error split and files: {whole:.1f} s, {peak:.2f} GB")


if __name__ == "__main__":
    main()
