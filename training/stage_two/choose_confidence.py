"""Calibrating a model on its validation rows, for indexes that are too small to calibrate themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from prom3e_index.confidence.answers import Answers
from prom3e_index.confidence.asking import directions
from prom3e_index.confidence.calibrated import Calibration, Rule
from prom3e_index.confidence.fit import fit
from prom3e_index.confidence.signals import UNKNOWN, First
from prom3e_index.models.device import is_card
from prom3e_index.models.folder import NO_HUBS, Model
from prom3e_index.mvae.completion import Inferred, infer, mean_embedding, prepare
from prom3e_index.search.hubness import Bank
from prom3e_index.search.joined import joined_rows
from prom3e_index.search.score import gallery, query_rows
from prom3e_index.training.stage_two.first_rows import AnswersHere, AnswersOnCard
from prom3e_index.training.stage_two.sets import EmbeddingSet

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
ROWS = 200
"""Rows that ask in one direction, at most."""
MOST = 10_000
"""Validation rows that answer, at most."""


def choose_confidence(model: Model, validation: EmbeddingSet, seed: int = 0) -> Calibration | str:
    """What the validation rows answer to each other, calibrated; or why they cannot be.

    Every row answers as an index of them would have it; the one that asks, and what has the same embedding in all that
    both have, does not. Right is another row of the species where species are known. Without species there is nothing:
    how often the very row is found depends on how many rows there are.

    Args:
        model: As it was written.
        validation: Rows of which those that ask were not trained on. Of rows that a run holds out itself these are the
            held-out ones, and about half of the rows that answer are rows trained on: the model knows them better
            than it will know the rows of an index, so such a calibration may promise more than holds there.
        seed: Of the rows that ask.
    """
    if validation.species is None:
        return "the validation rows have no species"
    rng = np.random.default_rng(seed)
    n = len(validation)
    kept = np.sort(rng.permutation(n)[:MOST])
    some = validation.rows(kept)
    labels = np.asarray(some.species, dtype=str)
    species = np.unique(labels, return_inverse=True)[1].astype(np.int64).reshape(-1)
    species[labels == ""] = UNKNOWN
    asking = np.ones(len(some), bool) if some.asking is None else some.asking
    rule: Rule = "species"
    answers = list(_answers(model, some, species, asking, rng))
    made = fit(answers, model.modalities, rule, "model")
    if made.fitted:
        return made
    reasons = list(dict.fromkeys(made.lacking.values()))
    return "; ".join(reasons) or "no row can ask another of its species"


def _answers(
    model: Model,
    rows: EmbeddingSet,
    species: Ints,
    asking: NDArray[np.bool_],
    rng: np.random.Generator,
) -> Iterator[Answers]:
    names = model.modalities
    x, present = np.asarray(rows.x.numpy(), np.float32), rows.present.numpy()
    same = rows.duplicates().numpy()
    order = rng.permutation(len(x))
    known = np.bincount(species[species >= 0], minlength=1)
    able = asking & (species >= 0)
    able[able] = known[species[able]] > 1
    order = order[able[order]]
    whole = infer(model, x, present, names)
    answering = (
        AnswersOnCard(same, present, model.device)
        if is_card(model.device)
        else AnswersHere(same, present)
    )
    bank = None if model.hubs == NO_HUBS else Bank(model, model.hubs)
    for i in range(len(names)):
        answering.add(*_gallery(model, bank, x, present, whole, i))
    tokens = prepare(model, x, present) if len(x) else None
    sets: dict[tuple[int, ...], dict[int, Ints]] = {}
    for (seen, t), count in directions(len(names)).items():
        mine = order[present[order][:, [*{*seen, t}]].all(axis=1)]
        sets.setdefault(seen, {})[t] = mine[: min(count, ROWS)]
    alone = _Alone(
        model,
        x,
        np.unique(np.concatenate([*(m for s in sets.values() for m in s.values()), order[:0]])),
    )
    for seen, asked in sets.items():
        queries = np.unique(np.concatenate(list(asked.values())))
        if not len(queries):
            continue
        shown = np.zeros((len(queries), len(names)), bool)
        shown[:, seen] = True
        kept = None if tokens is None else (tokens, queries)
        inferred = infer(model, x[queries], shown, names, tokens=kept)
        mean = mean_embedding(x[queries], shown)
        visible = tuple(names[i] for i in seen)
        for t, mine in asked.items():
            at = np.searchsorted(queries, mine)
            completed = inferred.reconstructed[at, t]
            weights = model.weights(visible, names[t])
            vectors = query_rows(mean[at], completed, inferred.hidden[at], "hybrid", weights)
            how = model.joined(visible, names[t])
            told = alone.of(mine, t)
            vectors = joined_rows(model, how, x[mine], visible, names[t], vectors, told)
            best, scores, cosines = answering.first(t, seen, vectors, completed, mine)
            codes = np.where(np.isfinite(scores), species[best], UNKNOWN)
            first = First.of(scores, codes, cosines, np.zeros(best.shape))
            error = 1 - np.einsum("qd,qd->q", completed, x[mine, t]).astype(np.float64)
            error = np.full(len(mine), np.nan) if t in seen else error
            yield Answers(visible, names[t], first, species[mine], mine, species[mine], error)


class _Alone:
    """What the model makes of the rows that ask (sorted) when they show one modality alone, inferred once each."""

    def __init__(self, model: Model, x: Floats, rows: Ints) -> None:
        self._model, self._x, self._rows = model, x, rows
        self._known: dict[int, Inferred] = {}

    def of(self, mine: Ints, t: int) -> Callable[[int], tuple[Floats, Floats]]:
        """Of some rows and a target, the completions and hidden blocks by the modality's place."""
        at = np.searchsorted(self._rows, mine)

        def told(i: int) -> tuple[Floats, Floats]:
            if i not in self._known:
                shown = np.zeros((len(self._rows), self._x.shape[1]), bool)
                shown[:, i] = True
                names = self._model.modalities
                self._known[i] = infer(self._model, self._x[self._rows], shown, names)
            found = self._known[i]
            return found.reconstructed[at, t], found.hidden[at]

        return told


def _gallery(
    model: Model,
    bank: Bank | None,
    x: Floats,
    present: NDArray[np.bool_],
    whole: Inferred,
    t: int,
) -> tuple[Floats, Floats | None]:
    """Gallery rows of a target, and their bias against hubs by asking modality, where the model corrects."""
    name = model.modalities[t]
    made = gallery(
        x[:, t],
        present[:, t],
        whole.reconstructed[:, t],
        whole.hidden,
        model.weights((), name).epsilon,
    )
    if bank is None:
        return made, None
    return made, bank.bias(made.astype(np.float16), name).astype(np.float32)
