"""Recall, reciprocal rank and gain under ties are expectations: against every order, shuffles and the closed form."""

from __future__ import annotations

import json
from itertools import permutations
from math import comb

import numpy as np
import pytest
from tiny_set import tiny

from prom3e_index.errors import InputError
from prom3e_index.evaluation.first_right import FirstRight
from prom3e_index.evaluation.metrics import ndcg, recall_at
from prom3e_index.evaluation.ranking import PLACES, Answers, Labels, Right, first_right
from prom3e_index.evaluation.retrieval import stored_ranks
from prom3e_index.evaluation.retrieval.records import records
from prom3e_index.evaluation.retrieval.scoring import score

CUTS = (1, 2, 5, 10)


def stands(above, tied, good):
    return FirstRight(*(np.array([v], np.int32) for v in (above, tied, good)))


def in_every_order(scores, right):
    """Recall at `CUTS`, 1 / rank, nDCG: means over all orders that respect the scores."""
    groups = [np.flatnonzero(scores == v) for v in np.unique(scores)[::-1]]
    orders = [[]]
    for group in groups:
        orders = [o + list(p) for o in orders for p in permutations(group)]
    return np.mean([of_order(right[np.array(o, int)]) for o in orders], axis=0)


def of_order(right):
    """The same of one order, by the textbook."""
    if not right.any():
        return np.zeros(len(CUTS) + 2)
    discount = 1 / np.log2(np.arange(len(right)) + 2)
    ideal = discount[: min(right.sum(), PLACES)].sum()
    return np.array(
        [float(right[:k].any()) for k in CUTS]
        + [1 / (right.argmax() + 1), (right * discount)[:PLACES].sum() / ideal]
    )


def of_engine(scores, right):
    """What `Answers` says of one query: every row of its species is right, none is its own."""
    labels = Labels(right.astype(np.int64) - 1)
    found = Answers(
        scores[None].astype(np.float32), np.array([-1]), np.array([0]), labels
    ).by_species()
    return np.array(
        [recall_at(found.first, k) for k in CUTS]
        + [float(found.first.reciprocal_rank()[0]), float(ndcg(found.gain, found.right)[0])]
    )


@pytest.mark.parametrize("g", [1, 2, 3, 6])
def test_small_galleries_equal_the_mean_over_every_order(g):
    """Several ties, several right rows among and below them, and none at all."""
    rng = np.random.default_rng(g)
    for _ in range(12):
        scores, right = rng.integers(0, 3, g).astype(float), rng.random(g) < 0.4
        assert of_engine(scores, right) == pytest.approx(in_every_order(scores, right), abs=1e-6)


@pytest.mark.parametrize("tie", [1, 9, 10, 11, 40])
def test_large_ties_equal_the_mean_over_shuffles(tie):
    """Sizes 1, k − 1, k, k + 1 and more, behind none, one and nine better ones."""
    rng = np.random.default_rng(tie)
    for better, good in ((0, 1), (1, 2), (9, min(tie, 3)), (0, tie)):
        scores = np.concatenate([np.full(better, 2.0), np.ones(tie), np.zeros(5)])
        right = np.zeros(len(scores), bool)
        right[better : better + good] = right[-2:] = True
        told = []
        for _ in range(4000):
            order = rng.permutation(len(scores))
            told.append(of_order(right[order[np.argsort(-scores[order], kind="stable")]]))
        spread = np.std(told, axis=0) / np.sqrt(len(told))
        apart = np.abs(of_engine(scores, right) - np.mean(told, axis=0))
        assert (apart <= 4.5 * spread + 1e-6).all(), (better, good)


@pytest.mark.parametrize("k", [1, 10])
def test_recall_is_the_closed_form_of_the_tie(k):
    for above in (0, 1, k - 1, k, k + 1):
        for tied in (1, 2, k, k + 1, 60, 100_000):
            for good in {1, 2, 30, tied - 1, tied} & set(range(1, tied + 1)):
                places = min(max(k - above, 0), tied)
                missed = comb(tied - good, places) / comb(tied, places)
                found = stands(above, tied, good).recall(k)[0]
                assert found == pytest.approx(1 - missed, abs=1e-12), (above, tied, good)


