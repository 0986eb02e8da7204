"""A taxon's records and where else was looked, as a logistic regression on what a location encoder says of cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.maps.assess import auc, average_precision, boyce, distance_scores, folds_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
FOLDS = 5
PENALTIES = (0.001, 0.01, 0.1, 1.0)
"""Inverse strengths of the penalty that are tried, each judged by blocks that it has not seen."""
_INNER = 3
_MOST_TRIED = 2000
"""Background cells that the penalty is chosen with."""
THRESHOLDS = ("lpt", "lpt-r", "tss")


@dataclass(frozen=True, eq=False)
class Sites:
    """Cells that are learnt from.

    Attributes:
        x: (k, d) unit rows, as an encoder sees them.
        latitude: (k,) of their centres; longitude alike.
        presence: (k,) the taxon was recorded there.
        group: (k,) others of its class were, and it was not.
        uniform: (k,) drawn from the mask, wherever was looked.
        block: (k,) of 5 degrees.
    """

    x: NDArray[np.float32]
    latitude: Floats
    longitude: Floats
    presence: NDArray[np.bool_]
    group: NDArray[np.bool_]
    uniform: NDArray[np.bool_]
    block: Ints


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted regression.

    Attributes:
        weights: (d,); bias; of embeddings as they are.
        penalty: The inverse strength that was chosen.
    """

    weights: Floats
    bias: float
    penalty: float

    def scores(self, x: NDArray[Any]) -> Floats:
        """(k,) log odds of presence against a background of the same weight; no probability."""
        return np.asarray(x @ self.weights + self.bias, np.float64)


def fit(x: NDArray[Any], presence: NDArray[np.bool_], block: Ints, seed: int) -> Fit:
    """Fit presence against background, each of the same weight in all, with the penalty that other blocks choose.

    With presences in one block alone the strongest penalty is taken.
    """
    penalty = _chosen(x, presence, block, seed)
    weights, bias = _regress(x, presence, penalty)
    return Fit(weights, bias, penalty)


def _regress(x: NDArray[Any], presence: NDArray[np.bool_], penalty: float) -> tuple[Floats, float]:
    from sklearn.linear_model import LogisticRegression

    centre = x.mean(axis=0, dtype=np.float64)
    scale = np.sqrt(x.shape[1])  # a unit row has about this over its entries' spread
    model = LogisticRegression(C=penalty, class_weight="balanced", max_iter=500)
    model.fit((x - centre) * scale, presence)
    weights = np.asarray(model.coef_[0], np.float64) * scale
    return weights, float(model.intercept_[0] - centre @ weights)


def _chosen(x: NDArray[Any], presence: NDArray[np.bool_], block: Ints, seed: int) -> float:
    rng = np.random.default_rng(seed)
    rest = np.flatnonzero(~presence)
    some = rng.choice(rest, min(_MOST_TRIED, len(rest)), replace=False)
    rows = np.sort(np.concatenate([np.flatnonzero(presence), some]))
    x, presence, block = x[rows], presence[rows], block[rows]
    fold = _folds(block, presence, _INNER, seed)
    if fold is None:
        return PENALTIES[0]
    found = []
    for penalty in PENALTIES:
        held = []
        for f in range(int(fold.max()) + 1):
            test = fold == f
            if _both(presence[~test]) and _both(presence[test]):
                weights, bias = _regress(x[~test], presence[~test], penalty)
                held.append(auc(presence[test], x[test] @ weights + bias))
        found.append(float(np.mean(held)) if held else -1.0)
    return PENALTIES[int(np.argmax(found))]


def _both(presence: NDArray[np.bool_]) -> bool:
    return bool(presence.any() and not presence.all())


def _folds(block: Ints, presence: NDArray[np.bool_], folds: int, seed: int) -> Ints | None:
    """(k,) the fold of each cell, by its block; None where presences lie in one block alone."""
    count = min(folds, len(np.unique(block[presence])))
    if count < 2:
        return None
    of = folds_of(block, presence, count, seed)
    return np.array([of[int(b)] for b in block], np.int64)


