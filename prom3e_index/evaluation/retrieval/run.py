"""One evaluation of retrieval, from its settings to its files."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

import prom3e_index
from prom3e_index.bundle.manifest import NAME
from prom3e_index.errors import InputError
from prom3e_index.evaluation.data import MOST_ROWS, EvalSet, read_eval, refuse_overlap
from prom3e_index.evaluation.directions import directions as tuning_directions
from prom3e_index.evaluation.pages.output import write_results
from prom3e_index.evaluation.retrieval import stored_ranks as raw
from prom3e_index.evaluation.retrieval.classify import choose_deltas, zero_shot
from prom3e_index.evaluation.retrieval.error_split import error_split
from prom3e_index.evaluation.retrieval.records import mean_over, records
from prom3e_index.evaluation.retrieval.ridge import Ridge
from prom3e_index.evaluation.retrieval.scoring import (
    BASE_SPACES,
    Pair,
    Progress,
    Scored,
    pairs,
    score,
)
from prom3e_index.evaluation.weights_choice import choose
from prom3e_index.models.folder import Model, Weights
from prom3e_index.mvae.completion import prepare
from prom3e_index.schema import NAMES, set_key
from prom3e_index.search.hubness import CORRECTIONS, METHODS, Correction
from prom3e_index.search.score import Space

_ZERO_SHOT = (("image",), *(("image", m) for m in ("sat", "loc", "env", "audio")))
_VERSIONS = ("numpy", "torch", "scikit-learn", "faiss-gpu", "faiss-cpu")


@dataclass(frozen=True)
class RetrievalConfig:
    """How retrieval is evaluated.

    Attributes:
        data: A bundle, or embeddings.
        out: Folder of the results.
        model: Name or folder; a bundle's own when None; without one only the encoder space.
        hub: Local copy of hub repositories.
        device: Where the MVAE runs.
        validation: Rows on which δ, γ, ε, the ridge penalty and the hub correction are chosen; the split
            `val` of the data when None.
        train: Rows for ridge and hub bank; the split `train` when None.
        species: Column that labels the species.
        directions: Further ones, `image+sat→text`.
        every: All visible sets.
        spaces: Of `BASE_SPACES`.
        rows: At most this many rows, drawn with `seed`.
        seed: Of draws and bootstrap.
        taxa: Also match by genus, family and order.
        paper: γ = ε = 0, the paper's formula, with δ chosen alone.
        source: What the data were encoded from, for the record.
    """

    data: Path
    out: Path
    model: str | None = None
    hub: Path | None = None
    device: str = "cpu"
    validation: Path | None = None
    train: Path | None = None
    species: str | None = None
    directions: tuple[str, ...] = ()
    every: bool = False
    spaces: tuple[Space, ...] = BASE_SPACES
    rows: int = MOST_ROWS
    seed: int = 0
    taxa: bool = True
    paper: bool = False
    source: str | None = None


def evaluate_retrieval(
    config: RetrievalConfig, progress: Progress = lambda stage, done, total: None
) -> dict[str, Any]:
    """Rank, measure and write `results.json`, `.csv`, `.md`, `report.html` and `ranks.npz`.

    Returns:
        What `results.json` holds: `facts`, `results`, `summary`, `hubness`, `error_split`.

    Raises:
        InputError: Unknown space, direction or column; too few rows; rows that are both reported and
            chosen on.
    """
    begun = time.monotonic()
    for space in config.spaces:
        if space not in BASE_SPACES:
            raise InputError(f"--space {space!r} is unknown; known: {', '.join(BASE_SPACES)}.")
    if config.rows < 2:
        raise InputError(f"--rows is {config.rows}; at least two are needed.")
    model = open_evaluated(config)
    names = model.modalities if model else NAMES
    whole = read_eval(config.data, names, model.width if model else None, species=config.species)
    data = _sample(whole.reported, config.rows, config.seed)
    if len(data) < 2:
        raise InputError(f"{config.data} has {len(data)} row to evaluate; at least two are needed.")
    asked = pairs(names, config.directions, config.every)
    val = _other(config.validation, "val", whole, data, names, model, config, "validation")
    train = _other(config.train, "train", whole, data, names, model, config, "training")
    weights, chosen_on = _weights(model, val, asked, config)
    corrections = _corrections(model, val, train, weights, names, config)
    baseline = Ridge(train, val) if train is not None and val is not None else None
    full = model if set(config.spaces) - {"encoder"} else None
    tokens = prepare(full, data.x, data.present) if full else None
    progress("rank", 0, None)
    scored = score(
        data, model, asked, spaces=config.spaces, weights=weights, ridge=baseline, bank=train,
        corrections=corrections[0] if train is not None else (), taxa=config.taxa, tokens=tokens,
        progress=progress,
    )  # fmt: skip
    givens = dict.fromkeys(
        [(m,) for m in names if m != "text"] + [g for g in _ZERO_SHOT if set(g) <= set(names)]
        + [g for g, t in asked if "text" not in g]
    )  # fmt: skip
    deltas = choose_deltas(val, full, list(givens)) if full and val is not None else {}
    named = zero_shot(
        data,
        full,
        list(givens),
        weights=lambda g, t: Weights(deltas.get(g, weights(g, t).delta)),
        ridge=baseline,
        tokens=tokens,
    )
    scored += [s for s in named if s.space in (*config.spaces, "ridge")]
    progress("error split", 0, None)
    lost = error_split(data, full, asked, weights, config.seed, tokens) if full else []
    facts = describe(data, model, config.seed) | {
        "source": config.source or str(config.data),
        "weights": chosen_on,
        "validation": None if val is None else f"{val.source} ({len(val):,} rows)",
        "train": None if train is None else f"{train.source} ({len(train):,} rows)",
        "ridge_penalties": sorted(set(baseline.penalty.values())) if baseline else None,
        "error_split": lost,
        "hubness": corrections[1],
        "seconds": round(time.monotonic() - begun, 1),
    }
    config.out.mkdir(parents=True, exist_ok=True)
    raw.save(config.out / "ranks.npz", scored, facts)
    return redraw(config.out, progress)


def redraw(folder: Path, progress: Progress = lambda stage, done, total: None) -> dict[str, Any]:
    """Compute every table and picture anew from the stored ranks in `folder`."""
    scored, facts = raw.load(folder / "ranks.npz")
    progress("intervals", 0, None)
    found = records(scored, int(facts["seed"]))
    results = {
        "facts": {k: v for k, v in facts.items() if k not in ("error_split", "hubness")},
        "summary": summary(found),
        "results": found,
        "hubness": {"validation": facts["hubness"], "test": _hub_table(found)},
        "error_split": facts["error_split"],
    }
    write_results(folder, results, scored)
    return results


def open_evaluated(config: Any) -> Model | None:
    """The model to evaluate: as named, a bundle's own, or none."""
    if config.model is not None:
        return Model.open(config.model, hub=config.hub, device=config.device)
    if (config.data / NAME).is_file():
        from prom3e_index.search.run import Bundle

        return Bundle.open(config.data).model(hub=config.hub, device=config.device)
    return None


