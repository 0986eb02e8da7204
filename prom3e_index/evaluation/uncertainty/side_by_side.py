"""Every signal of every answer, judged side by side: over all answers, over directions, over visible sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.confidence.metrics import (
    aurc,
    drawn_areas,
    ece,
    in_thirds,
    interval,
    r_auroc,
    resamples,
    risk,
    summary,
)
from prom3e_index.evaluation.data import EvalSet
from prom3e_index.evaluation.uncertainty.asked import LEAST, MOST
from prom3e_index.evaluation.uncertainty.foretold import PROBABILITIES, SIGNALS, TELLING, Foretold
from prom3e_index.evaluation.uncertainty.measures import agreement
from prom3e_index.schema import set_key

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
DRAWS = 200
COVERAGES = np.linspace(0.05, 1, 20)
"""Shares of answers, the surest first, at which the risk is told."""
EVERY = "every"


def measured(f: Foretold) -> dict[str, Ints]:
    """By signal that says something here, the answers it is judged on.

    Those of which every signal of `TELLING` says something, the same for all; of the expected error those that
    have one.
    """
    told = [s for s in SIGNALS if np.isfinite(f.sure[s]).any()]
    known = np.ones(len(f), bool)
    for s in told:
        known &= (s not in TELLING) | np.isfinite(f.sure[s])
    return {s: np.flatnonzero(known & np.isfinite(f.sure[s])) for s in told}


def answers_facts(f: Foretold, data: EvalSet) -> dict[str, Any]:
    """What was asked, and why a signal is missing where one is.

    Returns:
        `rule`, `answers`, `directions`, `rows` that asked, `of` rows, `most` queries of a direction, `right` (recall@1
        over all answers); `lacking`: by target why P(right) could not be fitted; `reason`: why it is nowhere.
    """
    kinds = len(set(data.texts("species")) - {""}) if data.species else 0
    reason = None
    if not len(f):
        reason = f"no direction has {LEAST} observations to ask with and {LEAST} to find"
    elif kinds == 1:
        reason = "all observations are of one species, so every answer is right and nothing can tell wrong ones"
    elif f.lacking:
        keys: dict[str, list[str]] = {}
        for key, why in f.lacking.items():
            keys.setdefault(why, []).append(key)
        each = "; ".join(f"{', '.join(k)} ({why})" for why, k in keys.items())
        reason = f"P(right) could not be fitted for {each}"
    return {
        "rule": f.rule, "answers": len(f), "directions": len(f.directions), "rows": len(np.unique(f.row)),
        "of": len(data), "most": MOST, "right": float(f.right.mean()) if len(f) else None,
        "lacking": f.lacking, "reason": reason,
    }  # fmt: skip


def sizes_of(f: Foretold) -> dict[str, list[int]]:
    """Directions by how many modalities they show, and all of them."""
    sizes = [len(given) for given, _ in f.directions]
    by = {str(k): [i for i, s in enumerate(sizes) if s == k] for k in sorted(set(sizes))}
    return by | {EVERY: list(range(len(sizes)))}


def signal_records(f: Foretold, seed: int = 0) -> list[dict[str, Any]]:
    """A record per number of modalities shown (`shown`: `1`, `2`, …, `every`) and signal.

    Returns:
        `shown`, `signal`, `directions`, and of all answers pooled what `confidence.metrics.summary` says; `mean`:
        `r_auroc` and `aurc` over directions, with `intervals`; `error`: Spearman's correlation of the doubt with
        the error of the completion, `pooled` and `mean` over directions, with `intervals` (ranks are those of all
        rows), `n`; `over_sets`: of the means of visible sets; `risk` at `COVERAGES`. Whole rows are drawn.
    """
    told = measured(f)
    if not len(f):
        return []
    _, place = np.unique(f.row, return_inverse=True)
    place = place.reshape(-1)
    times = resamples(int(place.max()) + 1, DRAWS, seed)
    whole, out = list(f.parts(range(len(f.directions)))), []
    for signal, known in told.items():
        parts = [np.intersect1d(p, known, assume_unique=True) for p in whole]
        sure = f.sure[signal]
        each = [_one(sure[p], f.right[p], f.error[p], place[p], times) for p in parts]
        for shown, chosen in sizes_of(f).items():
            mine = [i for i in chosen if len(parts[i])]
            if not mine:
                continue
            at = np.concatenate([parts[i] for i in mine])
            mean = _means([each[i] for i in mine])
            pooled = summary(
                sure[at], f.right[at], probability=signal in PROBABILITIES, groups=f.row[at],
                seed=seed, draws=DRAWS,
            )  # fmt: skip
            error = _pooled_error(sure[at], f.error[at], place[at], times)
            spearman, between = mean.pop("spearman"), mean["intervals"].pop("spearman")
            error |= {"mean": spearman, "intervals": error["intervals"] | {"mean": between}}
            record = {"shown": shown, "signal": signal, "directions": len(mine), **pooled}
            record |= {"mean": mean, "error": error, "over_sets": over_sets(f, sure, at)}
            out.append(record | {"risk": risk_at(sure[at], f.right[at])})
    return out


def risk_at(sure: Floats, right: NDArray[np.bool_]) -> list[float]:
    """(20,) share of wrong answers among the surest 5 %, 10 %, … of at least one answer."""
    curve = risk(sure, right)
    at = np.maximum(np.floor(COVERAGES * len(right) + 1e-9).astype(int), 1) - 1
    return [float(v) for v in curve[at]]


_MEANS = ("r_auroc", "aurc", "spearman")


def _one(
    sure: Floats, right: NDArray[np.bool_], error: Floats, place: Ints, times: NDArray[np.float32]
) -> dict[str, tuple[float | None, Floats]]:
    """By name a number of one direction, and its draws."""
    if not len(sure):
        return {}
    drawn = drawn_areas(sure, right, place, times)
    known = np.isfinite(error)
    a, b = -sure[known], error[known]
    return {
        "r_auroc": (r_auroc(sure, right), drawn[0]),
        "aurc": (aurc(sure, right), drawn[1]),
        "spearman": (agreement(a, b)["spearman"], drawn_spearman(a, b, place[known], times)),
    }


def _means(each: Sequence[dict[str, tuple[float | None, Floats]]]) -> dict[str, Any]:
    """Means over directions where a number is defined, and their `intervals`."""
    out: dict[str, Any] = {"intervals": {}}
    for name in _MEANS:
        known = [(value, drawn) for value, drawn in (e[name] for e in each) if value is not None]
        out[name] = float(np.mean([v for v, _ in known])) if known else None
        draws = _mean_of_known(np.array([d for _, d in known])) if known else np.zeros(0)
        out["intervals"][name] = interval(draws)
    return out


def _mean_of_known(values: Floats) -> Floats:
    """Mean of (d, b) over the first axis, what is no number left out; NaN where all is."""
    known = np.isfinite(values)
    total = np.where(known, values, 0).sum(axis=0)
    return np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan)


def _pooled_error(
    sure: Floats, error: Floats, place: Ints, times: NDArray[np.float32]
) -> dict[str, Any]:
    """Spearman's correlation of the doubt with the error over all answers."""
    known = np.isfinite(error)
    a, b = -sure[known], error[known]
    pooled = agreement(a, b)["spearman"]
    drawn = np.zeros(0) if pooled is None else drawn_spearman(a, b, place[known], times)
    return {"pooled": pooled, "n": len(a), "intervals": {"pooled": interval(drawn)}}


