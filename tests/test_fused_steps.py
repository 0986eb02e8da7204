"""A step in fused kernels is the plain one, and so is a run. By Triton's interpreter without a card."""

from __future__ import annotations

import gc
import re
import weakref
from dataclasses import replace

import pytest
import torch
from embedding_sets import NAMES, TINY, made
from test_captured_steps import recording, weights
from test_fixed_steps import SETS, SETTINGS, SMALL

from prom3e_index.mvae.network import MVAE
from prom3e_index.training.stage_two import captured, steps
from prom3e_index.training.stage_two.captured import why_not_proven
from prom3e_index.training.stage_two.loop import train_mvae
from prom3e_index.training.stage_two.recipe import BEST
from prom3e_index.training.stage_two.resident import Resident
from prom3e_index.training.stage_two.step import Step

pytest.importorskip("triton", reason="Triton is not installed")

import interpreted  # noqa: E402, F401

from prom3e_index.training.fused import launch, operations  # noqa: E402

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


# whole steps


def taken(given, recipe, fused, config=SMALL, width=7):
    torch.manual_seed(0)
    model = MVAE(config)
    for p in model.parameters():  # no weight at a value that would hide an error
        p.data += 0.1 * torch.randn_like(p)
    step = Step(model, recipe).to(DEVICE)
    resident = Resident(given, recipe, DEVICE, True)
    g = torch.Generator().manual_seed(1)
    rows = torch.randperm(len(given), generator=g)[:width].to(DEVICE)
    batch = resident.batch(rows, recipe, 3, 0.2, config.embed_dim, slice(0, width))
    step.fused = fused
    terms = step(batch)
    terms.total.backward()
    return terms, {k: p.grad for k, p in step.named_parameters()}


def same(given, recipe, config=SMALL):
    (a, plain), (b, fused) = (taken(given, recipe, f, config) for f in (False, True))
    for name, one, two in zip(a._fields, a, b, strict=True):
        assert torch.allclose(one, two, rtol=1e-5, atol=1e-6), name
    for name, gradient in plain.items():
        other = fused[name]
        if gradient is None:
            assert other is None or not other.any(), name
        elif gradient.numel():
            largest = float(gradient.abs().max())
            assert torch.allclose(gradient, other, rtol=1e-4, atol=1e-4 * largest + 5e-7), name


DRAWN = {"a set a row", "any number shown", "no noise", "noise a dimension", "printed kl"}
"""Settings that come before it matters who has what: with gaps alone."""


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("given", ["whole", "gaps"])
def test_loss_and_gradients_are_the_plain_steps_for_every_setting(setting, given):
    if given == "gaps" or setting not in DRAWN:
        same(SETS[given], SETTINGS[setting])


@pytest.mark.parametrize("given", ["no audio", "one sound", "two sounds", "photos alone"])
def test_and_for_every_pattern_of_what_is_there(given):
    same(SETS[given], BEST)


@pytest.mark.parametrize("more", [
    {"num_register_tokens": 0}, {"heads": 1, "embed_dim": 20}, {"mlp_dim": 7, "heads": 3, "embed_dim": 9},
], ids=["no registers", "one head", "odd widths"])  # fmt: skip
def test_and_for_other_networks(more):
    same(SETS["gaps"], BEST, replace(SMALL, **more))


def test_in_bf16_a_step_is_near_the_one_in_single_precision():
    exact, plain, fused = (
        taken(SETS["whole"], replace(BEST, precision=p), f)
        for p, f in (("float32", False), ("bf16", False), ("bf16", True))
    )
    far = [abs(float((t[0].total - exact[0].total).detach())) for t in (plain, fused)]
    assert 0 < far[1] < 0.02 and far[1] != far[0]
    a, b = (
        torch.cat([g.flatten() for g in t[1].values() if g is not None]) for t in (exact, fused)
    )
    assert 0 < float((a - b).norm() / a.norm()) < 0.03


# whole runs


@pytest.fixture
def fused_here(monkeypatch):
    """Steps are captured, in fused kernels, whatever the device."""
    recording(monkeypatch)
    monkeypatch.setattr(steps, "why_not_fused", lambda *_: "")
    monkeypatch.setattr(steps, "WORTH", 4)  # the interpreter takes a second a step
    monkeypatch.setattr(captured, "_PROOF", 1)


RECIPE = replace(
    TINY,
    steps=4,
    batch_size=3,
    validate=1,
    visible="row",
    one_visible=0.5,
    contrast=0.3,
    noise="none",
    eps=1e-4,
)


