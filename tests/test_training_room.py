"""How much memory a run needs is told before its first step, near what it keeps."""

from __future__ import annotations

import gc
from dataclasses import replace

import pytest
import torch
from embedding_sets import NAMES, TINY, made

from prom3e_index.mvae.network import MVAE, MVAEConfig
from prom3e_index.training.stage_two import room
from prom3e_index.training.stage_two.loop import train_mvae
from prom3e_index.training.stage_two.recipe import BEST, PUBLISHED
from prom3e_index.training.stage_two.resident import Resident
from prom3e_index.training.stage_two.room import bytes_needed
from prom3e_index.training.stage_two.step import Step

SMALL = MVAEConfig(input_dim=12, embed_dim=16, heads=2, mlp_dim=24, num_register_tokens=2)


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("recipe", [PUBLISHED, replace(BEST, mixed=0.5, negatives="species")])
def test_it_is_near_what_a_step_of_the_whole_batch_keeps(recipe, fixed):
    given = made(600, missing=0.0 if fixed else 0.3)
    torch.manual_seed(0)
    step, resident = Step(MVAE(SMALL), recipe), Resident(given, recipe, "cpu", fixed)
    weights = sum(p.numel() * 4 for p in step.parameters())
    sets = sum(t.numel() * t.element_size() for t in resident.tensors())
    assert resident.bytes == sets
    for width in (100, 600):
        kept = room._kept(step, resident, recipe, width)
        told = bytes_needed(step, resident, recipe, width) / room._MORE - 4 * weights - sets
        # scores alone, which grow with the square, are counted twice
        assert 0.85 * kept < told < 2.1 * kept, (width, kept, told)
        more = bytes_needed(step, resident, recipe, width, average=True)
        assert more - bytes_needed(step, resident, recipe, width) == pytest.approx(
            1.2 * weights, rel=0.01
        )


def test_it_is_said_once_before_the_first_step_and_moves_nothing(tmp_path):
    said = []
    train_mvae([made(40)], NAMES, TINY, tmp_path / "a", report=lambda *a: said.append(a))
    about = [s for s in said if "GB on cpu" in s[2]]
    assert len(about) == 1 and said[0] == about[0] and about[0][:2] == (0, TINY.steps)


@pytest.mark.parametrize("rows", [2, 3, 31, 40])
def test_sets_of_few_rows_are_told_too(rows):
    given = made(40).rows(torch.arange(rows).numpy())
    step = Step(MVAE(SMALL), TINY)
    resident = Resident(given, TINY, "cpu")
    assert bytes_needed(step, resident, TINY, rows) > 16 * sum(p.numel() for p in step.parameters())


def tensors():
    """All that there are; by type, since what stands for an object that is gone answers no other question."""
    return [o for o in gc.get_objects() if issubclass(type(o), torch.Tensor)]


@pytest.mark.parametrize("recipe", [PUBLISHED, BEST])
def test_nothing_of_the_small_steps_stays(recipe):
    resident, step = Resident(made(40), recipe, "cpu", True), Step(MVAE(SMALL), recipe)
    bytes_needed(step, resident, recipe, 40)  # what is made once is there
    gc.collect()
    gc.disable()
    try:
        before = tensors()  # held, so that no new one has its number
        known = set(map(id, before))
        bytes_needed(step, resident, recipe, 40)
        assert not [o.shape for o in tensors() if id(o) not in known]
    finally:
        gc.enable()
