"""The losses of a training step, each with its gradient, by few passes over the scores. See `training/losses.py`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from prom3e_index.training.fused.kernels import rows as rows_of
from prom3e_index.training.fused.launch import block, on, warps

LEAST_SQUARE = 1e-12
"""Squares of distances below count as this, as in `distance_entropy`."""


class _Entropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, a: Tensor, b: Tensor, scale: Tensor, own: Tensor, removed: Tensor | None
    ) -> Tensor:
        product = torch.bmm(a, b.transpose(1, 2))
        t, n, width = product.shape
        value, log_sum = (torch.empty(t, n, device=a.device) for _ in range(2))
        given, strides = _removed(removed, product)
        with on(a):
            rows_of.entropy_forward[(t * n,)](
                product, scale, own, given, value, log_sum, n, width, LEAST_SQUARE, *strides,
                REMOVED=removed is not None, BLOCK=block(width), num_warps=warps(width),
            )  # fmt: skip
        ctx.save_for_backward(b, scale, own, product, log_sum, given)
        ctx.removed, ctx.strides = removed is not None, strides
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (b, scale, own, product, log_sum, given), g = ctx.saved_tensors, gradients[0]
        t, n, width = product.shape
        along, of_scale = torch.empty_like(product), torch.empty_like(log_sum)
        with on(g):
            rows_of.entropy_backward[(t * n,)](
                g, product, scale, own, given, log_sum, along, of_scale, n, width, LEAST_SQUARE,
                *ctx.strides, *g.stride(),
                REMOVED=ctx.removed, BLOCK=block(width), num_warps=warps(width),
            )  # fmt: skip
        return torch.bmm(along, b), None, of_scale.sum().view(scale.shape), None, None


def _removed(removed: Tensor | None, product: Tensor) -> tuple[Tensor, tuple[int, int]]:
    """Pairs that do not count as bytes, with strides; anything where all do."""
    if removed is None:
        return product, (0, 0)
    plain = removed.expand(-1, *product.shape[1:])
    if plain.stride(2) != 1:
        plain = plain.contiguous()
    return plain.view(torch.uint8), (0 if len(plain) == 1 else plain.stride(0), plain.stride(1))


def entropy(
    decoded: Tensor, target: Tensor, scale: Tensor, own: Tensor, removed: Tensor | None
) -> Tensor:
    """What `losses.distance_entropy` gives of (t, n, d) and (t, N, d), N at most `launch.WIDEST`."""
    out: Tensor = _Entropy.apply(decoded, target, scale, own, removed)
    return out


class _Contrast(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, scale: Tensor) -> Tensor:
        n = len(a)
        products = torch.empty(2, n, n, device=a.device)
        torch.mm(a, b.T, out=products[0])
        torch.mm(b, a.T, out=products[1])
        value, truth = (torch.empty(2, n, device=a.device) for _ in range(2))
        with on(a):
            rows_of.contrast_forward[(2 * n,)](
                products, scale, value, truth, n, BLOCK=block(n), num_warps=warps(n)
            )
        ctx.save_for_backward(a, b, scale, products, value, truth)
        return value.mean()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        a, b, scale, products, value, truth = ctx.saved_tensors
        n = len(a)
        along, of_scale = torch.empty_like(products[0]), torch.empty_like(value[0])
        with on(a):
            rows_of.contrast_backward[(n,)](
                gradients[0], products, scale, value, truth, along, of_scale, n,
                BLOCK=block(n), num_warps=warps(n),
            )  # fmt: skip
        return along @ b, along.T @ a, of_scale.sum().view(scale.shape)


def contrast(a: Tensor, b: Tensor, scale: Tensor) -> Tensor:
    """Symmetric InfoNCE of (n, d) each, n at most `launch.WIDEST`, at the scale e^`scale`, 100 at most."""
    out: Tensor = _Contrast.apply(a, b, scale)
    return out


class _Joined(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, prior: Tensor, value: Tensor, contrasted: Tensor, shift: Tensor, kl: float, weight: float
    ) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        ctx.weights, ctx.shape = (kl, weight), value.shape
        ctx.save_for_backward(shift)
        each = value.mean(1)
        reconstruction = each.mean()
        total = torch.add(reconstruction, prior, alpha=kl)
        if weight:
            total.add_(contrasted, alpha=weight)
        ctx.mark_non_differentiable(reconstruction, each)
        return total, reconstruction, each

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (kl, weight), g = ctx.weights, gradients[0]
        of_value = (g / ctx.shape.numel()).expand(ctx.shape)
        of_contrast = g * weight if weight and ctx.needs_input_grad[2] else None
        return g * kl, of_value, of_contrast, torch.zeros_like(ctx.saved_tensors[0]), None, None


def joined(
    prior: Tensor, value: Tensor, contrasted: Tensor, shift: Tensor, kl: float, weight: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The mean of (t, n) cross-entropies, with the KL term and the contrast at their weights.

    Returns:
        The loss, its reconstruction, and that of each target, (t,); gradients flow through the first. β takes part
        with its gradient, which is 0.
    """
    total, reconstruction, each = _Joined.apply(prior, value, contrasted, shift, kl, weight)
    return total, reconstruction, each
