"""Our index beside plain FAISS with the same parameters: `python benchmarks/index.py 100000 --places TABLE.csv`.

Prints and writes to `index-N.json` in the work folder, for every kind: build, size, recall, times; the ratio of
our time to plain FAISS's in batches of 64 and for one query; and recall, short answers and time under filters.
"""

from __future__ import annotations

import json
import platform
import resource
import time
from pathlib import Path

import faiss
import numpy as np
from vectors import QUERIES, K, arguments, columns, make, milliseconds, per_second

from prom3e_index.bundle.faiss.kinds import KINDS
from prom3e_index.bundle.faiss.operating_point import tune
from prom3e_index.bundle.faiss.scan import exact
from prom3e_index.bundle.faiss.search import Gallery, Point, Subset
from prom3e_index.bundle.faiss.told import found_share
from prom3e_index.bundle.faiss.write import build
from prom3e_index.bundle.memory_maps import release
from prom3e_index.indexer.certify import one_thread

SHARES = (0.5, 0.1, 0.01, 0.001)


def plain(gallery: Gallery, file: Path, vectors: np.ndarray):
    """FAISS alone, in memory, with the same parameters: (queries, k, selector) → rows."""
    point, kind = gallery.point, gallery.kind
    base = faiss.read_index(str(file))
    if kind.ivf:

        def parameters(sel=None):
            return faiss.SearchParametersIVF(nprobe=point.probes, **({"sel": sel} if sel else {}))
    elif kind.name == "exact":

        def parameters(sel=None):
            return faiss.SearchParameters(sel=sel) if sel else None
    else:

        def parameters(sel=None):
            return faiss.SearchParametersHNSW(efSearch=point.beam, **({"sel": sel} if sel else {}))

    if not kind.refined:
        return lambda q, k, sel=None: base.search(q, k, params=parameters(sel))[1]
    refiner = faiss.read_index(str(file.with_name("exact")), faiss.IO_FLAG_MMAP_IFC)
    index = faiss.IndexRefine(base, refiner)

    def search(q, k, sel=None, alive=(base, refiner)):
        inner = parameters(sel)
        asked = faiss.IndexRefineSearchParameters(
            k_factor=point.candidates, base_index_params=inner
        )
        return index.search(q, k, params=asked)[1]

    return search


def measure(
    name: str, vectors: np.ndarray, queries: np.ndarray, folder: Path, recall: float
) -> dict:
    """One kind at one recall."""
    kind, file = KINDS[name], folder / name
    begun = time.perf_counter()
    lists = folder / f"{name}.lists.npy"
    seconds = None
    if not file.is_file():
        assigned = build(vectors, file, kind)
        seconds = round(time.perf_counter() - begun, 1)
        if assigned is not None:
            np.save(lists, assigned)
    gallery = Gallery(str(file), vectors, Point(name), np.load(lists) if lists.is_file() else None)
    if name != "exact":
        gallery = gallery.at(tune(gallery, queries[:QUERIES], recall))
    asked = queries[QUERIES:]
    truth, _ = exact(vectors, asked, 100)
    out = {"kind": name, "target": recall, **gallery.point.to_dict(), "build_s": seconds,
           "disk_bytes_per_row": round(file.stat().st_size / len(vectors), 1)}  # fmt: skip
    scores, _, _ = gallery.search(asked, 100)
    for k in (1, 10, 100):
        found = gallery.search(asked, k)[0]
        out[f"recall@{k}"] = round(float(found_share(found, truth, k).mean()), 4)
    alone = plain(gallery, file, vectors)
    out["qps_64"] = per_second(lambda q: gallery.search(q, K), asked)
    ratios = []
    for _ in range(7):  # by turns, so that the machine's moods meet both
        one, two = (
            _seconds(run, asked) for run in (lambda q: gallery.search(q, K), lambda q: alone(q, K))
        )
        ratios.append(one / two)
    out["time_over_faiss_64"] = round(float(np.median(ratios)), 3)
    out["p_ms"] = milliseconds(lambda q: gallery.search(q, K), asked)
    out["faiss_p_ms"] = milliseconds(lambda q: alone(q, K), asked)
    with one_thread():
        out["one_thread_p_ms"] = milliseconds(lambda q: gallery.search(q, K), asked)
    return out | {"gallery": gallery, "plain": alone}


def _seconds(run, queries: np.ndarray) -> float:
    begun = time.perf_counter()
    for _ in range(4):
        for at in range(0, len(queries), 64):
            run(queries[at : at + 64])
    return time.perf_counter() - begun


def filters(gallery: Gallery, alone, queries: np.ndarray, by: dict[str, np.ndarray]) -> list[dict]:
    """Ours and plain FAISS with a selector, under each filter."""
    out = []
    asked, n = queries[QUERIES : QUERIES + 64], len(gallery)
    for column, values in by.items():
        for share in SHARES:
            rows = np.flatnonzero(values < share * n)
            truth, _ = exact(gallery.vectors, asked, K, rows)
            scores, found, path = gallery.search(asked, K, Subset(rows, n))
            selector = Subset(rows, n).selector
            theirs = alone(asked, K, selector)
            there = np.where(theirs >= 0, 1, 0)
            score = np.einsum(
                "qd,qkd->qk", asked, np.asarray(gallery.vectors[np.maximum(theirs, 0)], np.float32)
            )
            score = np.sort(np.where(there, score, -np.inf), axis=1)[:, ::-1]
            out.append({
                "column": column, "share": share, "path": path,
                "recall@10": round(float(found_share(scores, truth, K).mean()), 4),
                "short": int((found < 0).any(axis=1).sum()) if found.shape[1] == min(K, len(rows)) else len(asked),
                "p_ms": milliseconds(lambda q, r=rows: gallery.search(q, K, Subset(r, n)), asked),
                "faiss_recall@10": round(float(found_share(score, truth, K).mean()), 4),
                "faiss_short": int((theirs < 0).any(axis=1).sum()),
                "faiss_p_ms": milliseconds(lambda q, s=selector: alone(q, K, s), asked),
            })  # fmt: skip
    return out


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--recall", default="0.95,0.99")
    given = parser.parse_args()
    folder = given.folder / str(given.rows)
    folder.mkdir(parents=True, exist_ok=True)
    vectors, queries = make(given.rows, given.folder, given.places)
    by = columns(vectors)
    release(vectors)
    records = []
    for name in given.kinds.split(","):
        for recall in [float(r) for r in given.recall.split(",")][: 1 if name == "exact" else None]:
            made = measure(name, vectors, queries, folder, recall)
            gallery, alone = made.pop("gallery"), made.pop("plain")
            if recall == 0.99 or name == "exact":
                made["filters"] = filters(gallery, alone, queries, by)
            made["peak_gb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2)
            records.append(made)
            print(json.dumps(made), flush=True)
    about = {"rows": given.rows, "width": vectors.shape[1], "platform": platform.platform(),
             "faiss": faiss.__version__, "records": records}  # fmt: skip
    (given.folder / f"index-{given.rows}.json").write_text(json.dumps(about, indent=1))


if __name__ == "__main__":
    main()
