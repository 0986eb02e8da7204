"""Ranks of scores that are on a device: what `ranking` counts in compiled loops, counted there."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from prom3e_index.evaluation.first_right import FirstRight
from prom3e_index.evaluation.ranking import Right


def first_right_of(scores: Tensor, right: Right) -> FirstRight:
    """What `ranking.first_right` gives; two answers tie where the device's scores are the same to the bit.

    Args:
        scores: (q, g) finite, on any device.
        right: Of q queries.
    """
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
    good &= answers
    top = scores.masked_fill(~good, float("-inf")).amax(1, keepdim=True)
    found = good.any(1)
    same = scores == top
    above = ((scores > top) & answers).sum(1) * found
    told = torch.stack([above, (same & answers).sum(1) * found, (same & good).sum(1)])
    return FirstRight(*told.cpu().numpy().astype(np.int32))


def _at(places: np.ndarray, like: Tensor) -> Tensor:  # type: ignore[type-arg]
    return torch.from_numpy(np.ascontiguousarray(places, np.int64)).to(like.device)
