"""Every kind of index against exact search in numpy: sizes, ties, filters of every selectivity and place."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prom3e_index.bundle.faiss.kinds import (
    KINDS,
    Wish,
    choose,
    lists_for,
    parse_bytes,
    parse_milliseconds,
)
from prom3e_index.bundle.faiss.operating_point import tune
from prom3e_index.bundle.faiss.scan import exact, refine, score_rows, widen
from prom3e_index.bundle.faiss.search import Gallery, Point, Subset
from prom3e_index.bundle.faiss.told import found_share
from prom3e_index.bundle.faiss.write import build
from prom3e_index.bundle.memory_maps import Stacked
from prom3e_index.errors import BundleError, InputError

N, WIDTH, GROUPS = 6_000, 48, 40
POINTS = {"exact": Point(), "hnsw-sq8": Point("hnsw-sq8", candidates=4, beam=64)} | {
    name: Point(name, probes=16, candidates=KINDS[name].first)
    for name in ("ivf-f16", "ivf-sq8", "ivf-rabitq4", "ivf-pqfs")
}


@pytest.fixture(scope="module")
def rows():
    """Unit rows in forty groups, and the group of each."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(GROUPS, WIDTH))
    group = rng.integers(0, GROUPS, N)
    x = centres[group] + 0.9 * rng.normal(size=(N, WIDTH))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float16), group


@pytest.fixture(scope="module")
def queries(rows):
    """Rows moved by a constant and noise, as another modality's embeddings are."""
    rng = np.random.default_rng(1)
    x = rows[0][rng.choice(N, 24)].astype(np.float32) + 0.08 * rng.normal(size=(24, WIDTH)) + 0.05
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def galleries(rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("kinds")
    np.save(folder / "v.npy", rows[0])
    vectors = np.load(folder / "v.npy", mmap_mode="r")
    out = {}
    for name, point in POINTS.items():
        assigned = build(vectors, folder / name, KINDS[name])
        out[name] = Gallery(str(folder / name), vectors, point, assigned)
    return out


def by_numpy(vectors, query, k, eligible):
    """The k best of some rows in float64, ties by row."""
    score = np.round(vectors[eligible].astype(np.float64) @ query.astype(np.float64), 6)
    order = np.lexsort((eligible, -score))[:k]
    return score[order], eligible[order]


def filters(group):
    """Selectivities from nothing to everything, by chance and of whole groups."""
    rng = np.random.default_rng(2)
    for share in (0.0, 0.001, 0.01, 0.1, 0.5, 0.9, 1.0):
        yield f"chance {share}", np.flatnonzero(rng.random(N) < share)
    for groups in (1, 4, 20, 39):
        yield f"{groups} groups", np.flatnonzero(group < groups)


@pytest.mark.parametrize("name", POINTS)
def test_every_filter_gives_k_hits_and_the_exact_ones(galleries, rows, queries, name):
    gallery = galleries[name]
    for label, eligible in filters(rows[1]):
        for k in (1, 10, len(eligible), len(eligible) + 1):
            if k > 200 and label != "chance 0.1":
                continue
            scores, found, _ = gallery.search(queries, k, Subset(eligible, N))
            want = min(k, len(eligible))
            assert found.shape == (len(queries), want), (label, k)
            assert set(found.ravel().tolist()) <= set(eligible.tolist()), (label, k)
            if want == 0:
                continue
            truth = [by_numpy(rows[0], q, want, eligible) for q in queries]
            share = np.mean(
                [(s >= t[0][-1] - 2e-6).mean() for s, t in zip(scores, truth, strict=True)]
            )
            assert share >= (1 if name == "exact" else 0.97), (label, k, share)
            exactly, rows_exact, _ = gallery.search(queries, k, Subset(eligible, N), exactly=True)
            for i, (score, place) in enumerate(truth):
                assert np.allclose(exactly[i], score, atol=3e-6)
                assert set(rows_exact[i][score > score[-1] + 3e-6]) == set(
                    place[score > score[-1] + 3e-6]
                )


@pytest.mark.parametrize("name", POINTS)
@pytest.mark.parametrize("k", [1, 9, 10, 11, 100, N - 1, N, N + 1])
def test_unfiltered_scores_are_the_stored_vectors(galleries, rows, queries, name, k):
    scores, found, _ = galleries[name].search(queries, k)
    assert found.shape == (len(queries), min(k, N)) and (found >= 0).all()
    for q, s, f in zip(queries, scores, found, strict=True):
        assert len(set(f.tolist())) == len(f)
        assert np.allclose(s, rows[0][f].astype(np.float64) @ q, atol=3e-6)
        assert (np.diff(s) <= 0).all()
    if name == "exact":
        truth = np.stack([by_numpy(rows[0], q, min(k, N), np.arange(N))[0] for q in queries])
        assert np.allclose(scores, truth, atol=3e-6)


@pytest.mark.parametrize("name", [n for n in POINTS if n != "exact"])
def test_tuning_reaches_its_recall_on_other_queries(galleries, rows, queries, name):
    gallery = galleries[name]
    point = tune(gallery, queries[:12], 0.95)
    scores, _, _ = gallery.at(point).search(queries[12:], 10)
    truth = np.stack([by_numpy(rows[0], q, 10, np.arange(N))[0] for q in queries[12:]])

    assert (scores >= truth[:, -1:] - 2e-6).mean() > 0.9
    assert gallery.point == POINTS[name]  # tuning changes nothing that others search with
    assert tune(gallery, queries[:0], 0.95).kind == name


def test_searches_at_different_points_do_not_disturb_each_other(galleries, queries):
    """Twelve threads with filters, depths and points of their own get what one thread gets."""
    gallery = galleries["ivf-sq8"]
    work = [
        (gallery.at(Point("ivf-sq8", 1 + i % 5, candidates=1 + i % 3)), queries[i : i + 4], 1 + i,
         None if i % 2 else Subset(np.arange(i, N, 2), N))
        for i in range(12)
    ]  # fmt: skip
    alone = [g.search(q, k, s)[1] for g, q, k, s in work]
    got = [None] * len(work)

    def run(i):
        for _ in range(20):
            g, q, k, s = work[i]
            got[i] = g.search(q, k, s)[1]

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(work))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert all(np.array_equal(a, b) for a, b in zip(alone, got, strict=True))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_filter_on_any_kind(galleries, rows, data):
    name = data.draw(st.sampled_from([*POINTS]))
    seed, share = data.draw(st.integers(0, 999)), data.draw(st.floats(0, 1))
    k = data.draw(st.integers(1, 40))
    rng = np.random.default_rng(seed)
    eligible = np.flatnonzero(rng.random(N) < share**3)
    query = rng.normal(size=(1, WIDTH)).astype(np.float32) / 7
    _, found, _ = galleries[name].search(query, k, Subset(eligible, N))
    assert found.shape[1] == min(k, len(eligible))
    assert np.isin(found, eligible).all()


