"""What one query of a whole index costs beside FAISS itself: `python benchmarks/query.py INDEX.p3i`.

Asks with the location embeddings of its own rows for every other target, ten hits each with their metadata, without a
filter and with several. `ours` is everything but the model (encode, complete) and FAISS with the same parameters.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from prom3e_index.bundle.filters import Filter
from prom3e_index.indexer.certify import cross_modal
from prom3e_index.search.query import Query
from prom3e_index.search.run import Bundle

FILTERS = (
    {},
    {"near": (46.8, -121.7, 50.0)},
    {"taxon": "Inventata"},
    {"where": "has_text"},
    {"where": "row % 1000 = 0"},
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("index", type=Path)
    parser.add_argument("--queries", type=int, default=40)
    given = parser.parse_args()
    begun = time.perf_counter()
    bundle = Bundle.open(given.index)
    opened = time.perf_counter() - begun
    target = next(m for m in bundle.modalities if m != "loc")
    stored = bundle.embeddings("loc")
    rows = np.random.default_rng(0).choice(bundle.live, given.queries + 1, replace=False)
    first = time.perf_counter()
    bundle.search(Query(embedding=stored[int(rows[-1])], embedding_of="loc", target=target))
    print(json.dumps({"rows": bundle.rows, "open_s": round(opened, 3),
                      "first_query_s": round(time.perf_counter() - first, 3)}))  # fmt: skip
    model = bundle.model()
    vectors = cross_modal(bundle, model, target, given.queries, seed=5)
    gallery = bundle.segments[0].gallery(target)
    import faiss

    point = gallery.point
    parameters = faiss.SearchParametersIVF(nprobe=point.probes) if gallery.kind.ivf else None
    alone = []
    for q in [*vectors, *vectors]:  # once to have the pages in memory
        begun = time.perf_counter()
        gallery._index.search(q[None], 10 * point.candidates, params=parameters)
        alone.append(1000 * (time.perf_counter() - begun))
    for f in FILTERS:
        steps: dict[str, list[float]] = {}
        for row in rows[:-1]:
            begun = time.perf_counter()
            asked = Query(
                embedding=stored[int(row)], embedding_of="loc", target=target, filter=Filter(**f)
            )
            answer = bundle.search(asked)
            whole = 1000 * (time.perf_counter() - begun)
            for name, ms in {**answer.search["milliseconds"], "whole": whole}.items():
                steps.setdefault(name, []).append(ms)
        median = {k: round(float(np.median(v)), 2) for k, v in steps.items()}
        record = {"filter": {k: str(v) for k, v in f.items()}, **median, "eligible": answer.search["eligible"],
                  "hits": len(answer.hits), "path": answer.search["path"]}  # fmt: skip
        if not f:
            model_ms = median["encode"] + median["complete"]
            warm = float(np.median(alone[len(vectors) :]))
            record |= {"faiss_alone": round(warm, 2),
                       "ours": round(median["whole"] - model_ms - warm, 2)}  # fmt: skip
        print(json.dumps(record))


if __name__ == "__main__":
    main()
