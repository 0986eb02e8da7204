"""‖σ‖₁ by visible set and by row, beside the error of what is hidden and the gap between modalities."""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import pearsonr, spearmanr

from prom3e_index.evaluation.data import EvalSet
from prom3e_index.evaluation.metrics import Resampler
from prom3e_index.models.folder import Model
from prom3e_index.mvae.class_tokens import Tokens
from prom3e_index.mvae.completion import infer
from prom3e_index.schema import set_key

Floats = NDArray[np.float32]
SAME_ROWS = 50
PER_SET = 500
EXTREMES = 8


def _shown(data: EvalSet, rows: NDArray[np.int64], names: tuple[str, ...]) -> NDArray[np.bool_]:
    shown = np.zeros((len(rows), len(data.modalities)), bool)
    shown[:, [data.modalities.index(m) for m in names]] = True
    return shown


def _infer(
    data: EvalSet,
    model: Model,
    rows: NDArray[np.int64],
    names: tuple[str, ...],
    targets: tuple[str, ...],
    tokens: Tokens | None,
) -> Any:
    ready = None if tokens is None else (tokens, rows)
    return infer(model, data.x[rows], _shown(data, rows, names), targets, tokens=ready)


def mean_latent(
    data: EvalSet,
    model: Model,
    rows: NDArray[np.int64],
    names: tuple[str, ...],
    tokens: Tokens | None,
) -> Floats:
    """μ (n, z) of some rows shown with some modalities, unit rows, whatever block the model searches by."""
    plain = copy.copy(model)
    plain.hidden = "mean"
    return np.asarray(_infer(data, plain, rows, names, (), tokens).hidden)


def alone(data: EvalSet, model: Model, modality: str, tokens: Tokens | None) -> Floats:
    """‖σ‖₁ of each row shown with one modality, (n,); NaN where it lacks it."""
    rows = np.flatnonzero(data.has((modality,)))
    out = np.full(len(data), np.nan, np.float32)
    if len(rows):
        out[rows] = _infer(data, model, rows, (modality,), (), tokens).sigma_l1
    return out


