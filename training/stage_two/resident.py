"""Sets as steps read them: embeddings on the device, presence on the host; and what to say when they do not fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from prom3e_index.errors import InputError
from prom3e_index.training.adamw import AdamW
from prom3e_index.training.distributed import Processes
from prom3e_index.training.memory import enough_memory, out_of_memory
from prom3e_index.training.stage_two.batches import Batch, fixed_batch, make_batch
from prom3e_index.training.stage_two.draws import NOISE, normal
from prom3e_index.training.stage_two.recipe import Recipe
from prom3e_index.training.stage_two.sets import EmbeddingSet
from prom3e_index.training.stage_two.step import Step
from prom3e_index.training.stage_two.visible import draw_visible, what_else


class Drawn(NamedTuple):
    """What is drawn for a step's rows.

    Attributes:
        visible: (N, m) bool what each shows.
        rest: (N, m) bool what else it has, with `contrast`; else None.
        noise: (N, 1) or (N, z), or None.
    """

    visible: Tensor
    rest: Tensor | None
    noise: Tensor | None


class Resident:
    """A set on a device.

    Args:
        given: The set.
        recipe: `negatives` says what of its rows is needed.
        device: Where it is kept.
        fixed: Whether its batches have fixed shapes, as a GPU replays them; packed else, which a CPU does faster.
            By the device when None.
        halves: Whether rows that are stored in half precision are kept so, and scaled when they are read: the same
            values to the bit, in half the memory. By the device when None: a CPU has them in single precision anyway.

    Attributes:
        x: (n, m, d) float32, or float16 where rows are kept so.
        lengths: (n, m) float32, what float16 is divided by; None with float32.
        held: Modalities that any row has.
        whole: Whether each row has each of them.
        shares: (m,) share of the rows that have each modality.
    """

    def __init__(
        self,
        given: EmbeddingSet,
        recipe: Recipe,
        device: str,
        fixed: bool | None = None,
        halves: bool | None = None,
    ) -> None:
        self.fixed = not device.startswith("cpu") if fixed is None else fixed
        wanted = not device.startswith("cpu") if halves is None else halves
        kept: tuple[Tensor, Tensor | None] | None = _halves(given, device) if wanted else None
        self.x, self.lengths = kept if kept is not None else (given.x.to(device), None)
        self.present = given.present
        self.shares = [float(v) for v in given.present.double().mean(0)]
        self.held = tuple(i for i, share in enumerate(self.shares) if share)
        self.whole = all(self.shares[i] == 1 for i in self.held)
        if self.fixed:
            self.present = given.present.to(device)
            if not bool(given.present.all()):  # what is absent is projected too, and left out after
                absent = ~self.present[:, :, None]
                own = self.x is not given.x
                self.x = self.x.masked_fill_(absent, 0) if own else self.x.masked_fill(absent, 0)
        self._positions: dict[tuple[int, int], Tensor] = {}
        self.duplicates = given.duplicates().to(device) if recipe.negatives != "all" else None
        self.species = given.species_numbers().to(device) if recipe.negatives == "species" else None

    def tensors(self) -> list[Tensor]:
        """All that is kept on the device."""
        every = (self.x, self.lengths, self.present, self.duplicates, self.species)
        return [t for t in every if t is not None]

    @property
    def dtype(self) -> torch.dtype:
        """Of rows as steps read them."""
        return self.x.dtype if self.lengths is None else torch.float32

    @property
    def bytes(self) -> int:
        """What it takes there."""
        return sum(t.numel() * t.element_size() for t in self.tensors())

    def draw(
        self,
        rows: Tensor,
        recipe: Recipe,
        step: int | Tensor,
        progress: float | Tensor,
        z: int,
    ) -> Drawn:
        """What is drawn for rows of a step, from the seed and the step.

        Args:
            rows: (N,) numbers of the joint batch's rows, on the device; (s, N) of several steps.
            recipe: What is drawn.
            step: A number; (s,) int64 on the device of several.
            progress: Share of the run that is over; (s,) float64 on the device of several.
            z: Latent width.
        """
        step = step if isinstance(step, Tensor) else torch.tensor(step, device=self.x.device)
        present = self.present[rows]
        visible = draw_visible(present, recipe, progress, step)
        noise = None
        if recipe.noise != "none":
            wide = z if recipe.noise == "dimension" else 1
            noise = normal(recipe.seed, NOISE, step, (rows.shape[-1], wide)).to(self.dtype)
        return Drawn(visible, what_else(present, visible) if recipe.contrast else None, noise)

    def _own(self, part: slice) -> Tensor:
        """Positions of a part's rows, made once."""
        key = part.start, part.stop
        if key not in self._positions:
            self._positions[key] = torch.arange(*key, device=self.x.device)
        return self._positions[key]

    def batch(
        self,
        rows: Tensor,
        recipe: Recipe,
        step: int,
        progress: float,
        z: int,
        part: slice,
    ) -> Batch:
        """Rows of a step with what is drawn for them, see `draw` and `laid`."""
        at = rows.to(self.x.device, non_blocking=True)
        return self.laid(at, self.draw(at, recipe, step, progress, z), recipe, part)

    def laid(self, rows: Tensor, drawn: Drawn, recipe: Recipe, part: slice) -> Batch:
        """A batch of rows.

        Args:
            rows: (N,) numbers of the joint batch's rows, on the device.
            drawn: For them.
            recipe: What is read of the set.
            part: Rows of the joint batch that are trained here.
        """
        visible, rest, noise = drawn
        present = self.present[:1].expand(len(rows), -1) if self.whole else self.present[rows]
        x = self.x[rows] if self.lengths is None else _unit(self.x[rows], self.lengths[rows])
        duplicates = None if self.duplicates is None else self.duplicates[rows]
        species = None if self.species is None else self.species[rows]
        if not self.fixed:
            return make_batch(
                x, present, visible, noise, recipe,
                part=part, duplicates=duplicates, species=species, rest=rest,
            )  # fmt: skip
        return fixed_batch(
            x, present, visible, noise, recipe, self.held,
            part=part, duplicates=duplicates, species=species, rest=rest, whole=self.whole,
            own=self._own(part),
        )  # fmt: skip


