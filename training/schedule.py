"""What a run does at each step, as a function of its seed and the step alone: so resuming is exact."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from prom3e_index.training.stage_two.recipe import Recipe

RESTART_EPOCHS = 20
"""With `restarts` the rate begins anew after so many epochs, in both stages."""
RESTART_FLOOR = 1e-6


def generator(*numbers: int) -> torch.Generator:
    """A generator on the CPU, seeded by numbers (a seed, what it is for, a step)."""
    seed = 0
    for number in numbers:
        seed = (seed * 1_000_003 + number + 1) % (1 << 62)
    return torch.Generator().manual_seed(seed)


class Order:
    """Which rows of which set each step trains.

    Args:
        sizes: Rows of each set.
        recipe: `seed`, `batch_size`, `mix`, the length of the run and its rates.
        device: Where numbers of rows are given; an epoch's are brought there at once, and nobody waits.

    Attributes:
        steps: Steps of the whole run.
        per_epoch: Steps of one epoch over all sets.
        widths: Rows of a batch of each set; every batch has as many.
    """

    def __init__(self, sizes: Sequence[int], recipe: Recipe, device: str = "cpu") -> None:
        self.sizes, self.recipe, self._device = list(sizes), recipe, device
        self.widths = [min(recipe.batch_size, size) for size in sizes]
        self.per_epoch = max(1, sum(sizes) // recipe.batch_size)
        self.steps = recipe.steps or recipe.epochs * self.per_epoch
        g = generator(recipe.seed, 1)
        if len(sizes) == 1:
            choice = torch.zeros(self.steps, dtype=torch.int64)
        elif recipe.mix == "coin":
            choice = torch.randint(0, len(sizes), (self.steps,), generator=g)
        else:
            share = torch.tensor(sizes, dtype=torch.float64)
            choice = torch.multinomial(share, self.steps, replacement=True, generator=g)
        self._choice = choice.tolist()
        self._before = [0] * self.steps
        seen = [0] * len(sizes)
        for step, of in enumerate(self._choice):
            self._before[step] = seen[of]
            seen[of] += 1
        self._kept: dict[int, tuple[int, Tensor]] = {}

    def batch(self, step: int) -> tuple[int, Tensor]:
        """Set and rows of a step; each row once an epoch, the rest of an epoch left out."""
        of = self._choice[step]
        size, width = self.sizes[of], self.widths[of]
        epoch, at = divmod(self._before[step], max(1, size // width))
        if self._kept.get(of, (-1,))[0] != epoch:
            shuffled = torch.randperm(size, generator=generator(self.recipe.seed, 2, of, epoch))
            if self._device.startswith("cuda"):  # from pinned memory, else the copy would wait
                shuffled = shuffled.pin_memory().to(self._device, non_blocking=True)
            self._kept[of] = (epoch, shuffled)
        return of, self._kept[of][1][at * width : (at + 1) * width]

    def ahead(self, step: int, most: int) -> tuple[list[int], Tensor]:
        """A step and those of the same set that follow in its epoch, at most so many; their rows, (steps, width)."""
        of, _ = self.batch(step)
        size, width = self.sizes[of], self.widths[of]
        epoch, at = divmod(self._before[step], max(1, size // width))
        steps: list[int] = []
        last = min(most, size // width - at)
        for later in range(step, self.steps):
            if len(steps) == last:
                break
            if self._choice[later] == of:
                steps.append(later)
        rows = self._kept[of][1][at * width : (at + len(steps)) * width]
        return steps, rows.view(len(steps), width)

    def rate(self, step: int) -> float:
        """Learning rate of a step."""
        r = self.recipe
        warm = r.warmup * self.steps
        if step < warm:
            return r.lr * (step + 1) / warm
        if r.schedule == "restarts":
            turn = (step // self.per_epoch) % RESTART_EPOCHS / RESTART_EPOCHS
            return RESTART_FLOOR + (r.lr - RESTART_FLOOR) * (1 + math.cos(math.pi * turn)) / 2
        return r.lr * (1 + math.cos(math.pi * (step - warm) / max(1, self.steps - warm))) / 2

    def validations(self) -> set[int]:
        """Steps after which recall is measured; the last is one."""
        n = self.recipe.validate
        return {max(1, round(self.steps * (i + 1) / n)) for i in range(n)}
