"""The first rows of many queries at once: all their scores by products, kept; few rows are scored again.

Rows are half precision on any device, and so is what is multiplied with them. Where they lie in groups of 32, the best
groups hold the best rows; of the scores in these groups the best are scored again in double precision and rounded, as
in `scan`. A row elsewhere scores at most what is next and what the rounding of that query may hide, so an answer is
proved, or more rows are scored again, or it is left to others. See `resident` for a single query.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prom3e_index.bundle.faiss.scan import Floats

GROUP = 32
"""Rows of a group: of this many scores, one is looked at first."""
SPARE = 22
"""Groups beyond k whose scores are looked at first."""
_WORK, _WORK_HERE = 256 << 20, 8 << 20
"""Bytes of vectors that are scored again at once, in double precision, on a card and on the processor."""
MOST = 1 << 30
"""Bytes that one query may ask to have scored again."""
DECIMALS = 1e6
SUM = 2.0**-23
"""Relative error of an addition in a product with float32 sums, which a GPU cuts off rather than rounds."""
QUERIES = 1024
Hidden = Callable[[int, int], Tensor]
"""From rows a to b to which of them each query may not find, (q, b − a)."""
_FEWEST = 16
_KEPT, _KEPT_HERE = 2 << 30, 512 << 20
"""Bytes of scores that are kept at a time, on a card and on the processor."""
_BLOCK = 4096
"""Rows that the processor widens at once: so few that caches hold them."""


def product(rows: Tensor, queries: Tensor) -> Tensor:
    """(n, q) float32 of half-precision (n, w) and (w, q), summed in float32 wherever it is done."""
    if rows.device.type != "cpu" and _WIDE_SUMS:
        return torch.mm(rows, queries, out_dtype=torch.float32)
    return rows.float() @ queries.float()


_WIDE_SUMS = tuple(int(p) for p in torch.__version__.split(".")[:2]) >= (2, 8)
"""torch gives products of halves in float32 from 2.8 on; before, they are widened first."""


def at_once(rows: int, device: torch.device) -> int:
    """Queries whose scores of so many rows are kept at a time; 0 where so few would be that nothing is gained."""
    room = (_KEPT if device.type == "cuda" else _KEPT_HERE) // (4 * max(1, rows))
    return min(QUERIES, room) if room >= _FEWEST else 0


class Halves:
    """Queries in half precision, and how far their products may be from the true scores.

    Attributes:
        wide: (q, w) in double precision.
        half: (q, w), each divided by its `scale`.
        scale: (q, 1).
    """

    def __init__(self, queries: Floats, longest: float) -> None:
        self.wide = queries.astype(np.float64)
        scale = np.abs(self.wide).max(axis=1, keepdims=True, initial=0)
        scale[scale == 0] = 1
        self.scale, self.half = scale, (self.wide / scale).astype(np.float16)
        self._longest = longest

    @cached_property
    def error(self) -> NDArray[np.float64]:
        """(q,) most that a score of a row differs, no row longer than was said; a device works meanwhile."""
        held = self.half.astype(np.float64) * self.scale
        missed, lengths = (np.linalg.norm(x, axis=1) for x in (self.wide - held, held))
        width = self.wide.shape[1]
        return np.asarray(self._longest * (missed + width * SUM * lengths) + 1 / DECIMALS)


def proved(
    bound: NDArray[np.float64], last: NDArray[np.float64], error: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Whether rows whose products are at most `bound` come after the `last` one that is kept, (q,) each."""
    with np.errstate(invalid="ignore"):  # scores beyond single precision prove nothing
        return np.asarray(bound + error < last - 2 * SUM * np.abs(last))  # none beyond: −inf


