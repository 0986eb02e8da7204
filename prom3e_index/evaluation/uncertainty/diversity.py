"""Whether a place's answer knows how many species live there: its entropy beside what was seen around."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.confidence.metrics import interval, resamples
from prom3e_index.evaluation.data import EvalSet, numbers
from prom3e_index.evaluation.sources import Source
from prom3e_index.evaluation.uncertainty.foretold import Foretold
from prom3e_index.evaluation.uncertainty.measures import agreement
from prom3e_index.evaluation.uncertainty.side_by_side import DRAWS, drawn_spearman

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
PLACE = "loc"
NEAREST = 30
"""Observations around a place whose species are counted."""
LEAST = 200
"""Observations that an independent draw needs."""
MOST = 3000
_COLUMNS = ("latitude", "longitude")


def shannon(codes: Ints) -> Floats:
    """Shannon's diversity in nats of the species (n, k) of the k observations around each place."""
    out = np.zeros(len(codes))
    for i, row in enumerate(codes):
        share = np.unique(row, return_counts=True)[1] / len(row)
        out[i] = -(share * np.log(share)).sum()
    return out


def nearest_observations(places: Floats, others: Floats, own: Ints, k: int) -> Ints:
    """Places (n, k) in `others` of the k nearest on the globe, ties by order.

    Args:
        places: (n, 2) latitude and longitude in degrees.
        others: (o, 2), at least k + 1 where any row has an own place.
        own: (n,) place in `others` that is the row itself and is left out; −1 where none is.
        k: How many.
    """
    from scipy.spatial import KDTree

    # The chord orders as the arc does.
    found = KDTree(_on_sphere(others)).query(_on_sphere(places), k=k + int((own >= 0).any()))[1]
    found = np.asarray(found).reshape(len(places), -1)
    keep = np.argsort(found == own[:, None], axis=1, kind="stable")[:, :k]
    return np.asarray(np.take_along_axis(found, keep, 1))


def _on_sphere(places: Floats) -> Floats:
    latitude, longitude = np.radians(places).T
    return np.stack(
        [
            np.cos(latitude) * np.cos(longitude),
            np.cos(latitude) * np.sin(longitude),
            np.sin(latitude),
        ],
        axis=1,
    )


def placed(data: EvalSet) -> tuple[Floats, NDArray[np.str_]]:
    """Latitude and longitude (n, 2) in degrees, NaN where there are none, and the species (n,), empty if unknown."""
    at = np.stack([numbers(data.columns[c]) for c in _COLUMNS], axis=1)
    return at, data.texts("species")


def diversity(f: Foretold, data: EvalSet, source: Source, seed: int = 0) -> dict[str, Any]:
    """Entropy of the species of a place's answers, and ‖σ‖₁ of the place alone, beside Shannon's diversity.

    Shannon's diversity is that of the `NEAREST` other observations. They are drawn from rows of the source that are not
    evaluated, in no gallery and asking nothing, where there are `LEAST`; else from the evaluated rows themselves.

    Returns:
        `independent`, `observations` drawn from, `nearest`, `rows` (places), mean `shannon`, and `signals`: records of
        `signal` (`entropy` or `sigma`), `target`, `spearman`, `interval`, `n`; with `mean` of the entropy over targets;
        or `reason`, why there is none.

    Source: ProM3E, where ‖σ‖₁ of the place has a Spearman correlation of 0.401.
    """
    if f.rule != "species":
        return {"reason": "no species labels"}
    if not set(_COLUMNS) <= data.columns.keys():
        return {"reason": "the rows have no columns latitude and longitude"}
    at, species = placed(data)
    left = np.setdiff1d(source.numbers, data.numbers)
    drawn, independent = data, False
    if len(left) >= LEAST:
        rng = np.random.default_rng(seed)
        other = source.read(np.sort(rng.choice(left, min(MOST, len(left)), replace=False)))
        if source.species not in (None, "species"):
            other.columns["species"] = other.columns[str(source.species)]
        there, kinds = placed(other)
        if (np.isfinite(there).all(axis=1) & (kinds != "")).sum() >= LEAST:
            drawn, independent = other, True
    there, kinds = placed(drawn)
    usable = np.flatnonzero(np.isfinite(there).all(axis=1) & (kinds != ""))
    if len(usable) <= NEAREST:
        return {
            "reason": f"{len(usable)} observations have a place and a species; more than {NEAREST} are needed"
        }
    asks = [i for i, (given, _) in enumerate(f.directions) if given == (PLACE,)]
    rows = np.unique(np.concatenate([np.zeros(0, np.int64), *(f.row[p] for p in f.parts(asks))]))
    rows = rows[np.isfinite(at[rows]).all(axis=1)]
    if len(rows) < LEAST // 10:
        return {
            "reason": f"{len(rows)} rows with coordinates ask by their place alone; {LEAST // 10} are needed"
        }
    own = np.full(len(rows), -1)
    if not independent:
        stands = np.full(len(data), -1, np.int64)
        stands[usable] = np.arange(len(usable))
        own = stands[rows]
    code = np.unique(kinds[usable], return_inverse=True)[1].reshape(-1)
    near = nearest_observations(at[rows], there[usable], own, NEAREST)
    truth = np.full(len(data), np.nan)
    truth[rows] = shannon(code[near])
    times = resamples(len(rows), DRAWS, seed)
    records: list[dict[str, Any]] = []
    for signal, values in (("entropy", f.entropy), ("sigma", -f.sure["sigma"])):
        for i in asks if signal == "entropy" else asks[:1]:
            (p,) = f.parts([i])
            p = p[np.isfinite(truth[f.row[p]]) & np.isfinite(values[p])]
            a, b = values[p], truth[f.row[p]]
            found = agreement(a, b)
            group = np.searchsorted(rows, f.row[p])
            records.append(
                {
                    "signal": signal,
                    "target": f.directions[i][1] if signal == "entropy" else None,
                    "spearman": found["spearman"],
                    "interval": None
                    if found["spearman"] is None
                    else interval(drawn_spearman(a, b, group, times)),
                    "n": found["n"],
                }
            )
    known = [
        r["spearman"] for r in records if r["signal"] == "entropy" and r["spearman"] is not None
    ]
    return {
        "independent": independent, "observations": len(usable), "nearest": NEAREST, "rows": len(rows),
        "shannon": float(np.nanmean(truth)), "signals": records,
        "mean": float(np.mean(known)) if known else None,
    }  # fmt: skip