def validate(sites: Sites, seed: int) -> dict[str, Any]:
    """How well held-out presences are told from both backgrounds, beside distance alone.

    Every model is judged on the same folds of blocks of 5 degrees: trained on the others. The random split beside them
    is only there to show how much it flatters.

    Returns:
        `blocks` (block → fold), `folds`, `presences`, and `models`: of `target_group`, `uniform` and `distance` the
        `auc` against each background (means of folds weighted by presences), `auc_random_split`, `boyce` with its
        interval, `average_precision`, and `folds`; `penalties`. Or `reason`, why there is none.
    """
    fold = _folds(sites.block, sites.presence, FOLDS, seed)
    if fold is None:
        return {"reason": "all presences lie in one block of 5 degrees"}
    chance = np.random.default_rng(seed).integers(0, int(fold.max()) + 1, len(fold))
    names = ["target_group"] if sites.group.any() else []
    out: dict[str, Any] = {
        "presences": int(sites.presence.sum()),
        "folds": int(fold.max()) + 1,
        "block_degrees": 5,
        "blocks": {str(b): int(f) for b, f in zip(sites.block, fold, strict=True)},
        "models": {},
    }
    for name in [*names, "uniform", "distance"]:
        own, penalties = _held_out(sites, name, fold, seed)
        loose, _ = _held_out(sites, name, chance, seed)
        backgrounds = {"uniform": sites.uniform} | ({"target_group": sites.group} if names else {})
        first = backgrounds.get("target_group", sites.uniform)
        known = np.isfinite(own)
        held = boyce(own[sites.presence & known], own[first & known], seed)
        both = known & (sites.presence | first)
        out["models"][name] = {
            "auc": {b: _by_fold(sites, own, fold, which) for b, which in backgrounds.items()},
            "auc_random_split": _by_fold(sites, loose, chance, first)["mean"],
            "boyce": {"index": held.index, "low": held.low, "high": held.high, "few": held.few},
            "average_precision": average_precision(sites.presence[both], own[both]),
            "penalties": penalties,
        }
    out["judged_on"] = "target_group" if names else "uniform"
    return out


def _held_out(sites: Sites, name: str, fold: Ints, seed: int) -> tuple[Floats, list[float]]:
    """(k,) the score of each cell by what was learnt of other folds; NaN where nothing could be."""
    out, penalties = np.full(len(fold), np.nan), []
    background = sites.group if name == "target_group" else sites.uniform
    for f in range(int(fold.max()) + 1):
        test = fold == f
        train = ~test & (sites.presence | background)
        if not _both(sites.presence[train]):
            continue
        if name == "distance":
            known = train & sites.presence
            out[test] = distance_scores(
                sites.latitude[known], sites.longitude[known],
                sites.latitude[test], sites.longitude[test],
            )  # fmt: skip
            continue
        made = fit(sites.x[train], sites.presence[train], sites.block[train], seed)
        penalties.append(made.penalty)
        out[test] = made.scores(sites.x[test])
    return out, penalties


def _by_fold(
    sites: Sites, scores: Floats, fold: Ints, background: NDArray[np.bool_]
) -> dict[str, Any]:
    each, weight = [], []
    for f in range(int(fold.max()) + 1):
        here = (fold == f) & (sites.presence | background) & np.isfinite(scores)
        if _both(sites.presence[here]):
            each.append(auc(sites.presence[here], scores[here]))
            weight.append(int(sites.presence[here].sum()))
        else:
            each.append(float("nan"))
            weight.append(0)
    mean = float(np.average(np.nan_to_num(each), weights=weight)) if sum(weight) else float("nan")
    return {"mean": mean, "folds": each}


def told(validation: dict[str, Any]) -> str:
    """In a sentence, how the map does against distance alone."""
    if "reason" in validation:
        return f"Not validated: {validation['reason']}."
    on = validation["judged_on"]
    own, null = (validation["models"][m]["auc"][on] for m in (on, "distance"))
    pairs = [
        (a, b)
        for a, b in zip(own["folds"], null["folds"], strict=True)
        if np.isfinite(a) and np.isfinite(b)
    ]
    better = sum(a > b for a, b in pairs)
    said = (
        f"AUC {own['mean']:.3f} on blocks of 5 degrees that it had not seen, distance to the nearest record alone "
        f"{null['mean']:.3f}; better in {better} of {len(pairs)} folds"
    )
    if own["mean"] > null["mean"] and better > len(pairs) / 2:
        return f"{said}."
    return f"{said}: it says no more than how near a record is."


def threshold(how: str, presence: Floats, background: Floats) -> float:
    """The score from which on a binary map says present.

    Args:
        how: `lpt`, the lowest score of a presence; `lpt-r`, that which 95 % of the presences reach; `tss`, that which
            sensitivity and specificity are highest at together.
        presence: (p,) scores of presences.
        background: (b,) scores of the background.
    """
    if how == "lpt":
        return float(presence.min())
    if how == "lpt-r":
        return float(np.quantile(presence, 0.05))
    at = np.unique(np.concatenate([presence, background]))
    sensitive = 1 - np.searchsorted(np.sort(presence), at) / len(presence)
    specific = np.searchsorted(np.sort(background), at) / len(background)
    return float(at[int(np.argmax(sensitive + specific))])


def summary(validation: dict[str, Any]) -> Sequence[tuple[str, ...]]:
    """A line for each model: name, AUC of each background on blocks and on a random split, Boyce's index."""
    if "reason" in validation:
        return []
    lines = []
    for name, m in validation["models"].items():
        aucs = [f"{b.replace('_', ' ')} {v['mean']:.3f}" for b, v in m["auc"].items()]
        low, high = m["boyce"]["low"], m["boyce"]["high"]
        lines.append(
            (name.replace("_", " "), f"AUC by blocks: {', '.join(aucs)}",
             f"random split {m['auc_random_split']:.3f}",
             f"Boyce {m['boyce']['index']:.2f} ({low:.2f} to {high:.2f})")
        )  # fmt: skip
    return lines
