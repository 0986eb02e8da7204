"""Time and peak memory of building one index from stored vectors: `python benchmarks/build_index.py 10000000 ivf-sq8`.

The vectors are GeoCLIP's embeddings of a million places, repeated with noise beyond that, in a file of half precision
made before; the build runs in a process of its own, so that its peak is its own.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from vectors import QUERIES, K, arguments, array_file, make, milliseconds, per_second

BLOCK = 50_000


def stored(n: int, folder: Path, table: Path | None) -> Path:
    """File of (n, 512) unit rows in half precision."""
    path = folder / f"places-{n}.npy"
    base, _ = make(min(n, 1_000_000), folder, table)
    if not path.is_file():
        rng = np.random.default_rng(3)
        with array_file(path, (n, base.shape[1])) as out:
            for at in range(0, n, BLOCK):
                rows = np.arange(at, min(n, at + BLOCK)) % len(base)
                x = np.asarray(base[rows], np.float32)
                x += rng.standard_normal(x.shape, np.float32) * np.float32(0.3 / 512**0.5)
                out[at : at + len(rows)] = x / np.linalg.norm(x, axis=1, keepdims=True)
    return path


def build(path: Path, kind: str, out: Path) -> None:
    """Build in this process and say what it took."""
    from prom3e_index.bundle.faiss.kinds import KINDS
    from prom3e_index.bundle.faiss.write import build as write

    begun = time.perf_counter()
    assigned = write(np.load(path, mmap_mode="r"), out, KINDS[kind])
    seconds = time.perf_counter() - begun
    if assigned is not None:
        np.save(out.with_suffix(".npy"), assigned)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        json.dumps({"kind": kind, "build_s": round(seconds, 1), "peak_gb": round(peak, 2)}),
        flush=True,
    )


def main() -> None:
    """Make, build, measure, print."""
    parser = arguments(__doc__)
    parser.add_argument("kind")
    parser.add_argument("--only-build", type=Path)
    given = parser.parse_args()
    out = given.folder / f"{given.kind}-{given.rows}"
    if given.only_build:
        build(given.only_build, given.kind, out)
        return
    path = stored(given.rows, given.folder, given.places)
    words = [given.rows, given.kind, "--folder", given.folder, "--only-build", path]
    subprocess.run([sys.executable, __file__, *map(str, words)], check=True)
    from prom3e_index.bundle.faiss.operating_point import tune
    from prom3e_index.bundle.faiss.scan import exact
    from prom3e_index.bundle.faiss.search import Gallery, Point
    from prom3e_index.bundle.faiss.told import found_share

    _, queries = make(min(given.rows, 1_000_000), given.folder, given.places)
    asked, vectors = queries[QUERIES : QUERIES + 64], np.load(path, mmap_mode="r")
    gallery = Gallery(str(out), vectors, Point(given.kind), np.load(out.with_suffix(".npy")))
    gallery = gallery.at(tune(gallery, queries[:64], 0.99))
    truth, _ = exact(vectors, asked, K)
    share = float(found_share(gallery.search(asked, K)[0], truth, K).mean())
    search = lambda q: gallery.search(q, K)  # noqa: E731
    print(json.dumps({
        **gallery.point.to_dict(), "recall@10": round(share, 4), "p_ms": milliseconds(search, asked),
        "qps_64": per_second(search, asked), "bytes_per_row": round(out.stat().st_size / given.rows, 1),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
