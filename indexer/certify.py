"""The certificate of an index: what its search finds, compared with exact search, and how fast.

Queries are cross-modal: one observed modality of an indexed row asks for another, in hybrid space, with the
model's weights. They are out of distribution for the gallery, as real queries are. Operating points are
chosen on some of them (`operating_point.py`) and certified on others. A model on a card has exact search done there;
what is measured runs on the processor, as the manifest's operating points do. Every query is searched once, for ten
hits; what more and fewer hits find is told of that and of exact search where it can be (`told.py`), and times are
taken of some.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.faiss.operating_point import needed, tune
from prom3e_index.bundle.faiss.scan import exact, score_rows
from prom3e_index.bundle.faiss.told import DEEPER, Told, found_share
from prom3e_index.bundle.made_by import MadeBy
from prom3e_index.bundle.manifest import lineage
from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.indexer.filtered_recall import filtered, let_go, told_gallery
from prom3e_index.indexer.on_card import on_card
from prom3e_index.indexer.plan import Progress
from prom3e_index.indexer.wished import other_kind, unmet, wish_of
from prom3e_index.models.folder import Model
from prom3e_index.mvae.completion import infer
from prom3e_index.search.score import query_rows

Floats = NDArray[np.float32]
QUERIES = 128
FILTERED = 32
DEPTHS = (1, 10, 100)
TIMED, LEAST_TIMED, TIMED_S = 32, 16, 0.5
"""Queries that are asked alone at most, every n-th of those that recall is measured with; and at least, where they take
more seconds than these."""
_BATCH = 64
TUNING = 2048
"""Queries that an operating point is chosen on at most, where a wished recall needs more than `QUERIES` to be shown."""
STALE = 0.1
"""Share of added and removed rows beyond which a certificate is made anew."""


def certified(
    folder: Path, manifest: dict[str, Any], model: Model, progress: Progress
) -> dict[str, Any]:
    """A manifest with operating points for kinds that have none yet, and a new certificate.

    Args:
        folder: Where the manifest's files lie.
        manifest: Whole but for these.
        model: The index's.
        progress: Told of each target.
    """
    manifest = tuned(folder, manifest, model, progress)
    made = certify(BundleFolder(folder, manifest), model, progress)
    return {**manifest, "certificate": made}


def tuned(
    folder: Path, manifest: dict[str, Any], model: Model, progress: Progress
) -> dict[str, Any]:
    """A manifest with operating points for kinds that have none yet; arguments as of `certified`."""
    lacking = [
        p for s in manifest["segments"] for p in s["index"].values()
        if p["kind"] != "exact" and not p.get("tuned")
    ]  # fmt: skip
    if not lacking:
        return manifest
    wish = wish_of(manifest)
    wanted = needed(wish.recall)
    count = max(QUERIES, round(wanted)) if wanted <= TUNING else QUERIES
    segments = [
        {**s, "index": {t: dict(p) for t, p in s["index"].items()}} for s in manifest["segments"]
    ]
    bundle = on_card(BundleFolder(folder, {**manifest, "segments": segments}), model)
    for segment, entry in zip(bundle.segments, segments, strict=True):
        for target, point in entry["index"].items():
            if point["kind"] != "exact" and not point.get("tuned"):
                progress(f"tune {target}", 0, None)
                queries = cross_modal(bundle, model, target, count, seed=2)
                chosen = tune(segment.gallery(target), queries, wish.recall)
                segment.close(target)
                entry["index"][target] = {**point, **chosen.to_dict(), "tuned": True}
    return {**manifest, "segments": segments}


def is_stale(manifest: dict[str, Any], key: str = "certificate") -> bool:
    """Whether rows added and removed since a part of the manifest was made pass a tenth of those it was made on."""
    try:
        made = manifest.get(key, {})
        generation, rows = int(made.get("generation", 1)), int(made.get("rows", manifest["rows"]))
    except (AttributeError, TypeError, ValueError):
        return True  # no certificate that can be read
    led_here = {g for g in lineage(manifest) if g > generation}
    later = [h for h in manifest["history"] if h["generation"] in led_here and "of" not in h]
    return bool(sum(h["added"] + h["removed"] for h in later) > STALE * rows)


def cross_modal(bundle: BundleFolder, model: Model, target: str, count: int, seed: int) -> Floats:
    """About `count` query vectors for a target, spread evenly over the modalities that can ask: (q, width)."""
    rng = np.random.default_rng(seed)
    names = bundle.modalities
    live = bundle.live
    present = bundle.present[live]
    askers = [g for g, m in enumerate(names) if m != target and present[:, g].any()]
    given = {}
    for g in askers:
        having = live[present[:, g]]
        size = min(len(having), -(-count // len(askers)))
        rows = np.sort(rng.choice(having, size, replace=False))
        given[names[g]] = bundle.embeddings(names[g])[rows]
    return queries_of(bundle, model, target, given)


def queries_of(
    bundle: MadeBy, model: Model, target: str, given: Mapping[str, NDArray[np.floating[Any]]]
) -> Floats:
    """Query vectors for a target, (q, width), of embeddings (n, d) that ask for it, each alone, by their modality."""
    names = bundle.modalities
    out = []
    for asker, embeddings in given.items():
        g, size = names.index(asker), len(embeddings)
        x = np.zeros((size, len(names), model.width), np.float32)
        x[:, g] = embeddings
        mask = np.zeros((size, len(names)), bool)
        mask[:, g] = True
        inferred = infer(model, x, mask, (target,))
        weights = model.weights((asker,), target)
        vectors = query_rows(
            x[:, g], inferred.reconstructed[:, 0], inferred.hidden, "hybrid", weights
        )
        tail = np.tile(bundle.hub_weights([asker]), (size, 1))
        out.append(np.concatenate([vectors, tail], axis=1))
    if not out:
        width = int(bundle.manifest["width"]) + int(bundle.manifest["hidden_width"])
        return np.zeros((0, width + bundle.bias_width), np.float32)
    return np.asarray(np.concatenate(out), np.float32)


def certify(
    bundle: BundleFolder, model: Model, progress: Progress, queries: int = QUERIES
) -> dict[str, Any]:
    """Measure every target of a bundle as it is searched.

    Returns:
        `generation`, `rows`, `queries` in all, `created`, `machine`, `versions`, and by target under `targets`:
        `kind`, `recall@1`, `recall@10`, `recall@100` against exact search over all segments; `p50_ms`, `p95_ms`,
        `p99_ms` of one query on one thread for ten hits, of `timed` queries; `batch_qps` in batches of 64;
        `disk_bytes_per_row` of
        vectors and FAISS files; `memory_bytes_per_row`, resident after these queries (Linux; else None);
        `build_seconds`; and where the kind is not exact `filtered`: recall@10 and answers short of ten, for rows
        drawn by chance and for the rows nearest to one of them. Beside them `unmet`, sentences.
        A recall is None where there are no queries.
    """
    targets = {}
    total = 0
    true = on_card(bundle, model)
    _warm()
    for number, target in enumerate(bundle.modalities):
        progress("certify", number, len(bundle.modalities))
        asked = cross_modal(bundle, model, target, queries, seed=1)
        total += len(asked)
        targets[target] = _measure(bundle, true, target, asked)
        _close(bundle, target)
        _close(true, target)
    progress("certify", len(bundle.modalities), len(bundle.modalities))
    made = {
        "generation": bundle.manifest["generation"],
        "rows": bundle.rows,
        "queries": total,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "targets": targets,
        "machine": machine(),
        "versions": versions(),
    }
    files = bundle.manifest["files"]
    held = sum(int(e["bytes"]) for n, e in files.items() if n.endswith((".faiss", ".lists.npy")))
    return {
        **made,
        "unmet": other_kind(bundle.manifest) + unmet(made, wish_of(bundle.manifest), held),
    }


def _close(bundle: BundleFolder, target: str) -> None:
    for segment in bundle.segments:
        segment.close(target)


def _measure(
    bundle: BundleFolder, true: BundleFolder, target: str, queries: Floats
) -> dict[str, Any]:
    points = [s["index"][target] for s in bundle.manifest["segments"]]
    kinds = dict.fromkeys(p["kind"] for p in points)
    before = _resident()
    out: dict[str, Any] = {"kind": " + ".join(kinds)}
    for k in DEPTHS:
        out[f"recall@{k}"] = None
    if len(queries) and bundle.rows:
        gallery = told_gallery(bundle, target)
        bundle.nearest(target, queries[:1], 10)
        parts = [queries[at : at + _BATCH] for at in range(0, len(queries), _BATCH)]
        timed = [_timed(bundle, target, part) for part in parts]
        found = {10: np.concatenate([scores for _, scores in timed])}
        if gallery is None:  # each by a search of its own: for more hits more lists are read
            found |= {k: bundle.nearest(target, queries, k)[0] for k in DEPTHS if k != 10}
        times = _times_alone(bundle, target, queries)
        after = _resident()
        out |= {f"p{p}_ms": round(float(np.percentile(times, p)), 3) for p in (50, 95, 99)}
        out["timed"] = len(times)
        out["batch_qps"] = round(1000 * len(queries) / sum(ms for ms, _ in timed), 1)
        deepest = max(DEPTHS) + (0 if gallery is None else DEEPER)
        truth, rows, _ = true.nearest(target, queries, deepest, exactly=True)
        let_go(true, target)
        for k in DEPTHS:
            if k in found or gallery is None:
                share = found_share(found[k], truth, k)
            else:
                some = truth[:, : k + DEEPER], rows[:, : k + DEEPER]
                share = Told(gallery, queries, some, k).shares(gallery)
            out[f"recall@{k}"] = round(float(share.mean()), 4)
        if after is not None and before is not None:
            out["memory_bytes_per_row"] = round(max(0, after - before) / bundle.places, 1)
        if set(kinds) != {"exact"}:
            out["filtered"] = filtered(bundle, target, queries[:FILTERED], true)
    files = bundle.manifest["files"]
    mine = sum(
        e["bytes"] for n, e in files.items()
        if n.rpartition("/")[2].split(".")[0] == target and ("faiss/" in n or "vectors/" in n)
    )  # fmt: skip
    out["disk_bytes_per_row"] = round(mine / max(1, bundle.places), 1)
    out["build_seconds"] = round(sum(float(p.get("seconds", 0)) for p in points), 2)
    return out


def _warm() -> None:
    """Compile and load what a search needs, so that neither counts as an index's time or memory."""
    import faiss  # noqa: F401

    few = np.zeros(
        (1024, 512), np.float16
    )  # so many that the threads of the products get their buffers
    for queries in (1, 2, 256):
        exact(few, np.zeros((queries, 512), np.float32), 100)
    score_rows(few, np.zeros(40_000, np.int64), np.zeros(512, np.float32))


