"""Estimators of diversity: golden figures of the field, and what their definitions give when every sample is drawn."""

from __future__ import annotations

from itertools import combinations
from math import exp, log

import numpy as np
import pytest

from prom3e_index.diversity.estimators import (
    Counts,
    chao1,
    common_coverage,
    coverage,
    covered,
    hill,
    rarefied,
    shannon,
)
from prom3e_index.errors import InputError

GIRDLED = [46, 22, 17, 15, 15, 9, 8, 6, 6, 4, 2, 2, 2, 2] + [1] * 12
LOGGED = [88, 22, 16, 15, 13, 10, 8, 8, 7, 7, 7, 5, 4, 4, 4, 3, 3, 3, 3, 2, 2, 2, 2] + [1] * 14
SMALL = ([3, 2, 1], [1], [5], [1, 1, 1], [2, 2], [4, 1, 1, 1])


def drawn(cell: list[int], m: int) -> list[list[int]]:
    """The counts of every sample of m individuals of a cell."""
    every = [s for s, n in enumerate(cell) for _ in range(n)]
    return [
        sorted((some.count(s) for s in set(some)), reverse=True) for some in combinations(every, m)
    ]


def plain_coverage(cell: list[int]) -> float:
    """Chao and Jost 2012, of one cell, by hand."""
    n, once, twice = sum(cell), cell.count(1), cell.count(2)
    if once == 0:
        return 1.0
    if twice:
        return 1 - once / n * ((n - 1) * once / ((n - 1) * once + 2 * twice))
    return 1 - once / n * ((n - 1) * (once - 1) / ((n - 1) * (once - 1) + 2))


def test_spiders_of_two_forests():
    """The example of iNEXT: girdled and logged trees."""
    found = Counts.of(GIRDLED, LOGGED)

    assert found.n.tolist() == [168, 252] and found.richness.tolist() == [26, 37]
    assert np.round(chao1(found), 3).tolist() == [43.893, 61.403]
    assert round(coverage(found)[0], 4) == 0.9289
    for at, cell in enumerate((GIRDLED, LOGGED)):
        share = np.array(cell) / sum(cell)
        assert shannon(found)[at] == pytest.approx(-(share * np.log(share)).sum(), rel=1e-12)
        assert hill(found, 1)[at] == pytest.approx(exp(-(share * np.log(share)).sum()), rel=1e-12)
        assert hill(found, 2)[at] == pytest.approx(1 / (share**2).sum(), rel=1e-12)
        assert hill(found, 0)[at] == len(cell)


def test_rarefied_is_the_mean_of_every_sample():
    found = Counts.of(*SMALL)
    for m in range(1, 8):
        for cell, value in zip(SMALL, rarefied(found, m), strict=True):
            if sum(cell) < m:
                assert np.isnan(value)
            else:
                assert value == pytest.approx(np.mean([len(s) for s in drawn(cell, m)]), abs=1e-9)
    assert rarefied(Counts.of(GIRDLED), 168)[0] == pytest.approx(26, abs=1e-9)


def test_coverage_of_cells_of_every_kind():
    """All once, none once, none twice, one record alone."""
    cells = [*SMALL, GIRDLED]
    for cell, value in zip(cells, coverage(Counts.of(*cells)), strict=True):
        if sum(cell) == 1:
            assert np.isnan(value)
        else:
            assert value == pytest.approx(plain_coverage(cell), abs=1e-12)


def test_chao1_without_species_seen_twice_is_corrected():
    assert chao1(Counts.of([1, 1, 1, 4]))[0] == pytest.approx(4 + 6 / 7 * 3 * 2 / 2)
    assert chao1(Counts.of([1]))[0] == 1


