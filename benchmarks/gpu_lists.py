"""Lists on the card: k-means, assignment, codes and writing of one file, 512 numbers a row: a part of `gpu.py`."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gpu_rows import Row, Size, wait
from gpu_search import WIDTH, K, asked, clustered

from prom3e_index.bundle.faiss import centres, write
from prom3e_index.bundle.faiss.kinds import KINDS
from prom3e_index.bundle.faiss.resident import Resident

PART, KIND = "lists", "ivf-sq8"
PROBES = (1, 4, 16)


def stored(n: int, folder: Path, device: str) -> np.ndarray:
    """A file of clustered rows, mapped."""
    path, held = folder / f"{n}.npy", clustered(n, device)
    out = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=(n, WIDTH))
    for at in range(0, n, 1 << 18):
        out[at : at + (1 << 18)] = held[at : min(n, at + (1 << 18))].cpu().numpy()
    out.flush()
    return np.load(path, mmap_mode="r")


class Watched:
    """Seconds spent in some functions of a module while a block runs, by their words."""

    def __init__(self, names: dict[tuple[Any, str], str], device: str) -> None:
        self.seconds = dict.fromkeys(names.values(), 0.0)
        self._names, self._device = names, device

    def __enter__(self) -> Watched:
        self._plain = {place: getattr(*place) for place in self._names}
        for place, word in self._names.items():
            setattr(*place, self._timed(self._plain[place], word))
        return self

    def __exit__(self, *_: object) -> None:
        for place, plain in self._plain.items():
            setattr(*place, plain)

    def _timed(self, call: Any, word: str) -> Any:
        def timed(*given: Any, **named: Any) -> Any:
            begun = time.perf_counter()
            made = call(*given, **named)
            wait(self._device)
            self.seconds[word] += time.perf_counter() - begun
            return made

        return timed


def built(vectors: np.ndarray, path: Path, device: str) -> tuple[np.ndarray, float, str]:
    """The list of each row, seconds, and where they went."""
    parts = {
        (write, "sample"): "sample",
        (write, "train"): "k-means",
        (write, "_trained"): "trained in all",
        (write, "_assign"): "reading and assigning",
        (write, "_lists"): "reading, codes and writing",
    }
    begun = time.perf_counter()
    with Watched(parts, device) as watched:
        assigned = write.build(vectors, path, KINDS[KIND], device=device)
    took = time.perf_counter() - begun
    assert assigned is not None
    split = {w: s for w, s in watched.seconds.items() if w != "trained in all"}
    split["codes fitted"] = watched.seconds["trained in all"] - split["sample"] - split["k-means"]
    return assigned, took, ", ".join(f"{w} {s:.1f}" for w, s in split.items())


def recall(
    vectors: np.ndarray, queries: np.ndarray, true: np.ndarray, path: Path, assigned: np.ndarray
) -> list[float]:
    """Recall@10 at equal probes, of rows in the lists read, which is what lists can lose."""
    import faiss

    index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY)
    held = index.quantizer.reconstruct_n(0, index.nlist)
    order = np.argsort(-(queries @ held.T), axis=1)
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.broadcast_to(np.arange(order.shape[1]), order.shape), axis=1)
    reached = np.take_along_axis(rank, assigned[true].astype(np.int64), axis=1)
    return [float((reached < p).mean()) for p in PROBES]


def nearest(vectors: np.ndarray, path: Path, assigned: np.ndarray, device: str) -> str:
    """Rows whose list is not the nearest centre's, by products in single precision, and how much nearer that is."""
    import faiss

    index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY)
    held = torch.from_numpy(index.quantizer.reconstruct_n(0, index.nlist)).to(device)
    rows = np.arange(0, len(vectors), max(1, len(vectors) // 100_000))
    x = torch.from_numpy(np.asarray(vectors[rows], np.float32)).to(device)
    worst, other = 0.0, 0
    for at in range(0, len(rows), 4096):
        scores = x[at : at + 4096] @ held.T
        chosen = torch.from_numpy(assigned[rows[at : at + 4096]].astype(np.int64)).to(device)
        loss = scores.amax(dim=1) - scores.gather(1, chosen[:, None])[:, 0]
        worst, other = max(worst, float(loss.max())), other + int((loss > 1e-6).sum())
    return f"{other} of {len(rows):,} rows have a nearer centre, by {worst:.1e} at most"


def beside(n: int, device: str, folder: Path) -> Iterator[Row]:
    """The same rows on the card and on the processor."""
    vectors = stored(n, folder, device)
    held = torch.from_numpy(np.array(vectors[: n // 32 * 32])).to(device)
    queries = asked(held, len(held), 256)
    _, true, _ = Resident(held, len(held), len(held), 1.001).search(queries, K)
    found = {}
    for where in ("cpu", device) if device != "cpu" else ("cpu",):
        path = folder / f"{where.replace(':', '')}-{n}"
        assigned, took, split = built(vectors, path, where)
        found[where] = recall(vectors, queries, true, path, assigned)
        told = ", ".join(f"{r:.4f}" for r in found[where])
        yield Row(PART, f"{n:,} × {WIDTH} {KIND} on {where}", f"{took:.1f} s", split,
                  f"recall@10 of rows in the {', '.join(map(str, PROBES))} lists read {told}; "
                  + nearest(vectors, path, assigned, device))  # fmt: skip
        path.unlink()
    if len(found) == 2:
        apart = max(abs(a - b) for a, b in zip(*found.values(), strict=True))
        yield Row(
            PART,
            f"{n:,} × {WIDTH}, card beside processor",
            f"{apart:.4f} apart in recall at equal lists read",
        )


def whole(n: int, device: str, folder: Path) -> Iterator[Row]:
    """A file of vectors to a file of lists, and the truth that its tuning needs."""
    begun = time.perf_counter()
    vectors = stored(n, folder, device)
    made = time.perf_counter() - begun
    path = folder / "whole"
    assigned, took, split = built(vectors, path, device)
    told = nearest(vectors, path, assigned, device)
    yield Row(
        PART,
        f"{n:,} × {WIDTH} {KIND}, file to lists",
        f"{took:.1f} s",
        f"asked for: 60 s; {split}",
        told,
    )
    begun = time.perf_counter()
    there = Resident.copied(vectors, device)
    wait(device)
    copied = time.perf_counter() - begun
    queries = asked(torch.from_numpy(np.array(vectors[:1024])).to(device), 1024, 128)
    begun = time.perf_counter()
    _, true, sure = there.search(queries, K)
    exact = time.perf_counter() - begun
    told = ", ".join(f"{r:.4f}" for r in recall(vectors, queries, true, path, assigned))
    what = f"{n:,} × {WIDTH}, the truth of 128 queries that tuning needs"
    figure = f"{copied:.2f} s of copying, {exact:.3f} s of searching"
    check = f"{int(sure.sum())} proved; recall@10 of rows in the {', '.join(map(str, PROBES))} lists read {told}"
    yield Row(PART, what, figure, f"making the file took {made:.1f} s, not counted", check)


def products(device: str, n: int, lists: int) -> Iterator[Row]:
    """K-means and assignment of rows that are on the card already."""
    rows = clustered(n, device)
    held = clustered(lists, device, seed=1)[:lists].T.contiguous()
    for what, count in (("one round of 48 rows a list", min(n, 48 * lists)), ("assignment", n)):
        centres._nearest_on_card(rows[:count], held)
        wait(device)
        begun = time.perf_counter()
        centres._nearest_on_card(rows[:count], held)
        wait(device)
        took = time.perf_counter() - begun
        rate = 2 * count * lists * WIDTH / took / 1e12
        yield Row(
            PART,
            f"{what}: {count:,} rows, {lists:,} centres, there",
            f"{took:.3f} s",
            f"{rate:.0f} TFLOP/s",
        )


def rows(size: Size, device: str) -> Iterator[Row]:
    """Products alone, card beside processor, the whole file."""
    if importlib.util.find_spec("numba") is None:  # what widens half precision elsewhere
        write.widen = lambda vectors, rows: torch.from_numpy(vectors[rows]).float().numpy()
    n, few = (
        (4_000, 4_000)
        if size.small
        else (1_000_000, 300_000)
        if size.trial
        else (10_000_000, 300_000)
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parts = [lambda: products(device, n, 64 if size.small else 8192)]
        parts += [lambda: beside(few, device, folder)]
        parts += [] if size.small else [lambda: whole(n, device, folder)]
        for part in parts:
            try:
                yield from part()
            except Exception as e:
                traceback.print_exc(file=sys.stderr)
                told = (str(e) or type(e).__name__).splitlines()[0][:160]
                yield Row(PART, "part of it", f"not measured: {told}")
            if device != "cpu":
                torch.cuda.empty_cache()