def by_set(
    data: EvalSet,
    model: Model,
    tokens: Tokens | None,
    seed: int,
    progress: Callable[[str, int, int | None], None],
) -> tuple[list[dict[str, Any]], dict[str, tuple[Floats, Floats]]]:
    """‖σ‖₁ and the error of what is hidden, for every visible set.

    The same rows, up to 500, serve all sets when at least 50 have every modality; else each set has up to
    500 of its own (`same_rows` says which). The error of a row is the mean of 1 − cosine over the modalities that it
    has and does not show.

    Returns:
        Records `visible`, `rows`, `same_rows`, `sigma_l1`, `interval`, `error` (None where nothing is
        hidden), `errors` by modality; and by set ‖σ‖₁ and error of each row.
    """
    names = data.modalities
    whole = np.flatnonzero(data.present.all(axis=1))
    rng, draw = np.random.default_rng(seed), Resampler(seed)
    sets = [s for k in range(1, len(names) + 1) for s in combinations(names, k)]

    def some(rows: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.sort(rng.permutation(rows)[:PER_SET]) if len(rows) > PER_SET else rows

    same = some(whole) if len(whole) >= SAME_ROWS else None
    out, of_rows = [], {}
    for number, visible in enumerate(sets):
        rows = some(np.flatnonzero(data.has(visible))) if same is None else same
        if len(rows) < 2:
            continue
        hidden = tuple(m for m in names if m not in visible)
        found = _infer(data, model, rows, visible, hidden, tokens)
        at = [names.index(m) for m in hidden]
        has = data.present[rows][:, at]
        wrong = 1 - (found.reconstructed * data.x[rows][:, at]).sum(axis=2)
        lacks = has.any(axis=1)
        error = (wrong * has).sum(axis=1)[lacks] / has.sum(axis=1)[lacks]
        of_rows[set_key(visible, names)] = found.sigma_l1[lacks], error
        (interval,) = draw.intervals(found.sigma_l1[:, None])
        out.append(
            {
                "visible": list(visible),
                "rows": len(rows),
                "same_rows": same is not None,
                "sigma_l1": float(found.sigma_l1.mean()),
                "interval": [float(v) for v in interval],
                "error": float(error.mean()) if len(error) else None,
                "errors": {
                    m: float(wrong[has[:, i], i].mean())
                    for i, m in enumerate(hidden)
                    if has[:, i].any()
                },
            }
        )
        progress("visible sets", number + 1, len(sets))
    return out, of_rows


def agreement(a: Any, b: Any) -> dict[str, float | int | None]:
    """Spearman's correlation and R² (Pearson's, squared) of two lists; None below three or constant."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    if len(a) < 3 or any(v.std() <= 1e-12 * np.abs(v).max() for v in (a, b)):
        return {"spearman": None, "r2": None, "n": len(a)}
    return {
        "spearman": float(spearmanr(a, b).statistic),
        "r2": float(pearsonr(a, b).statistic ** 2),
        "n": len(a),
    }


def over_rows(rows: dict[str, tuple[Floats, Floats]]) -> dict[str, Any]:
    """Agreement over rows: within each visible set, their mean, and of all together."""
    each = {k: agreement(*v) for k, v in rows.items() if len(v[0]) >= 3}
    known = [v["spearman"] for v in each.values() if v["spearman"] is not None]
    pooled = (
        agreement(*(np.concatenate([v[i] for v in rows.values()]) for i in (0, 1)))
        if rows
        else None
    )
    return {
        "within_sets": each,
        "mean_spearman": float(np.mean(known)) if known else None,
        "pooled": pooled,
    }


def adding(sets: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean ‖σ‖₁ and error over the visible sets of each size; `change` of ‖σ‖₁ from one less."""
    out: list[dict[str, Any]] = []
    for size in sorted({len(s["visible"]) for s in sets}):
        mine = [s for s in sets if len(s["visible"]) == size]
        errors = [s["error"] for s in mine if s["error"] is not None]
        sigma = float(np.mean([s["sigma_l1"] for s in mine]))
        out.append(
            {
                "visible": size,
                "sets": len(mine),
                "sigma_l1": sigma,
                "error": float(np.mean(errors)) if errors else None,
                "change": sigma - out[-1]["sigma_l1"] if out else None,
            }
        )
    return out


def distance(a: Floats, b: Floats) -> float:
    """Modality gap: the distance of the means of two sets of unit rows."""
    return float(np.linalg.norm(a.mean(axis=0) - b.mean(axis=0)))


def by_pair(data: EvalSet, sets: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean ‖σ‖₁ with a pair of modalities shown, beside their gap in the encoders' space (figure 9)."""
    sigma = {tuple(s["visible"]): s["sigma_l1"] for s in sets}
    out = []
    for pair in combinations(data.modalities, 2):
        rows = data.has(pair)
        if pair in sigma and rows.sum() >= 2:
            a, b = (data.embedding(m)[rows] for m in pair)
            out.append({"pair": list(pair), "sigma_l1": sigma[pair], "gap": distance(a, b),
                        "rows": int(rows.sum())})  # fmt: skip
    return out


def extremes(data: EvalSet, sigma: Floats) -> dict[str, list[dict[str, Any]]]:
    """The rows of which a modality alone leaves the MVAE least and most sure (figures 7, 8)."""
    known = np.flatnonzero(np.isfinite(sigma))
    # A tile that serves many rows is shown once: equal embeddings have equal ‖σ‖₁.
    known = known[np.unique(sigma[known], return_index=True)[1]]
    order = known[np.argsort(sigma[known], kind="stable")]
    kind = data.columns.get("species")

    def record(i: int) -> dict[str, Any]:
        label = "" if kind is None else str(kind[i] or "")
        return {
            "row": int(data.numbers[i]),
            "id": str(data.ids[i]),
            "sigma_l1": float(sigma[i]),
            "species": label,
        }

    return {
        "least": [record(int(i)) for i in order[:EXTREMES]],
        "most": [record(int(i)) for i in order[::-1][:EXTREMES]],
    }


def gap(data: EvalSet, model: Model, tokens: Tokens | None) -> list[dict[str, Any]]:
    """The gap of each pair of modalities before and after the MVAE, and with a third one shown (figure 10).

    Returns:
        Records `pair`, `rows`, `encoder`; `hidden`: between μ of the one alone and of the other alone;
        `with`: by third modality, between μ of each with it, over the rows that have all three.
    """
    out = []
    for a, b in combinations(data.modalities, 2):
        rows = np.flatnonzero(data.has((a, b)))
        if len(rows) < 20:
            continue

        def mu(at: NDArray[np.int64], *names: str) -> Floats:
            return mean_latent(data, model, at, names, tokens)

        thirds = {}
        for c in data.modalities:
            at = np.flatnonzero(data.has((a, b, c)))
            if c not in (a, b) and len(at) >= 20:
                thirds[c] = distance(mu(at, a, c), mu(at, b, c))
        out.append(
            {
                "pair": [a, b],
                "rows": len(rows),
                "encoder": distance(data.embedding(a)[rows], data.embedding(b)[rows]),
                "hidden": distance(mu(rows, a), mu(rows, b)),
                "with": thirds,
            }
        )
    return out