def drawn_spearman(a: Floats, b: Floats, group: Ints, times: NDArray[np.float32]) -> Floats:
    """(b,) correlation of the ranks of two lists (n,) in resamples, the ranks being those among all n.

    Args:
        a: First.
        b: Second.
        group: (n,) numbers from 0 of what is drawn together.
        times: (b, groups) how often each group was drawn.
    """
    from scipy.stats import rankdata

    if not len(a):
        return np.full(len(times), np.nan)
    x, y = ((r - r.mean()) / (r.std() or 1) for r in (rankdata(a), rankdata(b)))
    sums = [
        times.astype(np.float64) @ np.bincount(group, v, minlength=times.shape[1])
        for v in (np.ones(len(x)), x, y, x * x, y * y, x * y)
    ]
    n, sx, sy, sxx, syy, sxy = sums
    with np.errstate(invalid="ignore", divide="ignore"):
        mx, my = sx / n, sy / n
        spread = np.sqrt((sxx / n - mx**2) * (syy / n - my**2))
        return np.asarray(np.where(spread > 1e-12, (sxy / n - mx * my) / spread, np.nan))


def over_sets(f: Foretold, sure: Floats, at: Ints) -> dict[str, Any]:
    """Agreement of the mean doubt with the mean error over visible sets, each set over all its targets (figure 4)."""
    at = at[np.isfinite(f.error[at])]
    name = np.array(["+".join(given) for given, _ in f.directions])[f.direction[at]]
    _, which = np.unique(name, return_inverse=True)
    rows = np.bincount(which.reshape(-1))
    doubt, error = (np.bincount(which.reshape(-1), v[at]) / rows for v in (-sure, f.error))
    return agreement(doubt, error)


