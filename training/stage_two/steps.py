"""Taking the steps of a run: packed on a CPU; of fixed shapes on a GPU, captured once and replayed.

A captured step is one call of the host for all operations of the device: forward, backward, the look for numbers that
are none, AdamW, an average of weights, sums of losses. What changes from step to step (rows, what is drawn for them,
rate, weight of the average) is laid ready for many steps, see `ahead`, and its place is counted on the device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from prom3e_index.mvae.network import MVAE
from prom3e_index.mvae.stacks import Stacks, stackable
from prom3e_index.training.adamw import AdamW
from prom3e_index.training.distributed import Processes
from prom3e_index.training.finite import Watch
from prom3e_index.training.fused.launch import why_not_fused
from prom3e_index.training.memory import out_of_memory
from prom3e_index.training.precision import products
from prom3e_index.training.schedule import Order
from prom3e_index.training.stage_two.ahead import Ahead
from prom3e_index.training.stage_two.captured import capture, why_not_proven
from prom3e_index.training.stage_two.recipe import Recipe
from prom3e_index.training.stage_two.record import LOSSES
from prom3e_index.training.stage_two.resident import Resident
from prom3e_index.training.stage_two.step import Step, Terms
from prom3e_index.training.stage_two.touched import touched

WORTH = 32
"""A run of fewer steps is not captured: that takes as long as some steps, and is proven by some more."""


class Steps:
    """The steps of a run, each with its update.

    Args:
        step: The loss, on its device.
        optimiser: Of all its weights.
        watch: Does the updates.
        resident: The sets.
        order: Rows and rates of each step.
        recipe: All settings.
        me: This process.
        averaged: The average of the weights, where one is kept.

    Attributes:
        captured: Steps that were replayed.
        plain: Steps that the host took one operation at a time.
    """

    def __init__(
        self,
        step: Step,
        optimiser: AdamW,
        watch: Watch,
        resident: Sequence[Resident],
        order: Order,
        recipe: Recipe,
        me: Processes,
        averaged: MVAE | None = None,
    ) -> None:
        self._step, self._optimiser, self._watch, self._resident = step, optimiser, watch, resident
        self._order, self._recipe, self._me, self._averaged = order, recipe, me, averaged
        self._call = me.wrap(step)
        self._z = step.model.config.embed_dim
        self._sums, self._summed = torch.zeros(len(LOSSES), device=me.device), 0
        self._replays: dict[int, Callable[[], None]] = {}
        self.fixed = resident[0].fixed
        self._stacks: Stacks | None = None
        self.captured = self.plain = 0
        self._captures, self._why = self.fixed and can_capture(me.device), ""
        self._unfused: dict[int, str] = {}
        self._fused = 0
        if not self._captures:
            self._why = f"{me.device} does not replay steps"
        elif me.count > 1:
            self._captures, self._why = False, "several processes exchange gradients"
        elif order.steps < WORTH:
            self._captures, self._why = False, f"a run of fewer than {WORTH} is too short"
        if self.fixed:
            self._prepare()

    def _prepare(self) -> None:
        """Make what a replayed step reads and keeps."""
        device = self._me.device
        self._rate = torch.zeros((), device=device)
        self._ahead = [
            Ahead(r, self._recipe, width, self._z, self._averaged is not None)
            for r, width in zip(self._resident, self._order.widths, strict=True)
        ]
        self._touched = [
            touched(self._step, self._recipe, r, width, self._order.steps)
            for r, width in zip(self._resident, self._order.widths, strict=True)
        ]
        self._optimiser.prepared()
        if self._me.count == 1 and stackable(self._step.model):  # others exchange each gradient
            self._step.one = self._stacks = Stacks(self._step.model)
        for group in self._optimiser.param_groups:
            group["lr"] = self._rate

    def take(self, at: int) -> bool:
        """Take a step; False when its numbers are none and that is known.

        Raises:
            RuntimeError: And others that `memory.out_of_memory` knows.
        """
        of, rows = self._order.batch(at)
        if not self.fixed:
            taken = self._packed(at, of, rows)
            self.plain += taken
        else:
            if not self._ahead[of].ready(at):
                self._lay_ready(at, of)
            if self._captures and of not in self._replays:
                self._capture(of)
            if of in self._replays:
                self._replays[of]()
                taken = True
                self.captured += 1
                self._fused += not self._unfused[of]
            else:
                taken = self._static(of)
                self.plain += taken
            self._ahead[of].at += 1
        self._summed += taken
        return taken

    def said(self) -> str:
        """How many steps were captured and how many plain, and why, in words."""
        how, why = "", next((w for w in self._unfused.values() if w), "")
        if self._fused:
            how = " in fused kernels"
            if self._fused < self.captured:
                how = f", {self._fused:,} of them in fused kernels (others: {why})"
        elif self.captured:
            how = f" without fused kernels ({why})"
        words = f"{self.captured:,} captured{how}, {self.plain:,} plain"
        return f"{words}: {self._why}" if self.plain and self._why else words

    def forget(self) -> None:
        """Let go of what holds memory."""
        self._replays.clear()
        self._clear()

    def _clear(self) -> None:
        self._optimiser.zero_grad(set_to_none=True)
        if self._stacks is not None:
            self._stacks.forget()

    def means(self) -> dict[str, float]:
        """Mean losses of the steps since the last call, of all processes' rows; waits for the device."""
        values = self._me.mean(self._sums / max(1, self._summed)).tolist()
        self._sums.zero_()
        self._summed = 0
        return dict(zip(LOSSES, values, strict=True))

    def _packed(self, at: int, of: int, rows: Tensor) -> bool:
        for group in self._optimiser.param_groups:
            group["lr"] = self._order.rate(at)
        self._optimiser.zero_grad(set_to_none=True)
        part, progress = self._me.part(len(rows)), at / self._order.steps
        batch = self._resident[of].batch(rows, self._recipe, at, progress, self._z, part)
        terms = self._losses(batch)
        self._watch.saw(terms.total)
        if not self._watch.update():
            return False
        if self._averaged is not None:
            torch._foreach_lerp_(*self._weights(self._averaged), self._decay(at))
        self._sums += _row(terms)
        return True

    def _losses(self, batch: Any) -> Terms:
        with products(self._recipe.precision):
            terms: Terms = self._call(batch)
            terms.total.backward()
        return terms

    def _weights(self, averaged: MVAE) -> tuple[list[Tensor], list[Tensor]]:
        return [p.data for p in averaged.parameters()], [
            p.data for p in self._step.model.parameters()
        ]

    def _decay(self, at: int) -> float:
        """Share of the new weights in their average after a step."""
        assert self._recipe.ema is not None  # there is an average
        return 1 - min(self._recipe.ema, (2 + at) / (11 + at))

    def _lay_ready(self, at: int, of: int) -> None:
        """Draw for a step and those of the set that follow."""
        order, ahead = self._order, self._ahead[of]
        steps, rows = order.ahead(at, ahead.most)
        blends = [] if self._averaged is None else [self._decay(s) for s in steps]
        ahead.fill(steps, rows, order.steps, [order.rate(s) for s in steps], blends)

    def _static(self, of: int) -> bool:
        """A step of fixed shapes that reads all that changes from tensors."""
        self._clear()
        now = self._ahead[of].now()
        self._rate.copy_(now.rate)
        part = self._me.part(len(now.rows))
        batch = self._resident[of].laid(now.rows, now.drawn, self._recipe, part)
        terms = self._losses(batch)
        if self._stacks is not None:
            self._stacks.hand_out(batch.targets)
        self._seen = _row(terms)
        self._watch.saw(terms.total)
        if not self._watch.update(self._touched[of].of(batch)):
            return False
        if self._averaged is not None:
            good = 1 - self._watch.state[0]
            old, new = self._weights(self._averaged)
            assert now.blend is not None  # there is an average
            apart = torch._foreach_sub(new, old)
            torch._foreach_mul_(apart, now.blend * good)
            torch._foreach_add_(old, apart)
        self._sums.add_(self._seen)
        self._ahead[of].move()
        return True

    def _state(self) -> list[Tensor]:
        """All that a step changes."""
        more = [] if self._averaged is None else list(self._averaged.parameters())
        weights = [p.data for p in (*self._step.parameters(), *more)]
        return [*weights, *self._optimiser.prepared(), *self._watch.state, self._sums]

    def _capture(self, of: int) -> None:
        """Capture the step, in fused kernels where they are proven, by torch's operations else."""
        why = why_not_fused(self._step, self._resident[of], self._me.device)
        tried = not why
        found: Callable[[], None] | str = why
        if tried:
            found = self._captured(of, fused=True)
            why = found if isinstance(found, str) else self._prove(of)
        self._unfused[of] = why
        if why:
            found = ""  # its memory is given back before another takes it
            found = self._captured(of, fused=False, again=tried)
        if isinstance(found, str):
            self._captures, self._why = False, found
            return
        self._replays[of] = found

    def _taken(self, of: int, *, fused: bool, exact: bool = False) -> Tensor:
        """Take a step in fused kernels or not, in single precision or as the run does; its losses."""
        own = self._recipe
        if exact:
            self._recipe = self._step.recipe = replace(own, precision="float32")
        self._step.fused = fused
        try:
            self._static(of)
        finally:
            self._step.fused = False
            self._recipe = self._step.recipe = own
        return self._seen

    def _prove(self, of: int) -> str:
        """Why fused kernels are not used; empty where they are proven."""
        ahead = self._ahead[of]

        def taken(fused: bool, exact: bool) -> Callable[[], Tensor]:
            def take() -> Tensor:
                ahead.back(ahead.at)
                return self._taken(of, fused=fused, exact=exact)

            return take

        try:
            return why_not_proven(
                taken(False, True), taken(False, False), taken(True, False),
                self._state(), self._watch.state[0], list(self._step.parameters()),
                self._recipe.precision,
            )  # fmt: skip
        except Exception as e:
            return _told(e)
        finally:
            self._clear()
            ahead.back(ahead.at)

    def _captured(self, of: int, *, fused: bool, again: bool = False) -> Callable[[], None] | str:
        """What replays the step, or why nothing does.

        Whatever a compiler or a driver says of fused kernels, or of what is captured `again` after them, steps go on.
        """
        ahead = self._ahead[of]
        try:
            return capture(
                lambda: self._taken(of, fused=fused),
                lambda later: ahead.back(ahead.at + later),
                self._state(),
                self._watch.state[0],
                list(self._step.parameters()),
                self._recipe.precision,
            )
        except Exception as e:
            known = isinstance(e, RuntimeError) and not out_of_memory(e)
            if not (known or fused or again):
                raise
            return _told(e)
        finally:
            self._clear()
            ahead.back(ahead.at)


def _told(e: BaseException) -> str:
    """An error in one line; of one that follows from another, as the end of a capture does, the first before it."""
    first = e
    while first.__context__ is not None:
        first = first.__context__
    lines = (f"{type(x).__name__}: {' '.join(str(x).splitlines()[:1])}" for x in (first, e))
    return ", then ".join(dict.fromkeys(lines))


def can_capture(device: str) -> bool:
    """Whether the device has graphs."""
    return device.startswith("cuda")


def _row(terms: Terms) -> Tensor:
    """The terms in the order of `LOSSES`, (5,) float32."""
    parts = (terms.total.detach(), terms.reconstruction, terms.kl, terms.mixed, terms.contrast)
    return torch.stack([p.float() for p in parts])
