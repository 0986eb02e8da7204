"""Choosing a correction against hubs by recall on validation, on the model's device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from prom3e_index.evaluation.data import EvalSet
from prom3e_index.evaluation.directions import BLOCK, SAME_ITEM
from prom3e_index.evaluation.first_right import FirstRight
from prom3e_index.evaluation.gallery import Gallery
from prom3e_index.evaluation.metrics import recall_at
from prom3e_index.evaluation.ranking import Labels, Right
from prom3e_index.evaluation.ranking_on_device import first_right_of
from prom3e_index.evaluation.retrieval.hub_biases import hub_biases
from prom3e_index.evaluation.scores import VisibleSet
from prom3e_index.models.device import is_card
from prom3e_index.models.folder import NO_HUBS, Weights
from prom3e_index.mvae.completion import prepare
from prom3e_index.search.hubness import BANK, CORRECTIONS, LEAST, METHODS
from prom3e_index.training.stage_two.choose_use import Candidate, Use
from prom3e_index.training.stage_two.sets import EmbeddingSet

HUB_GAIN = 0.01
"""A correction against hubs is taken only where it gains this much: without one, scores mean more."""
_HUB_ROWS = 2000


@dataclass(frozen=True)
class HubChoice:
    """What validation says of corrections against hubs.

    Attributes:
        method: `none` or one of `hubs.METHODS`.
        quality: Mean over directions of recall@1 and recall@10, by method, `none` among them.
        x: (b, m, d) float16, the bank: training rows drawn with a fixed seed.
        present: (b, m).
    """

    method: str
    quality: dict[str, float]
    x: NDArray[np.float16]
    present: NDArray[np.bool_]


def choose_hubs(
    model: Candidate, train: EmbeddingSet, val: EmbeddingSet, use: Use
) -> HubChoice | None:
    """Choose a correction by recall on validation, as δ and γ are; None with fewer than 20 training rows.

    Args:
        model: As it is used; products and ranks are computed on its device.
        train: Gives the bank.
        val: Up to 2,000 rows.
        use: The weights of each direction.
    """
    if len(train) < LEAST:
        return None
    rng = np.random.default_rng(0)

    def rows(of: EmbeddingSet, most: int) -> EvalSet:
        at = np.sort(rng.permutation(len(of))[:most])
        some = of.rows(at)
        columns = {} if some.species is None else {"species": some.species}
        ids, x, present = at.astype(str), some.x.numpy(), some.present.numpy()
        return EvalSet(
            x, present, model.modalities, ids, columns, of.path, of.fingerprint, at, len(of)
        )

    bank, some = rows(train, BANK), rows(val, _HUB_ROWS)
    used = replace(model, decode=use.decode, hidden=use.hidden)
    worth: dict[str, list[float]] = {method: [] for method in (NO_HUBS, *METHODS)}
    for method, first in _ranked(used, bank, some, use):
        if first.found.any():
            values = [recall_at(first[first.found], k) for k in (1, 10)]
            worth[method].append(float(np.mean(values)))
    quality = {m: round(float(np.mean(v)), 4) if v else 0.0 for m, v in worth.items()}
    best = max(quality, key=lambda k: quality[k])
    method = best if quality[best] - quality[NO_HUBS] >= HUB_GAIN else NO_HUBS
    return HubChoice(method, quality, bank.x.astype(np.float16), bank.present)


def _ranked(
    model: Candidate, bank: EvalSet, some: EvalSet, use: Use
) -> Iterator[tuple[str, FirstRight]]:
    """Of every direction and method, where the first right answer of each query stands; mixed as a query is."""
    names = model.modalities
    own = {(r["given"], r["target"]): (r["delta"], r["gamma"]) for r in use.records}
    codes = some.codes("species") if some.species else None
    galleries = {t: Gallery(some.x, some.present, i) for i, t in enumerate(names)}
    tokens = prepare(model, some.x, some.present)
    corrections = [c for c in CORRECTIONS if c.space == "hybrid"]
    for given in names:
        mine = {t: g for t, g in galleries.items() if t != given and len(g)}
        queries = np.flatnonzero(some.has((given,)))
        if not len(queries) or not mine:
            continue
        weights = {
            t: Weights(*own.get((given, t), use.default), use.epsilon.get(t, 0.0)) for t in mine
        }
        mixed = [t for t in mine if weights[t].epsilon]
        asks = VisibleSet(
            some.x, some.present, names, (given,), queries, mine, model, mixed, tokens
        )
        if is_card(model.device):
            asks = asks.on(model.device)
        biases = hub_biases(asks, bank, model, weights, ("hybrid",), corrections)
        rights = {
            t: Right.rows(g.place[queries])
            if codes is None or t in SAME_ITEM
            else Right.alike(codes[queries], Labels(codes[g.rows]), g.place[queries])
            for t, g in mine.items()
        }
        found: dict[tuple[str, str], list[FirstRight]] = {}
        for at in range(0, len(queries), BLOCK):
            part = slice(at, at + BLOCK)
            hidden = asks.hidden_product(part)
            for target in mine:
                right = rights[target].part(part)
                scores = asks.products(target, part, hidden).scores("hybrid", weights[target])
                found.setdefault((target, NO_HUBS), []).append(first_right_of(scores, right))
                for c in corrections if target in biases else ():
                    corrected = scores + biases[target][c.name][1]
                    found.setdefault((target, c.method), []).append(
                        first_right_of(corrected, right)
                    )
        yield from ((method, FirstRight.concatenate(f)) for (_, method), f in found.items())
