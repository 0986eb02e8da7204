"""The rows that have a target, as they are searched in validation and evaluation."""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
_REPEATED = 0.9
"""A gallery with at most this share of distinct embeddings is multiplied once for each of them."""


class Gallery:
    """Rows that have a target, their embeddings, and where each row stands among them.

    Args:
        x: (n, m, d) unit rows.
        present: (n, m).
        target: Column of the target.

    Attributes:
        rows: (g,) rows of the data.
        observed: (g, d) encoder embeddings.
        place: (n,) place of each row of the data; −1 where it lacks the target.
    """

    def __init__(self, x: Floats, present: NDArray[np.bool_], target: int) -> None:
        self.rows = np.flatnonzero(present[:, target])
        self.observed: Any = np.ascontiguousarray(x[self.rows, target])
        self.place = np.full(len(x), -1, np.int64)
        self.place[self.rows] = np.arange(len(self.rows))
        wide = np.dtype((np.void, self.observed.dtype.itemsize * x.shape[2]))
        _, first, inverse = np.unique(
            self.observed.view(wide)[:, 0], return_index=True, return_inverse=True
        )
        repeated = len(first) < _REPEATED * len(self.rows)
        self._first: Ints | None = first if repeated else None
        self._inverse: Ints = inverse.reshape(-1)
        self._distinct: Any = self.observed[first] if repeated else self.observed
        self._each: Any = self._inverse

    def __len__(self) -> int:
        return len(self.rows)

    def items(self, rows: Ints) -> Ints:
        """A number for each of some rows of the data that have the target, equal where they hold the same embedding."""
        return np.asarray(self._inverse[self.place[rows]])

    def on(self, device: str) -> Gallery:
        """The same, for products with tensors of a device; `observed` is there too."""
        out = copy(self)
        out._distinct = torch.from_numpy(np.ascontiguousarray(self._distinct)).to(device)
        out._each = torch.from_numpy(self._inverse).to(device)
        out.observed = out._distinct if self._first is None else out._distinct[out._each]
        return out

    def products(self, left: Any) -> Any:
        """⟨left, observed⟩ (q, g), equal to the last bit where two rows are equal and often are."""
        made = left @ self._distinct.T
        if self._first is None:
            return made
        return (
            made.take(self._each, axis=1) if isinstance(made, np.ndarray) else made[:, self._each]
        )
