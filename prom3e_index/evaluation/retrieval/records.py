"""Metrics of stored ranks: records with intervals, a paired test against the encoder space, means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from prom3e_index.evaluation.metrics import Resampler, ndcg
from prom3e_index.evaluation.retrieval.scoring import TAXA, Scored

CUTS = (1, 5, 10)


def records(scored: Sequence[Scored], seed: int = 0) -> list[dict[str, Any]]:
    """A record per direction, space and match rule.

    Args:
        scored: From `scoring.score`.
        seed: Of the bootstrap.

    Returns:
        Dictionaries with `given` (list), `target`, `space`, `match`, `recall@1`, `recall@5`, `recall@10`,
        `mrr`, `median_rank`, `ndcg@10` (None where ranks are only known to the tenth), `interval` (of
        recall@1), `intervals` (of each), `delta`, `gamma`, `epsilon` (None in spaces that do not use
        them), `gain` (see `_gain`; None in the encoder space), `rows`, `gallery`, `hub_skewness`.
    """
    base = {(s.given, s.target, s.match): s for s in scored if s.space == "encoder"}
    draw = Resampler(seed)
    by_size = sorted(range(len(scored)), key=lambda i: len(scored[i].queries))
    out: dict[int, dict[str, Any]] = {}
    for i in by_size:  # queries of one number together share their resamples
        s = scored[i]
        out[i] = _record(s, base.get((s.given, s.target, s.match)), draw)
    hybrid = [r for r in out.values() if r["space"] == "hybrid" and r["gain"] is not None]
    for match in {r["match"] for r in hybrid}:
        _holm([r["gain"] for r in hybrid if r["match"] == match])
    return [out[i] for i in range(len(scored))]


def _record(s: Scored, base: Scored | None, draw: Resampler) -> dict[str, Any]:
    whole = s.match not in TAXA
    columns = [s.first.recall(k) for k in CUTS] + ([s.first.reciprocal_rank()] if whole else [])
    means = [float(c.mean()) for c in columns]
    names = [f"recall@{k}" for k in CUTS] + (["mrr"] if whole else [])
    paired = base is not None and base is not s and np.array_equal(base.queries, s.queries)
    encoder = base.first.recall(1) if paired and base is not None else None
    if encoder is not None:
        columns.append(columns[0] - encoder)
    found = draw.intervals(np.stack(columns, axis=1))
    intervals = {n: [float(v) for v in found[i]] for i, n in enumerate(names)}
    w = s.weights if s.space.startswith("hybrid") else None
    return {
        "given": list(s.given),
        "target": s.target,
        "space": s.space,
        "match": s.match,
        **dict(zip(names, means, strict=True)),
        **({} if whole else {"mrr": None}),
        "median_rank": float(np.median(s.first.rank())) if whole else None,
        "ndcg@10": float(ndcg(s.gain.astype(np.float32), s.right).mean())
        if s.gain is not None
        else None,
        "interval": intervals["recall@1"],
        "intervals": intervals,
        "delta": w.delta if w else None,
        "gamma": w.gamma if w else None,
        "epsilon": w.epsilon if w else None,
        "gain": None if encoder is None else _gain(columns[0], encoder, found[-1]),
        "rows": len(s.first),
        "gallery": s.gallery,
        "hub_skewness": s.hubs,
    }


def _gain(here: NDArray[Any], there: NDArray[Any], interval: NDArray[Any]) -> dict[str, Any]:
    """Recall@1 against the encoder space on the same queries.

    `recall@1` the difference, `interval` its bootstrap interval, `won` and `lost` the queries that one of
    the two answers more probably, `p` of the exact sign test on them: McNemar's where nothing ties.
    """
    won, lost = int((here > there).sum()), int((here < there).sum())
    p = float(binomtest(won, won + lost, 0.5).pvalue) if won + lost else 1.0
    return {
        "recall@1": float(here.mean() - there.mean()),
        "interval": [float(v) for v in interval],
        "won": won,
        "lost": lost,
        "p": p,
    }


def _holm(gains: list[dict[str, Any]]) -> None:
    """Add `p_holm` to each: p corrected for that many tests (Holm 1979)."""
    running = 0.0
    for i, g in enumerate(sorted(gains, key=lambda g: float(g["p"]))):
        running = max(running, min(1.0, float(g["p"]) * (len(gains) - i)))
        g["p_holm"] = running


def mean_over(found: Sequence[dict[str, Any]], key: str = "recall@1") -> float | None:
    """Mean of a metric over records; None without any."""
    values = [r[key] for r in found if r[key] is not None]
    return float(np.mean(values)) if values else None


def summary(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Means over directions by match rule and space, single visible modalities apart from several."""
    out = []
    for several in (False, True):
        for match in dict.fromkeys(r["match"] for r in found):
            for space in dict.fromkeys(r["space"] for r in found):
                mine = [
                    r
                    for r in found
                    if (r["match"], r["space"], len(r["given"]) > 1) == (match, space, several)
                ]
                if mine:
                    out.append(
                        {
                            "match": match,
                            "space": space,
                            "visible": "several" if several else "one",
                            "directions": len(mine),
                            **{
                                k: mean_over(mine, k)
                                for k in ("recall@1", "recall@5", "recall@10", "mrr", "ndcg@10")
                            },
                        }
                    )
    return out


def hub_table(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean recall@1 by row and by species, and mean skewness, with and without each correction.

    Means are over the directions with one visible modality.
    """
    found = [r for r in found if len(r["given"]) == 1]
    out = []
    for space in sorted(dict.fromkeys(r["space"] for r in found), key=lambda s: s.split("+")[0]):
        base, _, method = space.partition("+")
        mine = [r for r in found if r["space"] == space]
        corrected = any(r["space"].startswith(f"{base}+") for r in found)
        if not corrected:
            continue
        out.append(
            {
                "base": base,
                "method": method or "none",
                **{m: mean_over([r for r in mine if r["match"] == m]) for m in ("row", "species")},
                "skewness": mean_over([r for r in mine if r["match"] == "row"], "hub_skewness"),
            }
        )
    return out
