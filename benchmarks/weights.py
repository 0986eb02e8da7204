"""What δ, γ, ε chosen on one half of some rows are worth on the other half, beside the parts that they mix.

    python benchmarks/weights.py EMBEDDINGS MODEL [--limit 800]

EMBEDDINGS is an `.npz` of `encode` with species, of rows that MODEL was not trained on. Halves share no site: rows
in one cell of 3° are a site, or in a file without coordinates those with one climate; rows of which that is not known
are left out. Each half chooses and the other judges. Prints the mean recall@1 over directions of encoder,
reconstructed, hidden and hybrid. Half a minute for 1,200 rows on one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.encoders.protocol import unit_rows
from prom3e_index.evaluation.directions import directions
from prom3e_index.evaluation.metrics import recall_at
from prom3e_index.evaluation.weights_choice import HIDDEN_ALONE, choose
from prom3e_index.models.folder import Model, Weights
from prom3e_index.search.score import Space

Half = tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[Any]]


def halves(path: Path, modalities: Sequence[str]) -> tuple[Half, Half]:
    """Embeddings, presence and species of two halves without a site in common."""
    with np.load(path, allow_pickle=False) as data:
        x, present = unit_rows(data["embeddings"].astype(np.float32)), data["present"]
        species = data["species"].astype(object)
        site = _sites(data, x, present, modalities)
    x, present, species, site = (v[site >= 0] for v in (x, present, species, site))
    counts = np.bincount(site)
    half, rows = np.zeros(len(counts), int), [0, 0]
    order = np.random.default_rng(0).permutation(len(counts))
    for s in order[np.argsort(-counts[order], kind="stable")]:
        half[s] = int(rows[1] < rows[0])
        rows[half[s]] += counts[s]
    one, other = ((x[at], present[at], species[at]) for at in (half[site] == 0, half[site] == 1))
    return one, other


def _sites(
    data: Mapping[str, Any],
    x: NDArray[np.float32],
    present: NDArray[np.bool_],
    modalities: Sequence[str],
) -> NDArray[np.int64]:
    """(n,) numbers from 0, of rows without a known site -1: by coordinates, else by climate."""
    if "latitude" in data:
        degrees = [
            [float(v) if v not in ("", "None", "nan") else np.nan for v in data[c].astype(str)]
            for c in ("latitude", "longitude")
        ]
        cells = np.round(np.array(degrees).T / 3)
        known = np.isfinite(cells).all(axis=1)
    else:
        climate = modalities.index("env")
        cells, known = x[:, climate].astype(np.float16), present[:, climate]
    site = np.full(len(known), -1)
    site[known] = np.unique(cells[known], axis=0, return_inverse=True)[1].reshape(-1)
    return site


def measure(chosen_on: Half, judged_on: Half, model: Model, limit: int) -> dict[str, float]:
    """Mean recall@1 over directions."""
    chosen = choose(directions(model, *chosen_on, limit, mixed=model.modalities))
    found = []
    for d in directions(model, *judged_on, limit, mixed=model.modalities):
        default = Weights(*chosen.default, chosen.epsilon.get(d.target, 0.0))
        w = chosen.weights.get((d.given, d.target), default)
        settings: list[tuple[Space, Weights]] = [
            ("encoder", w),
            ("reconstructed", w),
            ("hybrid", Weights(*HIDDEN_ALONE, w.epsilon)),
            ("hybrid", w),
        ]
        found.append([recall_at(f, 1) for f in d.first(settings)])
    names = ("encoder", "reconstructed", "hidden", "hybrid")
    return dict(zip(names, np.mean(found, axis=0).tolist(), strict=True))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("embeddings", type=Path)
    parser.add_argument("model")
    parser.add_argument("--limit", type=int, default=800)
    asked = parser.parse_args()
    model = Model.open(asked.model)
    both = halves(asked.embeddings, model.modalities)
    for a, b in ((0, 1), (1, 0)):
        found = measure(both[a], both[b], model, asked.limit)
        words = "  ".join(f"{k} {v:.3f}" for k, v in found.items())
        print(f"half {a + 1} chooses, half {b + 1} judges ({len(both[b][0])} rows): {words}")


if __name__ == "__main__":
    main()
