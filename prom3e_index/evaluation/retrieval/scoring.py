"""Ranks of every direction in every space, exactly: each query against the whole gallery.

For a visible set G and a target t the queries are the rows that have all of G, the gallery the rows
that have t. A gallery row's hidden vector (and its reconstruction, where ε > 0) is inferred without G,
so that no query finds itself by its own embedding.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import InputError
from prom3e_index.evaluation.data import EvalSet
from prom3e_index.evaluation.directions import Products
from prom3e_index.evaluation.retrieval.ranking import Answers, Labels, Ranks
from prom3e_index.models.folder import Weights
from prom3e_index.mvae.class_tokens import Tokens
from prom3e_index.mvae.completion import Completer, infer, mean_embedding, prepare
from prom3e_index.schema import parse_modalities
from prom3e_index.search.hubness import BANK, LEAST, Correction, HubCounts
from prom3e_index.search.hubness import bias as hub_bias
from prom3e_index.search.score import Space

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
BASE_SPACES: tuple[Space, ...] = ("encoder", "reconstructed", "hidden", "hybrid")
TAXA = ("genus", "family", "order")
BLOCK, CHUNK = 512, 256
"""Queries of a matrix product, and of a thread's ranking."""
Progress = Callable[[str, int, int | None], None]
Pair = tuple[tuple[str, ...], str]


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
        rank: (q,) float32; see `ranking.Ranks`. Above the species infinity also stands for beyond ten.
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
    rank: Floats
    gain: NDArray[np.float16] | None
    right: NDArray[np.int32]
    hubs: float = field(default=float("nan"))


