"""Draws follow from seed, purpose and step alone: their distributions, their bits, the law of each visible set."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
from scipy import stats

from prom3e_index.training.stage_two.draws import NOISE, VISIBLE, normal, uniform
from prom3e_index.training.stage_two.recipe import Recipe
from prom3e_index.training.stage_two.visible import draw_visible, what_else

ALL = (1 << 64) - 1


def at(step):
    return torch.tensor(step)


def mixed(x):
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & ALL
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & ALL
    return x ^ (x >> 31)


@pytest.mark.parametrize("seed, purpose, step", [(0, 1, 0), (7, 2, 12345), (2**63 + 5, 1, 38_499)])
def test_its_bits_are_those_of_whole_numbers_without_a_limit(seed, purpose, step):
    stream = seed * 0xBF58476D1CE4E5B9 + purpose * 0x94D049BB133111EB
    key = mixed((step * 0x9E3779B97F4A7C15 + stream) & ALL)
    bits = [mixed((i * 0x9E3779B97F4A7C15 + key) & ALL) for i in range(1, 13)]
    drawn = uniform(seed, purpose, at(step), (4, 3)).flatten().tolist()
    assert drawn == [(b >> 40) / 2**24 for b in bits]
    expected = [
        math.sqrt(-2 * math.log(((b >> 40) + 1) / 2**24)) * math.cos(2 * math.pi * (b % 2**24) / 2**24)
        for b in bits
    ]  # fmt: skip
    assert normal(seed, purpose, at(step), (12, 1))[:, 0].tolist() == pytest.approx(
        expected, abs=1e-5
    )


def test_numbers_are_uniform_and_normal_and_streams_have_nothing_in_common():
    u = uniform(3, VISIBLE, at(17), (1 << 15, 8)).numpy()
    g = normal(3, NOISE, at(17), (1 << 15, 4)).numpy()
    assert stats.kstest(u.ravel(), "uniform").pvalue > 1e-3
    assert stats.kstest(g.ravel(), "norm").pvalue > 1e-3
    assert np.abs(np.corrcoef(u.T) - np.eye(8)).max() < 0.03
    others = [(3, VISIBLE, 18), (3, NOISE, 17), (4, VISIBLE, 17), (0, VISIBLE, 17)]
    for seed, purpose, step in others:
        v = uniform(seed, purpose, at(step), (1 << 15, 8)).numpy()
        assert not (u == v).all(axis=1).any()
        assert abs(np.corrcoef(u.ravel(), v.ravel())[0, 1]) < 0.02
    steps = np.array([float(uniform(0, VISIBLE, at(s), (1, 1))) for s in range(4000)])
    assert stats.kstest(steps, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(steps[1:], steps[:-1])[0, 1]) < 0.06


def law(present, one, subset=0.0):
    """Probability of each visible set of a row that has `present`, by counting."""
    m, has = len(present), [i for i, p in enumerate(present) if p]
    count = Counter()
    for size in range(1, m + 1):
        chance = (1 - subset) * ((size == 1) * one + (size == 2) * (1 - one)) + subset / m
        some = list(combinations(has, min(size, len(has))))
        for which in some:
            count[which] += chance / len(some)
    return count


@pytest.mark.parametrize("subset", [0.0, 0.6])
@pytest.mark.parametrize("present", [(1, 1, 1, 1), (1, 0, 1, 1), (0, 1, 0, 0), (1, 1, 0, 0)])
def test_each_visible_set_comes_as_often_as_its_law_says(present, subset):
    n = 40_000
    recipe = Recipe(visible="row", one_visible=0.7, subset=subset)
    has = torch.tensor(present, dtype=torch.bool).expand(n, -1)
    drawn = draw_visible(has, recipe, 0.0, 3)
    found = Counter(tuple(np.flatnonzero(row)) for row in drawn.numpy())
    expected = {k: v for k, v in law(present, 0.7, subset).items() if v}
    assert found.keys() <= expected.keys()
    if len(expected) > 1:
        seen = [found[k] for k in expected]
        assert stats.chisquare(seen, [v * n for v in expected.values()]).pvalue > 1e-3


def test_a_batch_of_one_set_has_the_same_law_over_steps_and_rows_that_lack_it_show_the_next():
    recipe = Recipe(one_visible=0.7)
    present = torch.tensor([[1, 1, 1], [0, 1, 1], [0, 0, 1]], dtype=torch.bool)
    found = Counter()
    for step in range(3000):
        drawn = draw_visible(present, recipe, 0.0, step)
        first = tuple(np.flatnonzero(drawn[0]))
        found[first] += 1
        if 0 not in first:
            assert torch.equal(drawn[1], drawn[0])
        assert drawn[1].sum() == drawn[0].sum() and drawn[2].tolist() == [False, False, True]
    expected = {k: v for k, v in law((1, 1, 1), 0.7).items() if v}
    assert (
        stats.chisquare([found[k] for k in expected], [3000 * v for v in expected.values()]).pvalue
        > 1e-3
    )


def test_a_step_on_the_device_and_a_number_give_the_same_and_late_is_exact():
    present = torch.rand(50, 6, generator=torch.Generator().manual_seed(0)) < 0.6
    present[:, 2] = True
    recipe = Recipe(visible="row", subset=1.0, subset_from=0.1, seed=9)
    for step in range(20):
        progress = step / 20
        told = torch.tensor(progress, dtype=torch.float64)
        a = draw_visible(present, recipe, progress, step)
        assert torch.equal(a, draw_visible(present, recipe, told, at(step)))
        most = int(
            draw_visible(torch.ones(400, 6, dtype=torch.bool), recipe, told, at(step)).sum(1).max()
        )
        assert (most > 2) == (step >= 2)
    other = draw_visible(present, replace(recipe, seed=10), 0.0, 3)
    assert not torch.equal(other, draw_visible(present, recipe, 0.0, 3))


def test_what_else_a_row_has():
    present = torch.tensor([[1, 1, 0], [1, 0, 0], [1, 1, 1]], dtype=torch.bool)
    visible = torch.tensor([[1, 0, 0], [1, 0, 0], [0, 1, 0]], dtype=torch.bool)
    assert what_else(present, visible).int().tolist() == [[0, 1, 0], [1, 0, 0], [1, 0, 1]]
