"""What is laid ready for many steps together is what each step draws alone, and the place is counted on the device."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from embedding_sets import TINY, made

from prom3e_index.training.schedule import Order
from prom3e_index.training.stage_two import ahead as module
from prom3e_index.training.stage_two.ahead import Ahead
from prom3e_index.training.stage_two.recipe import BEST, PUBLISHED
from prom3e_index.training.stage_two.resident import Resident

Z, WIDTH = 6, 9


def laid(recipe, given, averaged=False):
    resident = Resident(given, recipe, "cpu", True)
    return resident, Ahead(resident, recipe, WIDTH, Z, averaged)


def same(a, b):
    return a is b if a is None or b is None else torch.equal(a, b) and a.dtype == b.dtype


@pytest.mark.parametrize("recipe", [
    PUBLISHED, BEST, replace(PUBLISHED, noise="dimension", visible="row", subset=0.6, subset_from=0.4),
], ids=["published", "best", "noise and subsets"])  # fmt: skip
@pytest.mark.parametrize("first", [0, 5])
def test_each_step_reads_what_it_would_have_drawn_alone(recipe, first):
    """Also where a run was interrupted: the block begins elsewhere."""
    resident, ahead = laid(recipe, made(40))
    steps = [first + s for s in (0, 1, 3, 4, 7)]  # those between are of another set
    g = torch.Generator().manual_seed(first)
    rows = torch.stack([torch.randperm(40, generator=g)[:WIDTH] for _ in steps])
    ahead.fill(steps, rows, 12, [0.1 * s for s in steps], [])
    for at, step in enumerate(steps):
        assert ahead.ready(step) and not ahead.ready(step + 1)
        now = ahead.now()
        alone = resident.draw(rows[at], recipe, step, step / 12, Z)
        assert torch.equal(now.rows, rows[at]) and now.blend is None
        assert all(map(same, now.drawn, alone)), step
        assert float(now.rate) == pytest.approx(0.1 * step)
        ahead.move()
        ahead.at += 1
    assert not ahead.ready(steps[-1] + 1)


def test_the_place_can_be_set_back_and_does_not_leave_what_is_there():
    _, ahead = laid(BEST, made(40), averaged=True)
    rows = torch.arange(3 * WIDTH).view(3, WIDTH)
    ahead.fill([4, 5, 6], rows, 10, [0.4, 0.5, 0.6], [0.7, 0.8, 0.9])
    for at, expected in ((0, 0), (1, 1), (2, 2), (3, 2), (99, 2)):
        ahead.back(at)
        now = ahead.now()
        assert torch.equal(now.rows, rows[expected])
        assert float(now.blend) == pytest.approx((0.7, 0.8, 0.9)[expected])
    for _ in range(2 * ahead.most):  # a proof counts further than steps are laid
        ahead.move()
        assert 0 <= int(ahead.turn) < ahead.most


def test_noise_of_every_dimension_is_laid_for_fewer_steps(monkeypatch):
    monkeypatch.setattr(module, "_NUMBERS", 5 * WIDTH * Z)
    assert laid(replace(PUBLISHED, noise="dimension"), made(40))[1].most == 5
    assert laid(PUBLISHED, made(40))[1].most == 5 * Z
    monkeypatch.setattr(module, "_NUMBERS", 1)
    assert laid(PUBLISHED, made(40))[1].most == 1


@pytest.mark.parametrize("sizes", [[40], [40, 25], [40, 25, 17]])
@pytest.mark.parametrize("most", [1, 2, 64])
def test_the_steps_that_follow_are_those_of_the_same_set_within_its_epoch(sizes, most):
    recipe = replace(TINY, steps=30, batch_size=8)
    order, other = Order(sizes, recipe), Order(sizes, recipe)
    at = 0
    while at < 30:
        of, rows = order.batch(at)
        steps, many = order.ahead(at, most)
        assert steps[0] == at and len(steps) <= most and many.shape == (len(steps), 8)
        assert torch.equal(many[0], rows)
        for step, some in zip(steps, many, strict=True):
            alone, expected = other.batch(step)
            assert alone == of and torch.equal(some, expected)
        between = [s for s in range(at, steps[-1]) if s not in steps]
        assert all(other.batch(s)[0] != of for s in between)
        at += 1
