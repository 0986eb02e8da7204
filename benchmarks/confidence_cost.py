"""What confidence costs a query: processor time of the same questions with it and without, in turns.

    python benchmarks/confidence_cost.py INDEX [--queries 100] [--turns 3]

Names of the index's own rows ask for every other modality. What is printed is the thread's own time, so that other
work beside it counts little; hits are compared to the byte.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from prom3e_index import Query
from prom3e_index.search.run import Bundle


def measured(bundle: Bundle, queries: list[Query]) -> tuple[float, list[object]]:
    """Median milliseconds of a query, and every hit's row and score."""
    spent, found = [], []
    for query in queries:
        begun = time.thread_time()
        answer = bundle.search(query)
        spent.append(time.thread_time() - begun)
        found.append([(h.row, np.float32(h.score).tobytes()) for h in answer])
    return 1000 * float(np.median(spent)), found


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("index", type=Path)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--turns", type=int, default=3)
    chosen = parser.parse_args()
    bundle = Bundle.open(chosen.index)
    asks = bundle.modalities.index("text")
    rows = np.random.default_rng(0).permutation(np.flatnonzero(bundle.present[:, asks]))
    vectors = np.asarray(bundle.embeddings("text")[rows[: chosen.queries]], np.float32)
    print(f"{bundle.rows:,} rows; ms of a query without and with confidence, in turns")
    for target in bundle.modalities:
        kinds = {s.gallery(target).kind.name for s in bundle.segments}
        turns = []
        for turn in range(chosen.turns + 1):
            by = {}
            for told in (False, True):
                queries = [
                    Query(embedding=v, embedding_of="text", target=target, confidence=told)
                    for v in vectors
                ]
                by[told] = measured(bundle, queries)
            if by[False][1] != by[True][1]:
                raise SystemExit(f"{target}: hits differ")
            if turn:  # the first reads everything for the first time
                turns.append((by[False][0], by[True][0]))
        said = ", ".join(f"{a:.2f} → {b:.2f}" for a, b in turns)
        more = float(np.median([b - a for a, b in turns]))
        print(f"  {target:6s} {', '.join(kinds):10s} {said}; {more:+.2f}")


if __name__ == "__main__":
    main()
