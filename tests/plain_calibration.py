"""A calibration made by hand, put into an opened index; and what it says of an answer, by loops over all rows."""

from __future__ import annotations

import json
from math import exp, log

import numpy as np
from plain_index import reseal

from prom3e_index.confidence.calibrated import HOW, Calibration
from prom3e_index.confidence.fitted import Fitted, Linear
from prom3e_index.confidence.stored import written

WEIGHTS = {"mass": 0.8, "alike": 0.0, "margin": 2.0, "gap": 1.0, "top": 0.5, "nearest": 0.3, "votes": 0.7,
           "others": -0.2, "spread": -0.1, "agreement": 0.4}  # fmt: skip
ERRORS = {"nearest": -0.4, "first": -0.2, "near": -0.1, "top": -0.05, "mass": -0.01, "spread": 0.02}
SHOWN, BIAS, TAU = {"loc": 0.2, "text": -0.3}, -0.9, 0.04
ADDED = {
    "text": (-0.17, -0.25, -0.09, 312),
    "sat": (0.02, -0.03, 0.07, 200),
    "env": (-0.01, -0.05, 0.03, 90),
}


def _linear(weights, visible, bias):
    n = len(weights)
    return Linear((0.0,) * n, (1.0,) * n, tuple(weights.values()), visible, bias)


def calibration(modalities, rule="species", source="index", targets=None, changes=True):
    """One for every target and way of asking; `loc` alone has advice."""
    bins = tuple((0.05 + i / 10, 26 + i, round((26 + i) * (0.05 + i / 10)), 20) for i in range(10))
    one = Fitted(
        TAU, _linear(WEIGHTS, SHOWN, BIAS), bins, (0.4, 0.7), (0.2, 0.1, 0.05),
        _linear(ERRORS, {}, 0.8), 0.15, 40, 200, 0.6,
    )  # fmt: skip
    fitted = {f"{t} {how}": one for t in targets or modalities for how in HOW}
    added = {t: {m: v for m, v in ADDED.items() if m != t} for t in modalities if t != "loc"}
    found = {"loc": added} if changes else {}
    reliability = [
        {"low": 0.0, "high": 0.5, "rows": 30, "p": 0.3, "right": 0.25, "interval": [0.1, 0.5]},
        {"low": 0.5, "high": 1.0, "rows": 90, "p": 0.8, "right": 0.82, "interval": [0.7, 0.9]},
    ]
    quality = {"rows": 40, "answers": 200, "r_auroc": 0.88, "aurc": 0.1, "ece": 0.031, "reliability": reliability,
               "intervals": {"r_auroc": [0.8, 0.9]}, "targets": {"image from one": {"answers": 9, "ece": 0.1}}}  # fmt: skip
    return Calibration(tuple(modalities), rule, fitted, {}, found, quality, source)


def put_into(bundle, *args, **more):
    """Have an opened index bring a calibration made by hand."""
    bundle.calibration = calibration(bundle.modalities, *args, **more)
    return bundle


def store_in(index, made):
    """Have an index on disk bring a calibration, as a build leaves it."""
    name = "confidence/000001.json"
    (index / "confidence").mkdir(exist_ok=True)
    (index / name).write_text(written(made))
    values = json.loads((index / "manifest.json").read_text())
    values["confidence"] = {"file": name, "generation": values["generation"], "rows": 60}
    (index / "manifest.json").write_text(json.dumps(values))
    reseal(index, name)


def _entropy(weights):
    total = sum(weights)
    return -sum(w / total * log(w / total) for w in weights if w > 0) if total else 0.0


def plain(scores, names, cosines, visible):
    """What is to be said of one answer; of its first rows (at most 200) as they come, best first.

    Gives (place, P, expected error, species of the set) or None where none of the first ten has a name.
    """
    place = next((i for i, n in enumerate(names[:10]) if n), None)
    if place is None:
        return None
    rows = [(s, n, c) for s, n, c in zip(scores, names, cosines, strict=True) if n]
    best, mine = rows[0][0], rows[0][1]
    weight = [exp((s - best) / TAU) for s, _, _ in rows]
    mass = sum(w for w, r in zip(weight, rows, strict=True) if r[1] == mine) / sum(weight)
    others: dict = {}
    for w, r in zip(weight, rows, strict=True):
        if r[1] != mine:
            others[r[1]] = others.get(r[1], 0.0) + w
    rival = next((s for s, n, _ in rows if n != mine), rows[-1][0])
    near = sorted((c for _, _, c in rows), reverse=True)
    ten = [n == mine for _, n, _ in rows[:10]]
    found = {
        "mass": min(max(log(mass) - log(1 - mass), -12), 12) if mass < 1 else 12.0,
        "alike": 0.0,
        "margin": best - rival,
        "gap": best - rows[1][0] if len(rows) > 1 else 0.0,
        "top": best,
        "nearest": near[0],
        "votes": sum(ten) / len(ten),
        "others": _entropy(list(others.values())),
        "spread": _entropy(weight[1:]),
        "agreement": float(rows[int(np.argmax([c for _, _, c in rows]))][1] == mine),
    }
    logit = (
        BIAS + sum(WEIGHTS[k] * v for k, v in found.items()) + sum(SHOWN.get(m, 0) for m in visible)
    )
    p = 1 / (1 + exp(-logit))
    told = {**found, "first": rows[0][2], "near": float(np.mean(near[:10]))}
    error = 0.8 + sum(w * told[k] for k, w in ERRORS.items())
    below = (0.2, 0.1, 0.05)[sum(p >= e for e in (0.4, 0.7))]
    inside = list(dict.fromkeys(n for s, n, _ in rows if s >= best - below))
    return place, p, min(max(error, 0), 2), inside
