"""Exact search among half-precision vectors that a device holds: products in blocks, candidates scored again.

Rows stand in groups of 32. A product of the rows with the queries, rounded to half precision, gives the best score of
each group; the rows of the best groups are scored again in double precision and rounded, as in `scan`. A row elsewhere
scores at most its group's best and what the rounding of that query may hide, so the answer is proved, or more groups
are asked for, or the query is left to the processor. Where many hits of several queries are asked for, that would score
most rows again; all scores are kept then, see `products`.

A device is sent the queries in one copy, told all that follows, and gives one array back; until then the host waits for
nothing. What single queries ask again and again is replayed, see `replays`.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prom3e_index.bundle.faiss.products import (
    GROUP,
    SPARE,
    Halves,
    at_once,
    nearest_of_many,
    product,
    proved,
)
from prom3e_index.bundle.faiss.products import MOST as _MOST
from prom3e_index.bundle.faiss.replays import Replays
from prom3e_index.bundle.faiss.scan import Floats, Ints, Vectors
from prom3e_index.bundle.memory_maps import release

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
_SCORES = 8 << 20
_ROWS = 1 << 21
_LOCK = threading.Lock()
"""One search at a time, so that the memory of one suffices; each keeps the whole device busy."""


@dataclass(frozen=True)
class _Rows:
    """Rows on the device: (n padded to whole groups, w) half, how many are rows, their longest, which are left out."""

    held: Tensor
    n: int
    longest: float
    barred: Tensor | None = None
    replays: Replays = field(default_factory=Replays)


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
        self._filtered: WeakKeyDictionary[Any, _Rows | Tensor] = WeakKeyDictionary()

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
                        among.held, among.n, among.longest, queries[part], k, among.barred
                    )
                else:
                    told = _nearest(among, queries[part], k)
                scores[part], found, sure[part] = told
                rows[part] = found if numbers is None else numbers[found]
        return scores, rows, sure

    def told(self, k: int, subset: Any = None) -> str:
        """How a single query for k hits would be taken: `replayed`, or that it is told one by one and why."""
        with _LOCK:
            return (self._all if subset is None else self._among(subset)[0]).replays.told(k)

    def _among(self, subset: Any) -> tuple[_Rows, Ints | None]:
        """Eligible rows as rows of their own with their numbers, or all but those that are left out.

        The mask, or the numbers on the device, are kept as long as the subset is.
        """
        kept = self._filtered.get(subset)
        if isinstance(kept, _Rows):
            return kept, None
        mine = subset.rows[: np.searchsorted(subset.rows, self.rows)]
        held, n = self._all.held, len(mine)
        if kept is None:
            kept = torch.from_numpy(np.ascontiguousarray(mine)).to(self.device)
        if GATHERED * n <= self.rows:
            self._filtered[subset] = kept
            few = held.new_empty((-(-n // GROUP) * GROUP, held.shape[1]))
            torch.index_select(held, 0, kept, out=few[:n])
            few[n:].zero_()
            return _Rows(few, n, self._all.longest), mine  # not kept: gathering is quick
        barred = torch.ones(len(held), dtype=torch.bool, device=self.device)
        barred[kept] = False
        made = self._filtered[subset] = _Rows(held, self.rows, self._all.longest, barred)
        return made, None


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
        if among.barred is not None:
            scores.masked_fill_(among.barred[at:end, None], -torch.inf)
        elif end > n:
            scores[n - at :].fill_(-torch.inf)
        torch.amax(scores.view(-1, GROUP, count), dim=1, out=best[at // GROUP : end // GROUP])
    return best.T.contiguous()


def _sent(asked: Halves, card: bool) -> Tensor:
    """Queries as bytes (10·q·w,), in memory that a card reads by itself: (q, w) double, then (w, q) half."""
    numbers = asked.wide.size
    sent = torch.empty(10 * numbers, dtype=torch.uint8, pin_memory=card)
    wide, half = np.split(sent.numpy(), [8 * numbers])
    wide.view(np.float64)[:] = asked.wide.ravel()
    half.view(np.float16)[:] = asked.half.T.ravel()
    return sent


def _told(among: _Rows, sent: Tensor, count: int, want: int, k: int) -> tuple[Tensor, ...]:
    """Of `_sent` queries on the device: (q, w) in double precision, (q, groups) best scores, and `_scored_again`."""
    numbers = len(sent) // 10
    wide = sent[: 8 * numbers].view(torch.float64).view(count, -1)
    best = _best_of_groups(among, sent[8 * numbers :].view(torch.float16).view(-1, count))
    return wide, best, _scored_again(among, wide, best, want, k)


def _nearest(among: _Rows, queries: Floats, k: int) -> tuple[Floats, Ints, NDArray[np.bool_]]:
    """Scores (q, k), rows (q, k) and for which queries they are proved (q,)."""
    count, width = queries.shape
    scores = np.full((count, k), -np.inf, np.float32)
    rows = np.full((count, k), -1, np.int64)
    sure = np.zeros(count, bool)
    groups, device = len(among.held) // GROUP, among.held.device
    want = min(k + SPARE, groups)
    if want * GROUP * width * 8 > _MOST:
        return scores, rows, sure
    asked = Halves(queries, among.longest)
    sent = _sent(asked, device.type == "cuda")

    def step(there: Tensor) -> tuple[Tensor, ...]:
        return _told(among, there, count, want, k)

    if count == 1:
        wide, best, again = among.replays.take(k, step, sent, device)
    else:
        wide, best, again = step(sent.to(device, non_blocking=True))
    left, error = np.arange(count), asked.error  # while the device is at work
    while True:
        told = again.cpu().numpy()
        scores[left], rows[left] = told[:, :k], told[:, k:-1]
        sure[left] = proved(told[:, -1] * asked.scale[left, 0], told[:, k - 1], error[left])
        left, before = left[~sure[left]], want
        want = min(8 * want, groups)
        if not len(left) or want == before or want * GROUP * width * 8 > _MOST:
            return scores, rows, sure
        some = torch.from_numpy(left).to(device)
        again = _scored_again(among, wide[some], best[some], want, k)


def _scored_again(among: _Rows, wide: Tensor, best: Tensor, want: int, k: int) -> Tensor:
    """(q, 2k + 1) double: scores and rows of the k best in the best groups, and the best score of the next group.

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
    groups = chosen[:, :want].sort(dim=1).values  # ascending rows, so that ties are by row
    told = wide.new_empty((len(wide), 2 * k + 1))
    bound = told[:, 2 * k :]
    bound.copy_(high[:, want:]) if want < best.shape[1] else bound.fill_(-torch.inf)
    size = max(1, WORK // (8 * GROUP * width * want))
    for at in range(0, len(wide), size):
        part, asked = groups[at : at + size], wide[at : at + size]
        rows = torch.add(inside, part[:, :, None], alpha=GROUP).flatten(1)
        taken = whole[part].view(*rows.shape, width).double()
        scores = torch.bmm(taken, asked[:, :, None])[:, :, 0]
        scores = torch.round(scores, decimals=6).float()
        if among.barred is not None:
            scores.masked_fill_(among.barred[rows], -torch.inf)
        elif among.n < len(held):
            scores.masked_fill_(rows >= among.n, -torch.inf)
        scores, order = scores.sort(dim=1, descending=True, stable=True)
        told[at : at + size, :k] = scores[:, :k]
        told[at : at + size, k : 2 * k] = rows.gather(1, order[:, :k])
    return told
