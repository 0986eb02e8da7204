"""What goes with what: smoothing within a mask, rank correlations and their nulls, beside scipy and plain numpy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.stats import rankdata, spearmanr

from prom3e_index.diversity.association import SHIFTS, associate, blocks
from prom3e_index.diversity.smoothing import printed, smoothed
from prom3e_index.errors import InputError

SHAPE = (40, 80)
ROW, COLUMN = np.mgrid[: SHAPE[0], : SHAPE[1]]
INSIDE = ((ROW - 20) / 18) ** 2 + ((COLUMN - 40) / 36) ** 2 + 0.2 * np.sin(COLUMN / 6) < 1
BLOCK = blocks(50 - ROW * 0.5, -120 + COLUMN * 0.5)


def made(seed: int, sigma: float = 2.0) -> np.ndarray:
    return gaussian_filter(np.random.default_rng(seed).normal(size=SHAPE), sigma)


def test_a_constant_stays_one_up_to_the_border():
    found = smoothed(np.full(SHAPE, 7.0), INSIDE, 2.0)

    assert np.abs(found[INSIDE] - 7).max() < 1e-6
    assert np.isnan(found[~INSIDE]).all()
    assert np.abs(printed(np.where(INSIDE, 7.0, 0))[INSIDE] - 7).max() > 1  # what it must not do


def test_smoothed_is_a_weighted_mean_of_known_neighbours():
    rng = np.random.default_rng(2)
    values = np.where(rng.random(SHAPE) < 0.4, rng.normal(size=SHAPE), np.nan)
    found = smoothed(values, INSIDE, 1.5)
    known = np.isfinite(values) & INSIDE
    reach = int(4 * 1.5 + 0.5)
    for r, c in [(20, 40), (5, 30), (30, 60)]:
        near = (abs(ROW - r) <= reach) & (abs(COLUMN - c) <= reach) & known
        weight = np.exp(-((ROW - r) ** 2 + (COLUMN - c) ** 2) / (2 * 1.5**2))[near]
        assert found[r, c] == pytest.approx((weight * values[near]).sum() / weight.sum(), abs=1e-5)


def test_nothing_is_said_far_from_estimates():
    values = np.full(SHAPE, np.nan)
    values[18:23, 10:15] = 3.0
    values[20, 60] = 3.0  # 4 % of the kernel
    found = smoothed(values, INSIDE, 2.0)

    assert found[20, 12] == pytest.approx(3, abs=1e-5)
    assert np.isnan(found[20, 60]) and np.isnan(found[20, 40])


def test_around_the_globe_the_last_column_lies_beside_the_first():
    values = np.full(SHAPE, np.nan)
    values[:, -1] = 5.0
    everywhere = np.ones(SHAPE, bool)

    assert smoothed(values, everywhere, 2.0, around=True)[20, 0] == pytest.approx(5, abs=1e-5)
    assert np.isnan(smoothed(values, everywhere, 2.0)[20, 0])
    with pytest.raises(InputError, match="smooth is 0"):
        smoothed(values, everywhere, 0)


def test_raw_and_partial_correlations_are_scipys():
    rng = np.random.default_rng(4)
    effort = rng.integers(1, 500, SHAPE).astype(float)
    a = made(1) * 5 + np.log(effort)
    b = np.where(rng.random(SHAPE) < 0.7, made(2) * 5 + np.log(effort), np.nan)
    b[0, :40] = 1.0  # ties
    effort[10, :] = 0
    found = associate(a, b, effort, BLOCK)
    both = np.isfinite(b) & (effort > 0)
    x, y, n = (rankdata(v[both]) for v in (a, b, effort))

    def left(v: np.ndarray) -> np.ndarray:
        return v - np.polyval(np.polyfit(n, v, 1), n)

    assert found["cells"] == both.sum()
    assert found["raw"]["rho"] == pytest.approx(spearmanr(a[both], b[both]).statistic, abs=1e-9)
    assert found["partial"]["rho"] == pytest.approx(np.corrcoef(left(x), left(y))[0, 1], abs=1e-9)
    assert found["raw"]["rho"] > 0.3 > abs(found["partial"]["rho"])


def test_the_p_counts_shifts_one_by_one():
    """All shifts by Fourier transforms are what rolling the map gives."""
    shape = (7, 9)
    rng = np.random.default_rng(6)
    a, b = (gaussian_filter(rng.normal(size=shape), 0.8) for _ in range(2))
    inside = np.ones(shape, bool)
    inside[2:4, 3:6] = False
    a, b = np.where(inside, a, np.nan), np.where(inside, b, np.nan)
    found = associate(a, b, np.ones(shape), np.zeros(shape, int))["raw"]

    x, y = (np.full(shape, np.nan) for _ in range(2))
    x[inside], y[inside] = rankdata(a[inside]), rankdata(b[inside])
    strengths = []
    for down in range(shape[0]):
        for across in range(shape[1]):
            moved = np.roll(x, (-down, -across), (0, 1))
            both = np.isfinite(moved) & np.isfinite(y)
            r = np.corrcoef(moved[both], y[both])[0, 1]
            strengths.append(abs(r) * np.sqrt(both.sum()))
    beyond = sum(s >= strengths[0] - 1e-9 for s in strengths[1:])
    assert found["shifts"] == len(strengths) - 1
    assert found["p"] == pytest.approx((1 + beyond) / len(strengths))


@pytest.mark.parametrize("masked", [False, True])
def test_two_maps_that_have_nothing_to_do_with_each_other(masked):
    """By shifts as few are significant as should be; by the usual p most are."""
    spatial, usual = [], []
    for seed in range(200):
        a, b = made(2 * seed), made(2 * seed + 1)
        if masked:
            a, b = (np.where(INSIDE, v, np.nan) for v in (a, b))
        found = associate(a, b, np.ones(SHAPE), BLOCK, seed=seed)
        spatial.append(found["raw"]["p"] < 0.05)
        known = np.isfinite(a)
        usual.append(spearmanr(a[known], b[known]).pvalue < 0.05)

    assert 0.02 <= np.mean(spatial) <= 0.09
    assert np.mean(usual) > 0.5


def test_what_goes_together_is_found():
    a = made(1)
    found = associate(a, a + 0.3 * made(2), np.ones(SHAPE), BLOCK)["raw"]

    assert found["p"] == 1 / (1 + SHIFTS)
    assert found["interval"][0] < found["rho"] < found["interval"][1] and found["interval"][0] > 0.5


def test_blocks_are_of_five_degrees():
    lat, lon = np.array([0.1, 4.9, 5.1, -0.1]), np.array([0.1, 4.9, 0.1, 359.9])
    found = blocks(lat, lon)

    assert found[0] == found[1] and len(set(found.tolist())) == 3


def test_too_little_to_say():
    few = np.full(SHAPE, np.nan)
    few[0, :9] = np.arange(9)
    found = associate(few, few, np.ones(SHAPE), BLOCK)

    assert found["raw"] is None and found["reason"] == "9 cells have both"
    flat = associate(np.ones(SHAPE), made(1), np.ones(SHAPE), BLOCK)
    assert flat["raw"] is None and flat["partial"] is None
    alone = associate(made(1), made(2), np.ones(SHAPE), np.zeros(SHAPE, int))
    assert alone["raw"]["blocks"] == 1 and alone["raw"]["interval"] is None
