"""Kernels of the class tokens: what they heed, and the posterior that they end in. See `fused/operations.py`."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _values(
    both,
    own,
    row,
    head,
    tokens,
    width,
    per_head,
    both_k,
    both_n,
    FIXED: tl.constexpr,
    T: tl.constexpr,
    D: tl.constexpr,
):
    """The values of all tokens of a row, of a head, (T, D): those that all rows share first."""
    token = tl.arange(0, T)[:, None]
    column = tl.arange(0, D)[None, :]
    given = (token >= FIXED) & (token < FIXED + tokens) & (column < per_head)
    place = (token - FIXED).to(tl.int64) * both_k + row * both_n + head * per_head + column
    values = tl.load(both + place, mask=given, other=0.0).to(tl.float32)
    place = token * width + head * per_head + column
    return values + tl.load(own + place, mask=(token < FIXED) & (column < per_head), other=0.0)


@triton.jit
def _shares(
    both,
    of_own,
    seen,
    row,
    head,
    asks: tl.constexpr,
    tokens,
    width,
    heads,
    both_k,
    both_n,
    seen_way,
    FIXED: tl.constexpr,
    MASK: tl.constexpr,
    T: tl.constexpr,
):
    """How much one class token of a row heeds each token, (T,)."""
    token = tl.arange(0, T)
    mine = token < FIXED
    given = (token >= FIXED) & (token < FIXED + tokens)
    at = token - FIXED
    ask: tl.constexpr = asks if asks < 2 else 0
    place = at.to(tl.int64) * both_k + row * both_n + width + head * 2 + ask
    scores = tl.load(both + place, mask=given, other=0.0).to(tl.float32)
    scores += tl.load(of_own + token * (2 * heads) + head * 2 + ask, mask=mine, other=0.0)
    shown = mine | given
    if MASK:
        way: tl.constexpr = 0 if asks < 2 else 1
        some = tl.load(seen + way * seen_way + row * tokens + at, mask=given, other=0)
        shown = mine | (some != 0)
    scores = tl.where(shown, scores, float("-inf"))
    share = tl.exp(scores - tl.max(scores, axis=0))
    return share / tl.sum(share, axis=0)


@triton.jit
def heed_forward(
    both,
    own,
    of_own,
    seen,
    out,
    rows,
    tokens,
    width,
    per_head,
    heads,
    both_k,
    both_n,
    seen_way,
    FIXED: tl.constexpr,
    ASK: tl.constexpr,
    MASK: tl.constexpr,
    T: tl.constexpr,
    D: tl.constexpr,
):
    """What class tokens gather, (n, asking, z); a program a row and head."""
    row, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    column = tl.arange(0, D)
    values = _values(both, own, row, head, tokens, width, per_head, both_k, both_n, FIXED, T, D)
    for ask in tl.static_range(ASK):
        share = _shares(
            both, of_own, seen, row, head, ask, tokens, width, heads, both_k, both_n, seen_way,
            FIXED, MASK, T,
        )  # fmt: skip
        gathered = tl.sum(share[:, None] * values, axis=0)
        place = out + (row * ASK + ask) * width + head * per_head + column
        tl.store(place, gathered.to(out.dtype.element_ty), mask=column < per_head)


@triton.jit
def heed_backward(
    g,
    both,
    own,
    of_own,
    seen,
    of_both,
    of_scores,
    own_shares,
    rows,
    tokens,
    width,
    per_head,
    heads,
    both_k,
    both_n,
    seen_way,
    FIXED: tl.constexpr,
    ASK: tl.constexpr,
    MASK: tl.constexpr,
    T: tl.constexpr,
    D: tl.constexpr,
):
    """Gradients of a row's values and scores; and what those that all rows share are summed of.

    `of_scores` (n, f, 2·heads) are the gradients of their scores, `own_shares` (heads, f, n, asking) how much each is
    heeded.
    """
    row, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    token = tl.arange(0, T)
    column = tl.arange(0, D)
    mine = token < FIXED
    given = (token >= FIXED) & (token < FIXED + tokens)
    values = _values(both, own, row, head, tokens, width, per_head, both_k, both_n, FIXED, T, D)
    of_values = tl.zeros([T, D], tl.float32)
    first = tl.zeros([T], tl.float32)
    second = tl.zeros([T], tl.float32)
    for ask in tl.static_range(ASK):
        share = _shares(
            both, of_own, seen, row, head, ask, tokens, width, heads, both_k, both_n, seen_way,
            FIXED, MASK, T,
        )  # fmt: skip
        place = g + (row * ASK + ask) * width + head * per_head + column
        up = tl.load(place, mask=column < per_head, other=0.0).to(tl.float32)
        of_share = tl.sum(values * up[None, :], axis=1)
        of_score = share * (of_share - tl.sum(share * of_share, axis=0))
        of_values += share[:, None] * up[None, :]
        if ask == 1:
            second += of_score
        else:
            first += of_score
        place = own_shares + ((head * FIXED + token).to(tl.int64) * rows + row) * ASK + ask
        tl.store(place, share.to(own_shares.dtype.element_ty), mask=mine)
    start = of_both + (token - FIXED).to(tl.int64) * both_k + row * both_n
    place = start[:, None] + head * per_head + column[None, :]
    inside = given[:, None] & (column < per_head)[None, :]
    tl.store(place, of_values.to(of_both.dtype.element_ty), mask=inside)
    start += width + head * 2
    tl.store(start, first.to(of_both.dtype.element_ty), mask=given)
    tl.store(start + 1, second.to(of_both.dtype.element_ty), mask=given)
    start = of_scores + (row * FIXED + token) * (2 * heads) + head * 2
    tl.store(start, first, mask=mine)
    tl.store(start + 1, second, mask=mine)


@triton.jit
def posterior_forward(
    x,
    noise,
    mean,
    length,
    latent,
    rest,
    rest_length,
    divergence,
    rows,
    width,
    most,
    noise_n,
    noise_z,
    ASK: tl.constexpr,
    NOISE: tl.constexpr,
    CODE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Unit μ, z = μ + σ·ε, unit μ of the rest, and the row's Σ of 1 + log σ² − μ² − σ², of (n, asking, z)."""
    row = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    inside = column < width
    start = x + row * ASK * width + column
    value = tl.load(start, mask=inside, other=0.0)
    long = tl.maximum(tl.sqrt(tl.sum(value * value, axis=0)), 1e-12)
    middle = value / long
    log = tl.load(start + width, mask=inside, other=0.0)
    variance = tl.exp(tl.where(log > most, most, log))
    tl.store(length + row, long)
    tl.store(mean + row * width + column, middle, mask=inside)
    first = log if CODE else variance
    each = tl.where(inside, 1 + first - middle * middle - variance, 0.0)
    tl.store(divergence + row, tl.sum(each, axis=0))
    if NOISE:
        drawn = tl.load(noise + row * noise_n + column * noise_z, mask=inside, other=0.0)
        tl.store(latent + row * width + column, middle + tl.exp(log / 2) * drawn, mask=inside)
    if ASK > 2:
        value = tl.load(start + 2 * width, mask=inside, other=0.0)
        long = tl.maximum(tl.sqrt(tl.sum(value * value, axis=0)), 1e-12)
        tl.store(rest_length + row, long)
        tl.store(rest + row * width + column, value / long, mask=inside)


