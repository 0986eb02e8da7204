"""One engine of ranks: what it says equals trying every order of a tie, whoever asks and however."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from prom3e_index.evaluation.directions import directions, recall_table
from prom3e_index.evaluation.first_right import FirstRight
from prom3e_index.evaluation.metrics import Resampler, recall_at
from prom3e_index.evaluation.ranking import Answers, Labels, Right, first_right
from prom3e_index.evaluation.retrieval.scoring import score
from prom3e_index.evaluation.weights_choice import choose
from prom3e_index.models.folder import Model, Weights


def by_orders(scores, right, skip):
    """Mean rank of the first right answer over all orders of equal scores; NaN counts as the least."""
    left = [j for j in range(len(scores)) if j != skip]
    value = [-np.inf if np.isnan(scores[j]) else scores[j] for j in left]
    if not any(right[j] for j in left):
        return np.inf
    best = max(v for v, j in zip(value, left, strict=True) if right[j])
    tied = [bool(right[j]) for v, j in zip(value, left, strict=True) if v == best]
    first = [order.index(True) for order in permutations(tied)]
    return sum(v > best for v in value) + 1 + np.mean(first)


@pytest.mark.parametrize("g", [1, 2, 3, 7])
def test_expected_ranks_equal_the_mean_over_all_orders(g):
    rng = np.random.default_rng(g)
    scores = rng.integers(0, 3, (60, g)).astype(np.float64)
    scores[rng.random((60, g)) < 0.2] = -np.inf
    right = rng.random((60, g)) < 0.4
    skip = rng.integers(-1, g, 60)
    found = first_right(scores, Right.where(right, skip)).rank()
    want = [by_orders(s, r, k) for s, r, k in zip(scores, right, skip, strict=True)]
    assert found == pytest.approx(want)
    assert len(first_right(np.zeros((0, g)), Right.where(np.zeros((0, g), bool)))) == 0


def test_a_model_that_gives_no_numbers_finds_nothing():
    """Diverged training must not be the best: NaN is below every number, all NaN is a tie of all."""
    g = 6
    right = np.zeros((3, g), bool)
    right[:, 2] = True
    scores = np.full((3, g), np.nan)
    scores[1] = np.arange(g)
    scores[1, 2] = np.nan
    scores[2, 2] = 0.5
    found = first_right(scores, Right.where(right)).rank()
    assert found.tolist() == [(1 + g) / 2, g, 1]
    many = np.full((1, 40), np.nan, np.float32)
    many[0, 20:] = np.arange(20)
    answers = Answers(many, np.array([3]), np.array([-1]), Labels(np.full(40, -1)))
    assert answers.index[0, :3].tolist() == [39, 38, 37]
    assert answers.by_row().first.rank()[0] == 20 + (1 + 20) / 2


def test_the_three_ways_to_say_what_is_right_agree():
    rng = np.random.default_rng(0)
    of, label = rng.integers(-1, 4, 30), rng.integers(-1, 6, 20)  # 4 and 5 are in no gallery row
    own = rng.integers(-1, 30, 20)
    scores = rng.integers(0, 5, (20, 30)).astype(np.float32)
    alike = Right.alike(label, Labels(of), own)
    matrix = (of[None] == label[:, None]) & (label >= 0)[:, None]
    assert counts(scores, alike) == counts(scores, Right.where(matrix, own))
    rows = own[:, None] == np.arange(30)
    assert counts(scores, Right.rows(own)) == counts(scores, Right.where(rows))
    half = alike.part(slice(5, 12))
    assert counts(scores[5:12], half) == counts(scores, alike)[5:12]


def counts(scores, right):
    f = first_right(scores, right)
    return list(zip(f.above.tolist(), f.tied.tolist(), f.good.tolist(), strict=True))


def observations(n=70, seed=0):
    """x (n, 6, 512), presence, species; some rows share a tile, some have no known species."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 6, 512)).astype(np.float32)
    x[10:20, 1] = x[0, 1]
    x /= np.linalg.norm(x, axis=2, keepdims=True)
    present = rng.random((n, 6)) > 0.15
    x[~present] = 0
    species = np.array([f"s{i}" for i in rng.integers(0, 9, n)], object)
    species[[2, 5]] = None, ""
    return x, present, species


