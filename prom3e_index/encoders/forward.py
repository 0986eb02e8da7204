"""Running an encoder's network on its device: at which precision, and without the device waiting for the host.

On the processor everything is single precision. On a card the tower of photos runs in float16 where autocast thinks it
safe (layer norms, softmax and sums stay in single precision): several times faster, and 99 % of photos keep their ten
nearest neighbours (`tests/test_half_precision.py`, `benchmarks/gpu_encoders.py`). Towers of tiles and recordings lost
the neighbours of more (`benchmarks/LOG.md`) and stay in single precision, as names, places and climates do: each name
is encoded once and names lie close together, a place's angles need all of their digits, and the networks are small.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prom3e_index.models.device import is_card

Rows = Callable[[], NDArray[np.float32]]
"""Waits for rows that were begun, and gives them."""


def photo_precision(device: str) -> str:
    """Precision of the products of a tower of photos, on a device."""
    return "float16" if is_card(device) else "float32"


class Forward:
    """A network on a device.

    Attributes:
        precision: `float32` or `float16`.
        again: Rows so far that were no numbers in half precision and were made again in single.
        ahead: Whether what is begun goes on by itself until it is asked for.
    """

    def __init__(
        self, network: Callable[..., Tensor], device: str, precision: str = "float32"
    ) -> None:
        self._network, self._device, self.precision, self.again = network, device, precision, 0
        self.ahead = is_card(device)
        self._copying = torch.cuda.Stream(device) if self.ahead else None

    def begin(self, *inputs: Tensor) -> Rows:
        """Run the network over rows (n, …) that lie on the processor.

        Returns:
            Gives (n, d) float32, not normalised. On a card the work goes on meanwhile: the next batch can be moved
            there before the rows of this one are asked for.
        """
        if self._copying is None:
            made = self._run(inputs, self.precision)
            return lambda: self._whole(inputs, made)
        with torch.cuda.stream(self._copying):
            there = [i.to(self._device, non_blocking=True) for i in inputs]
        computing = torch.cuda.current_stream(self._device)
        computing.wait_stream(self._copying)
        for moved in there:
            moved.record_stream(computing)
        made = self._run(there, self.precision)
        out = torch.empty(made.shape, dtype=made.dtype, pin_memory=True)
        out.copy_(made, non_blocking=True)
        done = torch.cuda.Event()
        done.record(computing)

        def rows() -> NDArray[np.float32]:
            done.synchronize()
            return self._whole(there, out)

        return rows

    def _run(self, inputs: Sequence[Tensor], precision: str) -> Tensor:
        with torch.inference_mode(), self._cast(precision):
            out = self._network(*inputs)
        return out.float()

    def _cast(self, precision: str) -> AbstractContextManager[Any]:
        if precision == "float32":
            return nullcontext()
        return torch.autocast(self._device.partition(":")[0], dtype=torch.float16)

    def _whole(self, inputs: Sequence[Tensor], made: Tensor) -> NDArray[np.float32]:
        """The rows, those that are no numbers in half precision made again in single."""
        rows: NDArray[np.float32] = made.numpy()
        if self.precision == "float32":
            return rows
        bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
        if len(bad):
            self.again += len(bad)
            rows = rows.copy()
            rows[bad] = self._run([i[bad] for i in inputs], "float32").cpu().numpy()
        return rows


def gathered(items: Sequence[NDArray[Any]], device: str) -> Tensor:
    """Arrays of one shape as one tensor (n, …) on the processor; pinned where a card is to fetch it."""
    first = np.asarray(items[0])
    kind = torch.from_numpy(np.empty(0, first.dtype)).dtype
    out = torch.empty((len(items), *first.shape), dtype=kind, pin_memory=is_card(device))
    np.stack(list(items), out=out.numpy())
    return out