def _sample(data: EvalSet, most: int, seed: int) -> EvalSet:
    if len(data) <= most:
        return data
    return data.rows(np.sort(np.random.default_rng(seed).choice(len(data), most, replace=False)))


def _other(
    path: Path | None,
    split: str,
    whole: EvalSet,
    data: EvalSet,
    names: Sequence[str],
    model: Model | None,
    config: RetrievalConfig,
    what: str,
) -> EvalSet | None:
    """Validation or training rows: of their own file, else a split of the data's; never the reported."""
    if path is None:
        return whole.split(split)
    found = read_eval(path, names, model.width if model else None, species=config.species)
    found = found.split(split) or found
    refuse_overlap(data, found, f"The reported and the {what} rows")
    return found


def _weights(
    model: Model | None, val: EvalSet | None, asked: Sequence[Pair], config: RetrievalConfig
) -> tuple[Callable[[tuple[str, ...], str], Weights], str]:
    """δ, γ, ε of each direction, and where they come from."""
    if model is None or not set(config.spaces) & {"hybrid", "reconstructed"}:
        return lambda g, t: Weights(), "not used"
    own = model

    def of_model(given: tuple[str, ...], target: str) -> Weights:
        w = own.weights(given, target)
        if config.paper:
            return Weights(w.delta, 0.0, 0.0)
        return replace(w, epsilon=own.weights((), target).epsilon)

    if val is None:
        return of_model, "the model's own" + (", γ = ε = 0" if config.paper else "")
    species = None if val.species is None else np.asarray(val.columns["species"]).astype(str)
    sets = list(dict.fromkeys(g for g, _ in asked))
    every = list(tuning_directions(own, val.x, val.present, species, givens=sets))
    chosen = choose(every, delta_only=config.paper)

    def of_validation(given: tuple[str, ...], target: str) -> Weights:
        default = Weights(*chosen.default, chosen.epsilon.get(target, 0.0))
        return chosen.weights.get((set_key(given, own.modalities), target), default)

    return of_validation, f"{'δ alone ' if config.paper else ''}chosen on {val.source}"


