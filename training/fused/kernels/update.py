"""The kernel of AdamW's update. See `fused/update.py`."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def adamw(
    weight,
    g,
    first,
    second,
    rounded,
    steps,
    left_out,
    rate,
    count,
    beta1,
    beta2,
    eps,
    decay,
    LOG1: tl.constexpr,
    LOG2: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """One update; all stays as it is where `left_out` is 1."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < count
    lr = tl.load(rate)
    done = tl.load(steps).to(tl.float64)
    toward1 = (1.0 - tl.exp(done * LOG1)).to(tl.float32)
    toward2 = tl.sqrt((1.0 - tl.exp(done * LOG2)).to(tl.float32))
    w = tl.load(weight + at, mask=inside, other=0.0)
    up = tl.load(g + at, mask=inside, other=0.0)
    m = tl.load(first + at, mask=inside, other=0.0)
    v = tl.load(second + at, mask=inside, other=0.0)
    good = tl.load(left_out) < 0.5
    m_new = m + (1.0 - beta1) * (up - m)
    v_new = beta2 * v + (1.0 - beta2) * up * up
    new = w - lr * decay * w - (lr / toward1) * m_new / (tl.sqrt(v_new) / toward2 + eps)
    new = tl.where(good, new, w)
    tl.store(weight + at, new, mask=inside)
    tl.store(first + at, tl.where(good, m_new, m), mask=inside)
    tl.store(second + at, tl.where(good, v_new, v), mask=inside)
    tl.store(rounded + at, new.to(rounded.dtype.element_ty), mask=inside)
