"""Loops over half-precision vectors, compiled by numba on first use; `scan` says what they are for.

numpy widens half precision one number at a time (1 GB/s here); these use the processor's own conversion and
run at the speed of memory. `benchmarks/LOG.md` has both. What is compiled is kept beside this file, or in the
user's cache; where neither can be written each process compiles for itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, prange, types
from numba.extending import intrinsic

SCALE = np.float32(1e6)
WIDE_SCALE = 1e6


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """`njit`, kept on disk where there is a place for it."""

    def compile_(f: Callable[..., Any]) -> Any:
        try:
            return njit(nogil=True, cache=True, **options)(f)
        except (RuntimeError, OSError):  # no folder that numba can write to
            return njit(nogil=True, **options)(f)

    return compile_


@intrinsic
def _wide(typing, number):  # type: ignore[no-untyped-def]
    """float32 of a half-precision number's 16 bits."""

    def emit(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.fpext(builder.bitcast(arguments[0], ir.HalfType()), ir.FloatType())

    return types.float32(types.uint16), emit


@compiled(fastmath=True)
def _dot(row, query):  # type: ignore[no-untyped-def]
    s = np.float32(0)
    for j in range(len(query)):
        s += _wide(row[j]) * query[j]
    return s


@compiled(fastmath=True)
def _wide_dot(row, query):  # type: ignore[no-untyped-def]
    s = np.float64(0)
    for j in range(len(query)):
        s += np.float64(_wide(row[j])) * np.float64(query[j])
    return s


@compiled()
def _settle_one(bits, query, rows, scores):  # type: ignore[no-untyped-def]
    """Score a line's rows in double precision; order them, −1 last as they come."""
    for j in range(len(rows)):
        r = rows[j]
        if r < 0:
            break
        s = np.float32(np.rint(_wide_dot(bits[r], query) * WIDE_SCALE) / WIDE_SCALE)
        place = j
        while place > 0 and (
            scores[place - 1] < s or (scores[place - 1] == s and rows[place - 1] > r)
        ):
            scores[place] = scores[place - 1]
            rows[place] = rows[place - 1]
            place -= 1
        scores[place] = s
        rows[place] = r


@compiled()
def dots(bits, rows, query, out):  # type: ignore[no-untyped-def]
    """Rounded inner products of some rows with a query, summed in double precision."""
    for i in range(len(rows)):
        out[i] = np.rint(_wide_dot(bits[rows[i]], query) * WIDE_SCALE) / WIDE_SCALE


@compiled(parallel=True)
def dots_parallel(bits, rows, query, out):  # type: ignore[no-untyped-def]
    """As `dots`, on all cores."""
    for i in prange(len(rows)):
        out[i] = np.rint(_wide_dot(bits[rows[i]], query) * WIDE_SCALE) / WIDE_SCALE


@compiled()
def pairs(bits, rows, queries, which, out):  # type: ignore[no-untyped-def]
    """As `dots`, each row with a query of its own."""
    for i in range(len(rows)):
        out[i] = np.rint(_wide_dot(bits[rows[i]], queries[which[i]]) * WIDE_SCALE) / WIDE_SCALE


@compiled(parallel=True)
def pairs_parallel(bits, rows, queries, which, out):  # type: ignore[no-untyped-def]
    """As `pairs`, on all cores."""
    for i in prange(len(rows)):
        out[i] = np.rint(_wide_dot(bits[rows[i]], queries[which[i]]) * WIDE_SCALE) / WIDE_SCALE


@compiled(parallel=True)
def widen(bits, rows, out):  # type: ignore[no-untyped-def]
    """Some rows in single precision."""
    for i in prange(len(rows)):
        row = bits[rows[i]]
        for j in range(out.shape[1]):
            out[i, j] = _wide(row[j])


@compiled(parallel=True)
def codes(bits, factors, out):  # type: ignore[no-untyped-def]
    """The sum of each row's bits times factors, modulo 2⁶⁴."""
    for i in prange(len(bits)):
        s = np.int64(0)
        for j in range(len(factors)):
            s += np.int64(bits[i, j]) * factors[j]
        out[i] = s


@compiled()
def _refine_one(bits, query, candidates, scores, rows):  # type: ignore[no-untyped-def]
    """Score a query's candidates; keep the best, and settle those in double precision."""
    k = len(rows)
    filled = 0
    for r in candidates:
        if r < 0:
            continue
        s = np.rint(_dot(bits[r], query) * SCALE) / SCALE
        if filled == k and (s < scores[k - 1] or (s == scores[k - 1] and r > rows[k - 1])):
            continue
        place = min(filled, k - 1)
        while place > 0 and (
            scores[place - 1] < s or (scores[place - 1] == s and rows[place - 1] > r)
        ):
            scores[place] = scores[place - 1]
            rows[place] = rows[place - 1]
            place -= 1
        scores[place] = s
        rows[place] = r
        filled = min(filled + 1, k)
    _settle_one(bits, query, rows, scores)


@compiled()
def refine(bits, queries, candidates, scores, rows):  # type: ignore[no-untyped-def]
    """The best of each query's candidates."""
    for i in range(len(queries)):
        _refine_one(bits, queries[i], candidates[i], scores[i], rows[i])


@compiled(parallel=True)
def refine_parallel(bits, queries, candidates, scores, rows):  # type: ignore[no-untyped-def]
    """As `refine`, on all cores."""
    for i in prange(len(queries)):
        _refine_one(bits, queries[i], candidates[i], scores[i], rows[i])


@compiled()
def settle(scores, rows):  # type: ignore[no-untyped-def]
    """Round scores and order each line: higher first, ties by row."""
    for i in range(len(rows)):
        for j in range(rows.shape[1]):
            s = np.rint(scores[i, j] * SCALE) / SCALE if rows[i, j] >= 0 else -np.inf
            r = rows[i, j]
            place = j
            while place > 0 and (
                scores[i, place - 1] < s
                or (scores[i, place - 1] == s and rows[i, place - 1] > r and r >= 0)
            ):
                scores[i, place] = scores[i, place - 1]
                rows[i, place] = rows[i, place - 1]
                place -= 1
            scores[i, place] = s
            rows[i, place] = r
