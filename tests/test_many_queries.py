"""Many queries at once find what each finds alone: on a device, in lists that are read whole or in part, and after."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from prom3e_index.bundle.faiss import dense, products, resident, scan
from prom3e_index.bundle.faiss.dense import Dense
from prom3e_index.bundle.faiss.kinds import KINDS
from prom3e_index.bundle.faiss.resident import Resident
from prom3e_index.bundle.faiss.search import Gallery, Point, Subset
from prom3e_index.bundle.faiss.write import build
from prom3e_index.search.first_rows import first_rows

N, WIDTH = 3_001, 48
"""No whole number of groups."""


def by_numpy(vectors, queries, k, allowed=None):
    """Scores and rows of the k best of the rows each query may find, in float64, ties by row."""
    scores = np.round(vectors.astype(np.float64) @ queries.T.astype(np.float64), 6).T
    if allowed is not None:
        scores = np.where(allowed, scores, -np.inf)
    order = np.lexsort((np.broadcast_to(np.arange(scores.shape[1]), scores.shape), -scores))
    order = order[:, :k]
    return np.take_along_axis(scores, order, 1).astype(np.float32), order


@pytest.fixture(scope="module", params=[1, 30])
def made(request):
    """Rows, some of them thirty times, and queries from elsewhere, some of them long."""
    rng = np.random.default_rng(request.param)
    x = rng.normal(size=(25, WIDTH))[rng.integers(0, 25, N)] + rng.normal(size=(N, WIDTH))
    x = np.repeat(x[: -(-N // request.param)], request.param, axis=0)[:N]
    x = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float16)
    q = (x[rng.choice(N, 70)] + 0.1 * rng.normal(size=(70, WIDTH))).astype(np.float32)
    q[:9] *= 7
    return x, q


def kept(monkeypatch):
    """Searches whose scores were kept, as they are made."""
    seen = []
    real = products.nearest_of_many

    def told(held, n, *rest, **more):
        seen.append(n)
        return real(held, n, *rest, **more)

    for module in (resident, dense):
        monkeypatch.setattr(module, "nearest_of_many", told)
    return seen


@pytest.mark.parametrize("k", [64, 256, 1_000])
@pytest.mark.parametrize("share", [None, 0.9, 0.4])
def test_a_device_that_keeps_all_scores_finds_the_exact_rows(made, monkeypatch, k, share):
    x, q = made
    seen = kept(monkeypatch)
    subset = None
    if share is not None:
        subset = Subset(np.flatnonzero(np.random.default_rng(1).random(N) < share), N)
    scores, rows, sure = Resident.copied(x, "cpu").search(q, k, subset)
    assert seen == [N]
    wanted, order = by_numpy(
        x, q, k, None if subset is None else np.isin(np.arange(N), subset.rows)
    )
    assert sure.mean() > 0.9 and np.array_equal(scores[sure], wanted[sure])
    assert np.array_equal(rows[sure], order[sure])
    alone = Resident.copied(x, "cpu").search(q[11:12], k, subset)
    assert seen == [N] and np.array_equal(alone[1][0], rows[11])


def test_what_cannot_be_proved_is_not(made, monkeypatch):
    x, q = made
    monkeypatch.setattr(products, "MOST", 8 * WIDTH * 200)  # no further look
    same = np.repeat(x[:1], N, axis=0)
    scores, rows, sure = Resident.copied(same, "cpu").search(q, 64)
    assert not sure.any() and scores.shape == rows.shape == (70, 64)
    q = q.copy()
    q[3] = np.nan
    assert not Resident.copied(x, "cpu").search(q, 64)[2][3]


def test_scores_that_would_not_fit_are_not_kept(made, monkeypatch):
    x, q = made
    seen = kept(monkeypatch)
    held = Resident.copied(x, "cpu")
    whole = held.search(q, 64)
    monkeypatch.setattr(products, "_KEPT_HERE", 4 * 3_008 * 20)
    parts = held.search(q, 64)
    assert seen == [N] * 5 and all(np.array_equal(a, b) for a, b in zip(whole, parts, strict=True))
    monkeypatch.setattr(products, "_KEPT_HERE", 4 * 3_008 * 5)
    old = held.search(q, 64)
    both = whole[2] & old[2]
    assert len(seen) == 5 and both.mean() > 0.9
    assert all(np.array_equal(a[both], b[both]) for a, b in zip(whole[:2], old[:2], strict=True))


@pytest.fixture(scope="module")
def listed(made, tmp_path_factory):
    folder = tmp_path_factory.mktemp("dense")
    np.save(folder / "v.npy", made[0])
    vectors = np.load(folder / "v.npy", mmap_mode="r")
    assigned = build(vectors, folder / "i", KINDS["ivf-f16"])
    return Gallery(str(folder / "i"), vectors, Point("ivf-f16", 1), assigned)


@pytest.mark.parametrize("k", [1, 10, 256, N])
@pytest.mark.parametrize("probes", [1, 5, 20, 40, 64])
def test_lists_by_products_give_what_each_search_gives(made, listed, monkeypatch, k, probes):
    x, q = made
    gallery = listed.at(Point("ivf-f16", probes))
    seen = kept(monkeypatch)
    scores, rows = Dense(gallery).search(q, k)
    assert seen == [N]
    near = q @ gallery.centres.T
    least = -np.sort(-near, axis=1)[:, gallery.probes_for(k) - 1 : gallery.probes_for(k)]
    allowed = (near >= least)[:, gallery.lists_of(np.arange(N))]
    allowed[allowed.sum(axis=1) < k] = True
    wanted, order = by_numpy(x, q, k, allowed)
    assert np.array_equal(scores, wanted) and np.array_equal(rows, order)
    told, other, _ = gallery.search(q, k)
    assert np.allclose(scores, told, atol=3e-6)
    apart = np.abs(np.diff(scores, axis=1, prepend=np.inf)) > 1e-5
    apart[:, :-1] &= apart[:, 1:]  # far from the rows before and after
    apart[:, -1] = False
    assert np.array_equal(rows[apart], other[apart])


def test_products_are_made_where_lists_hold_much(listed, made, monkeypatch):
    wide, narrow = (Dense(listed.at(Point("ivf-f16", p))) for p in (60, 2))
    assert wide.pays(made[1], 10) and not narrow.pays(made[1], 10)
    assert not wide.pays(made[1][:3], 10)
    monkeypatch.setattr(products, "_KEPT_HERE", 1000)
    assert not wide.pays(made[1], 10)


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("by_row", [False, True])
def test_first_rows_of_many_are_those_of_each(made, parts, by_row):
    x, _ = made
    rng = np.random.default_rng(4)
    rows = np.stack([rng.permutation(N)[:90] for _ in range(150)])
    rows[5, 30:], rows[6] = -1, -1
    wanted = rng.normal(size=(150, 30)).astype(np.float32)
    asks, blocks = rows[:, 3].copy(), rng.normal(size=(150, 30)).astype(np.float32)
    asks[:20] = rows[:20, 0]
    ends = np.linspace(0, N, parts + 1).astype(int)

    def gallery_parts(target, some):
        assert target == "image"
        for low, high in zip(ends[:-1], ends[1:], strict=True):
            here = np.flatnonzero((some >= low) & (some < high))
            if len(here):
                yield here, x[low:high], some[here] - low

    bundle = SimpleNamespace(gallery_parts=gallery_parts)
    own = (asks, blocks) if by_row else None
    first = first_rows(
        bundle, "image", np.zeros(rows.shape, np.float32), rows, wanted,
        by_row=by_row, species=np.arange(N) % 7, own=own,
    )  # fmt: skip
    for i in (0, 3, 5, 6, 64, 149):
        held = rows[i][rows[i] >= 0]
        block = x[held, :30].astype(np.float64)
        if by_row:
            block[held == asks[i]] = blocks[i]
        cosines, alike = np.zeros(90), np.zeros(90)
        cosines[: len(held)] = block @ wanted[i]
        if by_row and len(held):
            alike[: len(held)] = block @ block[0]
        alike[0] = 1
        assert np.allclose(first.cosines[i], cosines, atol=2e-6)
        assert np.allclose(first.alike[i], alike, atol=2e-6)
        assert first.codes[i].tolist() == [
            *(held if by_row else held % 7),
            *[-1] * (90 - len(held)),
        ]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("threads", [False, True])
def test_pairs_and_codes_are_those_of_numpy(made, monkeypatch, compiled, threads):
    x, q = made
    monkeypatch.setattr(scan, "_PLAIN_NUMBERS", 0 if compiled else 1 << 60)
    monkeypatch.setattr(scan, "_LOOPS", scan._Loops())
    monkeypatch.setattr(scan, "_THREADS_FROM", 1 if threads else 1 << 30)
    rng = np.random.default_rng(8)
    which = np.sort(rng.integers(0, len(q), 500))
    rows = rng.integers(0, N, 500)
    wanted = np.einsum("pw,pw->p", x[rows].astype(np.float64), q[which].astype(np.float64))
    scores = scan.score_pairs(x, rows, q, which)
    assert np.array_equal(scores, (np.rint(wanted * 1e6) / 1e6).astype(np.float32))
    assert scan.score_pairs(x, rows[:0], q, which[:0]).shape == (0,)
    alone = np.concatenate([scan.score_rows(x, rows[which == i], q[i]) for i in range(len(q))])
    assert np.array_equal(scores, alone)
    factors = rng.integers(1, 1 << 62, WIDTH)
    exactly = [
        sum(int(b) * int(f) for b, f in zip(r, factors, strict=True)) for r in x[:9].view(np.uint16)
    ]
    codes = scan.code_rows(x, factors)
    assert codes.shape == (N,) and codes[:9].view(np.uint64).tolist() == [
        e % 2**64 for e in exactly
    ]