def direction_records(f: Foretold, modalities: Sequence[str]) -> list[dict[str, Any]]:
    """A record per direction and signal.

    Returns:
        `given`, `target`, `signal`, `rows`, share `right` (recall@1), `r_auroc`, `aurc`, `ece` of a probability,
        `spearman` of the doubt with the error.
    """
    told = measured(f)
    out = []
    for number, p in enumerate(f.parts(range(len(f.directions)))):
        given, target = f.directions[number]
        for signal, known in told.items():
            at = np.intersect1d(p, known, assume_unique=True)
            if not len(at):
                continue
            sure, right = f.sure[signal][at], f.right[at]
            has = np.isfinite(f.error[at])
            out.append(
                {
                    "given": set_key(given, modalities),
                    "target": target,
                    "signal": signal,
                    "rows": len(at),
                    "right": float(right.mean()),
                    "r_auroc": r_auroc(sure, right),
                    "aurc": aurc(sure, right),
                    "ece": ece(sure, right) if signal in PROBABILITIES else None,
                    "spearman": agreement(-sure[has], f.error[at][has])["spearman"],
                }
            )
    return out


def set_records(f: Foretold) -> dict[str, Any] | None:
    """The sets of species: `coverage`, mean `size`, `thirds` of P; `without`, the share of answers that get none.

    None where no set is given. Answers without a set count in no other figure.
    """
    known = measured(f).get("p_right", np.zeros(0, np.int64))
    if not len(known) or f.rule != "species":
        return None
    at = known[np.isfinite(f.members[known])]
    if not len(at):
        return None
    held, size = f.held[at], f.members[at]
    return {
        "answers": len(at),
        "without": 1 - len(at) / len(known),
        "coverage": float(held.mean()),
        "size": float(size.mean()),
        "thirds": in_thirds(f.sure["p_right"][at], held, size),
    }


def expected_error_record(f: Foretold) -> dict[str, Any] | None:
    """How often the error lies in the interval of the expected one, `coverage`, and half its mean width, `off`."""
    at = np.flatnonzero(np.isfinite(f.error_off) & np.isfinite(f.error))
    if not len(at):
        return None
    gap = np.abs(f.error[at] + f.sure["expected_error"][at])
    return {
        "answers": len(at),
        "coverage": float((gap <= f.error_off[at]).mean()),
        "off": float(f.error_off[at].mean()),
        "error": float(f.error[at].mean()),
    }
