"""Ranks of scores that are on a device: what `ranking` counts in compiled loops, counted there."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prom3e_index.evaluation.first_right import FirstRight
from prom3e_index.evaluation.ranking import Right, first_right

Floats64 = NDArray[np.float64]
_LEAST = 1e-300


def first_right_of(scores: Any, right: Right) -> FirstRight:
    """What `ranking.first_right` gives; two answers tie where the device's scores are the same to the bit.

    Args:
        scores: (q, g): a tensor of finite numbers, on any device; or an array, which `ranking.first_right` takes.
        right: Of q queries.
    """
    if isinstance(scores, np.ndarray):
        return first_right(scores, right)
    answers, good = _masks(scores, right)
    top = scores.masked_fill(~good, float("-inf")).amax(1, keepdim=True)
    found = good.any(1)
    same = scores == top
    above = ((scores > top) & answers).sum(1) * found
    told = torch.stack([above, (same & answers).sum(1) * found, (same & good).sum(1)])
    return FirstRight(*told.cpu().numpy().astype(np.int32))


def likelihoods_of(scores: Tensor, right: Right, kappas: NDArray[np.float64]) -> Floats64:
    """What `sets_choice.likelihoods` gives, (q, κ), its sums made where the scores are.

    Args:
        scores: (q, g) finite, on any device.
        right: Of q queries.
        kappas: To try.
    """
    answers, good = _masks(scores, right)
    wide = scores.double()
    below = wide - wide.amax(1, keepdim=True)
    told = []
    for kappa in kappas.tolist():
        weight = (kappa * below).exp() * answers
        share = (weight * good).sum(1) / weight.sum(1).clamp_min(_LEAST)
        told.append(share.clamp_min(_LEAST).log().masked_fill(~good.any(1), float("nan")))
    return np.asarray(torch.stack(told, 1).cpu().numpy())


def _masks(scores: Tensor, right: Right) -> tuple[Tensor, Tensor]:
    """Which gallery rows are answers at all, and which are right ones; (q, g) each."""
    q, g = scores.shape
    answers = torch.ones(q, g, dtype=torch.bool, device=scores.device)
    skipped = np.flatnonzero(right.skip >= 0)
    answers[_at(skipped, scores), _at(right.skip[skipped], scores)] = False
    counts = right.end - right.begin
    row = np.repeat(np.arange(q), counts)
    inside = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    good = torch.zeros_like(answers)
    member = right.members[np.repeat(right.begin, counts) + inside]
    good[_at(row, scores), _at(member, scores)] = True
    return answers, good & answers


def _at(places: NDArray[np.int64], like: Tensor) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(places, np.int64)).to(like.device)
