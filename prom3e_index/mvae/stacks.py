"""Weights of all modalities one behind the other, each modality's still a parameter of its own.

A step that takes all modalities in one product needs their weights in one tensor. Gathering them costs a copy forth,
and one back for the gradients, at every step; here they lie so from the beginning.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from prom3e_index.mvae.network import MVAE


class Stacks:
    """The stacked weights of a model's projectors, decoders and identifiers.

    Each parameter becomes a view of its stack: whoever changes one in place changes the other. Gradients reach the
    stacks, and the parameters by `hand_out`.

    Args:
        model: On its device, all modalities equally wide.
    """

    def __init__(self, model: MVAE) -> None:
        nets: list[list[Any]] = [[n.net for n in of] for of in (model.projectors, model.decoders)]
        kinds: list[list[Tensor]] = [list(model.modality_identifiers)]
        kinds += [
            [getattr(n[at], of) for n in some]
            for some in nets
            for at in (0, 1, 4)
            for of in ("weight", "bias")
        ]
        self._of: dict[int, tuple[Tensor, int]] = {}
        self._kinds: list[tuple[Tensor, list[Tensor]]] = []
        self._places: dict[tuple[int, ...], Tensor] = {}
        for parts in kinds:
            stack = torch.stack([p.detach() for p in parts])
            for i, (p, row) in enumerate(zip(parts, stack, strict=True)):
                p.data = row
                self._of[id(p)] = stack, i
            self._kinds.append((stack.requires_grad_(), parts))

    def __call__(self, parts: Sequence[Tensor]) -> Tensor:
        """Parameters of some modalities, all of one kind, as one tensor; no copy where they are all."""
        stack = self._of[id(parts[0])][0]
        at = tuple(self._of[id(p)][1] for p in parts)
        if at == tuple(range(len(stack))):
            return stack
        if at not in self._places:
            self._places[at] = torch.tensor(at, device=stack.device)
        return stack.index_select(0, self._places[at])

    def hand_out(self, held: Sequence[int]) -> None:
        """Give the parameters of some modalities their gradients, as views; those of the others have none."""
        for stack, parts in self._kinds:
            for i, p in enumerate(parts):
                p.grad = stack.grad[i] if stack.grad is not None and i in held else None

    def forget(self) -> None:
        """Let go of the gradients."""
        for stack, _ in self._kinds:
            stack.grad = None


def stackable(model: MVAE) -> bool:
    """Whether all modalities are equally wide."""
    return len(set(model.config.widths)) == 1


def stacked(parts: Sequence[Tensor]) -> Tensor:
    """Weights of several modalities one behind the other, narrower ones with zeros."""
    shape = [max(p.shape[axis] for p in parts) for axis in range(parts[0].ndim)]
    if all(list(p.shape) == shape for p in parts):
        return torch.stack(list(parts))
    short = [[k for a in reversed(range(p.ndim)) for k in (0, shape[a] - p.shape[a])] for p in parts]  # fmt: skip
    return torch.stack([torch.nn.functional.pad(p, by) for p, by in zip(parts, short, strict=True)])
