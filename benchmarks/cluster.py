"""Rows without media through Ray on this machine: `python benchmarks/cluster.py 65536 262144 2000000`, with `.[ray]`.

What the third number of rows takes is foretold from the first two, as `indexer/cluster/plan.md` does, then measured.
Rows have a place, seven in ten a name of 17,576, and the climate that the demo world's raster has there. The model is
`mini`, whose networks of places, climates and names are small; its MVAE completes six targets of 512 + 128 columns.
With `--store milvus://HOST:PORT/NAME` the places of the last number are pushed there from their shards, and certified.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb

NAMES = 26**3
STAGES = (
    "seconds",
    "until the first piece",
    "pieces",
    "until the first shard",
    "shards",
    "to the end",
)


def table(rows: int, folder: Path) -> Path:
    """A Parquet table of places and names, the same each time."""
    path = folder / f"rows-{rows}.parquet"
    letters = [
        f"chr({first} + (taxon // {26**i} % 26)::INT)" for i, first in enumerate((65, 97, 97))
    ]
    name = f"{' || '.join(letters)} || 'ina ' || {letters[1]} || 'or' || {letters[2]} || 'us'"
    duckdb.sql(
        f"COPY (SELECT 'o' || i AS id, (hash(i) % 160000) / 1000.0 - 80 AS decimalLatitude, "
        f"(hash(i + 1) % 360000) / 1000.0 - 180 AS decimalLongitude, "
        f"CASE WHEN hash(i + 2) % 10 < 7 THEN {name} END AS scientificName "
        f"FROM (SELECT i, (hash(i + 3) % {NAMES})::BIGINT AS taxon FROM range({rows}) t(i))) "
        f"TO '{path}' (FORMAT parquet)"
    )
    return path


def pushed(place: Path, store: str) -> dict[str, Any]:
    """Push the places of shards into a store, and certify it; give seconds, and what the certificate says."""
    from prom3e_index.indexer.certify_store import certify_store
    from prom3e_index.indexer.push import push
    from prom3e_index.store.opened import StoreBundle

    begun = time.perf_counter()
    done = push(place, store, lambda *_: None, targets=["loc"], timeout_s=7200, replace_other=True)
    seconds = time.perf_counter() - begun
    with StoreBundle.open(store) as bundle:
        found = certify_store(bundle, bundle.model(), lambda *_: None)
    return {
        "pushed": done.written,
        "push seconds": round(seconds, 1),
        "certify seconds": round(time.perf_counter() - begun - seconds, 1),
        "certificate": found,
    }


def run(rows: int, folder: Path, climate: Path, store: str | None = None) -> dict[str, Any]:
    """Encode a table to shards; give seconds by stage, bytes, and what there was to do."""
    from prom3e_index.indexer.cluster.encode_shards import encode_to_shards, shards_work
    from prom3e_index.indexer.work import BuildConfig

    place = folder / f"shards-{rows}"
    begun = time.perf_counter()
    seen: dict[str, tuple[float, float]] = {}

    def progress(stage: str, done: int, total: int | None) -> None:
        first, _ = seen.get(stage, (time.perf_counter(), 0.0))
        seen[stage] = (first, time.perf_counter())

    config = BuildConfig(
        table=str(table(rows, folder)), out=shards_work(str(place)), model="mini", climate=climate, engine="ray",
        shards=str(place), file_facts=False,
    )  # fmt: skip
    note = encode_to_shards(config, progress)
    end = time.perf_counter()
    encoding = [t for stage, t in seen.items() if stage.startswith("encode")]
    first, last = min(t[0] for t in encoding), max(t[1] for t in encoding)
    completing = seen["complete"]
    sizes = {
        what: sum(p.stat().st_size for p in (place / what).rglob("*.parquet"))
        for what in ("orders", "pieces", "rows", "shards")
    }
    there = {} if store is None else {"store": pushed(place, store)}
    shutil.rmtree(place)
    return {
        **there,
        "rows": rows,
        "seconds": round(end - begun, 1),
        "until the first piece": round(first - begun, 1),
        "pieces": round(last - first, 1),
        "until the first shard": round(completing[0] - last, 1),
        "shards": round(completing[1] - completing[0], 1),
        "to the end": round(end - completing[1], 1),
        "bytes a row": {k: round(v / rows) for k, v in sizes.items()},
        "counts": note["counts"],
        "shard files": note["shards"],
    }


def foretold(known: list[dict[str, Any]], rows: int) -> dict[str, float]:
    """Seconds of each stage and bytes of another number of rows, from the last two measured: `a + b * rows`."""
    one, other = known[-2:]
    out = {}
    for stage in STAGES:
        each = (other[stage] - one[stage]) / (other["rows"] - one["rows"])
        out[stage] = round(other[stage] + each * (rows - other["rows"]), 1)
    return {**out, "bytes of shards": round(other["bytes a row"]["shards"] * rows)}


def main() -> None:
    """Make, run, print one JSON a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int, nargs="+")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--store", help="a server's address and a name: milvus://HOST:PORT/NAME")
    given = parser.parse_args()
    from prom3e_index.world import write_world

    with tempfile.TemporaryDirectory(dir=given.folder) as own:
        folder = Path(own)
        write_world(folder / "world", 10, seed=0)
        known: list[dict[str, Any]] = []
        for rows in given.rows:
            told = foretold(known, rows) if len(known) > 1 else None
            last = given.store if rows == given.rows[-1] else None
            found = run(rows, folder, folder / "world" / "climate.npy", last)
            known.append(found)
            print(json.dumps({"load": os.getloadavg()[0], **found, "foretold": told}), flush=True)


if __name__ == "__main__":
    main()
