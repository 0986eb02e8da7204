"""The published losses, and the ones we weighed against them, as functions of tensors.

Sources: TaxaBind (stage 1), ProM3E (stage 2: contrastive reconstruction and KL, supplement table 2).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from prom3e_index.mvae.network import Posterior

_LEAST_SQUARE = 1e-12
_DOT = 2**31 - 1
"""Numbers that one inner product of a GPU's library takes at most: of six targets, a batch of 18,900 has more."""
KL_LIMIT = 1e4
"""The public code leaves out a batch whose KL term exceeds this."""
MOST_LOG_VARIANCE = 80.0
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


class _DistanceEntropy(torch.autograd.Function):
    """Cross-entropy of α·‖a − b‖₂ with few passes over the large matrix, forth and back."""

    @staticmethod
    def forward(
        ctx: Any, a: Tensor, b: Tensor, scale: Tensor, own: Tensor, removed: Tensor | None
    ) -> Tensor:
        distance = (a * -2) @ b.transpose(-1, -2)
        distance = distance.add_(2).clamp_min_(_LEAST_SQUARE).sqrt_()
        logits = distance * scale
        if removed is not None:
            logits.masked_fill_(removed, float("-inf"))
        log = torch.log_softmax(logits, dim=-1)
        truth = own.expand(log.shape[:-1])[..., None]
        ctx.save_for_backward(b, scale, distance, log, truth)
        return -log.gather(-1, truth)[..., 0]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        b, scale, distance, log, truth = ctx.saved_tensors
        of_logits = log.exp()
        of_logits.scatter_add_(-1, truth, of_logits.new_full((), -1.0).expand(truth.shape))
        of_logits.mul_(gradients[0][..., None])
        parts = (x.flatten().split(_DOT) for x in (of_logits, distance))
        first, *more = (torch.dot(x, y) for x, y in zip(*parts, strict=True))
        of_scale = sum(more, first).view(scale.shape)
        # equal rows have no direction in which they part: their gradient is 0
        of_square = torch.ops.aten.threshold_backward(
            of_logits.div_(distance), distance, _LEAST_SQUARE**0.5
        )
        return (of_square @ b).mul_(-scale), None, of_scale, None, None


def distance_entropy(
    decoded: Tensor, target: Tensor, scale: Tensor, own: Tensor, removed: Tensor | None = None
) -> Tensor:
    """Cross-entropy (…, n) of α·‖f̂(i) − f(j)‖₂ with truth j = own(i), for unit rows.

    The published logits add β, which changes no softmax, no loss and no gradient but its own, 0.

    Args:
        decoded: (…, n, d).
        target: (…, k, d); data, so it gets no gradient.
        scale: α.
        own: (n,) the true column of each row.
        removed: (…, n, k) pairs that do not count.

    Source: ProM3E, contrastive reconstruction; its public code for the sign and the start of α.
    """
    if target.requires_grad:
        raise ValueError("target is data; a gradient to it is not made")
    out: Tensor = _DistanceEntropy.apply(decoded, target, scale, own, removed)
    return out


def reconstruction(decoded: Tensor, target: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Cross-entropy of α·‖f̂(i) − f(j)‖₂ + β with truth j = i, for unit rows (n, d)."""
    own = torch.arange(len(target), device=target.device)
    return distance_entropy(decoded, target, scale, own).mean() + 0 * shift


def kl(posterior: Posterior) -> Tensor:
    """KL divergence from the unit Gaussian, mean over rows and dimensions; see `kl_of`."""
    return kl_of(posterior.mean, posterior.log_variance)


class _Kl(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, mean: Tensor, log_variance: Tensor, code: bool) -> Tensor:
        variance = log_variance.clamp(max=MOST_LOG_VARIANCE).exp_()
        first = log_variance if code else variance
        value = (torch.addcmul(first, mean, mean, value=-1).sub_(variance).add_(1)).mean() * -0.5
        counts = ~(value > KL_LIMIT)  # NaN counts: it has to be seen
        ctx.save_for_backward(mean, variance, counts)
        ctx.code = code
        return torch.where(counts, value, torch.zeros_like(value))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        mean, variance, counts = ctx.saved_tensors
        each = torch.where(counts, gradients[0] / mean.numel(), torch.zeros_like(gradients[0]))
        if not ctx.code:
            return mean * each, torch.zeros_like(variance), None
        return mean * each, (variance - 1).mul_(each / 2), None


def kl_of(mean: Tensor, log_variance: Tensor, form: str = "code") -> Tensor:
    """KL term of (n, z) means and log-variances, mean over both.

    `code`: −½(1 + log σ² − μ² − σ²), 0 above `KL_LIMIT` as in the public code. `printed`: the paper's
    equation, −½(1 + σ² − μ² − σ²), which lacks the logarithm and so does not depend on σ.

    Value and gradient are numbers however large log σ² is: a term that is left out has gradient 0.
    """
    value: Tensor = _Kl.apply(mean, log_variance, form == "code")
    return value
