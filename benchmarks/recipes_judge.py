"""Judging an MVAE for `recipes.py`: recall@1 by visible set size, in two ways, weights chosen on other species."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import torch
from recipes_scores import HIDDEN, Judge, Judged

from prom3e_index.evaluation.weights_choice import (
    DELTAS,
    EPSILON_GAIN,
    EPSILONS,
    GAMMAS,
    Setting,
    settings_of,
)
from prom3e_index.mvae.network import MVAE
from prom3e_index.training.stage_two.choose_use import IN_TRAINING


def _best(
    quality: dict[Setting, float], epsilon: float = 0.0, gammas: tuple[float, ...] = GAMMAS
) -> Setting:
    some = {k: v for k, v in quality.items() if k[2] == epsilon and k[1] in gammas}
    return max(some, key=lambda k: (round(some[k], 4), -k[1], -abs(k[0] - 0.5)))


@torch.no_grad()
def judge(mvae: MVAE, rows: Judged, limit: int = 200, largest: int = 5) -> dict[str, Any]:
    """All figures of a model: means over directions by set size, and each direction of one shown."""
    mvae.eval()
    decodes = {
        how: _quick(Judge(mvae, rows, how, "mean", limit))[0].mean()
        for how in ("mean", "expectation")
    }
    plain = {}
    for how in decodes:
        every = Judge(mvae, rows, how, "mean", limit).directions(1, False)
        found = [d.values("plain", [(1.0, 0.0, 0.0)])[1.0, 0.0, 0.0][0] for d in every]
        plain[how] = float(np.nanmean(found))
    decode = max(decodes, key=lambda k: (round(decodes[k], 3), k != "mean"))
    blocks = {
        h: _quick(Judge(mvae, rows, decode, h, limit))[1].mean() for h in ("mean", "sigma", "both")
    }
    hidden = max(blocks, key=lambda k: (round(blocks[k], 3), k == "mean"))
    it = Judge(mvae, rows, decode, hidden, limit)
    out: dict[str, Any] = {"decode": decode, "hidden": hidden}
    out["by_decoding"] = {k: [float(decodes[k]), plain[k]] for k in plain}
    singles, epsilon = _one_shown(it)
    out["directions"] = singles
    spaces = [k for k in singles[0] if k not in ("given", "target", "weights")]
    out["by_size"] = {1: {s: float(np.nanmean([r[s] for r in singles])) for s in spaces}}
    m = rows.present.shape[1]
    for size in range(2, min(largest, m - 1) + 1):
        found = _more_shown(it, size, epsilon)
        if found:
            out["by_size"][size] = found
    return out


@torch.no_grad()
def _quick(it: Judge) -> Any:
    """Mean recall@1 (2, h) of one shown, reconstructed and mixed as in training, of each half."""
    settings = [(1.0, 0.0, 0.0), (IN_TRAINING.delta, IN_TRAINING.gamma, 0.0)]
    found = [d.values("project", settings) for d in it.directions(1, False)]
    return np.nanmean([[f[s][0] for s in settings] for f in found], axis=0)


def quick(mvae: MVAE, rows: Judged, decode: str) -> list[float]:
    """See `_quick`."""
    mvae.eval()
    return [round(float(v), 4) for v in _quick(Judge(mvae, rows, decode, "mean", 200)).ravel()]


def _one_shown(it: Judge) -> tuple[list[dict[str, Any]], dict[tuple[int, int], float]]:
    tried = settings_of()
    plain = [(d, 0.0, 0.0) for d in DELTAS]
    first: dict[Any, Any] = {}
    quality: dict[Any, Any] = {}
    keys = []
    for d in it.directions(1, True):
        key = d.given[0], d.target
        keys.append(key)
        for way, settings in (("project", tried), ("plain", plain)):
            found = d.values(way, settings)
            for half in (0, 1):
                first[key, way, half] = {s: float(v[0, half]) for s, v in found.items()}
                quality[key, way, half] = {s: float(v[:, half].mean()) for s, v in found.items()}
    epsilon: dict[tuple[int, int], float] = {}
    for half in (0, 1):
        for target in {t for _, t in keys}:
            gains = defaultdict(list)
            for g, t in keys:
                if t == target:
                    q = quality[(g, t), "project", half]
                    for e in EPSILONS:
                        gains[e].append(max(v for k, v in q.items() if k[2] == e))
            best = max(EPSILONS, key=lambda e: np.nanmean(gains[e]))
            gain = np.nanmean(gains[best]) - np.nanmean(gains[0.0])
            epsilon[half, target] = best if gain >= EPSILON_GAIN else 0.0
    records = []
    for key in keys:
        record: dict[str, Any] = {"given": key[0], "target": key[1], "weights": []}
        parts = defaultdict(list)
        for half in (0, 1):  # chosen on one half, judged on the other
            e = epsilon[half, key[1]]
            q, f = quality[key, "project", half], first[key, "project", 1 - half]
            mixed = _best(q, e)
            record["weights"].append(mixed)
            parts["encoder"].append(f[0.0, 0.0, 0.0])
            parts["reconstructed"].append(f[1.0, 0.0, 0.0])
            parts["reconstructed_mixed_gallery"].append(f[1.0, 0.0, e])
            parts["hidden"].append(f[HIDDEN])
            parts["hybrid_without_hidden"].append(f[_best(q, 0.0, (0.0,))])
            parts["hybrid"].append(f[mixed])
            q, f = quality[key, "plain", half], first[key, "plain", 1 - half]
            parts["plain_encoder"].append(f[0.0, 0.0, 0.0])
            parts["plain_reconstructed"].append(f[1.0, 0.0, 0.0])
            parts["plain_hybrid"].append(f[_best(q, 0.0, (0.0,))])
        records.append(record | {k: round(float(np.nanmean(v)), 5) for k, v in parts.items()})
    return records, epsilon


def _more_shown(it: Judge, size: int, epsilon: dict[tuple[int, int], float]) -> dict[str, float]:
    """One δ and γ for all directions of a size, chosen on the other half."""
    grid = [
        (d, g, 0.0) for d in (0.0, 0.25, 0.5, 0.75, 1.0) for g in (0.0, 0.1, 0.25, 0.5, 0.75)
    ] + [HIDDEN]
    fixed = [(0.0, 0.0, 0.0), (1.0, 0.0, 0.0)]
    project, plain = [], []
    for d in it.directions(size, True):
        e = min(epsilon[0, d.target], epsilon[1, d.target])
        with_e = [(*s[:2], e if s[1] < 1 else 0.0) for s in grid]
        found = d.values("project", [*dict.fromkeys([*with_e, *fixed])])
        project.append([found[s] for s in [*with_e, *fixed]])
        found = d.values("plain", fixed)
        plain.append([found[s] for s in fixed])
    if not project:
        return {}
    every = np.nanmean(np.array(project), axis=0)  # (s, 2, h)
    others = np.nanmean(np.array(plain), axis=0)[:, 0].mean(1)
    out = {
        "encoder": every[-2, 0].mean(),
        "reconstructed": every[-1, 0].mean(),
        "plain_encoder": others[0],
        "plain_reconstructed": others[1],
    }
    for name, some in (
        ("hybrid", list(range(len(grid)))),
        ("hybrid_without_hidden", [i for i, g in enumerate(grid) if g[1] == 0]),
        ("hidden", [len(grid) - 1]),
    ):
        value = []
        for chooser in (0, 1):
            best = max(some, key=lambda i: every[i, :, chooser].mean())
            value.append(every[best, 0, 1 - chooser])
        out[name] = np.mean(value)
    return {k: float(v) for k, v in out.items()}
