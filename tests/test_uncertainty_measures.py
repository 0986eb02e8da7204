"""What is said of ‖σ‖₁ equals numbers worked out by hand or by other libraries, at the edges too."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from scipy.stats import rankdata
from tiny_set import tiny

from prom3e_index.evaluation.uncertainty import measures
from prom3e_index.evaluation.uncertainty.measures import (
    adding,
    agreement,
    by_pair,
    by_set,
    distance,
    extremes,
    gap,
    over_rows,
)
from prom3e_index.models.folder import Model
from prom3e_index.mvae.completion import prepare


def silent(stage, done, total):
    pass


def test_the_same_rows_serve_all_sets_when_there_are_more_than_are_used(monkeypatch):
    """Of 70 whole rows 50 are drawn once: what a set adds is not what other rows differ by."""
    monkeypatch.setattr(measures, "PER_SET", 50)
    data, model = tiny(70, missing=-1), Model.open("mini")
    asked = []
    infer = measures._infer

    def watched(data, model, rows, names, targets, tokens):
        asked.append(rows.tolist())
        return infer(data, model, rows, names, targets, tokens)

    monkeypatch.setattr(measures, "_infer", watched)
    sets, _ = by_set(data, model, prepare(model, data.x, data.present), 0, silent)
    assert len(sets) == 63 and all(s["same_rows"] and s["rows"] == 50 for s in sets)
    assert all(rows == asked[0] for rows in asked)


def test_agreement_is_that_of_ranks_and_of_moments():
    a, b = np.array([3.0, 1, 2, 2, 8, 5]), np.array([2.0, 1, 1, 4, 9, 3])
    ra, rb = rankdata(a), rankdata(b)
    pearson = lambda x, y: ((x - x.mean()) * (y - y.mean())).mean() / (x.std() * y.std())  # noqa: E731
    found = agreement(a, b)
    assert found["spearman"] == pytest.approx(pearson(ra, rb))
    assert found["r2"] == pytest.approx(pearson(a, b) ** 2) and found["n"] == 6
    for few in ([], [1.0], [1.0, 2.0], [1.0, 1.0, 1.0]):
        assert agreement(few, few)["spearman"] is None
    assert over_rows({})["pooled"] is None


def test_steps_pairs_and_extremes_by_hand():
    sets = [
        {"visible": ["a"], "sigma_l1": 4.0, "error": 0.5},
        {"visible": ["b"], "sigma_l1": 6.0, "error": None},
        {"visible": ["a", "b"], "sigma_l1": 3.0, "error": None},
    ]
    one, two = adding(sets)
    assert (one["sigma_l1"], one["error"], one["sets"], one["change"]) == (5, 0.5, 2, None)
    assert (two["sigma_l1"], two["error"], two["change"]) == (3, None, -2) and adding([]) == []
    assert distance(np.array([[1.0, 0], [0, 1]]), np.array([[0.0, 0], [0, 0]])) == pytest.approx(
        0.5**0.5
    )
    data = tiny(30, missing=-1)
    pair = by_pair(data, [{"visible": ["image", "sat"], "sigma_l1": 2.0}])
    want = np.linalg.norm(data.x[:, 0].mean(0) - data.x[:, 1].mean(0))
    assert len(pair) == 1 and pair[0]["gap"] == pytest.approx(want, rel=1e-5)
    sigma = np.full(30, np.nan, np.float32)
    assert extremes(data, sigma) == {"least": [], "most": []}
    sigma[[4, 5, 9]] = 2.0, 2.0, 1.0  # equal rows are shown once
    told = extremes(data, sigma)
    assert [r["row"] for r in told["least"]] == [9, 4] and [r["row"] for r in told["most"]] == [
        4,
        9,
    ]


def test_the_gap_is_between_means_whatever_block_a_model_searches_by():
    data, model = tiny(24, missing=-1), Model.open("mini")
    by_sigma = copy.copy(model)
    by_sigma.hidden = "sigma"
    tokens = prepare(model, data.x, data.present)
    shown = torch.zeros(24, 6, dtype=torch.bool)
    with torch.inference_mode():
        means = []
        for m in (0, 1):
            one = shown.clone()
            one[:, m] = True
            mu = model.mvae.posterior(torch.from_numpy(data.x), one).mean
            means.append(torch.nn.functional.normalize(mu, dim=1).mean(0))
    want = float((means[0] - means[1]).norm())
    for used in (model, by_sigma):
        first = gap(data, used, tokens)[0]
        assert first["pair"] == ["image", "sat"] and first["hidden"] == pytest.approx(
            want, abs=1e-5
        )
