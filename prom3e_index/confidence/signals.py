"""What the first rows of an answer say about it: the numbers that a calibration reads.

Always from the first 200 eligible rows, or all where there are fewer, however they were searched. A raised score of
the first row, all others left as they are, never lowers one of `RISING` and leaves the other signals as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FIRST = 200
"""Rows of an answer that are read."""
UNKNOWN = -1
"""Code of a row whose species is not known."""
RISING = ("mass", "alike", "margin", "gap", "top")
"""Signals that a raised score of the first row raises, or leaves."""
NAMES = (*RISING, "nearest", "votes", "others", "spread", "agreement")
"""All signals, in the order of `signals`."""
ERROR_NAMES = ("nearest", "first", "near", "top", "mass", "spread")
"""What the error of a completion is foretold by, in the order of `error_signals`."""
_SUREST = 12.0
"""Largest logit of a share."""
_VOTES = 10


@dataclass(frozen=True)
class First:
    """The first rows of q answers, best first; (q, k) each, k at most `FIRST`.

    Answers of fewer rows end in scores of −∞, whose other values are not read.

    Attributes:
        scores: Hybrid scores, descending.
        codes: Species of each row as a whole number, `UNKNOWN` where there is none; by the row rule its own number.
        cosines: ⟨f̂_t, g_t⟩ of the completed target with each row's target block.
        alike: ⟨g_t(first), g_t⟩ of the first row's target block with each row's.
    """

    scores: Floats
    codes: NDArray[np.int64]
    cosines: Floats
    alike: Floats

    @classmethod
    def of(
        cls,
        scores: NDArray[Any],
        codes: NDArray[Any],
        cosines: NDArray[Any],
        alike: NDArray[Any],
    ) -> First:
        """One answer of (k,) arrays, or several of (q, k): what is no number is −∞, and only `FIRST` rows are kept."""
        s, c, n, a = (
            np.atleast_2d(np.asarray(v))[:, :FIRST] for v in (scores, codes, cosines, alike)
        )
        s = np.where(np.isnan(s), -np.inf, s).astype(np.float64)
        n, a = (
            np.nan_to_num(v.astype(np.float64), nan=0.0, posinf=1.0, neginf=-1.0) for v in (n, a)
        )
        if a.shape[1]:
            a[:, 0] = 1.0
        return cls(s, c.astype(np.int64), n, a)

    def __len__(self) -> int:
        return len(self.scores)

    def at(self, rows: NDArray[Any] | slice) -> First:
        """Some of the answers."""
        return First(self.scores[rows], self.codes[rows], self.cosines[rows], self.alike[rows])

    def labelled(self) -> tuple[First, NDArray[np.int64]]:
        """The rows of known species alone, and where the first of them stood, (q,); the length where there is none.

        Likeness is to a row that may be gone, so there is none any more.
        """
        known = np.isfinite(self.scores) & (self.codes != UNKNOWN)
        place = np.where(
            known.any(axis=1), known.argmax(axis=1) if known.size else 0, known.shape[1]
        )
        if known.all():
            return First(self.scores, self.codes, self.cosines, np.zeros_like(self.alike)), place
        order = np.argsort(~known, axis=1, kind="stable")
        kept = np.take_along_axis(known, order, 1)
        s, c, n = (np.take_along_axis(v, order, 1) for v in (self.scores, self.codes, self.cosines))
        return First(
            np.where(kept, s, -np.inf),
            np.where(kept, c, UNKNOWN),
            np.where(kept, n, 0),
            np.zeros_like(s),
        ), place

    @staticmethod
    def joined(parts: Sequence[First]) -> First:
        """Answers of several parts, all made as long as the longest."""
        k = max((p.scores.shape[1] for p in parts), default=0)

        def wide(v: NDArray[np.generic], fill: float) -> NDArray[np.generic]:
            return np.pad(v, ((0, 0), (0, k - v.shape[1])), constant_values=fill)

        return First(
            np.concatenate([wide(p.scores, -np.inf) for p in parts]) if parts else np.zeros((0, 0)),
            np.concatenate([wide(p.codes, UNKNOWN) for p in parts])
            if parts
            else np.zeros((0, 0), np.int64),
            np.concatenate([wide(p.cosines, 0) for p in parts]) if parts else np.zeros((0, 0)),
            np.concatenate([wide(p.alike, 0) for p in parts]) if parts else np.zeros((0, 0)),
        )


def shares(scores: Floats, temperature: float) -> Floats:
    """Softmax of scores (q, k) at a temperature; −∞ has 0, and so have all where no score is finite."""
    s = scores
    top = s.max(axis=1, keepdims=True, initial=-np.inf)
    with np.errstate(invalid="ignore", over="ignore"):
        p = np.where(
            np.isfinite(s), np.exp((s - np.where(np.isfinite(top), top, 0)) / temperature), 0
        )
    return np.asarray(p / np.maximum(p.sum(axis=1, keepdims=True), 1e-300))


def same_as_first(first: First) -> NDArray[np.bool_]:
    """(q, k) whether each row is of the first row's species; of an unknown one only the first row itself is."""
    same = np.isfinite(first.scores) & (first.codes == first.codes[:, :1])
    same &= first.codes[:, :1] != UNKNOWN
    same[:, 0] = np.isfinite(first.scores[:, 0])
    return np.asarray(same)