def _corrections(
    model: Model | None,
    val: EvalSet | None,
    train: EvalSet | None,
    weights: Callable[[tuple[str, ...], str], Weights],
    names: Sequence[str],
    config: RetrievalConfig,
) -> tuple[tuple[Correction, ...], list[dict[str, Any]]]:
    """Hub corrections to report, and what validation says of all of them."""
    spaces: list[Space] = [s for s in config.spaces if s in ("encoder", "hybrid")]
    usable = tuple(c for c in CORRECTIONS if c.space in spaces)
    if train is None or val is None:
        return usable, []
    scored = score(
        val, model, pairs(names), spaces=spaces, weights=weights, bank=train, corrections=usable,
        taxa=False,
    )  # fmt: skip
    table = _hub_table(records(scored, config.seed))
    keep = []
    for space in spaces:
        for kind in dict.fromkeys(k for k, _ in METHODS.values()):
            of_kind = [
                t for t in table
                if t["base"] == space and t["method"] in METHODS and METHODS[t["method"]][0] == kind
            ]  # fmt: skip
            if of_kind:
                best = max(of_kind, key=lambda t: float(t["species"] or t["row"] or 0))
                keep += [c for c in usable if (c.space, c.method) == (space, best["method"])]
    for space in spaces:
        rows = [t for t in table if t["base"] == space]
        best = max(rows, key=lambda t: float(t["species"] or t["row"] or 0))
        for t in rows:
            t["best"] = t is best
    return tuple(keep), table


def _hub_table(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
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


def describe(data: EvalSet, model: Model | None, seed: int) -> dict[str, Any]:
    """What every table states: rows, model, seed, versions, machine."""
    have: dict[str, str] = {}
    for name in _VERSIONS:
        try:
            have[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "data": data.source,
        "data_fingerprint": data.fingerprint,
        "rows": len(data),
        "rows_in_source": data.of,
        "observed": {m: int(data.present[:, i].sum()) for i, m in enumerate(data.modalities)},
        "modalities": list(data.modalities),
        "species_column": data.species,
        "model": model.name if model else None,
        "model_fingerprint": model.mvae_fingerprint if model and model.mvae_source else None,
        "seed": seed,
        "program": f"prom3e-index {prom3e_index.__version__}",
        "versions": have,
        "machine": f"Python {platform.python_version()}, {platform.platform()}",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
    }


__all__ = ["RetrievalConfig", "Scored", "evaluate_retrieval", "redraw"]
