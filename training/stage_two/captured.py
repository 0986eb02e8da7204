"""Capturing a step of fixed shapes in a CUDA graph, and proving that the replayed step is the one that was captured.

A graph that replays something else fails in silence: weights that were cast or moments that were made while it was
captured are old ones ever after, and the run learns nothing. So before a graph is used, some steps are replayed, the
weights must have moved, and at these new weights the replayed loss and gradients must be those of the plain step: of
torch's operations, without a graph. Then everything is put back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

_WARM = 3
_PROOF = 3
"""Steps replayed before the weights are compared."""
NEAR = {"float32": 1e-4, "tf32": 2e-3, "bf16": 2e-2}
"""How near losses must be, and all gradients together, relative in length; sums of a GPU differ in their order from run
to run, and kernels of our own round elsewhere than torch's."""
EACH = 4.0
"""A single tensor's gradient may be farther by so much: in bf16 two true steps are up to 3 % apart in one tensor."""


def capture(
    step: Callable[[], Tensor],
    plain: Callable[[], Tensor],
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
        plain: Takes the same step by plain operations, for comparison.
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
        apart = _apart(mine, [plain(), *(w.grad for w in weights)])
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
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # libraries get their memory, kernels are loaded
        for _ in range(_WARM):
            step()
    torch.cuda.current_stream().wait_stream(side)
    for w in weights:
        w.grad = None
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        losses = step()
    return graph.replay, losses


def _put_back(state: Sequence[Tensor], kept: Sequence[Tensor]) -> None:
    with torch.no_grad():
        for into, value in zip(state, kept, strict=True):
            into.copy_(value)


def _apart(mine: Sequence[Tensor | None], plain: Sequence[Tensor | None]) -> float:
    """How far losses and gradients are apart, relative; infinite where one is missing.

    The largest of: any loss, all gradients together, a single one divided by `EACH`.
    """
    losses, lengths = (_largest(mine[0], plain[0]), [])
    for a, b in zip(mine[1:], plain[1:], strict=True):
        if (a is None) != (b is None):
            return float("inf")
        if a is not None and b is not None:
            lengths.append(torch.stack([(a - b).norm(), b.norm()]).double())
    if not lengths:
        return losses
    each = torch.stack(lengths)
    least = 1e-6 * float(each[:, 1].norm())
    whole = each[:, 0].norm() / each[:, 1].norm().clamp(min=1e-30)
    single = (each[:, 0] / each[:, 1].clamp(min=max(least, 1e-30))).max() / EACH
    found = torch.stack([whole, single])
    return max(losses, float("inf") if bool(found.isnan().any()) else float(found.max()))


def _largest(a: Tensor | None, b: Tensor | None) -> float:
    if a is None or b is None:
        return 0.0 if a is b else float("inf")
    return float((a - b).abs().max() / b.abs().max().clamp(min=1e-6))
