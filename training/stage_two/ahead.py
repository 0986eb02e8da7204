"""What the next steps of a set need, drawn and laid ready together: a step then reads its own by one number.

Some 70 small operations of drawing are done once for many steps, with the same numbers, since each is a function of
the seed and its step. Whoever replays steps sets nothing in between: the place is counted on the device.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from prom3e_index.training.stage_two.recipe import Recipe
from prom3e_index.training.stage_two.resident import Drawn, Resident

_STEPS = 64
_NUMBERS = 1 << 24
"""Drawn numbers that are laid ready at most: noise of every dimension takes 64 MB so."""


class Now(NamedTuple):
    """What one step reads: rows, what is drawn for them, the rate, and the weight of the average where one is kept."""

    rows: Tensor
    drawn: Drawn
    rate: Tensor
    blend: Tensor | None


class Ahead:
    """The next steps of a set.

    Args:
        resident: The set.
        recipe: What is drawn.
        width: Rows of a batch.
        z: Latent width.
        averaged: Whether an average of the weights is kept.

    Attributes:
        most: Steps that have room.
        steps: Those that are laid ready.
        at: Which of them is next, as the host knows it.
        turn: The same on the device, an int64 scalar; `move` counts it.
    """

    def __init__(
        self, resident: Resident, recipe: Recipe, width: int, z: int, averaged: bool
    ) -> None:
        self._resident, self._recipe, self._z = resident, recipe, z
        wide = {"none": 0, "scalar": 1}.get(recipe.noise, z)
        self.most = max(1, min(_STEPS, _NUMBERS // (width * max(1, wide))))
        device, m = resident.x.device, resident.present.shape[1]
        self._rows = torch.zeros(self.most, width, dtype=torch.int64, device=device)
        self._visible = torch.zeros(self.most, width, m, dtype=torch.bool, device=device)
        self._rest = torch.zeros_like(self._visible) if recipe.contrast else None
        self._noise = (
            torch.zeros(self.most, width, wide, dtype=resident.dtype, device=device)
            if wide
            else None
        )
        self._rates = torch.zeros(self.most, device=device)
        self._blends = torch.zeros_like(self._rates) if averaged else None
        self.turn = torch.zeros((), dtype=torch.int64, device=device)
        self.steps: Sequence[int] = ()
        self.at = 0

    def ready(self, step: int) -> bool:
        """Whether a step is the next one that is laid ready."""
        return self.at < len(self.steps) and self.steps[self.at] == step

    def fill(
        self, steps: Sequence[int], rows: Tensor, total: int, rates: Sequence[float],
        blends: Sequence[float],
    ) -> None:  # fmt: skip
        """Lay ready the next steps, at most `most`; the first of them is next.

        Args:
            steps: Their numbers.
            rows: (steps, width) their rows.
            total: Steps of the run.
            rates: Of each.
            blends: Weight of the new weights in their average, of each; not read without one.
        """
        count, device = len(steps), self._rows.device
        self._rows[:count].copy_(rows, non_blocking=True)
        numbers = torch.tensor(list(steps)).to(device, non_blocking=True)
        progress = torch.tensor([s / total for s in steps], dtype=torch.float64)
        progress = progress.to(device, non_blocking=True)
        drawn = self._resident.draw(self._rows[:count], self._recipe, numbers, progress, self._z)
        for kept, new in zip((self._visible, self._rest, self._noise), drawn, strict=True):
            if kept is not None and new is not None:
                kept[:count] = new
        for into, values in ((self._rates, rates), (self._blends, blends)):
            if into is not None:
                into[:count].copy_(torch.tensor(values, dtype=torch.float32), non_blocking=True)
        self.turn.zero_()
        self.steps, self.at = list(steps), 0

    def now(self) -> Now:
        """What the step reads that is next on the device."""
        turn = self.turn.view(1)
        kept = (self._rows, self._visible, self._rest, self._noise, self._rates, self._blends)
        rows, visible, rest, noise, rate, blend = (
            None if v is None else v.index_select(0, turn)[0] for v in kept
        )
        assert rows is not None and visible is not None and rate is not None  # always there
        return Now(rows, Drawn(visible, rest, noise), rate, blend)

    def move(self) -> None:
        """Count the step, on the device."""
        self.turn.add_(1).remainder_(self.most)

    def back(self, at: int) -> None:
        """Set the device to one of the steps that are laid ready, the last at most."""
        self.turn.fill_(min(at, len(self.steps) - 1))