def test_a_tie_of_a_hundred_thousand_is_exact():
    """One right row: harmonic numbers. Half of them right: the first is at place 1, 2, 3, … by halves."""
    n = 100_000
    one = stands(0, n, 1)
    assert one.recall(10)[0] == pytest.approx(10 / n, rel=1e-9)
    assert one.reciprocal_rank()[0] == pytest.approx((1 / np.arange(1, n + 1)).mean(), rel=1e-9)
    assert one.rank()[0] == (n + 1) / 2
    half = stands(3, n, n // 2)
    near = sum(0.5 ** (j + 1) / (4 + j) for j in range(60))  # drawn with replacement: off by 1 / n
    assert half.reciprocal_rank()[0] == pytest.approx(near, rel=1e-4)
    assert stands(0, n, n).reciprocal_rank()[0] == 1


def test_none_and_no_query():
    nothing = stands(0, 0, 0)
    assert not nothing.found[0] and nothing.recall(10)[0] == nothing.reciprocal_rank()[0] == 0
    assert nothing.rank()[0] == np.inf
    assert len(FirstRight.concatenate([])) == 0 and recall_at(nothing[:0], 1) == 0
    with pytest.raises(ValueError, match="different shapes"):
        FirstRight(np.zeros(2, np.int32), np.zeros(1, np.int32), np.zeros(2, np.int32))


def test_names_that_repeat_are_found_as_often_as_chance_orders_them():
    """Every row of a species has its name: by row, a query finds its own among those of its name."""
    data = tiny(60, seed=2, missing=0)
    _, name = np.unique(data.columns["species"], return_inverse=True)
    data.x[:, 4] = data.x[name, 1]
    data.x[:, 0] = data.x[:, 4]  # the photo says which name it is, and no more
    (s,) = [
        s
        for s in score(data, None, [(("image",), "text")], spaces=("encoder",))
        if s.match == "row"
    ]
    size = np.bincount(name)[name]
    assert (size > 2).sum() > 50
    assert s.first.recall(1) == pytest.approx(1 / size[s.queries])
    (record,) = records([s])
    assert record["recall@1"] == pytest.approx((1 / size[s.queries]).mean())
    assert record["mrr"] == pytest.approx(
        np.mean([(1 / np.arange(1, n + 1)).mean() for n in size[s.queries]])
    )


def test_ranks_stored_by_the_old_rule_are_not_read(tmp_path):
    text = json.dumps({"format": 1, "entries": [], "facts": {}}).encode()
    np.savez(tmp_path / "ranks.npz", index=np.frombuffer(text, np.uint8))
    with pytest.raises(InputError, match="format 1, this program reads 2.*evaluate retrieval"):
        stored_ranks.load(tmp_path / "ranks.npz")


def test_stored_ranks_come_back(tmp_path):
    data = tiny(60, seed=4)
    scored = score(data, None, [(("image",), "text")], spaces=("encoder",))
    stored_ranks.save(tmp_path / "r.npz", scored, {"seed": 0})
    again, facts = stored_ranks.load(tmp_path / "r.npz")
    assert facts == {"seed": 0} and records(again) == records(scored)
    with np.load(tmp_path / "r.npz") as z:
        members = dict(z)
    members["0.tied"] = members["0.tied"][:-1]
    np.savez(tmp_path / "short.npz", **members)
    with pytest.raises(InputError, match="different shapes"):
        stored_ranks.load(tmp_path / "short.npz")


def test_right_answers_below_every_number_are_a_tie():
    scores = np.array([[1, np.nan, np.nan, np.nan]], np.float32)
    found = first_right(scores, Right.rows(np.array([2])))
    assert (found.above[0], found.tied[0], found.good[0]) == (1, 3, 1)
    assert found.recall(2)[0] == pytest.approx(1 / 3)