def test_kernels_equal_numpy(rows, queries):
    some = np.array([5, 0, N - 1, 17])
    plain = rows[0].astype(np.float32)
    assert np.array_equal(widen(rows[0], some), plain[some])
    every = np.array([0, 2**-24, -(2**-24), 6.1e-5, 65504, -65504, np.inf, 1 / 3], np.float16)
    assert np.array_equal(widen(every[:, None], np.arange(8))[:, 0], every.astype(np.float32))
    wide = np.arange(N)
    assert np.allclose(score_rows(rows[0], wide, queries[0]), plain @ queries[0], atol=2e-6)
    candidates = np.array([[7, 3, -1, 9], [-1, -1, -1, -1]])
    scores, found = refine(rows[0], queries[:2], candidates, 3)
    order = sorted((7, 3, 9), key=lambda r: -(plain[r] @ queries[0]))
    assert found.tolist() == [order, [-1, -1, -1]] and np.isinf(scores[1]).all()
    same = np.repeat(rows[0][:1], 50, axis=0)
    assert exact(same, queries[:3], 4)[1].tolist() == [[0, 1, 2, 3]] * 3


def test_one_filter_serves_galleries_with_other_lists(rows, queries, tmp_path):
    subset = Subset(np.arange(0, N, 2), N)
    for seed in range(2):
        vectors = rows[0][np.random.default_rng(seed).permutation(N)]
        assigned = build(vectors, tmp_path / f"{seed}", KINDS["ivf-f16"])
        gallery = Gallery(str(tmp_path / f"{seed}"), vectors, Point("ivf-f16", 4), assigned)
        gallery._is_small = lambda *_: False  # into the lists
        scores, found, path = gallery.search(queries, 10, subset)
        truth = exact(vectors, queries, 10, subset.rows)[0]
        assert "with selector" in path and found_share(scores, truth, 10).mean() > 0.97


def test_found_share_counts_ties_as_found():
    truth = np.array([[0.9, 0.5, 0.5]])
    assert found_share(np.array([[0.9, 0.5, 0.1]]), truth, 2)[0] == 1
    assert found_share(np.array([[0.9, 0.4, 0.1]]), truth, 2)[0] == 0.5


@pytest.mark.parametrize("wish, rows, kind", [
    (Wish(), 1_000, "exact"),
    (Wish(), 50_000, "exact"),
    (Wish(), 1_000_000, "ivf-f16"),
    (Wish(recall=1.0), 1_000_000, "exact"),
    (Wish(milliseconds=500), 1_000_000, "exact"),
    (Wish(milliseconds=5), 1_000_000, "ivf-f16"),
    (Wish(memory=4e9), 1_000_000, "ivf-sq8"),
    (Wish(memory=2e9), 1_000_000, "ivf-rabitq4"),
    (Wish(memory=6e8), 1_000_000, "ivf-pqfs"),
    (Wish(kind="hnsw-sq8"), 1_000_000, "hnsw-sq8"),
    (Wish(kind="ivf-sq8"), 1_000, "exact"),
    (Wish(memory=1e3), 2_495, "exact"),
])  # fmt: skip
def test_the_kind_follows_from_the_wish(wish, rows, kind):
    chosen, why = choose(wish, rows, 512, 6)
    assert chosen.name == kind and why


