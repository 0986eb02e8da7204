"""What was fitted for one target and one way of asking for it: linear functions of signals, and what came true of P."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from prom3e_index.confidence.metrics import wilson
from prom3e_index.confidence.signals import First

Floats = NDArray[np.float64]
Interval = tuple[float, float]
LEVEL = 0.9
"""Share of answers whose set of species holds the right one, and whose error lies in its interval."""


@dataclass(frozen=True)
class Linear:
    """A linear function of standardised signals and of which modalities are visible.

    Attributes:
        centre, scale: Of each signal; (s,).
        weights: Of each standardised signal; (s,).
        visible: Added for each visible modality, by its name.
        bias: Added.
    """

    centre: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    visible: Mapping[str, float]
    bias: float

    def of(self, values: Floats, visible: Iterable[str]) -> Floats:
        """(q,) of values (q, s)."""
        x = (values - np.asarray(self.centre)) / np.asarray(self.scale)
        shown = sum(self.visible.get(m, 0.0) for m in visible)
        return np.asarray(x @ np.asarray(self.weights) + self.bias + shown, np.float64)


@dataclass(frozen=True)
class Fitted:
    """What was fitted for one target and one way of asking for it.

    Attributes:
        temperature: τ of the softmax.
        right: Logit of P(right) of the signals of `signals.NAMES`; those of `RISING` have weights of at least 0.
        bins: Out-of-fold P in tenths: (mean P, answers, right ones, distinct observations).
        set_edges: P at which the thirds part, two.
        set_below: How far below the best score a species of the set may stand, by third of P, surest last; infinity
            where too few answers were judged.
        error: Expected 1 − cosine of the signals of `signals.ERROR_NAMES`; None where the target was shown.
        error_off: 90 % of the absolute residuals are at most this.
        rows: Observations that were asked with.
        answers: Answers that were judged: an observation asks with several visible sets.
        accuracy: Share of right ones.
    """

    temperature: float
    right: Linear
    bins: tuple[tuple[float, int, int, int], ...]
    set_edges: Interval
    set_below: tuple[float, float, float]
    error: Linear | None
    error_off: float | None
    rows: int
    answers: int
    accuracy: float

    @cached_property
    def _ends(self) -> tuple[Floats, Floats]:
        """Mean P of each tenth, and Wilson's interval of its share of right ones, (tenths, 2)."""
        at = np.array([b[0] for b in self.bins])
        return at, np.array([wilson(round(b[2] / b[1] * b[3]), b[3]) for b in self.bins])

    def below(self, p: Floats) -> Floats:
        """(q,) how far below the best score a species of the set may stand, of answers with P (q,)."""
        return np.asarray(self.set_below)[np.searchsorted(self.set_edges, p, side="right")]

    def interval(self, p: float) -> tuple[Interval, int, int]:
        """95 % interval of a probability, and how many answers like it were judged, and right.

        Wilson's of the tenths, counted by observation since one's answers are alike, and between their means in
        proportion; it holds the probability itself.
        """
        at, ends = self._ends
        low, high = (float(np.interp(p, at, ends[:, i])) for i in (0, 1))
        nearest = self.bins[int(np.abs(at - p).argmin())]
        return (min(low, p), max(high, p)), nearest[1], nearest[2]


def inside(known: First, below: Floats) -> NDArray[np.bool_]:
    """(q, k) whether each row is at most so far below the first, (q,); no row where that is no finite number."""
    least = np.where(np.isfinite(below), known.scores[:, 0] - below, np.inf)
    return np.asarray((known.scores >= least[:, None]) & np.isfinite(known.scores))


def chances(logit: Floats) -> Floats:
    """Probabilities from 0 to 1 of logits."""
    return np.asarray(1 / (1 + np.exp(-np.clip(logit, -30, 30))))
