"""Which modalities a row shows in a training step, drawn on the host so that no step waits for it."""

from __future__ import annotations

import torch
from torch import Tensor

from prom3e_index.training.stage_two.recipe import Recipe


def draw_visible(
    present: Tensor, recipe: Recipe, progress: float, generator: torch.Generator
) -> Tensor:
    """Draw a non-empty visible set for each row from what the row has.

    Args:
        present: (n, m) bool on the CPU, at least one True per row.
        recipe: `visible`, `one_visible`, `subset`, `subset_from`.
        progress: Share of the run that is over, 0..1.
        generator: Source of the draws.

    Returns:
        (n, m) bool, a subset of `present`.

    Source: ProM3E, training: one or two visible modalities, probabilities 0.9 and 0.1, shared by the
    batch in the public code.
    """
    n, m = present.shape
    drawn = 1 if recipe.visible == "batch" else n
    score = torch.rand(drawn, m, generator=generator)
    count = torch.where(torch.rand(drawn, generator=generator) < recipe.one_visible, 1, 2)
    if recipe.subset and progress >= recipe.subset_from:
        many = torch.rand(drawn, generator=generator) < recipe.subset
        count = torch.where(many, torch.randint(1, m + 1, (drawn,), generator=generator), count)
    score = score.expand(n, m).masked_fill(~present, -1)
    rank = score.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    return (rank < count[:, None]) & present
