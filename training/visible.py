"""Which modalities a row shows in a training step, drawn on the host so that no step waits for it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from prom3e_index.training.recipe import Recipe


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


@dataclass(frozen=True)
class Slots:
    """Visible tokens packed one behind the other, modality by modality, and where each row finds its own.

    Attributes:
        rows: For each modality the rows that show it.
        place: (n, v) position of a row's tokens in the packed order; 0 where it has fewer than v.
        empty: (n, v) True where a row has no such token; None when every row has v.
    """

    rows: tuple[Tensor, ...]
    place: Tensor
    empty: Tensor | None

    def to(self, device: torch.device | str) -> Slots:
        """The same on a device, without waiting for it."""
        return Slots(
            tuple(r.to(device, non_blocking=True) for r in self.rows),
            self.place.to(device, non_blocking=True),
            None if self.empty is None else self.empty.to(device, non_blocking=True),
        )


def pack(visible: Tensor) -> Slots:
    """Lay out the visible tokens of (n, m) bool on the CPU."""
    n, m = visible.shape
    rows = tuple(visible[:, i].nonzero()[:, 0] for i in range(m))
    column = visible.cumsum(1) - 1
    count = visible.sum(1)
    most = int(count.max())
    place = torch.zeros(n, most, dtype=torch.int64)
    start = 0
    for i, of in enumerate(rows):
        place[of, column[of, i]] = torch.arange(start, start + len(of))
        start += len(of)
    empty = torch.arange(most)[None, :] >= count[:, None]
    return Slots(rows, place, empty if bool(empty.any()) else None)
