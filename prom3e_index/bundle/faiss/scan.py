"""Scoring chosen rows from half-precision vectors: a few with numpy, many in compiled loops (`compiled`)."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.memory_maps import release

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Vectors = NDArray[np.float16]

SCALE = np.float32(1e6)
"""Scores are rounded to six decimals, above the noise of float32 sums, so that equal vectors tie."""


_THREADS_FROM = 32_768
"""Rows from which a scan uses all cores; below, waking them costs more than they bring at the slowest."""
_CANDIDATES_FROM = 65_536
_ONE_AT_A_TIME = threading.Lock()
"""Not every threading layer of numba bears two parallel loops at once; one keeps all cores busy."""
_PLAIN_NUMBERS = 1 << 25
"""Numbers that a process scores with numpy before it loads the compiled loops: a third of a second, about half
of what loading them costs. A query of a small index never pays for them, a large one soon does."""
_BLOCK = 256


class _Loops:
    """The compiled loops, once they are worth their start."""

    def __init__(self) -> None:
        self._spent = 0
        self._module: Any = None

    def for_(self, numbers: int) -> Any:
        """The loops for so many numbers; None where numpy is to do it."""
        if self._module is None:
            self._spent += numbers
            if self._spent <= _PLAIN_NUMBERS:
                return None
            from prom3e_index.bundle.faiss import compiled

            self._module = compiled
        return self._module


_LOOPS = _Loops()


def _plain_dots(vectors: Vectors, rows: Ints, query: Floats) -> Floats:
    """Rounded inner products, summed in double precision."""
    wide = query.astype(np.float64)
    out = np.empty(len(rows), np.float32)
    for at in range(0, len(rows), _BLOCK):
        part = vectors[rows[at : at + _BLOCK]].astype(np.float32).astype(np.float64)
        out[at : at + _BLOCK] = np.rint(part @ wide * 1e6) / 1e6
    return out


def score_rows(vectors: Vectors, rows: Ints, query: Floats) -> Floats:
    """Inner products of one query (w,) with some rows of (n, w), rounded to six decimals: (rows,).

    Summed in double precision, so that a row's score is the same by numpy and by the compiled loops.
    """
    query = np.ascontiguousarray(query, np.float32)
    loops = _LOOPS.for_(len(rows) * len(query))
    if loops is None:
        return _plain_dots(vectors, rows, query)
    out = np.empty(len(rows), np.float32)
    if len(rows) < _THREADS_FROM:
        loops.dots(vectors.view(np.uint16), rows, query, out)
    else:
        with _ONE_AT_A_TIME:
            loops.dots_parallel(vectors.view(np.uint16), rows, query, out)
    return out


def score_pairs(vectors: Vectors, rows: Ints, queries: Floats, which: Ints) -> Floats:
    """Inner products of some rows of (n, w), each with one of several queries (q, w), as `score_rows`: (rows,).

    Args:
        vectors: (n, w).
        rows: Row numbers.
        queries: (q, w) float32.
        which: (rows,) the query of each row, ascending.
    """
    queries = np.ascontiguousarray(queries, np.float32)
    out = np.empty(len(rows), np.float32)
    loops = _LOOPS.for_(len(rows) * queries.shape[1])
    if loops is None:
        begins = np.flatnonzero(np.diff(which, prepend=-1)).tolist()
        for begin, end in zip(begins, [*begins, len(rows)][1:], strict=True):
            out[begin:end] = _plain_dots(vectors, rows[begin:end], queries[which[begin]])
    elif len(rows) < _THREADS_FROM:
        loops.pairs(vectors.view(np.uint16), rows, queries, which, out)
    else:
        with _ONE_AT_A_TIME:
            loops.pairs_parallel(vectors.view(np.uint16), rows, queries, which, out)
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


def code_rows(vectors: Vectors, factors: Ints) -> Ints:
    """A number of each row of (n, w): its bits, each 16 as a whole number, times factors (w,), summed modulo 2⁶⁴."""
    bits = vectors.view(np.uint16)
    loops = _LOOPS.for_(bits.size)
    if loops is None:
        with np.errstate(over="ignore"):
            return np.asarray(bits.astype(np.int64) @ factors)
    out = np.empty(len(bits), np.int64)
    with _ONE_AT_A_TIME:
        loops.codes(bits, factors, out)
    return out


def widen(vectors: Vectors, rows: Ints) -> Floats:
    """Some rows of (n, w) as float32, (rows, w)."""
    loops = _LOOPS.for_(len(rows) * vectors.shape[1])
    if loops is None:
        return np.asarray(vectors[rows], np.float32)
    out = np.empty((len(rows), vectors.shape[1]), np.float32)
    with _ONE_AT_A_TIME:
        loops.widen(vectors.view(np.uint16), rows, out)
    return out


def refine(vectors: Vectors, queries: Floats, candidates: Ints, k: int) -> tuple[Floats, Ints]:
    """Score candidates from the vectors and keep k.

    Args:
        vectors: (n, w).
        queries: (q, w) float32.
        candidates: (q, c) rows, each at most once in a line; −1 is none.
        k: Kept per query.

    Returns:
        Scores (q, k), higher first, ties by row, −inf where there are no more; rows (q, k), −1 there. What is
        kept is scored in double precision, so that a row's score does not depend on the way to it.
    """
    queries = np.ascontiguousarray(queries, np.float32)
    scores = np.full((len(queries), k), -np.inf, np.float32)
    rows = np.full((len(queries), k), -1, np.int64)
    if not k:
        return scores, rows
    loops = _LOOPS.for_(candidates.size * vectors.shape[1])
    if loops is None:
        for i, line in enumerate(candidates):
            held = line[line >= 0]
            s, r = best(_plain_dots(vectors, held, queries[i]), held, k)
            scores[i, : len(s)], rows[i, : len(r)] = s, r
        return scores, rows
    bits = vectors.view(np.uint16)
    if candidates.size < _CANDIDATES_FROM:
        loops.refine(bits, queries, candidates, scores, rows)
    else:
        with _ONE_AT_A_TIME:
            loops.refine_parallel(bits, queries, candidates, scores, rows)
    return scores, rows


def settle(scores: Floats, rows: Ints) -> None:
    """Round scores (q, k) that are exact already and order each line: higher first, ties by row; in place.

    −1 in `rows` is none, its score −inf.
    """
    loops = _LOOPS.for_(rows.size)
    if loops is not None:
        loops.settle(scores, rows)
        return
    rounded = np.where(rows >= 0, np.rint(scores * SCALE) / SCALE, np.float32(-np.inf))
    order = np.lexsort((np.where(rows >= 0, rows, np.iinfo(np.int64).max), -rounded), axis=1)
    scores[:], rows[:] = np.take_along_axis(rounded, order, 1), np.take_along_axis(rows, order, 1)


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
NOISE = np.float32(2e-6)
"""More than a score of a matrix product differs from one that is summed in double precision."""
SPARE = 16
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
        As `refine`: scores (q, k) and rows (q, k), the same for several queries at once as for each alone.
    """
    total = len(vectors) if rows is None else len(rows)
    wanted, k = k, min(k + (SPARE if len(queries) > 1 else 0), total)
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
    if len(queries) == 1:
        return scores, found
    # A matrix product sums in another order than one row does.
    settled, chosen = refine(vectors, queries, found, wanted)
    if (
        k < total
    ):  # where ties, or what may be one, reach beyond the rows kept, a row that is not there may come first
        for i in np.flatnonzero(scores[:, k - 1] >= settled[:, wanted - 1] - NOISE):
            settled[i], chosen[i] = (a[0] for a in exact(vectors, queries[i : i + 1], wanted, rows))
    return settled, chosen
