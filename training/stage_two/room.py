"""How much memory a run will need, told before its first step."""

from __future__ import annotations

from copy import copy

import numpy as np
import torch
from torch import Tensor

from prom3e_index.training.distributed import ALONE
from prom3e_index.training.stage_two.recipe import Recipe
from prom3e_index.training.stage_two.resident import Resident
from prom3e_index.training.stage_two.step import Step

_TRIED = (32, 64, 128)
"""Rows of the small steps that tell how memory grows: with the rows, and for scores with their square. Of fewer rows
some targets have too few and are not decoded, which would look like growth."""
_WEIGHTS = 4
"""Weights, gradients and AdamW's two moments."""
_MORE = 1.2
"""What passes within a step, and what libraries take: measured, 1.18 to 1.28 of the rest on a processor."""


def bytes_needed(
    step: Step, resident: Resident, recipe: Recipe, width: int, average: bool = False
) -> int:
    """About how many bytes a run needs at most on its device: sets, weights, moments, and what a step keeps.

    What the forward pass of a few rows keeps for the backward pass is counted, and grows as a parabola in the rows.

    Args:
        step: On its device.
        resident: The set with the largest batches.
        recipe: Of the run.
        width: Rows of a batch that are trained here.
        average: Whether an average of the weights is kept.
    """
    weights = sum(p.numel() * p.element_size() for p in step.parameters())
    sets = resident.bytes
    if width <= _TRIED[-1]:
        of_step = float(_kept(step, resident, recipe, width))
    else:  # scores of a step are met once more, by their gradient
        growth = np.polyfit(_TRIED, [_kept(step, resident, recipe, n) for n in _TRIED], 2)
        of_step = float(np.polyval(growth, width)) + max(0.0, growth[0]) * width**2
    return int(_MORE * (sets + (_WEIGHTS + average) * weights + of_step))


def _kept(step: Step, resident: Resident, recipe: Recipe, n: int) -> int:
    """Bytes that the forward pass of n rows keeps."""
    known = {_at(t) for t in (*step.parameters(), *resident.tensors())}
    found: dict[int, int] = {}

    def note(t: Tensor) -> Tensor:
        if _at(t) not in known:
            found[_at(t)] = t.untyped_storage().nbytes()
        return t.detach()  # itself, an output would keep the whole graph, and a step captured later could not use it

    alone = copy(step)
    alone.me = ALONE  # the others may not be here to gather rows from
    rows = torch.arange(n)
    batch = resident.batch(rows, recipe, 0, 0.0, step.model.config.embed_dim, slice(0, n))
    with torch.autograd.graph.saved_tensors_hooks(note, lambda t: t):
        alone.losses(batch)
    return sum(found.values())


def _at(t: Tensor) -> int:
    return t.untyped_storage().data_ptr()


def said(need: int, device: str) -> str:
    """In words."""
    words = f"needs about {need / 1e9:.2f} GB on {device}"
    if device.startswith("cuda"):
        words += f", of {torch.cuda.mem_get_info(device)[1] / 1e9:.0f} GB"
    return words
