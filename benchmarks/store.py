"""A real Milvus server beside FAISS on one index: `python benchmarks/store.py FOLDER --rows 100000`.

Builds an index of made-up embeddings: 200 clusters of unequal size; five species a cluster, whose places lie together,
so that filters go with the vectors, as in nature. Pushes one target of it by a graph and by lists, and prints as
JSON: seconds, memory and disk of the server; what 256 queries find of the exact answer and how fast; the same under
eight filters, with their counts compared; what changes take; the certificate. FAISS answers the same queries in the
same run. The server is the one of the wheel `milvus`. With `--write-only` it compares a push whose rows are sent with
one whose rows are imported from files.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from prom3e_index.bundle.faiss.told import found_share
from prom3e_index.bundle.filters import Filter
from prom3e_index.search.run import Bundle

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from plain_index import without_measuring  # noqa: E402
from stores import milvus_server  # noqa: E402

TARGET = "image"
QUERIES = 256
FILTERS = {
    "a species (of 1,000)": Filter(taxon="Genus3 species17"),
    "a genus (of 200)": Filter(taxon="Genus3"),
    "a circle of 1,500 km": Filter(near=(20.0, 30.0, 1500.0)),
    "a box across 180°": Filter(bbox=(150.0, -60.0, -120.0, 60.0)),
    "half a year": Filter(since="2024-01", until="2024-06"),
    "licences": Filter(licence_allow="cc0,by"),
    "observed, north": Filter(observed=TARGET, where="latitude > 30"),
    "a column": Filter(where="plot IN (3, 4) AND NOT weight > 12"),
}


def silent(*_: Any) -> None:
    """No progress."""


def table(path: Path, n: int, seed: int, first: int = 0) -> Path:
    """An .npz of photos and names of n observations, with their columns."""
    rng, same = np.random.default_rng(seed), np.random.default_rng(7)
    share = 1 / np.arange(1, 201)
    cluster = rng.choice(200, n, p=share / share.sum())
    species = 5 * cluster + rng.integers(0, 5, n)
    middles, turned = same.normal(size=(200, 512)), same.normal(size=(200, 64, 512))
    scale = np.arange(1, 65) ** -0.5
    arrays = {}
    for name in ("image", "text"):
        x = np.zeros((n, 512), np.float16)
        for c in range(200):
            here = np.flatnonzero(cluster == c)
            spread = (rng.normal(size=(len(here), 64)) * scale) @ turned[c] * 0.25
            made = middles[c] + spread + rng.normal(size=(len(here), 512)) * 0.05
            x[here] = made / np.linalg.norm(made, axis=1, keepdims=True)
        arrays[name] = x
    arrays["image"][rng.random(n) < 0.2] = np.nan  # a fifth has no photo: it is completed
    place = same.uniform((-60, -180), (70, 180), (1000, 2))[species] + rng.normal(size=(n, 2)) * 4
    month = rng.integers(1, 13, n)
    np.savez(
        path,
        **arrays,
        ids=np.array([f"o{first + i}" for i in range(n)]),
        latitude=np.clip(place[:, 0], -90, 90),
        longitude=(place[:, 1] + 180) % 360 - 180,
        event_date=np.array(
            [f"2024-{m:02d}-{d:02d}" for m, d in zip(month, rng.integers(1, 28, n), strict=True)]
        ),
        genus=np.array([f"Genus{c}" for c in cluster]),
        scientific_name=np.array([f"Genus{s // 5} species{s}" for s in species]),
        license=np.array(["CC0", "CC BY 4.0", "CC BY-NC 4.0", ""])[rng.integers(0, 4, n)],
        plot=rng.integers(0, 20, n),
        weight=rng.integers(0, 25, n),
    )
    return path


def queries(index: Bundle) -> np.ndarray:
    """Names that ask for photos, as `certify` makes them."""
    from prom3e_index.indexer.certify import cross_modal

    return cross_modal(index, index.model(), TARGET, QUERIES, seed=1)


def measured(index: Bundle, asked: np.ndarray, rows: Any, truth: np.ndarray) -> dict[str, float]:
    """What an index finds of the ten best, milliseconds of one query, queries a second in batches of 64."""
    index.nearest(TARGET, asked[:2], 10, rows)
    times = []
    for i in range(len(asked)):
        begun = time.perf_counter()
        index.nearest(TARGET, asked[i : i + 1], 10, rows)
        times.append(time.perf_counter() - begun)
    begun = time.perf_counter()
    found = [
        index.nearest(TARGET, asked[at : at + 64], 10, rows) for at in range(0, len(asked), 64)
    ]
    seconds = time.perf_counter() - begun
    scores = np.concatenate([f[0] for f in found])
    return {
        "recall@10": round(float(found_share(scores, truth, 10).mean()), 4),
        "p50_ms": round(1000 * float(np.median(times)), 2),
        "p95_ms": round(1000 * float(np.percentile(times, 95)), 2),
        "qps64": round(len(asked) / seconds),
        "shortest": int(scores.shape[1]),
    }


def written(index: Path, server: Any, place: Path) -> dict[str, Any]:
    """Seconds of a push whose rows are sent, and of one whose rows are imported from files, each twice."""
    from prom3e_index.indexer.push import push

    out: dict[str, Any] = {}
    for turn in (1, 2):
        for way, more in (("sent", {}), ("imported", {"bulk": str(place)})):
            address, begun = f"{server.address}/{way}", time.perf_counter()
            push(index, address, silent, targets=[TARGET], kind="ivf", replace_other=True, **more)
            out[f"{way}_s, {turn}"] = round(time.perf_counter() - begun, 1)
    return out


def resident_mb(process: int) -> float:
    """Memory of a process."""
    status = Path(f"/proc/{process}/status").read_text()
    return round(int(status.split("VmRSS:")[1].split()[0]) / 1024)


def main() -> None:
    """See above."""
    from prom3e_index.indexer.build import build
    from prom3e_index.indexer.certify_store import certify_store, keep
    from prom3e_index.indexer.change import add, remove
    from prom3e_index.indexer.push import push
    from prom3e_index.indexer.work import BuildConfig
    from prom3e_index.store.opened import StoreBundle

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--build-only", action="store_true")
    parser.add_argument(
        "--write-only", action="store_true", help="Only compare rows that are sent and imported."
    )
    options = parser.parse_args()
    folder, out = options.folder, {}
    folder.mkdir(parents=True, exist_ok=True)
    index = folder / "made.p3i"
    if not index.exists():
        begun = time.perf_counter()
        given = table(folder / "made.npz", options.rows, 1)
        with without_measuring() if options.write_only else nullcontext():
            build(BuildConfig(table=str(given), out=index, model="mini"))
        out["build_s"] = round(time.perf_counter() - begun, 1)
    if options.build_only:
        print(json.dumps(out))
        return
    with milvus_server(folder / "server") as server:
        if options.write_only:
            print(json.dumps(out | written(index, server, folder / "given"), indent=1))
            return
        out["server_mb"] = {"empty": resident_mb(server._process.pid)}
        with Bundle.open(index) as local:
            asked = queries(local)
            few = asked[:64]
            rows = {name: local.eligible(f) for name, f in FILTERS.items()}
            truths = {
                n: local.nearest(TARGET, few, 10, r, exactly=True)[0] for n, r in rows.items()
            }
            truth = local.nearest(TARGET, asked, 10, exactly=True)[0]
            out["folder"] = {
                "kind": local.manifest["segments"][0]["index"][TARGET]["kind"],
                "all": measured(local, asked, None, truth),
                **{
                    n: {"rows": len(r), **measured(local, few, r, truths[n])}
                    for n, r in rows.items()
                },
            }
            for kind in ("hnsw", "ivf"):
                address = f"{server.address}/{kind}"
                before = resident_mb(server._process.pid)
                begun = time.perf_counter()
                push(index, address, silent, targets=[TARGET], kind=kind)
                said: dict[str, Any] = {"push_s": round(time.perf_counter() - begun, 1)}
                said["server_grew_mb"] = resident_mb(server._process.pid) - before
                begun = time.perf_counter()
                with StoreBundle.open(address) as store:
                    told = keep(store, certify_store(store, store.model(), silent, 128))
                said["certify_s"] = round(time.perf_counter() - begun, 1)
                said["beam"], said["certificate"] = told["beam"], told["targets"][TARGET]
                with StoreBundle.open(address) as store:
                    said["all"] = measured(store, asked, None, truth)
                    for name, f in FILTERS.items():
                        begun = time.perf_counter()
                        found = store.eligible(f)
                        compiled = round(1000 * (time.perf_counter() - begun), 1)
                        assert len(found) == len(rows[name]), (name, len(found), len(rows[name]))
                        hits = store.nearest(TARGET, few, 10, found)[1]
                        assert np.isin(hits, rows[name]).all(), name
                        assert hits.shape[1] == min(10, len(rows[name])), name
                        said[name] = {
                            "rows": len(found),
                            "compile_ms": compiled,
                            **measured(store, few, found, truths[name]),
                        }
                out[kind] = said
        address = f"{server.address}/ivf"
        changes: dict[str, Any] = {}
        with without_measuring():
            new = BuildConfig(table=str(table(folder / "new.npz", 1000, 2, 10**7)), out=index)
            again = BuildConfig(table=str(table(folder / "again.npz", 500, 3)), out=index)
            steps = {
                "add 1,000": lambda: add(index, new, silent),
                "update 500": lambda: add(index, again, silent, update=True),
                "remove 1,000": lambda: remove(
                    index, Filter(where="row BETWEEN 2000 AND 2999"), None, silent
                ),
            }
            for name, change in steps.items():
                begun = time.perf_counter()
                change()
                middle = time.perf_counter()
                done = push(index, address, silent, targets=[TARGET])
                changes[name] = {
                    "folder_s": round(middle - begun, 1),
                    "store_s": round(time.perf_counter() - middle, 1),
                    "rows": done.head.rows,
                }
        with Bundle.open(index) as local, StoreBundle.open(address) as store:
            truth = local.nearest(TARGET, few, 10, exactly=True)[0]
            changes["after"] = {
                "rows": local.rows,
                "count": store.count(),
                **measured(store, few, None, truth),
            }
            out["changes"] = changes
        out["server_mb"]["end"] = resident_mb(server._process.pid)
        used = sum(f.stat().st_size for f in (folder / "server" / "data").rglob("*") if f.is_file())
        out["server_disk_mb"] = round(used / 1e6)
    print(json.dumps(out, indent=1))
    shutil.rmtree(index)  # it was changed


if __name__ == "__main__":
    main()
