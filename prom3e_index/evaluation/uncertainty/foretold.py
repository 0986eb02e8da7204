"""What each signal says of every answer, by functions that were fitted on other species."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.confidence.answers import Answers
from prom3e_index.confidence.calibrated import Calibration, Rule, key_of
from prom3e_index.confidence.fit import fit
from prom3e_index.confidence.signals import NAMES, signals, species_entropy, species_mass
from prom3e_index.evaluation.uncertainty.asked import Asked

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SIGNALS = ("sigma", "nearest", "mass", "p_right", "expected_error")
"""‖σ‖₁, nearest cosine of the completion, species mass, P(right), expected error."""
TELLING = ("sigma", "nearest", "mass", "p_right")
"""Those that may tell a wrong first answer; the expected error is of the completion."""
PROBABILITIES = ("mass", "p_right")


@dataclass(frozen=True)
class Foretold:
    """All answers of all directions, a answers of d directions.

    Attributes:
        directions: (visible set, target) of each.
        direction: (a,) which each answer is of.
        row: (a,) the row of the data that asked.
        half: (a,) 0 or 1: which half of the species, or of the rows by the row rule, it is of.
        right: (a,) whether the first row is right.
        error: (a,) 1 − cosine of the completed target with the true one; NaN where that is not known.
        sure: By signal (a,), larger is surer; NaN where it could not be fitted.
        held: (a,) whether the set of species holds the right one.
        members: (a,) species in the set; NaN where none can be given.
        error_off: (a,) half the width of the interval of the expected error; NaN without one.
        entropy: (a,) of the species' shares, in nats; NaN where nothing was fitted.
        rule: What a right answer is.
        lacking: Why nothing was fitted, by direction's key, where that is so.
        fitted: The calibration that was fitted on each half, to be tested on the other.
    """

    directions: list[tuple[tuple[str, ...], str]]
    direction: Ints
    row: Ints
    half: Ints
    right: NDArray[np.bool_]
    error: Floats
    sure: dict[str, Floats]
    held: NDArray[np.bool_]
    members: Floats
    error_off: Floats
    entropy: Floats
    rule: Rule
    lacking: dict[str, str]
    fitted: tuple[Calibration, Calibration]

    def __len__(self) -> int:
        return len(self.row)

    def parts(self, chosen: Sequence[int]) -> Iterator[Ints]:
        """The answers of each of some directions."""
        for i in chosen:
            low, high = np.searchsorted(self.direction, (i, i + 1))
            yield np.arange(low, high)


def halves(group: Ints, seed: int) -> Ints:
    """Two halves (n,) of about the same number of answers, no group in both; the first to come is drawn."""
    names, code, size = np.unique(group, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    held, half = [0, 0], np.zeros(len(names), np.int64)
    for i in order[np.argsort(-size[order], kind="stable")]:
        half[i] = int(held[1] < held[0])
        held[half[i]] += int(size[i])
    return np.asarray(half[code.reshape(-1)])


def foretell(
    asked: Sequence[Asked], modalities: tuple[str, ...], rule: Rule, seed: int = 0
) -> Foretold:
    """Fit on each half of the species, say of the other half.

    Args:
        asked: From `asked.ask`.
        modalities: Of the model.
        rule: What a right answer is.
        seed: Of the halves.
    """
    asked = [a.judged(rule) for a in asked]
    answers = [a.answers for a in asked]
    sizes = [len(a.truth) for a in answers]
    group = _joined([a.group for a in answers], np.int64)
    half = halves(group, seed)
    of = np.split(half, np.cumsum(sizes)[:-1]) if sizes else []
    made = [
        fit(
            [a.at(h == k) for a, h in zip(answers, of, strict=True)],
            modalities,
            rule,
            "index",
            seed,
        )
        for k in (0, 1)
    ]
    lacking = {
        key: made[k].why_not(a.visible, a.target) or ""
        for a in answers
        for key in [key_of(a.visible, a.target)]
        for k in (0, 1)
        if made[k].why_not(a.visible, a.target)
    }
    out = {n: np.full(len(half), np.nan) for n in (*SIGNALS, "members", "error_off", "entropy")}
    held, at = np.zeros(len(half), bool), 0
    for one, halves_of in zip(asked, of, strict=True):
        a = one.answers
        out["sigma"][at : at + len(a.truth)] = -one.sigma
        out["nearest"][at : at + len(a.truth)] = a.first.cosines.max(axis=1, initial=-1)
        for k in (0, 1):
            mine = np.flatnonzero(halves_of == k)
            calibration = made[1 - k]
            if len(mine) and calibration.why_not(a.visible, a.target) is None:
                _say(calibration, a.at(mine), at + mine, out, held)
        at += len(a.truth)
    return Foretold(
        [(a.visible, a.target) for a in answers], np.repeat(np.arange(len(answers)), sizes),
        _joined([a.observation for a in answers], np.int64), half,
        _joined([a.right for a in answers], bool), _joined([a.error for a in answers], np.float64),
        {n: out[n] for n in SIGNALS}, held, out["members"], out["error_off"], out["entropy"], rule,
        lacking, (made[0], made[1]),
    )  # fmt: skip


def _say(
    calibration: Calibration, a: Answers, at: Ints, out: dict[str, Floats], held: NDArray[np.bool_]
) -> None:
    """Fill in what a calibration says of some answers of a direction."""
    fitted = calibration.fitted[key_of(a.visible, a.target)]
    p = calibration.probabilities(a.first, a.visible, a.target)
    out["p_right"][at] = p
    if calibration.rule == "species":
        out["mass"][at] = species_mass(a.first, fitted.temperature)
        out["entropy"][at] = species_entropy(a.first, fitted.temperature)
        species = calibration.sets(a.first, a.visible, a.target, p)
        held[at] = (species == a.truth[:, None]).any(axis=1)
        out["members"][at] = np.where((species >= 0).any(axis=1), _kinds(species), np.nan)
    else:
        logit = signals(a.first, fitted.temperature)[:, NAMES.index("alike")]
        out["mass"][at] = 1 / (1 + np.exp(-logit))
    error = calibration.errors(a.first, a.visible, a.target)
    if error is not None and fitted.error_off is not None:
        out["expected_error"][at] = -error
        out["error_off"][at] = fitted.error_off


def _kinds(codes: Ints) -> Ints:
    """How many different codes from 0 stand in each row (q, k)."""
    s = np.sort(codes, axis=1)
    new = np.ones(s.shape, bool)
    new[:, 1:] = s[:, 1:] != s[:, :-1]
    return np.asarray((new & (s >= 0)).sum(axis=1))


def _joined(parts: list[Any], kind: Any) -> Any:
    return np.concatenate([np.zeros(0, kind), *parts]).astype(kind)
