"""Choosing how queries of several modalities are put together, by recall on validation rows.

Judged as a user meets it; see `asking_rows`. What is chosen on one half of the species is judged on the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.evaluation.asking_rows import LEAST, AskingRows, SetAsked, WeightsOf
from prom3e_index.evaluation.first_right import FirstRight
from prom3e_index.evaluation.ranking import Right
from prom3e_index.evaluation.ranking_on_device import first_right_of, likelihoods_of
from prom3e_index.evaluation.weights_choice import HIDDEN_ALONE
from prom3e_index.models.joined import Joined
from prom3e_index.models.mixing import Weights
from prom3e_index.mvae.completion import Completer

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
GAIN = 0.01
"""Another way than today's is taken where recall@1 gains this much by species and by row."""
BOTH = 0.5
"""Share of the joint query where both are added."""
SETS = 10
"""Visible sets of one number, drawn."""
ROWS = 2000
"""Validation rows, drawn."""
KAPPAS = np.geomspace(1, 300, 25)
_GRID = [*((d, g) for d in (0.0, 0.5, 1.0) for g in (0.0, 0.5, 0.9)), HIDDEN_ALONE]
"""δ and γ that are tried for all sets of one number; the hidden block alone is among them, as with one shown."""


@dataclass(frozen=True)
class SizeChoice:
    """How sets of one number of modalities ask.

    Attributes:
        delta: Of the joint query; None as the model's other weights say.
        gamma: Likewise.
        own: Share of the joint query; see `models.joined`.
        gains: Recall@1 on what did not choose, less today's, by rule (`species`, `row`).
    """

    delta: float | None
    gamma: float | None
    own: float
    gains: dict[str, float]


@dataclass(frozen=True)
class SetsChosen:
    """What validation chose.

    Attributes:
        sizes: By number of modalities; only those where something gains.
        kappa: κ by `modality->target`; empty where no size needs them.
        tried: By number of modalities and way (`own`, `sum`, `both`): the gains by rule.
    """

    sizes: dict[int, SizeChoice]
    kappa: dict[str, float]
    tried: dict[int, dict[str, dict[str, float]]]


def likelihoods(scores: Any, right: Right) -> NDArray[np.float64]:
    """Log of the probability of a right answer under softmax(κ · scores), (q, κ) for each of `KAPPAS`.

    −∞ becomes a large negative number; queries without a right answer are NaN. Scores are an array or a tensor.
    """
    if not isinstance(scores, np.ndarray):
        return likelihoods_of(scores, right, KAPPAS)
    out = np.full((len(scores), len(KAPPAS)), np.nan)
    for i, row in enumerate(scores):
        members = right.members[right.begin[i] : right.end[i]]
        members = members[members != right.skip[i]]
        if not len(members):
            continue
        s = row.astype(np.float64) - row.max()
        weight = np.exp(KAPPAS[:, None] * s)
        if right.skip[i] >= 0:
            weight[:, right.skip[i]] = 0
        share = weight[:, members].sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-300)
        out[i] = np.log(np.maximum(share, 1e-300))
    return out


def choose_sets(
    model: Completer,
    x: Floats,
    present: NDArray[np.bool_],
    species: NDArray[np.object_] | None,
    weights: WeightsOf,
) -> SetsChosen:
    """Choose for each number of modalities among the joint query, the sum of what each asks alone, and both.

    Args:
        model: Completes, with its decoding and hidden block.
        x: (n, m, d) unit rows of validation.
        present: (n, m).
        species: (n,) labels; without any the row rule alone decides.
        weights: δ, γ, ε of today for a visible set and target; ε also for `((), target)`.
    """
    if len(x) < LEAST:
        return SetsChosen({}, {}, {})
    some = np.sort(np.random.default_rng(0).permutation(len(x))[:ROWS])
    x, present, species = x[some], present[some], None if species is None else species[some]
    rows = AskingRows(model, x, present, species, weights)
    names = tuple(m for i, m in enumerate(rows.names) if present[:, i].sum() >= LEAST)
    kappas = _kappas(rows, names)
    sizes: dict[int, SizeChoice] = {}
    tried: dict[int, dict[str, dict[str, float]]] = {}
    for size in range(2, len(names)):
        found = [_worth(rows, a, g, t, kappas) for g, t, a in _directions(rows, names, size)]
        if not found:
            continue
        ways, best = _gains(found)
        tried[size] = ways
        good = {w: g for w, g in ways.items() if min(g.values()) >= GAIN}
        if good:
            way = max(good, key=lambda w: (round(sum(good[w].values()), 4), w == "own"))
            delta, gamma = best if way == "own" else (None, None)
            own = {"own": 1.0, "sum": 0.0, "both": BOTH}[way]
            sizes[size] = SizeChoice(delta, gamma, own, good[way])
    needed = any(s.own < 1 for s in sizes.values())
    kappa = {f"{m}->{t}": round(k[2], 3) for (m, t), k in kappas.items()} if needed else {}
    return SetsChosen(sizes, kappa, tried)