def signals(first: First, temperature: float) -> Floats:
    """The signals of each answer, (q, len(NAMES)), all finite.

    - `mass`: logit of the softmax at τ summed over the rows of the first one's species.
    - `alike`: logit of the softmax summed over all rows, each times its likeness to the first.
    - `margin`: the first score less the best of another species; less the last score where there is no other.
    - `gap`, `top`: the first score less the second; the first score.
    - `nearest`: largest cosine of the completed target with a row's.
    - `votes`: share of the first ten rows that are of the first one's species.
    - `others`: entropy of the shares of the other species among themselves, in nats.
    - `spread`: entropy of the shares of all rows but the first among themselves.
    - `agreement`: whether the row nearest to the completed target is of the first one's species.

    An answer without rows has zeros. Rows of unknown species count as one species each.

    Source: the abstention of Gisserot-Boukhlef et al. 2024 (arXiv 2402.12997), linear in sorted scores.
    """
    out = np.zeros((len(first), len(NAMES)))
    if not first.scores.size:
        return out
    s, same = first.scores, same_as_first(first)
    p = shares(s, temperature)
    finite = np.isfinite(s)
    known = np.where(finite, s, np.inf).min(axis=1)
    top = s[:, 0]
    other = np.where(same, -np.inf, s).max(axis=1)
    second = s[:, 1] if s.shape[1] > 1 else np.full(len(s), -np.inf)
    with np.errstate(invalid="ignore"):
        out[:, 0] = _logit((p * same).sum(axis=1))
        out[:, 1] = _logit((p * np.clip(first.alike, 0, 1)).sum(axis=1))
        out[:, 2] = top - np.where(np.isfinite(other), other, known)
        out[:, 3] = top - np.where(np.isfinite(second), second, top)
        out[:, 4] = top
    out[:, 5] = _nearest(first)
    ten = slice(0, _VOTES)
    out[:, 6] = same[:, ten].sum(axis=1) / np.maximum(finite[:, ten].sum(axis=1), 1)
    # Shares among themselves, so that they are the same however far above them the first row is.
    out[:, 7] = _entropy_of_species(first.codes, shares(np.where(same, -np.inf, s), temperature))
    rest = s.copy()
    rest[:, 0] = -np.inf
    out[:, 8] = _entropy(shares(rest, temperature))
    at = np.where(finite, first.cosines, -np.inf).argmax(axis=1)
    out[:, 9] = same[np.arange(len(s)), at]
    return np.where(finite[:, :1], np.nan_to_num(out, nan=0.0, posinf=0.0, neginf=0.0), 0)


def error_signals(first: First, temperature: float, known: Floats | None = None) -> Floats:
    """What the error of the completed target is foretold by, (q, len(ERROR_NAMES)); `known` are their `signals`.

    `first` is the cosine of the completed target with the first row, `near` the mean of its ten largest.
    """
    if not first.scores.size:
        return np.zeros((len(first), len(ERROR_NAMES)))
    found = signals(first, temperature) if known is None else known
    cosines = np.sort(np.where(np.isfinite(first.scores), first.cosines, -np.inf), axis=1)[:, ::-1]
    ten = cosines[:, :_VOTES]
    held = np.isfinite(ten)
    near = np.where(held, ten, 0).sum(axis=1) / np.maximum(held.sum(axis=1), 1)
    picked = {n: found[:, NAMES.index(n)] for n in ERROR_NAMES if n in NAMES}
    picked |= {"first": first.cosines[:, 0], "near": near}
    return np.stack([picked[n] for n in ERROR_NAMES], axis=1)


def species_mass(first: First, temperature: float) -> Floats:
    """(q,) softmax summed over the rows of the first one's species."""
    return np.asarray((shares(first.scores, temperature) * same_as_first(first)).sum(axis=1))


def species_entropy(first: First, temperature: float) -> Floats:
    """(q,) entropy of the species' shares, in nats."""
    return _entropy_of_species(first.codes, shares(first.scores, temperature))


def _nearest(first: First) -> Floats:
    return np.asarray(np.where(np.isfinite(first.scores), first.cosines, -np.inf).max(axis=1))


def _logit(share: Floats) -> Floats:
    share = np.minimum(share, 1.0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.clip(np.log(share) - np.log1p(-share), -_SUREST, _SUREST))


def _entropy(p: Floats) -> Floats:
    """Entropy of rows of weights that need not sum to 1; 0 where all are 0."""
    total = p.sum(axis=1, keepdims=True)
    q = p / np.where(total > 0, total, 1)
    return np.asarray(-(q * np.log(np.where(q > 0, q, 1))).sum(axis=1))


def _entropy_of_species(codes: NDArray[np.int64], p: Floats) -> Floats:
    """Entropy of the shares summed by code; rows of unknown species are one each."""
    order = np.argsort(codes, axis=1, kind="stable")
    code, share = np.take_along_axis(codes, order, 1), np.take_along_axis(p, order, 1)
    ends = np.ones(code.shape, bool)
    ends[:, :-1] = (code[:, 1:] != code[:, :-1]) | (code[:, :-1] == UNKNOWN)
    summed = np.cumsum(share, axis=1)
    before = np.maximum.accumulate(np.where(ends, summed, 0), axis=1)
    before = np.concatenate([np.zeros((len(code), 1)), before[:, :-1]], axis=1)
    return _entropy(np.where(ends, np.maximum(summed - before, 0), 0))
