"""Is ‖σ‖₁ to be believed: does it foretell a failed answer, and how large must a set of species be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.evaluation.data import EvalSet
from prom3e_index.evaluation.retrieval.classify import classes
from prom3e_index.evaluation.retrieval.scoring import Scored
from prom3e_index.mvae.completion import Completer, infer, mean_embedding

Floats = NDArray[np.float32]
COVERAGE = 0.9
COVERAGES = np.linspace(0.05, 1, 20)


def foretells(sigma: NDArray[Any], failed: NDArray[Any]) -> dict[str, Any]:
    """How well ‖σ‖₁ tells failures from successes.

    Args:
        sigma: (q,).
        failed: (q,) whether the first answer was wrong, or how probably where it ties with others.

    Returns:
        `auroc`: probability that a failed query has the larger ‖σ‖₁, 0.5 is chance; None when all
        or none failed. `risk`: (20,) share of failures among the surest 5 %, 10 %, … of the queries;
        queries of equal ‖σ‖₁ come in random order, so each counts with the mean of its tie.
    """
    from sklearn.metrics import roc_auc_score

    failed = np.asarray(failed, np.float64)
    some = bool((failed > 0).any() and (failed < 1).any())
    n = len(failed)
    # Ranks, not values: infinity is the least sure, and what is no number less still.
    _, tie, size = np.unique(sigma, return_inverse=True, return_counts=True)
    tie = tie.reshape(-1)
    share = np.bincount(tie, failed)[tie] / size[tie]
    cumulated = np.cumsum(share[np.argsort(tie, kind="stable")]) / np.arange(1, n + 1)
    at = np.maximum(np.floor(COVERAGES * n + 1e-9).astype(int), 1) - 1
    return {
        "auroc": float(
            roc_auc_score(
                np.repeat([1, 0], n),
                np.tile(tie, 2),
                sample_weight=np.concatenate([failed, 1 - failed]),
            )
        )
        if some
        else None,
        "risk": [float(v) for v in cumulated[at]],
    }


def retrieval_calibration(
    scored: Sequence[Scored], sigma: dict[str, Floats]
) -> list[dict[str, Any]]:
    """A record per direction and match rule of the hybrid space; see `foretells`.

    Args:
        scored: From `scoring.score`.
        sigma: ‖σ‖₁ of every row, shown with one modality only, by modality; NaN where it lacks it.
    """
    out = []
    for s in scored:
        if s.space == "hybrid" and len(s.given) == 1 and s.match in ("row", "species"):
            record = foretells(sigma[s.given[0]][s.queries], 1 - s.first.recall(1))
            out.append(
                {"given": s.given[0], "target": s.target, "match": s.match, "rows": len(s.first)}
                | record
            )
    return out


def conformal(
    data: EvalSet, model: Completer, given: tuple[str, ...], delta: float, seed: int = 0
) -> dict[str, Any] | None:
    """Sets of species that hold the right one for 90 % of the rows: split conformal prediction.

    Half of the rows, drawn with `seed`, give the threshold: the ⌈(n + 1)·0.9⌉-th smallest 1 − score of the
    right species. A set is every species above it.

    Returns:
        `given`, `calibration`, `test` (rows), `coverage` and mean `size` on the other half, `classes`; None
        with fewer than 40 rows of a known, named species.

    Source: split conformal prediction, Vovk et al. 2005; the score is ours: the hybrid's inner product.
    """
    codes = data.codes("species")
    found, vectors = classes(data)
    rows = np.flatnonzero(data.has(given) & np.isin(codes, found))
    if len(rows) < 40:
        return None
    rows = np.random.default_rng(seed).permutation(rows)
    shown = np.zeros((len(rows), len(data.modalities)), bool)
    shown[:, [data.modalities.index(m) for m in given]] = True
    made = infer(model, data.x[rows], shown, ("text",)).reconstructed[:, 0]
    scores = ((1 - delta) * mean_embedding(data.x[rows], shown) + delta * made) @ vectors.T
    column = np.searchsorted(found, codes[rows])
    half = len(rows) // 2
    wrongness = 1 - scores[np.arange(len(rows)), column]
    threshold = quantile(wrongness[:half])
    sets = 1 - scores[half:] <= threshold
    return {
        "given": list(given),
        "calibration": half,
        "test": len(rows) - half,
        "coverage": float(sets[np.arange(len(sets)), column[half:]].mean()),
        "size": float(sets.sum(axis=1).mean()),
        "classes": len(found),
    }


def quantile(wrongness: NDArray[Any], coverage: float = COVERAGE) -> float:
    """The ⌈(n + 1)·coverage⌉-th smallest; infinity when there are too few."""
    place = int(np.ceil((len(wrongness) + 1) * coverage))
    return float(np.sort(wrongness)[place - 1]) if place <= len(wrongness) else float("inf")
