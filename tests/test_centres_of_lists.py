"""Centres of lists are spherical k-means, every row lies in the list of its nearest centre, on the processor and on a card."""

from __future__ import annotations

import numpy as np
import pytest

from prom3e_index.bundle.faiss import centres, nearest
from prom3e_index.bundle.faiss.kinds import KINDS
from prom3e_index.bundle.faiss.scan import exact
from prom3e_index.bundle.faiss.search import Gallery, Point
from prom3e_index.bundle.faiss.write import build


def unit(x):
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def clustered(n, width, groups, seed=0, spread=0.5):
    """As half precision holds them."""
    rng = np.random.default_rng(seed)
    centre = rng.normal(size=(groups, width))
    x = unit(centre[rng.integers(0, groups, n)] + spread * rng.normal(size=(n, width)))
    return x.astype(np.float16).astype(np.float32)


@pytest.fixture
def card(monkeypatch):
    """A card that is the processor: the same code, halves widened before they are multiplied."""
    plain = centres._Card.__init__
    monkeypatch.setattr(
        centres._Card, "__init__", lambda self, rows, device: plain(self, rows, "cpu")
    )
    on_card = centres._on_card
    monkeypatch.setattr(centres, "_on_card", lambda c, device: on_card(c, "cpu"))


def loss(x, held, found):
    """How much nearer the nearest centre is than the one found, in double precision."""
    scores = x.astype(np.float64) @ held.astype(np.float64).T
    return scores.max(axis=1) - scores[np.arange(len(x)), found]


@pytest.fixture(params=[True, False], ids=["bfloat16", "single precision"])
def processor(request, monkeypatch):
    """A processor that multiplies bfloat16 by instructions of its own, and one that does not."""
    monkeypatch.setattr(centres, "rounds_fast", lambda: request.param)


