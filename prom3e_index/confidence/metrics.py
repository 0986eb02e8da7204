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
_LEVELS = 1000
"""Steps of sureness that an interval is drawn with, where there are more."""
Z = 1.959963984540054
"""The normal quantile of `LEVEL`, both sides."""


def ties(sure: NDArray[Any]) -> Ints:
    """(n,) the tie that each answer is of, 0 the surest; what is no number is the least sure."""
    values = -np.asarray(sure, np.float64).reshape(-1)
    order = np.argsort(values, kind="stable")
    values = values[order]
    new = np.zeros(len(values), bool)
    new[1:] = (values[1:] != values[:-1]) & ~(np.isnan(values[1:]) & np.isnan(values[:-1]))
    out = np.empty(len(values), np.int64)
    out[order] = np.cumsum(new)
    return out


def areas(hits: NDArray[Any], misses: NDArray[Any]) -> tuple[Floats, Floats]:
    """R-AUROC and AURC (b,) of right and wrong answers by tie, (b, t) whole numbers, the surest tie first.

    NaN where a number is not defined.
    """
    hits, misses = np.asarray(hits, np.float64), np.asarray(misses, np.float64)
    size, wrong = hits + misses, np.cumsum(misses, axis=1)
    if not size.shape[1]:
        none = np.full(len(size), np.nan)
        return none, none
    pairs = hits.sum(axis=1) * wrong[:, -1]
    # Wrong ones below each tie, and half of those in it.
    below = wrong[:, -1:] - wrong + misses / 2
    answered = np.cumsum(size, axis=1).astype(np.int64)
    before, n = answered - size.astype(np.int64), answered[:, -1]
    # Inside a tie each answer is wrong with the tie's share r: the sum over it of (W + j·r)/(K + j).
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, int(n.max(initial=0)) + 1))])
    share = misses / np.maximum(size, 1)
    area = misses + (wrong - misses - share * before) * (harmonic[answered] - harmonic[before])
    with np.errstate(invalid="ignore", divide="ignore"):
        return (
            np.where(pairs > 0, (hits * below).sum(axis=1) / pairs, np.nan),
            np.where(n > 0, area.sum(axis=1) / n, np.nan),
        )


def _once(sure: NDArray[Any], right: NDArray[np.bool_]) -> tuple[float | None, float | None]:
    tie, right = ties(sure), np.asarray(right, bool).reshape(-1)
    hits, misses = (np.bincount(tie, v)[None] for v in (right, ~right))
    auroc, area = areas(hits, misses)
    return _number(auroc[0]), _number(area[0])


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def resamples(groups: int, draws: int = DRAWS, seed: int = 0) -> NDArray[np.float32]:
    """Bootstrap draws (draws, groups): how often each of some groups is drawn, as many as there are each time."""
    rng = np.random.default_rng(seed)
    drawn = [
        np.bincount(rng.integers(0, groups, groups), minlength=groups)
        for _ in range(draws if groups else 0)
    ]
    return np.asarray(drawn, np.float32).reshape(len(drawn), groups)


def drawn_areas(
    sure: NDArray[Any], right: NDArray[np.bool_], group: Ints, times: NDArray[np.float32]
) -> tuple[Floats, Floats]:
    """R-AUROC and AURC of resamples, (b,) each; see `areas`.

    Args:
        sure: (n,) larger is surer.
        right: (n,).
        group: (n,) numbers from 0 of what is drawn together.
        times: (b, groups) how often each group was drawn.
    """
    tie, right = ties(sure), np.asarray(right, bool)
    count = int(tie.max(initial=-1)) + 1
    if count > _LEVELS:  # finer than an interval needs
        tie, count = tie * _LEVELS // count, _LEVELS
    shape = (times.shape[1], count)
    return areas(*(_summed(times, v, group, tie, shape) for v in (right, ~right)))


def _summed(
    times: NDArray[np.float32],
    value: NDArray[Any],
    group: Ints,
    column: Ints,
    shape: tuple[int, int],
) -> NDArray[Any]:
    """(b, columns): the values of each column, each as often as its group was drawn."""
    from scipy.sparse import csr_array

    table = csr_array((value.astype(np.float64), (group, column)), shape)
    return np.asarray((table.T @ times.T).T)


def interval(values: NDArray[Any]) -> list[float] | None:
    """Percentiles of draws at `LEVEL`, those that are no number left out; None where all are."""
    found = values[np.isfinite(values)]
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
    return _once(sure, right)[0]


def risk(sure: NDArray[Any], right: NDArray[np.bool_]) -> Floats:
    """Share of wrong answers among the surest 1, 2, … n, (n,) float64; the expectation over orders of ties."""
    tie, right = ties(sure), np.asarray(right, bool).reshape(-1)
    size = np.bincount(tie)
    share = np.bincount(tie, ~right) / np.maximum(size, 1)
    return np.asarray(np.cumsum(np.repeat(share, size)) / np.arange(1, len(tie) + 1))


def aurc(sure: NDArray[Any], right: NDArray[np.bool_]) -> float | None:
    """Area under the risk-coverage curve: the mean of `risk`, lower is better; None without answers.

    `aurc(right, right)` is the least that is possible, the share of wrong answers what a coin reaches.

    Source: Geifman and El-Yaniv, arXiv 1705.08500.
    """
    return _once(sure, right)[1]


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
    n = len(right)
    auroc, area = _once(sure, right)
    out: dict[str, Any] = {
        "rows": n,
        "wrong": float(1 - right.mean()) if n else None,
        "r_auroc": auroc,
        "aurc": area,
        "aurc_best": aurc(right, right),
    }
    _, group = np.unique(np.arange(n) if groups is None else groups, return_inverse=True)
    group = group.reshape(-1)
    times = resamples(int(group.max(initial=-1)) + 1, draws, seed)
    drawn = dict(zip(("r_auroc", "aurc"), drawn_areas(sure, right, group, times), strict=True))
    if probability:
        out |= {"ece": ece(sure, right), "reliability": reliability(sure, right)}
        gap, shape = np.asarray(sure, np.float64) - right, (times.shape[1], BINS)
        gaps = _summed(times, gap, group, _bins(sure, BINS), shape)
        rows = times @ np.bincount(group, minlength=times.shape[1])
        drawn["ece"] = np.abs(gaps).sum(axis=1) / np.maximum(rows, 1)
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
    share, z2 = right / rows, Z**2
    middle = (share + z2 / (2 * rows)) / (1 + z2 / rows)
    half = Z * np.sqrt(share * (1 - share) / rows + z2 / (4 * rows**2)) / (1 + z2 / rows)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))
