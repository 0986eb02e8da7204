"""The honest baseline: ridge regression from some modalities' embeddings to another's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from prom3e_index.encoders.protocol import unit_rows
from prom3e_index.evaluation.data import EvalSet

Floats = NDArray[np.float32]
PENALTIES = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
_LEAST = 20


@dataclass
class Ridge:
    """Least squares with a penalty, one for each visible set and target, fitted when first asked.

    Attributes:
        train: Rows it is fitted on.
        val: Rows on which each penalty is chosen, by the mean cosine of prediction and truth.
        penalty: The penalties chosen, by visible set and target.
    """

    train: EvalSet
    val: EvalSet
    penalty: dict[tuple[tuple[str, ...], str], float] = field(default_factory=dict)
    _fitted: dict[tuple[tuple[str, ...], str], tuple[Floats, Floats] | None] = field(
        default_factory=dict
    )

    def predict(self, x: Floats, given: Sequence[str], target: str) -> Floats | None:
        """(q, d) unit rows from (q, m, d); None where fewer than 20 rows to fit or to choose with."""
        key = (tuple(given), target)
        if key not in self._fitted:
            self._fitted[key] = self._fit(*key)
        fitted = self._fitted[key]
        if fitted is None:
            return None
        weights, offset = fitted
        return np.asarray(unit_rows(self._stack(x, given) @ weights + offset), np.float32)

    def _stack(self, x: Floats, given: Sequence[str]) -> Floats:
        return np.concatenate([x[:, self.train.modalities.index(m)] for m in given], axis=1)

    def _fit(self, given: tuple[str, ...], target: str) -> tuple[Floats, Floats] | None:
        from sklearn.linear_model import Ridge as Regression

        sides = []
        for data in (self.train, self.val):
            rows = data.has((*given, target))
            if rows.sum() < _LEAST:
                return None
            sides.append((self._stack(data.x[rows], given), data.embedding(target)[rows]))
        (x, y), (x_val, y_val) = sides
        best = -np.inf
        for penalty in PENALTIES:
            model = Regression(alpha=penalty, solver="cholesky").fit(x, y)
            cosine = float((unit_rows(model.predict(x_val)) * y_val).sum(axis=1).mean())
            if cosine > best:
                best, self.penalty[given, target] = cosine, penalty
                out = (
                    np.asarray(model.coef_.T, np.float32),
                    np.asarray(model.intercept_, np.float32),
                )
        return out
