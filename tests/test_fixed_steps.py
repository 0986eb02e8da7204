"""A step of fixed shapes, as a GPU replays it, is the packed one: loss, gradients, updates, for every setting."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from embedding_sets import NAMES, TINY, made
from processes import run_alone_and_in_a_group

from prom3e_index.mvae.network import MVAE, MVAEConfig
from prom3e_index.training.checkpoint import load
from prom3e_index.training.stage_two.loop import train_mvae
from prom3e_index.training.stage_two.recipe import BEST, PUBLISHED, Recipe
from prom3e_index.training.stage_two.resident import Resident
from prom3e_index.training.stage_two.sets import EmbeddingSet
from prom3e_index.training.stage_two.step import Step
from prom3e_index.training.stage_two.steps import Steps

SMALL = MVAEConfig(input_dim=12, embed_dim=16, heads=2, mlp_dim=24, num_register_tokens=2)
SETTINGS = {
    "published": PUBLISHED,
    "best": BEST,
    "a set a row": replace(PUBLISHED, visible="row", one_visible=0.5),
    "any number shown": replace(PUBLISHED, visible="row", subset=0.7, subset_from=0.1),
    "no noise": replace(PUBLISHED, noise="none"),
    "noise a dimension": replace(PUBLISHED, noise="dimension"),
    "printed kl": replace(PUBLISHED, kl="printed", lambda_kl=0.3),
    "cosine": replace(PUBLISHED, distance="cosine"),
    "distinct": replace(PUBLISHED, negatives="distinct"),
    "species": replace(PUBLISHED, negatives="species"),
    "masked only": replace(PUBLISHED, masked_only=True),
    "mixed": replace(PUBLISHED, mixed=0.5),
    "contrast": replace(PUBLISHED, contrast=0.7),
    "all at once": replace(
        BEST, masked_only=True, mixed=0.5, negatives="species", noise="dimension", distance="cosine"
    ),
}


def without(given: EmbeddingSet, modality: int, but: int = 0) -> EmbeddingSet:
    """A set in which only its first `but` rows that have it keep a modality."""
    x, present = given.x.clone(), given.present.clone()
    lose = present[:, modality].nonzero()[but:, 0]
    present[lose, modality] = False
    present[~present.any(1), 0] = True
    x[~present] = 0
    return replace(given, x=x, present=present)


SETS = {
    "whole": made(40, missing=0.0),
    "gaps": made(40, missing=0.4),
    "no audio": without(made(40, missing=0.2), 5),
    "one sound": without(made(40, missing=0.2), 5, 1),
    "two sounds": without(made(40, missing=0.2), 5, 2),
    "photos alone": without(without(without(without(without(made(40), 1), 2), 3), 4), 5),
}


def losses(given: EmbeddingSet, recipe: Recipe, config: MVAEConfig, fixed: bool, at: int):
    torch.manual_seed(0)
    model = MVAE(config)
    for p in model.parameters():  # no weight at a value that would hide an error
        p.data += 0.1 * torch.randn_like(p)
    step = Step(model, recipe).double()
    resident = Resident(replace(given, x=given.x.double()), recipe, "cpu", fixed)
    rows = torch.randperm(len(given), generator=torch.Generator().manual_seed(at))[:24]
    batch = resident.batch(rows, recipe, at, 0.2, 16, slice(0, 24))
    terms = step(batch)
    terms.total.backward()
    told = {k: v.tolist() for k, v in terms._asdict().items() if k != "per_modality"}
    told["per_modality"] = dict(zip(batch.targets, terms.per_modality.tolist(), strict=True))
    return told, {k: p.grad for k, p in step.named_parameters()}


@pytest.mark.parametrize("recipe", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("given", SETS.values(), ids=SETS)
def test_its_loss_and_gradients_are_those_of_the_packed_one(given, recipe):
    for at in (1, 2, 3):
        (one, packed), (two, fixed) = (losses(given, recipe, SMALL, f, at) for f in (False, True))
        for name, value in one.items():
            if name != "per_modality":
                assert two[name] == pytest.approx(value, abs=1e-6), name
        for target, value in one["per_modality"].items():
            assert two["per_modality"][target] == pytest.approx(value, abs=1e-6), target
        for name, gradient in packed.items():
            other = fixed[name]
            if gradient is None:
                assert other is None or not other.any(), name
            else:
                assert torch.allclose(gradient, other, atol=1e-6), name


@pytest.mark.parametrize("depth", [2, 3])
@pytest.mark.parametrize("recipe", [PUBLISHED, BEST])
def test_so_it_is_with_several_blocks_and_with_narrower_modalities(depth, recipe):
    given = made(40)
    given.x[:, 3, 7:] = given.x[:, 4, 5:] = 0
    config = replace(SMALL, depth=depth, input_dims=(12, 12, 12, 7, 5, 12))
    for which in (config, replace(config, depth=1)):
        (one, packed), (two, fixed) = (losses(given, recipe, which, f, 4) for f in (False, True))
        assert two["total"] == pytest.approx(one["total"], abs=1e-6)
        for name, gradient in packed.items():
            if gradient is not None:
                assert torch.allclose(gradient, fixed[name], atol=1e-6), name


def test_in_bf16_it_is_near_the_packed_one():
    recipe = replace(BEST, precision="bf16")
    found = []
    for fixed in (False, True):
        torch.manual_seed(0)
        step = Step(MVAE(SMALL), recipe)
        batch = Resident(SETS["gaps"], recipe, "cpu", fixed).batch(
            torch.arange(24), recipe, 3, 0.0, 16, slice(0, 24)
        )
        terms = step(batch)
        terms.total.backward()
        found.append((float(terms.total.detach()), step.model.cls_tokens.grad))
    assert found[1][0] == pytest.approx(found[0][0], rel=2e-2) and found[1][0] != found[0][0]
    assert torch.cosine_similarity(found[0][1].flatten(), found[1][1].flatten(), dim=0) > 0.99


@pytest.mark.parametrize("more", [
    {}, {"visible": "row", "noise": "none", "contrast": 0.3}, {"ema": 0.8, "mixed": 0.5, "visible": "row"},
    {"masked_only": True, "noise": "dimension", "batch_size": 4, "negatives": "species"},
], ids=["published", "best", "average and mixed", "few rows"])  # fmt: skip
def test_a_run_of_it_is_the_run_of_packed_steps(tmp_path, more):
    """Weights that a step does not touch are left alone, moments too: a projector that no row of the batch shows."""
    sets = [made(48), without(made(40, seed=1), 5)]
    recipe = replace(TINY, steps=14, eps=1e-4, validate=1, **more)
    for name, fixed in (("packed", False), ("fixed", True)):
        train_mvae(sets, NAMES, recipe, tmp_path / name, fixed=fixed)
    packed, fixed = (load(tmp_path / n / "last.safetensors")[0] for n in ("packed", "fixed"))
    for name, value in packed.items():
        assert torch.allclose(value, fixed[name], atol=3e-5), name
    untouched = {k for k in fixed if k not in packed}
    assert all(k.startswith("optimiser.") and not fixed[k].any() for k in untouched)
    logs = [(tmp_path / n / "log.csv").read_text().splitlines() for n in ("packed", "fixed")]
    for one, two in zip(*logs, strict=True):
        a, b = one.split(",")[3:8], two.split(",")[3:8]
        assert one.startswith("step") or [float(v) for v in b] == pytest.approx(
            [float(v) for v in a], rel=1e-3, abs=1e-5
        )


def test_in_two_processes_it_takes_the_steps_of_one_packed_or_fixed(tmp_path):
    """Each trains half of the rows; weights, moments, the average and what is logged are those of the whole batch."""
    code = """