def pairs(
    modalities: Sequence[str], combined: Iterable[str] = (), every: bool = False
) -> list[Pair]:
    """Directions to evaluate: all ordered pairs, and those asked for.

    Args:
        modalities: Names in the model's order.
        combined: Further ones, written `image+sat→text` or `image+sat->text`.
        every: All visible sets with all targets outside them.

    Raises:
        InputError: No arrow, an unknown modality, or a target that is given.
    """
    largest = len(modalities) - 1 if every else 1
    out: list[Pair] = [
        (given, t)
        for size in range(1, largest + 1)
        for given in combinations(modalities, size)
        for t in modalities
        if t not in given
    ]
    for text in combined:
        left, arrow, right = text.replace("->", "→").partition("→")
        if not arrow:
            raise InputError(f"--direction is written image+sat->text, not {text!r}.")
        chosen = parse_modalities(left, modalities)
        given = tuple(m for m in modalities if m in chosen)
        (target,) = parse_modalities(right, modalities)[:1]
        if target in given:
            raise InputError(f"--direction {text!r}: {target} is given and asked for.")
        if (given, target) not in out:
            out.append((given, target))
    return out


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
        tokens: Of the data's rows, where they are prepared already; see `hybrid.prepare`.
        progress: Told of visible sets done.
    """
    if model is None and set(spaces) - {"encoder"}:
        raise InputError("Spaces other than encoder need a model; give --model.")
    labels = {"species": data.codes("species")} if data.species else {}
    labels |= {t: data.codes(t) for t in TAXA if taxa and labels and t in data.columns}
    by_given: dict[tuple[str, ...], list[str]] = {}
    for given, target in directions:
        by_given.setdefault(given, []).append(target)
    targets = dict.fromkeys(t for _, t in directions)
    if model and tokens is None and set(spaces) - {"encoder"}:
        tokens = prepare(model, data.x, data.present)
    galleries = {t: _Gallery(data, t, labels) for t in targets}
    out: list[Scored] = []
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for number, (given, asked) in enumerate(by_given.items()):
            side = _Side(data, model, given, asked, spaces, weights, galleries, tokens)
            if len(side.queries):
                queries = None if bank is None else _bank_queries(bank, model, side)
                out += _score_given(side, labels, ridge, queries, corrections, pool)
            progress("rank", number + 1, len(by_given))
    return out


class _Gallery:
    """Rows that have a target, their distinct embeddings, their labels."""

    def __init__(
        self,
        data: EvalSet,
        target: str,
        labels: dict[str, NDArray[np.int64]],
    ) -> None:
        self.rows = np.flatnonzero(data.has((target,)))
        self.observed = np.ascontiguousarray(data.embedding(target)[self.rows])
        self.place = np.full(len(data), -1, np.int64)
        self.place[self.rows] = np.arange(len(self.rows))
        self.labels = {k: Labels(v[self.rows]) for k, v in labels.items()}
        self.unlabelled = Labels(np.full(len(self.rows), -1, np.int64))
        keys = self.observed.view(
            np.dtype((np.void, self.observed.dtype.itemsize * data.x.shape[2]))
        )
        _, first, inverse = np.unique(keys[:, 0], return_index=True, return_inverse=True)
        repeated = len(first) < 0.9 * len(self.rows)
        self._first: Ints | None = first if repeated else None
        self._inverse: Ints = inverse.reshape(-1)

    def products(self, left: Floats) -> Floats:
        """⟨left, observed⟩ (q, g), equal to the last bit where two rows are equal and often are."""
        if self._first is None:
            return np.asarray(left @ self.observed.T)
        return np.take(left @ self.observed[self._first].T, self._inverse, axis=1)


class _Side:
    """What one visible set asks: queries, and what the MVAE says about them and about the gallery."""

    def __init__(
        self,
        data: EvalSet,
        model: Completer | None,
        given: tuple[str, ...],
        targets: Sequence[str],
        spaces: Sequence[Space],
        weights: Callable[[tuple[str, ...], str], Weights],
        galleries: dict[str, _Gallery],
        tokens: Tokens | None,
    ) -> None:
        self.data, self.given, self.spaces = data, given, spaces
        self.queries = np.flatnonzero(data.has(given))
        self.galleries = {t: g for t, g in galleries.items() if t in targets and len(g.rows)}
        self.weights = {t: weights(given, t) for t in self.galleries}
        shown = np.zeros((len(self.queries), len(data.modalities)), bool)
        shown[:, [data.modalities.index(m) for m in given]] = True
        self.asked = mean_embedding(data.x[self.queries], shown)
        self.completed: dict[str, Floats] = {}
        self.made: dict[str, Floats] = {}
        self.query_hidden = self.hidden = np.zeros((0, 0), np.float32)
        self.at = np.full(len(data), -1, np.int64)
        if model is None or not set(spaces) - {"encoder"} or not len(self.queries):
            return
        names = list(self.galleries)

        def of(rows: NDArray[np.int64]) -> tuple[Tokens, NDArray[np.int64]] | None:
            return None if tokens is None else (tokens, rows)

        asked = infer(model, data.x[self.queries], shown, names, tokens=of(self.queries))
        self.completed = {t: asked.reconstructed[:, i] for i, t in enumerate(names)}
        self.query_hidden = asked.hidden
        without = data.present.copy()
        without[:, [data.modalities.index(m) for m in given]] = False
        rest = np.flatnonzero(without.any(axis=1))
        self.at[rest] = np.arange(len(rest))
        mixed = [t for t in names if self.weights[t].epsilon]
        gallery = infer(model, data.x[rest], without[rest], mixed, tokens=of(rest))
        self.hidden = gallery.hidden
        self.made = {t: gallery.reconstructed[:, i] for i, t in enumerate(mixed)}

    def products(self, part: slice, target: str, hidden: Floats) -> Products:
        """Products of some queries with a target's gallery."""
        g = self.galleries[target]
        known = {"mean_observed": g.products(self.asked[part])}
        if not self.completed:
            q = self.asked[part]
            return Products(q, q, q, g.observed, g.observed, g.observed, known)
        at = self.at[g.rows]
        completed = self.completed[target][part]
        known["completed_observed"] = g.products(completed)
        known["hidden"] = hidden if len(at) == hidden.shape[1] else hidden[:, at]
        made = self.made[target][at] if target in self.made else g.observed
        return Products(
            self.asked[part],
            completed,
            self.query_hidden[part],
            g.observed,
            made,
            self.hidden,
            known,
        )


class _Collector:
    """Ranks of one direction and space, block by block."""

    def __init__(self, gallery: int) -> None:
        self.parts: dict[str, list[tuple[NDArray[np.int64], Ranks]]] = {}
        self.hubs = HubCounts(gallery)

    def add(self, match: str, rows: NDArray[np.int64], ranks: Ranks) -> None:
        self.parts.setdefault(match, []).append((rows, ranks))


