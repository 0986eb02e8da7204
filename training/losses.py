"""The published losses, as functions of tensors.

Sources: TaxaBind (stage 1), ProM3E (stage 2: contrastive reconstruction and KL, supplement table 2).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from prom3e_index.mvae import Posterior


def symmetric_supcon(a: Tensor, b: Tensor, scale: Tensor, label: Tensor) -> Tensor:
    """Supervised contrastive loss between two sets of unit rows (n, d), both directions, mean.

    Rows of one label are positives of each other; the log-likelihood is averaged over positives.
    With all labels different it is the symmetric InfoNCE.
    """
    logits = scale * a @ b.T
    positive = (label[:, None] == label[None, :]).float()
    positive = positive / positive.sum(1, keepdim=True)
    forward = -(positive * logits.log_softmax(1)).sum(1).mean()
    backward = -(positive * logits.T.log_softmax(1)).sum(1).mean()
    return (forward + backward) / 2


def masked_infonce(
    image: Tensor, other: Tensor, scale: Tensor, label: Tensor, extra: Tensor | None = None
) -> Tensor:
    """InfoNCE for places and climates: 0.4 · image→other + 0.6 · other→image.

    Other rows of the same species are no negatives; `extra` (e, d) are embeddings of random places,
    negatives of image→other only.
    """
    logits = scale * image @ other.T
    same = (label[:, None] == label[None, :]) & ~torch.eye(len(label), dtype=torch.bool)
    logits = logits.masked_fill(same, float("-inf"))
    wide = logits if extra is None else torch.cat([logits, scale * image @ extra.T], dim=1)
    truth = torch.arange(len(label))
    return 0.4 * F.cross_entropy(wide, truth) + 0.6 * F.cross_entropy(logits.T, truth)


def reconstruction(
    decoded: Tensor, target: Tensor, scale: Tensor, shift: Tensor, same: Tensor | None = None
) -> Tensor:
    """Cross-entropy of α·‖f̂(i) − f(j)‖₂ + β with truth j = i, for unit rows (n, d).

    `same` (n, n) marks pairs whose targets are one and the same embedding; these are no negatives.
    """
    squared = (2 - 2 * decoded @ target.T).clamp_min(1e-12)
    logits = scale * squared.sqrt() + shift
    if same is not None:
        off = same & ~torch.eye(len(target), dtype=torch.bool)
        logits = logits.masked_fill(off, float("-inf"))
    return F.cross_entropy(logits, torch.arange(len(target)))


def kl(posterior: Posterior) -> Tensor:
    """KL divergence from the unit Gaussian, mean over rows and dimensions."""
    lv = posterior.log_variance
    return (-0.5 * (1 + lv - posterior.mean**2 - lv.exp())).mean()
