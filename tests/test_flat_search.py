"""Exact search through FAISS is exact for any k, however many scores are alike: more rows begin with fewer."""

from __future__ import annotations

import numpy as np
import pytest

from prom3e_index.bundle.faiss.kinds import KINDS
from prom3e_index.bundle.faiss.scan import exact
from prom3e_index.bundle.faiss.search import Gallery, Point
from prom3e_index.bundle.faiss.write import build

N, WIDTH = 700, 32


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    """Rows of forty directions, some the very same, some apart by less than a product's noise."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, WIDTH))[rng.integers(0, 40, N)]
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    x[::2] += rng.normal(size=(N // 2, WIDTH)) * 3e-4
    folder = tmp_path_factory.mktemp("flat")
    np.save(folder / "v.npy", x.astype(np.float16))
    vectors = np.load(folder / "v.npy", mmap_mode="r")
    assigned = build(vectors, folder / "exact", KINDS["exact"])
    return Gallery(str(folder / "exact"), vectors, Point(), assigned)


@pytest.mark.parametrize("queries", [1, 7])
def test_more_rows_begin_with_fewer_to_the_byte(gallery, queries):
    q = np.random.default_rng(1).normal(size=(queries, WIDTH)).astype(np.float32)
    q /= np.linalg.norm(q, axis=1, keepdims=True)
    most, rows, path = gallery.search(q, 200)
    assert path == "exact, FAISS" and gallery.is_exact(10, N) and gallery.is_exact(1, 5)
    for k in (0, 1, 9, 10, 11, 40, 199, 200):
        scores, found, _ = gallery.search(q, k)
        assert scores.tobytes() == np.ascontiguousarray(most[:, :k]).tobytes()
        assert found.tolist() == rows[:, :k].tolist()
    for i in range(queries):
        scores, found = exact(gallery.vectors, q[i : i + 1], 200)
        assert found[0].tolist() == rows[i].tolist() and scores[0].tolist() == most[i].tolist()
