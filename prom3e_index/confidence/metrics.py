"""Whether a number tells right answers from wrong ones, and whether a probability means what it says."""

from __future__ import annotations

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


def _ties(sure: NDArray[Any]) -> tuple[Ints, Ints]:
    """Order (n,) with the surest first, and the number of each one's tie in that order, from 0."""
    values = np.asarray(sure, np.float64).reshape(-1)
    # What is no number is the least sure, less still than minus infinity.
    values, code = np.unique(-values, return_inverse=True, equal_nan=True)
    code = code.reshape(-1)
    order = np.argsort(code, kind="stable")
    return order, code[order]


def _areas(tie: Ints, right: NDArray[np.bool_]) -> tuple[float | None, Floats]:
    """R-AUROC and risk of answers in order; `tie` need not be without holes."""
    size = np.bincount(tie)
    hits = np.bincount(tie, right, len(size))
    misses = size - hits
    pairs = float(hits.sum() * misses.sum())
    # Misses below each tie, and half of those in it.
    below = misses.sum() - np.cumsum(misses)
    auroc = float((hits * (below + misses / 2)).sum()) / pairs if pairs else None
    share = misses / np.maximum(size, 1)
    return auroc, np.cumsum(share[tie]) / np.arange(1, len(tie) + 1)


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
    order, tie = _ties(sure)
    return _areas(tie, np.asarray(right, bool)[order])[0]


def risk(sure: NDArray[Any], right: NDArray[np.bool_]) -> Floats:
    """Share of wrong answers among the surest 1, 2, … n, (n,) float64; the expectation over orders of ties."""
    order, tie = _ties(sure)
    return _areas(tie, np.asarray(right, bool)[order])[1]


def aurc(sure: NDArray[Any], right: NDArray[np.bool_]) -> float | None:
    """Area under the risk-coverage curve: the mean of `risk`, lower is better; None without answers.

    `aurc(right, right)` is the least that is possible, the share of wrong answers what a coin reaches.

    Source: Geifman and El-Yaniv, arXiv 1705.08500.
    """
    values = risk(sure, right)
    return float(values.mean()) if len(values) else None


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
    order, tie = _ties(sure)
    sorted_right = right[order]
    auroc, curve = _areas(tie, sorted_right)
    n = len(right)
    out: dict[str, Any] = {
        "rows": n,
        "wrong": float(1 - right.mean()) if n else None,
        "r_auroc": auroc,
        "aurc": float(curve.mean()) if n else None,
        "aurc_best": aurc(right, right),
    }
    if probability:
        out |= {"ece": ece(sure, right), "reliability": reliability(sure, right)}
    drawn: dict[str, list[float]] = {k: [] for k in ("r_auroc", "aurc", *["ece"] * probability)}
    which = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
    which = which.reshape(-1)[order]
    count = int(which.max()) + 1 if n else 0
    rng = np.random.default_rng(seed)
    sure = np.asarray(sure, np.float64)[order]
    for _ in range(draws if n else 0):
        times = np.bincount(rng.integers(0, count, count), minlength=count)[which]
        at = np.repeat(np.arange(n), times)
        auroc, curve = _areas(tie[at], sorted_right[at])
        if auroc is not None:
            drawn["r_auroc"].append(auroc)
        drawn["aurc"].append(float(curve.mean()))
        if probability:
            drawn["ece"].append(ece(sure[at], sorted_right[at]) or 0.0)
    tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    out["intervals"] = {
        k: [float(v) for v in np.quantile(values, tails)] if values and out[k] is not None else None
        for k, values in drawn.items()
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
