"""One query on a card: nothing waits on the way, what is asked often is replayed, and hits stay those of numpy to the bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import ROOT

from prom3e_index.bundle.faiss import replays, resident
from prom3e_index.bundle.faiss.resident import Resident
from prom3e_index.bundle.faiss.search import Subset

WIDTH, K = 24, 7


def spoilt(replay, made, given):
    return replay


@pytest.fixture
def replaying(monkeypatch):
    """In place of CUDA graphs: replaying takes the step again, into the same tensors. Gives what was recorded."""

    def use(spoil=spoilt, after=2):
        seen = []

        def recorded(step, given):
            made, number = tuple(t.clone() for t in step(given)), len(seen)

            def replay():
                seen[number] += 1
                for into, now in zip(made, step(given), strict=True):
                    into.copy_(now)

            seen.append(0)
            return spoil(replay, made, given), made

        monkeypatch.setattr(replays, "can_record", lambda device: True)
        monkeypatch.setattr(replays, "recorded", recorded)
        monkeypatch.setattr(replays, "AFTER", after)
        return seen

    return use


def rows_of(n, seed=0):
    """Rows of a few directions, half of them the very same as others."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(40, WIDTH))[rng.integers(0, 40, n)]
    x[::2] += rng.normal(size=x[::2].shape) * 3e-4
    return x.astype(np.float16)


def questions(count, seed=1):
    return np.random.default_rng(seed).normal(size=(count, WIDTH)).astype(np.float32)


def by_numpy(vectors, query, k, rows=None):
    """Double precision, six decimals, ties by row."""
    rows = np.arange(len(vectors)) if rows is None else rows
    products = vectors[rows].astype(np.float64) @ query.astype(np.float64)
    scores = (np.rint(products * 1e6) / 1e6).astype(np.float32)
    order = np.lexsort((rows, -scores))[:k]
    return scores[order], rows[order]


def same(found, truth):
    scores, rows, sure = found
    assert sure.all() and rows[0].tolist() == truth[1].tolist()
    assert scores[0].tobytes() == truth[0].tobytes()


@pytest.mark.parametrize("n", [1, K - 1, K, K + 1, 31, 32, 33, 1_000, 4_000])
def test_replayed_hits_are_those_of_numpy_to_the_bit(replaying, monkeypatch, n):
    monkeypatch.setattr(resident, "_ROWS", 1_024)  # some products
    vectors, seen = rows_of(n, n), replaying()
    held, k = Resident.copied(vectors, "cpu"), min(K, n)
    for query in questions(6):
        same(held.search(query[None], k), by_numpy(vectors, query, k))
    assert seen == [2 + 4], "proved with two, and the last four"
    together, alone = held.search(questions(3), k), [held.search(q[None], k) for q in questions(3)]
    assert all(np.array_equal(together[i], np.concatenate([a[i] for a in alone])) for i in range(3))


@pytest.mark.parametrize("share", [0.9, 0.3, 0.02])
@pytest.mark.parametrize("kept", [4_000, 1_111])
def test_replayed_hits_of_some_rows_are_those_of_numpy(replaying, share, kept):
    vectors, seen = rows_of(4_000), replaying()
    held = Resident.copied(vectors, "cpu", kept)
    eligible = np.flatnonzero(np.random.default_rng(2).random(4_000) < share)
    here = eligible[eligible < kept]
    subset, other = Subset(eligible, 4_000), Subset(eligible[1:], 4_000)
    for query in questions(5):
        same(held.search(query[None], K, subset), by_numpy(vectors, query, K, here))
        same(held.search(query[None], K), by_numpy(vectors[:kept], query, K))
        same(held.search(query[None], K, other), by_numpy(vectors, query, K, here[1:]))
    assert seen == [2 + 3] * (1 if share == 0.02 else 3), "gathered rows are new each time"


def test_ties_beyond_what_is_scored_again_are_looked_for_after_a_replay(replaying):
    vectors, seen = np.ones((5_000, WIDTH), np.float16), replaying(after=0)
    held = Resident.copied(vectors, "cpu")
    for query in questions(3):
        same(held.search(query[None], 3), by_numpy(vectors, query, 3))
    assert seen == [2 + 3] and held.search(questions(1), 3)[1].tolist() == [[0, 1, 2]]


def test_queries_that_are_none_and_very_long_ones_are_left_to_the_processor(replaying):
    replaying(after=0)
    held = Resident.copied(rows_of(500), "cpu")
    query = questions(1)
    for value in (np.nan, np.inf):
        query[0, 3] = value
        assert not held.search(query, K)[2].any()
    query[0] = 3e38 * np.sign(rows_of(500)[0])  # its scores are beyond single precision
    assert not held.search(query, K)[2].any()
    same(held.search(questions(1), K), by_numpy(rows_of(500), questions(1)[0], K))


def still(replay, made, given):
    """Replays nothing: what it made while it was recorded."""
    return lambda: None


def of_yesterday(replay, made, given):
    """Answers to other bytes than those that were sent."""
    bytes_then = given.clone()

    def late():
        now = given.clone()
        given.copy_(bytes_then)
        replay()
        given.copy_(now)
        bytes_then.copy_(now)

    return late


