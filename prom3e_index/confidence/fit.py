"""Fitting a calibration on answers whose truth is known; its worth is told out of fold, folds by species."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from prom3e_index.confidence.answers import Answers
from prom3e_index.confidence.calibrated import HOW, Calibration, Rule, Source, key_of
from prom3e_index.confidence.fitted import Fitted
from prom3e_index.confidence.pooled import LEAST, Pooled
from prom3e_index.confidence.quality import changes_of, quality_of

LEAST_OF_EACH = 5
"""Right and wrong answers that there must be of each."""


def fit(
    answers: Sequence[Answers],
    modalities: tuple[str, ...],
    rule: Rule = "species",
    source: Source = "index",
    seed: int = 0,
) -> Calibration:
    """A calibration of all directions, one function for each target, shown or not.

    Args:
        answers: By direction; a direction comes once.
        modalities: Of the model.
        rule: What a right answer is.
        source: Whose rows asked.
        seed: Of folds and resamples.
    """
    fitted: dict[str, Fitted] = {}
    held: list[Pooled] = []
    answers = [a.judged(rule) for a in answers]
    parts, lacking = _parts(answers)
    for keys, some in parts.items():
        pooled = Pooled.of(keys, some, modalities, seed)
        fitted |= dict.fromkeys(keys, pooled.fitted())
        held.append(pooled)
    return Calibration(
        modalities,
        rule,
        fitted,
        lacking,
        changes_of(answers, modalities),
        quality_of(held, seed),
        source,
    )


def _parts(
    answers: Sequence[Answers],
) -> tuple[dict[tuple[str, ...], list[Answers]], dict[str, str]]:
    """Answers that are fitted together, by the keys that this serves; and why the other keys have none.

    A target asked for from one and from several is fitted for both together where either has too few answers.
    """
    by_key: dict[str, list[Answers]] = {}
    for a in answers:
        if len(a.truth):
            by_key.setdefault(key_of(a.visible, a.target), []).append(a)
    reasons = {key: _too_few(some) for key, some in by_key.items()}
    out: dict[tuple[str, ...], list[Answers]] = {}
    lacking: dict[str, str] = {}
    for target in dict.fromkeys(a.target for a in answers):
        one, several, shown = (f"{target} {how}" for how in HOW)
        asked = [k for k in (one, several) if k in by_key]
        ways = [[k] for k in (*asked, shown) if k in by_key]
        if len(asked) == 2 and any(reasons[k] for k in asked):
            ways = [asked, *([[shown]] if shown in by_key else [])]
        for keys in ways:
            some = [a for k in keys for a in by_key[k]]
            reason = _too_few(some)
            if reason is None:
                out[tuple(keys)] = some
            else:
                lacking |= dict.fromkeys(keys, reason)
    return out, lacking


def _too_few(some: Sequence[Answers]) -> str | None:
    """Why these answers are too few to fit anything; None where they are enough."""
    rows = len(np.unique(np.concatenate([a.observation for a in some])))
    right = int(sum(a.right.sum() for a in some))
    wrong = sum(len(a.truth) for a in some) - right
    if rows < LEAST:
        return f"{rows} observations could be asked with; {LEAST} are needed"
    if min(right, wrong) < LEAST_OF_EACH:
        return (
            f"{right:,} answers were right and {wrong:,} wrong; {LEAST_OF_EACH} of each are needed"
        )
    if len(np.unique(np.concatenate([a.group for a in some]))) < 2:
        return "all that asked is of one species"
    return None
