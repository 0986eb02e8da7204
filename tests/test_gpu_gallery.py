"""A gallery on a GPU gives the hits of an exact scan to the bit, filtered or not, or leaves them to the processor and says so."""

from __future__ import annotations

import gc
import threading

import numpy as np
import pytest

from prom3e_index.bundle.faiss import gpu, resident
from prom3e_index.bundle.faiss.kinds import KINDS
from prom3e_index.bundle.faiss.scan import exact
from prom3e_index.bundle.faiss.search import Gallery, Point, Subset
from prom3e_index.bundle.faiss.write import build
from prom3e_index.errors import InputError

ON_GPU = "exact, on the GPU"
FILTERED = "exact, on the GPU, among the eligible rows"


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Galleries whose GPU is the processor: the same code, halves widened before they are multiplied."""
    monkeypatch.setattr(gpu, "device_name", lambda number: "cpu")
    monkeypatch.setattr(gpu, "number_of_gpus", lambda: 2)
    monkeypatch.setattr(gpu, "room_for", lambda width, device: 1 << 40)
    count = iter(range(100))

    def make(vectors, device=True, kind="exact"):
        name = f"{next(count)}"
        np.save(tmp_path / f"{name}.npy", vectors.astype(np.float16))
        held = np.load(tmp_path / f"{name}.npy", mmap_mode="r")
        assigned = build(held, tmp_path / name, KINDS[kind])
        return Gallery(str(tmp_path / name), held, Point(kind), assigned, gpu=device)

    return make


def by_numpy(gallery, queries, k, rows=None):
    """Double precision, six decimals, ties by row."""
    rows = np.arange(len(gallery)) if rows is None else rows
    wide = np.asarray(gallery.vectors, np.float64)[rows]
    scores = [
        (np.rint(wide @ q.astype(np.float64) * 1e6) / 1e6).astype(np.float32) for q in queries
    ]
    order = [np.lexsort((rows, -s))[:k] for s in scores]
    return (np.stack([s[o] for s, o in zip(scores, order, strict=True)]),
            np.stack([rows[o] for o in order]))  # fmt: skip


def same(found, truth):
    assert found[0].dtype == np.float32 and found[1].dtype == np.int64
    assert np.array_equal(found[1], truth[1]) and found[0].tobytes() == truth[0].tobytes()


def alike(n, width, seed=0):
    """Rows of a few directions, some the very same, some apart by less than half precision tells."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(40, width))[rng.integers(0, 40, n)]
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    x[::2] += rng.normal(size=x[::2].shape) * 3e-4
    return x


@pytest.mark.parametrize("n", [1, 2, 31, 32, 33, 64, 65, 4000])
@pytest.mark.parametrize("k", [1, 2, 10, 1999])
def test_hits_are_those_of_numpy_to_the_bit(made, n, k):
    gallery = made(alike(n, 24, n))
    for queries in (1, 5):
        q = np.random.default_rng(queries).normal(size=(queries, 24)).astype(np.float32)
        found = gallery.search(q, k)
        same(found, by_numpy(gallery, q, min(k, n)))
        one = [exact(gallery.vectors, line[None], min(k, n)) for line in q]
        same(found, [np.concatenate([f[i] for f in one]) for i in (0, 1)])
        assert found[2] == ON_GPU


@pytest.mark.parametrize("kept", [0.5, 0.02, 0.002])
def test_filtered_hits_are_those_of_numpy_by_mask_and_by_gathering(made, kept):
    gallery = made(alike(5000, 16))
    rng = np.random.default_rng(2)
    rows = np.flatnonzero(rng.random(5000) < kept)
    queries = rng.normal(size=(4, 16)).astype(np.float32)
    subset = Subset(rows, 5000)
    for k in (1, 10, len(rows) - 1, len(rows), len(rows) + 1):
        for _ in range(2):  # the mask is kept
            found = gallery.search(queries, k, subset)
            same(found, by_numpy(gallery, queries, min(k, len(rows)), rows))
            assert found[2] == FILTERED
    last = gallery.search(queries, 3, Subset(np.array([4999]), 5000))
    assert last[1].tolist() == [[4999]] * 4
    assert gallery.search(queries, 3, Subset(np.zeros(0, np.int64), 5000))[0].shape == (4, 0)


