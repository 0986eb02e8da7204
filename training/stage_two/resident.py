"""Sets as steps read them: embeddings on the device, presence on the host; and what to say when they do not fit."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from prom3e_index.errors import InputError
from prom3e_index.training.distributed import Processes
from prom3e_index.training.memory import enough_memory, out_of_memory
from prom3e_index.training.schedule import generator
from prom3e_index.training.stage_two.recipe import Recipe
from prom3e_index.training.stage_two.sets import EmbeddingSet
from prom3e_index.training.stage_two.step import Batch, Step, make_batch
from prom3e_index.training.stage_two.visible import draw_visible


class Resident:
    """A set on a device."""

    def __init__(self, given: EmbeddingSet, recipe: Recipe, device: str) -> None:
        self.x, self.present = given.x.to(device), given.present
        self.duplicates = given.duplicates().to(device) if recipe.negatives != "all" else None
        self.species = given.species_numbers().to(device) if recipe.negatives == "species" else None

    def batch(
        self, rows: Tensor, recipe: Recipe, step: int, progress: float, z: int, part: slice
    ) -> Batch:
        """Rows of a step with their visible sets and noise, drawn from the seed and the step."""
        g = generator(recipe.seed, 3, step)
        present = self.present[rows]
        visible = draw_visible(present, recipe, progress, g)
        noise = None
        if recipe.noise != "none":
            wide = z if recipe.noise == "dimension" else 1
            noise = torch.randn(len(rows), wide, generator=g)
        rest = None
        if recipe.contrast:
            rest = present & ~visible
            alone = ~rest.any(1)
            rest[alone] = visible[alone]
        at = rows.to(self.x.device, non_blocking=True)
        return make_batch(
            self.x[at],
            present,
            visible,
            None if noise is None else noise.to(self.x.device, non_blocking=True),
            recipe,
            part=part,
            duplicates=None if self.duplicates is None else self.duplicates[at],
            species=None if self.species is None else self.species[at],
            rest=rest,
        )


def settle(sets: Sequence[EmbeddingSet], recipe: Recipe, me: Processes) -> list[Resident]:
    """Bring the sets to the device of this process.

    Raises:
        InputError: A set gives batches that the processes cannot share equally, or the sets need more
            memory than the device has.
    """
    for given in sets:
        width = min(recipe.batch_size, len(given))
        if width % me.count:
            most = width // me.count * me.count
            raise InputError(
                f"{given.path} gives batches of {width} rows, which {me.count} processes cannot share "
                f"equally; choose a --batch-size of at most {width} that they can, {most} for example."
                if most
                else f"{given.path} has {len(given)} rows, fewer than the {me.count} processes."
            )
    size = sum(s.x.numel() * s.x.element_size() for s in sets) / 1e9
    with enough_memory(
        f"The embedding sets take {size:.2f} GB and are kept on the device whole; {me.device} has not so "
        "much memory free. Train on fewer rows, or on another --device."
    ):
        return [Resident(s, recipe, me.device) for s in sets]


def too_large(
    step: Step,
    optimiser: torch.optim.Optimizer,
    resident: Resident,
    rows: Tensor,
    recipe: Recipe,
    me: Processes,
) -> InputError:
    """Find the largest halved batch that fits, and say so; the step and its weights are used up by it.

    To be called when nothing holds the failed step any more, its traceback included.
    """
    step.me = Processes()  # the others may not be here to gather rows from
    size = len(rows) // 2 // me.count * me.count
    while size >= max(2, me.count):
        optimiser.zero_grad(set_to_none=True)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if _fits(step, optimiser, resident, rows[:size], recipe, me):
            return InputError(
                f"A batch of {len(rows)} rows needs more memory than there is; {size} rows fit: "
                f"--batch-size {size}."
            )
        size = size // 2 // me.count * me.count
    return InputError("Not even a batch of 2 rows fits in memory; choose a smaller --embed-dim.")


def _fits(
    step: Step,
    optimiser: torch.optim.Optimizer,
    resident: Resident,
    rows: Tensor,
    recipe: Recipe,
    me: Processes,
) -> bool:
    z = step.model.config.embed_dim
    try:
        step(resident.batch(rows, recipe, 0, 0.0, z, me.part(len(rows)))).total.backward()
        optimiser.step()  # its first step makes its own state
    except (RuntimeError, MemoryError) as e:
        if not out_of_memory(e):
            raise
        return False
    return True
