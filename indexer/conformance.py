"""Proof on this machine that every path of the search agrees: kinds, filters, CPU and GPU."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.faiss.gpu import number_of_gpus
from prom3e_index.bundle.faiss.kinds import KINDS
from prom3e_index.bundle.faiss.operating_point import tune
from prom3e_index.bundle.faiss.search import Gallery, Point, Subset
from prom3e_index.bundle.faiss.told import found_share
from prom3e_index.bundle.faiss.write import build
from prom3e_index.indexer.verify import Check

ROWS, WIDTH, GROUPS, QUERIES, K = 20_000, 64, 100, 32, 10
SHARES = (0.0, 0.001, 0.01, 0.1, 0.5, 1.0)
RECALL = 0.95


def conformance() -> Iterator[Check]:
    """Compare every kind of index, filtered and not, with float64 in numpy; a GPU with the CPU.

    Exact paths must give the same rows but for ties; others must find 95 % of the ten nearest. Every
    filtered search must give ten eligible rows, or all there are.
    """
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(GROUPS, WIDTH))
    group = rng.integers(0, GROUPS, ROWS)
    x = centres[group] + rng.normal(size=(ROWS, WIDTH))
    stored = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float16)
    q = stored[rng.choice(ROWS, 2 * QUERIES)] + 0.05 + 0.08 * rng.normal(size=(2 * QUERIES, WIDTH))
    q = (q / np.linalg.norm(q, axis=1, keepdims=True)).astype(np.float32)
    subsets: dict[str, NDArray[np.int64]] = {
        f"{s:.1%} of the rows by chance": np.flatnonzero(rng.random(ROWS) < s) for s in SHARES
    }
    for count in (1, 10):
        subsets[f"{count} of {GROUPS} groups"] = np.flatnonzero(group < count)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "vectors.npy"
        np.save(path, stored)
        vectors = np.load(path, mmap_mode="r")
        for kind in KINDS.values():
            file = Path(name) / kind.name
            assigned = build(vectors, file, kind)
            gallery = Gallery(str(file), vectors, Point(kind.name), assigned)
            if kind.name != "exact":
                gallery = gallery.at(tune(gallery, q[QUERIES:], RECALL))
            yield from _compare(kind.name, gallery, q[:QUERIES], subsets)
        yield from _gpu(Path(name) / "exact", vectors, q[:QUERIES], subsets)


def _compare(
    name: str, gallery: Gallery, queries: NDArray[np.float32], subsets: dict[str, NDArray[np.int64]]
) -> Iterator[Check]:
    least, worst = (1.0, "") if name == "exact" else (RECALL, "")
    lowest = 1.0
    every = np.arange(len(gallery))
    for label, rows in {"all rows": every, **subsets}.items():
        subset = None if label == "all rows" else Subset(rows, len(gallery))
        scores, found, _ = gallery.search(queries, K, subset)
        want = min(K, len(rows))
        if found.shape[1] != want or not np.isin(found, rows).all():
            yield Check(name, False, f"{label}: hits that are not eligible, or fewer than {want}")
            return
        if want:
            truth = np.stack([_by_numpy(gallery.vectors, q, rows, want) for q in queries])
            share = float(found_share(scores, truth.astype(np.float32), want).mean())
            lowest, worst = (share, label) if share <= lowest else (lowest, worst)
    yield Check(
        name,
        lowest >= least,
        f"finds {lowest:.3f} or more of the ten rows of exact search (lowest: {worst})",
    )


def _by_numpy(
    vectors: NDArray[np.float16], query: NDArray[np.float32], rows: NDArray[np.int64], k: int
) -> NDArray[np.float64]:
    scores = vectors[rows].astype(np.float64) @ query.astype(np.float64)
    return np.asarray(-np.sort(-scores)[:k])


def _gpu(
    file: Path,
    vectors: NDArray[np.float16],
    queries: NDArray[np.float32],
    subsets: dict[str, NDArray[np.int64]],
) -> Iterator[Check]:
    if number_of_gpus() == 0:
        yield Check("GPU", True, "torch sees none; nothing to compare", compared=False)
        return
    on_gpu, on_cpu = (Gallery(str(file), vectors, Point(), gpu=g) for g in (True, False))
    there, here = (g.search(queries, K) for g in (on_gpu, on_cpu))
    same = there[2].startswith("exact, on the GPU") and np.array_equal(there[1], here[1])
    same = same and np.array_equal(there[0], here[0])
    yield Check(
        "GPU as CPU",
        bool(same),
        f"{there[2]}; largest difference {np.abs(there[0] - here[0]).max():.1e}",
    )
    yield from _compare("GPU, filtered", on_gpu, queries, subsets)
