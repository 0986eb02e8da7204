"""Answers of every direction whose truth is known: their first rows, their ‖σ‖₁ and their error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.faiss.places import first_places
from prom3e_index.confidence.answers import Answers
from prom3e_index.confidence.calibrated import Rule
from prom3e_index.confidence.signals import FIRST, First
from prom3e_index.evaluation.data import EvalSet
from prom3e_index.evaluation.directions import BLOCK
from prom3e_index.evaluation.gallery import Gallery
from prom3e_index.evaluation.scores import VisibleSet
from prom3e_index.models.folder import NO_HUBS, Model, Weights
from prom3e_index.mvae.class_tokens import Tokens
from prom3e_index.search.hubness import Bank

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
LARGEST = 3
"""Modalities of the largest visible sets, beside those that show all but the target."""
LEAST = 20
"""Queries and gallery rows that a direction needs."""
MOST = 200
"""Queries of a direction."""


@dataclass(frozen=True)
class Asked:
    """Answers of one direction, q of them.

    Attributes:
        answers: First rows, truth and errors, as a calibration is fitted on.
        sigma: (q,) ‖σ‖₁ of each query.
    """

    answers: Answers
    sigma: Floats

    @property
    def size(self) -> int:
        """Modalities that the queries show."""
        return len(self.answers.visible)

    def judged(self, rule: Rule) -> Asked:
        """The answers that can be judged: see `confidence.answers.Answers`."""
        kept = self.answers.judged(rule)
        return Asked(kept, self.sigma[np.isin(self.answers.observation, kept.observation)])


def rule_of(data: EvalSet) -> Rule:
    """What a right answer is: another observation of the species where species are known, else the very row."""
    return "species" if data.species else "row"


def visible_sets(data: EvalSet) -> list[tuple[str, ...]]:
    """Sets of up to `LARGEST` modalities, and those of all but one, of the modalities that `LEAST` rows have."""
    names = [
        m for m, n in zip(data.modalities, data.present.sum(axis=0), strict=True) if n >= LEAST
    ]
    sizes = [k for k in range(1, len(names)) if k <= LARGEST or k == len(names) - 1]
    return [g for k in sizes for g in combinations(names, k)]


def ask(
    data: EvalSet,
    model: Model,
    weights: Callable[[tuple[str, ...], str], Weights],
    tokens: Tokens | None,
    *,
    seed: int = 0,
    most: int = MOST,
    progress: Callable[[str, int, int | None], None] = lambda stage, done, total: None,
) -> list[Asked]:
    """Ask for every target outside every visible set, with the rows of the data, of each other.

    By `species` the asking row is no answer; by `row` it is the right one. A gallery row is completed without the
    modalities that ask, as in every evaluation here. Scores are those of a query: where the model corrects against
    hubs, its correction is in them.

    Args:
        data: The rows.
        model: Completes.
        weights: δ, γ, ε of a direction.
        tokens: Of the rows; see `mvae.completion.prepare`.
        seed: Of the rows that ask, the same for every direction as far as they have what is shown.
        most: Queries of a direction; where there are more rows, so many are drawn.
        progress: Told of visible sets done.

    Returns:
        A record per direction that has `LEAST` queries and gallery rows, by visible set.
    """
    rule = rule_of(data)
    codes = data.codes("species") if rule == "species" else np.arange(len(data), dtype=np.int64)
    galleries = {
        t: Gallery(data.x, data.present, i)
        for i, t in enumerate(data.modalities)
        if data.present[:, i].sum() >= LEAST
    }
    order = np.random.default_rng(seed).permutation(len(data))
    bank = None if model.hubs == NO_HUBS else Bank(model, model.hubs)
    sets, out = visible_sets(data), []
    for number, given in enumerate(sets):
        able = data.has(given) & (codes >= 0)
        asked: dict[str, Ints] = {}
        for target, g in galleries.items():
            judged = able if rule == "species" else able & (g.place >= 0)
            rows = np.sort(order[judged[order]][:most])
            if target not in given and len(rows) >= LEAST:
                asked[target] = rows
        if asked:
            queries = np.unique(np.concatenate(list(asked.values())))
            w = {t: weights(given, t) for t in asked}
            asks = VisibleSet(
                data.x, data.present, data.modalities, given, queries,
                {t: galleries[t] for t in asked}, model, [t for t in asked if w[t].epsilon], tokens,
                {t: how for t in asked if (how := model.joined(given, t)) is not None},
            )  # fmt: skip
            for target, rows in asked.items():
                part = np.searchsorted(queries, rows)
                bias = _bias(bank, asks, target, w[target], data.modalities)
                answers = _answers(data, asks, target, w[target], part, codes, rule, bias)
                out.append(Asked(answers, asks.sigma_l1[part].astype(np.float64)))
        progress("answers", number + 1, len(sets))
    return out


def _bias(
    bank: Bank | None, asks: VisibleSet, target: str, w: Weights, modalities: tuple[str, ...]
) -> NDArray[np.float32]:
    """(g,) what a query adds to a gallery's scores against hubs: the mean over the modalities that ask."""
    if bank is None:
        return np.zeros(len(asks.galleries[target]), np.float32)
    seen = [modalities.index(m) for m in asks.given]
    found = bank.bias(asks.vectors(target, w.epsilon).astype(np.float16), target, asking=seen)
    return np.asarray(found[:, seen].astype(np.float32).mean(axis=1))


def _answers(
    data: EvalSet,
    asks: VisibleSet,
    target: str,
    w: Weights,
    part: Ints,
    codes: Ints,
    rule: Rule,
    bias: NDArray[np.float32],
) -> Answers:
    gallery = asks.galleries[target]
    block, code = asks.block(target, w.epsilon), codes[gallery.rows]
    rows = asks.queries[part]
    firsts, errors = [], []
    for at in range(0, len(part), BLOCK):
        some = part[at : at + BLOCK]
        scores = asks.products(target, some).scores("hybrid", w) + bias
        own = gallery.place[asks.queries[some]]
        held = np.flatnonzero(own >= 0)
        if rule == "species":
            scores[held, own[held]] = -np.inf
        best = first_places(scores, FIRST)
        completed = asks.completed(target)[some]
        firsts.append(
            First.of(
                np.take_along_axis(scores, best, 1),
                code[best],
                np.take_along_axis(completed @ block.T, best, 1),
                np.take_along_axis(block[best[:, 0]] @ block.T, best, 1),
            )
        )
        error = np.full(len(some), np.nan)
        error[held] = 1 - (completed[held] * gallery.observed[own[held]]).sum(axis=1)
        errors.append(error)
    return Answers(
        asks.given, target, First.joined(firsts), codes[rows], rows, codes[rows],
        np.concatenate(errors),
    )  # fmt: skip
