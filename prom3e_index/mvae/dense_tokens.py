"""The class tokens and the decoders by few operations of fixed shapes, exactly: what a GPU replays.

Tokens are not packed by who shows what: every token is projected, and the softmax leaves out those that are hidden.
Of all modalities each layer is one batched product. Only class tokens ask, so their queries go through the keys'
weights once, and no key is made. `class_tokens` does less arithmetic and is the faster on a CPU; here no shape depends
on values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from prom3e_index.mvae.class_tokens import heads_of, last
from prom3e_index.mvae.network import MVAE
from prom3e_index.mvae.stacks import stacked
from prom3e_index.mvae.unit import unit

Stacked = Callable[[Sequence[Tensor]], Tensor]
"""Makes one tensor of weights of several modalities: `stacked`, or `Stacks`, where they are one already."""


class _Product(torch.autograd.Function):
    """One product of several modalities; each gradient lies in memory as its weights do, so none is copied."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return torch.baddbmm(bias[:, None], x, weight.transpose(1, 2))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (x, weight), g = ctx.saved_tensors, gradients[0]
        of_x = torch.bmm(g, weight) if ctx.needs_input_grad[0] else None
        return of_x, torch.bmm(g.transpose(1, 2), x), g.sum(1)


class _Affine(torch.autograd.Function):
    """What follows the plain part of a layer norm, of several modalities, in the precision of products."""

    @staticmethod
    def forward(
        ctx: Any, plain: Tensor, gain: Tensor, offset: Tensor, dtype: torch.dtype
    ) -> Tensor:
        ctx.save_for_backward(plain, gain)
        return torch.addcmul(offset[:, None], plain, gain[:, None]).to(dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (plain, gain), g = ctx.saved_tensors, gradients[0]
        of_plain = None
        if ctx.needs_input_grad[0]:
            of_plain = (g * gain[:, None]).sum(0) if plain.ndim == 2 else g * gain[:, None]
        return of_plain, (g * plain).sum(1), g.sum(1, dtype=gain.dtype), None


def _product(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """(k, n, a) and (k, b, a) to (k, n, b)."""
    out: Tensor = _Product.apply(x, weight, bias)
    return out


def _feedforward(
    nets: list[Any], plain: Tensor, dtype: torch.dtype, one: Stacked, more: Tensor | None
) -> Tensor:
    """Several feed-forward parts at once, after the plain part of their layer norm; `more` (k, ·) is added."""
    gain, offset, *others = (
        one([getattr(n[at], of) for n in nets]) for at in (0, 1, 4) for of in _AFFINE
    )
    x = _Affine.apply(plain, gain, offset, dtype)
    first, first_bias, second, bias = (w.to(dtype) for w in others)
    hidden = F.gelu(_product(x, first, first_bias))
    return _product(hidden, second, bias if more is None else bias + more.to(dtype))


_AFFINE = ("weight", "bias")


def _rows_of(x: Tensor, tokens: Sequence[int]) -> Tensor:
    """Columns of (n, m, d) as (k, n, d)."""
    if len(tokens) == x.shape[1]:
        return x.transpose(0, 1)
    return torch.stack([x[:, i] for i in tokens])


def project(
    model: MVAE, x: Tensor, tokens: Sequence[int], dtype: torch.dtype, one: Stacked = stacked
) -> Tensor:
    """The tokens (k, n, z) of some modalities, of every row.

    Args:
        model: The MVAE.
        x: (n, m, d), finite also where a row has no such modality.
        tokens: Modalities.
        dtype: Of products.
        one: Makes one tensor of the modalities' weights.
    """
    nets: list[Any] = [model.projectors[i].net for i in tokens]
    widths = [model.config.widths[i] for i in tokens]
    rows, d = _rows_of(x, tokens), x.shape[2]
    if all(w == d for w in widths):
        plain = F.layer_norm(rows, (d,), eps=nets[0][0].eps)
    else:
        plain = torch.stack([
            F.pad(F.layer_norm(of[:, :w], (w,), eps=net[0].eps), (0, d - w))
            for of, w, net in zip(rows, widths, nets, strict=True)
        ])  # fmt: skip
    known = one([model.modality_identifiers[i] for i in tokens])
    return _feedforward(nets, plain, dtype, one, known)


def class_tokens_of(
    model: MVAE, tokens: Tensor, shown: Sequence[Tensor | None], dtype: torch.dtype
) -> list[tuple[Tensor, Tensor]]:
    """What `class_tokens` gives, of one or two ways of showing the same rows.

    Args:
        model: The MVAE.
        tokens: (k, n, z) from `project`.
        shown: Each (n, k) bool; None where all is shown. Of a second way the log-variance is not to be read: only
            the mean is made.
        dtype: Of products.

    Returns:
        Mean (n, z), unit rows, and log-variance (n, z), float32 unless the model is finer.
    """
    if len(model.encoder) > 1:
        out = _deep(model, tokens, shown, dtype)
    else:
        out = _single(model, tokens, shown, dtype)
    return [(unit(mean), log_variance) for mean, log_variance in out]


def _single(
    model: MVAE, tokens: Tensor, shown: Sequence[Tensor | None], dtype: torch.dtype
) -> list[tuple[Tensor, Tensor]]:
    block: Any = model.encoder[0]
    z, heads = model.config.embed_dim, model.config.heads
    weights, biases = block.attn.in_proj_weight.chunk(3), block.attn.in_proj_bias.chunk(3)
    fixed = torch.cat([model.cls_tokens, model.register_tokens])
    f, (k, n, _) = len(fixed), tokens.shape
    query = heads_of(F.linear(fixed[:2], weights[0], biases[0]), heads) * (z // heads) ** -0.5
    asks = torch.einsum("qhd,hdz->qhz", query, weights[1].view(heads, -1, z)).flatten(0, 1)
    always = (query * biases[1].view(heads, -1)).sum(-1).flatten()

    of_fixed = F.linear(fixed, asks, always).view(f, 1, 2, heads)
    score = F.linear(tokens, asks.to(dtype), always.to(dtype)).view(k, n, 2, heads).to(fixed.dtype)
    first = fixed[:2]
    if len(shown) > 1:  # the mean's token asks again, of other tokens
        of_fixed, score, first = (
            torch.cat([a, a.narrow(axis, 0, 1)], dim=axis)
            for a, axis in ((of_fixed, 2), (score, 2), (first, 0))
        )
    asking = score.shape[2]
    if any(s is not None for s in shown):
        each = [
            torch.ones(n, k, dtype=torch.bool, device=score.device) if s is None else s
            for s in shown
        ]
        mask = torch.stack([each[0], each[0], *each[1:]], dim=-1).transpose(0, 1)
        score = score.masked_fill(~mask[..., None], float("-inf"))
    share = torch.cat([of_fixed.expand(f, n, asking, heads), score]).softmax(dim=0)
    of_own, of_tokens = share.to(dtype).split([f, k])

    values = F.linear(tokens, weights[2].to(dtype), biases[2].to(dtype))
    own = heads_of(F.linear(fixed, weights[2], biases[2]), heads)
    attended = torch.einsum("fnqh,fhd->nqhd", of_own, own.to(dtype))
    each_row = torch.matmul(
        of_tokens.permute(1, 3, 2, 0), values.view(k, n, heads, -1).permute(1, 2, 0, 3)
    )
    attended = attended + each_row.transpose(1, 2)
    out = _after(block, attended.flatten(2), first, dtype)
    mean, log_variance, *others = out.unbind(1)
    return [(mean, log_variance), *((other, other) for other in others)]


def _after(block: Any, attended: Tensor, before: Tensor, dtype: torch.dtype) -> Tensor:
    """The rest of a post-norm block, its layer norms and sums in the weights' precision."""

    def linear(x: Tensor, of: Any) -> Tensor:
        return F.linear(x.to(dtype), of.weight.to(dtype), of.bias.to(dtype))

    net = block.mlp.net
    x = block.norm1(linear(attended, block.attn.out_proj) + before)
    out: Tensor = block.norm2(linear(F.gelu(linear(net[0](x), net[1])), net[4]) + x)
    return out


def _deep(
    model: MVAE, tokens: Tensor, shown: Sequence[Tensor | None], dtype: torch.dtype
) -> list[tuple[Tensor, Tensor]]:
    """Several blocks: every token is carried through, for each way of showing."""
    k, n, _ = tokens.shape
    fixed = torch.cat([model.cls_tokens, model.register_tokens])
    hidden = torch.cat([fixed.expand(n, -1, -1), tokens.transpose(0, 1).to(fixed.dtype)], dim=1)
    out = []
    for some in shown:
        seen = torch.ones(n, k, dtype=torch.bool, device=tokens.device) if some is None else some
        mask = F.pad(seen, (len(fixed), 0), value=True)
        with torch.autocast(tokens.device.type, torch.bfloat16, dtype == torch.bfloat16):
            x = hidden
            for block in model.encoder[:-1]:
                x = block(x, mask)
            tokens_of = last(model.encoder[-1], x, mask[:, None, None, :]).to(fixed.dtype)
        mean, log_variance = tokens_of.unbind(1)
        out.append((mean, log_variance))
    return out


def decode_dense(
    model: MVAE, z: Tensor, targets: Sequence[int], dtype: torch.dtype, one: Stacked = stacked
) -> Tensor:
    """Unit decodes (len(targets), n, d), every decoder in the same few products."""
    d = model.config.input_dim
    nets: list[Any] = [model.decoders[t].net for t in targets]
    plain = F.layer_norm(z, (z.shape[1],), eps=nets[0][0].eps)
    out = _feedforward(nets, plain, dtype, one, None)
    if out.shape[2] < d:
        out = F.pad(out, (0, d - out.shape[2]))
    return unit(out.to(z.dtype))
