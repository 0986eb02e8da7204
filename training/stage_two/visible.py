"""Which modalities a row shows in a training step, and what else it has; no host is asked."""

from __future__ import annotations

import torch
from torch import Tensor

from prom3e_index.training.stage_two.draws import VISIBLE, uniform
from prom3e_index.training.stage_two.recipe import Recipe


def draw_visible(
    present: Tensor, recipe: Recipe, progress: float | Tensor, at: int | Tensor
) -> Tensor:
    """Draw a non-empty visible set for each row from what the row has.

    Args:
        present: (n, m) bool, at least one True per row; (s, n, m) of several steps.
        recipe: `seed`, `visible`, `one_visible`, `subset`, `subset_from`.
        progress: Share of the run that is over, 0..1; (s,) float64 of several steps.
        at: Step; (s,) int64 on the device of `present` of several.

    Returns:
        Bool as `present`, a subset of it, the same on every device.

    Source: ProM3E, training: one or two visible modalities, probabilities 0.9 and 0.1, shared by the
    batch in the public code.
    """
    n, m = present.shape[-2:]
    if isinstance(at, int):
        at = torch.tensor(at, device=present.device)
    drawn = uniform(recipe.seed, VISIBLE, at, (1 if recipe.visible == "batch" else n, m + 3))
    score, one, some, size = drawn.split([m, 1, 1, 1], dim=-1)
    count = 2 - (one < recipe.one_visible).long()
    if recipe.subset:
        late = progress >= recipe.subset_from
        many = (some < recipe.subset) & (
            late[..., None, None] if isinstance(late, Tensor) else late
        )
        count = torch.where(many, (size * m).long() + 1, count)
    score = score.expand(present.shape).masked_fill(~present, -1)
    mine, other = score[..., :, None], score[..., None, :]
    first = torch.ones(m, m, dtype=torch.bool, device=present.device).tril(-1)
    rank = ((other > mine) | ((other == mine) & first)).sum(-1)
    visible: Tensor = (rank < count) & present
    return visible


def what_else(present: Tensor, visible: Tensor) -> Tensor:
    """(…, n, m) what rows have and do not show; where that is nothing, what they show."""
    rest = present & ~visible
    return torch.where(rest.any(-1, keepdim=True), rest, visible)