@pytest.mark.parametrize("missing, more", [
    (0.0, {}), (0.3, {"noise": "scalar", "contrast": 0.0, "visible": "batch"}),
])  # fmt: skip
def test_a_run_in_fused_kernels_is_the_plain_run(tmp_path, fused_here, monkeypatch, missing, more):
    recipe = replace(RECIPE, **more)
    sets = [made(40, missing=missing)]
    told = train_mvae(sets, NAMES, recipe, tmp_path / "fused", device=DEVICE, fixed=True)
    assert told.taken == f"{recipe.steps} captured in fused kernels, 0 plain"
    monkeypatch.setattr(steps, "can_capture", lambda device: False)
    train_mvae(sets, NAMES, recipe, tmp_path / "plain", device=DEVICE, fixed=True)
    one, two = weights(tmp_path / "plain"), weights(tmp_path / "fused")
    assert one.keys() == two.keys()
    for name, value in one.items():
        assert torch.allclose(value, two[name], rtol=1e-3, atol=1e-4), name


def test_in_bf16_a_run_is_captured_in_fused_kernels(tmp_path, fused_here):
    recipe = replace(RECIPE, precision="bf16")
    sets = [made(40, missing=0.0)]
    told = train_mvae(sets, NAMES, recipe, tmp_path / "fused", device=DEVICE, fixed=True)
    assert told.taken == "4 captured in fused kernels, 0 plain"


def test_kernels_that_compute_something_else_are_not_used(tmp_path, fused_here, monkeypatch):
    right = operations.column_sums
    monkeypatch.setattr(operations, "column_sums", lambda x: right(x) * 1.3)
    told = train_mvae([made(40)], NAMES, RECIPE, tmp_path / "a", device=DEVICE, fixed=True)
    assert re.search(
        r"^4 captured without fused kernels \(they are .* from torch's operations in single precision, "
        r"1.0e-04 is allowed\), 0 plain$",
        told.taken,
    )


def test_kernels_that_pass_over_what_is_still_nothing_are_not_used(
    tmp_path, fused_here, monkeypatch
):
    """Offsets of norms begin at 0: a run begins as if they were not read."""
    right = operations.Norm.made
    monkeypatch.setattr(
        operations.Norm, "made", lambda self, offset, *more: right(self, 0 * offset, *more)
    )
    told = train_mvae([made(40)], NAMES, RECIPE, tmp_path / "a", device=DEVICE, fixed=True)
    assert told.taken.startswith("4 captured without fused kernels (they are "), told.taken


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_proof_sees_each_weight_whose_gradient_alone_is_wrong(precision):
    """Norms and biases have a hundredth of all gradients' length, which bf16 blurs as a whole."""
    torch.manual_seed(0)
    config = replace(SMALL, embed_dim=32, mlp_dim=64)
    step = Step(MVAE(config), BEST).to(DEVICE)
    given, rows = Resident(SETS["whole"], BEST, DEVICE, True), torch.arange(24, device=DEVICE)
    batch = given.batch(rows, BEST, 3, 0.2, config.embed_dim, slice(0, 24))
    weights, hold = list(step.parameters()), torch.zeros((), device=DEVICE)

    def taken_in(precision, spoiled=None):
        def take():
            step.recipe = replace(BEST, precision=precision)
            terms = step(batch)
            terms.total.backward()
            if spoiled is not None:
                spoiled.grad *= 0.5
            return steps._row(terms)

        return take

    def said(spoiled=None):
        three = taken_in("float32"), taken_in(precision), taken_in(precision, spoiled)
        return why_not_proven(*three, [w.data for w in weights], hold, weights, precision)

    assert said() == ""
    for name, weight in step.named_parameters():
        if name != "model.negative_shift":  # its gradient is 0
            assert said(weight).startswith("they are "), name


def test_of_several_sets_it_is_said_how_many_steps_are_in_fused_kernels(
    tmp_path, fused_here, monkeypatch
):
    def why(step, resident, device):
        return "" if len(resident.x) == 40 else "it is small"

    monkeypatch.setattr(steps, "why_not_fused", why)
    sets = [made(40, missing=0.0), made(30, seed=1)]
    recipe = replace(RECIPE, steps=6)
    told = train_mvae(sets, NAMES, recipe, tmp_path / "a", device=DEVICE, fixed=True).taken
    found = re.fullmatch(
        r"6 captured, (\d) of them in fused kernels \(others: it is small\), 0 plain", told
    )
    assert found and 0 < int(found[1]) < 6, told