def _score_given(
    side: _Side,
    labels: dict[str, NDArray[np.int64]],
    ridge: Predictor | None,
    bank: _Asked | None,
    corrections: Sequence[Correction],
    pool: ThreadPoolExecutor,
) -> list[Scored]:
    found: dict[tuple[str, str], _Collector] = {}
    biases = {} if bank is None else _biases(side, bank, corrections)
    for at in range(0, len(side.queries), BLOCK):
        part = slice(at, at + BLOCK)
        rows = side.queries[part]
        hidden = side.query_hidden[part] @ side.hidden.T if side.completed else side.hidden
        for target, g in side.galleries.items():
            products = side.products(part, target, hidden)
            w = side.weights[target]
            jobs: dict[str, Callable[[slice], Floats]] = {
                s: partial(products.scores, s, w) for s in side.spaces
            }
            predicted = ridge.predict(side.data.x[rows], side.given, target) if ridge else None
            if predicted is not None:
                jobs["ridge"] = g.products(predicted).__getitem__
            for name, (space, bias) in biases.get(target, {}).items():
                jobs[name] = partial(_corrected, products, space, w, bias)
            for name in jobs:
                found.setdefault((target, name), _Collector(len(g.rows)))
            tasks = [
                (scores, slice(i, i + CHUNK), found[target, name])
                for name, scores in jobs.items()
                for i in range(0, len(rows), CHUNK)
            ]
            list(pool.map(lambda t: _rank(t[0](t[1]), rows[t[1]], g, labels, t[2]), tasks))  # noqa: B023
    return [s for key, c in found.items() for s in _gather(side, *key, c)]


@dataclass(frozen=True)
class _Asked:
    """Queries of one visible set: q̄ (b, d), completions by target (b, d), hidden (b, z)."""

    mean: Floats
    completed: dict[str, Floats]
    hidden: Floats


def _bank_queries(bank: EvalSet, model: Completer | None, side: _Side) -> _Asked | None:
    """Queries of the bank for a visible set; None where it has fewer than 20."""
    rows = np.flatnonzero(bank.has(side.given))
    if len(rows) < LEAST:
        return None
    rows = np.sort(np.random.default_rng(0).permutation(rows)[:BANK])
    shown = np.zeros((len(rows), len(bank.modalities)), bool)
    shown[:, [bank.modalities.index(m) for m in side.given]] = True
    mean = mean_embedding(bank.x[rows], shown)
    if model is None or not side.completed:
        return _Asked(mean, {}, mean)
    names = list(side.galleries)
    found = infer(model, bank.x[rows], shown, names)
    made = {t: found.reconstructed[:, i] for i, t in enumerate(names)}
    return _Asked(mean, made, found.hidden)


def _biases(
    side: _Side, bank: _Asked, corrections: Sequence[Correction]
) -> dict[str, dict[str, tuple[Space, Floats]]]:
    """Bias of each gallery row by target and corrected space."""
    out: dict[str, dict[str, tuple[Space, Floats]]] = {}
    for target, g in side.galleries.items():
        if side.completed:
            at = side.at[g.rows]
            made = side.made[target][at] if target in side.made else g.observed
            hidden = side.hidden[at]
            products = Products(
                bank.mean, bank.completed[target], bank.hidden, g.observed, made, hidden
            )
        else:
            q = bank.mean
            products = Products(q, q, q, g.observed, g.observed, g.observed)
        out[target] = {
            c.name: (
                c.space,
                hub_bias(products.scores(c.space, side.weights[target]), c.method),
            )
            for c in corrections
            if c.space in side.spaces
        }
    return out


def _corrected(products: Products, space: Space, w: Weights, bias: Floats, part: slice) -> Floats:
    return np.asarray(products.scores(space, w, part) + bias)


def _rank(
    scores: Floats,
    rows: NDArray[np.int64],
    gallery: _Gallery,
    labels: dict[str, NDArray[np.int64]],
    into: _Collector,
) -> None:
    own = gallery.place[rows]
    species = gallery.labels.get("species", gallery.unlabelled)
    label = labels["species"][rows] if "species" in labels else np.full(len(rows), -1, np.int64)
    answers = Answers(np.ascontiguousarray(scores), own, label, species)
    into.hubs.add(answers.index)
    into.add("row", rows, answers.by_row())
    for name, codes in labels.items():
        if name == "species":
            into.add(name, rows, answers.by_species())
        else:
            into.add(name, rows, answers.by_label(codes[rows], gallery.labels[name]))


def _gather(side: _Side, target: str, space: str, c: _Collector) -> list[Scored]:
    out = []
    for match, parts in c.parts.items():
        rows = np.concatenate([r for r, _ in parts])
        rank = np.concatenate([r.rank for _, r in parts])
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
                side.given,
                target,
                space,
                match,
                side.weights[target],
                len(side.galleries[target].rows),
                rows[use].astype(np.int32),
                rank[use],
                None if gain is None else gain[use].astype(np.float16),
                right[use],
                c.hubs.skewness(),
            )
        )
    return out
