"""Where recall is lost on the way: encoder, completion, half precision, approximate index."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.evaluation.data import EvalSet
from prom3e_index.evaluation.retrieval.scoring import Pair
from prom3e_index.models.folder import Weights
from prom3e_index.mvae.class_tokens import Tokens
from prom3e_index.mvae.completion import Completer, infer, mean_embedding
from prom3e_index.schema import set_key
from prom3e_index.search.score import gallery, query_rows

Floats = NDArray[np.float32]
QUERIES = 200
K = 10


def error_split(
    data: EvalSet,
    model: Completer,
    directions: Sequence[Pair],
    weights: Callable[[tuple[str, ...], str], Weights],
    seed: int = 0,
    tokens: Tokens | None = None,
) -> list[dict[str, Any]]:
    """Recall@1 by species, or by row where species are unknown, stage by stage, of up to 200 queries.

    The gallery is that of an index: every row that has the target, inferred from all that it has, the
    query's own row left out (it is the only right one, and stays, when matched by row).

    Returns:
        A record per direction: `given`, `target`, `match`, `rows`, `gallery`; recall@1 of `encoder`,
        `completed` (hybrid, float32), `half` (the stored float16), `index` (the bundle's own search; None
        without a bundle); and `found`, the share of the exact ten nearest that the index finds (None).
    """
    rng = np.random.default_rng(seed)
    codes = data.codes("species") if data.species else np.full(len(data), -1)
    by_species = bool((codes >= 0).any())
    mixed = [
        t for t in data.modalities if any(weights(g, t).epsilon for g, t2 in directions if t2 == t)
    ]
    ready = None if tokens is None else (tokens, np.arange(len(data)))
    whole = infer(model, data.x, data.present, mixed, tokens=ready)
    kept: dict[tuple[str, float], tuple[Floats, Floats]] = {}
    found: dict[Pair, dict[str, Any]] = {}
    for given, target in sorted(directions, key=lambda d: d[1]):
        t = data.modalities.index(target)
        have = np.flatnonzero(data.present[:, t])
        able = data.has(given) & ((codes >= 0) if by_species else data.present[:, t])
        rows = np.flatnonzero(able)
        if not len(rows) or len(have) < 2:
            continue
        rows = np.sort(rng.permutation(rows)[:QUERIES])
        w = weights(given, target)
        shown = np.zeros((len(rows), len(data.modalities)), bool)
        shown[:, [data.modalities.index(m) for m in given]] = True
        asked = infer(model, data.x[rows], shown, (target,))
        mean = mean_embedding(data.x[rows], shown)
        if (target, w.epsilon) not in kept:  # few targets at a time: they are wide
            everyone = np.ones(len(have), bool)
            made = data.x[have, t]  # not read where ε is 0
            if target in mixed:
                made = whole.reconstructed[have, mixed.index(target)]
            hidden = whole.hidden[have]
            vectors = gallery(data.x[have, t], everyone, made, hidden, w.epsilon)
            if data.bundle is None:
                stored = vectors.astype(np.float16).astype(np.float32)
            else:
                stored = np.asarray(data.bundle.vectors(target)[data.numbers[have]], np.float32)
                stored = stored[:, : vectors.shape[1]]
            kept = {(target, w.epsilon): (vectors, stored)}
        vectors, stored = kept[target, w.epsilon]
        queries = query_rows(mean, asked.reconstructed[:, 0], asked.hidden, "hybrid", w)
        judge = _Judge(rows, have, codes, by_species)
        record: dict[str, Any] = {
            "given": set_key(given, data.modalities),
            "target": target,
            "match": "species" if by_species else "row",
            "rows": len(rows),
            "gallery": len(have),
            "encoder": judge.recall(mean @ data.x[have, t].T),
            "completed": judge.recall(queries @ vectors.T),
            "half": judge.recall(queries @ stored.T),
            "index": None,
            "found": None,
        }
        if data.bundle is not None:
            record |= _through_index(data, target, queries, stored, have, judge)
        found[given, target] = record
    return [found[d] for d in directions if d in found]


class _Judge:
    """Whether the first answer is right."""

    def __init__(
        self,
        rows: NDArray[np.int64],
        have: NDArray[np.int64],
        codes: NDArray[np.int64],
        by_species: bool,
    ) -> None:
        self.same_row = rows[:, None] == have[None, :]
        self.right = self.same_row
        if by_species:
            self.right = (codes[rows][:, None] == codes[have][None, :]) & ~self.same_row
        self.by_species = by_species
        self.use = self.right.any(axis=1)

    def open(self, scores: Floats) -> Floats:
        """Scores without the query's own row where it may not answer."""
        return np.where(self.same_row, -np.inf, scores) if self.by_species else scores

    def recall(self, scores: Floats) -> float | None:
        """Share of queries whose expected rank is 1."""
        from prom3e_index.evaluation.metrics import expected_ranks, recall_at

        if not self.use.any():
            return None
        return recall_at(expected_ranks(self.open(scores), self.right)[self.use], 1)


def _through_index(
    data: EvalSet,
    target: str,
    queries: Floats,
    stored: Floats,
    have: NDArray[np.int64],
    judge: _Judge,
) -> dict[str, float | None]:
    """Recall@1 through the bundle's own search, and the share of the exact ten that it finds."""
    if data.bundle is None or not judge.use.any():
        return {}
    eligible = data.numbers[have]
    exact = queries @ stored.T
    right, found = [], []
    plain = np.zeros(data.bundle.bias_width, np.float32)  # hubs are measured on their own
    for i, query in enumerate(queries):
        vector = np.concatenate([query, plain])[None]
        _, hits, _ = data.bundle.nearest(target, vector, K + 1, eligible)
        places = np.searchsorted(eligible, hits[0])
        if judge.by_species:
            places = places[~judge.same_row[i, places]]
        truth = np.argsort(-judge.open(exact)[i], kind="stable")[:K]
        worst = judge.open(exact)[i, truth[-1]]
        # An answer as good as the tenth is as right as the tenth.
        found.append(float((exact[i, places[:K]] >= worst - 2e-6).mean()))
        if judge.use[i]:
            right.append(bool(judge.right[i, places[0]]))
    return {"index": float(np.mean(right)), "found": float(np.mean(found))}
