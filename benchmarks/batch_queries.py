"""Queries a second: a process for each, one after the other in Python, and a table of them in one run.

    python benchmarks/batch_queries.py [QUERIES] [ALONE] [PROCESSES]

Makes a demo world of 400 observations and its index. Queries are photos, recordings, places and names of its own
observations. The three ways give the same hits; that is checked.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from prom3e_index import Bundle, Query
from prom3e_index.indexer.build import build
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.world import write_world


def main(queries: int, alone: int, processes: int) -> None:
    """Print one line of JSON."""
    with TemporaryDirectory() as folder:
        world, index = Path(folder) / "w", Path(folder) / "i.p3i"
        write_world(world, 400)
        build(BuildConfig(table=str(world / "observations.csv"), out=index, model="mini"))
        bundle = Bundle.open(index)
        rows = bundle.sql("SELECT image, audio, latitude, longitude, text FROM observations")
        asked = [_query(world, rows[i % len(rows)], i) for i in range(queries)]
        table = world / "queries.csv"
        with table.open("w", newline="", encoding="utf-8") as f:
            out = csv.writer(f)
            out.writerow(["id", "image", "audio", "lat", "lon", "text", "target"])
            for i, q in enumerate(asked):
                place = q.location or ("", "")
                out.writerow([i, q.image or "", q.audio or "", *place, q.text or "", q.target])
        program = [
            sys.executable,
            "-m",
            "prom3e_index.cli.app",
            "query",
            "-i",
            str(index),
            "-k",
            "10",
        ]
        begun = time.perf_counter()
        for q in asked[:processes]:
            given = {"image": q.image, "audio": q.audio, "text": q.text, "target": q.target}
            words = [w for k, v in given.items() if v for w in (f"--{k}", str(v))]
            words += [f"--location={q.location[0]},{q.location[1]}"] if q.location else []
            subprocess.run([*program, *words, "-f", "json"], check=True, capture_output=True)
        by_process = processes / (time.perf_counter() - begun)
        bundle.search(asked[0])
        begun = time.perf_counter()
        singles = [bundle.search(q) for q in asked[:alone]]
        in_python = alone / (time.perf_counter() - begun)
        begun = time.perf_counter()
        file = Path(folder) / "o.jsonl"
        subprocess.run(
            [*program, "--queries", str(table), "-o", str(file)], check=True, capture_output=True
        )
        together = queries / (time.perf_counter() - begun)
        found: dict[str, list[str]] = {}
        for line in file.read_text(encoding="utf-8").splitlines():
            hit = json.loads(line)
            found.setdefault(hit["query"], []).append(hit["id"])
        same = sum(found[str(i)] == [h.fields["id"] for h in a.hits] for i, a in enumerate(singles))
    told = {"process_each": by_process, "python_single": in_python, "table": together}
    print(
        json.dumps({k: round(v, 2) for k, v in told.items()} | {"same_hits": f"{same} of {alone}"})
    )  # noqa: T201


def _query(world: Path, row: tuple[str | None, ...], i: int) -> Query:
    image, audio, latitude, longitude, text = row
    ways = [("image", image and str(world / image)), ("audio", audio and str(world / audio)),
            ("location", None if latitude is None else (latitude, longitude)), ("text", text)]  # fmt: skip
    ways = ways[i % 4 :] + ways[: i % 4]
    name, value = next(w for w in ways if w[1])
    return Query(**{name: value}, target="sat" if name != "sat" else "image", k=10)


if __name__ == "__main__":
    given = [int(a) for a in sys.argv[1:4]]
    main(*given, *(2_000, 40, 4)[len(given) :])
