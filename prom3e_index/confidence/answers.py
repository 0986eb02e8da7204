"""Answers whose truth is known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.confidence.calibrated import LOOKED_AT, Rule
from prom3e_index.confidence.signals import First

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Answers:
    """Answers of one direction, whose truth is known; q of each.

    What is judged is the first row of a known species; `judged` leaves out answers with none among the first ten.

    Attributes:
        visible: Modalities that the queries show, in the model's order.
        target: What was searched for.
        first: Their first rows, none of them of the asking observation's own files; by the row rule with its own row.
        truth: (q,) the code of the right rows, as in `first.codes`.
        observation: (q,) which observation asked.
        group: (q,) what must not be parted between folds: its species, all that shares files with it.
        error: (q,) 1 − cosine of the completed target with the true one; NaN where that is not known.
    """

    visible: tuple[str, ...]
    target: str
    first: First
    truth: Ints
    observation: Ints
    group: Ints
    error: Floats

    @property
    def right(self) -> NDArray[np.bool_]:
        """(q,) whether the first row is right."""
        if not self.first.codes.size:
            return np.zeros(len(self.truth), bool)
        return np.asarray(self.first.codes[:, 0] == self.truth)

    def judged(self, rule: Rule) -> Answers:
        """The answers that can be judged, without rows of unknown species."""
        if rule == "row":
            return self
        known, place = self.first.labelled()
        held = place < LOOKED_AT
        return replace(self, first=known).at(held)

    def at(self, rows: NDArray[Any]) -> Answers:
        """Some of them."""
        return Answers(
            self.visible,
            self.target,
            self.first.at(rows),
            self.truth[rows],
            self.observation[rows],
            self.group[rows],
            self.error[rows],
        )
