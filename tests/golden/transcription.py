"""The MVAE and its losses transcribed into numpy, in float64: no torch, no code of the library.

The oracle of the golden set. Weights come by their published names; the equations are those of the paper (MVAE,
loss) with what its public code fixes: exact GELU, LayerNorm ε 1e-5, σ = exp(log-variance / 2), one noise scalar a row.
"""

from __future__ import annotations

import numpy as np
from scipy.special import erf, logsumexp


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def layer_norm(x, w, at):
    centred = x - x.mean(-1, keepdims=True)
    return (
        centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * w[f"{at}.weight"]
        + w[f"{at}.bias"]
    )


def linear(x, w, at):
    return x @ w[f"{at}.weight"].T + w[f"{at}.bias"]


def feedforward(x, w, at):
    x = linear(layer_norm(x, w, f"{at}.net.0"), w, f"{at}.net.1")
    return linear(x * (1 + erf(x / np.sqrt(2))) / 2, w, f"{at}.net.4")


def attention(x, w, at, heads):
    n, tokens, width = x.shape
    qkv = x @ w[f"{at}.in_proj_weight"].T + w[f"{at}.in_proj_bias"]
    out = np.empty_like(x)
    for row in range(n):
        for h in range(heads):
            part = slice(h * width // heads, (h + 1) * width // heads)
            q, k, v = (qkv[row, :, i * width : (i + 1) * width][:, part] for i in range(3))
            score = q @ k.T / np.sqrt(width / heads)
            share = np.exp(score - score.max(1, keepdims=True))
            out[row, :, part] = share / share.sum(1, keepdims=True) @ v
    return linear(out, w, f"{at}.out_proj")


def posterior(w, config, x, visible):
    """Mean (n, z), log-variance (n, z) and tokens (n, 2 + R + v, z) of rows that show `visible`, in that order."""
    fixed = np.concatenate([w["cls_tokens"], w["register_tokens"]])
    tokens = [
        feedforward(x[:, i], w, f"projectors.{i}") + w[f"modality_identifiers.{i}"] for i in visible
    ]
    hidden = np.concatenate([np.repeat(fixed[None], len(x), 0), np.stack(tokens, 1)], axis=1)
    for b in range(config["depth"]):
        at = f"encoder.{b}"
        hidden = layer_norm(
            hidden + attention(hidden, w, f"{at}.attn", config["heads"]), w, f"{at}.norm1"
        )
        hidden = layer_norm(hidden + feedforward(hidden, w, f"{at}.mlp"), w, f"{at}.norm2")
    return unit(hidden[:, 0]), hidden[:, 1], hidden


def decode(w, latent, targets):
    """Unit rows (n, t, d)."""
    return np.stack([unit(feedforward(latent, w, f"decoders.{t}")) for t in targets], axis=1)


def loss(w, config, x, eps, visible, targets):
    """Reconstruction by target, their mean, KL and the total of one batch."""
    mean, log_variance, _ = posterior(w, config, x, visible)
    made = decode(w, mean + np.exp(log_variance / 2) * eps[:, None], targets)
    by_target = {}
    for i, t in enumerate(targets):
        distance = np.linalg.norm(made[:, i][:, None] - x[None, :, t], axis=-1)
        logits = w["negative_scale"] * distance + w["negative_shift"]
        by_target[t] = float((logsumexp(logits, axis=1) - np.diag(logits)).mean())
    kl = float((-(1 + log_variance - mean**2 - np.exp(log_variance)) / 2).mean())
    reconstruction = float(np.mean(list(by_target.values())))
    return by_target, reconstruction, kl, reconstruction + config["lambda_kl"] * kl