@pytest.mark.parametrize("make, words", [
    (lambda: Wish(recall=1.2), "it must lie above 0"),
    (lambda: Wish(kind="annoy"), "known: exact, ivf-f16"),
    (lambda: Wish(recall=1, kind="ivf-f16"), "only exact can"),
    (lambda: choose(Wish(memory=1e6), 1_000_000, 512, 6), "smallest index of 1,000,000 rows takes"),
    (lambda: choose(Wish(recall=1, memory=1e9), 1_000_000, 512, 6), "takes 6.14 GB, memory is 1.00"),
    (lambda: parse_bytes("8 apples"), "not '8 apples'"),
    (lambda: parse_bytes("8"), "needs a number and a unit.*not '8'; write 8GB or 8MB"),
    (lambda: parse_bytes("8B"), "not '8B'"),
    (lambda: choose(Wish(recall=1, memory=2e6), 3_000, 512, 6), "takes 18.4 MB, memory is 2 MB"),
    (lambda: parse_milliseconds("5"), "as 5ms or 0.2s"),
])  # fmt: skip
def test_wishes_that_cannot_be(make, words):
    with pytest.raises(InputError, match=words):
        make()


def test_sizes_and_times():
    assert (parse_bytes("8GB"), parse_bytes("1.5 MiB"), parse_bytes("10k")) == (8e9, 1572864, 1e4)
    assert (parse_milliseconds("5ms"), parse_milliseconds("0.2 s")) == (5, 200)
    assert lists_for(1_000_000) == 4096 and lists_for(100_000) == 1024 and lists_for(2_500) == 64
    assert 39 * lists_for(100_000_000) < 100_000_000


def test_vectors_that_are_no_numbers_and_too_few_rows(tmp_path):
    x = np.ones((3_000, 8), np.float16)
    x[7, 3] = np.nan
    with pytest.raises(InputError, match="not numbers"):
        build(x, tmp_path / "i", KINDS["ivf-f16"])
    with pytest.raises(InputError, match="2,495 rows are too few"):
        build(x[:2495], tmp_path / "i", KINDS["ivf-sq8"])


def test_a_file_of_other_vectors_is_refused(galleries, rows, tmp_path):
    build(rows[0][:100], tmp_path / "i", KINDS["exact"])
    with pytest.raises(BundleError, match="holds 100 × 48, its vectors are 6,000 × 48"):
        Gallery(str(tmp_path / "i"), galleries["exact"].vectors, Point())
    (tmp_path / "i").write_bytes(b"not faiss at all")
    with pytest.raises(BundleError, match="no readable FAISS index"):
        Gallery(str(tmp_path / "i"), galleries["exact"].vectors, Point())


def test_stacked_arrays_read_like_one():
    rng = np.random.default_rng(3)
    parts = [rng.normal(size=(n, 3)) for n in (4, 0, 1, 7)]
    one, whole = Stacked(parts), np.concatenate(parts)
    for at in (slice(None), slice(2, 9), [11, 0, 4, 4], np.array([], int), whole[:, 0] > 0, -1, 5):
        assert np.array_equal(one[at], whole[at])
    assert one.shape == whole.shape and np.array_equal(np.asarray(one), whole)


def test_what_was_asked_and_is_not_so_is_said():
    from prom3e_index.indexer.wished import unmet

    made = {"targets": {
        "image": {"recall@10": 0.98, "p95_ms": 6.0},
        "audio": {"recall@10": 0.99, "p95_ms": 5.0},
        "text": {"recall@10": None},
    }}  # fmt: skip
    assert unmet(made, Wish(recall=0.99, milliseconds=5, memory=1e6), 1_500_000) == [
        "the FAISS files take 1.5 MB, 1.0 were asked for",
        "image: recall@10 is 0.98, 0.99 was asked for",
        "image: 95 % of queries take 6 ms, 5 was asked for",
    ]


def test_a_kind_that_was_asked_for_and_not_taken_is_said(tmp_path, capsys):
    """200 rows make no lists: `build` and `rebuild` say that the kind is another, and why."""
    from changes import places

    from prom3e_index.indexer.build import build
    from prom3e_index.indexer.compact import compact
    from prom3e_index.indexer.work import BuildConfig

    table = places(tmp_path / "t.csv", [f"a{i}" for i in range(30)])
    wish = Wish(kind="ivf-sq8")
    made = build(BuildConfig(table=table, out=tmp_path / "i.p3i", model="mini", wish=wish))
    said = ["its kind is exact, ivf-sq8 was asked for: 30 rows are too few for ivf-sq8"]
    assert made["certificate"]["unmet"] == said
    again = compact(tmp_path / "i.p3i", lambda *_: None, {"kind": "hnsw-sq8"}, "rebuild")
    assert again["certificate"]["unmet"] == [said[0].replace("ivf-sq8", "hnsw-sq8")]
    exact = compact(tmp_path / "i.p3i", lambda *_: None, {"kind": "exact"}, "rebuild")
    assert exact["certificate"]["unmet"] == []
