"""Where the first right answer of a query stands, and what that is worth: expectations over the orders of a tie.

Equal scores come in random order. Of a tie of `tied` answers with `good` right ones among them, the chance that
none of the first j is right is C(tied − good, j) / C(tied, j): the hypergeometric distribution. It is multiplied
up factor by factor, so a tie of 100,000 overflows nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.faiss.compiled import compiled

_NOTHING_LEFT = 1e-18


@compiled()
def _reciprocals(above, tied, good, out):  # type: ignore[no-untyped-def]
    """Fill `out` with the expected 1 / rank; see `FirstRight.reciprocal_rank`."""
    for i in range(len(out)):
        missed = 1.0 if good[i] > 0 else 0.0
        total = 0.0
        for j in range(tied[i] - good[i] + 1):
            if missed < _NOTHING_LEFT:
                break
            left = tied[i] - j
            total += missed * good[i] / left / (above[i] + j + 1)
            missed *= (left - good[i]) / left
        out[i] = total


@dataclass(frozen=True)
class FirstRight:
    """Where the first right answer of each of q queries stands.

    Attributes:
        above: (q,) int32, answers above the best right one.
        tied: (q,) int32, answers that score the same as it, itself among them.
        good: (q,) int32, right ones among these; 0 where a query has no right answer, or none in sight.

    Raises:
        ValueError: They are not of one length.
    """

    above: NDArray[np.int32]
    tied: NDArray[np.int32]
    good: NDArray[np.int32]

    def __post_init__(self) -> None:
        shapes = {a.shape for a in (self.above, self.tied, self.good)}
        if len(shapes) > 1 or len(self.above.shape) != 1:
            raise ValueError(f"Places of right answers have different shapes: {shapes}.")

    def __len__(self) -> int:
        return len(self.above)

    def __getitem__(self, at: Any) -> FirstRight:
        """Of some queries: a slice, places or a mask."""
        return FirstRight(self.above[at], self.tied[at], self.good[at])

    @classmethod
    def concatenate(cls, parts: Sequence[FirstRight]) -> FirstRight:
        """Of several, one after another; of none, no query."""
        none = np.zeros(0, np.int32)
        return cls(
            np.concatenate([none, *(p.above for p in parts)]),
            np.concatenate([none, *(p.tied for p in parts)]),
            np.concatenate([none, *(p.good for p in parts)]),
        )

    @property
    def found(self) -> NDArray[np.bool_]:
        """(q,) whether there is a right answer."""
        return np.asarray(self.good > 0)

    def recall(self, k: int) -> NDArray[np.float64]:
        """(q,) probability that a right answer is among the first k; 0 without one."""
        places = np.clip(k - self.above.astype(np.int64), 0, self.tied)
        out = ((places > 0) & (self.good > 0)).astype(np.float64)
        mixed = np.flatnonzero((out > 0) & (self.good < self.tied))
        if not len(mixed):
            return out
        places, tied = places[mixed], self.tied[mixed].astype(np.float64)
        wrong, missed = tied - self.good[mixed], np.ones(len(mixed))
        for j in range(int(places.max())):
            inside = places > j
            missed[inside] *= np.maximum(wrong[inside] - j, 0) / (tied[inside] - j)
        out[mixed] = 1 - missed
        return out

    def reciprocal_rank(self) -> NDArray[np.float64]:
        """(q,) expected 1 / rank of the first right answer; 0 without one."""
        out = np.zeros(len(self))
        _reciprocals(self.above, self.tied, self.good, out)
        return out

    def rank(self) -> NDArray[np.float64]:
        """(q,) expected rank of the first right answer, 1 is best; infinity without one."""
        ranks = self.above + (self.tied + 1.0) / (self.good + 1.0)
        return np.where(self.good > 0, ranks, np.inf)