def _timed(bundle: BundleFolder, target: str, queries: Floats) -> tuple[float, Floats]:
    """Milliseconds of a search for ten hits, and their scores."""
    begun = time.perf_counter()
    scores, _, _ = bundle.nearest(target, queries, 10)
    return (time.perf_counter() - begun) * 1000, scores


def _times_alone(bundle: BundleFolder, target: str, queries: Floats) -> list[float]:
    """Milliseconds of single queries on one thread."""
    times: list[float] = []
    with one_thread():
        for at in range(0, len(queries), -(-len(queries) // TIMED)):
            if len(times) >= LEAST_TIMED and sum(times) > 1000 * TIMED_S:
                break
            times.append(_timed(bundle, target, queries[at : at + 1])[0])
    return times


@contextmanager
def one_thread() -> Iterator[None]:
    """Search on one core meanwhile."""
    import faiss
    import numba

    threads, loops = faiss.omp_get_max_threads(), numba.get_num_threads()
    faiss.omp_set_num_threads(1)
    numba.set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)
        numba.set_num_threads(loops)


def _resident() -> int | None:
    """Bytes of this process in memory, mapped files included; None where the system does not say."""
    path = Path("/proc/self/statm")
    if not path.is_file():
        return None
    return int(path.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def machine() -> str:
    """The processor, and how many cores it has."""
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text().splitlines() if cpu.is_file() else []
    name = next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), ""
    )
    return f"{name or platform.processor() or platform.machine()}, {os.cpu_count()} cores"


def versions() -> dict[str, str]:
    """Versions of what searches."""
    import duckdb
    import faiss

    return {
        "faiss": faiss.__version__,
        "duckdb": duckdb.__version__,
        "python": platform.python_version(),
    }