def test_training_and_evaluation_rank_alike():
    """By species the same queries of the same rows have the same ranks on both sides, space by space."""
    from prom3e_index.evaluation.data import EvalSet

    x, present, species = observations()
    model, w = Model.open("mini"), Weights(0.25, 0.5, 0.25)
    columns = {"species": np.array([s or "" for s in species])}
    n = len(x)
    data = EvalSet(
        x, present, model.modalities, np.arange(n).astype(str), columns, "x", "f", np.arange(n), n
    )
    spaces = ("encoder", "reconstructed", "hidden", "hybrid")
    found = {
        (s.given, s.target, s.space): s.first
        for s in score(
            data, model, [(("image",), "text"), (("sat",), "audio")], weights=lambda g, t: w
        )
        if s.match == "species"
    }
    seen = 0
    for d in directions(model, x, present, species, n, [("image",), ("sat",)], model.modalities):
        for space, first in zip(spaces, d.first([(s, w) for s in spaces]), strict=True):
            if ((d.given,), d.target, space) in found:
                there = found[(d.given,), d.target, space]
                assert first.rank() == pytest.approx(there.rank())
                assert first.recall(10) == pytest.approx(there.recall(10))
                seen += 1
    assert seen == 8


def test_the_same_tile_in_another_row_is_the_same_item():
    x, present, species = observations()
    for d in directions(Model.open("mini"), x, present, species, 70, [("image",)]):
        if d.target != "sat":
            continue
        (first,) = d.first([("encoder", Weights())])
        ranks = first.rank()
        rows = [i for i in range(len(x)) if present[i, 0] and present[i, 1]]
        have = [i for i in range(len(x)) if present[i, 1]]
        assert d.same_item and d.queries == len(rows) == len(ranks) and d.gallery == len(have)
        for i, rank in zip(rows, ranks, strict=True):
            scores = np.array([x[i, 0] @ x[j, 1] for j in have])
            alike = [bool(np.array_equal(x[j, 1], x[i, 1])) for j in have]
            assert rank == 1 + (scores > scores[alike].max() + 1e-6).sum()
        break
    else:
        raise AssertionError("no direction to sat")


def test_the_recall_of_what_is_chosen_is_told():
    x, present, species = observations(90, 3)
    model = Model.open("mini")
    chosen = choose(directions(model, x, present, species, mixed=model.modalities))
    assert len(chosen.records) == len(chosen.weights) == 30
    again = {
        (d.given, d.target): d
        for d in directions(model, x, present, species, mixed=model.modalities)
    }
    for r in chosen.records[::7]:
        w = chosen.weights[r["given"], r["target"]]
        d = again[r["given"], r["target"]]
        stands = d.first([("encoder", w), ("reconstructed", w), ("hybrid", w)])
        told = [recall_at(f, 1) for f in stands]
        assert (w.delta, w.gamma, w.epsilon) == (
            r["delta"],
            r["gamma"],
            chosen.epsilon[r["target"]],
        )
        assert [r["encoder"], r["reconstructed"], r["hybrid"]] == pytest.approx(told)
    alone = choose(directions(model, x, present, species), delta_only=True)
    assert {(w.gamma, w.epsilon) for w in alone.weights.values()} == {(0, 0)}


def test_too_few_rows_give_no_direction_and_no_choice():
    x, present, species = observations(19)
    model = Model.open("mini")
    assert list(directions(model, x, present, species)) == []
    assert recall_table(model, x[:0], present[:0], species[:0]) == []
    assert choose([]).weights == {}


def test_a_gallery_that_was_not_completed_is_not_mixed():
    x, present, species = observations()
    d = next(directions(Model.open("mini"), x, present, species))
    with pytest.raises(ValueError, match="was not prepared"):
        d.first([("hybrid", Weights(0.5, 0.0, 0.5))])


def test_recall_and_its_interval():
    stands = FirstRight(*np.array([[0, 1, 10, 0], [1, 1, 1, 0], [1, 1, 1, 0]], np.int32))
    assert recall_at(stands, 10) == 0.5 and stands.rank().tolist() == [1, 2, 11, np.inf]
    assert recall_at(stands[:0], 1) == 0
    low, high = Resampler().intervals(np.array([0, 1] * 500)[:, None])[0]
    assert low < 0.5 < high and 0.04 < high - low < 0.09  # 1.96 · 2 · √(0.25 / 1000) is 0.062
    assert Resampler().intervals(np.zeros((0, 3))).tolist() == [[0, 0]] * 3
