"""The answers that uncertainty is judged by are corrected against hubs as a query's are, where the model corrects."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_set import tiny

from prom3e_index.evaluation.uncertainty.asked import ask
from prom3e_index.models.folder import Model, Weights
from prom3e_index.mvae.completion import hidden_width, infer, prepare
from prom3e_index.search import score
from prom3e_index.search.hubness import BANK, Bank, K

EPSILON = 0.25
ASKED = Weights(0.4, 0.3, EPSILON)


@pytest.fixture
def model(monkeypatch):
    """`mini` as it would be if validation had chosen CSLS."""
    out = Model.open("mini")
    monkeypatch.setattr(out, "hubs", "csls")
    return out


def gallery_of(model, data, given, target):
    """Vectors of the rows that have a target, each completed without what asks."""
    names = list(data.modalities)
    rows = np.flatnonzero(data.present[:, names.index(target)])
    rest = data.present[rows].copy()
    rest[:, [names.index(m) for m in given]] = False
    made = infer(model, data.x[rows], rest, (target,))
    observed = data.x[rows, names.index(target)]
    every = np.ones(len(rows), bool)
    return rows, score.gallery(observed, every, made.reconstructed[:, 0], made.hidden, EPSILON)


def by_hand(model, vectors, m, target):
    """−½ · mean of the ten best of the bank's queries that show `m`, less the bank's centre."""
    x, present = model.bank()
    i = model.modalities.index(m)
    asks = np.flatnonzero(present[:, i])[:BANK]
    shown = np.zeros((len(asks), 6), bool)
    shown[:, i] = True
    made, w = infer(model, x[asks], shown, (target,)), model.weights((m,), target)
    q = (1 - w.delta) * x[asks, i] + w.delta * made.reconstructed[:, 0]
    products = np.concatenate([(1 - w.gamma) * q, w.gamma * made.hidden], axis=1) @ vectors.T
    best = np.sort(products, axis=0)[-K:].mean(axis=0)
    return -best / 2 - Bank(model, "csls").centres[target][i]


@pytest.mark.parametrize("given", [("image",), ("loc", "text")])
def test_scores_are_plain_ones_and_the_mean_bias_of_what_asks(model, given, monkeypatch):
    data, target = tiny(45, seed=3, missing=0.15), "sat"
    tokens = prepare(model, data.x, data.present)

    def answers():
        found = ask(data, model, lambda g, t: ASKED, tokens)
        return next(
            a.answers for a in found if (a.answers.visible, a.answers.target) == (given, target)
        )

    corrected = answers()
    monkeypatch.setattr(model, "hubs", "none")
    before = answers()
    rows, vectors = gallery_of(model, data, given, target)
    bias = np.mean([by_hand(model, vectors, m, target) for m in given], axis=0)
    assert bias.std() > 0.002
    for i, row in enumerate(corrected.observation):
        shown = np.zeros((1, 6), bool)
        shown[0, [data.modalities.index(m) for m in given]] = True
        q = infer(model, data.x[[row]], shown, (target,))
        mean = data.x[row, shown[0]].mean(axis=0, keepdims=True)
        mean /= np.linalg.norm(mean)
        scores = (
            score.query_rows(mean, q.reconstructed[:, 0], q.hidden, "hybrid", ASKED) @ vectors.T
        )
        keep = rows != row
        for found, want in ((before, scores[0]), (corrected, scores[0] + bias)):
            held = np.isfinite(found.first.scores[i])
            assert held.sum() == keep.sum()
            assert found.first.scores[i][held] == pytest.approx(np.sort(want[keep])[::-1], abs=1e-3)


def test_only_the_columns_that_are_asked_for_are_computed(model):
    wide = model.width + hidden_width(model)
    vectors = np.random.default_rng(0).normal(size=(7, wide)).astype(np.float16)
    bank = Bank(model, "csls")
    every, some = bank.bias(vectors, "text"), bank.bias(vectors, "text", asking=[0, 2])
    assert (some[:, [0, 2]] == every[:, [0, 2]]).all() and every[:, [1, 3]].any()
    assert not some[:, [1, 3, 4, 5]].any()