@pytest.mark.parametrize("n", [0, 1, 2, 63, 5000])
@pytest.mark.parametrize("lists", [1, 64, 513, 1024])
def test_the_nearest_centre_is_found(n, lists, card, processor):
    held = clustered(lists, 32, max(1, lists // 8), 1)
    x = clustered(n, 32, 200, 2) if n else np.zeros((0, 32), np.float32)
    for device, bound in (("cpu", 1e-6), ("cuda", 1e-3)):
        found = centres.finder(held, device)(x)
        assert found.shape == (n,) and found.dtype == np.int32
        assert not n or 0 <= found.min() <= found.max() < lists
        assert not n or loss(x, held, found).max() < bound


@pytest.mark.parametrize("case", ["tight", "noise", "opposite", "zero", "long", "equal", "many"])
def test_what_products_in_bfloat16_leave_open_is_settled(case, monkeypatch):
    """Every row lies nearest its centre in double precision but for ties of single precision."""
    rng = np.random.default_rng(6)
    held, x = clustered(900, 40, 60, 1, 0.2), clustered(3000, 40, 60, 1, 0.2)
    if case == "tight":  # scores lie nearer to each other than bfloat16 can tell
        held, x = clustered(900, 40, 9, 1, 0.02), clustered(3000, 40, 9, 1, 0.02)
    elif case == "noise":
        held, x = unit(rng.normal(size=(900, 40))), unit(rng.normal(size=(3000, 40)))
    elif case == "opposite":  # no product above zero
        held, x = np.abs(held), -np.abs(x)
    elif case == "zero":
        x[::3] = 0
    elif case == "long":
        x *= rng.uniform(1e-3, 1e3, (3000, 1)).astype(np.float32)
        held *= rng.uniform(0.5, 2, (900, 1)).astype(np.float32)
    elif case == "equal":
        held[450:] = held[:450]
    elif case == "many":
        monkeypatch.setattr(nearest, "_MANY", 1)
    rounded = nearest.Rounded(held)
    found = rounded.nearest(x)
    size = np.maximum(np.linalg.norm(x, axis=1), 1e-9) * np.linalg.norm(held, axis=1).max()
    assert (loss(x, held, found) / size).max() < 5e-7
    if case == "equal":
        assert found.max() < 450
    if case == "zero":
        assert not found[::3].any()
    about = rounded.roughly(x)
    assert (loss(x, held, about) / size).max() < 0.02
    if case == "tight":
        assert (loss(x, held, about) > 1e-6).mean() > 0.05, "rounding would have moved some"


def test_a_row_that_bfloat16_rounds_as_far_as_it_can_lies_with_its_nearest_centre_too():
    """Half of the numbers are rounded down and half up, by 2⁻⁸ each, and centres tell the halves apart."""
    x = np.full((1, 64), 1 + 2**-8 - 1e-5, np.float32)
    x[:, 32:] += 2e-5
    held = np.zeros((3, 64), np.float32)
    held[1], held[0] = np.repeat([1, -0.8125], 32), np.repeat([-0.8125, 1], 32)
    for less in (2**-6, 2**-5, 2**-4):
        held[0, 32] = 1 - less
        scores = (x.astype(np.float64) @ held.T.astype(np.float64))[0]
        assert scores.argmax() == 1 and scores[1] - scores[0] > 0.01
        assert nearest.Rounded(held).nearest(x).tolist() == [1]


def test_no_more_memory_is_taken_where_every_centre_may_be_the_nearest():
    import tracemalloc

    rng = np.random.default_rng(3)
    x = unit(rng.normal(size=(20_000, 8)) + 4)
    held = np.repeat(unit(np.full((1, 8), 1.0)), 1024, axis=0)
    tracemalloc.start()
    found = nearest.Rounded(held).nearest(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0 <= found.min() <= found.max() < 1024
    assert peak < 7 * nearest.PRODUCT  # of which 4 are products in single precision


def test_products_are_cut_and_pairs_too_without_a_difference(monkeypatch):
    held, x = clustered(700, 24, 9, 1, 0.1), clustered(1000, 24, 9, 1, 0.1)
    whole = nearest.Rounded(held).nearest(x)
    monkeypatch.setattr(nearest, "PRODUCT", 700 * 37)
    monkeypatch.setattr(nearest, "_PAIRS", 11)
    assert np.array_equal(whole, nearest.Rounded(held).nearest(x))


def test_training_compares_with_groups_where_they_help_and_not_elsewhere(monkeypatch):
    seen = []
    plain = centres._in_groups
    monkeypatch.setattr(centres, "_in_groups", lambda *a: seen.append(len(a[0])) or plain(*a))
    held, x = clustered(1024, 48, 32, 1, 0.3), clustered(4000, 48, 32, 1, 0.3)
    found = centres._by_groups(held, x)
    assert sum(seen) == 4000 and (loss(x, held, found) > 1e-6).mean() <= 0.01
    rng = np.random.default_rng(0)
    noise, rows = unit(rng.normal(size=(1024, 48))), unit(rng.normal(size=(3000, 48)))
    assert loss(rows, noise, centres._by_groups(noise, rows)).max() < 1e-6
    assert sum(seen) == 4000  # rows without clusters are compared with all


def plain_means(rows, lists, seed):
    """Spherical k-means in double precision; lists that stay empty are not met here."""
    held = rows[np.random.default_rng(seed).choice(len(rows), lists, replace=False)].astype(
        np.float64
    )
    held /= np.linalg.norm(held, axis=1, keepdims=True)
    for _ in range(centres.ROUNDS):
        found = (rows.astype(np.float64) @ held.T).argmax(axis=1)
        held = np.stack([rows[found == i].astype(np.float64).sum(axis=0) for i in range(lists)])
        held /= np.linalg.norm(held, axis=1, keepdims=True)
    return held


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_training_is_spherical_k_means(device, card, processor):
    rows = clustered(3000, 24, 12, spread=1.0)
    made, plain = centres.train(rows, 12, 5, device), plain_means(rows, 12, 5)
    assert made.shape == (12, 24) and made.dtype == np.float32
    assert np.allclose(np.linalg.norm(made, axis=1), 1, atol=1e-6)
    near, wanted = ((rows @ c.T).max(axis=1).mean() for c in (made, plain))
    assert near == pytest.approx(wanted, rel=1e-4)
    assert (made * plain).sum(axis=1).min() > 0.995  # rounding moves a few rows a round
    assert np.array_equal(made, centres.train(rows, 12, 5, device))  # the same seed, the same bytes


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_no_list_stays_empty_and_repeated_rows_are_no_fault(device, card, processor):
    rows = np.repeat(clustered(8, 16, 8), [1, 1, 1, 1, 1, 1, 1, 493], axis=0)
    made = centres.train(rows, 64, 0, device)
    assert np.isfinite(made).all() and np.allclose(np.linalg.norm(made, axis=1), 1, atol=1e-6)
    zeros = centres.train(np.zeros((100, 16), np.float32), 64, 0, device)
    assert np.isfinite(zeros).all()


def test_sums_by_list_are_those_of_numpy():
    rng = np.random.default_rng(1)
    rows, lists = rng.normal(size=(2000, 8)).astype(np.float32), 700
    found = rng.integers(0, 650, 2000).astype(np.int32)
    found[found == 300] = 301  # an empty one amid others, 50 at the end
    sums, counts = centres.grouped_sums(rows, found, lists)
    for i in range(lists):
        assert np.allclose(sums[i], rows[found == i].sum(axis=0), atol=1e-4)
    assert counts.tolist() == np.bincount(found, minlength=lists).tolist()


@pytest.mark.parametrize("kind", ["ivf-f16", "ivf-sq8", "ivf-rabitq4"])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_files_hold_what_faiss_itself_would_have_put_there(
    kind, device, card, tmp_path, monkeypatch
):
    import faiss

    import prom3e_index.bundle.faiss.write as write

    monkeypatch.setattr(write, "BLOCK_BYTES", 700 * 4 * 32)  # several blocks
    np.save(tmp_path / "v.npy", clustered(5000, 32, 40).astype(np.float16))
    vectors = np.load(tmp_path / "v.npy", mmap_mode="r")
    assigned = build(vectors, tmp_path / "i", KINDS[kind], device=device)
    index = faiss.read_index(str(tmp_path / "i"))
    wide = np.asarray(vectors, np.float32)
    held = index.quantizer.reconstruct_n(0, index.nlist)
    assert loss(wide, held, assigned).max() < 1e-3
    empty = faiss.clone_index(index)
    empty.reset()
    ids, chosen = np.arange(5000, dtype=np.int64), assigned.astype(np.int64)
    empty.add_core(5000, *map(faiss.swig_ptr, (wide, ids, chosen)), None)
    mine, theirs = index.invlists, empty.invlists
    for number in range(index.nlist):
        size = mine.list_size(number)
        assert size == theirs.list_size(number)
        if size:
            for get, count in (("get_codes", size * index.code_size), ("get_ids", size)):
                a, b = (faiss.rev_swig_ptr(getattr(x, get)(number), count) for x in (mine, theirs))
                assert np.array_equal(a, b)


def test_recall_at_equal_probes_is_that_of_faiss(tmp_path):
    """FAISS's own k-means and assignment beside ours, on rows and queries from the same clusters."""
    import faiss

    x = clustered(20_000, 32, 300, 4, 0.6)
    np.save(tmp_path / "v.npy", x.astype(np.float16))
    vectors = np.load(tmp_path / "v.npy", mmap_mode="r")
    queries = clustered(400, 32, 300, 4, 0.6)
    _, truth = exact(vectors, queries, 10)
    ours = build(vectors, tmp_path / "i", KINDS["ivf-f16"])
    gallery = Gallery(str(tmp_path / "i"), vectors, Point("ivf-f16"), ours)
    index = faiss.index_factory(32, f"IVF{gallery.lists},SQfp16", faiss.METRIC_INNER_PRODUCT)
    index.by_residual, index.cp.niter = False, 8
    index.train(x[:: max(1, 20_000 // (48 * gallery.lists))])
    index.add(x)
    for probes in (4, 8, 16):
        _, mine, _ = gallery.at(Point("ivf-f16", probes=probes)).search(queries, 10)
        _, theirs = index.search(queries, 10, params=faiss.SearchParametersIVF(nprobe=probes))
        share = [np.mean([len(set(a) & set(b)) / 10 for a, b in zip(r, truth, strict=True)])
                 for r in (mine.tolist(), theirs.tolist())]  # fmt: skip
        assert share[0] > share[1] - 0.015, (probes, share)


def test_real_embeddings_find_as_many_neighbours_as_with_faiss():
    import faiss
    from conftest import shared

    held = np.load(shared("data/real/birds86_aligned.npz"))
    x = unit(held["embeddings"].reshape(-1, 512)[held["present"].reshape(-1)].astype(np.float32))
    x = np.unique(x, axis=0)
    rng = np.random.default_rng(0)
    queries = x[rng.choice(len(x), 400, replace=False)]
    truth = np.argsort(-(queries @ x.T), axis=1)[:, :10]
    lists, shares = 128, {}
    means = faiss.Clustering(512, lists)
    means.niter, means.spherical, means.seed = 8, True, 1
    index = faiss.IndexFlatIP(512)
    means.train(x, index)
    for name, c in (("ours", centres.train(x, lists, 1)), ("faiss", index.reconstruct_n(0, lists))):
        found = centres.finder(c)(x)
        rank = np.argsort(np.argsort(-(queries @ c.T), axis=1), axis=1)
        reached = np.take_along_axis(rank, found[truth].astype(np.int64), 1)
        shares[name] = np.array([(reached < p).mean() for p in (8, 16, 32)])
    assert (shares["ours"] > shares["faiss"] - 0.01).all(), shares