def test_many_passes_and_blocks_give_the_same(made, monkeypatch):
    gallery = made(alike(3000, 16))
    queries = np.random.default_rng(3).normal(size=(23, 16)).astype(np.float32)
    truth = by_numpy(gallery, queries, 10)
    for name, value in (("QUERIES", 4), ("WORK", 1), ("_SCORES", 4 * 64), ("_ROWS", 96)):
        monkeypatch.setattr(resident, name, value)
        same(gallery.search(queries, 10), truth)
    monkeypatch.setattr(resident, "PORTION", 2 * 16 * 7)
    same(made(alike(3000, 16)).search(queries, 10), truth)


def test_rows_as_good_as_the_last_are_found_or_left_to_the_processor(made, monkeypatch):
    same_rows = made(np.ones((5000, 16)))
    queries = np.random.default_rng(0).normal(size=(3, 16)).astype(np.float32)
    found = same_rows.search(queries, 3)
    assert found[2] == ON_GPU and found[1].tolist() == [[0, 1, 2]] * 3  # ties by row
    monkeypatch.setattr(resident, "_MOST", 60 * 32 * 16 * 8)
    scores, rows, path = same_rows.search(queries, 3)
    assert path == f"{ON_GPU}; 3 of 3 on the processor, the GPU could not tell the best for sure"
    assert rows.tolist() == [[0, 1, 2]] * 3
    gallery = made(np.random.default_rng(1).normal(size=(5000, 16)))
    same(gallery.search(queries, 2500), by_numpy(gallery, queries, 2500))
    queries[1, 3] = np.nan
    assert "; 1 of 3 on the processor" in gallery.search(queries, 2)[2]
    queries[1, 3] = 1e30
    assert gallery.search(queries, 2)[1].tolist() == [
        exact(gallery.vectors, q[None], 2)[1][0].tolist() for q in queries
    ]


@pytest.mark.parametrize("scale", [1e-6, 1e-3, 300.0])
def test_long_and_short_queries_and_rows(made, scale):
    rng = np.random.default_rng(4)
    gallery = made(rng.normal(size=(2000, 32)) * min(scale, 100))
    queries = (scale * rng.normal(size=(3, 32))).astype(np.float32)
    queries[1] = 0
    same(gallery.search(queries, 7), by_numpy(gallery, queries, 7))


def test_what_does_not_fit_stays_on_the_processor_and_is_said(made, monkeypatch):
    vectors = alike(3000, 16)
    monkeypatch.setattr(gpu, "room_for", lambda width, device: 1000)
    gallery = made(vectors)
    queries = np.random.default_rng(5).normal(size=(3, 16)).astype(np.float32)
    part = " (1,000 of 3,000 rows; the rest on the processor)"
    for k in (1, 10, 1500, 3000):
        found = gallery.search(queries, k)
        assert found[2] == ON_GPU + part
        same(found, by_numpy(gallery, queries, k))
    for rows in (np.arange(0, 3000, 7), np.arange(990, 1010), np.arange(5), np.arange(2000, 2005)):
        found = gallery.search(queries, 4, Subset(rows, 3000))
        assert found[2] == FILTERED + part
        same(found, by_numpy(gallery, queries, 4, rows))
    monkeypatch.setattr(gpu, "room_for", lambda width, device: 0)
    assert "cuda:0 has no free memory" in made(vectors).search(queries, 1)[2]


def test_vectors_are_copied_once_and_go_with_the_last_gallery(made, monkeypatch, tmp_path):
    copies = []
    plain = resident._copy
    monkeypatch.setattr(resident, "_copy", lambda *a: copies.append(len(a[0])) or plain(*a))
    gallery = made(alike(200, 16))
    again = Gallery(gallery._gpu and str(tmp_path / "0"), gallery.vectors, Point(), gpu="cuda:0")
    assert again.on_gpu and copies == [200] and again._gpu._held is gallery._gpu._held
    other = Gallery(str(tmp_path / "0"), gallery.vectors, Point(), gpu="cuda:1")
    assert other.on_gpu and copies == [200, 200]
    del gallery, again, other
    gc.collect()
    assert not len(gpu._HELD)