def test_a_compiler_that_fails_is_said_and_steps_go_on(tmp_path, fused_here, monkeypatch):
    def fails(*_):
        raise OSError("no C compiler\nmore")

    monkeypatch.setattr(operations, "column_sums", fails)
    told = train_mvae([made(40)], NAMES, RECIPE, tmp_path / "a", device=DEVICE, fixed=True)
    assert told.taken == "4 captured without fused kernels (OSError: no C compiler), 0 plain"


def test_a_proof_leaves_nothing_behind():
    weight = torch.nn.Parameter(torch.ones(3))
    hold, moment = torch.zeros(()), torch.zeros(3)

    def step(by):
        def take():
            weight.grad = torch.full((3,), by)
            weight.data.add_(by)
            moment.add_(1)
            return torch.ones(5)

        return take

    given = [weight.data, moment, hold]
    assert why_not_proven(step(1.0), step(1.1), step(1.15), given, hold, [weight], "bf16") == ""
    said = why_not_proven(step(1.0), step(1.1), step(1.3), given, hold, [weight], "bf16")
    assert (
        said == "they are 3.0e-01 from torch's operations in single precision, 2.0e-01 is allowed"
    )
    nan = why_not_proven(step(1.0), step(1.1), step(float("nan")), given, hold, [weight], "bf16")
    assert nan.startswith("they are inf")
    assert torch.equal(weight.data, torch.ones(3)) and not moment.any() and not hold


# where they are not used


def test_why_not_is_said(monkeypatch):
    def why(recipe=RECIPE, config=SMALL, device="cuda"):
        given = Resident(SETS["whole"], recipe, "cpu", True)
        with torch.device("meta"):
            step = Step(MVAE(config), recipe)
        return launch.why_not_fused(step, given, device)

    assert why(device="cpu") == "cpu is no card"
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    assert why() == "the card is older than kernels of our own are made for"
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    assert why() == ""
    assert why(config=replace(SMALL, depth=2)) == "the encoder has several blocks"
    narrow = replace(SMALL, input_dims=(12, 12, 12, 7, 5, 12))
    assert why(config=narrow) == "not every modality is as wide as rows are"
    alike = replace(SMALL, input_dims=(7,) * 6)  # rows are padded with zeros
    assert why(config=alike) == "not every modality is as wide as rows are"
    wide = replace(SMALL, embed_dim=8200, heads=2)
    assert why(config=wide) == "rows of 8,200 numbers are wider than 8,192"
    many = replace(SMALL, num_register_tokens=300)
    assert why(config=many) == "308 tokens with heads of 8 numbers are too many"
    one = replace(SMALL, embed_dim=4096, heads=1)
    assert why(config=one) == "10 tokens with heads of 4096 numbers are too many"
    monkeypatch.setattr(launch, "find_spec", lambda name: None)
    assert why() == "Triton is not installed, which comes with torch for CUDA on Linux"


def test_a_step_is_freed_when_it_is_done(monkeypatch):
    """What is kept would belong to another stream when the next one is captured, and fill the card."""
    alive = []
    made_of = operations.Norm.made

    def made_and_seen(self, *a):
        alive.append(weakref.ref(self))
        return made_of(self, *a)

    monkeypatch.setattr(operations.Norm, "made", made_and_seen)
    gc.collect()
    gc.disable()
    try:
        terms, gradients = taken(SETS["whole"], BEST, True)
        assert len(alive) == 5 and gradients
        del terms, gradients
        assert [ref() for ref in alive] == [None] * 5
    finally:
        gc.enable()


def test_the_error_that_was_first_is_told_before_the_last(tmp_path, fused_here, monkeypatch):
    """A capture that ends after an error says only that there was one."""

    def recorded(step, weights):
        try:
            raise ValueError("what is wrong\nmore")
        finally:
            raise RuntimeError("CUDA error: a previous error, out of memory")

    monkeypatch.setattr("prom3e_index.training.stage_two.captured.recorded", recorded)
    told = train_mvae([made(40)], NAMES, RECIPE, tmp_path / "a", device=DEVICE, fixed=True)
    assert told.taken == (
        "0 captured, 4 plain: ValueError: what is wrong, then RuntimeError: CUDA error: a previous error, out of memory"
    )