from dataclasses import replace
from pathlib import Path
from embedding_sets import NAMES, TINY, made
from test_fixed_steps import without
from prom3e_index.training.distributed import join
from prom3e_index.training.stage_two.loop import train_mvae
settings = {{
    "best": dict(visible="row", noise="none", contrast=0.3, ema=0.8),
    "species": dict(mixed=0.5, visible="row", negatives="species", noise="dimension"),
}}
sets = [made(48), without(made(40, seed=1), 5)]
for name, more in settings.items():
    recipe = replace(TINY, steps=5, eps=1e-4, **more)
    for fixed in {which}:
        train_mvae(sets, NAMES, recipe, Path({out!r}) / f"{{name}} {{fixed}}", fixed=fixed)
join("cpu").leave()
"""
    one, two = tmp_path / "one", tmp_path / "two"
    run_alone_and_in_a_group(
        code.format(which=(False, True), out=str(one)), code.format(which=(True,), out=str(two))
    )
    for name in ("best", "species"):
        told = load(two / f"{name} True" / "last.safetensors")[0]
        logged = (two / f"{name} True" / "log.csv").read_text().splitlines()
        assert len(logged) == 6
        for alone in (f"{name} True", f"{name} False"):
            for key, value in load(one / alone / "last.safetensors")[0].items():
                assert torch.allclose(value, told[key], atol=3e-5), (alone, key)
            lines = (one / alone / "log.csv").read_text().splitlines()
            for line, other in zip(lines[1:], logged[1:], strict=True):
                a, b = ([float(v) for v in text.split(",")[3:8]] for text in (line, other))
                assert b == pytest.approx(a, rel=1e-4, abs=1e-5), alone


@pytest.mark.parametrize("more", [{}, {"visible": "row", "noise": "none", "contrast": 0.3}, {"ema": 0.8, "mixed": 0.5}], ids=["published", "contrast", "average and mixed"])  # fmt: skip
def test_an_interrupted_run_of_it_goes_on_bit_for_bit_and_its_weights_lie_apart(tmp_path, monkeypatch, more):  # fmt: skip
    """Weights of all modalities are parts of one tensor while it runs, of sets that have others each."""
    sets = [made(48), without(made(40, seed=1), 5), without(made(40, seed=2), 0)]
    recipe = replace(TINY, steps=12, validate=1, **more)
    given = {"fixed": True, "validation": made(30, seed=3)}
    whole = train_mvae(sets, NAMES, recipe, tmp_path / "whole", **given)
    monkeypatch.setattr("prom3e_index.training.checkpoint.SAVE_EVERY_S", 0.0)
    take = Steps.take

    def stopping(self, at):
        if at == 7:
            raise KeyboardInterrupt
        return take(self, at)

    with monkeypatch.context() as m, pytest.raises(KeyboardInterrupt):
        m.setattr(Steps, "take", stopping)
        train_mvae(sets, NAMES, recipe, tmp_path / "parts", **given)
    assert load(tmp_path / "parts" / "last.safetensors")[1]["at"] == 7
    parts = train_mvae(sets, NAMES, recipe, tmp_path / "parts", **given)
    for name in ("last.safetensors", "best.safetensors"):
        one, two = (load(tmp_path / n / name)[0] for n in ("whole", "parts"))
        assert one.keys() == two.keys() and all(torch.equal(v, two[k]) for k, v in one.items())
    for trained in (whole, parts):
        weights = list(trained.mvae.parameters())
        assert len({w.untyped_storage().data_ptr() for w in weights}) == len(weights)
        assert all(w.untyped_storage().nbytes() == w.nbytes for w in weights)
        assert not any(w.requires_grad for w in weights)