_BLOCK = 8192
"""Rows that are halved, and looked at, at a time."""


def _unit(halves: Tensor, lengths: Tensor) -> Tensor:
    return halves.float() / lengths[:, :, None]


def _halves(given: EmbeddingSet, device: str) -> tuple[Tensor, Tensor] | None:
    """Rows in half precision and their lengths, on a device that makes the very unit rows of them; None otherwise."""
    if given.lengths is None:
        return None
    lengths = given.lengths.to(device)
    out = torch.empty(given.x.shape, dtype=torch.float16, device=device)
    for at in range(0, len(given), _BLOCK):
        part = slice(at, at + _BLOCK)
        x = given.x[part].to(device)
        out[part] = (x * lengths[part, :, None]).half()
        if not torch.equal(_unit(out[part], lengths[part]), x):
            return None
    return out, lengths


def settle(
    sets: Sequence[EmbeddingSet], recipe: Recipe, me: Processes, fixed: bool | None = None
) -> list[Resident]:
    """Bring the sets to the device of this process.

    Args:
        sets: The sets.
        recipe: Of the run.
        me: This process.
        fixed: See `Resident`.

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
    narrow = not me.device.startswith("cpu")
    size = (
        sum(
            s.x.numel() * (2 if narrow and s.lengths is not None else s.x.element_size())
            for s in sets
        )
        / 1e9
    )
    with enough_memory(
        f"The embedding sets take {size:.2f} GB and are kept on the device whole; {me.device} has not so "
        "much memory free. Train on fewer rows, or on another --device."
    ):
        more = {} if fixed is None else {"fixed": fixed}
        return [Resident(s, recipe, me.device, **more) for s in sets]


def too_large(
    step: Step,
    optimiser: AdamW,
    resident: Resident,
    rows: Tensor,
    recipe: Recipe,
    me: Processes,
    why: str = "",
) -> InputError:
    """Find the largest halved batch that fits, and say so; the step and its weights are used up by it.

    `why` is what the failed step said.

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
                f"A batch of {len(rows)} rows needs more memory than there is{why and f' ({why})'}; "
                f"{size} rows fit: --batch-size {size}."
            )
        size = size // 2 // me.count * me.count
    return InputError("Not even a batch of 2 rows fits in memory; choose a smaller --embed-dim.")


def _fits(
    step: Step,
    optimiser: AdamW,
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