@triton.jit
def posterior_backward(
    x,
    noise,
    mean,
    length,
    rest,
    rest_length,
    of_mean,
    of_latent,
    of_rest,
    of_divergence,
    of_x,
    rows,
    width,
    most,
    noise_n,
    noise_z,
    ASK: tl.constexpr,
    NOISE: tl.constexpr,
    CODE: tl.constexpr,
    MEAN: tl.constexpr,
    LATENT: tl.constexpr,
    REST: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """The gradient of (n, asking, z). `of_divergence` is that of each number under its Σ."""
    row = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    inside = column < width
    start = row * ASK * width + column
    plain = row * width + column
    middle = tl.load(mean + plain, mask=inside, other=0.0)
    log = tl.load(x + start + width, mask=inside, other=0.0)
    each = tl.load(of_divergence)
    of_log = tl.zeros([BLOCK], tl.float32)
    if CODE:
        of_log += (1 - tl.exp(tl.where(log > most, most, log))) * each
    along = middle * (-2 * each)
    if MEAN:
        along += tl.load(of_mean + plain, mask=inside, other=0.0)
    if LATENT:
        up = tl.load(of_latent + plain, mask=inside, other=0.0)
        along += up
        if NOISE:
            drawn = tl.load(noise + row * noise_n + column * noise_z, mask=inside, other=0.0)
            of_log += up * drawn * tl.exp(log / 2) * 0.5
    out = (along - middle * tl.sum(along * middle, axis=0)) / tl.load(length + row)
    tl.store(of_x + start, out, mask=inside)
    tl.store(of_x + start + width, of_log, mask=inside)
    if ASK > 2:
        out = tl.zeros([BLOCK], tl.float32)
        if REST:
            up = tl.load(of_rest + plain, mask=inside, other=0.0)
            shown = tl.load(rest + plain, mask=inside, other=0.0)
            out += (up - shown * tl.sum(up * shown, axis=0)) / tl.load(rest_length + row)
        tl.store(of_x + start + 2 * width, out, mask=inside)
