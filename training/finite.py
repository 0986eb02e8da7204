"""Stopping at the first loss or gradient that is no finite number, with the weights before it.

On a CPU each update is looked at before it is done. On a GPU that would make the host wait at every step:
there the flag stays on the device, the fused optimiser leaves its update out where the flag is up
(`found_inf`, as under a gradient scaler), and the flag is read when a line of the log is due. So the weights
are those of the last good step in both.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from prom3e_index.errors import DivergedError, ModelError
from prom3e_index.training import checkpoint
from prom3e_index.training.distributed import Processes

LAST_GOOD = "last_good"
"""Folder in a stopped run, in the published layout: what `--init` takes."""


def not_finite(tensors: Iterable[Tensor], device: torch.device | str) -> Tensor:
    """1 where any number is infinite or NaN, else 0: a float32 scalar on the device, nobody waits for it."""
    some = [t.detach() for t in tensors if t.numel() and t.is_floating_point()]
    if not some:
        return torch.zeros((), device=device)
    if some[0].is_cuda:
        ends = torch.stack(torch._foreach_norm(some, float("inf")))  # few kernels for all tensors
        return (~(ends < float("inf")).all()).float()
    else:
        ends = torch.stack([torch.stack(torch.aminmax(t)).float() for t in some])
    return (~ends.isfinite().all()).float()


def require_finite(module: nn.Module, where: Path | str) -> None:
    """Refuse weights that hold infinite values or NaN.

    Raises:
        ModelError: Names the first such tensor, and where it came from.
    """
    for name, value in module.state_dict().items():
        if bool(not_finite([value], value.device)):
            raise ModelError(
                f"{where}: {name} holds values that are no finite numbers; training neither begins "
                "from such weights nor writes them."
            )


Groups = Sequence[tuple[Sequence[Tensor], Tensor | None]]


class Watch:
    """Does the optimiser's updates as long as every loss and gradient is finite, and none after.

    Args:
        optimiser: `adamw.AdamW`, or one of torch's, a fused one on a GPU.
        me: Several processes agree on every update.
        at_once: Look at each update before it is done, whatever the device; always so on a CPU.
    """

    def __init__(self, optimiser: Any, me: Processes, *, at_once: bool | None = None) -> None:
        self._optimiser, self._me = optimiser, me
        self._at_once = me.device.startswith("cpu") if at_once is None else at_once
        self._parameters = [p for group in optimiser.param_groups for p in group["params"]]
        self._bad, self._loss, self._done = (torch.zeros((), device=me.device) for _ in range(3))
        self._losses: list[Tensor] = []

    def saw(self, loss: Tensor) -> None:
        """Take a step's loss (a scalar) into account; `update` looks at it, with the gradients."""
        value = loss.detach().float()
        kept = self._bad > 0
        if self._losses:  # several before an update: the first that is none is told
            kept = kept | ~self._loss.isfinite()
        torch.where(kept, self._loss, value, out=self._loss)
        self._losses.append(value)

    def update(self, groups: Groups | None = None) -> bool:
        """Update the weights with the gradients there are; False when it is known that they are not good.

        Args:
            groups: Parameters, each with a flag on the device that is 0 where this step has nothing to do with them:
                what AdamW leaves alone of weights without a gradient. All that have one when None.
        """
        seen = [p.grad for p in self._parameters if p.grad is not None] + self._losses
        self._losses = []
        torch.maximum(self._bad, not_finite(seen, self._me.device), out=self._bad)
        self._me.most(self._bad)
        if self._at_once and bool(self._bad):
            return False
        if groups is not None:
            for parameters, flag in groups:
                left_out = self._bad if flag is None else torch.maximum(self._bad, 1 - flag.float())
                self._optimiser.update(parameters, left_out)
        elif self._at_once:
            self._optimiser.step()
        else:
            self._optimiser.found_inf = self._bad
            self._optimiser.step()
        self._done.add_(1 - self._bad)
        return True

    @property
    def state(self) -> list[Tensor]:
        """The flag, the last loss and the updates done, as they stand on the device; the flag comes first."""
        return [self._bad, self._loss, self._done]

    @property
    def stopped(self) -> bool:
        """Whether an update was left out, or will be for a loss; waits for the device."""
        return bool(self._bad) or bool(not_finite(self._losses, self._me.device))

    @property
    def updates(self) -> int:
        """Updates done, all before the first bad one."""
        return int(self._done)

    @property
    def loss(self) -> float:
        """The last loss, or that of the first bad update."""
        return float(self._loss)


def diverged(
    me: Processes, run: Path, at: int, what: str, loss: float, lr: float, module: nn.Module,
    write: Callable[[Path], Any],
) -> DivergedError:  # fmt: skip
    """Keep the last good weights; get the error that ends the run.

    The folder `last_good` and `stopped.json` in the run's folder say which step they are of.

    Args:
        me: The first process writes, the others wait for it.
        run: Folder of the run.
        at: Steps done before the first bad one.
        what: Is no finite number.
        loss: Of the first bad step, or the last one.
        lr: Peak learning rate, for the message.
        module: What was trained, after step `at`. Should the last update itself have overflowed, the
            run's checkpoint is taken instead.
        write: Writes the network to a folder in its published layout.
    """
    step: int | None = at
    if bool(not_finite(module.state_dict().values(), me.device)):
        step = _from_checkpoint(run / "last.safetensors", module)
    if me.first:
        if step is not None:
            write(run / LAST_GOOD)
        facts = {"stopped_after_step": at, "loss": repr(loss), "last_good_step": step, "lr": lr}
        (run / "stopped.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    me.wait()
    kept = "there are no good weights"
    if step is not None:
        kept = f"the weights of step {step}, the last good ones, are in {run / LAST_GOOD}"
    return DivergedError(
        f"Training stopped after step {at}: {what} are no finite numbers (last loss {loss:.4g}). "
        f"No model was written; {kept}. Begin with a lower rate than --lr {lr:g} and another --output, or "
        "go on from good weights with --init."
    )


def _from_checkpoint(path: Path, module: nn.Module) -> int | None:
    if not path.is_file():
        return None
    tensors, state = checkpoint.load(path)
    checkpoint.restore_weights(tensors, module)
    if bool(not_finite(module.state_dict().values(), "cpu")):
        return None
    return int(state["at"])
