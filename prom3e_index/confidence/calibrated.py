"""A calibration: what an answer's signals mean, fitted on answers whose truth is known; what it says of one answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from prom3e_index.confidence.fitted import LEVEL, Fitted, Interval, chances, inside
from prom3e_index.confidence.signals import UNKNOWN, First, error_signals, signals
from prom3e_index.schema import set_key

Floats = NDArray[np.float64]
Rule = Literal["species", "row"]
Source = Literal["index", "model"]
LEAST_ELIGIBLE = 10
"""Eligible rows below which nothing is said of an answer."""
LOOKED_AT = 10
"""Among so many first rows one must be of a known species."""


@dataclass(frozen=True)
class Confidence:
    """How likely the first row of an answer is right.

    Attributes:
        p_right: Probability from 0 to 1; None where nothing can be said.
        interval: 95 % of it.
        rows: Answers like it that were judged when it was calibrated.
        right: How many of those were right.
        rule: `species`: the first row is of the right species. `row`: it is the very observation, given that this is
            in the index.
        source: `index`: fitted on the index's own rows. `model`: on the model's validation rows.
        ece: Expected calibration error of the calibration, out of fold.
        reason: Why there is none; None where there is one.
        place: From 0, which of the first rows it speaks of: the first of known species. 0 by the row rule.
    """

    p_right: float | None = None
    interval: Interval | None = None
    rows: int = 0
    right: int = 0
    rule: Rule | None = None
    source: Source | None = None
    ece: float | None = None
    reason: str | None = None
    place: int = 0


@dataclass(frozen=True)
class Judged:
    """What a calibration says of one answer.

    Attributes:
        confidence: See there.
        level: Share of sets of species that hold the right one.
        species: Codes of the set's species, the best first; None where none can be given: `species_reason` says why.
        species_reason: None where there is a set.
        error: Expected 1 − cosine of the completed target; None where the query shows the target, or none was fitted.
        error_interval: In which it lies with `LEVEL`.
    """

    confidence: Confidence
    level: float = LEVEL
    species: tuple[int, ...] | None = None
    species_reason: str | None = None
    error: float | None = None
    error_interval: Interval | None = None


@dataclass(frozen=True)
class Advice:
    """What adding a modality changed.

    Attributes:
        modality: The added one.
        failure_change: Change of the share of wrong first rows, below 0 where it helped.
        interval: 95 % of it.
        rows: Observations in which it was measured.
    """

    modality: str
    failure_change: float
    interval: Interval
    rows: int


@dataclass(frozen=True)
class Calibration:
    """Fitted on answers whose truth is known.

    Attributes:
        modalities: Of the model.
        rule: See `Confidence`.
        fitted: By target and how it is asked for, see `key_of`.
        lacking: Why there is none, by the same keys.
        changes: Visible set (names joined by `+` in the model's order) → target → added modality →
            (change of the share of wrong first rows, low, high, observations).
        quality: Out of fold: `rows`, `answers`, `accuracy`, `r_auroc`, `aurc`, `ece`, each with `intervals`;
            `r_auroc_mean` over directions; `reliability`; by key under `targets`.
        source: Whose rows it was fitted on.
    """

    modalities: tuple[str, ...]
    rule: Rule
    fitted: Mapping[str, Fitted] = field(default_factory=dict)
    lacking: Mapping[str, str] = field(default_factory=dict)
    changes: Mapping[str, Mapping[str, Mapping[str, tuple[float, float, float, int]]]] = field(
        default_factory=dict
    )
    quality: Mapping[str, Any] = field(default_factory=dict)
    source: Source = "index"

    def why_not(self, visible: Sequence[str], target: str) -> str | None:
        """Why nothing is known of a direction; None where it is."""
        key = key_of(visible, target)
        if key in self.fitted:
            return None
        if self.rule == "row" and target in visible:
            return f"without names of species nothing says which other {target} is right"
        return self.lacking.get(key, f"no answers to {key} were judged")

    def judge(
        self,
        first: First,
        visible: Sequence[str],
        target: str,
        eligible: int,
        several: Callable[[int], bool] = lambda species: True,
    ) -> Judged:
        """What is to be said of one answer.

        Args:
            first: Of one answer, the first rows by hybrid score.
            visible: Modalities that the query shows.
            target: What was searched for.
            eligible: Rows that could have been found.
            several: Whether any eligible row is of a known species other than this; asked where more rows are eligible
                than the first, and these are all of one.
        """
        reason = self.why_not(visible, target)
        if reason is None and eligible < LEAST_ELIGIBLE:
            reason = f"{eligible} rows are eligible; {LEAST_ELIGIBLE} are needed"
        known, place = self._read(first)
        if reason is None and int(place[0]) >= LOOKED_AT:
            reason = f"none of the first {LOOKED_AT} rows has a species"
        if reason is None and self.rule == "species":
            codes = np.unique(known.codes[0][np.isfinite(known.scores[0])])
            more = eligible > first.scores.shape[1]
            if len(codes) < 2 and not (more and several(int(codes[0]))):
                reason = "all eligible rows are of one species"
        if reason is not None:
            return Judged(Confidence(reason=reason), species_reason=reason)
        fitted = self.fitted[key_of(visible, target)]
        seen = signals(known, fitted.temperature)
        p = float(chances(fitted.right.of(seen, visible))[0])
        interval, answers, right = fitted.interval(p)
        confidence = Confidence(
            p, interval, answers, right, self.rule, self.source, self.quality.get("ece"), None,
            int(place[0]),
        )  # fmt: skip
        species, why = self._set(known, fitted, p)
        if fitted.error is None or fitted.error_off is None:
            return Judged(confidence, LEVEL, species, why)
        told = error_signals(known, fitted.temperature, seen)
        e, off = float(fitted.error.of(told, visible)[0]), fitted.error_off
        return Judged(
            confidence,
            LEVEL,
            species,
            why,
            _bounded(e),
            (_bounded(e - off), _bounded(e + off)),
        )

    def probabilities(self, first: First, visible: Sequence[str], target: str) -> Floats:
        """(q,) P(right) of several answers in one direction that `why_not` has nothing against."""
        fitted = self.fitted[key_of(visible, target)]
        return chances(fitted.right.of(signals(self._read(first)[0], fitted.temperature), visible))

    def errors(self, first: First, visible: Sequence[str], target: str) -> Floats | None:
        """(q,) expected 1 − cosine of the completed target; None where the query shows it."""
        fitted = self.fitted[key_of(visible, target)]
        if fitted.error is None:
            return None
        return fitted.error.of(error_signals(self._read(first)[0], fitted.temperature), visible)

    def _read(self, first: First) -> tuple[First, NDArray[np.int64]]:
        """The rows that P speaks of, and where the first of them stands."""
        if self.rule == "row":
            return first, np.where(np.isfinite(first.scores).any(axis=1), 0, LOOKED_AT)
        return first.labelled()

    def _set(
        self, known: First, fitted: Fitted, p: float
    ) -> tuple[tuple[int, ...] | None, str | None]:
        if self.rule == "row":
            return None, "the observations have no species"
        below = fitted.below(np.array([p]))
        if not np.isfinite(below[0]):
            return (
                None,
                f"fewer than {LEVEL:.0%} of answers like it had the right species among the first rows",
            )
        held = inside(known, below)[0]
        return tuple(dict.fromkeys(known.codes[0][held].tolist())), None

    def sets(
        self, first: First, visible: Sequence[str], target: str, p: Floats
    ) -> NDArray[np.int64]:
        """(q, k) the species of each answer's set by row, `UNKNOWN` where a row is not in it; all where none is given.

        Args:
            first: Of q answers in one direction that `why_not` has nothing against.
            visible: Modalities that the queries show.
            target: What was searched for.
            p: (q,) their `probabilities`.
        """
        known = self._read(first)[0]
        held = inside(known, self.fitted[key_of(visible, target)].below(p))
        return np.where(held, known.codes, UNKNOWN)

    def advice(self, visible: Sequence[str], target: str) -> Advice | None:
        """The absent modality whose addition lowered the share of wrong first rows most; None where none surely did."""
        best: Advice | None = None
        for modality, (change, low, high, rows) in self.added(visible, target).items():
            if high < 0 and (best is None or change < best.failure_change):
                best = Advice(modality, change, (low, high), rows)
        return best

    def added(
        self, visible: Sequence[str], target: str
    ) -> Mapping[str, tuple[float, float, float, int]]:
        """What adding each absent modality changed: (change, low, high, observations), as far as it was measured."""
        return self.changes.get(set_key(visible, self.modalities), {}).get(target, {})


def _bounded(error: float) -> float:
    """An error 1 − cosine as it can be."""
    return min(max(error, 0.0), 2.0)


HOW = ("from one", "from several", "shown")
"""How a target is asked for: by one other modality, by several, or by itself, with or without others."""


def key_of(visible: Iterable[str], target: str) -> str:
    """Under which a direction was fitted: its target and one of `HOW`, as `image from one`."""
    seen = set(visible)
    how = HOW[2] if target in seen else HOW[len(seen) > 1]
    return f"{target} {how}"
