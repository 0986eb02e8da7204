"""The first rows of what validation rows answer to each other, found on the processor or on a card."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prom3e_index.bundle.faiss.places import first_places
from prom3e_index.confidence.signals import FIRST

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
DIGITS = 6
"""Scores are rounded to so many decimals: what is alike scores alike, whichever sum it is of."""


class AnswersHere:
    """Galleries of all targets, of n rows each.

    Args:
        same: (n, m) equal in a column where two rows have the very same embedding.
        present: (n, m).
    """

    def __init__(self, same: Ints, present: NDArray[np.bool_]) -> None:
        self._same, self._present = same, present
        self._galleries: list[tuple[Any, Any]] = []

    def add(self, block: Floats, bias: Floats | None) -> None:
        """The gallery of the next target, (n, d + z), and what is added to its scores by asking modality, (n, m)."""
        self._galleries.append((block, bias))

    def first(
        self, t: int, seen: tuple[int, ...], vectors: Floats, completed: Floats, mine: Ints
    ) -> tuple[Ints, Floats, Floats]:
        """The best rows of each query, `signals.FIRST` at most, best first, ties by row.

        What has the same embedding as the row that asks in all that both have, in two modalities at least, and that
        row itself, are no answers: −∞.

        Args:
            t: The target's place.
            seen: Places of what is shown.
            vectors: (q, d + z) the queries.
            completed: (q, d) what the model makes of them for the target.
            mine: (q,) the rows that ask.

        Returns:
            Rows, scores and cosines with the completed target, (q, k) each.
        """
        block, bias = self._galleries[t]
        scores = np.asarray(vectors @ block.T)
        if bias is not None:
            scores += bias[:, seen].mean(axis=1)
        scores = np.asarray(np.round(scores, DIGITS), np.float32)
        for i, row in enumerate(mine):
            scores[i, _twice(self._same, self._present, int(row))] = -np.inf
        best = first_places(scores, FIRST)
        cosines = completed @ block[:, : completed.shape[1]].T
        return best, np.take_along_axis(scores, best, 1), np.take_along_axis(cosines, best, 1)


class AnswersOnCard(AnswersHere):
    """The same, found by a card but for the last bit of the sums; only queries and their best rows are moved.

    Args:
        same: See `AnswersHere`.
        present: The same.
        device: The card.
    """

    def __init__(self, same: Ints, present: NDArray[np.bool_], device: str) -> None:
        super().__init__(same, present)
        self._device = device
        self._codes, self._has = self._there(same), self._there(present)

    def _there(self, values: NDArray[Any]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self._device)

    def add(self, block: Floats, bias: Floats | None) -> None:
        """As `AnswersHere.add`: the gallery is brought to the card, and stays there."""
        added = None if bias is None else self._there(bias)
        self._galleries.append((self._there(block), added))

    def first(
        self, t: int, seen: tuple[int, ...], vectors: Floats, completed: Floats, mine: Ints
    ) -> tuple[Ints, Floats, Floats]:
        """As `AnswersHere.first`; what is no number scores −∞."""
        block, bias = self._galleries[t]
        scores = self._there(vectors) @ block.T
        if bias is not None:
            scores += bias[:, list(seen)].mean(1)
        scores = scores.round(decimals=DIGITS).nan_to_num(
            float("-inf"), float("inf"), float("-inf")
        )
        scores = scores.masked_fill(self._twice(self._there(mine)), float("-inf"))
        best = scores.sort(dim=1, descending=True, stable=True).indices[:, :FIRST]
        cosines = self._there(completed) @ block[:, : completed.shape[1]].T
        found = (best, scores.gather(1, best), cosines.gather(1, best))
        rows, s, c = (v.cpu().numpy() for v in found)
        return rows, s, c

    def _twice(self, rows: Tensor) -> Tensor:
        """(q, n) as `_twice` says of each row, a modality at a time."""
        n = len(self._has)
        both = torch.zeros(len(rows), n, dtype=torch.int16, device=rows.device)
        out = torch.ones(len(rows), n, dtype=torch.bool, device=rows.device)
        for codes, has in zip(self._codes.T, self._has.T, strict=True):
            shared = has & has[rows, None]
            both += shared
            out &= (codes == codes[rows, None]) | ~shared
        out &= both >= self._has[rows].sum(1, keepdim=True).clamp_max(2)
        out.scatter_(1, rows[:, None], True)
        return out


def _twice(same: Ints, present: NDArray[np.bool_], row: int) -> NDArray[np.bool_]:
    """Which rows have the very embeddings of a row in all that both have, two modalities at least; it itself."""
    both = present & present[row]
    equal = (same == same[row]) | ~both
    out = equal.all(axis=1) & (both.sum(axis=1) >= min(2, int(present[row].sum())))
    out[row] = True
    return np.asarray(out)
