"""The parts of a training step, each with its gradient, in kernels of our own and products of the library.

Products are made in the precision asked for, all else in single precision. Gradients of weights are made in single
precision by the products themselves where the device can. Rows are (k, n, d): k layers, one a modality.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from prom3e_index.training.fused.kernels import columns
from prom3e_index.training.fused.kernels import rows as rows_of
from prom3e_index.training.fused.launch import block, on, parts, warps

_ROWS, _COLUMNS = 32, 64


def _in_rows(x: Tensor) -> Tensor:
    """What kernels read: numbers of a row lie side by side. A copy only where they do not."""
    return x if x.stride(-1) == 1 else x.contiguous()


def column_sums(x: Tensor) -> Tensor:
    """Σ over n of (k, n, c), (k, c) float32."""
    x = _in_rows(x)
    k, n, c = x.shape
    grid = (-(-c // _COLUMNS), k, parts(-(-c // _COLUMNS) * k, n, _ROWS))
    out = torch.empty(grid[2], k, c, device=x.device)
    with on(x):
        columns.column_sums[grid](
            x, out, n, c, k, x.stride(0), x.stride(1), ROWS=_ROWS, COLUMNS=_COLUMNS
        )
    return out.sum(0) if len(out) > 1 else out[0]


def of_weights(g: Tensor, x: Tensor) -> Tensor:
    """(k, n, b) and (k, n, a) to (k, b, a) float32."""
    across = g.transpose(1, 2)
    if g.dtype == torch.float32:
        return torch.bmm(across, x)
    if g.is_cuda:
        return torch.bmm(across, x, out_dtype=torch.float32)
    return torch.bmm(across.float(), x.float())


class Norm:
    """A layer norm of x + bias + residual, (k, n, d) each or broadcast to it by strides of 0; what its gradient needs.

    What the norm gives is not kept: a node that keeps what it gives is not freed.
    """

    def __init__(
        self, x: Tensor, bias: Tensor | None, residual: Tensor | None, gain: Tensor
    ) -> None:
        self.x, self.bias, self.gain = _in_rows(x), bias, gain
        self.residual = None if residual is None else _in_rows(residual)
        self.mean, self.spread = (torch.empty(x.shape[:2], device=x.device) for _ in range(2))

    def made(self, offset: Tensor, eps: float, dtype: torch.dtype) -> Tensor:
        """The norm, (k, n, d), in memory as x is."""
        x, bias, residual, gain = self.x, self.bias, self.residual, self.gain
        k, n, d = x.shape
        across = x.stride(0) < x.stride(1) and k > 1 and x.stride(0) > 0
        out = _like(k, n, d, across, x.device, dtype)
        with on(x):
            rows_of.norm_forward[(k * n,)](
                x, x if bias is None else bias, x if residual is None else residual, gain, offset,
                out, self.mean, self.spread, n, d, eps, *self._strides(), gain.stride(0),
                out.stride(0), out.stride(1),
                BIAS=bias is not None, RESIDUAL=residual is not None, BLOCK=block(d),
                num_warps=warps(d),
            )  # fmt: skip
        return out

    def _strides(self) -> tuple[int, ...]:
        residual = (0, 0) if self.residual is None else self.residual.stride()[:2]
        bias = 0 if self.bias is None else self.bias.stride(0)
        return (*self.x.stride()[:2], bias, *residual)

    def of_sum(self, g: Tensor, two: torch.dtype | None = None) -> tuple[Tensor, Tensor]:
        """The gradient of what is normed, (k, n, d) float32 and in another precision; (1, n, d) of a shared x."""
        k, n, d = g.shape
        layers = k if self.x.stride(0) == 0 else 1
        across = g.stride(0) < g.stride(1) and k > 1
        out = _like(k // layers, n, d, across and layers == 1, g.device, torch.float32)
        other = out if two in (None, torch.float32) else torch.empty_like(out, dtype=two)
        with on(g):
            rows_of.norm_backward[(k // layers * n,)](
                g, self.x, self.x if self.bias is None else self.bias,
                self.x if self.residual is None else self.residual, self.gain, self.mean, self.spread,
                out, other, n, d, layers, *g.stride()[:2], *self._strides(), self.gain.stride(0),
                out.stride(0), out.stride(1),
                BIAS=self.bias is not None, RESIDUAL=self.residual is not None,
                TWO=other is not out, BLOCK=block(d), num_warps=warps(d),
            )  # fmt: skip
        return out, other

    def of_affine(self, g: Tensor, *, shared: bool = False) -> tuple[Tensor, Tensor]:
        """Gradients of gain and offset, (k, d) each; (d,) where all layers share them."""
        k, n, d = g.shape
        grid = (-(-d // _COLUMNS), k, parts(-(-d // _COLUMNS) * k, n, _ROWS))
        out = torch.empty(2, grid[2], k, d, device=g.device)
        with on(g):
            columns.norm_columns[grid](
                g, self.x, self.x if self.bias is None else self.bias,
                self.x if self.residual is None else self.residual, self.mean, self.spread,
                out[0], out[1], n, d, k, *g.stride()[:2], *self._strides(), self.mean.stride(0),
                BIAS=self.bias is not None, RESIDUAL=self.residual is not None,
                ROWS=_ROWS, COLUMNS=_COLUMNS,
            )  # fmt: skip
        gain, offset = out.sum((1, 2) if shared else 1)
        return gain, offset


def _like(k: int, n: int, d: int, across: bool, device: torch.device, dtype: torch.dtype) -> Tensor:
    if across:
        return torch.empty(n, k, d, device=device, dtype=dtype).transpose(0, 1)
    return torch.empty(k, n, d, device=device, dtype=dtype)


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        rounded = weight.to(x.dtype)
        ctx.save_for_backward(x, rounded)
        return torch.bmm(x, rounded.transpose(1, 2))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (x, weight), g = ctx.saved_tensors, gradients[0]
        of_x = torch.bmm(g, weight) if ctx.needs_input_grad[0] else None
        return of_x, of_weights(g, x)


def product(x: Tensor, weight: Tensor) -> Tensor:
    """(k, n, a) and (k, b, a) to (k, n, b), in the precision of x; weights in single precision."""
    out: Tensor = _Product.apply(x, weight)
    return out


class _Feedforward(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, gain: Tensor, offset: Tensor, first: Tensor, first_bias: Tensor,
        second: Tensor, second_bias: Tensor | None, eps: float, dtype: torch.dtype,
    ) -> Tensor:  # fmt: skip
        k = len(gain)
        norm = Norm(x if x.ndim == 3 else x.expand(k, -1, -1), None, None, gain)
        plain = norm.made(offset, eps, dtype)
        first, second = first.to(dtype), second.to(dtype)
        inner = torch.bmm(plain, first.transpose(1, 2))
        hidden = torch.empty_like(inner)
        _, n, c = inner.shape
        with on(x):
            columns.gelu_forward[(-(-c // 256), k, -(-n // 8))](
                inner, first_bias, hidden, n, c, first_bias.stride(0), ROWS=8, COLUMNS=256
            )
        ctx.norm, ctx.flat, ctx.biased = norm, x.ndim == 2, second_bias is not None
        ctx.save_for_backward(plain, first, first_bias, second, inner, hidden)
        if second_bias is None:
            return torch.bmm(hidden, second.transpose(1, 2))
        return torch.baddbmm(second_bias.to(dtype)[:, None], hidden, second.transpose(1, 2))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (plain, first, first_bias, second, inner, hidden), g = ctx.saved_tensors, gradients[0]
        k, n, c = hidden.shape
        of_second, up = of_weights(g, hidden), torch.bmm(g, second)
        grid = (-(-c // _COLUMNS), k, parts(-(-c // _COLUMNS) * k, n, _ROWS))
        part = torch.empty(grid[2], k, c, device=g.device)
        with on(g):
            columns.gelu_backward[grid](
                up, inner, first_bias, up, part, n, c, k, first_bias.stride(0),
                ROWS=_ROWS, COLUMNS=_COLUMNS,
            )  # fmt: skip
        of_first, down = of_weights(up, plain), torch.bmm(up, first)
        of_gain, of_offset = ctx.norm.of_affine(down)
        of_x = None
        if ctx.needs_input_grad[0]:
            of_x, _ = ctx.norm.of_sum(down)
            of_x = of_x[0] if ctx.flat else of_x
        of_bias = column_sums(g) if ctx.biased else None
        of_first_bias = part.sum(0)
        return of_x, of_gain, of_offset, of_first, of_first_bias, of_second, of_bias, None, None


def feedforward(
    x: Tensor, weights: Sequence[Tensor | None], eps: float, dtype: torch.dtype
) -> Tensor:
    """Some feed-forward parts: layer norm, product, GELU, product.

    Args:
        x: (k, n, d) float32, or (n, d) for all.
        weights: Gain and offset of the layer norm, (k, d) each; weights (k, h, d) and bias (k, h) of the first product;
            weights (k, b, h) and bias (k, b) of the second, None where it is added later.
        eps: Of the layer norm.
        dtype: Of products, and of what is given.

    Returns:
        (k, n, b).
    """
    out: Tensor = _Feedforward.apply(x, *weights, eps, dtype)
    return out


class _SumNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, bias: Tensor, residual: Tensor, gain: Tensor, offset: Tensor, eps: float
    ) -> Tensor:  # fmt: skip
        k, n, _ = x.shape
        # (2, z) is one for all rows; a third layer takes the first again
        each = residual if residual.ndim == 3 else residual[:, None].expand(-1, n, -1)
        shared = (v.expand(k, -1) for v in (bias, gain, offset))
        bias_of, gain_of, offset_of = shared
        norm = Norm(x, bias_of, each, gain_of)
        ctx.norm, ctx.own, ctx.dtype = norm, residual.ndim == 3, x.dtype
        return norm.made(offset_of, eps, torch.float32)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        g = _in_rows(gradients[0])
        of_sum, of_x = ctx.norm.of_sum(g, ctx.dtype)
        of_gain, of_offset = ctx.norm.of_affine(g, shared=True)
        summed = column_sums(of_sum)
        if ctx.own:
            return of_x, summed[0], of_sum, of_gain, of_offset, None
        of_bias, of_residual = summed.sum(0), summed[:2]
        if len(summed) > 2:
            of_residual[0] += summed[2]
        return of_x, of_bias, of_residual, of_gain, of_offset, None


def sum_norm(
    x: Tensor, bias: Tensor, residual: Tensor, gain: Tensor, offset: Tensor, eps: float
) -> Tensor:
    """The layer norm of x + bias + residual, float32: what follows a part of a post-norm block.

    Args:
        x: (k, n, z).
        bias: (z,).
        residual: (1, n, z); or (2, z) for all rows, of the first two layers and of a third, which takes the first.
        gain: (z,).
        offset: (z,).
        eps: Of the norm.
    """
    out: Tensor = _SumNorm.apply(x, bias, residual, gain, offset, eps)
    return out


class _Unit(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, bias: Tensor) -> Tensor:
        k, n, d = x.shape
        out = torch.empty(k, n, d, device=x.device)
        length = torch.empty(k, n, device=x.device)
        with on(x):
            rows_of.unit_forward[(k * n,)](
                x, bias, out, length, n, d, bias.stride(0), BIAS=True, BLOCK=block(d), num_warps=warps(d)
            )  # fmt: skip
        ctx.save_for_backward(out, length)
        ctx.dtype = x.dtype
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (out, length), g = ctx.saved_tensors, gradients[0].contiguous()
        k, n, d = g.shape
        of_x = torch.empty_like(out, dtype=ctx.dtype)
        with on(g):
            rows_of.unit_backward[(k * n,)](
                g, out, length, of_x, d, BLOCK=block(d), num_warps=warps(d)
            )
        return of_x, column_sums(of_x)


def unit_rows(x: Tensor, bias: Tensor) -> Tensor:
    """(x + bias) / ‖x + bias‖₂ of (k, n, d) and (k, d), float32; see `mvae.unit`."""
    out: Tensor = _Unit.apply(x.contiguous(), bias)
    return out
