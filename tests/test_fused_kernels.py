"""Each fused kernel beside torch's operations: values and gradients. By Triton's interpreter without a card."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

pytest.importorskip("triton", reason="Triton is not installed")

import interpreted  # noqa: E402, F401

from prom3e_index.training.fused import losses, operations, tokens  # noqa: E402
from prom3e_index.training.losses import distance_entropy, kl_of, symmetric_infonce  # noqa: E402

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def random(*shape, dtype=torch.float32, seed=0):
    g = torch.Generator().manual_seed(seed + sum(shape))
    return torch.randn(shape, generator=g).to(DEVICE, dtype)


def compared(mine, plain, *inputs, atol=2e-5):
    """Values and gradients of two functions of the same inputs, under the same made-up gradient of the output."""
    found = []
    for function in (mine, plain):
        given = [x.detach().clone().requires_grad_() for x in inputs]
        out = function(*given)
        many = out if isinstance(out, tuple) else (out,)
        pull = sum((o * random(*o.shape, seed=7)).sum() for o in many if o.requires_grad)
        pull.backward()
        found.append(([o.detach() for o in many], [x.grad for x in given]))
    for a, b in zip(*found, strict=True):
        for one, two in zip(a, b, strict=True):
            assert (one is None) == (two is None)
            if one is not None:
                assert one.shape == two.shape and one.dtype == two.dtype
                assert torch.allclose(
                    one, two, rtol=1e-4, atol=atol * max(1, float(two.abs().max()))
                )


@pytest.mark.parametrize("n", [1, 2, 33, 300])
@pytest.mark.parametrize("width", [5, 16, 70])
def test_sums_over_rows_are_those_of_double_precision(n, width):
    x = random(3, n, width)
    for given in (x, x.transpose(0, 1).contiguous().transpose(0, 1), x.bfloat16()):
        expected = given.double().sum(1).float()
        assert torch.allclose(operations.column_sums(given), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    "k, n, d, h, b", [(1, 1, 7, 9, 4), (2, 40, 12, 24, 16), (3, 65, 33, 70, 40)]
)
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("biased", [False, True])
def test_feed_forward_parts(k, n, d, h, b, shared, biased):
    def plain(x, gain, offset, first, first_bias, second, second_bias):
        rows = x.expand(k, -1, -1) if shared else x
        rows = F.layer_norm(rows, (d,)) * gain[:, None] + offset[:, None]
        hidden = F.gelu(rows @ first.transpose(1, 2) + first_bias[:, None])
        out = hidden @ second.transpose(1, 2)
        return out + second_bias[:, None] if biased else out + 0 * second_bias[:, None]

    def mine(x, gain, offset, first, first_bias, second, second_bias):
        given = [gain, offset, first, first_bias, second, second_bias if biased else None]
        out = operations.feedforward(x, given, 1e-5, torch.float32)
        return out if biased else out + 0 * second_bias[:, None]

    x = random(n, d) if shared else random(k, n, d)
    more = (
        random(k, d),
        random(k, d, seed=1),
        random(k, h, d),
        random(k, h),
        random(k, b, h),
        random(k, b),
    )
    compared(mine, plain, x, *more)


def test_feed_forward_parts_of_rows_that_lie_across():
    x = random(40, 3, 12).transpose(0, 1)
    given = [random(3, 12), random(3, 12, seed=1), random(3, 8, 12), random(3, 8), random(3, 6, 8), random(3, 6)]  # fmt: skip
    one, two = (operations.feedforward(v, given, 1e-5, torch.float32) for v in (x, x.contiguous()))
    assert torch.equal(one, two)


@pytest.mark.parametrize("asking", [1, 2, 3])
@pytest.mark.parametrize("n, z", [(1, 6), (37, 20), (70, 16)])
def test_the_norm_of_a_sum(asking, n, z):
    """One residual a row, or class tokens for all rows, of which a third layer takes the first again."""
    own = asking == 1

    def plain(x, bias, residual, gain, offset):
        each = residual if own else residual[[0, 1, 0][:asking], None]
        return F.layer_norm(x + bias + each, (z,), gain, offset)

    def mine(x, bias, residual, gain, offset):
        return operations.sum_norm(x, bias, residual, gain, offset, 1e-5)

    residual = random(1, n, z) if own else random(2, z)
    across = random(n, asking, z, seed=3).transpose(0, 1)
    for x in (random(asking, n, z), across):
        compared(mine, plain, x, random(z), residual, random(z, seed=1), random(z, seed=2))


@pytest.mark.parametrize("k, n, d", [(1, 1, 3), (2, 35, 16), (6, 9, 50)])
def test_unit_rows(k, n, d):
    compared(
        operations.unit_rows, lambda x, b: F.normalize(x + b[:, None], dim=-1), random(k, n, d), random(k, d)
    )  # fmt: skip
    zero = operations.unit_rows(
        torch.zeros(1, 2, 4, device=DEVICE), torch.zeros(1, 4, device=DEVICE)
    )
    assert not zero.any()


def test_rows_and_gradients_that_do_not_lie_side_by_side():
    """Turned inputs, and the gradient of a sum, which is one number for all."""
    k, n, d, b = 2, 9, 5, 6

    def turned(x):
        return x.transpose(-1, -2).contiguous().transpose(-1, -2)

    def summed(mine, plain, *inputs):
        compared(lambda *x: mine(*x).sum()[None], lambda *x: plain(*x).sum()[None], *inputs)

    gain, offset, bias = random(k, d), random(k, d, seed=1), random(k, b)
    first, second = random(k, 7, d), random(k, b, 7)

    def parts(x, *weights):
        return operations.feedforward(turned(x), weights, 1e-5, torch.float32)

    def plain_parts(x, gain, offset, first, first_bias, second, bias):
        x = F.layer_norm(x, (d,)) * gain[:, None] + offset[:, None]
        hidden = F.gelu(x @ first.transpose(1, 2) + first_bias[:, None])
        return hidden @ second.transpose(1, 2) + bias[:, None]

    summed(parts, plain_parts, random(k, n, d), gain, offset, first, random(k, 7), second, bias)
    summed(
        lambda x, bias, r, *of: operations.sum_norm(turned(x), bias, turned(r), *of, 1e-5),
        lambda x, bias, r, *of: F.layer_norm(x + bias + r, (d,), *of),
        random(1, n, d), random(d), random(1, n, d, seed=4), random(d, seed=1), random(d, seed=2),
    )  # fmt: skip
    summed(
        lambda x, bias: operations.unit_rows(turned(x), bias),
        lambda x, bias: F.normalize(x + bias[:, None], dim=-1),
        random(k, n, d), random(k, d),
    )  # fmt: skip
    noise = random(n, d)
    summed(
        lambda x: tokens.posterior(x.transpose(0, 1), turned(noise), "code")[1],
        lambda x: F.normalize(x[0], dim=-1) + torch.exp(x[1] / 2) * noise,
        random(2, n, d),
    )


@pytest.mark.parametrize("t, n, width", [(1, 2, 2), (2, 17, 17), (3, 8, 24)])
@pytest.mark.parametrize("removed", [None, "each", "all"])
def test_the_entropy_of_distances(t, n, width, removed):
    b = F.normalize(random(t, width, 10), dim=-1)
    own = torch.arange(width - n, width, device=DEVICE)
    out = None
    if removed:
        out = random(1 if removed == "all" else t, n, width) > 0.3
        out &= torch.arange(width, device=DEVICE)[None, :] != own[:, None]

    def of(function):
        def value(a, scale):
            return function(F.normalize(a, dim=-1), b, scale, own, out)

        return value

    compared(
        of(losses.entropy),
        of(distance_entropy),
        random(t, n, 10, seed=5),
        torch.tensor([-3.0], device=DEVICE),
    )


def test_equal_rows_have_no_gradient_of_their_distance():
    b = F.normalize(random(1, 4, 6), dim=-1)
    b[0, 0] = torch.eye(6, device=DEVICE)[0]
    a, scale = b.clone().requires_grad_(), torch.tensor(-2.0, device=DEVICE, requires_grad=True)
    losses.entropy(a, b, scale, torch.arange(4, device=DEVICE), None).sum().backward()
    assert a.grad.isfinite().all() and float(a.grad[0, 0].abs().max()) < 10


@pytest.mark.parametrize("n", [1, 2, 30])
@pytest.mark.parametrize("scale", [0.5, 2.5, 5.0])  # e⁵ is above the limit of 100
def test_the_contrast_of_both_ways(n, scale):
    def plain(a, b, s):
        return symmetric_infonce(a, b, s.exp().clamp(max=100))

    a, b = (F.normalize(random(n, 8, seed=i), dim=-1) for i in (0, 1))
    compared(losses.contrast, plain, a, b, torch.tensor(scale, device=DEVICE), atol=1e-4)


def test_a_contrast_that_is_settled_is_as_exact_as_it_is_small():
    """Each row is nearest to its own: what is left of the loss is far below the logits' rounding."""
    a, b = (
        F.normalize(random(64, 40, seed=3) + 0.5 * random(64, 40, seed=i), dim=-1) for i in (0, 1)
    )
    scale = torch.tensor(3.5, device=DEVICE, requires_grad=True)
    losses.contrast(a, b, scale).backward()
    exact = scale.detach().double().requires_grad_()
    value = symmetric_infonce(a.double(), b.double(), exact.exp())
    value.backward()
    assert 0 < float(value.detach()) < 1e-4
    assert float(scale.grad) == pytest.approx(float(exact.grad), abs=2e-6)


