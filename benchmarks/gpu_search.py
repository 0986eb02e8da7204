"""Exact search on the card: 512 numbers a row in half precision, ten hits, scored again: a part of `gpu.py`."""

from __future__ import annotations

import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from gpu_rows import Row, Size, seconds, wait

from prom3e_index.bundle.faiss import replays, resident
from prom3e_index.bundle.faiss.products import GROUP, Halves
from prom3e_index.bundle.faiss.resident import Resident

WIDTH, K, CENTRES = 512, 10, 2000
PART = "search"
OFTEN = replays.AFTER + 2
"""Queries after which one is replayed."""


class Subset:
    """Eligible rows, as `faiss.search.Subset` has them, without FAISS."""

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = rows


def clustered(n: int, device: str, width: int = WIDTH, seed: int = 0) -> torch.Tensor:
    """(n padded to whole groups, width) half, unit rows about some centres, made on the device."""
    draw = torch.Generator(device).manual_seed(seed)
    centres = torch.randn(CENTRES, width, device=device, generator=draw)
    out = torch.zeros((-(-n // GROUP) * GROUP, width), dtype=torch.float16, device=device)
    for at in range(0, n, 1 << 20):
        size = min(n - at, 1 << 20)
        which = torch.randint(CENTRES, (size,), device=device, generator=draw)
        x = centres[which] + 0.7 * torch.randn(size, width, device=device, generator=draw)
        out[at : at + size] = x / x.norm(dim=1, keepdim=True)
    return out


def asked(held: torch.Tensor, n: int, count: int) -> np.ndarray:
    """(count, width) float32 queries beside some of the rows, as another modality's lie."""
    draw = np.random.default_rng(1)
    rows = held[torch.from_numpy(draw.integers(0, n, count)).to(held.device)].float().cpu().numpy()
    x = rows + 0.05 + draw.normal(size=rows.shape) * 0.7 / rows.shape[1] ** 0.5
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def truth(
    held: torch.Tensor, n: int, queries: np.ndarray, rows: np.ndarray | None = None
) -> torch.Tensor:
    """(q, k) scores of the best rows, every row scored in double precision, six decimals."""
    q = torch.from_numpy(queries).to(held.device).double()
    chosen = (
        torch.arange(n, device=held.device)
        if rows is None
        else torch.from_numpy(rows).to(held.device)
    )
    best = torch.full((len(q), K), -torch.inf, dtype=torch.float64, device=held.device)
    for part in chosen.split(1 << 18):
        scores = q @ held[part].double().T
        best = (
            torch.cat([best, scores.topk(min(K, len(part)), dim=1).values], dim=1)
            .topk(K, dim=1)
            .values
        )
    return (torch.round(best * 1e6) / 1e6).float()


def judged(found: tuple, true: torch.Tensor) -> str:
    """How the answers for the first queries compare with the truth."""
    scores, rows, sure = found
    mine, real = scores[: len(true)], true.cpu().numpy()
    recall = float((mine >= real[:, -1:]).mean())
    once = all(len(set(line)) == len(line) for line in rows.tolist())
    return (
        f"recall@10 {recall:.4f}, largest difference {np.abs(mine - real).max():.1e} of {len(true)} queries in double "
        f"precision, {int((~sure).sum())} of {len(sure)} not proved{'' if once else ', ROWS TWICE'}"
    )


def resident_rows(n: int, size: Size, device: str) -> Iterator[Row]:
    """Batches of one, 64 and 1,024, filters, and where the time of one query goes."""
    held = clustered(n, device)
    there = Resident(held, n, n, 1.001)
    queries = asked(held, n, 64 if size.small else 1024)
    few = 8 if size.small else 64
    true = truth(held, n, queries[:few])
    floor = 2 * n * WIDTH / size.copy
    times = 3 if size.small else 10
    name = f"{n:,} × {WIDTH}"
    for batch in (1, 64) if size.small else (1, 64, 1024):
        warm = OFTEN if batch == 1 else 2
        took = seconds(lambda b=batch: there.search(queries[:b], K), device, times, warm)
        share = f"{1000 * floor:.2f} ms at the copy's speed, {floor / took:.0%}"
        found = there.search(queries[:batch], K)
        yield Row(PART, f"{name}, batch {batch}", f"{1000 * took:.2f} ms, {batch / took:,.0f} queries/s", share,
                  judged(found, true[:batch]))  # fmt: skip
    alone = [there.search(q[None], K) for q in queries[:few]]
    whole = tuple(np.concatenate([a[i] for a in alone]) for i in range(3))
    together = there.search(queries[:few], K)
    same = all(np.array_equal(whole[i], together[i]) for i in (0, 1))
    yield Row(
        PART,
        f"{name}, each query alone",
        "as in a batch" if same else "DIFFERS",
        check=judged(whole, true),
    )
    yield from filtered(there, held, n, queries[:few], size, device)
    yield from one_query(there, n, queries[:1], floor, size, device)
    yield from ways(held, n, queries, size, device)


def filtered(
    there: Resident, held: torch.Tensor, n: int, queries: np.ndarray, size: Size, device: str
) -> Iterator[Row]:
    """A filter whose rows are gathered, and one that is a mask."""
    draw = np.random.default_rng(2)
    for share in (0.01, 0.5):
        rows = np.flatnonzero(draw.random(n) < share)
        subset, true = Subset(rows), truth(held, n, queries, rows)
        for batch in (1, len(queries)):
            warm = OFTEN if batch == 1 else 1
            took = seconds(
                lambda b=batch, s=subset: there.search(queries[:b], K, s), device, 3, warm
            )
            found = there.search(queries[:batch], K, subset)
            inside = "" if np.isin(found[1], rows).all() else ", ROWS THAT ARE NOT ELIGIBLE"
            yield Row(PART, f"{n:,} × {WIDTH}, filter of {share:.0%}, batch {batch}", f"{1000 * took:.2f} ms",
                      check=judged(found, true[:batch]) + inside)  # fmt: skip


def one_query(
    there: Resident, n: int, query: np.ndarray, floor: float, size: Size, device: str
) -> Iterator[Row]:
    """Where the time of one query goes: the host's before, the host's until all is told, the device's."""
    name, times = f"{n:,} × {WIDTH}, one query", 3 if size.small else 20
    among, halves, card = there._all, Halves(query, 1.001), device != "cpu"
    alone = seconds(lambda: resident._sent(Halves(query, 1.001), card), device, times, 2)
    yield Row(PART, f"{name}: made ready by the host", f"{1000 * alone:.3f} ms")
    sent = resident._sent(halves, card)

    def step(given: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return resident._told(among, given, 1, K + resident.SPARE, K)

    kept = replays.Replays()
    for _ in range(OFTEN):
        kept.take(K, step, sent, among.held.device)
    ways = {
        "told one by one": lambda: step(sent.to(device, non_blocking=True)),
        "as it is taken": lambda: kept.take(K, step, sent, among.held.device),
    }
    wide, best, _ = ways["told one by one"]()
    ways["chosen and scored again alone"] = lambda: resident._scored_again(
        among, wide, best, K + resident.SPARE, K
    )
    ways["groups chosen alone"] = lambda: best.topk(K + resident.SPARE + 1, dim=1)
    for way, call in ways.items():
        host, whole = told(call, device, times)
        told_as = f" ({kept.told(K)})" if way == "as it is taken" else ""
        share = "" if way.endswith("alone") else f"{floor / whole:.0%}"
        yield Row(
            PART,
            f"{name}: {way}{told_as}",
            f"host {1000 * host:.3f} ms, device {1000 * whole:.3f} ms",
            share,
        )
    took = seconds(lambda: there.search(query, K), device, times, OFTEN)
    yield Row(
        PART, f"{name}: whole ({there.told(K)})", f"{1000 * took:.3f} ms", f"{floor / took:.0%}"
    )


def told(call: Callable[[], object], device: str, times: int) -> tuple[float, float]:
    """Median seconds until a call is told, and that the device takes from its first operation to its last."""
    host, whole = [], []
    for number in range(times + 2):
        wait(device)
        marks = [torch.cuda.Event(enable_timing=True) for _ in range(2)] if device != "cpu" else []
        begun = time.perf_counter()
        for mark in marks[:1]:
            mark.record()
        call()
        for mark in marks[1:]:
            mark.record()
        took = time.perf_counter() - begun
        wait(device)
        if number >= 2:
            host.append(took)
            whole.append(marks[0].elapsed_time(marks[1]) / 1000 if marks else took)
    return sorted(host)[times // 2], sorted(whole)[times // 2]


def ways(held: torch.Tensor, n: int, queries: np.ndarray, size: Size, device: str) -> Iterator[Row]:
    """The parts of one query, and its product in other shapes."""
    floor = 2 * n * WIDTH / size.copy
    half = torch.from_numpy(queries).to(device).half()
    among = resident._Rows(held, n, 1.001)
    step = 1 << 21

    def blocks(call: Callable[[torch.Tensor], object]) -> Callable[[], object]:
        return lambda: [call(held[at : at + step]) for at in range(0, len(held), step)]

    one = half[0].contiguous()
    some = {c: half[:c].T.contiguous() for c in (1, 2, 8)}
    tried = {
        "best of groups alone": lambda: resident._best_of_groups(among, some[1]),
        "product (n, w) × (w, 1), float32": blocks(lambda b: resident.product(b, some[1])),
        "product (n, w) × (w, 2), float32": blocks(lambda b: resident.product(b, some[2])),
        "product (n, w) × (w, 8), float32": blocks(lambda b: resident.product(b, some[8])),
        "torch.mv, half": blocks(lambda b: torch.mv(b, one)),
        "product (1, w) × (w, n), half": blocks(lambda b: torch.mm(one[None], b.T)),
    }
    if size.small:
        tried = {"best of groups alone": tried["best of groups alone"]}
    for what, call in tried.items():
        try:
            took = seconds(call, device, 5, 2)
            yield Row(
                PART,
                f"{n:,} × {WIDTH}, one query: {what}",
                f"{1000 * took:.2f} ms",
                f"{floor / took:.0%}",
            )
        except RuntimeError as e:
            traceback.print_exc()
            yield Row(PART, what, f"not measured: {str(e).splitlines()[0][:120]}")
    for batch in () if size.small else (64, 256):
        some[batch] = half[:batch].T.contiguous()
        took = seconds(lambda b=batch: resident._best_of_groups(among, some[b]), device, 3)
        yield Row(
            PART, f"{n:,} × {WIDTH}, best of groups alone, {batch} queries", f"{1000 * took:.2f} ms"
        )


def from_file(n: int, size: Size, device: str) -> Iterator[Row]:
    """Reading a file of half precision to the card, and the first answer."""
    with tempfile.TemporaryDirectory() as name:
        path, held = Path(name) / "v.npy", clustered(n, device)
        queries = asked(held, n, 8)
        true = truth(held, n, queries)
        out = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=(n, WIDTH))
        for at in range(0, n, 1 << 18):
            out[at : at + (1 << 18)] = held[at : min(n, at + (1 << 18))].cpu().numpy()
        out.flush()
        del out, held
        vectors = np.load(path, mmap_mode="r")
        wait(device)
        begun = time.perf_counter()
        there = Resident.copied(vectors, device)
        wait(device)
        took = time.perf_counter() - begun
        found = there.search(queries, K)
        yield Row(PART, f"{n:,} × {WIDTH}, from a file in the page cache to the card",
                  f"{took:.2f} s, {2 * n * WIDTH / took / 1e9:.1f} GB/s",
                  f"once a process; the first 8 answers {time.perf_counter() - begun - took:.2f} s later",
                  judged(found, true))  # fmt: skip


def rows(size: Size, device: str) -> Iterator[Row]:
    """Resident, from a file, filtered."""
    sizes = (6_000,) if size.small else (1_000_000,) if size.trial else (1_000_000, 10_000_000)
    for n in sizes:
        for part in (resident_rows, from_file):
            try:
                yield from part(n, size, device)
            except Exception as e:
                traceback.print_exc(file=sys.stderr)
                told = (str(e) or type(e).__name__).splitlines()[0][:160]
                yield Row(PART, f"{n:,} × {WIDTH}, {part.__name__}", f"not measured: {told}")
            if device != "cpu":
                torch.cuda.empty_cache()
    if size.trial:
        yield from largest(size, device)


def largest(size: Size, device: str) -> Iterator[Row]:
    """In a trial: only the parts of one query and a batch at the full size."""
    n = 10_000_000
    held = clustered(n, device)
    queries = asked(held, n, 256)
    there = Resident(held, n, n, 1.001)
    for batch in (1, 64, 256):
        warm = OFTEN if batch == 1 else 1
        took = seconds(lambda b=batch: there.search(queries[:b], K), device, 5, warm)
        yield Row(PART, f"{n:,} × {WIDTH}, batch {batch}", f"{1000 * took:.2f} ms",
                  f"{2 * n * WIDTH / size.copy / took:.0%}")  # fmt: skip
    yield from one_query(there, n, queries[:1], 2 * n * WIDTH / size.copy, size, device)
    yield from ways(held, n, queries, size, device)
