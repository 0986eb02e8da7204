"""What a search of lists finds is told from one exact search as searching itself measures it, at every point."""

from __future__ import annotations

import numpy as np
import pytest

from prom3e_index.bundle.faiss.kinds import KINDS
from prom3e_index.bundle.faiss.operating_point import K, needed, tune
from prom3e_index.bundle.faiss.search import Gallery, Point, Subset
from prom3e_index.bundle.faiss.told import DEEPER, Told, found_share
from prom3e_index.bundle.faiss.write import build

N, WIDTH = 5_000, 40


def gallery_of(folder, copies):
    """An index of unit rows in lists, `copies` of each, and queries from elsewhere."""
    rng = np.random.default_rng(copies)
    x = rng.normal(size=(30, WIDTH))[rng.integers(0, 30, N // copies)]
    x = x + 0.9 * rng.normal(size=x.shape)
    x = np.repeat(x, copies, axis=0)
    x = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float16)
    q = x[rng.choice(len(x), 64)] + 0.15 * rng.normal(size=(64, WIDTH)) + 0.1
    queries = (q / np.linalg.norm(q, axis=1, keepdims=True)).astype(np.float32)
    np.save(folder / "v.npy", x)
    vectors = np.load(folder / "v.npy", mmap_mode="r")
    assigned = build(vectors, folder / "i", KINDS["ivf-f16"])
    return Gallery(str(folder / "i"), vectors, Point("ivf-f16", 4), assigned), queries


@pytest.fixture(scope="module", params=[1, 3, 40])
def listed(request, tmp_path_factory):
    return gallery_of(tmp_path_factory.mktemp("told"), request.param), request.param


def told(gallery, queries, k, subset=None):
    scores, rows, _ = gallery.search(queries, k + DEEPER, subset, exactly=True)
    return Told(gallery, queries, (scores, rows), k, subset), scores[:, :k]


@pytest.mark.parametrize("k", [1, 10, 100, 300])
def test_shares_are_those_of_searches_at_every_number_of_lists(listed, monkeypatch, k):
    (gallery, queries), copies = listed
    made, truth = told(gallery, queries, k)
    searched = []
    real = Gallery.search

    def counted(self, some, *rest, **more):
        searched.append(len(some))
        return real(self, some, *rest, **more)

    differ = set()
    for probes in range(1, gallery.lists + 1):
        at = gallery.at(Point("ivf-f16", probes))
        monkeypatch.setattr(Gallery, "search", counted)
        share = made.shares(at)
        monkeypatch.setattr(Gallery, "search", real)
        wanted = found_share(at.search(queries, k)[0], truth, k)
        assert np.array_equal(share, wanted), probes
        differ.add(float(wanted.mean()))
    assert len(differ) > 1
    if copies == 1:  # distinct rows: hardly any is too close to call
        assert len(differ) > (5 if k < 300 else 1)
        assert sum(searched) < 0.1 * len(queries) * gallery.lists


@pytest.mark.parametrize("share", [0.9, 0.4, 0.02])
def test_shares_of_filtered_searches_too(listed, monkeypatch, share):
    (gallery, queries), copies = listed
    monkeypatch.setattr("prom3e_index.bundle.faiss.search.SCAN_BYTES", 0)  # into the lists
    monkeypatch.setattr("prom3e_index.bundle.faiss.search.SURVIVORS", 40)
    rows = np.flatnonzero(np.random.default_rng(5).random(len(gallery)) < share)
    subset = Subset(rows, len(gallery))
    made, truth = told(gallery, queries, 10, subset)
    lowest = 1.0
    for probes in (1, 2, 3, 5, 9, 30, gallery.lists):
        at = gallery.at(Point("ivf-f16", probes))
        scores, _, path = at.search(queries, 10, subset)
        wanted = found_share(scores, truth, 10)
        assert np.array_equal(made.shares(at), wanted) and "with selector" in path
        lowest = min(lowest, wanted.mean())
    assert lowest < 1 or share < 0.1 or copies > 1


def test_a_point_is_the_one_that_searching_finds(listed):
    (gallery, queries), _ = listed
    truth, _, _ = gallery.search(queries, K, exactly=True)

    def mean(probes):
        found = gallery.at(Point("ivf-f16", probes)).search(queries, K)[0]
        share = found_share(found, truth, K)
        return share.mean() - 1.645 * share.std() / len(share) ** 0.5, share.mean()

    for recall in (0.3, 0.7, 0.9, 0.99):
        assert len(queries) >= needed(recall)
        point = tune(gallery, queries, recall)
        low, at = mean(point.probes)
        assert low >= min(recall, 1 - 1e-9) or at == 1
        if point.probes > 1:  # a sixteenth of it fewer does not suffice
            less = point.probes - max(1, point.probes // 8)
            assert mean(less)[0] < min(recall, 1 - 1e-9) and mean(less)[1] < 1


def test_queries_too_few_to_show_a_recall_have_many_lists_read(listed, monkeypatch):
    (gallery, queries), _ = listed
    least = tune(gallery, queries, 0.9).probes
    monkeypatch.setattr("prom3e_index.bundle.faiss.operating_point.CAUTIOUS", least + 3)
    assert [needed(r) for r in (0.9, 0.99, 0.5, 1.0)] == [3, 30, 1, np.inf]
    easy = np.asarray(gallery.vectors[:8], np.float32)  # each is the centre of its answer
    for count in range(4):
        assert tune(gallery, easy[:count], 0.9).probes >= (1 if count >= 3 else least + 3), count
    assert tune(gallery, easy[:3], 0.5).probes <= tune(gallery, easy[:2], 0.9).probes
    assert tune(gallery, queries, 1.0).probes >= least + 3
    monkeypatch.setattr("prom3e_index.bundle.faiss.operating_point.CAUTIOUS", gallery.lists + 1)
    assert tune(gallery, easy[:1], 0.99).probes == gallery.lists
