"""AdamW of a run: torch's own fused update, with its state where a GPU can replay it.

`torch.optim.AdamW` computes the same; to make one loads torch's compiler, which takes seconds and is not used here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim.adamw import adamw


class AdamW:
    """One group of parameters with one set of settings.

    Args:
        parameters: On their device.
        lr: A number, or a scalar on the device where the step is replayed.
        betas: Of the two moments.
        eps: Added to the root.
        weight_decay: Decoupled, times the rate.

    Attributes:
        param_groups: One, as torch's optimisers have them.
        state: Of each parameter: `step`, `exp_avg`, `exp_avg_sq`.
        found_inf: A flag on the device; while it is 1 `step` leaves all as it is.
    """

    def __init__(
        self, parameters: Iterable[Tensor], lr: float, betas: tuple[float, float], eps: float,
        weight_decay: float,
    ) -> None:  # fmt: skip
        self.param_groups: list[dict[str, Any]] = [
            {"params": list(parameters), "lr": lr, "betas": betas, "eps": eps}
            | {"weight_decay": weight_decay}
        ]
        self.state: dict[Tensor, dict[str, Tensor]] = defaultdict(dict)
        self.found_inf: Tensor | None = None

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Let go of the gradients."""
        for p in self.param_groups[0]["params"]:
            p.grad = None

    def prepared(self) -> list[Tensor]:
        """Steps and moments of every parameter; they are made, 0, where there are none yet."""
        out: list[Tensor] = []
        for p in self.param_groups[0]["params"]:
            state = self.state[p]
            if not state:
                state["step"] = torch.zeros((), dtype=torch.float32, device=p.device)
                state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(p), torch.zeros_like(p)
            out += [state["step"], state["exp_avg"], state["exp_avg_sq"]]
        return out

    def step(self) -> None:
        """Update every parameter that has a gradient."""
        self.prepared()
        self.update(self.param_groups[0]["params"], self.found_inf)

    def update(self, parameters: Sequence[Tensor], left_out: Tensor | None) -> None:
        """Update some parameters, those that have a gradient; none where `left_out` is 1, and nothing waits for it."""
        group = self.param_groups[0]
        some = [p for p in parameters if p.grad is not None]
        with torch.no_grad():
            state = [self.state[p] for p in some]
            adamw(
                some,
                [p.grad for p in some if p.grad is not None],
                [s["exp_avg"] for s in state],
                [s["exp_avg_sq"] for s in state],
                [],
                [s["step"] for s in state],
                fused=True,
                found_inf=left_out,
                amsgrad=False,
                beta1=group["betas"][0],
                beta2=group["betas"][1],
                lr=group["lr"],
                weight_decay=group["weight_decay"],
                eps=group["eps"],
                maximize=False,
            )
