"""Capturing a step of fixed shapes in a CUDA graph, and proving that the replayed step is the one that was captured.

A graph that replays something else fails in silence: weights that were cast or moments that were made while it was
captured are old ones ever after, and the run learns nothing. So before a graph is used, some steps are replayed, the
weights must have moved, and at these new weights the replayed loss and gradients must be those of the step taken
without a graph. Then everything is put back.

A step in fused kernels is proven against torch's operations in single precision too: its losses and the gradient of
each weight may be no farther from these than twice what torch's own operations are in the precision of the run.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from prom3e_index.training.fused.launch import on

_WARM = 3
_PROOF = 3
"""Steps replayed before the weights are compared."""
NEAR = {"float32": 1e-4, "tf32": 2e-3, "bf16": 2e-2}
"""How near losses and gradients must be, relative; sums of a GPU differ in their order from run to run."""
FARTHER = 2.0
"""Fused kernels may be so many times farther from the step in single precision than torch's operations are."""
_SMALL, _SCALAR = 1e-2, 0.1
"""To a gradient's length so much of that of all together is added before it is compared, to a loss so much of the
largest: of one that is nearly 0, as a scale's where it has settled, only rounding is left."""
_ASIDE = 0.1
"""How far vectors are moved for the proof: biases that begin at 0 and gains that begin at 1 would hide an error."""


def capture(
    step: Callable[[], Tensor],
    set_to: Callable[[int], None],
    state: Sequence[Tensor],
    hold: Tensor,
    weights: Sequence[Tensor],
    precision: str,
) -> Callable[[], None] | str:
    """Capture a step; all that it changes is as before.

    Args:
        step: Takes a step that waits for nothing and reads all that changes from tensors; gives its losses, the total
            first.
        set_to: Sets these tensors to a step so many later.
        state: All that a step changes, in place; the weights come first.
        hold: The scalar among them that keeps weights, moments and averages as they are while it is 1.
        weights: With their gradients.
        precision: Of products.

    Returns:
        What replays the step, or why it cannot be used.
    """
    kept, stopped = [t.clone() for t in state], bool(hold)
    try:
        hold.fill_(1)
        replay, losses = recorded(step, weights)
        gradients = [w.grad for w in weights]
        _put_back(state, kept)
        for later in range(_PROOF):
            set_to(later)
            replay()
        moved = any(
            not torch.equal(w, k) for w, k in zip(state[: len(weights)], kept, strict=False)
        )
        hold.fill_(1)
        set_to(_PROOF)
        replay()
        mine = [losses.clone(), *(None if g is None else g.clone() for g in gradients)]
        for w in weights:
            w.grad = None
        set_to(_PROOF)
        plain = [step(), *(w.grad for w in weights)]
        apart = max(_apart(a, b) for a, b in zip(mine, plain, strict=True))
    finally:
        _put_back(state, kept)
    if not moved and not stopped:
        return "replayed steps changed no weight"
    if not apart <= NEAR[precision]:
        return f"the replayed step differs by {apart:.1e} from the plain one"
    return replay


def recorded(
    step: Callable[[], Tensor], weights: Sequence[Tensor]
) -> tuple[Callable[[], None], Tensor]:
    """A step in a CUDA graph, with gradients of its own: what replays it, and the losses that this writes."""
    with _aside(weights[0]):  # libraries get their memory, kernels are loaded
        for _ in range(_WARM):
            step()
    for w in weights:
        w.grad = None
    gc.collect()  # a node of an earlier step would belong to another stream
    graph = torch.cuda.CUDAGraph()
    # the card need not be the first; a capture that fails does not go back to the stream before by itself
    with on(weights[0]), torch.cuda.stream(torch.cuda.current_stream()):
        with torch.cuda.graph(graph, stream=torch.cuda.Stream()):
            losses = step()
    return graph.replay, losses


@contextmanager
def _aside(x: Tensor) -> Iterator[None]:
    """Work on a stream of its own, on the device of a tensor, as what will be captured does; on a processor here."""
    if not x.is_cuda:
        yield
        return
    with on(x):
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            yield
        torch.cuda.current_stream().wait_stream(side)


def _put_back(state: Sequence[Tensor], kept: Sequence[Tensor]) -> None:
    with torch.no_grad():
        for into, value in zip(state, kept, strict=True):
            into.copy_(value)


def _apart(a: Tensor | None, b: Tensor | None) -> float:
    """Largest difference, relative to the larger values; infinite where one is missing or no number."""
    if a is None or b is None:
        return 0.0 if a is b else float("inf")
    return _number((a - b).abs().max() / b.abs().max().clamp(min=1e-6)) if a.numel() else 0.0


def _number(x: Tensor) -> float:
    """A scalar, infinite where it is none: comparisons pass over NaN."""
    found = float(x)
    return float("inf") if found != found else found


def why_not_proven(
    exact: Callable[[], Tensor],
    plain: Callable[[], Tensor],
    fused: Callable[[], Tensor],
    state: Sequence[Tensor],
    hold: Tensor,
    weights: Sequence[Tensor],
    precision: str,
) -> str:
    """Why fused kernels are not used, in words; empty where they are proven. All is as before.

    Args:
        exact: Takes a step by torch's operations in single precision; gives its losses.
        plain: The same step in the precision of the run.
        fused: The same by fused kernels.
        state: All that a step changes, in place.
        hold: As of `capture`.
        weights: With their gradients.
        precision: Of the run.
    """
    kept, found = [t.clone() for t in state], []
    try:
        hold.fill_(1)
        with torch.no_grad():
            for w in weights:
                if w.ndim == 1:
                    w.add_(torch.arange(len(w), device=w.device).cos(), alpha=_ASIDE)
        for step in (exact, plain, fused):
            with _aside(weights[0]):
                losses = step().clone()
            found.append([losses, *(None if w.grad is None else w.grad.clone() for w in weights)])
            _put_back(state[len(weights) :], kept[len(weights) :])
            hold.fill_(1)
            for w in weights:
                w.grad = None
    finally:
        _put_back(state, kept)
    usual, new = (_farther(some, found[0]) for some in found[1:])
    allowed = NEAR["float32"] + (FARTHER * usual if precision != "float32" else 0.0)
    if new <= allowed < float("inf"):
        return ""
    return (
        f"they are {new:.1e} from torch's operations in single precision, {allowed:.1e} is allowed"
    )


def _farther(some: Sequence[Tensor | None], exact: Sequence[Tensor | None]) -> float:
    """How far any loss or gradient is from the exact one, relative; infinite where one is missing or no number.

    Each by itself: of all together the large ones would hide what is wrong with norms and biases.
    """
    if any((x is None) != (y is None) for x, y in zip(some, exact, strict=True)):
        return float("inf")
    (a, *mine), (b, *true) = ([t for t in of if t is not None] for of in (some, exact))
    apart = [(a - b).abs() / (b.abs() + _SCALAR * b.abs().max()).clamp(min=1e-6)]
    if true:
        length = torch.stack([y.norm() for y in true])
        distance = torch.stack([(x - y).norm() for x, y in zip(mine, true, strict=True)])
        more = length.new_tensor([_SMALL if y.ndim else _SCALAR for y in true])
        apart.append(distance / (length + more * length.norm()).clamp(min=1e-30))
    return _number(torch.cat(apart).max())  # NaN stays
