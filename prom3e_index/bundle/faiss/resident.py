"""Exact search among half-precision vectors that a device holds: products in blocks, candidates scored again.

Rows stand in groups of 32. A product of the rows with the queries, rounded to half precision, gives the best score of
each group; the rows of the best groups are scored again in double precision and rounded, as in `scan`. A row elsewhere
scores at most its group's best and what the rounding of that query may hide, so the answer is proved, or more groups
are asked for, or the query is left to the processor. Where many hits of several queries are asked for, that would score
most rows again; all scores are kept then, see `products`.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prom3e_index.bundle.faiss.products import at_once, nearest_of_many, product
from prom3e_index.bundle.faiss.scan import Floats, Ints, Vectors
from prom3e_index.bundle.memory_maps import release

GROUP = 32
"""Rows of a group: one of them is read again for each best score kept."""
SPARE = 22
"""Groups beyond k that are scored again first."""
HITS = 64
"""Hits from which several queries have all their scores kept."""
QUERIES = 256
"""Queries of one pass over the rows; more would hold more scores of groups than they save reading."""
PORTION = 64 << 20
"""Bytes copied to the device at once."""
WORK = 256 << 20
"""Bytes of vectors that are scored again at once, in double precision."""
GATHERED = 8
"""Filters that leave less than this share, an eighth, are gathered; others are a mask over all rows."""
_MOST = 1 << 30
"""Bytes that one query may ask to have scored again; beyond, the processor scores every row."""
_SCORES = 8 << 20
_ROWS = 1 << 21
_DECIMALS = 1e6
_SUM = 2.0**-23
"""Relative error of an addition in a product with float32 sums, which a GPU cuts off rather than rounds."""
_LOCK = threading.Lock()
"""One search at a time, so that the memory of one suffices; each keeps the whole device busy."""


@dataclass(frozen=True)
class _Rows:
    """Rows on the device: (n padded to whole groups, w) half, how many are rows, their longest, which are eligible."""

    held: Tensor
    n: int
    longest: float
    eligible: Tensor | None = None


class Resident:
    """The first rows of a gallery on a device.

    Attributes:
        rows: How many of the gallery's rows are there.
        total: How many it has.
    """

    def __init__(self, held: Tensor, rows: int, total: int, longest: float) -> None:
        """Take rows that are on a device.

        Args:
            held: (rows padded to whole groups, w) half, finite.
            rows: Rows of the gallery there, its first.
            total: Rows of the gallery.
            longest: No row is longer.
        """
        self.rows, self.total, self.device = rows, total, held.device
        self._all = _Rows(held, rows, longest)
        self._filtered: WeakKeyDictionary[Any, tuple[_Rows, None]] = WeakKeyDictionary()

    @classmethod
    def copied(cls, vectors: Vectors, device: str, rows: int | None = None) -> Resident:
        """The first `rows` of (n, w) float16, all when None, copied to a device in portions.

        Raises:
            RuntimeError: The device has no room for them, or they hold values that are not numbers.
        """
        rows = len(vectors) if rows is None else rows
        padded = -(-rows // GROUP) * GROUP
        whole = torch.zeros((padded, vectors.shape[1]), dtype=torch.float16, device=device)
        longest = _copy(vectors, whole, rows)
        if not np.isfinite(longest):
            raise RuntimeError("the vectors hold values that are not numbers")
        return cls(whole, rows, len(vectors), longest)

    def search(
        self, queries: Floats, k: int, subset: Any = None
    ) -> tuple[Floats, Ints, NDArray[np.bool_]]:
        """The k best of the rows here for each query, as `scan.exact` gives them.

        Args:
            queries: (q, w) float32.
            k: From 1 to the number of rows that are eligible here.
            subset: Eligible rows of the gallery (`rows` ascending); all when None.

        Returns:
            Scores (q, k), rows (q, k) by number in the gallery, and for which queries that is proved (q,).
        """
        scores = np.full((len(queries), k), -np.inf, np.float32)
        rows = np.full((len(queries), k), -1, np.int64)
        sure = np.isfinite(queries).all(axis=1)
        able = np.flatnonzero(sure)
        with _LOCK:
            among, numbers = (self._all, None) if subset is None else self._among(subset)
            many = at_once(len(among.held), self.device) if k >= HITS and len(able) > 1 else 0
            size = many or QUERIES
            for at in range(0, len(able), size):
                part = able[at : at + size]
                if many:
                    told = nearest_of_many(
                        among.held, among.n, among.longest, queries[part], k, among.eligible
                    )
                else:
                    told = _nearest(among, queries[part], k)
                scores[part], found, sure[part] = told
                rows[part] = found if numbers is None else numbers[found]
        return scores, rows, sure

    def _among(self, subset: Any) -> tuple[_Rows, Ints | None]:
        """Eligible rows as rows of their own with their numbers, or as a mask; kept as long as the subset is."""
        kept = self._filtered.get(subset)
        if kept is not None:
            return kept
        mine = subset.rows[: np.searchsorted(subset.rows, self.rows)]
        numbers = torch.from_numpy(np.ascontiguousarray(mine)).to(self.device)
        held, n = self._all.held, len(mine)
        if GATHERED * n <= self.rows:
            few = held.new_zeros((-(-n // GROUP) * GROUP, held.shape[1]))
            torch.index_select(held, 0, numbers, out=few[:n])
            return _Rows(few, n, self._all.longest), mine  # not kept: gathering is quick
        eligible = torch.zeros(len(held), dtype=torch.bool, device=self.device)
        eligible[numbers] = True
        made = (_Rows(held, self.rows, self._all.longest, eligible), None)
        self._filtered[subset] = made
        return made


def _copy(vectors: Vectors, held: Tensor, rows: int) -> float:
    """Copy rows to the device while the next are read; give the length of the longest, not finite if one is not."""
    width, card = vectors.shape[1], held.is_cuda
    size = max(1, PORTION // (2 * width))
    longest = torch.zeros((), device=held.device)
    room = [torch.empty((size, width), dtype=torch.float16, pin_memory=card) for _ in range(2)]
    copied = [torch.cuda.Event() for _ in room] if card else []
    for number, at in enumerate(range(0, rows, size)):
        stage, end = room[number % 2], min(rows, at + size)
        if card and number >= 2:
            copied[number % 2].synchronize()
        stage.numpy()[: end - at] = vectors[at:end]
        held[at:end].copy_(stage[: end - at], non_blocking=card)
        if card:
            copied[number % 2].record()
        lengths = torch.linalg.vector_norm(held[at:end], dim=1, dtype=torch.float32)
        longest = torch.maximum(longest, lengths.amax())  # keeps a value that is no number
        release(vectors)
    return 1.001 * float(longest)


def _best_of_groups(among: _Rows, queries: Tensor) -> Tensor:
    """(q, groups): the best score of each group of rows for half-precision queries (w, q)."""
    held, n, count = among.held, among.n, queries.shape[1]
    best = torch.empty((len(held) // GROUP, count), device=held.device)
    size = max(GROUP, min(_ROWS, _SCORES // count) // GROUP * GROUP)
    for at in range(0, len(held), size):
        end = min(len(held), at + size)
        scores = product(held[at:end], queries)
        if end > n:
            scores[n - at :] = -torch.inf
        if among.eligible is not None:
            scores.masked_fill_(~among.eligible[at:end, None], -torch.inf)
        torch.amax(scores.view(-1, GROUP, count), dim=1, out=best[at // GROUP : end // GROUP])
    return best.T.contiguous()


def _nearest(among: _Rows, queries: Floats, k: int) -> tuple[Floats, Ints, NDArray[np.bool_]]:
    """Scores (q, k), rows (q, k) and for which queries they are proved (q,).

    What is small is done on the processor: until the product ends, the device is told all that follows it, and one
    copy brings the answer.
    """
    wide = queries.astype(np.float64)
    scale = np.abs(wide).max(axis=1, keepdims=True, initial=0)
    scale[scale == 0] = 1
    half = (wide / scale).astype(np.float16)
    held = half.astype(np.float64) * scale
    missed, lengths = (np.linalg.norm(x, axis=1) for x in (wide - held, held))
    error = among.longest * (missed + wide.shape[1] * _SUM * lengths) + 1 / _DECIMALS
    device = among.held.device
    best = _best_of_groups(among, torch.from_numpy(np.ascontiguousarray(half.T)).to(device))
    asked, groups = torch.from_numpy(wide).to(device), best.shape[1]
    scores = np.full((len(queries), k), -np.inf, np.float32)
    rows = np.full((len(queries), k), -1, np.int64)
    sure = np.zeros(len(queries), bool)
    left, want = np.arange(len(queries)), min(k + SPARE, groups)
    while len(left) and want * GROUP * wide.shape[1] * 8 <= _MOST:
        if len(left) < len(best):
            some = torch.from_numpy(left).to(device)
            told = _scored_again(among, asked[some], best[some], want, k)
        else:
            told = _scored_again(among, asked, best, want, k)
        scores[left], rows[left] = told[:, :k], told[:, k:-1]
        beyond, last = told[:, -1] * scale[left, 0] + error[left], told[:, k - 1]
        proved = beyond < last - 2 * _SUM * np.abs(last)  # none beyond: −inf
        sure[left] = proved
        left, want = left[~proved], min(8 * want, groups)
    return scores, rows, sure


def _scored_again(
    among: _Rows, wide: Tensor, best: Tensor, want: int, k: int
) -> NDArray[np.float64]:
    """(q, 2k + 1): scores and rows of the k best in the best groups, and the best score of the next group.

    Args:
        among: The rows.
        wide: (q, w) queries in double precision.
        best: (q, groups) best scores.
        want: Groups that are scored again.
        k: Kept.
    """
    held, width = among.held, wide.shape[1]
    whole = held.view(-1, GROUP * width)
    inside = torch.arange(GROUP, device=held.device)
    high, chosen = best.topk(min(want + 1, best.shape[1]), dim=1)
    bound = high[:, want:] if want < best.shape[1] else high.new_full((len(high), 1), -torch.inf)
    groups = chosen[:, :want].sort(dim=1).values  # ascending rows, so that ties are by row
    size = max(1, WORK // (8 * GROUP * width * want))
    found = []
    for at in range(0, len(wide), size):
        part = groups[at : at + size]
        rows = (part[:, :, None] * GROUP + inside).flatten(1)
        taken = whole[part].view(*rows.shape, width).double()
        scores = torch.bmm(taken, wide[at : at + size, :, None])[:, :, 0]
        scores = (torch.round(scores * _DECIMALS) / _DECIMALS).float()
        if among.n < len(held):
            scores.masked_fill_(rows >= among.n, -torch.inf)
        if among.eligible is not None:
            scores.masked_fill_(~among.eligible[rows], -torch.inf)
        scores, order = scores.sort(dim=1, descending=True, stable=True)
        found.append((scores[:, :k], rows.gather(1, order[:, :k])))
    told = [torch.cat([f[i] for f in found]).double() for i in (0, 1)]
    answer: NDArray[np.float64] = torch.cat([*told, bound.double()], dim=1).cpu().numpy()
    return answer
