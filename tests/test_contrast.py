"""The contrast of what rows show with what else they have: its value, gradient, sets, and in several processes."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch
from embedding_sets import TINY, made
from plain_step import plain_posterior
from processes import run_alone_and_in_a_group
from test_step import rows, small

from prom3e_index.mvae.files import read_mvae
from prom3e_index.training.losses import kl_of
from prom3e_index.training.stage_two.batches import make_batch
from prom3e_index.training.stage_two.recipe import Recipe
from prom3e_index.training.stage_two.resident import Resident
from prom3e_index.training.stage_two.step import Step

RECIPE = Recipe(contrast=0.7, noise="none", lambda_kl=0.1)


def sets(n=7):
    g = torch.Generator().manual_seed(2)
    visible = torch.rand(n, 4, generator=g) < 0.4
    visible[~visible.any(1), 1] = True
    visible[0] = True
    rest = ~visible
    rest[0] = visible[0]
    return visible, rest


def mu(model, x, shown):
    return torch.cat([
        plain_posterior(model, x[i : i + 1], shown[i].nonzero()[:, 0].tolist())[0] for i in range(len(x))
    ])  # fmt: skip


@pytest.mark.parametrize("depth", [1, 2])
def test_its_value_is_that_of_a_loop_over_rows(depth):
    model, x = small(depth).double(), rows(7, dtype=torch.float64)
    visible, rest = sets()
    step = Step(model, RECIPE).double()
    step.contrast_scale.data = torch.tensor(1.3, dtype=torch.float64)
    present = torch.ones(7, 4, dtype=torch.bool)

    terms = step(make_batch(x, present, visible, None, RECIPE, rest=rest))

    shown, others = mu(model, x, visible), mu(model, x, rest)
    losses = []
    for a, b in ((shown, others), (others, shown)):
        for i in range(7):
            logits = torch.stack([np.exp(1.3) * (a[i] * b[j]).sum() for j in range(7)])
            losses.append(-(logits[i] - logits.exp().sum().log()))
    expected = float(torch.stack(losses).mean().detach())
    assert float(terms.contrast) == pytest.approx(expected, abs=1e-9)
    plain = Step(model, replace(RECIPE, contrast=0.0))(
        make_batch(x, present, visible, None, RECIPE)
    )
    assert float(terms.total.detach()) == pytest.approx(
        float(plain.total.detach()) + 0.7 * expected, abs=1e-9
    )
    assert float(plain.contrast) == 0
    assert float(plain.kl) == pytest.approx(float(kl_of(*_posterior(model, x, visible))), abs=1e-9)


def _posterior(model, x, visible):
    p = model.posterior(x, visible)
    return p.mean, p.log_variance


def test_its_gradient_agrees_with_finite_differences():
    model, x = small().double(), rows(7, dtype=torch.float64)
    visible, rest = sets()
    step = Step(model, RECIPE).double()
    batch = make_batch(x, torch.ones(7, 4, dtype=torch.bool), visible, None, RECIPE, rest=rest)
    step(batch).total.backward()
    named = dict(step.named_parameters())
    for name in ("contrast_scale", "model.cls_tokens", "model.projectors.2.net.1.weight"):
        p = named[name]
        at = int(p.grad.abs().flatten().argmax())
        flat, by = p.data.view(-1), 1e-5
        old, found = float(flat[at]), []
        for sign in (1, -1):
            flat[at] = old + sign * by
            found.append(float(step(batch).total))
        flat[at] = old
        expected = (found[0] - found[1]) / (2 * by)
        assert float(p.grad.flatten()[at]) == pytest.approx(expected, rel=1e-4), name


def test_what_else_a_row_has_is_what_it_does_not_show_and_else_itself():
    given = made(40, missing=0.6)
    recipe = replace(TINY, contrast=1.0, visible="row", one_visible=0.5, noise="none")
    seen_alone = 0
    for step in range(5):
        at = torch.arange(40)
        batch = Resident(given, recipe, "cpu").batch(at, recipe, step, 0.0, 16, slice(0, 40))
        rest = torch.zeros_like(given.present)
        for m, of in enumerate(batch.rest.rows):
            rest[of, m] = True
        for i in range(40):
            left = given.present[i] & ~batch.visible[i]
            seen_alone += not left.any()
            assert torch.equal(rest[i], left if left.any() else batch.visible[i])
    assert seen_alone, "some row has one modality only"
    without = replace(recipe, contrast=0.0)
    assert Resident(given, without, "cpu").batch(at, without, 0, 0.0, 16, slice(0, 40)).rest is None


def test_two_processes_take_the_steps_of_one(tmp_path):
    code = """
from pathlib import Path
from dataclasses import replace
from prom3e_index.training.distributed import join
from prom3e_index.mvae.files import write_mvae
from embedding_sets import NAMES, TINY, made
from prom3e_index.training.stage_two.loop import train_mvae
me = join("cpu")
recipe = replace(TINY, contrast=1.0, visible="row", one_visible=0.5, noise="none", steps=5, eps=1e-3)
trained = train_mvae([made(64)], NAMES, recipe, Path({out!r}) / "run")
if me.first:
    write_mvae(trained.mvae, Path({out!r}) / "mvae")
me.leave()
"""
    run_alone_and_in_a_group(*(code.format(out=str(tmp_path / n)) for n in ("one", "two")))
    one, two = (read_mvae(tmp_path / n / "mvae").state_dict() for n in ("one", "two"))
    for name, value in one.items():
        assert torch.allclose(value, two[name], atol=2e-6), name
    logs = [list(csv.DictReader((tmp_path / n / "run/log.csv").open())) for n in ("one", "two")]
    first = [float(log[0]["contrast"]) for log in logs]
    assert first[0] > 0 and first[1] == pytest.approx(first[0], rel=1e-5)
