"""The certificate of a bundle: what its search finds, compared with exact search in numpy."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from prom3e_index.faiss_index import ExactIndex, best
from prom3e_index.hybrid import infer, query_rows
from prom3e_index.model import Model

QUERIES = 32
SAMPLE = 10_000


def certify(folder: Path, manifest: dict[str, Any], model: Model) -> dict[str, Any]:
    """Measure recall@10 and latency of every target with cross-modal queries drawn from the rows.

    The queries are single observed modalities in hybrid space. Exact search is numpy over the stored
    float16 vectors, in float32. On more than 10,000 rows the comparison is on the first 10,000, with
    both searches restricted to them.

    Returns:
        `recall@10` (mean), per-target recall, queries, and median milliseconds.
    """
    names = model.modalities
    present = np.load(folder / "embeddings" / "present.npy")
    rng = np.random.default_rng(1)
    out: dict[str, Any] = {"queries": 0, "recall@10": {}, "p50_ms": {}}
    n = len(present)
    rows = np.arange(min(n, SAMPLE), dtype=np.int64) if n > SAMPLE else None
    for target in names:
        vectors = np.load(folder / "vectors" / f"{target}.npy", mmap_mode="r")
        index = ExactIndex(folder / "faiss" / f"{target}.faiss", vectors)
        hits, times = [], []
        for g, given in enumerate(names):
            having = np.flatnonzero(present[:, g])
            if given == target or len(having) == 0:
                continue
            picked = np.sort(
                rng.choice(having, min(len(having), QUERIES // len(names) + 1), replace=False)
            )
            stored = np.load(folder / "embeddings" / f"{given}.npy", mmap_mode="r")
            x = np.zeros((len(picked), len(names), model.width), np.float32)
            x[:, g] = stored[picked]
            mask = np.zeros((len(picked), len(names)), bool)
            mask[:, g] = True
            inferred = infer(model, x, mask, (target,))
            queries = query_rows(
                x[:, g],
                inferred.reconstructed[:, 0],
                inferred.hidden,
                "hybrid",
                model.weights((given,), target),
            )
            tail = np.zeros((len(queries), manifest.get("bias_width", 0)), np.float32)
            tail[:, g : g + 1] = 1
            queries = np.concatenate([queries, tail], axis=1)
            for query in queries:
                began = time.perf_counter()
                _, found, _ = index.search(query, 10, rows)
                times.append((time.perf_counter() - began) * 1000)
                every = np.arange(n, dtype=np.int64) if rows is None else rows
                _, truth = best(index.scores(query, rows), every, 10)
                hits.append(len(set(found.tolist()) & set(truth.tolist())) / max(1, len(truth)))
        out["queries"] += len(hits)
        out["recall@10"][target] = round(float(np.mean(hits)), 4) if hits else None
        out["p50_ms"][target] = round(float(np.median(times)), 3) if times else None
    return out
