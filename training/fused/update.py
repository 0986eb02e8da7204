"""AdamW's update of the large weights, which writes them in the precision of products as well.

So a step need not read 27 million weights to round them; the update has them at hand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from prom3e_index.training.adamw import AdamW
from prom3e_index.training.fused.kernels.update import adamw
from prom3e_index.training.fused.launch import on

_BLOCK = 2048


class Rounded:
    """Weights in the precision of products, beside those in single precision.

    Args:
        weights: Each with its parameters: itself, or those that are its parts, one behind the other.
        optimiser: With its state made. Moments of parts are laid one behind the other too.
        dtype: Of products.
    """

    def __init__(
        self,
        weights: Sequence[tuple[Tensor, Sequence[Tensor]]],
        optimiser: AdamW,
        dtype: torch.dtype,
    ) -> None:
        self._weights = list(weights)
        self._moments: list[list[Tensor]] = []
        self._steps: list[Tensor] = []
        self._of: dict[int, Tensor] = {}
        self._mine = {id(p) for _, parts in weights for p in parts}
        for weight, parts in self._weights:
            both = [optimiser.state[parts[0]]["step"]]
            for key in ("exp_avg", "exp_avg_sq"):
                if len(parts) == 1 and parts[0] is weight:
                    both.append(optimiser.state[weight][key])
                    continue
                stack = torch.stack([optimiser.state[p][key] for p in parts])
                for p, row in zip(parts, stack, strict=True):
                    optimiser.state[p][key] = row
                both.append(stack)
            self._moments.append(both)
            self._steps += [optimiser.state[p]["step"] for p in parts]
            self._of[id(weight)] = torch.empty_like(weight, dtype=dtype, requires_grad=False)
        self.refresh()

    def refresh(self) -> None:
        """Round the weights as they are."""
        for weight, _ in self._weights:
            self._of[id(weight)].copy_(weight.detach())

    @property
    def state(self) -> list[Tensor]:
        """What an update changes, beside weights and moments."""
        return list(self._of.values())

    def __call__(self, weight: Tensor) -> Tensor | None:
        """The rounded form of a weight, where it is kept."""
        return self._of.get(id(weight))

    def update(
        self, parameters: Sequence[Tensor], left_out: Tensor, group: dict[str, Any]
    ) -> list[Tensor]:
        """Update the weights where all their parts are among some parameters; gives the others.

        Args:
            parameters: With gradients.
            left_out: 1 where nothing is to be updated.
            group: Settings of the optimiser; its rate is a scalar on the device.

        Source: Loshchilov and Hutter 2019, "Decoupled weight decay regularization"; as torch's fused AdamW.
        """
        given = {id(p) for p in parameters}
        if not self._mine <= given:
            return list(parameters)
        torch._foreach_add_(self._steps, 1 - left_out)
        beta1, beta2 = group["betas"]
        for (weight, _), (step, first, second) in zip(self._weights, self._moments, strict=True):
            g = weight.grad
            assert g is not None  # its parts have one
            count = weight.numel()
            with on(weight):
                adamw[(-(-count // _BLOCK),)](
                    weight, g.contiguous(), first, second, self._of[id(weight)],
                    step, left_out, group["lr"], count, beta1, beta2, group["eps"],
                    group["weight_decay"],
                    LOG1=math.log(beta1), LOG2=math.log(beta2), BLOCK=_BLOCK, num_warps=8,
                )  # fmt: skip
        return [p for p in parameters if id(p) not in self._mine]
