"""One training step against a plain transcription in float64, the golden cases, and finite differences."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from conftest import shared
from plain_step import plain_loss, plain_posterior
from torch.nn import functional as F

from prom3e_index.mvae.class_tokens import class_tokens, pack
from prom3e_index.mvae.files import read_mvae
from prom3e_index.mvae.network import MVAE, MVAEConfig
from prom3e_index.training.losses import kl_of, masked_infonce, symmetric_infonce, symmetric_supcon
from prom3e_index.training.stage_two.batches import make_batch
from prom3e_index.training.stage_two.recipe import Recipe
from prom3e_index.training.stage_two.step import Step, decode_all
from prom3e_index.training.stage_two.visible import draw_visible


def small(depth=1, m=4, d=8, **more):
    torch.manual_seed(3)
    config = MVAEConfig(input_dim=d, embed_dim=16, num_modalities=m, depth=depth, heads=2, mlp_dim=12,
                        num_register_tokens=3, **more)  # fmt: skip
    model = MVAE(config)
    for p in (
        model.parameters()
    ):  # no weight at a value that would hide an error (norm weights 1, biases 0)
        p.data += 0.1 * torch.randn_like(p)
    return model


def rows(n, m=4, d=8, seed=0, dtype=torch.float32):
    g = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(n, m, d, generator=g, dtype=dtype), dim=-1)


def gradients(model):
    return {k: p.grad.clone() for k, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("case", range(10))
def test_golden_losses(case):
    folder = shared("fixtures/golden_given")
    model, inputs = read_mvae(folder), np.load(folder / "inputs.npz")
    given = json.loads((folder / "expected_loss.json").read_text())["cases"][case]
    x, eps = torch.from_numpy(inputs["embeddings"]), torch.from_numpy(inputs["eps"])[:, None]
    present = torch.ones(x.shape[:2], dtype=torch.bool)
    present[:, 5] = bool(given["audio_flag"])
    visible = torch.zeros_like(present)
    visible[:, given["visible"]] = True
    recipe = Recipe(masked_only=given["masked_only"])

    batch = make_batch(x, present, visible, eps, recipe)
    terms = Step(model, recipe)(batch)

    expected = {int(k): v for k, v in given["reconstruction_per_modality"].items()}
    assert dict(zip(batch.targets, terms.per_modality.tolist(), strict=True)) == pytest.approx(
        expected, abs=1e-5
    )
    assert float(terms.reconstruction) == pytest.approx(given["reconstruction"], abs=1e-5)
    assert float(terms.kl) == pytest.approx(given["kl"], abs=1e-5)
    assert float(terms.total) == pytest.approx(given["total"], abs=1e-5)


@pytest.mark.parametrize("case", range(3))
def test_golden_gradients(case):
    folder = shared("fixtures/golden_given")
    model, inputs = read_mvae(folder).requires_grad_(True), np.load(folder / "inputs.npz")
    every = json.loads((folder / "expected_loss.json").read_text())["gradients"]
    given = every[case]
    x, eps = torch.from_numpy(inputs["embeddings"]), torch.from_numpy(inputs["eps"])[:, None]
    present = torch.ones(x.shape[:2], dtype=torch.bool)
    present[:, 5] = bool(given["audio_flag"])
    visible = torch.zeros_like(present)
    visible[:, given["visible"]] = True
    recipe = Recipe(masked_only=given["masked_only"])

    Step(model, recipe)(make_batch(x, present, visible, eps, recipe)).total.backward()

    for name, p in model.named_parameters():
        if name in given["no_gradient"]:
            assert p.grad is None, name
        else:
            assert float(p.grad.norm()) == pytest.approx(given["l2_norm"][name], abs=1e-4), name


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("visible", [[0], [2, 0], [0, 1, 2, 3]])
def test_fast_step_equals_the_plain_one_with_equal_gradients(depth, visible):
    model = small(depth).double()
    x, noise = rows(9, dtype=torch.float64), torch.randn(9, 1, dtype=torch.float64)
    shown = torch.zeros(9, 4, dtype=torch.bool)
    shown[:, visible] = True
    total, terms, kl = plain_loss(model, x, visible, noise, range(4))
    total.backward()
    plain = gradients(model)
    model.zero_grad(set_to_none=True)

    recipe = Recipe()
    fast = Step(model, recipe)(
        make_batch(x, torch.ones(9, 4, dtype=torch.bool), shown, noise, recipe)
    )
    fast.total.backward()

    assert float(fast.total) == pytest.approx(float(total), abs=1e-9)
    assert fast.per_modality.tolist() == pytest.approx([float(t) for t in terms], abs=1e-9)
    assert float(fast.kl) == pytest.approx(float(kl), abs=1e-9)
    mine = gradients(model)
    assert mine.keys() == plain.keys()
    for name, value in plain.items():
        assert torch.allclose(mine[name], value, atol=1e-9), name


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_rows_with_their_own_visible_sets_equal_a_pass_each(depth):
    model = small(depth)
    x = rows(12)
    g = torch.Generator().manual_seed(1)
    visible = torch.rand(12, 4, generator=g) < 0.5
    visible[~visible.any(1), 2] = True
    mean, log_variance = class_tokens(model, x, pack(visible))
    for i in range(12):
        one_mean, one_variance = plain_posterior(
            model, x[i : i + 1], visible[i].nonzero()[:, 0].tolist()
        )
        assert torch.allclose(mean[i], one_mean[0], atol=1e-5)
        assert torch.allclose(log_variance[i], one_variance[0], atol=1e-5)
    served = model.posterior(x, visible)
    assert torch.allclose(mean, served.mean, atol=1e-5)
    assert torch.allclose(log_variance, served.log_variance, atol=1e-5)


def test_hidden_modalities_never_leak_into_the_encoder():
    model, x = small(), rows(10)
    visible = draw_visible(
        torch.ones(10, 4, dtype=torch.bool),
        Recipe(visible="row"),
        0.0,
        0,
    )
    before = class_tokens(model, x, pack(visible))
    x[~visible] = float("nan")
    after = class_tokens(model, x, pack(visible))
    assert torch.equal(before[0], after[0]) and torch.equal(before[1], after[1])


def test_missing_targets_duplicates_and_species_equal_a_loop_over_rows():
    model, n = small(), 11
    x = rows(n)
    x[4, 1] = x[7, 1]
    g = torch.Generator().manual_seed(5)
    present = torch.rand(n, 4, generator=g) < 0.7
    present[:, 0] = True
    present[[4, 7], 1] = True
    species = torch.tensor([0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8])
    duplicates = torch.arange(n)[:, None].repeat(1, 4)
    duplicates[4, 1] = duplicates[7, 1]
    visible = draw_visible(present, Recipe(visible="row"), 0.0, 5)
    noise = torch.randn(n, 1)
    mean, log_variance = class_tokens(model, x, pack(visible))
    z = mean + torch.exp(log_variance / 2) * noise
    for negatives in ("all", "distinct", "species"):
        recipe = Recipe(negatives=negatives)
        batch = make_batch(
            x, present, visible, noise, recipe, duplicates=duplicates, species=species
        )
        terms = Step(model, recipe)(batch)
        expected = []
        for t in batch.targets:
            have = [i for i in range(n) if present[i, t]]
            decoded = F.normalize(model.decoders[t](z), dim=-1)
            losses = []
            for i in have:
                kept = [
                    j for j in have
                    if j == i or not (
                        (negatives != "all" and duplicates[i, t] == duplicates[j, t])
                        or (negatives == "species" and species[i] == species[j])
                    )
                ]  # fmt: skip
                logits = torch.stack([
                    model.negative_scale * torch.dist(decoded[i], x[j, t]) + model.negative_shift for j in kept
                ])  # fmt: skip
                losses.append(-logits.log_softmax(0)[kept.index(i)])
            expected.append(float(torch.stack(losses).mean()))
        assert terms.per_modality.tolist() == pytest.approx(expected, abs=1e-5)


def test_mixed_query_loss_equals_a_loop():
    model, n = small(), 6
    x, present = rows(n), torch.ones(n, 4, dtype=torch.bool)
    visible = torch.zeros(n, 4, dtype=torch.bool)
    visible[:3, 0] = True
    visible[3:, [1, 2]] = True
    recipe = Recipe(mixed=1.0, noise="none")
    step = Step(model, recipe)
    step.delta.data = torch.tensor([-1.0, 0.0, 1.0, 2.0])
    terms = step(make_batch(x, present, visible, None, recipe))
    mean, _ = class_tokens(model, x, pack(visible))
    losses = []
    for t in range(4):
        decoded = F.normalize(model.decoders[t](mean), dim=-1)
        delta = torch.sigmoid(step.delta[t])
        for i in range(n):
            if visible[i, t]:
                continue
            q = (1 - delta) * F.normalize(x[i][visible[i]].sum(0), dim=-1) + delta * decoded[i]
            losses.append(-(step.mixed_scale.exp() * x[:, t] @ q).log_softmax(0)[i])
    assert float(terms.mixed) == pytest.approx(float(torch.stack(losses).mean()), abs=1e-5)
    assert float(terms.total) == pytest.approx(
        float(terms.reconstruction + 1e-3 * terms.kl + terms.mixed), abs=1e-6)  # fmt: skip


def test_decoders_in_one_product_equal_each_alone_also_of_other_widths():
    model = small(m=3, input_dims=(8, 5, 8))
    z = torch.randn(6, 16)
    assert torch.allclose(
        decode_all(model, z, (0, 1, 2)).transpose(0, 1), model.decode(z), atol=1e-6
    )
    assert model.decode(z)[:, 1, 5:].abs().max() == 0


def test_gradient_of_every_setting_agrees_with_finite_differences():
    x, n = rows(5, dtype=torch.float64), 5
    present = torch.ones(n, 4, dtype=torch.bool)
    visible = torch.eye(4, dtype=torch.bool)[[0, 1, 2, 3, 0]]
    for change in (
        {},
        {"distance": "cosine"},
        {"mixed": 0.5},
        {"masked_only": True},
        {"kl": "printed"},
    ):
        recipe = Recipe(**change, lambda_kl=0.1)
        model = small().double()
        step = Step(model, recipe).double()
        noise = torch.randn(n, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        batch = make_batch(x, present, visible, noise, recipe)
        step(batch).total.backward()
        for name in (
            "encoder.0.attn.in_proj_weight",
            "decoders.2.net.1.weight",
            "cls_tokens",
            "negative_scale",
        ):
            p = dict(model.named_parameters())[name]
            at = p.grad.abs().flatten().argmax()
            flat, by = p.data.view(-1), 1e-5
            old = float(flat[at])
            flat[at] = old + by
            up = float(step(batch).total)
            flat[at] = old - by
            down = float(step(batch).total)
            flat[at] = old
            assert float(p.grad.flatten()[at]) == pytest.approx(
                (up - down) / (2 * by), rel=2e-2, abs=5e-4
            ), (change, name)


def test_kl_forms_and_limit():
    mean, log_variance = torch.randn(5, 3), torch.randn(5, 3)
    m, v = mean.double().numpy(), np.exp(log_variance.double().numpy())
    assert float(kl_of(mean, log_variance)) == pytest.approx(
        (-0.5 * (1 + np.log(v) - m**2 - v)).mean(), rel=1e-5
    )
    assert float(kl_of(mean, log_variance, "printed")) == pytest.approx(
        (-0.5 * (1 - m**2)).mean(), rel=1e-5
    )
    assert float(kl_of(mean, torch.full((5, 3), 20.0))) == 0


def test_stage_one_losses_equal_loops_in_float64():
    rng = np.random.default_rng(0)
    a, b, e = (rng.normal(size=(k, 6)) for k in (7, 7, 3))
    a, b, e = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (a, b, e))
    label, s = np.array([0, 0, 1, 2, 2, 2, 3]), 9.0
    lse = lambda v: np.log(np.exp(v).sum())  # noqa: E731
    logits = s * a @ b.T

    def supcon(L, mean):
        out = 0.0
        for i in range(7):
            same = np.flatnonzero(label == label[i])
            if mean:
                out -= np.mean([L[i, j] - lse(L[i]) for j in same])
            else:
                out -= sum(np.log(np.exp(L[i, j] - lse(L[i])) + 1e-6) for j in same)
        return out / 7

    ta, tb, te, tl, ts = (torch.tensor(v) for v in (a, b, e, label, s))
    for mean in (True, False):
        expected = (supcon(logits, mean) + supcon(logits.T, mean)) / 2
        assert float(symmetric_supcon(ta, tb, ts, tl, mean=mean)) == pytest.approx(
            expected, rel=1e-9
        )
    one = lambda L: -np.mean([L[i, i] - lse(L[i]) for i in range(7)])  # noqa: E731
    assert float(symmetric_infonce(ta, tb, ts)) == pytest.approx(
        (one(logits) + one(logits.T)) / 2, rel=1e-9
    )
    to_other = to_image = 0.0
    for i in range(7):
        keep = [j for j in range(7) if j == i or label[j] != label[i]]
        to_other -= logits[i, i] - lse(np.concatenate([logits[i, keep], s * e @ a[i]]))
        to_image -= logits[i, i] - lse(logits[keep, i])
    expected = (0.4 * to_other + 0.6 * to_image) / 7
    assert float(masked_infonce(ta, tb, ts, tl, te)) == pytest.approx(expected, rel=1e-9)


def test_drawn_sets_have_the_published_probabilities_and_only_what_is_present():
    present = torch.ones(4000, 6, dtype=torch.bool)
    present[:, 5] = False
    count = draw_visible(present, Recipe(visible="row"), 0.0, 0)
    assert not count[:, 5].any()
    share = (count.sum(1) == 1).float().mean()
    assert abs(float(share) - 0.9) < 0.02 and int(count.sum(1).max()) == 2
    ones = count[count.sum(1) == 1].float().mean(0)[:5]
    assert (ones - 0.2).abs().max() < 0.03
    for seed in range(20):
        whole = draw_visible(present[:8], Recipe(), 0.0, seed)
        assert (whole == whole[0]).all(), "the published recipe shows a whole batch the same"
    late = Recipe(visible="row", subset=1.0, subset_from=0.5)
    assert draw_visible(present, late, 0.4, 0).sum(1).max() == 2
    many = draw_visible(present, late, 0.6, 0).sum(1)
    assert many.max() == 5 and many.min() == 1
