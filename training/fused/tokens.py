"""The class tokens of a training step, each part with its gradient. See `operations.py`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from prom3e_index.training.fused.kernels import tokens as kernels
from prom3e_index.training.fused.launch import block, on, warps
from prom3e_index.training.fused.operations import column_sums, of_weights
from prom3e_index.training.losses import KL_LIMIT, MOST_LOG_VARIANCE


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, tokens: Tensor, weight: Tensor, bias: Tensor, first: Tensor, others: Tensor,
        seen: Tensor | None, asking: int, heads: int,
    ) -> Tensor:  # fmt: skip
        k, n, z = tokens.shape
        (wq, wk, wv), (bq, bk, bv) = weight.chunk(3), bias.chunk(3)
        fixed, scale = torch.cat([first, others]), (z // heads) ** -0.5
        query = torch.addmm(bq, first, wq.T, beta=scale, alpha=scale)
        query = query.view(2, heads, -1).transpose(0, 1)
        asks = torch.bmm(query, wk.view(heads, -1, z)).view(2 * heads, z)
        always = torch.bmm(query, bk.view(heads, -1, 1)).view(2 * heads)
        both_weights = weight.new_empty(z + 2 * heads, z, dtype=tokens.dtype)
        both_weights[:z], both_weights[z:] = wv, asks
        both_bias = torch.cat([bv, always]).to(tokens.dtype)
        both = torch.addmm(both_bias, tokens.reshape(k * n, z), both_weights.T)
        own, of_own = torch.addmm(bv, fixed, wv.T), torch.addmm(always, fixed, asks.T)
        given = both if seen is None else seen.contiguous().view(torch.uint8)
        step = both.stride(0)
        ctx.sizes = (n, k, z, z // heads, heads, n * step, step, n * k)
        ctx.shape = {
            "FIXED": len(fixed), "ASK": asking, "MASK": seen is not None,
            "T": block(len(fixed) + k), "D": block(z // heads), "num_warps": 1,
        }  # fmt: skip
        out = both.new_empty(n, asking, z)
        with on(both):
            kernels.heed_forward[(n, heads)](both, own, of_own, given, out, *ctx.sizes, **ctx.shape)
        ctx.scale, ctx.heads, ctx.shapes = scale, heads, (tokens.shape, asking)
        ctx.save_for_backward(
            tokens, weight, bias, fixed, query, asks, both_weights, both, own, of_own, given
        )
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        tokens, weight, bias, fixed, query, asks, both_weights, both, own, of_own, given = (
            ctx.saved_tensors
        )
        g, heads, ((k, n, z), asking) = gradients[0].contiguous(), ctx.heads, ctx.shapes
        f = len(fixed)
        of_both, of_scores = torch.empty_like(both), own.new_empty(n, f, 2 * heads)
        shares = g.new_empty(heads, f, n * asking)
        with on(g):
            kernels.heed_backward[(n, heads)](
                g, both, own, of_own, given, of_both, of_scores, shares, *ctx.sizes, **ctx.shape
            )
        up = g.view(n * asking, heads, -1).transpose(0, 1)
        of_values = of_weights(shares.transpose(1, 2), up).transpose(0, 1).reshape(f, z)
        of_scores = column_sums(of_scores.view(1, n, -1)).view(f, -1)
        of_tokens = (of_both @ both_weights).view(k, n, z)
        of_all = of_weights(of_both[None], tokens.reshape(1, k * n, z))[0]
        of_bias = column_sums(of_both[None])[0] + torch.cat([of_values, of_scores], 1).sum(0)
        # from here on it is weights alone
        (wq, wk, wv), bk = weight.chunk(3), bias.chunk(3)[1]
        of_weight = torch.empty_like(weight)
        torch.addmm(of_all[:z], of_values.T, fixed, out=of_weight[2 * z :])
        of_asks = torch.addmm(of_all[z:], of_scores.T, fixed).view(heads, 2, z)
        of_fixed = torch.addmm(of_values @ wv, of_scores, asks)
        of_always = of_bias[z:].view(heads, 2, 1)
        of_query = torch.bmm(of_asks, wk.view(heads, -1, z).transpose(1, 2))
        of_query.addcmul_(of_always, bk.view(heads, 1, -1))
        across = query.transpose(1, 2)
        torch.bmm(across, of_asks, out=of_weight[z : 2 * z].view(heads, -1, z))
        of_key_bias = torch.bmm(across, of_always).view(z)
        of_q = (of_query.transpose(0, 1) * ctx.scale).reshape(2, z)
        torch.mm(of_q.T, fixed[:2], out=of_weight[:z])
        of_first = torch.addmm(of_fixed[:2], of_q, wq)
        of_biases = torch.cat([of_q.sum(0), of_key_bias, of_bias[:z]])
        return of_tokens, of_weight, of_biases, of_first, of_fixed[2:], None, None, None


def attention(
    tokens: Tensor, weight: Tensor, bias: Tensor, first: Tensor, others: Tensor,
    seen: Tensor | None, asking: int, heads: int,
) -> Tensor:  # fmt: skip
    """What class tokens gather of the tokens that they see; only they ask, so no key is made, see `dense_tokens`.

    Args:
        tokens: (k, n, z), in the precision of products.
        weight: (3z, z) of queries, keys and values.
        bias: (3z,).
        first: (2, z) the class tokens.
        others: (r, z) registers, which all rows see as well.
        seen: (ways, n, k) bool what each way shows; None where all is shown.
        asking: 2, or 3 where the first class token asks once more, of the second way.
        heads: Of attention.

    Returns:
        (n, asking, z), before the output's product.
    """
    out: Tensor = _Attention.apply(tokens, weight, bias, first, others, seen, asking, heads)
    return out


class _Posterior(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, noise: Tensor | None, code: bool
    ) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor]:
        ctx.set_materialize_grads(False)
        n, asking, z = x.shape
        mean, length, divergence = x.new_empty(n, z), x.new_empty(n), x.new_empty(n)
        latent = None if noise is None else x.new_empty(n, z)
        rest = x.new_empty(n, z) if asking > 2 else None
        rest_length = torch.empty_like(length)
        drawn = (
            (0, 0)
            if noise is None
            else (noise.stride(0), 0 if noise.shape[1] == 1 else noise.stride(1))
        )
        ctx.sizes = (n, z, MOST_LOG_VARIANCE, *drawn)
        ctx.shape = {
            "ASK": asking, "NOISE": noise is not None, "CODE": code,
            "BLOCK": block(z), "num_warps": warps(z),
        }  # fmt: skip
        with on(x):
            kernels.posterior_forward[(n,)](
                x, x if noise is None else noise, mean, length, x if latent is None else latent,
                x if rest is None else rest, rest_length, divergence, *ctx.sizes, **ctx.shape,
            )  # fmt: skip
        value = divergence.sum() * (-0.5 / mean.numel())
        left_out = value > KL_LIMIT  # NaN is not: it has to be seen
        ctx.save_for_backward(x, noise, mean, length, rest, rest_length, left_out)
        return mean, latent, rest, value.masked_fill_(left_out, 0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        x, noise, mean, length, rest, rest_length, left_out = ctx.saved_tensors
        of_mean, of_latent, of_rest = (None if g is None else g.contiguous() for g in gradients[:3])
        out = torch.empty_like(x)
        if gradients[3] is None:
            each = x.new_zeros(())
        else:
            each = (gradients[3] * (-0.5 / mean.numel())).masked_fill_(left_out, 0)
        with on(x):
            kernels.posterior_backward[(len(x),)](
                x, x if noise is None else noise, mean, length, mean if rest is None else rest,
                rest_length, *(mean if g is None else g for g in (of_mean, of_latent, of_rest)),
                each, out, *ctx.sizes, **ctx.shape, MEAN=of_mean is not None,
                LATENT=of_latent is not None, REST=of_rest is not None,
            )  # fmt: skip
        return out, None, None


def posterior(
    x: Tensor, noise: Tensor | None, form: str
) -> tuple[Tensor, Tensor, Tensor | None, Tensor]:
    """Of class tokens (n, asking, z): unit μ, z = μ + σ·ε, unit μ of the rest or None, and the KL term.

    Args:
        x: float32; the mean's token, that of log σ², and where asking is 3 the mean's of the rest.
        noise: ε, (n, 1) or (n, z); None where z is μ.
        form: See `losses.kl_of`.
    """
    mean, latent, rest, divergence = _Posterior.apply(x.contiguous(), noise, form == "code")
    return mean, mean if latent is None else latent, rest, divergence
