"""Operations of fixed shapes on a card, recorded in a CUDA graph once they have been asked for often, then replayed.

A graph that replays something else fails in silence. So it is recorded while zeros lie where a query will, and is used
only if for a query it gives the answer of the operations told one by one, and another one than for the zeros.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import torch
from torch import Tensor

AFTER = 16
"""Times that a shape is told one by one first: recording takes as long as some hundred replays save."""
SHAPES = 8
"""Shapes that are recorded at most; each holds the memory of its operations."""
_NEAR = 1e-5

Step = Callable[[Tensor], tuple[Tensor, ...]]
"""From bytes on a device to tensors there, whatever these bytes are: it waits for nothing and reads no value on the
host. The last tensor, of two dimensions, is the answer, all but its last column exact."""


class Replays:
    """What is recorded of the searches among some rows, by shape; used by one thread at a time."""

    def __init__(self) -> None:
        self._asked: Counter[int] = Counter()
        self._kept: dict[int, _Recorded | str] = {}

    def take(
        self, shape: int, step: Step, sent: Tensor, device: torch.device
    ) -> tuple[Tensor, ...]:
        """What a step makes of bytes on the host; what is replayed stays until the next of its shape.

        Args:
            shape: Names it: steps of one shape are the same but for the bytes.
            step: Told one by one, or recorded.
            sent: (bytes,) in pinned memory where the device is a card.
            device: Where the step takes place.
        """
        known = self._kept.get(shape)
        if known is None:
            self._asked[shape] += 1
            if not can_record(device):
                known = self._kept[shape] = f"{device.type} does not replay"
            elif self._asked[shape] > AFTER and len(self._kept) < SHAPES:
                known = self._kept[shape] = _proved(step, sent, device)
        if isinstance(known, _Recorded):
            return known.take(sent)
        return step(sent.to(device, non_blocking=True))

    def told(self, shape: int) -> str:
        """How a shape is taken: `replayed`, or that it is told one by one and why."""
        known = self._kept.get(shape, f"asked {self._asked[shape]} times")
        return "replayed" if isinstance(known, _Recorded) else f"told one by one: {known}"


class _Recorded:
    """A recorded step, the bytes that it reads and the tensors that it writes."""

    def __init__(self, step: Step, given: Tensor) -> None:
        self._given = given
        self._replay, self._made = recorded(step, given)

    def take(self, sent: Tensor) -> tuple[Tensor, ...]:
        self._given.copy_(sent, non_blocking=True)
        self._replay()
        return self._made


def can_record(device: torch.device) -> bool:
    """Whether a device replays what it was told before."""
    return device.type == "cuda"


def recorded(step: Step, given: Tensor) -> tuple[Callable[[], None], tuple[Tensor, ...]]:
    """A step in a CUDA graph: what replays it, and the tensors that this writes."""
    with torch.cuda.device(given.device):
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):  # libraries get their memory, kernels are loaded
            for _ in range(2):
                step(given)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        # Other threads go on, with encoders for example.
        with torch.cuda.graph(graph, stream=side, capture_error_mode="thread_local"):
            made = step(given)
    return graph.replay, made


def _proved(step: Step, sent: Tensor, device: torch.device) -> _Recorded | str:
    """A step that replays what it does for these bytes, or why it cannot be used."""
    try:
        there = sent.to(device, copy=True)
        found = _Recorded(step, torch.zeros_like(there))
        before = found.take(torch.zeros_like(sent))[-1].clone()
        mine, plain = found.take(sent)[-1].clone(), step(there)[-1]
    except RuntimeError as e:
        return (str(e) or type(e).__name__).strip().splitlines()[0][:120]
    near = torch.allclose(mine[:, -1], plain[:, -1], rtol=_NEAR, atol=_NEAR)
    if not near or not torch.equal(mine[:, :-1], plain[:, :-1]):
        return "the replayed answer is another"
    if torch.equal(mine, before):
        return "the replayed answer does not change with the query"
    return found