@pytest.mark.parametrize("cell", [[3, 2, 2, 1], [6, 1, 1], [4, 3], [2, 2, 2, 1, 1]])
@pytest.mark.parametrize("share", [0.3, 0.55, 0.7])
def test_equal_coverage_is_interpolated_between_two_samples(cell, share):
    """Coverage and the mean abundance counts of every sample of m and of m + 1, mixed to the wanted coverage."""
    n = sum(cell)

    def at(m: int) -> tuple[float, np.ndarray]:
        samples = drawn(cell, m)
        reached = plain_coverage(cell) if m == n else 1 - missed_share(cell, m)
        f = np.array([np.mean([s.count(k) for s in samples]) for k in range(1, m + 1)])
        k = np.arange(1, m + 1) / m
        return reached, np.array([f.sum(), exp(-(k * np.log(k) * f).sum()), 1 / (k**2 * f).sum()])

    found = covered(Counts.of(cell, [1]), share)
    assert np.isnan(found[1]).all()
    if plain_coverage(cell) < share:
        assert np.isnan(found[0]).all()
        return
    reached = [at(m) for m in range(1, n + 1)]
    high = next(i for i, (c, _) in enumerate(reached) if c >= share)
    if high == 0:
        wanted = reached[0][1]
    else:
        (c0, h0), (c1, h1) = reached[high - 1], reached[high]
        part = (share - c0) / (c1 - c0)
        wanted = (1 - part) * h0 + part * h1
    assert found[0] == pytest.approx(wanted, abs=1e-9)


def missed_share(cell: list[int], m: int) -> float:
    """How likely the next individual drawn after m is of a species not seen among them."""
    every = [s for s, n in enumerate(cell) for _ in range(n)]
    shares = []
    for places in combinations(range(len(every)), m):
        seen = {every[i] for i in places}
        rest = [every[i] for i in range(len(every)) if i not in places]
        shares.append(sum(s not in seen for s in rest) / len(rest))
    return float(np.mean(shares))


def test_a_common_coverage_is_of_cells_with_enough_records():
    rng = np.random.default_rng(3)
    cells = [
        np.unique(rng.zipf(1.5, n), return_counts=True)[1].tolist() for n in (250, 300, 220, 20)
    ]
    found = [plain_coverage(c) for c in cells[:3]]

    assert common_coverage(Counts.of(*cells), 200) == pytest.approx(
        min(0.8, np.quantile(found, 0.05))
    )
    assert common_coverage(Counts.of(*cells), 301) is None
    assert common_coverage(Counts.of([100, 100], [90, 120]), 200) == 0.8


def test_many_records_are_summed_a_part_at_a_time(monkeypatch):
    """The sum over k is worked out in parts; their size changes nothing."""
    rng = np.random.default_rng(0)
    cells = [rng.integers(1, 60, 12).tolist() for _ in range(5)]
    whole = covered(Counts.of(*cells), 0.8)
    monkeypatch.setattr("prom3e_index.diversity.estimators._AT_ONCE", 7)

    assert covered(Counts.of(*cells), 0.8) == pytest.approx(whole, abs=1e-12)


def test_one_community_under_any_effort():
    """Raw richness is the effort; rarefied and standardised richness are not."""
    from scipy.stats import spearmanr

    rng = np.random.default_rng(1)
    share = rng.lognormal(0, 1.5, 300)
    share /= share.sum()
    n = np.maximum(1, rng.lognormal(log(54), 1.2, 1500)).astype(int)
    cells = [c[c > 0].tolist() for c in (rng.multinomial(k, share) for k in n)]
    found = Counts.of(*cells)

    def rho(values: np.ndarray) -> float:
        known = np.isfinite(values)
        return float(spearmanr(values[known], found.n[known]).statistic)

    assert rho(hill(found, 0)) >= 0.95 and rho(shannon(found)) >= 0.95
    assert abs(rho(rarefied(found, 30))) <= 0.1
    many = found.at(found.n >= 200)
    standard = covered(many, common_coverage(many, 200) or 0.5)[:, 0]
    known = np.isfinite(standard)
    assert abs(spearmanr(standard[known], many.n[known]).statistic) <= 0.2


def test_no_cells():
    none = Counts.of()

    assert len(none) == 0 and coverage(none).shape == (0,) and covered(none, 0.5).shape == (0, 3)


def test_what_cannot_be_asked():
    with pytest.raises(InputError, match="rarefy is 0"):
        rarefied(Counts.of([2]), 0)
    with pytest.raises(InputError, match="coverage of 1 is asked"):
        covered(Counts.of([2]), 1.0)
