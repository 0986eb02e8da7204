"""Several devices under `torchrun`, by torch's own DistributedDataParallel.

Every process holds all rows and draws the same joint batch; each trains its share of the rows against
all columns. So no embedding travels, only gradients and, for what is contrasted with other rows' outputs, these
outputs; and the step equals that of one process.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, nn

from prom3e_index.errors import InputError

PATIENCE = timedelta(hours=12)
"""How long processes wait for the first one, which alone decodes files and measures recall."""


@dataclass(frozen=True)
class Processes:
    """This process among those of the run."""

    rank: int = 0
    count: int = 1
    device: str = "cpu"

    @property
    def first(self) -> bool:
        """Whether this process validates, saves and logs."""
        return self.rank == 0

    def part(self, n: int) -> slice:
        """This process's share of n rows.

        Raises:
            InputError: The rows cannot be shared equally.
        """
        if n % self.count:
            raise InputError(f"A batch of {n} rows cannot be shared by {self.count} processes.")
        each = n // self.count
        return slice(self.rank * each, (self.rank + 1) * each)

    def wrap(self, module: nn.Module) -> Any:
        """The module, its gradients averaged over the processes where there are several."""
        if self.count == 1:
            return module
        from torch.nn.parallel import DistributedDataParallel

        ids = [torch.device(self.device)] if self.device.startswith("cuda") else None
        return DistributedDataParallel(module, device_ids=ids, find_unused_parameters=True)

    def exchange(self, wrapped: Any, now: bool) -> AbstractContextManager[Any]:
        """Where a forward and backward pass run: gradients travel between processes only when `now`."""
        return nullcontext() if now or self.count == 1 else wrapped.no_sync()

    def agree(self, value: int) -> int:
        """The first process's value, in every process."""
        if self.count == 1:
            return value
        box = torch.tensor([value], device=self.device)
        torch.distributed.broadcast(box, src=0)
        return int(box[0])

    def most(self, value: Tensor) -> Tensor:
        """The largest of all processes' scalars, in every process; no host waits for a device."""
        if self.count > 1:
            torch.distributed.all_reduce(value, op=torch.distributed.ReduceOp.MAX)
        return value

    def mean(self, values: Tensor) -> Tensor:
        """The mean of all processes' values, in every process; every one must ask for it."""
        if self.count > 1:
            torch.distributed.all_reduce(values)
        return values / self.count

    def wait(self) -> None:
        """Wait until every process is here."""
        if self.count > 1:
            torch.distributed.barrier()

    def leave(self) -> None:
        """End the group that `join` made."""
        if self.count > 1:
            torch.distributed.destroy_process_group()


ALONE = Processes()
"""A run in one process."""


def gathered(x: Tensor, me: Processes) -> Tensor:
    """Rows of all processes in order; gradients flow through this process's own."""
    if me.count == 1:
        return x
    parts = [torch.empty_like(x) for _ in range(me.count)]
    torch.distributed.all_gather(parts, x.detach().contiguous())
    parts[me.rank] = x
    return torch.cat(parts)


def shared(x: Tensor, count: int) -> Tensor:
    """The same values with a gradient divided by `count`.

    Where each process has the whole loss of gathered rows, its gradient is multiplied by their number because
    their mean is taken: right for the rows, which each have one process, but not for what all have.
    """
    return x if count == 1 else x.detach() + (x - x.detach()) / count


def join(device: str) -> Processes:
    """Join the group that `torchrun` started; alone when it started none.

    Raises:
        InputError: A CUDA device is asked for and there is none.
    """
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(f"--device {device}: torch sees no CUDA device here; use cpu.")
    if "RANK" not in os.environ or int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Processes(device=device)
    rank, count = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    if device.startswith("cuda"):
        device = f"cuda:{os.environ.get('LOCAL_RANK', rank)}"
        torch.cuda.set_device(device)
    if not torch.distributed.is_initialized():
        backend = "nccl" if device.startswith("cuda") else "gloo"
        torch.distributed.init_process_group(backend, rank=rank, world_size=count, timeout=PATIENCE)
    return Processes(rank, count, device)
