"""The nearest centre of every row by products in bfloat16, settled in single precision where these leave it open.

A processor that multiplies bfloat16 does so two to three times as fast as single precision. How far such a product may
lie from the true one follows from what rounding took away of the row and of the centres, so every centre that may be
the nearest is known; where there are several, which are few, they are compared in single precision.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.faiss.scan import Floats

Assigned = NDArray[np.int32]
Bits = NDArray[np.int16]
PRODUCT = 1 << 22
"""Numbers of a product in bfloat16: so few that the allocator gives the same memory again, and caches hold them."""
_ROWS = 4096
"""Rows of a product at once, at most: what is made of them is as wide as they are, whatever the number of centres."""
_SUMS = 2.0**-23
"""A product's sum in single precision lies from the true one by this share of both lengths at most, times the width."""
_ROUNDED = 2.0**-8
"""Bfloat16, of eight binary digits, rounds a number by this share of it at most."""
_MANY = 32
"""Rows with more centres left than this are compared with all."""
_PAIRS = 1 << 11
"""Rows and centres that are compared one by one at a time."""


@lru_cache(maxsize=1)
def rounds_fast() -> bool:
    """Whether this processor multiplies bfloat16 by instructions of its own."""
    import torch

    told = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(torch.backends.mkldnn.is_available() and told is not None and told())


class Rounded:
    """Centres in bfloat16.

    Args:
        centres: (lists, w) float32.
    """

    def __init__(self, centres: Floats) -> None:
        import torch

        self._centres = centres
        self._wide = torch.from_numpy(np.ascontiguousarray(centres))
        rounded = self._wide.bfloat16()
        self._low = rounded.T.contiguous()
        self._lost = float((self._wide - rounded.float()).norm(dim=1).amax())
        self._longest = float(self._wide.norm(dim=1).amax()) + self._lost

    def roughly(self, rows: Floats) -> Assigned:
        """A centre (n,) as near as the nearest but for rounding."""
        out = np.empty(len(rows), np.int32)
        for at, scores, part in self._products(rows):
            found = scores.argmax(axis=1).astype(np.int32)
            below = np.flatnonzero(scores[np.arange(len(found)), found] <= 0)
            self._against_all(part, below, found)
            out[at : at + len(found)] = found
        return out

    def nearest(self, rows: Floats) -> Assigned:
        """The nearest centre (n,) by inner products in single precision; of equal ones the first.

        Where more than 32 centres may be it, the order of adding, which a product chooses, tells equal ones apart.
        """
        out = np.empty(len(rows), np.int32)
        for at, scores, part in self._products(rows):
            out[at : at + len(part)] = self._settled(scores, part)
        return out

    def _products(self, rows: Floats) -> Iterator[tuple[int, Bits, Any]]:
        """Some rows at a time: where they begin, the bits of their products (n, lists), and the rows.

        Above zero, numbers of bfloat16 stand in the order of their bits, and numbers below have bits below zero.
        """
        import torch

        size = max(1, min(_ROWS, PRODUCT // len(self._centres)))
        for at in range(0, len(rows), size):
            part = torch.from_numpy(np.ascontiguousarray(rows[at : at + size]))
            yield at, (part.bfloat16() @ self._low).view(torch.int16).numpy(), part

    def _settled(self, scores: Bits, rows: Any) -> Assigned:
        """(n,) of the bits of products (n, lists) and rows (n, w)."""
        import torch

        highest = scores.max(axis=1)
        top = torch.from_numpy(highest).view(torch.bfloat16).float()
        lost = (rows - rows.bfloat16().float()).norm(dim=1)
        sums = _SUMS * rows.shape[1] * self._longest
        off = rows.norm(dim=1) * (self._lost + sums) + lost * self._longest
        least = (top - 2 * (off + _ROUNDED * top.abs())).bfloat16()
        able = ((least > 0).numpy()) & (highest > 0)
        none = np.iinfo(np.int16).max
        bits = np.where(able, least.view(torch.int16).numpy() - 1, none).astype(np.int16)
        near = scores >= bits[:, None]
        count = np.count_nonzero(near, axis=1)
        unsure = ~able | (count > _MANY)
        near[unsure] = False  # so that the places of the others are few
        left = np.flatnonzero(near)
        row = left // scores.shape[1]
        centre = (left - row * scores.shape[1]).astype(np.int32)
        out = np.zeros(len(rows), np.int32)
        some = count[row] > 1
        out[row[~some]] = centre[~some]
        if some.any():
            self._compare(rows, row[some], centre[some], out)
        self._against_all(rows, np.flatnonzero(unsure), out)
        return out

    def _against_all(self, rows: Any, some: NDArray[np.int64], out: Assigned) -> None:
        """Write the nearest centre of some rows, which are compared with all in single precision."""
        if len(some):
            out[some] = (rows.numpy()[some] @ self._centres.T).argmax(axis=1)

    def _compare(self, rows: Any, row: NDArray[np.int64], centre: Assigned, out: Assigned) -> None:
        """Write the better of some centres of each row; pairs stand in order of row and centre."""
        import torch

        reached = np.empty(len(row), np.float32)
        for at in range(0, len(row), _PAIRS):
            a, b = (torch.from_numpy(v[at : at + _PAIRS]) for v in (row, centre.astype(np.int64)))
            reached[at : at + _PAIRS] = torch.einsum("pw,pw->p", rows[a], self._wide[b]).numpy()
        begins = np.flatnonzero(np.diff(row, prepend=-1))
        best = np.repeat(np.maximum.reduceat(reached, begins), np.diff(begins, append=len(row)))
        last = np.iinfo(np.int32).max
        out[row[begins]] = np.minimum.reduceat(np.where(reached == best, centre, last), begins)
