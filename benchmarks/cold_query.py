"""The first query of a process: `python benchmarks/cold_query.py INDEX WORLD [--turns 5]`.

INDEX is an index of the demo world in WORLD (`prom3e-index world`), built with `mini`. For each modality a
fresh process asks one question, and another imports what the question needs and nothing else: the floor.
Processor time (user and system) and wall time are medians over alternating turns. Hits are compared with
those of a process that has answered before.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

BARE = "numpy, torch, faiss, duckdb, pyarrow, safetensors, typer"
FLOORS = {
    "loc": BARE,
    "env": BARE,
    "text": f"{BARE}, ftfy, regex, gzip",
    "image": f"{BARE}, prom3e_index.media.pool",
    "sat": f"{BARE}, prom3e_index.media.pool",
    "audio": f"{BARE}, transformers.models.clap.modeling_clap",
}


def spend(command: list[str]) -> tuple[float, float, str]:
    """Processor seconds and wall seconds of a command, and what it printed."""
    begun, before = time.perf_counter(), os.times()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    after = os.times()
    cpu = after.children_user + after.children_system
    cpu -= before.children_user + before.children_system
    return cpu, time.perf_counter() - begun, done.stdout


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("index", type=Path)
    parser.add_argument("world", type=Path)
    parser.add_argument("--turns", type=int, default=5)
    given = parser.parse_args()

    def first(folder: str) -> str:
        return str(min((given.world / folder).iterdir()))

    asked = {
        "loc": ["--location", "10,20"],
        "env": ["--env", ",".join(["0.5"] * 20)],
        "text": ["--text", "Fictanimalia"],
        "image": ["--image", first("photos")],
        "sat": ["--sat", first("tiles")],
        "audio": ["--audio", first("songs")],
    }
    from prom3e_index import Bundle, Query

    warm = Bundle.open(given.index)
    values = {
        "loc": {"location": (10.0, 20.0)},
        "env": {"env": [0.5] * 20},
        "text": {"text": "Fictanimalia"},
        **{m: {m: Path(asked[m][1])} for m in ("image", "sat", "audio")},
    }
    for modality, options in asked.items():
        target = "sat" if modality == "image" else "image"
        query = [sys.executable, "-m", "prom3e_index.cli.app", "query", "-i", str(given.index)]
        query += ["-f", "json", "-t", target, *options]
        bare = [sys.executable, "-c", f"import {FLOORS[modality]}"]
        floors, queries = [], []
        for _ in range(given.turns):
            floors.append(spend(bare))
            queries.append(spend(query))
        hits = warm.search(Query(target=target, **values[modality])).hits
        got = [(h["row"], round(h["score"], 6)) for h in json.loads(queries[-1][2])["hits"]]
        assert got == [(h.row, round(h.score, 6)) for h in hits], modality
        low, high = (
            [statistics.median(t[i] for t in r) for i in (0, 1)] for r in (floors, queries)
        )
        print(json.dumps({
            "modality": modality, "floor_cpu_s": round(low[0], 2), "cpu_s": round(high[0], 2),
            "ratio_cpu": round(high[0] / low[0], 2), "floor_wall_s": round(low[1], 2), "wall_s": round(high[1], 2),
            "ratio_wall": round(high[1] / low[1], 2),
        }))  # fmt: skip


if __name__ == "__main__":
    main()
