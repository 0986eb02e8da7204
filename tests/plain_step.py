"""Stage 2 transcribed from its equations, the plain way: loops over modalities, all tokens, `cdist`.

The oracle of the tests and the yardstick of `benchmarks/train_speed.py`. Takes any MVAE, in float64 too.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F


def plain_posterior(model, x, visible):
    """Mean and log-variance when every row shows the same modalities (a list of indices)."""
    c = model.config
    n = len(x)
    tokens = [model.projectors[i](x[:, i]) + model.modality_identifiers[i] for i in visible]
    fixed = torch.cat([model.cls_tokens, model.register_tokens]).expand(n, -1, -1)
    hidden = torch.cat([fixed, torch.stack(tokens, dim=1)], dim=1)
    for block in model.encoder:
        attended, _ = F.multi_head_attention_forward(
            hidden.transpose(0, 1), hidden.transpose(0, 1), hidden.transpose(0, 1), c.embed_dim, c.heads,
            block.attn.in_proj_weight, block.attn.in_proj_bias, None, None, False, 0.0,
            block.attn.out_proj.weight, block.attn.out_proj.bias, need_weights=False,
        )  # fmt: skip
        hidden = block.norm1(hidden + attended.transpose(0, 1))
        hidden = block.norm2(hidden + block.mlp(hidden))
    return F.normalize(hidden[:, 0], dim=-1), hidden[:, 1]


def plain_loss(model, x, visible, noise, targets, lambda_kl=1e-3):
    """Total, reconstruction per target, KL: every row has every target, all others are negatives."""
    mean, log_variance = plain_posterior(model, x, visible)
    latent = mean + torch.exp(log_variance / 2) * noise
    truth = torch.arange(len(x))
    terms = []
    for t in targets:
        decoded = F.normalize(model.decoders[t](latent), dim=-1)
        distance = torch.cdist(decoded, x[:, t])
        terms.append(F.cross_entropy(model.negative_scale * distance + model.negative_shift, truth))
    kl = (-0.5 * (1 + log_variance - mean**2 - log_variance.exp())).mean()
    return torch.stack(terms).mean() + lambda_kl * kl, terms, kl
