"""A gallery on a GPU gives the exact hits, or leaves them to the processor and says so."""

from __future__ import annotations

import threading

import faiss
import numpy as np
import pytest

from prom3e_index.bundle.faiss import gpu
from prom3e_index.bundle.faiss.kinds import KINDS
from prom3e_index.bundle.faiss.search import Gallery, Point, Subset
from prom3e_index.bundle.faiss.write import build
from prom3e_index.errors import InputError


class Rounding:
    """What FAISS's half-precision GPU index does, on the processor: queries are rounded, 2,048 selected at most."""

    fails = False

    def __init__(self, width, device):
        self.vectors, self.device, self.inside = np.zeros((0, width), np.float32), device, 0
        self.asked = []

    def add(self, part):
        self.vectors = np.concatenate([self.vectors, part])

    def search(self, queries, k):
        self.inside += 1
        assert self.inside == 1, "two callers at once"
        self.asked.append(k)
        if self.fails or k > 2048:
            raise RuntimeError("Error in GpuIndex::search\nout of memory")
        scores = queries.astype(np.float16).astype(np.float32) @ self.vectors.T
        rows = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        self.inside -= 1
        return np.take_along_axis(scores, rows, 1), rows


@pytest.fixture
def made(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu, "_flat", Rounding)
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 2)

    def make(vectors, device=True):
        path = tmp_path / "v.npy"
        np.save(path, vectors.astype(np.float16))
        held = np.load(path, mmap_mode="r")
        build(held, tmp_path / "i", KINDS["exact"])
        return Gallery(str(tmp_path / "i"), held, Point(), gpu=device)

    return make


def exact(gallery, queries, k):
    scores = np.round(np.asarray(gallery.vectors, np.float64) @ queries.T.astype(np.float64), 6).T
    order = np.stack([np.lexsort((np.arange(len(s)), -s))[:k] for s in scores])
    return np.take_along_axis(scores, order, 1)


@pytest.mark.parametrize("n", [1, 2, 64, 65, 66, 4000])
@pytest.mark.parametrize("k", [1, 2, 10, 1999])
def test_hits_are_those_of_numpy_whatever_rounding_says(made, n, k):
    rng = np.random.default_rng(n)
    vectors = 0.999 * np.ones((n, 24)) / 24**0.5 + 0.002 * rng.normal(size=(n, 24))  # nearly alike
    gallery = made(vectors)
    queries = (np.ones((5, 24)) + 0.3 * rng.normal(size=(5, 24))).astype(np.float32)
    scores, rows, path = gallery.search(queries, k)
    truth = exact(gallery, queries, min(k, n))

    assert scores.shape == truth.shape and np.allclose(scores, truth, atol=3e-6)
    again = (np.asarray(gallery.vectors, np.float32)[rows] * queries[:, None]).sum(axis=2)
    assert np.allclose(scores, again, atol=3e-6) and "exact" in path
    assert all(len(set(line)) == len(line) for line in rows.tolist())


def test_what_the_gpu_cannot_tell_is_searched_by_the_processor_and_said(made, monkeypatch):
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(5000, 16))
    gallery = made(vectors)
    queries = rng.normal(size=(3, 16)).astype(np.float32)
    assert gallery.search(queries, 5)[2] == "exact, FAISS on the GPU"
    cases = [(2500, "could not tell"), (5, "the GPU failed: out of memory")]
    for k, words in cases:
        monkeypatch.setattr(Rounding, "fails", k == 5)
        scores, _, path = gallery.search(queries, k)
        assert words in path and np.allclose(scores, exact(gallery, queries, k), atol=3e-6)
    alike = made(np.ones((5000, 16)))
    monkeypatch.setattr(Rounding, "fails", False)
    scores, rows, path = alike.search(queries, 3)
    assert "could not tell" in path and rows.tolist() == [[0, 1, 2]] * 3  # ties by row


def test_the_device_is_the_one_asked_for_and_filters_stay_on_the_processor(made):
    rng = np.random.default_rng(0)
    gallery = made(rng.normal(size=(300, 8)), "cuda:1")
    assert gallery._gpu._index.device == 1 and gallery.on_gpu
    queries = rng.normal(size=(2, 8)).astype(np.float32)
    gallery.search(queries, 5, Subset(np.arange(0, 300, 3), 300))
    assert gallery._gpu._index.asked == []
    absent = made(rng.normal(size=(300, 8)), "cuda:7")
    assert not absent.on_gpu and "cuda:7 is not among them" in absent.search(queries, 5)[2]
    for text in ("cpu", "cuda:x", "cuda:-1", "gpu:0"):
        with pytest.raises(InputError, match="is no GPU"):
            gpu.device_number(text)


def test_many_threads_take_turns(made):
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
    assert {f[2] for f in found} == {"exact, FAISS on the GPU"}


@pytest.mark.skipif(faiss.get_num_gpus() == 0, reason="FAISS sees no GPU")
@pytest.mark.parametrize("k", [1, 10, 1500, 3000])
def test_a_real_gpu_gives_what_numpy_gives(tmp_path, k):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "v.npy", rng.normal(size=(20_000, 64)).astype(np.float16))
    held = np.load(tmp_path / "v.npy", mmap_mode="r")
    build(held, tmp_path / "i", KINDS["exact"])
    gallery = Gallery(str(tmp_path / "i"), held, Point(), gpu=True)
    queries = rng.normal(size=(16, 64)).astype(np.float32)
    scores, _, _ = gallery.search(queries, k)
    assert gallery.on_gpu and np.allclose(scores, exact(gallery, queries, k), atol=2e-5)
