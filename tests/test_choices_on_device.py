"""What is chosen after training on a card is what is chosen on the processor: hubs, sets, the answers that calibrate."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from embedding_sets import NAMES, made

import prom3e_index.training.stage_two.choose_confidence as confidence
import prom3e_index.training.stage_two.choose_hubs as hubs
from prom3e_index.evaluation import asking_rows
from prom3e_index.evaluation.data import EvalSet
from prom3e_index.evaluation.directions import SAME_ITEM, pairs
from prom3e_index.evaluation.metrics import recall_at
from prom3e_index.evaluation.ranking import Right
from prom3e_index.evaluation.ranking_on_device import likelihoods_of
from prom3e_index.evaluation.retrieval.scoring import score
from prom3e_index.evaluation.sets_choice import KAPPAS, choose_sets, likelihoods
from prom3e_index.models.folder import Weights
from prom3e_index.models.joined import Joined
from prom3e_index.mvae.network import MVAE, MVAEConfig
from prom3e_index.search.hubness import CORRECTIONS, METHODS, bias
from prom3e_index.training.stage_two.choose_use import Candidate, Use
from prom3e_index.training.stage_two.first_rows import AnswersHere, AnswersOnCard

SMALL = MVAEConfig(input_dim=12, embed_dim=16, heads=2, mlp_dim=24, num_register_tokens=2)


def candidate():
    torch.manual_seed(0)
    return Candidate(MVAE(SMALL).requires_grad_(False), NAMES)


def repeated(n=90, seed=3):
    """Rows of which several have the same tile and the same name: ties."""
    given = made(n, seed=seed, missing=0.25)
    x = given.x.clone()
    for column, step in ((1, 3), (4, 7)):
        x[:, column] = x[torch.arange(n) // step * step, column]
    has = given.present.clone()
    x[~has] = 0
    has &= x.abs().sum(2) > 0
    has[~has.any(1), 0] = True
    return replace(given, x=x, present=has)


class Used(Candidate):
    """A model as it is used after training: weights of directions, sums of two modalities, a bank against hubs."""

    hubs = "none"

    def weights(self, given, target):
        return Weights(0.3 + 0.1 * len(given), 0.4, 0.2 if target == "text" else 0.0)

    def joined(self, given, target):
        return (
            Joined(0.5, (3.0, 8.0), (Weights(0.2, 0.1, 0), Weights(0.7, 0.3, 0)))
            if len(given) == 2
            else None
        )

    def bank(self):
        some = made(60, seed=8, missing=0.1)
        return some.x.numpy(), some.present.numpy()


def as_on_a_card(monkeypatch, module):
    """`cpu` taken for a card: the very code, its tensors on the processor."""
    monkeypatch.setattr(module, "is_card", lambda device: True)


# hubs


def use_of(records):
    return Use("expectation", "both", {"text": 0.3, "sat": 0.1}, (0.4, 0.5), 0.0, records)


@pytest.mark.parametrize("species", [True, False])
def test_hubs_are_chosen_alike_here_on_a_card_and_by_the_evaluation(monkeypatch, species):
    train, val = made(70, seed=1, missing=0.2), repeated()
    if not species:
        val = replace(val, species=None)
    records = [{"given": "image", "target": "text", "delta": 0.9, "gamma": 0.1}]
    model, use = candidate(), use_of(records)
    here = hubs.choose_hubs(model, train, val, use)
    as_on_a_card(monkeypatch, hubs)
    there = hubs.choose_hubs(model, train, val, use)
    assert here.method == there.method and here.quality == there.quality
    assert np.array_equal(here.x, there.x) and np.array_equal(here.present, there.present)

    def rows(of, columns):
        at = np.arange(len(of))
        x, present = of.x.numpy(), of.present.numpy()
        return EvalSet(x, present, NAMES, at.astype(str), columns, "made", "made", at, len(of))

    def weights(given, target):
        own = (0.9, 0.1) if (given, target) == (("image",), "text") else (0.4, 0.5)
        return Weights(*own, {"text": 0.3, "sat": 0.1}.get(target, 0.0))

    judged = score(
        rows(val, {"species": val.species} if species else {}),
        replace(model, hidden="both"),
        pairs(NAMES),
        spaces=("hybrid",),
        weights=weights,
        bank=rows(train, {}),
        corrections=[c for c in CORRECTIONS if c.space == "hybrid"],
    )
    assert set(here.quality) == {"none", *METHODS}
    for method, quality in here.quality.items():
        space = "hybrid" if method == "none" else f"hybrid+{method}"
        match = [
            float(np.mean([recall_at(s.first, k) for k in (1, 10)]))
            for s in judged
            if s.space == space
            and s.match == ("species" if species and s.target not in SAME_ITEM else "row")
        ]
        assert len(match) == 30 and quality == round(float(np.mean(match)), 4), method


def test_a_bias_is_the_same_of_tensors():
    products = np.random.default_rng(0).normal(size=(40, 70)).astype(np.float32)
    for method in METHODS:
        found = bias(torch.from_numpy(products), method)
        assert np.allclose(found.numpy(), bias(products, method), atol=1e-6)
        assert abs(float(found.mean())) < 1e-6


# sets of several modalities


def test_sets_are_chosen_alike_on_a_card(monkeypatch):
    val, model = repeated(120), candidate()
    arguments = (
        model,
        val.x.numpy(),
        val.present.numpy(),
        val.species,
        Used.weights.__get__(model),
    )
    rows = asking_rows.AskingRows(*arguments)
    here = choose_sets(*arguments)
    as_on_a_card(monkeypatch, asking_rows)
    there = asking_rows.AskingRows(*arguments)
    for given, target in ((("image", "text"), "loc"), (("audio", "sat", "env"), "image")):
        a, b = rows.asked(given, target), there.asked(given, target)
        for name in ("mean", "completed", "hidden"):
            assert np.allclose(getattr(a, name), getattr(b, name).numpy(), atol=1e-6), name
        for one, other in zip(a.alone, b.alone, strict=True):
            assert np.allclose(one, other.numpy(), atol=1e-6)
        w = Weights(0.3, 0.6, 0.0)
        assert isinstance(b.together(w), torch.Tensor)
        assert np.allclose(a.together(w), b.together(w).numpy(), atol=1e-6)
        how = Joined(0.4, (2.0, 5.0, 7.0)[: len(given)], (w,) * len(given))
        joined = how.of(b.together(w), b.alone)
        assert np.allclose(how.of(a.together(w), a.alone), joined.numpy(), atol=1e-6)
    found = choose_sets(*arguments)
    assert found.sizes == here.sizes and found.kappa == here.kappa and here.tried
    for size, ways in here.tried.items():
        for way, gains in ways.items():
            assert found.tried[size][way] == pytest.approx(gains, abs=1e-12)


def test_likelihoods_on_a_device_are_softmax_sums():
    rng = np.random.default_rng(4)
    scores = rng.normal(size=(12, 30)).astype(np.float32)
    relevant, skip = rng.random((12, 30)) < 0.1, rng.integers(-1, 30, 12)
    relevant[3] = False
    right = Right.where(relevant, skip)
    found = likelihoods_of(torch.from_numpy(scores), right, KAPPAS)
    assert found.shape == (12, len(KAPPAS)) and np.isnan(found[3]).all()
    here = likelihoods(scores, right)
    assert np.allclose(found, here, rtol=1e-12, atol=1e-12, equal_nan=True)
    for i, kappa in ((0, 0), (5, 10), (7, 20)):
        able = np.arange(30) != skip[i]
        p = np.exp(KAPPAS[kappa] * scores[i].astype(float)) * able
        if (relevant[i] & able).any():
            assert found[i, kappa] == pytest.approx(
                np.log(p[relevant[i]].sum() / p.sum()), rel=1e-9
            )


# the answers that calibrate


@pytest.mark.parametrize("method", ["none", "csls"])
def test_answers_that_calibrate_are_those_of_a_card(monkeypatch, method):
    rows = repeated(110)
    torch.manual_seed(0)
    model = Used(MVAE(SMALL).requires_grad_(False), NAMES)
    object.__setattr__(model, "hubs", method)

    def answers():
        species = np.unique(rows.species, return_inverse=True)[1].astype(np.int64)
        asks, rng = np.ones(len(rows), bool), np.random.default_rng(0)
        return list(confidence._answers(model, rows, species, asks, rng))

    here = answers()
    as_on_a_card(monkeypatch, confidence)
    there = answers()
    assert len(here) == len(there) > 100
    moved = 0
    for one, other in zip(here, there, strict=True):
        assert (one.visible, one.target) == (other.visible, other.target)
        assert np.allclose(one.first.scores, other.first.scores, atol=3e-6)
        moved += int((one.first.codes != other.first.codes).sum())
        same = one.first.codes == other.first.codes
        assert np.allclose(one.first.cosines[same], other.first.cosines[same], atol=0.01)
    everything = sum(a.first.codes.size for a in here)
    assert moved < 1e-3 * everything, (
        "rows change places only where scores are alike to the sixth decimal"
    )
    plain, found = (confidence.fit(a, NAMES, "species", "model") for a in (here, there))
    assert plain.fitted.keys() == found.fitted.keys() and plain.lacking == found.lacking
    for key, of in plain.fitted.items():
        assert found.fitted[key].temperature == of.temperature
        assert found.fitted[key].accuracy == pytest.approx(of.accuracy, abs=0.005)
        assert found.fitted[key].right.weights == pytest.approx(of.right.weights, abs=0.02)


PLACES = (AnswersHere, partial(AnswersOnCard, device="cpu"))


@pytest.mark.parametrize("place", PLACES, ids=["here", "card"])
def test_first_rows_are_those_of_sorted_scores_without_twins(place):
    rng = np.random.default_rng(2)
    n, q, width, d = 400, 7, 9, 5
    block = rng.integers(-2, 3, (n, width)).astype(np.float32)  # ties everywhere
    added = rng.integers(-1, 2, (n, 3)).astype(np.float32)
    same, present = rng.integers(0, 6, (n, 3)), rng.random((n, 3)) < 0.7
    vectors = rng.integers(-2, 3, (q, width)).astype(np.float32)
    completed = rng.integers(-2, 3, (q, d)).astype(np.float32)
    mine = rng.permutation(n)[:q]
    answering = place(same, present)
    answering.add(block[:, ::-1].copy(), None)
    answering.add(block, added)
    best, scores, cosines = answering.first(1, (0, 2), vectors, completed, mine)
    assert best.shape == scores.shape == cosines.shape == (q, 200)
    for i, row in enumerate(mine):
        told = []
        for g in range(n):
            both = present[g] & present[row]
            twin = bool((same[g] == same[row])[both].all()) and both.sum() >= min(
                2, present[row].sum()
            )
            told.append(
                -np.inf
                if g == row or twin
                else vectors[i] @ block[g] + (added[g, 0] + added[g, 2]) / 2
            )
        order = [g for _, g in sorted((-score, g) for g, score in enumerate(told))][:200]
        assert best[i].tolist() == order
        assert scores[i] == pytest.approx(np.array(told)[order])
        assert cosines[i] == pytest.approx(block[order, :d] @ completed[i])
    assert np.isneginf(scores).sum() == 0


def test_what_is_no_number_stands_last_on_a_card_too():
    block = np.eye(4, dtype=np.float32)
    present, same = np.ones((4, 1), bool), np.arange(4)[:, None]
    for place in PLACES:
        answering = place(same, present)
        answering.add(block, None)
        vectors = np.array([[0.1, np.nan, 0.5, 0.2]], np.float32)
        best, scores, _ = answering.first(0, (0,), vectors, vectors, np.array([3]))
        assert not np.isfinite(scores[0, 1:]).any() and best.shape == (1, 4)
