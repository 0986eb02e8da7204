"""Ranks of every direction in every space, exactly: each query against the whole gallery.

For a visible set G and a target t the queries are the rows that have all of G, the gallery the rows
that have t; see `evaluation.scores.VisibleSet`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import InputError
from prom3e_index.evaluation.data import EvalSet
from prom3e_index.evaluation.directions import BLOCK, Pair
from prom3e_index.evaluation.first_right import FirstRight
from prom3e_index.evaluation.gallery import Gallery
from prom3e_index.evaluation.ranking import Answers, Labels, Ranks
from prom3e_index.evaluation.retrieval.hub_biases import Biases, hub_biases
from prom3e_index.evaluation.scores import Products, VisibleSet
from prom3e_index.models.folder import Weights
from prom3e_index.models.joined import Joins
from prom3e_index.mvae.class_tokens import Tokens
from prom3e_index.mvae.completion import Completer, prepare
from prom3e_index.search.hubness import Correction, HubCounts
from prom3e_index.search.score import Space

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
BASE_SPACES: tuple[Space, ...] = ("encoder", "reconstructed", "hidden", "hybrid")
TAXA = ("genus", "family", "order")
CHUNK = 256
"""Queries of a thread's ranking."""
Progress = Callable[[str, int, int | None], None]


class Predictor(Protocol):
    """What predicts a target's embedding from some others: the ridge baseline."""

    def predict(self, x: Floats, given: Sequence[str], target: str) -> Floats | None:
        """(q, d) unit rows from (q, m, d); None where it was not fitted."""


@dataclass(frozen=True)
class Scored:
    """Ranks of one direction, in one space, by one match rule.

    Attributes:
        given: Visible set.
        target: Modality searched for.
        space: One of `BASE_SPACES`, `ridge`, or a corrected one such as `hybrid+csls`.
        match: `row` (only the query's own row is right), `species` (another row of its species; its own
            is no answer), or a rank of the taxonomy in place of the species.
        weights: δ, γ, ε that the space used.
        gallery: Rows searched.
        queries: (q,) rows of the data that have a right answer.
        first: Where their first right answer stands; above the species none is found beyond the tenth place.
        gain: (q, 10) float16; None for ranks above the species.
        right: (q,) int32.
        hubs: Skewness of how often each gallery row is among the first ten; NaN where not measured.
    """

    given: tuple[str, ...]
    target: str
    space: str
    match: str
    weights: Weights
    gallery: int
    queries: NDArray[np.int32]
    first: FirstRight
    gain: NDArray[np.float16] | None
    right: NDArray[np.int32]
    hubs: float = field(default=float("nan"))


def score(
    data: EvalSet,
    model: Completer | None,
    directions: Sequence[Pair],
    *,
    spaces: Sequence[Space] = BASE_SPACES,
    weights: Callable[[tuple[str, ...], str], Weights] = lambda g, t: Weights(),
    ridge: Predictor | None = None,
    bank: EvalSet | None = None,
    corrections: Sequence[Correction] = (),
    taxa: bool = True,
    tokens: Tokens | None = None,
    joins: Joins = lambda given, target: None,
    progress: Progress = lambda stage, done, total: None,
) -> list[Scored]:
    """Rank every query of every direction.

    Args:
        data: The rows.
        model: Completes; may be None when only the encoder space (and ridge) is asked for.
        directions: From `pairs`; one with no query or no gallery is left out.
        spaces: Of `BASE_SPACES`.
        weights: δ, γ, ε of a direction.
        ridge: Adds the space `ridge`.
        bank: Training rows whose queries say where the hubs are; needed by `corrections`.
        corrections: Adds a space for each.
        taxa: Also match by genus, family and order where the data have those columns.
        tokens: Of the data's rows, where they are prepared already; see `mvae.completion.prepare`.
        joins: How hybrid queries of several modalities are joined; see `models.joined`.
        progress: Told of visible sets done.
    """
    full = model if set(spaces) - {"encoder"} else None
    if full is None and set(spaces) - {"encoder"}:
        raise InputError("Spaces other than encoder need a model; give --model.")
    labels = {"species": data.codes("species")} if data.species else {}
    labels |= {t: data.codes(t) for t in TAXA if taxa and labels and t in data.columns}
    by_given: dict[tuple[str, ...], list[str]] = {}
    for given, target in directions:
        by_given.setdefault(given, []).append(target)
    if full and tokens is None:
        tokens = prepare(full, data.x, data.present)
    galleries = {t: _Searched(data, t, labels) for t in dict.fromkeys(t for _, t in directions)}
    out: list[Scored] = []
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for number, (given, asked) in enumerate(by_given.items()):
            mine = {t: galleries[t] for t in galleries if t in asked and len(galleries[t])}
            queries = np.flatnonzero(data.has(given))
            if len(queries) and mine:
                w = {t: weights(given, t) for t in mine}
                mixed = [t for t in mine if w[t].epsilon]
                asks = VisibleSet(
                    data.x, data.present, data.modalities, given, queries, dict(mine), full, mixed,
                    tokens, {t: how for t in mine if (how := joins(given, t)) is not None},
                )  # fmt: skip
                biases = (
                    {} if bank is None else hub_biases(asks, bank, full, w, spaces, corrections)
                )
                run = _Run(data, asks, mine, w, spaces, labels, ridge, biases)
                out += run.scored(pool)
            progress("rank", number + 1, len(by_given))
    return out


