"""Kernels that go along columns: sums over rows, of layer norms and biases; GELU. See `fused/operations.py`.

A program takes some columns of one layer and a part of the rows; parts are summed after, so nothing depends on which
program was first.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def column_sums(x, part, rows, width, layers, x_k, x_n, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """Σ over rows of (k, n, c), in parts: (parts, k, c)."""
    column = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    k, split = tl.program_id(1).to(tl.int64), tl.program_id(2)
    inside = column < width
    each = (rows + tl.num_programs(2) - 1) // tl.num_programs(2)
    end = tl.minimum(rows, (split + 1) * each)
    total = tl.zeros([ROWS, COLUMNS], tl.float32)
    for start in range(split * each, end, ROWS):
        row = start + tl.arange(0, ROWS)
        there = (row < end)[:, None] & inside[None, :]
        place = x + k * x_k + row[:, None].to(tl.int64) * x_n + column[None, :]
        total += tl.load(place, mask=there, other=0.0).to(tl.float32)
    out = part + (split * layers + k) * width + column
    tl.store(out, tl.sum(total, axis=0), mask=inside)


@triton.jit
def norm_columns(
    g,
    x,
    bias,
    residual,
    mean,
    spread,
    of_gain,
    of_offset,
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
    stat_k,
    BIAS: tl.constexpr,
    RESIDUAL: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """Σ over rows of g times the plain norm, and of g, in parts: (parts, k, c) each."""
    column = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    k, split = tl.program_id(1).to(tl.int64), tl.program_id(2)
    inside = column < width
    each = (rows + tl.num_programs(2) - 1) // tl.num_programs(2)
    end = tl.minimum(rows, (split + 1) * each)
    gains = tl.zeros([ROWS, COLUMNS], tl.float32)
    offsets = tl.zeros([ROWS, COLUMNS], tl.float32)
    added = tl.zeros([COLUMNS], tl.float32)
    if BIAS:
        added += tl.load(bias + k * b_k + column, mask=inside, other=0.0).to(tl.float32)
    for start in range(split * each, end, ROWS):
        row = start + tl.arange(0, ROWS)
        there = (row < end)[:, None] & inside[None, :]
        wide = row[:, None].to(tl.int64)
        value = tl.load(x + k * x_k + wide * x_n + column[None, :], mask=there, other=0.0).to(
            tl.float32
        )
        value += added[None, :]
        if RESIDUAL:
            place = residual + k % 2 * r_k + wide * r_n + column[None, :]
            value += tl.load(place, mask=there, other=0.0).to(tl.float32)
        middle = tl.load(mean + k * stat_k + row, mask=row < end, other=0.0)
        one = tl.load(spread + k * stat_k + row, mask=row < end, other=0.0)
        up = tl.load(g + k * g_k + wide * g_n + column[None, :], mask=there, other=0.0).to(
            tl.float32
        )
        gains += up * (value - middle[:, None]) * one[:, None]
        offsets += up
    out = (split * layers + k) * width + column
    tl.store(of_gain + out, tl.sum(gains, axis=0), mask=inside)
    tl.store(of_offset + out, tl.sum(offsets, axis=0), mask=inside)


@triton.jit
def gelu_forward(x, bias, out, rows, width, b_k, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """GELU, the exact one, of (k, n, c) + (k, 1, c)."""
    column = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    row = tl.program_id(2) * ROWS + tl.arange(0, ROWS)
    k = tl.program_id(1).to(tl.int64)
    there = (row < rows)[:, None] & (column < width)[None, :]
    place = (k * rows + row[:, None]) * width + column[None, :]
    added = tl.load(bias + k * b_k + column, mask=column < width, other=0.0)
    value = tl.load(x + place, mask=there, other=0.0).to(tl.float32) + added[None, :]
    value = value * 0.5 * (1 + tl.erf(value * 0.7071067811865476))
    tl.store(out + place, value.to(out.dtype.element_ty), mask=there)


@triton.jit
def gelu_backward(
    g, x, bias, of_x, part, rows, width, layers, b_k, ROWS: tl.constexpr, COLUMNS: tl.constexpr
):
    """The gradient of what GELU is taken of, and its Σ over rows in parts: (parts, k, c)."""
    column = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    k, split = tl.program_id(1).to(tl.int64), tl.program_id(2)
    inside = column < width
    each = (rows + tl.num_programs(2) - 1) // tl.num_programs(2)
    end = tl.minimum(rows, (split + 1) * each)
    total = tl.zeros([ROWS, COLUMNS], tl.float32)
    added = tl.load(bias + k * b_k + column, mask=inside, other=0.0)
    for start in range(split * each, end, ROWS):
        row = start + tl.arange(0, ROWS)
        there = (row < end)[:, None] & inside[None, :]
        place = (k * rows + row[:, None]) * width + column[None, :]
        value = tl.load(x + place, mask=there, other=0.0).to(tl.float32) + added[None, :]
        slope = 0.5 * (1 + tl.erf(value * 0.7071067811865476))
        slope += value * tl.exp(-0.5 * value * value) * 0.3989422804014327
        up = tl.load(g + place, mask=there, other=0.0).to(tl.float32) * slope
        tl.store(of_x + place, up.to(of_x.dtype.element_ty), mask=there)
        total += up
    tl.store(part + (split * layers + k) * width + column, tl.sum(total, axis=0), mask=inside)