def _directions(
    rows: AskingRows, names: tuple[str, ...], size: int
) -> Iterator[tuple[tuple[str, ...], str, SetAsked]]:
    sets = list(combinations(names, size))
    drawn = np.sort(np.random.default_rng(size).permutation(len(sets))[:SETS])
    for given in (sets[i] for i in drawn):
        for target in names:
            if target not in given and (asked := rows.asked(given, target)) is not None:
                yield given, target, asked


def _kappas(
    rows: AskingRows, names: tuple[str, ...]
) -> dict[tuple[str, str], tuple[float, float, float]]:
    """κ of each direction by likelihood: without the first half of the species, without the second, by all."""
    out = {}
    for m, target, a in _directions(rows, names, 1):
        worth = likelihoods(a.alone[0], a.right["species" if rows.labelled else "row"])
        told = np.isfinite(worth[:, 0])
        parts = [told & (a.half == 1), told & (a.half == 0), told]
        if all(p.sum() > 1 for p in parts):
            best = [float(KAPPAS[worth[p].mean(axis=0).argmax()]) for p in parts]
            out[m[0], target] = (best[0], best[1], best[2])
    return out


@dataclass(frozen=True)
class _Worth:
    """Of a direction: by rule, where the first right answer stands under each way; halves of its queries."""

    today: dict[str, FirstRight]
    grid: dict[str, list[FirstRight]]
    summed: list[dict[str, FirstRight]]
    both: list[dict[str, FirstRight]]
    half: Ints


def _worth(
    rows: AskingRows,
    a: SetAsked,
    given: tuple[str, ...],
    target: str,
    kappas: dict[tuple[str, str], tuple[float, float, float]],
) -> _Worth:
    def stands(scores: Any) -> dict[str, FirstRight]:
        return {rule: first_right_of(scores, right) for rule, right in a.right.items()}

    together = a.together(rows.weights(given, target))
    today = stands(together)
    grid: dict[str, list[FirstRight]] = {rule: [] for rule in a.right}
    for delta, gamma in _GRID:
        for rule, first in stands(a.together(Weights(delta, gamma))).items():
            grid[rule].append(first)
    summed, both = [], []
    alone = tuple(rows.weights((m,), target) for m in given)
    own = [kappas.get((m, target)) for m in given]
    for side in (0, 1):  # chosen without this half, judged on it
        k = tuple(o[side] for o in own if o is not None)
        if len(k) < len(given):
            summed.append(today)
            both.append(today)
            continue
        summed.append(stands(Joined(0.0, k, alone).of(together, a.alone)))
        both.append(stands(Joined(BOTH, k, alone).of(together, a.alone)))
    return _Worth(today, grid, summed, both, a.half)


def _gains(
    found: list[_Worth],
) -> tuple[dict[str, dict[str, float]], tuple[float, float]]:
    """Gain in recall@1 of each way over today's, by rule, mean over directions; and the best (δ, γ) by all."""
    rules = list(found[0].today)

    def value(f: _Worth, first: FirstRight, at: NDArray[np.bool_]) -> float:
        return float(first[at].reciprocal_rank().mean()) if at.any() else 0.0

    def best(keep: Callable[[_Worth], NDArray[np.bool_]]) -> int:
        worth = [
            sum(value(f, f.grid[r][i], keep(f) & f.grid[r][i].found) for f in found for r in rules)
            for i in range(len(_GRID))
        ]
        return int(np.argmax(np.round(worth, 6)))

    chosen = [best(lambda f, s=side: f.half != s) for side in (0, 1)]  # type: ignore[misc]
    gains: dict[str, dict[str, float]] = {w: {} for w in ("own", "sum", "both")}
    for rule in rules:
        apart: dict[str, list[float]] = {w: [] for w in gains}
        for f in found:
            ok = f.today[rule].found
            if not ok.any():
                continue
            before = f.today[rule].recall(1)
            for way in gains:
                now = np.zeros(len(before))
                for side in (0, 1):
                    mine = f.half == side
                    first = {
                        "own": f.grid[rule][chosen[side]],
                        "sum": f.summed[side][rule],
                        "both": f.both[side][rule],
                    }[way]
                    now[mine] = first.recall(1)[mine]
                apart[way].append(float((now - before)[ok].mean()))
        for way, values in apart.items():
            gains[way][rule] = float(np.mean(values)) if values else 0.0
    return gains, _GRID[best(lambda f: np.ones(len(f.half), bool))]
