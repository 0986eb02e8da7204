"""Losses and products whose gradients are written out have the values and gradients of the plain operations."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from prom3e_index.mvae.dense_tokens import _Affine, _Product
from prom3e_index.mvae.network import MVAE, MVAEConfig
from prom3e_index.mvae.stacks import Stacks, stackable, stacked
from prom3e_index.mvae.unit import unit
from prom3e_index.training.losses import KL_LIMIT, distance_entropy, kl_of


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def compare(one, other, *inputs: torch.Tensor) -> None:
    """Values, and gradients of a weighted sum, of two functions of the same tensors."""
    found = []
    for function in (one, other):
        given = [x.clone().requires_grad_(x.is_floating_point()) for x in inputs]
        out = function(*given)
        (
            out * torch.linspace(0.3, 1.7, out.numel(), dtype=out.dtype).view(out.shape)
        ).sum().backward()
        found.append([out.detach(), *(x.grad for x in given if x.is_floating_point())])
    for a, b in zip(*found, strict=True):
        assert torch.allclose(a, b, atol=1e-10, rtol=1e-8)


@pytest.mark.parametrize("shape", [(0, 4), (1, 1), (3, 5), (2, 3, 4)])
def test_unit_rows(shape):
    compare(unit, lambda x: F.normalize(x, dim=-1), random(*shape))
    x = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
    unit(x).sum().backward()
    assert not unit(x).any() and x.grad is not None and bool(x.grad.isfinite().all())


@pytest.mark.parametrize("n, k", [(1, 1), (1, 3), (4, 4), (4, 6)])
@pytest.mark.parametrize("some_removed", [False, True])
def test_entropy_of_distances(n, k, some_removed):
    target = F.normalize(random(3, k, 5, seed=1), dim=-1)
    own = torch.arange(n) + (k - n)
    removed = (random(3, n, k, seed=2) > 0.5) if some_removed else None
    if removed is not None:
        removed[:, torch.arange(n), own] = False

    def plain(x, scale):
        logits = scale * torch.cdist(F.normalize(x, dim=-1), target)
        if removed is not None:
            logits = logits.masked_fill(removed, float("-inf"))
        return F.cross_entropy(
            logits.flatten(0, 1), own.repeat(3), reduction="none"
        ).view(3, n)  # fmt: skip

    compare(
        lambda x, scale: distance_entropy(F.normalize(x, dim=-1), target, scale, own, removed),
        plain, random(3, n, 5), torch.tensor(-5.0, dtype=torch.float64),
    )  # fmt: skip


def test_more_scores_than_one_inner_product_takes_are_the_same(monkeypatch):
    target = F.normalize(random(3, 4, 5, seed=1), dim=-1)

    def of(most):
        monkeypatch.setattr("prom3e_index.training.losses._DOT", most)
        return lambda x, scale: distance_entropy(F.normalize(x, dim=-1), target, scale, torch.arange(4))  # fmt: skip

    given = random(3, 4, 5), torch.tensor(-5.0, dtype=torch.float64)
    found = []
    for most in (2**31 - 1, 5):  # 48 scores
        x, scale = (t.clone().requires_grad_() for t in given)
        of(most)(x, scale).sum().backward()
        found.append((x.grad, scale.grad))
    assert torch.equal(found[0][0], found[1][0]) and found[0][1] != 0
    assert float(found[1][1]) == pytest.approx(float(found[0][1]), rel=1e-12)


def test_rows_that_are_equal_part_in_no_direction_and_a_target_has_no_gradient():
    target = F.normalize(random(2, 4), dim=-1)
    decoded = target.clone().requires_grad_()
    distance_entropy(
        decoded, target, torch.tensor(-5.0, dtype=torch.float64), torch.arange(2)
    ).sum().backward()
    share = 1 / (1 + torch.exp(-5 * torch.dist(target[0], target[1])))
    apart = (target[0] - target[1]) / torch.dist(target[0], target[1])
    # only the other row pulls: weight 1 - share of it, slope α
    along = decoded.grad[0] - (decoded.grad[0] @ target[0]) * target[0]
    wanted = -5.0 * (1 - share) * (apart - (apart @ target[0]) * target[0])
    assert torch.allclose(along, wanted, atol=1e-9)
    with pytest.raises(ValueError, match="no gradient|not made"):
        distance_entropy(decoded, target.requires_grad_(), torch.tensor(-5.0), torch.arange(2))


@pytest.mark.parametrize("form", ["code", "printed"])
def test_divergence(form):
    def plain(mean, log_variance):
        variance = log_variance.exp()
        first = log_variance if form == "code" else variance
        return (-0.5 * (1 + first - mean**2 - variance)).mean()

    compare(lambda m, v: kl_of(m, v, form), plain, random(4, 3), random(4, 3, seed=1))
    mean = torch.full((2, 2), (2.1 * KL_LIMIT) ** 0.5, requires_grad=True)
    value = kl_of(mean, torch.zeros(2, 2), form)
    value.backward()
    assert float(value.detach()) == 0 and not mean.grad.any()
    for given in ((torch.nan, 0.0), (0.0, torch.nan)):  # left out, it would not be seen
        assert bool(kl_of(*(torch.full((2, 2), v) for v in given), form).isnan())


@pytest.mark.parametrize("shared", [True, False])
def test_products_and_affine_parts_of_several_modalities(shared):
    plain = random(4, 5) if shared else random(3, 4, 5)
    compare(
        lambda p, g, o: _Affine.apply(p, g, o, torch.float64),
        lambda p, g, o: torch.stack([(p if shared else p[i]) * g[i] + o[i] for i in range(3)]),
        plain, random(3, 5, seed=1), random(3, 5, seed=2),
    )  # fmt: skip
    compare(
        _Product.apply,
        lambda x, w, b: torch.stack([F.linear(x[i], w[i], b[i]) for i in range(3)]),
        random(3, 4, 5), random(3, 2, 5, seed=1), random(3, 2, seed=2),
    )  # fmt: skip


def test_a_gradient_of_stacked_weights_lies_as_the_weights_do():
    x, weight = random(3, 4, 5), random(3, 2, 5).requires_grad_()
    _Product.apply(x, weight, random(3, 2)).sum().backward()
    assert weight.grad is not None and weight.grad.stride() == weight.stride()


def test_stacked_weights_are_the_parameters_themselves():
    config = MVAEConfig(input_dim=6, embed_dim=8, heads=2, mlp_dim=12, num_register_tokens=1)
    torch.manual_seed(0)
    model = MVAE(config)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    one = Stacks(model)
    assert stackable(model)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    weights = [p.net[1].weight for p in model.projectors]
    stack = one(weights)
    assert torch.equal(stack, torch.stack(weights)) and one(weights) is stack
    with torch.no_grad():
        weights[2] += 1
    assert torch.equal(stack[2], weights[2])
    some = one([weights[4], weights[1]])
    assert torch.equal(some, torch.stack([weights[4], weights[1]]))

    (some * torch.arange(2.0)[:, None, None]).sum().backward()
    one.hand_out([1, 4])
    assert torch.equal(weights[1].grad, torch.ones_like(weights[1]))
    assert not weights[4].grad.any() and weights[0].grad is None
    assert model.decoders[1].net[1].weight.grad is None  # nothing reached that stack
    one.forget()
    one.hand_out([1, 4])
    assert all(w.grad is None for w in weights)

    narrow = MVAE(MVAEConfig(input_dim=6, embed_dim=8, heads=2, input_dims=(6, 6, 3, 6, 6, 6)))
    assert not stackable(narrow)
    wide = stacked([p.net[1].weight for p in narrow.projectors])
    short = narrow.projectors[2].net[1].weight
    assert torch.equal(wide[2, : short.shape[0], :3], short) and not wide[2, :, 3:].any()
