"""What validation rows choose for an evaluation: δ, γ, ε, and corrections against hubs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from prom3e_index.evaluation.data import EvalSet
from prom3e_index.evaluation.directions import Pair, directions, pairs
from prom3e_index.evaluation.retrieval.records import hub_table, records
from prom3e_index.evaluation.retrieval.scoring import score
from prom3e_index.evaluation.weights_choice import choose
from prom3e_index.models.folder import Model, Weights
from prom3e_index.models.joined import Joins
from prom3e_index.schema import set_key
from prom3e_index.search.hubness import CORRECTIONS, METHODS, Correction
from prom3e_index.search.score import Space

WeightsOf = Callable[[tuple[str, ...], str], Weights]


def chosen_weights(
    model: Model | None,
    val: EvalSet | None,
    asked: Sequence[Pair],
    spaces: Sequence[Space],
    paper: bool,
) -> tuple[WeightsOf, str]:
    """δ, γ, ε of each direction, and where they come from."""
    if model is None or not set(spaces) & {"hybrid", "reconstructed"}:
        return lambda g, t: Weights(), "not used"
    own = model

    def of_model(given: tuple[str, ...], target: str) -> Weights:
        w = own.weights(given, target)
        if paper:
            return Weights(w.delta, 0.0, 0.0)
        return replace(w, epsilon=own.weights((), target).epsilon)

    if val is None:
        return of_model, "the model's own" + (", γ = ε = 0" if paper else "")
    species = None if val.species is None else val.texts("species")
    sets = list(dict.fromkeys(g for g, _ in asked))
    mixed = () if paper else own.modalities
    every = directions(own, val.x, val.present, species, givens=sets, mixed=mixed)
    chosen = choose(every, delta_only=paper)

    def of_validation(given: tuple[str, ...], target: str) -> Weights:
        default = Weights(*chosen.default, chosen.epsilon.get(target, 0.0))
        return chosen.weights.get((set_key(given, own.modalities), target), default)

    return of_validation, f"{'δ alone ' if paper else ''}chosen on {val.source}"


def joins_of(model: Model | None, val: EvalSet | None, paper: bool) -> Joins:
    """How queries of several modalities are joined: as the model says, where its own weights are used too."""
    if model is None or val is not None or paper:
        return lambda given, target: None
    return model.joined


def chosen_corrections(
    model: Model | None,
    val: EvalSet | None,
    train: EvalSet | None,
    weights: WeightsOf,
    asked_spaces: Sequence[Space],
    seed: int,
) -> tuple[tuple[Correction, ...], list[dict[str, Any]]]:
    """Hub corrections to report, and what validation says of all of them.

    Without training rows there is none; without validation rows all are reported.
    """
    spaces: list[Space] = [s for s in asked_spaces if s in ("encoder", "hybrid")]
    usable = tuple(c for c in CORRECTIONS if c.space in spaces)
    if train is None:
        return (), []
    if val is None:
        return usable, []
    scored = score(
        val, model, pairs(val.modalities), spaces=spaces, weights=weights, bank=train,
        corrections=usable, taxa=False,
    )  # fmt: skip
    table = hub_table(records(scored, seed))
    keep = []
    for space in spaces:
        rows = [t for t in table if t["base"] == space]
        for kind in dict.fromkeys(k for k, _ in METHODS.values()):
            of_kind = [t for t in rows if METHODS.get(t["method"], ("",))[0] == kind]
            if of_kind:
                best = max(of_kind, key=_recall)["method"]
                keep += [c for c in usable if (c.space, c.method) == (space, best)]
        if rows:
            best_of_all = max(rows, key=_recall)
            for t in rows:
                t["best"] = t is best_of_all
    return tuple(keep), table


def _recall(row: dict[str, Any]) -> float:
    """Of a line of the hub table: by species where any query has one of another row, else by row."""
    found = row["row"] if row["species"] is None else row["species"]
    return float(found or 0)