def test_copies_stay_while_they_are_to_and_there_is_room(made, monkeypatch, tmp_path):
    copies = []
    plain = resident._copy
    monkeypatch.setattr(resident, "_copy", lambda *a: copies.append(len(a[0])) or plain(*a))

    def opened(name, n):
        gallery = Gallery(
            str(tmp_path / name), np.load(tmp_path / f"{name}.npy"), Point(), gpu=True
        )
        assert gallery.on_gpu and len(gallery) == n

    for n in (200, 300):
        made(alike(n, 16), device=False)
    with gpu.uploads_stay():
        for name, n in (("0", 200), ("1", 300), ("0", 200)):
            opened(name, n)
            gc.collect()
        assert copies == [200, 300] and len(gpu._HELD) == 2
        # Room is what is free: as much again as is not held.
        monkeypatch.setattr(
            gpu, "room_for", lambda width, device: 700 - sum(h.rows for h in gpu._HELD.values())
        )
        made(alike(600, 16), device=False)
        opened("2", 600)
        gc.collect()
        assert copies == [200, 300, 600] and [h.rows for h in gpu._HELD.values()] == [600]
    gc.collect()
    assert not len(gpu._HELD)
    opened("0", 200)
    assert copies == [200, 300, 600, 200]


def test_lists_go_there_when_asked_to_be_exact(made):
    gallery = made(alike(3000, 16), kind="ivf-sq8").at(Point("ivf-sq8", probes=4, candidates=4))
    queries = np.random.default_rng(6).normal(size=(3, 16)).astype(np.float32)
    assert not gallery.on_gpu and "lists" in gallery.search(queries, 5)[2]
    found = gallery.search(queries, 5, exactly=True)
    assert found[2] == ON_GPU
    same(found, by_numpy(gallery, queries, 5))
    rows = np.arange(0, 3000, 3)
    same(gallery.search(queries, 5, Subset(rows, 3000), True), by_numpy(gallery, queries, 5, rows))


def test_a_gpu_that_is_absent_or_fails_is_said(made, monkeypatch):
    vectors = alike(300, 8)
    queries = np.random.default_rng(7).normal(size=(2, 8)).astype(np.float32)
    absent = made(vectors, "cuda:7")
    assert not absent.on_gpu
    assert (
        absent.search(queries, 5)[2] == "exact, FAISS (torch sees 2 GPUs, cuda:7 is not among them)"
    )
    assert absent.search(queries, 5, exactly=True)[2].startswith("exact scan (torch sees 2 GPUs")
    for text in ("cpu", "cuda:x", "cuda:-1", "gpu:0"):
        with pytest.raises(InputError, match="is no GPU"):
            gpu.device_number(text)
    gallery = made(vectors)
    truth = by_numpy(gallery, queries, 5)

    def fails(*_):
        raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB\nmore")

    monkeypatch.setattr(resident, "_nearest", fails)
    found = gallery.search(queries, 5)
    same(found, truth)
    assert found[2] == "exact, FAISS (the GPU failed: CUDA out of memory. Tried to allocate 2 GiB)"
    monkeypatch.undo()
    vectors[17, 3] = np.inf
    monkeypatch.setattr(gpu, "device_name", lambda number: "cpu")
    monkeypatch.setattr(gpu, "number_of_gpus", lambda: 1)
    monkeypatch.setattr(gpu, "room_for", lambda width, device: 1 << 40)
    damaged = made(vectors)
    assert "the vectors hold values that are not numbers" in damaged.search(queries[:, :8], 5)[2]


def test_many_threads_get_the_same(made):
    rng = np.random.default_rng(0)
    gallery = made(rng.normal(size=(2000, 16)))
    queries = rng.normal(size=(8, 16)).astype(np.float32)
    expected, found = gallery.search(queries, 10)[1].tolist(), []
    threads = [
        threading.Thread(target=lambda: found.append(gallery.search(queries, 10))) for _ in range(8)
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert [f[1].tolist() for f in found] == [expected] * 8
    assert {f[2] for f in found} == {ON_GPU}


@pytest.mark.skipif(gpu.number_of_gpus() == 0, reason="torch sees no GPU")
@pytest.mark.parametrize("k", [1, 10, 1500, 3000])
def test_a_real_gpu_gives_what_numpy_gives(tmp_path, k):
    np.save(tmp_path / "v.npy", alike(20_000, 64).astype(np.float16))
    held = np.load(tmp_path / "v.npy", mmap_mode="r")
    build(held, tmp_path / "i", KINDS["exact"])
    gallery = Gallery(str(tmp_path / "i"), held, Point(), gpu=True)
    queries = np.random.default_rng(0).normal(size=(16, 64)).astype(np.float32)
    rows = np.arange(0, 20_000, 3)
    assert gallery.on_gpu
    same(gallery.search(queries, k), by_numpy(gallery, queries, k))
    same(gallery.search(queries, k, Subset(rows, 20_000)), by_numpy(gallery, queries, k, rows))
