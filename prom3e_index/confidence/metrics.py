"""Whether a number tells right answers from wrong ones, and whether a probability means what it says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
BINS = 10
"""Equal widths of [0, 1] in which a probability is compared with what came true."""
DRAWS = 300
LEVEL = 0.95
_Z = 1.959963984540054
"""The normal quantile of `LEVEL`, both sides."""


@dataclass(frozen=True)
class Ordered:
    """Answers in order, the surest first, and what the order is worth.

    Attributes:
        order: (n,) places of the answers, ties in their own order.
        start: (t,) where each tie begins in that order.
        right: (n,) in that order.
    """

    order: Ints
    start: Ints
    right: NDArray[np.bool_]

    @classmethod
    def of(cls, sure: NDArray[Any], right: NDArray[np.bool_]) -> Ordered:
        """Of (n,) each: larger is surer, and what is no number is the least sure."""
        values = -np.asarray(sure, np.float64).reshape(-1)
        order = np.argsort(values, kind="stable")
        values = values[order]
        new = np.ones(len(values), bool)
        new[1:] = (values[1:] != values[:-1]) & ~(np.isnan(values[1:]) & np.isnan(values[:-1]))
        return cls(order, np.flatnonzero(new), np.asarray(right, bool).reshape(-1)[order])

    def areas(self, times: NDArray[Any]) -> tuple[Floats, Floats]:
        """R-AUROC and AURC (b,) where each answer counts some times (b, n), whole numbers, in the answers' own order.

        NaN where a number is not defined.
        """
        if not len(self.right):
            none = np.full(len(times), np.nan)
            return none, none
        t = np.asarray(times, np.float64)[:, self.order]
        size, misses = t, t * ~self.right
        if len(self.start) < len(self.right):
            size, misses = (np.add.reduceat(v, self.start, axis=1) for v in (size, misses))
        hits = size - misses
        upto = np.cumsum(misses, axis=1)
        pairs = hits.sum(axis=1) * upto[:, -1]
        # Misses below each tie, and half of those in it.
        below = upto[:, -1:] - upto + misses / 2
        answered = np.cumsum(size, axis=1).astype(np.int64)
        n = answered[:, -1]
        # Inside a tie the k-th answer is wrong with the tie's share r: the sum over it of (W + j·r)/(K + j).
        harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, int(n.max()) + 1))])
        before = answered - size.astype(np.int64)
        share = misses / np.maximum(size, 1)
        area = misses + (upto - misses - share * before) * (harmonic[answered] - harmonic[before])
        with np.errstate(invalid="ignore", divide="ignore"):
            return (
                np.where(pairs > 0, (hits * below).sum(axis=1) / pairs, np.nan),
                np.where(n > 0, area.sum(axis=1) / n, np.nan),
            )


def _once(order: Ordered) -> tuple[float | None, float | None]:
    auroc, area = order.areas(np.ones((1, len(order.right))))
    return _number(auroc[0]), _number(area[0])


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def resamples(
    groups: NDArray[Any], draws: int = DRAWS, seed: int = 0, block: int = 8
) -> Iterator[NDArray[np.float64]]:
    """Bootstrap draws: how often each of n counts, (≤ block, n), until `draws` are made.

    Args:
        groups: (n,) whole groups are drawn, as many as there are: an observation that asks in several ways
            is one.
        draws: In all.
        seed: Of the draws.
        block: Draws at a time.
    """
    _, which = np.unique(groups, return_inverse=True)
    count = int(which.max()) + 1 if len(which) else 0
    rng = np.random.default_rng(seed)
    for at in range(0, draws if count else 0, block):
        many = min(block, draws - at)
        drawn = [np.bincount(rng.integers(0, count, count), minlength=count) for _ in range(many)]
        yield np.asarray(drawn, np.float64)[:, which.reshape(-1)]


def interval(values: Sequence[NDArray[Any]] | NDArray[Any]) -> list[float] | None:
    """Percentiles of draws at `LEVEL`, those that are no number left out; None where all are."""
    found = (
        np.concatenate([np.asarray(v, np.float64).reshape(-1) for v in values])
        if len(values)
        else np.zeros(0)
    )
    found = found[np.isfinite(found)]
    if not len(found):
        return None
    return [float(v) for v in np.quantile(found, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])]


def r_auroc(sure: NDArray[Any], right: NDArray[np.bool_]) -> float | None:
    """Probability that a right answer is surer than a wrong one, ties counted half; 0.5 is chance.

    It is the area under the ROC curve of the doubt for a wrong first answer.

    Args:
        sure: (n,) larger is surer; what is no number is the least sure.
        right: (n,).

    Returns:
        None where all or none are right.

    Source: R-AUROC of Kirchhof et al., arXiv 2307.03810.
    """
    return _once(Ordered.of(sure, right))[0]


def risk(sure: NDArray[Any], right: NDArray[np.bool_]) -> Floats:
    """Share of wrong answers among the surest 1, 2, … n, (n,) float64; the expectation over orders of ties."""
    o = Ordered.of(sure, right)
    if not len(o.right):
        return np.zeros(0)
    size = np.diff(np.append(o.start, len(o.right)))
    share = np.add.reduceat(~o.right, o.start, dtype=np.int64) / size
    return np.asarray(np.cumsum(np.repeat(share, size)) / np.arange(1, len(o.right) + 1))


def aurc(sure: NDArray[Any], right: NDArray[np.bool_]) -> float | None:
    """Area under the risk-coverage curve: the mean of `risk`, lower is better; None without answers.

    `aurc(right, right)` is the least that is possible, the share of wrong answers what a coin reaches.

    Source: Geifman and El-Yaniv, arXiv 1705.08500.
    """
    return _once(Ordered.of(sure, right))[1]


def _bins(p: NDArray[Any], bins: int) -> Ints:
    return np.clip((np.asarray(p, np.float64) * bins).astype(np.int64), 0, bins - 1)


def reliability(
    p: NDArray[Any], right: NDArray[np.bool_], bins: int = BINS
) -> list[dict[str, Any]]:
    """What was promised beside what came true.

    Args:
        p: (n,) probabilities that the answer is right, in [0, 1].
        right: (n,).
        bins: Equal widths of [0, 1]; each holds its lower end, the last one both.

    Returns:
        A record per bin with rows: `low`, `high`, `rows`, mean `p`, share `right`, and the Wilson `interval`
        of that share.
    """
    p, right = np.asarray(p, np.float64), np.asarray(right, bool)
    at = _bins(p, bins)
    out = []
    for k in np.unique(at):
        mine = at == k
        rows, hits = int(mine.sum()), int(right[mine].sum())
        out.append({
            "low": k / bins, "high": (k + 1) / bins, "rows": rows, "p": float(p[mine].mean()),
            "right": hits / rows, "interval": list(wilson(hits, rows)),
        })  # fmt: skip
    return out


def ece(p: NDArray[Any], right: NDArray[np.bool_], bins: int = BINS) -> float | None:
    """Expected calibration error: the mean gap of promise and truth over the bins, by rows; None without rows.

    Source: Naeini et al., AAAI 2015, whose bins are these.
    """
    if not len(p):
        return None
    p = np.asarray(p, np.float64)
    gap = np.bincount(_bins(p, bins), p - np.asarray(right, bool), bins)
    return float(np.abs(gap).sum()) / len(p)


def in_thirds(
    p: NDArray[Any], holds: NDArray[np.bool_], size: NDArray[Any]
) -> list[dict[str, Any]]:
    """How often a set holds the right one and how large it is, where the answer is doubtful and where it is sure.

    Args:
        p: (n,) probability that the first answer is right; the thirds are of equal number, ties by order.
        holds: (n,) whether the set has the right one.
        size: (n,) members of the set.

    Returns:
        Three records, the hardest first: `rows`, `low` and `high` of p, `coverage`, mean `size`; none for fewer
        than three rows.
    """
    if len(p) < 3:
        return []
    order = np.argsort(p, kind="stable")
    return [
        {
            "rows": len(part),
            "low": float(p[part[0]]),
            "high": float(p[part[-1]]),
            "coverage": float(np.mean(holds[part])),
            "size": float(np.mean(size[part])),
        }
        for part in np.array_split(order, 3)
    ]


def summary(
    sure: NDArray[Any],
    right: NDArray[np.bool_],
    *,
    probability: bool = False,
    groups: NDArray[Any] | None = None,
    seed: int = 0,
    draws: int = DRAWS,
) -> dict[str, Any]:
    """All of the above for one signal, with intervals.

    Args:
        sure: (n,) larger is surer.
        right: (n,).
        probability: Whether `sure` is a probability: then `ece` and `reliability` too.
        groups: (n,) what belongs together and is drawn together, an observation that asks in many ways for
            one; each row alone when None.
        seed: Of the draws.
        draws: Bootstrap resamples.

    Returns:
        `rows`, share `wrong`, `r_auroc`, `aurc`, `aurc_best` (the least possible), with `probability` `ece` and
        `reliability`; `intervals` of `r_auroc`, `aurc` and `ece`, percentiles at `LEVEL`, None where a number is.
    """
    right = np.asarray(right, bool)
    n, order = len(right), Ordered.of(sure, right)
    auroc, area = _once(order)
    out: dict[str, Any] = {
        "rows": n,
        "wrong": float(1 - right.mean()) if n else None,
        "r_auroc": auroc,
        "aurc": area,
        "aurc_best": aurc(right, right),
    }
    drawn: dict[str, list[Floats]] = {"r_auroc": [], "aurc": []}
    gap = np.zeros((n, 0))
    if probability:
        out |= {"ece": ece(sure, right), "reliability": reliability(sure, right)}
        drawn["ece"] = []
        gap = np.zeros((n, BINS))
        gap[np.arange(n), _bins(sure, BINS)] = np.asarray(sure, np.float64) - right
    for times in resamples(np.arange(n) if groups is None else groups, draws, seed):
        aurocs, areas = order.areas(times)
        drawn["r_auroc"].append(aurocs)
        drawn["aurc"].append(areas)
        if probability:
            drawn["ece"].append(np.abs(times @ gap).sum(axis=1) / times.sum(axis=1))
    out["intervals"] = {
        k: interval(values) if out[k] is not None else None for k, values in drawn.items()
    }
    return out


def wilson(right: int, rows: int) -> tuple[float, float]:
    """Interval of a share at `LEVEL`; (0, 1) without rows.

    Source: Wilson, JASA 1927.
    """
    if not rows:
        return 0.0, 1.0
    share, z2 = right / rows, _Z**2
    middle = (share + z2 / (2 * rows)) / (1 + z2 / rows)
    half = _Z * np.sqrt(share * (1 - share) / rows + z2 / (4 * rows**2)) / (1 + z2 / rows)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))
