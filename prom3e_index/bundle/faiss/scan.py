"""Scoring chosen rows from half-precision vectors, in compiled loops.

numpy widens half precision one number at a time (1 GB/s here); these loops use the processor's own
conversion and run at the speed of memory. `benchmarks/LOG.md` has both.
"""

from __future__ import annotations

import threading

import numpy as np
from llvmlite import ir
from numba import njit, prange, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from prom3e_index.bundle.memory_maps import release

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Vectors = NDArray[np.float16]

SCALE = np.float32(1e6)
"""Scores are rounded to six decimals, above the noise of float32 sums, so that equal vectors tie."""


@intrinsic
def _wide(typing, number):  # type: ignore[no-untyped-def]
    """float32 of a half-precision number's 16 bits."""

    def emit(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.fpext(builder.bitcast(arguments[0], ir.HalfType()), ir.FloatType())

    return types.float32(types.uint16), emit


@njit(fastmath=True, nogil=True, cache=True)
def _dot(row, query):  # type: ignore[no-untyped-def]
    s = np.float32(0)
    for j in range(len(query)):
        s += _wide(row[j]) * query[j]
    return s


@njit(nogil=True, cache=True)
def _dots(bits, rows, query, out):  # type: ignore[no-untyped-def]
    for i in range(len(rows)):
        out[i] = np.rint(_dot(bits[rows[i]], query) * SCALE) / SCALE


@njit(nogil=True, cache=True, parallel=True)
def _dots_parallel(bits, rows, query, out):  # type: ignore[no-untyped-def]
    for i in prange(len(rows)):
        out[i] = np.rint(_dot(bits[rows[i]], query) * SCALE) / SCALE


@njit(nogil=True, cache=True, parallel=True)
def _widen(bits, rows, out):  # type: ignore[no-untyped-def]
    for i in prange(len(rows)):
        row = bits[rows[i]]
        for j in range(out.shape[1]):
            out[i, j] = _wide(row[j])


@njit(nogil=True, cache=True)
def _refine_one(bits, query, candidates, scores, rows):  # type: ignore[no-untyped-def]
    """Score a query's candidates; keep the best, higher score first, ties by row."""
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


@njit(nogil=True, cache=True)
def _refine(bits, queries, candidates, scores, rows):  # type: ignore[no-untyped-def]
    for i in range(len(queries)):
        _refine_one(bits, queries[i], candidates[i], scores[i], rows[i])


@njit(nogil=True, cache=True, parallel=True)
def _refine_parallel(bits, queries, candidates, scores, rows):  # type: ignore[no-untyped-def]
    for i in prange(len(queries)):
        _refine_one(bits, queries[i], candidates[i], scores[i], rows[i])


@njit(nogil=True, cache=True)
def _settle(scores, rows):  # type: ignore[no-untyped-def]
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


_THREADS_FROM = 32_768
"""Rows from which a scan uses all cores; below, waking them costs more than they bring at the slowest."""
_CANDIDATES_FROM = 65_536
_ONE_AT_A_TIME = threading.Lock()
"""Not every threading layer of numba bears two parallel loops at once; one keeps all cores busy."""


def score_rows(vectors: Vectors, rows: Ints, query: Floats) -> Floats:
    """Inner products of one query (w,) with some rows of (n, w), rounded to six decimals: (rows,)."""
    out = np.empty(len(rows), np.float32)
    query = np.ascontiguousarray(query, np.float32)
    if len(rows) < _THREADS_FROM:
        _dots(vectors.view(np.uint16), rows, query, out)
    else:
        with _ONE_AT_A_TIME:
            _dots_parallel(vectors.view(np.uint16), rows, query, out)
    return out


def score_all(vectors: Vectors, query: Floats) -> Floats:
    """Inner products of one query (w,) with every row of (n, w), as `score_rows`; keeps no pages: (n,)."""
    size = _ROWS_AT_ONCE
    parts = [np.zeros(0, np.float32)]
    for at in range(0, len(vectors), size):
        rows = np.arange(at, min(len(vectors), at + size), dtype=np.int64)
        parts.append(score_rows(vectors, rows, query))
        release(vectors)
    return np.concatenate(parts)


def widen(vectors: Vectors, rows: Ints) -> Floats:
    """Some rows of (n, w) as float32, (rows, w)."""
    out = np.empty((len(rows), vectors.shape[1]), np.float32)
    with _ONE_AT_A_TIME:
        _widen(vectors.view(np.uint16), rows, out)
    return out


def refine(vectors: Vectors, queries: Floats, candidates: Ints, k: int) -> tuple[Floats, Ints]:
    """Score candidates from the vectors and keep k.

    Args:
        vectors: (n, w).
        queries: (q, w) float32.
        candidates: (q, c) rows, each at most once in a line; −1 is none.
        k: Kept per query.

    Returns:
        Scores (q, k), higher first, ties by row, −inf where there are no more; rows (q, k), −1 there.
    """
    queries = np.ascontiguousarray(queries, np.float32)
    scores = np.full((len(queries), k), -np.inf, np.float32)
    rows = np.full((len(queries), k), -1, np.int64)
    if k and candidates.size < _CANDIDATES_FROM:
        _refine(vectors.view(np.uint16), queries, candidates, scores, rows)
    elif k:
        with _ONE_AT_A_TIME:
            _refine_parallel(vectors.view(np.uint16), queries, candidates, scores, rows)
    return scores, rows


def settle(scores: Floats, rows: Ints) -> None:
    """Round scores (q, k) that are exact already and order each line: higher first, ties by row; in place.

    −1 in `rows` is none, its score −inf.
    """
    _settle(scores, rows)


def best(scores: Floats, rows: Ints, k: int) -> tuple[Floats, Ints]:
    """The k best of (scores, rows): higher score first, ties by row number."""
    k = min(k, len(rows))
    if k == 0:
        return scores[:0], rows[:0]
    if k < len(rows):  # everything at least as good as the k-th, so that ties are settled by row
        keep = np.flatnonzero(scores >= np.partition(scores, -k)[-k])
        scores, rows = scores[keep], rows[keep]
    order = np.lexsort((rows, -scores))[:k]
    return scores[order], rows[order]


BLOCK_BYTES = 32 << 20
_ROWS_AT_ONCE = 1 << 18
_SPARE = 16
"""Rows kept beyond k while matrix products rank them, so that their noise decides nothing."""


def exact(
    vectors: Vectors, queries: Floats, k: int, rows: Ints | None = None
) -> tuple[Floats, Ints]:
    """The k best of some rows (all when None) for each query, every one of them scored.

    Args:
        vectors: (n, w).
        queries: (q, w) float32.
        k: Kept per query.
        rows: Eligible rows, ascending.

    Returns:
        As `refine`: scores (q, k) and rows (q, k). Of several queries at once, where more than 16 rows beyond
        the k-th share its score, which of them come is not settled by row.
    """
    total = len(vectors) if rows is None else len(rows)
    wanted, k = k, min(k + (_SPARE if len(queries) > 1 else 0), total)
    scores = np.full((len(queries), max(k, wanted)), -np.inf, np.float32)
    found = np.full((len(queries), max(k, wanted)), -1, np.int64)
    if not wanted or not total:
        return scores, found
    size = max(1024, BLOCK_BYTES // (4 * vectors.shape[1])) if len(queries) > 1 else _ROWS_AT_ONCE
    for at in range(0, total, size):
        part = (
            np.arange(at, min(total, at + size), dtype=np.int64)
            if rows is None
            else rows[at : at + size]
        )
        if len(queries) == 1:
            block = score_rows(vectors, part, queries[0])[None]
        else:
            block = np.rint(queries @ widen(vectors, part).T * SCALE) / SCALE
        for i, line in enumerate(block):
            low = scores[i, k - 1]
            able = np.flatnonzero(line > low) if low > -np.inf else np.arange(len(part))
            if len(able):  # later rows lose ties, so only better ones matter once k are there
                s, r = best(
                    np.concatenate([scores[i][found[i] >= 0], line[able]]),
                    np.concatenate([found[i][found[i] >= 0], part[able]]),
                    k,
                )
                scores[i, : len(s)], found[i, : len(r)] = s, r
        if 4 * total > len(vectors):  # a scan of most rows would leave all of them in memory
            release(vectors)
    if len(queries) > 1:  # a matrix product sums in another order than one row does
        return refine(vectors, queries, found, wanted)
    return scores, found
