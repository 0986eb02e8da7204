"""Zero-shot classification: which of the species' names stands nearest to what is given.

A class is a species with a name among the rows; its vector is the normalised mean of the distinct
embeddings of that name. Source: ProM3E, zero-shot species classification; the public script takes the
distinct rows of the text embeddings as classes, which is the same where a species has one name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from prom3e_index.encoders.protocol import unit_rows
from prom3e_index.evaluation.data import EvalSet
from prom3e_index.evaluation.directions import BLOCK
from prom3e_index.evaluation.first_right import FirstRight
from prom3e_index.evaluation.metrics import recall_at
from prom3e_index.evaluation.ranking import Answers, Labels
from prom3e_index.evaluation.retrieval.scoring import Predictor, Scored
from prom3e_index.evaluation.weights_choice import DELTAS
from prom3e_index.models.folder import Weights
from prom3e_index.mvae.class_tokens import Tokens
from prom3e_index.mvae.completion import Completer, infer, mean_embedding

Floats = NDArray[np.float32]
MATCH = "class"


def classes(data: EvalSet) -> tuple[NDArray[np.int64], Floats]:
    """Codes (c,) of the species that have a name, ascending, and their unit vectors (c, d)."""
    codes = data.codes("species")
    named = np.flatnonzero(data.has(("text",)) & (codes >= 0))
    text = data.embedding("text")
    found, vectors = np.unique(codes[named]), []
    for code in found:
        rows = named[codes[named] == code]
        vectors.append(np.unique(text[rows], axis=0).mean(axis=0))
    return found, unit_rows(np.stack(vectors)) if vectors else np.zeros((0, text.shape[1]), "f4")


def zero_shot(
    data: EvalSet,
    model: Completer | None,
    givens: Sequence[tuple[str, ...]],
    *,
    weights: Callable[[tuple[str, ...], str], Weights],
    ridge: Predictor | None = None,
    tokens: Tokens | None = None,
) -> list[Scored]:
    """Rank of the right species' name for each row, with `match` = `class`.

    Args:
        data: The rows; without species or names nothing is returned.
        model: Adds the spaces `reconstructed` and `hybrid` (δ alone: a name has no hidden vector).
        givens: Visible sets, without the name.
        weights: δ of a visible set.
        ridge: Adds the space `ridge`.
        tokens: Of the data's rows; see `mvae.completion.prepare`.
    """
    if data.species is None or "text" not in data.modalities:
        return []
    codes = data.codes("species")
    found, vectors = classes(data)
    if not len(found):
        return []
    place = np.full(int(max(codes.max(), 0)) + 1, -1)
    place[found] = np.arange(len(found))
    column = np.where(codes >= 0, place[np.maximum(codes, 0)], -1)
    nothing = Labels(np.full(len(found), -1, np.int64))
    out = []
    for given in givens:
        rows = np.flatnonzero(data.has(given) & (column >= 0))
        if not len(rows):
            continue
        w = weights(given, "text")
        w = Weights(w.delta, 0.0, 0.0)
        for space, vector in _vectors(data, model, rows, given, w, ridge, tokens).items():
            parts = [
                Answers(
                    np.ascontiguousarray(vector[at : at + BLOCK] @ vectors.T, np.float32),
                    column[rows[at : at + BLOCK]],
                    np.full(len(rows[at : at + BLOCK]), -1, np.int64),
                    nothing,
                ).by_row()
                for at in range(0, len(rows), BLOCK)
            ]
            out.append(
                Scored(
                    given, "text", space, MATCH, w, len(found), rows.astype(np.int32),
                    FirstRight.concatenate([p.first for p in parts]),
                    np.concatenate([p.gain for p in parts if p.gain is not None]).astype("f2"),
                    np.ones(len(rows), np.int32),
                )
            )  # fmt: skip
    return out


def _vectors(
    data: EvalSet,
    model: Completer | None,
    rows: NDArray[np.int64],
    given: tuple[str, ...],
    w: Weights,
    ridge: Predictor | None,
    tokens: Tokens | None,
) -> dict[str, Floats]:
    shown = np.zeros((len(rows), len(data.modalities)), bool)
    shown[:, [data.modalities.index(m) for m in given]] = True
    mean = mean_embedding(data.x[rows], shown)
    out = {"encoder": mean}
    if model is not None:
        ready = None if tokens is None else (tokens, rows)
        made = infer(model, data.x[rows], shown, ("text",), tokens=ready).reconstructed[:, 0]
        out |= {
            "reconstructed": made,
            "hybrid": np.asarray((1 - w.delta) * mean + w.delta * made, np.float32),
        }
    predicted = ridge.predict(data.x[rows], given, "text") if ridge else None
    if predicted is not None:
        out["ridge"] = predicted
    return out


def choose_deltas(
    val: EvalSet, model: Completer, givens: Sequence[tuple[str, ...]]
) -> dict[tuple[str, ...], float]:
    """δ of each visible set with the best top-1 on validation rows; the smallest of equals."""
    best: dict[tuple[str, ...], tuple[float, float]] = {}
    for delta in DELTAS:
        for s in zero_shot(val, model, givens, weights=lambda g, t: Weights(delta)):  # noqa: B023
            if s.space == "hybrid":
                found = recall_at(s.first, 1)
                if s.given not in best or found > best[s.given][0]:
                    best[s.given] = found, delta
    return {given: delta for given, (_, delta) in best.items()}
