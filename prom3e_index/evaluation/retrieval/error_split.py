"""Where recall is lost on the way: encoder, completion, half precision, approximate index."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.evaluation.data import EvalSet
from prom3e_index.evaluation.directions import Pair
from prom3e_index.evaluation.metrics import recall_at
from prom3e_index.evaluation.ranking import Right, first_right
from prom3e_index.models.folder import Weights
from prom3e_index.models.joined import Joins
from prom3e_index.mvae.class_tokens import Tokens
from prom3e_index.mvae.completion import Completer, infer, mean_embedding
from prom3e_index.schema import set_key
from prom3e_index.search.joined import joined_rows
from prom3e_index.search.score import gallery, query_rows

Floats = NDArray[np.float32]
QUERIES = 200
K = 10
_ROUNDING = 2e-6
"""Scores that are nearer than this are equal: an index rounds to six decimals."""


def error_split(
    data: EvalSet,
    model: Completer,
    directions: Sequence[Pair],
    weights: Callable[[tuple[str, ...], str], Weights],
    seed: int = 0,
    tokens: Tokens | None = None,
    joins: Joins = lambda given, target: None,
) -> list[dict[str, Any]]:
    """Recall@1 by species, or by row where species are unknown, stage by stage, of up to 200 queries.

    The gallery is that of an index: every row that has the target, inferred from all that it has, the
    query's own row left out (it is the only right one, and stays, when matched by row).

    Returns:
        A record per direction: `given`, `target`, `match`, `rows`, `gallery`; recall@1 of `encoder`,
        `completed` (hybrid, float32), `half` (the stored float16), `index` (the bundle's own search; None
        without a bundle, or with one of another MVAE or ε); and `found`, the share of the exact ten
        nearest that the index finds (None likewise).
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
            through = _holds(data.bundle, model, target, w.epsilon)
            if data.bundle is None or not through:
                stored = vectors.astype(np.float16).astype(np.float32)
            else:
                stored = np.asarray(data.bundle.vectors(target)[data.numbers[have]], np.float32)
                stored = stored[:, : vectors.shape[1]]
            kept = {(target, w.epsilon): (vectors, stored)}
        vectors, stored = kept[target, w.epsilon]
        queries = query_rows(mean, asked.reconstructed[:, 0], asked.hidden, "hybrid", w)
        how = joins(given, target)
        queries = joined_rows(model, how, data.x[rows], given, target, queries)
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
        if data.bundle is not None and through:
            eligible = data.numbers[have]
            record |= _through_index(data.bundle, target, queries, stored, eligible, judge)
        found[given, target] = record
    return [found[d] for d in directions if d in found]


def _holds(bundle: BundleFolder | None, model: Completer, target: str, epsilon: float) -> bool:
    """Whether a bundle's vectors are what is measured: of this MVAE, mixed with this ε."""
    if bundle is None:
        return False
    made = bundle.manifest["fingerprints"].get("mvae")
    stored = float(bundle.manifest.get("epsilon", {}).get(target, 0.0))
    return made == getattr(model, "mvae_fingerprint", None) and stored == epsilon


class _Judge:
    """Whether the first answer is right."""

    def __init__(
        self,
        rows: NDArray[np.int64],
        have: NDArray[np.int64],
        codes: NDArray[np.int64],
        by_species: bool,
    ) -> None:
        same_row = rows[:, None] == have[None, :]
        self.right = same_row
        skip = np.full(len(rows), -1)
        if by_species:
            self.right = (codes[rows][:, None] == codes[have][None, :]) & ~same_row
            skip = np.where(same_row.any(axis=1), same_row.argmax(axis=1), -1)
        self.skip = skip
        """(q,) Place of the query's own row where it may not answer, else −1."""
        self.use = self.right.any(axis=1)
        self._answers = Right.where(self.right, skip)

    def recall(self, scores: Floats) -> float | None:
        """Recall@1, ties in random order; None where no query has a right answer."""
        if not self.use.any():
            return None
        return recall_at(first_right(scores, self._answers)[self.use], 1)


def _through_index(
    bundle: BundleFolder,
    target: str,
    queries: Floats,
    stored: Floats,
    eligible: NDArray[np.int64],
    judge: _Judge,
) -> dict[str, float | None]:
    """Recall@1 through the bundle's own search, and the share of the exact ten that it finds."""
    if not judge.use.any():
        return {}
    exact = queries @ stored.T
    asked = np.flatnonzero(judge.skip >= 0)
    exact[asked, judge.skip[asked]] = -np.inf
    right, found = [], []
    plain = np.zeros(bundle.bias_width, np.float32)  # hubs are measured on their own
    for i, query in enumerate(queries):
        vector = np.concatenate([query, plain])[None]
        _, hits, _ = bundle.nearest(target, vector, K + 1, eligible)
        places = np.searchsorted(eligible, hits[0])
        places = places[places != judge.skip[i]][:K]
        rest = len(eligible) - (judge.skip[i] >= 0)
        worst = np.sort(exact[i])[::-1][min(K, rest) - 1]
        # An answer as good as the tenth is as right as the tenth.
        found.append(float((exact[i, places] >= worst - _ROUNDING).sum() / min(K, rest)))
        if judge.use[i]:
            first = exact[i, places[0]] if len(places) else np.nan
            alike = np.abs(exact[i] - first) < _ROUNDING  # a tie may come in any order
            right.append(float(judge.right[i, alike].mean()) if alike.any() else 0.0)
    return {"index": float(np.mean(right)), "found": float(np.mean(found))}
