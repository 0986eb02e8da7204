"""The published losses, and the ones we weighed against them, as functions of tensors.

Sources: TaxaBind (stage 1), ProM3E (stage 2: contrastive reconstruction and KL, supplement table 2).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from prom3e_index.mvae.network import Posterior

_LEAST_SQUARE = 1e-12
KL_LIMIT = 1e4
"""The public code leaves out a batch whose KL term exceeds this."""
_MOST_LOG_VARIANCE = 80.0
"""One such entry alone lifts a mean over 10³⁰ others above `KL_LIMIT`; e⁸⁹ is no float32 any more."""


def symmetric_supcon(
    a: Tensor, b: Tensor, scale: Tensor, label: Tensor, *, mean: bool = True
) -> Tensor:
    """Supervised contrastive loss between two sets of unit rows (n, d), both directions, mean.

    Rows of one label are positives of each other. Their log-likelihoods are averaged (the paper), or
    summed with `mean=False` (TaxaBind's code for satellite, which also adds 1e-6 inside the logarithm).
    """
    logits = scale * a @ b.T
    positive = (label[:, None] == label[None, :]).to(logits.dtype)
    if mean:
        positive = positive / positive.sum(1, keepdim=True)

    def one_way(values: Tensor) -> Tensor:
        log = values.log_softmax(1) if mean else (values.softmax(1) + 1e-6).log()
        return -(positive * log).sum(1).mean()

    return (one_way(logits) + one_way(logits.T)) / 2


def symmetric_infonce(a: Tensor, b: Tensor, scale: Tensor) -> Tensor:
    """Symmetric InfoNCE between two sets of unit rows (n, d); every other row is a negative."""
    logits = scale * a @ b.T
    truth = torch.arange(len(a), device=a.device)
    return (F.cross_entropy(logits, truth) + F.cross_entropy(logits.T, truth)) / 2


def masked_infonce(
    image: Tensor, other: Tensor, scale: Tensor, label: Tensor, extra: Tensor | None = None
) -> Tensor:
    """InfoNCE for places and climates: 0.4 · image→other + 0.6 · other→image.

    Other rows of the same species are no negatives; `extra` (e, d) are embeddings of random places,
    negatives of image→other only.
    """
    logits = scale * image @ other.T
    truth = torch.arange(len(label), device=label.device)
    same = (label[:, None] == label[None, :]) & (truth[:, None] != truth[None, :])
    logits = logits.masked_fill(same, float("-inf"))
    wide = logits if extra is None else torch.cat([logits, scale * image @ extra.T], dim=1)
    return 0.4 * F.cross_entropy(wide, truth) + 0.6 * F.cross_entropy(logits.T, truth)


class _Distance(torch.autograd.Function):
    """‖a − b‖₂ of unit rows from their inner products, with few passes over the large matrix."""

    @staticmethod
    def forward(ctx: Any, cosine: Tensor) -> Tensor:
        distance = cosine.mul(-2).add_(2).clamp_min_(_LEAST_SQUARE).sqrt_()
        ctx.save_for_backward(distance)
        return distance

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (distance,) = ctx.saved_tensors
        out = gradients[0].div(distance).neg_()
        return out.masked_fill_(distance <= _LEAST_SQUARE**0.5, 0.0)


def distance_logits(decoded: Tensor, target: Tensor, scale: Tensor) -> Tensor:
    """α·‖f̂(i) − f(j)‖₂ for unit rows: (…, n, d) and (…, k, d) to (…, n, k), by one product.

    The published logits add β, which changes no softmax, no loss and no gradient but its own, 0.
    """
    distance: Tensor = _Distance.apply(decoded @ target.transpose(-1, -2))
    return scale * distance


def reconstruction(decoded: Tensor, target: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Cross-entropy of α·‖f̂(i) − f(j)‖₂ + β with truth j = i, for unit rows (n, d)."""
    logits = distance_logits(decoded, target, scale) + shift
    return F.cross_entropy(logits, torch.arange(len(target), device=target.device))


def kl(posterior: Posterior) -> Tensor:
    """KL divergence from the unit Gaussian, mean over rows and dimensions; see `kl_of`."""
    return kl_of(posterior.mean, posterior.log_variance)


def kl_of(mean: Tensor, log_variance: Tensor, form: str = "code") -> Tensor:
    """KL term of (n, z) means and log-variances, mean over both.

    `code`: −½(1 + log σ² − μ² − σ²), 0 above `KL_LIMIT` as in the public code. `printed`: the paper's
    equation, −½(1 + σ² − μ² − σ²), which lacks the logarithm and so does not depend on σ.

    Value and gradient are numbers however large log σ² is: a term that is left out has gradient 0.
    """
    variance = log_variance.clamp(max=_MOST_LOG_VARIANCE).exp()
    first = log_variance if form == "code" else variance
    value = (-0.5 * (1 + first - mean**2 - variance)).mean()
    return torch.where(value > KL_LIMIT, torch.zeros_like(value), value)
