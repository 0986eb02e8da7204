"""How good a map is: each figure beside one that is worked out plainly."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import spearmanr

from prom3e_index.errors import InputError
from prom3e_index.maps.assess import (
    auc,
    average_precision,
    block_corner,
    block_of,
    boyce,
    distance_scores,
    folds_of,
)


def hirzel(presences, background):
    """Equation 4 of Hirzel et al. 2006, window by window."""
    low, high = min(*presences, *background), max(*presences, *background)
    width = (high - low) / 10
    ratios, middles = [], []
    for i in range(101):
        start = low + i * (high - low - width) / 100
        p = sum(start - 1e-9 <= v <= start + width + 1e-9 for v in presences) / len(presences)
        e = sum(start - 1e-9 <= v <= start + width + 1e-9 for v in background) / len(background)
        if e > 0:
            ratios.append(p / e)
            middles.append(start + width / 2)
    return spearmanr(middles, ratios).statistic, ratios


def test_boyce_of_a_perfect_a_random_and_an_inverted_map():
    rng = np.random.default_rng(0)
    background = rng.uniform(0, 1, 20_000)
    drawn = rng.choice(background, 4000, p=background / background.sum())
    perfect, inverted = boyce(drawn, background), boyce(-drawn, -background)
    random = [boyce(rng.choice(background, 300), background).index for _ in range(20)]

    assert perfect.index >= 0.95 and inverted.index <= -0.95
    assert abs(np.mean(random)) <= 0.2
    assert perfect.low <= perfect.index <= perfect.high
    assert not perfect.few and boyce(drawn[:29], background).few


@pytest.mark.parametrize("count", [1, 2, 7, 60])
def test_boyce_is_hirzel_s_equation(count):
    rng = np.random.default_rng(count)
    presences, background = rng.normal(0.6, 0.2, count).round(3), rng.normal(0.5, 0.3, 200).round(3)
    found = boyce(presences, background)
    index, ratios = hirzel(presences.tolist(), background.tolist())

    assert found.ratio.tolist() == pytest.approx(ratios)
    assert found.index == pytest.approx(index)


def test_boyce_of_nothing_is_not_known():
    for presences, background in (([], [1.0]), ([1.0], []), ([1.0, 1.0], [1.0, 1.0])):
        assert math.isnan(boyce(np.array(presences), np.array(background)).index)


def test_average_precision_is_that_of_scikit_learn_with_ties_too():
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(5)
    for dtype in (np.float32, np.float64):
        for levels in (2, 7, 1000):
            truth = rng.random(300) < 0.1
            scores = (rng.integers(0, levels, 300) / levels).astype(dtype)
            wanted = average_precision_score(truth, scores)
            assert average_precision(truth, scores) == pytest.approx(wanted, abs=1e-12)
    with pytest.raises(InputError, match="NaN"):
        average_precision(np.array([True, False]), np.array([0.5, np.nan]))


def test_average_precision_and_auc_by_counting():
    rng = np.random.default_rng(1)
    truth, scores = rng.random(60) < 0.3, rng.random(60)
    order = np.argsort(-scores)
    precisions = [truth[order[: i + 1]].mean() for i in range(60) if truth[order[i]]]
    ties = np.round(scores, 1)
    pairs = [(a > b) + 0.5 * (a == b) for a in ties[truth] for b in ties[~truth]]

    assert average_precision(truth, scores) == pytest.approx(np.mean(precisions))
    assert auc(truth, ties) == pytest.approx(np.mean(pairs))
    for one_class in (np.ones(4, bool), np.zeros(4, bool)):
        assert math.isnan(auc(one_class, np.arange(4.0)))
        assert math.isnan(average_precision(one_class, np.arange(4.0)))


def test_distance_alone_is_minus_the_kilometres_to_the_nearest():
    known = np.array([10.0, -60.0]), np.array([179.5, 0.0])
    places = np.array([10.0, 10.0, -60.0]), np.array([-179.5, 0.0, 90.0])
    found = distance_scores(*known, *places)

    def km(a, b, c, d):
        p, q, turn = math.radians(a), math.radians(c), math.radians(d - b)
        return 6371.0088 * math.acos(
            math.sin(p) * math.sin(q) + math.cos(p) * math.cos(q) * math.cos(turn)
        )

    expected = [
        min(km(a, b, c, d) for c, d in zip(*known, strict=True))
        for a, b in zip(*places, strict=True)
    ]
    assert found.tolist() == pytest.approx([-v for v in expected], rel=1e-6)
    assert np.isnan(distance_scores(np.zeros(0), np.zeros(0), *places)).all()


def test_blocks_are_a_fixed_lattice_and_folds_hold_whole_blocks():
    rng = np.random.default_rng(2)
    lat, lon = rng.uniform(-90, 90, 500), rng.uniform(-180, 180, 500)
    blocks = block_of(lat, lon)
    for a, b, block in zip(lat, lon, blocks, strict=True):
        south, west = block_corner(int(block))
        assert south <= a < south + 5 and west <= b < west + 5
    assert block_of(np.array([90.0, 90.0]), np.array([180.0, -180.0])).tolist() == [
        35 * 72,
        35 * 72,
    ]
    presences = rng.random(500) < 0.2
    folds = folds_of(blocks, presences)
    held = [int(presences[[folds[int(b)] == f for b in blocks]].sum()) for f in range(5)]

    assert set(folds) == set(blocks.tolist()) and set(folds.values()) == set(range(5))
    assert max(held) - min(held) <= max(np.unique(blocks[presences], return_counts=True)[1])
    assert folds == folds_of(blocks, presences) != folds_of(blocks, presences, seed=1)