def off_by_a_row(replay, made, given):
    def wrong():
        replay()
        made[-1][:, -2] += 1

    return wrong


@pytest.mark.parametrize("spoil", [still, of_yesterday, off_by_a_row])
def test_a_graph_that_replays_something_else_is_not_used(replaying, spoil):
    vectors, seen = rows_of(900), replaying(spoil, after=1)
    held = Resident.copied(vectors, "cpu")
    for query in questions(5):
        same(held.search(query[None], K), by_numpy(vectors, query, K))
    assert len(seen) == 1
    assert held.told(K) == "told one by one: the replayed answer is another"


def test_an_answer_that_is_always_the_same_proves_nothing(replaying):
    seen = replaying(after=0)
    held = Resident.copied(np.zeros((90, WIDTH), np.float16), "cpu")
    assert held.search(questions(1), K)[1].tolist() == [list(range(K))]
    assert held.told(K).endswith("the replayed answer does not change with the query")
    held.search(questions(1), K)
    assert seen == [2]


def test_what_cannot_be_recorded_is_said_and_told_one_by_one(replaying, monkeypatch):
    replaying(after=1)
    tried = []

    def fails(step, given):
        tried.append(len(given))
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nmore")

    monkeypatch.setattr(replays, "recorded", fails)
    vectors = rows_of(300)
    held = Resident.copied(vectors, "cpu")
    for query in questions(4):
        same(held.search(query[None], K), by_numpy(vectors, query, K))
    assert tried == [10 * WIDTH]
    why = "CUDA error: operation not permitted when stream is capturing"
    assert held.told(K) == f"told one by one: {why}"


def test_shapes_are_recorded_when_they_are_asked_often_and_a_few_only(replaying):
    vectors, seen = rows_of(800), replaying(after=3)
    held = Resident.copied(vectors, "cpu")
    for query in questions(3):
        for k in range(1, 12):
            same(held.search(query[None], k), by_numpy(vectors, query, k))
    assert not seen and held.told(5) == "told one by one: asked 3 times"
    for query in questions(3, seed=9):
        for k in range(1, 12):
            same(held.search(query[None], k), by_numpy(vectors, query, k))
    assert len(seen) == replays.SHAPES and held.told(5) == "replayed"
    assert held.told(11) == "told one by one: asked 6 times"
    assert Resident.copied(vectors, "cpu").told(5) == "told one by one: asked 0 times"


def test_a_processor_and_several_queries_replay_nothing(replaying, monkeypatch):
    vectors, seen = rows_of(800), replaying(after=0)
    held = Resident.copied(vectors, "cpu")
    held.search(questions(4), K)
    assert not seen
    monkeypatch.setattr(replays, "can_record", lambda device: device.type == "cuda")
    held.search(questions(1), K)
    assert not seen and held.told(K) == "told one by one: cpu does not replay"


@pytest.mark.parametrize("n", [1, 33, 64, 10_000_000, 10_000_007])
@pytest.mark.parametrize("left_out", [False, True])
def test_nothing_on_the_way_reads_a_value(monkeypatch, n, left_out):
    """Tensors with sizes and no numbers: whatever waits for one fails."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from gpu_operations import counted_query

    found = counted_query(n, left_out)
    blocks = -(-n // resident._ROWS)
    more = blocks + 2 if left_out else 3 if n % 32 else 0
    more += n <= 32 * (10 + resident.SPARE)  # no group beyond
    assert sum(found.times.values()) <= 14 + 2 * blocks + more
    if n == 10_000_000:
        held = 2 * n * 512
        assert held < found.bytes["aten::mm"] < 1.01 * held
        assert sum(found.bytes.values()) < 1.02 * held, "the rows are read once"


def test_one_copy_there_and_one_back_and_what_is_sent_goes_before_the_product(monkeypatch):
    rows = np.random.default_rng(0).normal(size=(4_000, WIDTH)).astype(np.float16)
    held, order = Resident.copied(rows, "cpu"), []
    for name in ("to", "cpu"):
        plain = getattr(torch.Tensor, name)
        monkeypatch.setattr(
            torch.Tensor, name, lambda *a, plain=plain, name=name, **b: order.append(name) or plain(*a, **b)
        )  # fmt: skip
    product = resident.product
    monkeypatch.setattr(resident, "product", lambda *a: order.append("product") or product(*a))
    for queries in (questions(1), questions(9)):
        order.clear()
        assert held.search(queries, K)[2].all()
        assert order == ["to", "product", "cpu"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU")
@pytest.mark.parametrize("left_out", [False, True])
def test_a_real_card_replays(left_out):
    vectors = rows_of(200_003)
    held = Resident.copied(vectors, "cuda")
    rows = np.arange(0, len(vectors), 2)
    subset = Subset(rows, len(vectors)) if left_out else None
    for query in questions(replays.AFTER + 20):
        truth = by_numpy(vectors, query, K, rows if left_out else None)
        same(held.search(query[None], K, subset), truth)
    assert held.told(K, subset) == "replayed"
