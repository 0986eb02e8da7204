"""What a calibration is worth out of fold, and what adding a modality changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from prom3e_index.confidence.answers import Answers, Floats
from prom3e_index.confidence.metrics import Z, ece, in_thirds, r_auroc, summary
from prom3e_index.confidence.pooled import Pooled, quantile
from prom3e_index.schema import set_key

LEAST_CHANGED = 20
"""Observations in which a change must have been measured."""


def changes_of(
    answers: Sequence[Answers], modalities: tuple[str, ...]
) -> dict[str, dict[str, dict[str, Any]]]:
    """By visible set, target and added modality: the change of wrong first rows, over observations asked both ways."""
    found = {(frozenset(a.visible), a.target): a for a in answers}
    out: dict[str, dict[str, dict[str, Any]]] = {}
    for a in answers:
        for added in modalities:
            more = found.get((frozenset({*a.visible, added}), a.target))
            if more is None or added == a.target or added in a.visible:
                continue
            _, i, j = np.intersect1d(a.observation, more.observation, return_indices=True)
            if len(i) < LEAST_CHANGED:
                continue
            change = a.right[i].astype(np.float64) - more.right[j]
            off = Z * float(change.std(ddof=1)) / len(i) ** 0.5
            mean = float(change.mean())
            values = (mean, max(mean - off, -1.0), min(mean + off, 1.0), len(i))
            of_set = out.setdefault(set_key(a.visible, modalities), {})
            of_set.setdefault(a.target, {})[added] = values
    return out


def quality_of(held: Sequence[Pooled], seed: int) -> dict[str, Any]:
    """What the calibration is worth out of fold, in all and by target."""
    if not held:
        return {"rows": 0, "answers": 0}
    p = np.concatenate([h.p for h in held])
    right = np.concatenate([h.right for h in held])
    observation = np.concatenate([h.observation for h in held])
    group = np.concatenate([h.group for h in held])
    found = summary(p, right, probability=True, groups=group, seed=seed, draws=200)
    given, inside, size = (np.concatenate(v) for v in zip(*(h.sets() for h in held), strict=True))
    directions = [d for h in held for d in _directions(h)]
    scored = [d["r_auroc"] for d in directions if d["r_auroc"] is not None]
    return {
        "rows": len(np.unique(observation)),
        "answers": len(p),
        "accuracy": float(right.mean()),
        **{
            k: found[k] for k in ("r_auroc", "aurc", "aurc_best", "ece", "reliability", "intervals")
        },
        "r_auroc_mean": float(np.mean(scored)) if scored else None,
        "directions": len(directions),
        "sets": _of_sets(p[given], inside[given], size[given], float(given.mean())),
        "targets": {" and ".join(h.keys): _of_target(h) for h in held},
    }


def _of_sets(p: Floats, inside: Any, size: Floats, given: float) -> dict[str, Any]:
    """How often sets of species held the right one, of the share of answers that have a set."""
    return {
        "given": given,
        "coverage": float(inside.mean()) if len(p) else None,
        "size": float(size.mean()) if len(p) else None,
        "thirds": in_thirds(p, inside, size),
    }


def _directions(h: Pooled) -> list[dict[str, Any]]:
    out, at = [], 0
    for a in h.answers:
        part = slice(at, at + len(a.truth))
        at = part.stop
        score = r_auroc(h.p[part], h.right[part])
        out.append({"visible": a.visible, "r_auroc": score})
    return out


def _of_target(h: Pooled) -> dict[str, Any]:
    """Figures of one target."""
    p, right = h.p, h.right
    out: dict[str, Any] = {
        "rows": len(np.unique(h.observation)),
        "answers": len(p),
        "accuracy": float(right.mean()),
        "r_auroc": r_auroc(p, right),
        "ece": ece(p, right),
    }
    errors = h.errors_out_of_fold
    if errors is not None:
        expected, true = errors
        off = quantile(np.abs(expected - true))
        variance = float(true.var())
        out["error"] = {
            "mean": float(true.mean()),
            "spearman": _spearman(expected, true),
            "explained": 1 - float(((expected - true) ** 2).mean()) / variance
            if variance
            else None,
            "off": off if np.isfinite(off) else None,
        }
    return out


def _spearman(a: Floats, b: Floats) -> float | None:
    from scipy.stats import spearmanr

    if len(a) < 3 or a.std() == 0 or b.std() == 0:
        return None
    return float(spearmanr(a, b).statistic)