@pytest.mark.parametrize("asking", [2, 3])
@pytest.mark.parametrize("noise", [None, "scalar", "dimension"])
@pytest.mark.parametrize("form", ["code", "printed"])
def test_the_posterior(asking, noise, form):
    drawn = None if noise is None else random(9, 1 if noise == "scalar" else 12)

    def plain(x):
        mean, log = F.normalize(x[:, 0], dim=-1), x[:, 1]
        latent = mean if drawn is None else mean + torch.exp(log / 2) * drawn
        rest = F.normalize(x[:, 2], dim=-1) if asking > 2 else mean
        return mean + 0, latent + 0, rest + 0, kl_of(mean, log, form)

    def mine(x):
        mean, latent, rest, value = tokens.posterior(x, drawn, form)
        return mean + 0, latent + 0, (mean if rest is None else rest) + 0, value

    compared(mine, plain, random(9, asking, 12))


@pytest.mark.parametrize("large, left_out", [(20.0, True), (float("nan"), False)])
def test_a_divergence_that_is_left_out_has_no_gradient_and_one_that_is_none_is_seen(
    large, left_out
):
    x = random(3, 2, 8)
    x[1, 1, 2] = large
    x.requires_grad_()
    value = tokens.posterior(x, None, "code")[3]
    value.backward()
    assert (float(value.detach()) == 0) == left_out and bool(value.isnan()) != left_out
    assert (not x.grad.any()) == left_out