class _Searched(Gallery):
    """A gallery with the labels of its rows."""

    def __init__(self, data: EvalSet, target: str, labels: dict[str, Ints]) -> None:
        super().__init__(data.x, data.present, data.modalities.index(target))
        self.labels = {k: Labels(v[self.rows]) for k, v in labels.items()}
        self.unlabelled = Labels(np.full(len(self.rows), -1, np.int64))


class _Collector:
    """Ranks of one direction and space, block by block."""

    def __init__(self, gallery: int) -> None:
        self.parts: dict[str, list[tuple[Ints, Ranks]]] = {}
        self.hubs = HubCounts(gallery)

    def add(self, match: str, rows: Ints, ranks: Ranks) -> None:
        self.parts.setdefault(match, []).append((rows, ranks))


@dataclass(frozen=True)
class _Run:
    """All targets of one visible set."""

    data: EvalSet
    asks: VisibleSet
    galleries: dict[str, _Searched]
    weights: dict[str, Weights]
    spaces: Sequence[Space]
    labels: dict[str, Ints]
    ridge: Predictor | None
    biases: Biases

    def scored(self, pool: ThreadPoolExecutor) -> list[Scored]:
        found: dict[tuple[str, str], _Collector] = {}
        for at in range(0, len(self.asks.queries), BLOCK):
            part = slice(at, at + BLOCK)
            rows = self.asks.queries[part]
            hidden = self.asks.hidden_product(part)
            for target, g in self.galleries.items():
                jobs = self._jobs(target, rows, self.asks.products(target, part, hidden))
                for name in jobs:
                    found.setdefault((target, name), _Collector(len(g)))
                tasks = [
                    (scores, slice(i, i + CHUNK), found[target, name])
                    for name, scores in jobs.items()
                    for i in range(0, len(rows), CHUNK)
                ]
                list(pool.map(lambda t: self._rank(t[0](t[1]), rows[t[1]], g, t[2]), tasks))  # noqa: B023
        return [s for key, c in found.items() for s in self._gather(*key, c)]

    def _jobs(
        self, target: str, rows: Ints, products: Products
    ) -> dict[str, Callable[[slice], Floats]]:
        """By name of a space, what gives the scores of a part of the block's queries."""
        w = self.weights[target]
        jobs: dict[str, Callable[[slice], Floats]] = {
            s: partial(products.scores, s, w) for s in self.spaces
        }
        if self.ridge:
            predicted = self.ridge.predict(self.data.x[rows], self.asks.given, target)
            if predicted is not None:
                jobs["ridge"] = self.galleries[target].products(predicted).__getitem__
        for name, (space, bias) in self.biases.get(target, {}).items():
            jobs[name] = partial(_corrected, products, space, w, bias)
        for scores in jobs.values():
            scores(slice(0))  # the products are made here, once, and not by two threads at a time
        return jobs

    def _rank(self, scores: Floats, rows: Ints, gallery: _Searched, into: _Collector) -> None:
        own = gallery.place[rows]
        species = gallery.labels.get("species", gallery.unlabelled)
        label = (
            self.labels["species"][rows]
            if "species" in self.labels
            else np.full(len(rows), -1, np.int64)
        )
        answers = Answers(np.ascontiguousarray(scores), own, label, species)
        into.hubs.add(answers.index)
        into.add("row", rows, answers.by_row())
        for name, codes in self.labels.items():
            if name == "species":
                into.add(name, rows, answers.by_species())
            else:
                into.add(name, rows, answers.by_label(codes[rows], gallery.labels[name]))

    def _gather(self, target: str, space: str, c: _Collector) -> list[Scored]:
        out = []
        for match, parts in c.parts.items():
            rows = np.concatenate([r for r, _ in parts])
            first = FirstRight.concatenate([r.first for _, r in parts])
            right = np.concatenate([r.right for _, r in parts])
            gain = None
            if parts[0][1].gain is not None:
                gain = np.concatenate([r.gain for _, r in parts if r.gain is not None])
            use = np.flatnonzero(right > 0)
            use = use[np.argsort(rows[use])]
            if not len(use):
                continue
            out.append(
                Scored(
                    self.asks.given,
                    target,
                    space,
                    match,
                    self.weights[target],
                    len(self.galleries[target]),
                    rows[use].astype(np.int32),
                    first[use],
                    None if gain is None else gain[use].astype(np.float16),
                    right[use],
                    c.hubs.skewness(),
                )
            )
        return out


def _corrected(products: Products, space: Space, w: Weights, bias: Floats, part: slice) -> Floats:
    return np.asarray(products.scores(space, w, part) + bias)