def nearest_of_many(
    held: Tensor,
    n: int,
    longest: float,
    queries: Floats,
    k: int,
    barred: Tensor | None = None,
    hidden: Hidden | None = None,
) -> tuple[Floats, NDArray[np.int64], NDArray[np.bool_]]:
    """The k best rows of each query, as `scan.exact` gives them.

    Args:
        held: (n, w) half or more rows, of which the first n count.
        n: Rows.
        longest: No row is longer.
        queries: (q, w) float32, finite; at most `at_once` of them.
        k: From 1 to the rows that each may find.
        barred: (len(held),) which rows may not be found; none when None.
        hidden: Tells which rows each query may not find.

    Returns:
        Scores (q, k), rows (q, k), and for which queries that is proved (q,).
    """
    asked, device = Halves(queries, longest), held.device
    kept = _kept(held, n, torch.from_numpy(asked.half).to(device), hidden)
    if barred is not None:
        kept[:, : len(barred)].masked_fill_(barred, -torch.inf)
    by_group = kept.view(len(queries), -1, GROUP)
    best, wide = by_group.amax(dim=2), torch.from_numpy(asked.wide).to(device)
    scores = np.full((len(queries), k), -np.inf, np.float32)
    rows = np.full((len(queries), k), -1, np.int64)
    sure = np.zeros(len(queries), bool)
    left, groups = np.arange(len(queries)), best.shape[1]
    want, keep = min(k + SPARE, groups), k + max(SPARE, k // 2)
    while len(left) and keep * wide.shape[1] * 8 <= MOST:
        some = torch.from_numpy(left).to(device)
        found, bound = _candidates(by_group, best, some, want, keep)
        told = _scored_again(held, wide[some], found, bound, k)
        scores[left], rows[left] = told[:, :k], told[:, k:-1]
        beyond = told[:, -1] * asked.scale[left, 0]
        sure[left] = proved(beyond, told[:, k - 1], asked.error[left])
        left, want = left[~sure[left]], min(8 * want, groups)
        keep *= 8
    return scores, rows, sure


def _kept(held: Tensor, n: int, half: Tensor, hidden: Hidden | None) -> Tensor:
    """(q, n up to whole groups) scores; −inf where there is no row, or one that is hidden."""
    whole = -(-n // GROUP) * GROUP
    if held.is_cuda:
        out = product(half, held[:whole].T)
        if out.shape[1] == whole:
            out[:, n:] = -torch.inf
            if hidden is not None:
                out[:, :n].masked_fill_(hidden(0, n).to(out.device), -torch.inf)
            return out
    out = half.new_empty((len(half), whole), dtype=torch.float32)
    wide = half.float()
    for at in range(0, n, _BLOCK):
        end = min(n, at + _BLOCK)
        block = torch.mm(wide, held[at:end].float().T)
        if hidden is not None:
            block.masked_fill_(hidden(at, end).to(block.device), -torch.inf)
        out[:, at:end] = block
    out[:, n:] = -torch.inf
    return out


def _candidates(
    by_group: Tensor, best: Tensor, some: Tensor, want: int, keep: int
) -> tuple[Tensor, Tensor]:
    """Some queries' rows with the `keep` best scores in the `want` best groups, and what no other row is above.

    Returns:
        Rows (q, ≤ keep), ascending, so that ties are by row, −1 for none; the bound (q, 1).
    """
    size = by_group.shape[2]
    high, chosen = best[some].topk(min(want + 1, best.shape[1]), dim=1)
    bound = high[:, want:] if want < best.shape[1] else high.new_full((len(high), 1), -torch.inf)
    chosen = chosen[:, :want]
    values = by_group[some[:, None], chosen].flatten(1)
    top, at = values.topk(min(keep + 1, values.shape[1]), dim=1)
    if top.shape[1] > keep:
        bound = torch.maximum(bound, top[:, keep:])
    top, at = top[:, :keep], at[:, :keep]
    rows = chosen.gather(1, at // size) * size + at % size
    return rows.masked_fill(top == -torch.inf, -1).sort(dim=1).values, bound


def _scored_again(
    held: Tensor, wide: Tensor, rows: Tensor, bound: Tensor, k: int
) -> NDArray[np.float64]:
    """(q, 2k + 1): scores and rows of the k best of some rows (q, c), and the bound; one copy to the processor."""
    work = _WORK if held.is_cuda else _WORK_HERE
    size = max(1, work // (8 * rows.shape[1] * wide.shape[1]))
    found = []
    for at in range(0, len(wide), size):
        part = rows[at : at + size]
        taken = held[part.clamp(min=0)].double()
        scores = torch.bmm(taken, wide[at : at + size, :, None])[:, :, 0]
        scores = (torch.round(scores * DECIMALS) / DECIMALS).float()
        scores.masked_fill_(part < 0, -torch.inf)
        scores, order = scores.sort(dim=1, descending=True, stable=True)
        found.append(torch.cat([scores[:, :k].double(), part.gather(1, order[:, :k]).double()], 1))
    answer: NDArray[np.float64] = torch.cat([torch.cat(found), bound.double()], 1).cpu().numpy()
    return answer
