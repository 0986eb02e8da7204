"""Recall on the demo world, compared with the figures of an earlier run.

    python benchmarks/recall.py [--observations 2000] [--work DIR] [--write]

Makes the world, encodes it with `mini`, evaluates it and compares the means of every match rule and
space with `recall.json` beside this file; `--write` puts this run's figures there. Exit code 1 where a
mean has fallen by more than the tolerance.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from prom3e_index.evaluation.retrieval.run import RetrievalConfig, evaluate_retrieval
from prom3e_index.indexer.npz import encode_to_npz
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.world import write_world

LOG = Path(__file__).with_name("recall.json")
TOLERANCE = 0.02
"""Other processors sum in another order, which moves a near tie here and there."""


def measure(work: Path, observations: int) -> dict[str, float]:
    """Mean recall@1 over directions, by match rule and space."""
    world, arrays = work / "world", work / "demo.npz"
    if not arrays.is_file():
        write_world(world, observations, seed=0)
        config = BuildConfig(table=str(world / "observations.csv"), out=arrays, model="mini")
        encode_to_npz(config, lambda stage, done, total: None, "true_species")
    results = evaluate_retrieval(RetrievalConfig(arrays, work / "evaluation", "mini"))
    return {
        f"{s['match']}/{s['space']}": round(s["recall@1"], 4)
        for s in results["summary"]
        if s["visible"] == "one"
    }


def compare(found: dict[str, float], before: dict[str, float]) -> list[str]:
    """A line for each mean that has fallen by more than the tolerance, or is missing."""
    out = []
    for key, value in before.items():
        now = found.get(key)
        if now is None or now < value - TOLERANCE:
            out.append(
                f"{key}: {value:.4f} before, {'missing' if now is None else f'{now:.4f}'} now"
            )
    return out


def main() -> int:
    """Run, print and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--observations", type=int, default=2000)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        found = measure(options.work or Path(made), options.observations)
    log = json.loads(LOG.read_text()) if LOG.is_file() else {}
    key = str(options.observations)
    for name, value in found.items():
        before = log.get(key, {}).get(name)
        print(f"{name:<24} {value:.4f}   before {'—' if before is None else f'{before:.4f}'}")
    fallen = compare(found, log.get(key, {}))
    if options.write:
        LOG.write_text(json.dumps({**log, key: found}, indent=1) + "\n")
        return 0
    for line in fallen:
        print("FALLEN", line)
    return 1 if fallen else 0


if __name__ == "__main__":
    sys.exit(main())
