"""Kernels that go along rows: layer norms of sums, unit rows, the entropy of distances. See `fused/operations.py`."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _summed(
    x,
    bias,
    residual,
    at_x,
    at_bias,
    at_residual,
    column,
    inside,
    BIAS: tl.constexpr,
    RESIDUAL: tl.constexpr,
):
    value = tl.load(x + at_x + column, mask=inside, other=0.0).to(tl.float32)
    if BIAS:
        value += tl.load(bias + at_bias + column, mask=inside, other=0.0).to(tl.float32)
    if RESIDUAL:
        value += tl.load(residual + at_residual + column, mask=inside, other=0.0).to(tl.float32)
    return value


@triton.jit
def norm_forward(
    x,
    bias,
    residual,
    gain,
    offset,
    out,
    mean,
    spread,
    rows,
    width,
    eps,
    x_k,
    x_n,
    b_k,
    r_k,
    r_n,
    g_k,
    out_k,
    out_n,
    BIAS: tl.constexpr,
    RESIDUAL: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Out = layer norm of x + bias + residual; a program a row. `spread` is 1 / σ.

    Layers above the second take the residuals of the first two again, in turn.
    """
    at = tl.program_id(0).to(tl.int64)
    k, n = at // rows, at % rows
    column = tl.arange(0, BLOCK)
    inside = column < width
    value = _summed(
        x,
        bias,
        residual,
        k * x_k + n * x_n,
        k * b_k,
        k % 2 * r_k + n * r_n,
        column,
        inside,
        BIAS,
        RESIDUAL,
    )
    middle = tl.sum(value, axis=0) / width
    apart = tl.where(inside, value - middle, 0.0)
    one = 1.0 / tl.sqrt(tl.sum(apart * apart, axis=0) / width + eps)
    tl.store(mean + at, middle)
    tl.store(spread + at, one)
    scaled = apart * one * tl.load(gain + k * g_k + column, mask=inside, other=0.0)
    scaled += tl.load(offset + k * g_k + column, mask=inside, other=0.0)
    tl.store(out + k * out_k + n * out_n + column, scaled.to(out.dtype.element_ty), mask=inside)


