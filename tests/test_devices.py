"""What training does on which device: exactness of products, no waiting, tuning; on a GPU the CPU's numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from embedding_sets import NAMES, TINY, made, write_npz
from test_align import toy
from torch.nn import functional as F

from prom3e_index.errors import DivergedError, InputError
from prom3e_index.media.images import ImageSpec
from prom3e_index.mvae.class_tokens import Slots, class_tokens, pack
from prom3e_index.mvae.files import write_mvae
from prom3e_index.mvae.network import MVAE, MVAEConfig
from prom3e_index.training.distributed import Processes
from prom3e_index.training.finite import not_finite
from prom3e_index.training.precision import products
from prom3e_index.training.stage_one import augment
from prom3e_index.training.stage_one.align import AlignConfig, align
from prom3e_index.training.stage_two import run as module
from prom3e_index.training.stage_two.batches import make_batch
from prom3e_index.training.stage_two.loop import train_mvae
from prom3e_index.training.stage_two.recipe import BEST, PUBLISHED, Recipe
from prom3e_index.training.stage_two.resident import Resident, settle
from prom3e_index.training.stage_two.run import MVAERun, run_mvae
from prom3e_index.training.stage_two.step import Step
from prom3e_index.training.stage_two.visible import draw_visible

cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")
SMALL = MVAEConfig(input_dim=12, embed_dim=16, heads=2, mlp_dim=24, num_register_tokens=2)


def quiet(*_) -> None:
    pass


def gradients(model):
    return {k: p.grad for k, p in model.named_parameters() if p.grad is not None}


# how exactly products are computed


@pytest.fixture
def as_before():
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    yield
    torch.set_float32_matmul_precision(before[0])
    torch.backends.cudnn.allow_tf32 = before[1]


@pytest.mark.parametrize("precision, matmul, convolution", [
    ("float32", "highest", False), ("tf32", "high", True), ("bf16", "high", False),
])  # fmt: skip
def test_the_setting_holds_inside_and_the_one_before_comes_back(
    as_before, precision, matmul, convolution
):
    for before in ("medium", "highest"):
        torch.set_float32_matmul_precision(before)
        torch.backends.cudnn.allow_tf32 = not convolution
        with pytest.raises(KeyError), products(precision):
            inside = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
            raise KeyError
        assert inside == (matmul, convolution)
        assert torch.get_float32_matmul_precision() == before
        assert torch.backends.cudnn.allow_tf32 is not convolution


def test_both_stages_set_it_for_their_steps_alone(as_before, tmp_path, monkeypatch):
    torch.set_float32_matmul_precision("medium")
    seen, forward = [], Step.forward

    def watched(self, batch):
        seen.append(torch.get_float32_matmul_precision())
        return forward(self, batch)

    monkeypatch.setattr(Step, "forward", watched)
    train_mvae([made(40)], NAMES, replace(TINY, steps=2), tmp_path / "two")
    tower, anchors, label = toy()
    embed = tower.embed
    tower.embed = lambda x: seen.append(torch.get_float32_matmul_precision()) or embed(x)
    align(tower, anchors, label, AlignConfig(batch_size=32, epochs=1), tmp_path / "one")
    assert set(seen) == {"highest"} and torch.get_float32_matmul_precision() == "medium"


def test_tf32_is_refused_where_there_is_none(tmp_path):
    with pytest.raises(
        InputError, match="precision is tf32, which only CUDA devices have, and device is cpu"
    ):
        train_mvae([made(40)], NAMES, replace(TINY, precision="tf32"), tmp_path / "a")
    with pytest.raises(InputError, match="only CUDA devices have"):
        align(*toy(), AlignConfig(batch_size=16, precision="tf32"), tmp_path / "b")
    with pytest.raises(InputError, match="'tf23'; known: float32, tf32, bf16"):
        AlignConfig(precision="tf23")
    with pytest.raises(InputError, match="lr is nan; a finite number"):
        Recipe(lr=float("nan"))
    with pytest.raises(InputError, match="lr inf, .* must be finite"):
        AlignConfig(lr=float("inf"))


def test_stage_one_in_bf16_is_near_float32(tmp_path):
    found = []
    for precision in ("float32", "bf16"):
        tower, anchors, label = toy()
        config = AlignConfig(
            loss="masked", epochs=20, batch_size=32, accumulate=1, lr=1e-2, precision=precision
        )
        found.append(
            (align(tower, anchors, label, config, tmp_path / precision), tower.network.weight)
        )
    assert found[1][0] == pytest.approx(found[0][0], rel=0.02) and found[1][0] != found[0][0]
    assert float((found[0][1] - found[1][1]).abs().max()) < 0.05


# what follows training is done where training was


def test_choosing_and_validating_take_the_device(tmp_path, monkeypatch):
    """`cpu:0` is a CPU under another name: wherever it arrives, a GPU would."""
    seen = {}

    def note(name, function):
        def noted(model, *rest):
            seen[name] = model.device, next(model.mvae.parameters()).device
            return function(model, *rest)

        return noted

    from prom3e_index.training.stage_two import loop

    for where, name in ((module, "choose_use"), (module, "choose_hubs"), (loop, "validate")):
        monkeypatch.setattr(where, name, note(name, getattr(where, name)))
    paths = [write_npz(tmp_path / n, made(60, seed=i)) for i, n in enumerate(("t.npz", "v.npz"))]
    write_mvae(MVAE(SMALL), tmp_path / "start")
    done = run_mvae(
        MVAERun(
            (paths[0],),
            tmp_path / "own",
            TINY,
            validation=paths[1],
            init=str(tmp_path / "start"),
            device="cpu:0",
        ),
        quiet,
    )
    assert {k: v[0] for k, v in seen.items()} == dict.fromkeys(
        ("choose_use", "choose_hubs", "validate"), "cpu:0"
    )
    said = done.summary().splitlines()
    assert said[0].endswith("products in float32")
    assert said[1] == f"steps: 0 captured, {TINY.steps} plain: cpu:0 does not replay steps"


# no step waits for the host, and nothing is done twice


def missing(recipe, n=11):
    g = torch.Generator().manual_seed(5)
    x = F.normalize(torch.randn(n, 6, 12, generator=g), dim=-1)
    present = torch.rand(n, 6, generator=g) < 0.7
    present[:, 0] = True
    visible = draw_visible(present, recipe, 0.0, 5)
    return make_batch(x, present, visible, torch.randn(n, 1, generator=g), recipe)


@pytest.mark.parametrize("masked_only", [False, True])
def test_a_step_brings_no_number_from_the_host(monkeypatch, masked_only):
    recipe = Recipe(visible="row", masked_only=masked_only)
    step, batch = Step(MVAE(SMALL), recipe), missing(recipe)

    def none_of_that(*a, **k):
        raise AssertionError(
            "a tensor is made of Python numbers amid a step: a GPU would stop for it"
        )

    for name in ("tensor", "as_tensor", "from_numpy"):
        monkeypatch.setattr(torch, name, none_of_that)
    assert step(batch).total.isfinite()


@pytest.mark.parametrize("depth", [1, 2])
def test_where_a_row_shows_less_its_own_token_is_read_again_with_equal_gradients(depth):
    torch.manual_seed(1)
    model = MVAE(replace(SMALL, depth=depth))
    x = F.normalize(torch.randn(40, 6, 12), dim=-1)
    visible = torch.zeros(40, 6, dtype=torch.bool)
    visible[torch.arange(40), torch.randint(0, 6, (40,))] = True
    visible[[3, 7], 2] = visible[[3, 9], 4] = True
    slots = pack(visible)
    often = int(slots.place.flatten().bincount().max())
    assert often <= slots.place.shape[1], "no token is gathered by more rows than its own"
    found = []
    for place in (slots.place, slots.place.masked_fill(slots.empty, 0)):
        model.zero_grad(set_to_none=True)
        mean, log_variance = class_tokens(model, x, Slots(slots.rows, place, slots.empty))
        (mean.sin().sum() + log_variance.cos().sum()).backward()
        found.append((mean.detach(), log_variance.detach(), gradients(model)))
    assert torch.equal(found[0][0], found[1][0]) and torch.equal(found[0][1], found[1][1])
    for name, value in found[0][2].items():
        assert torch.equal(value, found[1][2][name]), name


def test_numbers_that_are_none_are_seen_wherever_they_are():
    good = [torch.full((3, 2), 3e38), torch.full((5,), -3e38), torch.zeros(0), torch.tensor([1, 2])]
    assert float(not_finite(good, "cpu")) == 0, "a sum of these would overflow"
    for value in ("nan", "inf", "-inf"):
        for at in range(6):
            bad = torch.zeros(6)
            bad[at] = float(value)
            assert float(not_finite([*good, bad], "cpu")) == 1
    assert float(not_finite([], "cpu")) == 0


# on a GPU: the CPU's numbers


@cuda
@pytest.mark.parametrize(
    "recipe", [PUBLISHED, BEST, replace(BEST, masked_only=True, negatives="species", mixed=0.5)]
)
def test_resident_and_step_on_a_gpu_are_those_of_the_cpu(recipe):
    given, found = made(64), []
    recipe = replace(recipe, batch_size=32)
    for device in ("cpu", "cuda"):
        torch.manual_seed(0)
        step = Step(MVAE(SMALL), recipe).to(device)
        batch = Resident(given, recipe, device).batch(
            torch.arange(32), recipe, 3, 0.2, 16, slice(0, 32)
        )
        with products("float32"):
            terms = step(batch)
            terms.total.backward()
        found.append((terms.total.item(), terms.per_modality.cpu(), gradients(step)))
    assert found[1][0] == pytest.approx(found[0][0], abs=1e-5)
    assert torch.allclose(found[0][1], found[1][1], atol=1e-5)
    for name, value in found[0][2].items():
        assert torch.allclose(value, found[1][2][name].cpu(), atol=1e-5), name


@cuda
def test_a_run_on_a_gpu_follows_the_one_on_the_cpu_and_stops_as_it_does(tmp_path):
    recipe = replace(TINY, steps=6)
    one, two = (
        train_mvae([made(40)], NAMES, recipe, tmp_path / d, device=d) for d in ("cpu", "cuda")
    )
    for (name, p), q in zip(one.mvae.named_parameters(), two.mvae.parameters(), strict=True):
        assert torch.allclose(p, q, atol=1e-4), name
    with pytest.raises(DivergedError, match="are no finite numbers"):
        train_mvae(
            [made(40)], NAMES, replace(TINY, lr=1e3, steps=400), tmp_path / "bad", device="cuda"
        )
    assert not (tmp_path / "bad/best.safetensors").exists()


@cuda
def test_a_set_larger_than_the_card_is_said(monkeypatch):
    given = made(40)
    free = torch.cuda.mem_get_info()[0]
    rows = free // (6 * 512 * 4) + 1_000_000
    large = torch.zeros(1, 1, 1).expand(rows, 6, 512)
    with pytest.raises(InputError, match="not so much memory free"):
        settle([replace(given, x=large, present=torch.ones(1, 1, dtype=torch.bool).expand(rows, 6))], TINY,
               Processes(device="cuda"))  # fmt: skip


@cuda
def test_pictures_are_blurred_on_a_gpu_as_on_the_cpu():
    squares = torch.randint(0, 256, (9, 40, 40, 3), dtype=torch.uint8)
    cut, sigma = augment.crops(squares, ImageSpec(crop=32), torch.Generator().manual_seed(1))
    here = augment.network_input((cut, sigma), ImageSpec(crop=32))
    there = augment.network_input((cut.cuda(), sigma.cuda()), ImageSpec(crop=32))
    assert np.abs(here.numpy() - there.cpu().numpy()).max() < 1e-5
