"""R-AUROC, risk over coverage, calibration error and Wilson's interval equal other libraries and plain loops."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.calibration import calibration_curve
from sklearn.metrics import roc_auc_score

from prom3e_index.confidence import metrics
from prom3e_index.confidence.metrics import (
    BINS,
    aurc,
    drawn_areas,
    ece,
    in_thirds,
    interval,
    r_auroc,
    reliability,
    resamples,
    risk,
    summary,
    wilson,
)


def some(seed, n, levels=None):
    rng = np.random.default_rng(seed)
    sure = rng.random(n) if levels is None else rng.integers(0, levels, n) / levels
    return sure, rng.random(n) < 0.3 + 0.5 * sure


@pytest.mark.parametrize(("n", "levels"), [(2, None), (3, 2), (50, 4), (400, None), (400, 11)])
def test_r_auroc_is_that_of_scikit_learn_and_of_all_pairs(n, levels):
    for seed in range(5):
        sure, right = some(seed, n, levels)
        if right.all() or not right.any():
            assert r_auroc(sure, right) is None
            continue
        assert r_auroc(sure, right) == pytest.approx(roc_auc_score(right, sure))
        assert r_auroc(sure, right) == pytest.approx(roc_auc_score(~right, -sure))
        gap = sure[right][:, None] - sure[~right][None]
        assert r_auroc(sure, right) == pytest.approx((gap > 0).mean() + (gap == 0).mean() / 2)


def test_risk_is_the_mean_over_every_order_of_a_tie():
    sure = np.array([0.9, 0.5, 0.5, 0.5, 0.1, 0.1])
    right = np.array([True, False, True, False, True, False])
    total, orders = np.zeros(6), 0
    for order in permutations(range(6)):
        if all(a >= b for a, b in zip(sure[list(order)], sure[list(order)][1:], strict=False)):
            total += np.cumsum(~right[list(order)]) / np.arange(1, 7)
            orders += 1
    assert orders == 12
    assert risk(sure, right) == pytest.approx(total / orders)
    assert aurc(sure, right) == pytest.approx((total / orders).mean())


def test_risk_without_ties_is_that_of_a_loop_and_no_order_of_rows_matters():
    sure, right = some(3, 60)
    order = sorted(range(60), key=lambda i: -sure[i])
    want = [sum(not right[i] for i in order[:k]) / k for k in range(1, 61)]
    assert risk(sure, right) == pytest.approx(want)
    tied, hit = some(4, 80, 5)
    shuffled = np.random.default_rng(0).permutation(80)
    assert risk(tied[shuffled], hit[shuffled]) == pytest.approx(risk(tied, hit))


def test_the_edges_none_one_all_right_perfect_and_no_number():
    none = np.zeros(0), np.zeros(0, bool)
    assert r_auroc(*none) is None and aurc(*none) is None and ece(*none) is None
    assert len(risk(*none)) == 0 and reliability(*none) == [] and in_thirds(*none, none[0]) == []
    told = summary(*none, probability=True)
    assert (told["rows"], told["wrong"], told["ece"], told["reliability"]) == (0, None, None, [])
    assert told["intervals"] == {"r_auroc": None, "aurc": None, "ece": None}
    one = np.array([0.7]), np.array([True])
    assert r_auroc(*one) is None and aurc(*one) == 0 and ece(*one) == pytest.approx(0.3)
    assert summary(*one)["intervals"] == {"r_auroc": None, "aurc": [0.0, 0.0]}
    sure, right = some(0, 50)
    assert r_auroc(right, right) == 1 and r_auroc(~right, right) == 0
    wrong = (~right).sum()
    best = sum(k / (50 - wrong + k) for k in range(1, wrong + 1)) / 50
    assert aurc(right, right) == pytest.approx(best) == summary(sure, right)["aurc_best"]
    assert aurc(np.ones(50), right) == pytest.approx(wrong / 50)
    wild = np.array([np.nan, -np.inf, 0.0, np.inf]), np.array([False, False, True, True])
    assert r_auroc(*wild) == 1 and list(risk(*wild)) == pytest.approx([0, 0, 1 / 3, 1 / 2])


def test_shuffled_labels_are_chance_and_the_interval_says_so():
    sure, right = some(1, 4000)
    shuffled = np.random.default_rng(2).permutation(right)
    told = summary(sure, shuffled)
    assert told["r_auroc"] == pytest.approx(0.5, abs=0.05)
    low, high = told["intervals"]["r_auroc"]
    assert low < 0.5 < high and high - low < 0.06
    assert summary(sure, right)["intervals"]["r_auroc"][0] > 0.6


def test_reliability_is_that_of_scikit_learn_and_ece_its_mean_gap():
    p, right = some(7, 900)
    told = reliability(p, right)
    truth, promised = calibration_curve(right, p, n_bins=BINS)
    assert [b["right"] for b in told] == pytest.approx(list(truth))
    assert [b["p"] for b in told] == pytest.approx(list(promised))
    assert sum(b["rows"] for b in told) == 900
    gap = sum(b["rows"] * abs(b["p"] - b["right"]) for b in told) / 900
    assert ece(p, right) == pytest.approx(gap)
    ends = reliability(np.array([0.0, 0.1, 1.0]), np.array([False, True, True]))
    assert [(b["low"], b["rows"]) for b in ends] == [(0.0, 1), (0.1, 1), (0.9, 1)]
    assert ece(np.full(10, 0.5), np.arange(10) < 5) == 0


def test_thirds_are_by_hand_hardest_first():
    p = np.array([0.9, 0.1, 0.5, 0.2, 0.8, 0.6, 0.3])
    holds = np.array([True, False, True, True, True, False, False])
    size = np.array([1, 9, 3, 8, 1, 2, 7])
    hard, middle, easy = in_thirds(p, holds, size)
    assert (hard["rows"], hard["low"], hard["high"]) == (3, 0.1, 0.3)
    assert hard["coverage"] == pytest.approx(1 / 3) and hard["size"] == 8
    assert (middle["rows"], middle["coverage"], middle["size"]) == (2, 0.5, 2.5)
    assert (easy["rows"], easy["coverage"], easy["size"]) == (2, 1.0, 1.0)
    assert in_thirds(p[:2], holds[:2], size[:2]) == []
    assert [t["rows"] for t in in_thirds(p[:3], holds[:3], size[:3])] == [1, 1, 1]


def test_whole_groups_are_drawn_so_that_repeats_promise_nothing():
    """Ten copies of each row say no more than the row: the interval is as wide as that of the rows."""
    sure, right = some(5, 200)
    alone = summary(sure, right, draws=600)["intervals"]["r_auroc"]
    groups = np.tile(np.arange(200), 10)
    copied = summary(np.tile(sure, 10), np.tile(right, 10), groups=groups, draws=600)
    width = np.diff(copied["intervals"]["r_auroc"])[0]
    assert width == pytest.approx(np.diff(alone)[0], rel=0.15)
    blind = summary(np.tile(sure, 10), np.tile(right, 10), draws=600)["intervals"]["r_auroc"]
    assert np.diff(blind)[0] < width / 2


def test_the_interval_is_that_of_plain_draws():
    sure, right = some(9, 120)
    p_values = {"r_auroc": r_auroc, "aurc": aurc, "ece": ece}
    rng = np.random.default_rng(11)
    drawn = [rng.integers(0, 120, 120) for _ in range(1500)]
    told = summary(sure, right, probability=True, draws=1500)["intervals"]
    for name, measure in p_values.items():
        plain = np.quantile([measure(sure[d], right[d]) for d in drawn], [0.025, 0.975])
        assert told[name] == pytest.approx(list(plain), abs=0.012), name


def test_wilson_is_that_of_scipy():
    for rows in (1, 2, 7, 260):
        for right in {0, 1, rows // 2, rows}:
            want = binomtest(right, rows).proportion_ci(0.95, "wilson")
            assert wilson(right, rows) == pytest.approx((want.low, want.high), abs=1e-9)
    assert wilson(0, 0) == (0.0, 1.0)


def test_answers_that_count_several_times_are_those_answers_repeated():
    sure, right = some(13, 90, 6)
    rng = np.random.default_rng(1)
    times = rng.integers(0, 4, (5, 90))
    auroc, area = drawn_areas(sure, right, np.arange(90), times.astype(np.float32))
    for k in range(5):
        at = np.repeat(np.arange(90), times[k])
        assert auroc[k] == pytest.approx(roc_auc_score(right[at], sure[at]))
        assert area[k] == pytest.approx(risk(sure[at], right[at]).mean())
    none = drawn_areas(sure, right, np.arange(90), np.zeros((1, 90), np.float32))
    assert np.isnan(none).all()
    group = np.repeat(np.arange(30), 3)
    one = drawn_areas(sure, right, group, times[:, :30].astype(np.float32))
    same = drawn_areas(
        sure, right, np.arange(90), np.repeat(times[:, :30], 3, axis=1).astype(np.float32)
    )
    assert np.allclose(one, same)
    drawn = resamples(30, 20, 4)
    assert drawn.shape == (20, 30) and (drawn.sum(axis=1) == 30).all() and len(resamples(0)) == 0
    assert interval(np.array([np.nan])) is None and interval(np.zeros(0)) is None


def test_many_levels_of_sureness_are_drawn_in_steps_that_change_no_interval(monkeypatch):
    sure, right = some(21, 3000)
    stepped = summary(sure, right, draws=100)["intervals"]
    monkeypatch.setattr(metrics, "_LEVELS", 10_000)
    exact = summary(sure, right, draws=100)["intervals"]
    for name in ("r_auroc", "aurc"):
        assert stepped[name] == pytest.approx(exact[name], abs=5e-4)