@triton.jit
def norm_backward(
    g,
    x,
    bias,
    residual,
    gain,
    mean,
    spread,
    of_sum,
    of_x,
    rows,
    width,
    layers,
    g_k,
    g_n,
    x_k,
    x_n,
    b_k,
    r_k,
    r_n,
    gain_k,
    out_k,
    out_n,
    BIAS: tl.constexpr,
    RESIDUAL: tl.constexpr,
    TWO: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """The gradient of what is normed; of `layers` norms of the same row their sum.

    `of_sum` is it in single precision, with `TWO` `of_x` the same in the precision of x.
    """
    at = tl.program_id(0).to(tl.int64)
    k, n = at // rows, at % rows
    column = tl.arange(0, BLOCK)
    inside = column < width
    value = _summed(
        x,
        bias,
        residual,
        k * x_k + n * x_n,
        k * b_k,
        k % 2 * r_k + n * r_n,
        column,
        inside,
        BIAS,
        RESIDUAL,
    )
    one = tl.load(spread + at)
    plain = tl.where(inside, (value - tl.load(mean + at)) * one, 0.0)
    along = tl.zeros([BLOCK], tl.float32)
    for layer in range(layers):
        each = tl.load(g + (k + layer) * g_k + n * g_n + column, mask=inside, other=0.0).to(
            tl.float32
        )
        along += each * tl.load(gain + (k + layer) * gain_k + column, mask=inside, other=0.0)
    first = tl.sum(along, axis=0) / width
    second = tl.sum(along * plain, axis=0) / width
    out = (along - first - plain * second) * one
    place = k * out_k + n * out_n + column
    tl.store(of_sum + place, out.to(of_sum.dtype.element_ty), mask=inside)
    if TWO:
        tl.store(of_x + place, out.to(of_x.dtype.element_ty), mask=inside)


@triton.jit
def unit_forward(x, bias, out, length, rows, width, b_k, BIAS: tl.constexpr, BLOCK: tl.constexpr):
    """Out = (x + bias) / ‖x + bias‖₂, single precision; a program a row."""
    at = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    inside = column < width
    value = tl.load(x + at * width + column, mask=inside, other=0.0).to(tl.float32)
    if BIAS:
        value += tl.load(bias + at // rows * b_k + column, mask=inside, other=0.0)
    long = tl.maximum(tl.sqrt(tl.sum(value * value, axis=0)), 1e-12)
    tl.store(length + at, long)
    tl.store(out + at * width + column, value / long, mask=inside)


@triton.jit
def unit_backward(g, out, length, of_x, width, BLOCK: tl.constexpr):
    """(g − y (g·y)) / ‖x‖₂."""
    at = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    inside = column < width
    each = tl.load(g + at * width + column, mask=inside, other=0.0).to(tl.float32)
    y = tl.load(out + at * width + column, mask=inside, other=0.0)
    value = (each - y * tl.sum(each * y, axis=0)) / tl.load(length + at)
    tl.store(of_x + at * width + column, value.to(of_x.dtype.element_ty), mask=inside)


@triton.jit
def entropy_forward(
    product,
    scale,
    own,
    removed,
    value,
    log_sum,
    rows,
    width,
    least,
    removed_t,
    removed_n,
    REMOVED: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Cross-entropy of α·√(2 − 2ab) with truth `own`, of a row of products ab; and the logarithm of its sum."""
    at = tl.program_id(0).to(tl.int64)
    t, n = at // rows, at % rows
    column = tl.arange(0, BLOCK)
    inside = column < width
    ab = tl.load(product + at * width + column, mask=inside, other=0.0)
    logit = tl.sqrt(tl.where(2 - 2 * ab < least, least, 2 - 2 * ab)) * tl.load(scale)
    if REMOVED:
        out = tl.load(removed + t * removed_t + n * removed_n + column, mask=inside, other=0)
        logit = tl.where(out != 0, float("-inf"), logit)
    logit = tl.where(inside, logit, float("-inf"))
    most = tl.max(logit, axis=0)
    whole = tl.log(tl.sum(tl.exp(logit - most), axis=0)) + most
    truth = tl.load(own + n)
    tl.store(log_sum + at, whole)
    tl.store(value + at, whole - tl.sum(tl.where(column == truth, logit, 0.0), axis=0))


@triton.jit
def entropy_backward(
    g,
    product,
    scale,
    own,
    removed,
    log_sum,
    of_product,
    of_scale,
    rows,
    width,
    least,
    removed_t,
    removed_n,
    g_t,
    g_n,
    REMOVED: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """The gradient of a row of products, and the row's share of the scale's."""
    at = tl.program_id(0).to(tl.int64)
    t, n = at // rows, at % rows
    column = tl.arange(0, BLOCK)
    inside = column < width
    ab = tl.load(product + at * width + column, mask=inside, other=0.0)
    square = 2 - 2 * ab
    distance = tl.sqrt(tl.where(square < least, least, square))
    alpha = tl.load(scale)
    share = tl.exp(distance * alpha - tl.load(log_sum + at))
    if REMOVED:
        out = tl.load(removed + t * removed_t + n * removed_n + column, mask=inside, other=0)
        share = tl.where(out != 0, 0.0, share)
    share = share - tl.where(column == tl.load(own + n), 1.0, 0.0)
    share = tl.where(inside, share * tl.load(g + t * g_t + n * g_n), 0.0)
    tl.store(of_scale + at, tl.sum(share * distance, axis=0))
    # equal rows have no direction in which they part: their gradient is 0
    along = tl.where(square <= least, 0.0, share / distance * -alpha)
    tl.store(of_product + at * width + column, along, mask=inside)


@triton.jit
def contrast_forward(products, scale, value, truth, rows, BLOCK: tl.constexpr):
    """Cross-entropy of a row of α·ab, of ab and of its transpose, with truth on the diagonal; and the true ab.

    α is e^scale, 100 at most. Logits are taken from the true one: beside it a small loss would be lost in rounding.
    """
    at = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    alpha = tl.exp(tl.load(scale))
    alpha = tl.where(alpha > 100.0, 100.0, alpha)
    ab = tl.load(products + at * rows + column, mask=column < rows, other=0.0)
    true = tl.sum(tl.where(column == at % rows, ab, 0.0), axis=0)
    logit = tl.where(column < rows, (ab - true) * alpha, float("-inf"))
    most = tl.max(logit, axis=0)
    tl.store(truth + at, true)
    tl.store(value + at, tl.log(tl.sum(tl.exp(logit - most), axis=0)) + most)


@triton.jit
def contrast_backward(
    g, products, scale, value, truth, of_products, of_scale, rows, BLOCK: tl.constexpr
):
    """The gradient of a row of ab, of both directions, and the row's share of the scale's."""
    at = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    inside = column < rows
    ab = tl.load(products + at * rows + column, mask=inside, other=0.0)
    free = tl.exp(tl.load(scale))
    alpha = tl.where(free > 100.0, 100.0, free)
    share = tl.exp((ab - tl.load(truth + at)) * alpha - tl.load(value + at))
    other = rows + column
    true = tl.load(truth + other, mask=inside, other=0.0)
    share += tl.exp((ab - true) * alpha - tl.load(value + other, mask=inside, other=0.0))
    share -= tl.where(column == at, 2.0, 0.0)
    share = tl.where(inside, share * (tl.load(g) / (2 * rows)), 0.0)
    tl.store(of_scale + at, tl.sum(share * ab, axis=0) * tl.where(free > 100.0, 0.0, free))
    tl.store(of_products + at * rows + column, share * alpha, mask=inside)
