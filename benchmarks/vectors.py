"""Vectors for the index benchmarks: GeoCLIP's embeddings of places, and queries from elsewhere.

The gallery is the location encoder inside the geoclip package over places near those of a table (columns
decimalLatitude, decimalLongitude), or near 2,000 invented ones. Queries are embeddings of other places moved
by one constant vector and noise, so that they lie outside the gallery, as another modality's embeddings do.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

QUERIES = 256
K = 10


def arguments(what: str | None) -> argparse.ArgumentParser:
    """What these benchmarks share: rows, a table of places, the work folder."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("rows", type=int)
    parser.add_argument("--places", type=Path)
    parser.add_argument("--folder", type=Path, default=Path("benchmark-index"))
    return parser


def places(n: int, table: Path | None, seed: int = 0) -> np.ndarray:
    """(n, 2) latitude and longitude, two degrees around the table's."""
    rng = np.random.default_rng(seed)
    if table is None:
        hot = np.stack(
            [np.degrees(np.arcsin(rng.uniform(-0.8, 0.95, 2_000))), rng.uniform(-180, 180, 2_000)],
            1,
        )
    else:
        with table.open(encoding="utf-8") as f:
            hot = np.array([(float(r["decimalLatitude"]), float(r["decimalLongitude"]))
                            for r in csv.DictReader(f) if r["decimalLatitude"]])  # fmt: skip
    at = hot[rng.integers(0, len(hot), n)] + rng.normal(0, 2, (n, 2))
    return np.stack([np.clip(at[:, 0], -89.9, 89.9), (at[:, 1] + 180) % 360 - 180], 1)


@contextmanager
def array_file(path: Path, shape: tuple[int, int]) -> Iterator[np.ndarray]:
    """A float16 array to fill; it gets its name when it is whole, so an interrupted run leaves none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    begun = path.with_suffix(".begun")
    out = np.lib.format.open_memmap(begun, mode="w+", dtype=np.float16, shape=shape)
    yield out
    out.flush()
    begun.replace(path)


def make(n: int, folder: Path, table: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """Gallery (n, 512) float16, memory-mapped, and queries (512, 512) float32, made once per folder."""
    from prom3e_index.models.folder import Model

    path = folder / f"places-{n}.npy"
    encoder = Model.open("geoclip").encoder("loc")
    if not path.is_file():
        where = places(n, table)
        with array_file(path, (n, 512)) as out:
            for at in range(0, n, 8192):
                out[at : at + 8192] = encoder.encode(where[at : at + 8192].astype(np.float32))
    rng = np.random.default_rng(9)
    own = encoder.encode(places(2 * QUERIES, table, seed=99).astype(np.float32))
    gap = rng.normal(size=512)
    q = own + 0.8 * gap / np.linalg.norm(gap) + 1.0 * rng.normal(size=own.shape) / 512**0.5
    q /= np.linalg.norm(q, axis=1, keepdims=True)
    return np.load(path, mmap_mode="r"), q.astype(np.float32)


def columns(vectors: np.ndarray, seed: int = 4) -> dict[str, np.ndarray]:
    """Two columns to filter by, each a permutation of the rows: by chance, and by nearness to one row."""
    n = len(vectors)
    rng = np.random.default_rng(seed)
    first = np.asarray(vectors[int(rng.integers(n))], np.float32)
    score = np.concatenate(
        [np.asarray(vectors[a : a + 65_536], np.float32) @ first for a in range(0, n, 65_536)]
    )
    near = np.empty(n, np.int64)
    near[np.argsort(-score, kind="stable")] = np.arange(n)
    return {"chance": rng.permutation(n), "near": near}


def milliseconds(run, queries: np.ndarray, least: int = 64) -> tuple[float, float, float]:
    """p50, p95, p99 of `run(query)` for single queries (1, d)."""
    import time

    run(queries[:1])
    times = []
    for i in range(max(least, 1)):
        at = i % len(queries)
        begun = time.perf_counter()
        run(queries[at : at + 1])
        times.append((time.perf_counter() - begun) * 1000)
    return tuple(round(float(np.percentile(times, p)), 3) for p in (50, 95, 99))


def per_second(run, queries: np.ndarray, batch: int = 64, seconds: float = 1.0) -> float:
    """Queries per second in batches, over about `seconds`."""
    import time

    run(queries[:batch])
    done, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < seconds:
        at = done % (len(queries) - batch + 1)
        run(queries[at : at + batch])
        done += batch
    return round(done / (time.perf_counter() - begun), 1)
