"""What is said of ‖σ‖₁ equals numbers worked out by hand or by other libraries, at the edges too."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from scipy.stats import mannwhitneyu, rankdata
from tiny_set import tiny

from prom3e_index.evaluation.uncertainty import measures
from prom3e_index.evaluation.uncertainty.calibration import conformal, foretells, quantile
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


def test_auroc_is_the_share_of_pairs_in_order_and_risk_spreads_a_tie():
    rng = np.random.default_rng(0)
    sigma, failed = rng.integers(0, 9, 200).astype(np.float32), rng.random(200) < 0.3
    u = mannwhitneyu(sigma[failed], sigma[~failed]).statistic
    assert foretells(sigma, failed)["auroc"] == pytest.approx(u / (failed.sum() * (~failed).sum()))
    tied = foretells(
        np.zeros(20), np.arange(20) < 5
    )  # one tie: every share answered fails a quarter
    assert tied["risk"] == pytest.approx([0.25] * 20) and tied["auroc"] == 0.5
    again = foretells(np.zeros(20), np.arange(20) >= 15)
    assert again["risk"] == pytest.approx(tied["risk"])  # whatever the order of the rows
    steps = foretells(np.arange(20.0), np.arange(20) >= 10)
    assert steps["risk"] == pytest.approx([max(0, k - 10) / k for k in range(1, 21)])
    for n in (1, 2, 3, 7):
        assert foretells(np.arange(float(n)), np.ones(n, bool))["risk"] == [1.0] * 20
    wild = foretells(np.array([1.0, np.inf, np.inf, 2.0]), np.array([False, True, True, False]))
    assert wild["auroc"] == 1


def test_quantile_is_the_exact_place_for_every_number_of_rows():
    for n in range(1, 400):
        place = -(-(n + 1) * 9 // 10)  # ⌈(n + 1) · 9/10⌉ in whole numbers
        found = quantile(np.arange(1, n + 1))
        assert found == (place if place <= n else math.inf), n


def test_conformal_sets_are_those_of_a_loop():
    """Names as vectors of their own, photos near them: thresholds, sizes, coverage by hand."""
    data, model = tiny(120, seed=6, missing=-1), Model.open("mini")
    kind = data.columns["species"]
    for i, name in enumerate(sorted({k for k in kind if k})):
        data.x[kind == name, 4] = data.x[i, 4]
    found = conformal(data, model, ("image",), 0.0, seed=5)
    names = sorted({k for k in kind if k})
    vector = np.stack([data.x[np.flatnonzero(kind == k)[0], 4] for k in names]).astype(np.float64)
    rows = np.random.default_rng(5).permutation(np.flatnonzero(kind != ""))
    half = len(rows) // 2
    wrong = 1 - data.x[rows, 0].astype(np.float64) @ vector.T
    right = np.array([names.index(kind[r]) for r in rows])
    own = wrong[np.arange(len(rows)), right]
    threshold = sorted(own[:half])[-(-(half + 1) * 9 // 10) - 1]
    inside = wrong[half:] <= threshold + 1e-6
    assert (found["calibration"], found["test"], found["classes"]) == (
        half,
        len(rows) - half,
        len(names),
    )
    assert found["coverage"] == pytest.approx(inside[np.arange(len(inside)), right[half:]].mean())
    assert found["size"] == pytest.approx(inside.sum(1).mean(), abs=0.02)
    assert conformal(data.rows(np.arange(39)), model, ("image",), 0.0) is None
    none = data.rows(np.arange(60))
    none.present[:, 4] = False
    assert conformal(none, model, ("image",), 0.0) is None


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
