"""A training step's network in kernels of its own: what `Step` asks for on a card. See `dense_tokens`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from prom3e_index.mvae.dense_tokens import Stacked
from prom3e_index.mvae.network import MVAE
from prom3e_index.training.fused.operations import feedforward, product, sum_norm, unit_rows
from prom3e_index.training.fused.tokens import attention, posterior
from prom3e_index.training.stage_two.batches import Batch, columns_of


def _parts(nets: list[Any], one: Stacked) -> list[Tensor]:
    """Weights of several feed-forward parts: of the layer norm, of the first product, of the second."""
    return [
        one([getattr(n[at], of) for n in nets]) for at in (0, 1, 4) for of in ("weight", "bias")
    ]


def posterior_and_decodes(
    model: MVAE, batch: Batch, form: str, dtype: torch.dtype, one: Stacked
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """KL term, decodes (t, n, d), μ of what is shown and μ of the rest, of a batch of fixed shapes.

    Args:
        model: Of one block, all modalities equally wide.
        batch: Of fixed shapes.
        form: Of the KL term.
        dtype: Of products.
        one: Makes one tensor of several modalities' weights.
    """
    held = batch.targets
    rows = columns_of(batch.x, held).transpose(0, 1)
    nets: list[Any] = [model.projectors[i].net for i in held]
    weights = _parts(nets, one)
    weights[5] = weights[5] + one([model.modality_identifiers[i] for i in held])
    tokens = feedforward(rows, weights, nets[0][0].eps, dtype)
    x = _class_tokens(model, batch, tokens, dtype)
    mean, latent, rest, divergence = posterior(x, batch.noise, form)
    nets = [model.decoders[t].net for t in held]
    *weights, last = _parts(nets, one)
    out = feedforward(latent, [*weights, None], nets[0][0].eps, dtype)
    return divergence, unit_rows(out, last), mean, rest


def _class_tokens(model: MVAE, batch: Batch, tokens: Tensor, dtype: torch.dtype) -> Tensor:
    """The class tokens after the block, (n, asking, z)."""
    block: Any = model.encoder[0]
    _, n, z = tokens.shape
    ways = [columns_of(batch.visible, batch.targets)]
    if isinstance(batch.rest, Tensor):  # the mean's token asks again, of other tokens
        ways.append(columns_of(batch.rest, batch.targets))
    asking = 1 + len(ways)
    attended = attention(
        tokens, block.attn.in_proj_weight, block.attn.in_proj_bias, model.cls_tokens,
        model.register_tokens, torch.stack(ways), asking, model.config.heads,
    )  # fmt: skip
    out = product(attended.view(1, n * asking, z), block.attn.out_proj.weight[None])
    x = sum_norm(
        out.view(n, asking, z).transpose(0, 1), block.attn.out_proj.bias, model.cls_tokens,
        block.norm1.weight, block.norm1.bias, block.norm1.eps,
    ).transpose(0, 1).reshape(1, n * asking, z)  # fmt: skip
    net = block.mlp.net
    *inner, last = (getattr(net[at], of)[None] for at in (0, 1, 4) for of in ("weight", "bias"))
    more = feedforward(x, [*inner, None], net[0].eps, dtype)
    y = sum_norm(more, last[0], x, block.norm2.weight, block.norm2.bias, block.norm2.eps)
    return y.view(n, asking, z)
