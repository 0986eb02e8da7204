"""One evaluation of retrieval, from its settings to its files."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prom3e_index.errors import InputError
from prom3e_index.evaluation.data import EvalSet
from prom3e_index.evaluation.directions import Pair, pairs
from prom3e_index.evaluation.opened import EvaluationConfig, describe, open_evaluated
from prom3e_index.evaluation.overlap import refuse_overlap
from prom3e_index.evaluation.pages.write import write_results
from prom3e_index.evaluation.retrieval import stored_ranks
from prom3e_index.evaluation.retrieval.choice import chosen_corrections, chosen_weights, joins_of
from prom3e_index.evaluation.retrieval.classify import choose_deltas, zero_shot
from prom3e_index.evaluation.retrieval.error_split import error_split
from prom3e_index.evaluation.retrieval.records import hub_table, records, summary
from prom3e_index.evaluation.retrieval.ridge import Ridge
from prom3e_index.evaluation.retrieval.scoring import BASE_SPACES, Progress, score
from prom3e_index.evaluation.seen_rows import SeenRows, refuse_seen
from prom3e_index.evaluation.sources import MOST_ROWS, Source, open_source
from prom3e_index.models.folder import Model, Weights
from prom3e_index.mvae.completion import prepare
from prom3e_index.schema import NAMES
from prom3e_index.search.score import Space

MOST_TRAINING = 100_000
"""Training rows of the ridge baseline: 1.2 GB at the default width."""
_ZERO_SHOT = (("image",), *(("image", m) for m in ("sat", "loc", "env", "audio")))


@dataclass(frozen=True, kw_only=True)
class RetrievalConfig(EvaluationConfig):
    """How retrieval is evaluated; without a model only the encoder space is.

    Attributes:
        validation: Rows on which δ, γ, ε, the ridge penalty and the hub correction are chosen; the split
            `val` of the data when None.
        train: Rows for ridge and hub bank; the split `train` when None.
        species: Column that labels the species.
        directions: Further ones, `image+sat→text`.
        every: All visible sets.
        spaces: Of `BASE_SPACES`.
        rows: At most this many rows, drawn with `seed`.
        taxa: Also match by genus, family and order.
        paper: γ = ε = 0, the paper's formula, with δ chosen alone.
    """

    validation: Path | None = None
    train: Path | None = None
    species: str | None = None
    directions: tuple[str, ...] = ()
    every: bool = False
    spaces: tuple[Space, ...] = BASE_SPACES
    rows: int = MOST_ROWS
    taxa: bool = True
    paper: bool = False

    def check(self, model: Model | None) -> list[Pair]:
        """Refuse settings that no data can meet; give the directions to evaluate."""
        for space in self.spaces:
            if space not in BASE_SPACES:
                raise InputError(f"--space {space!r} is unknown; known: {', '.join(BASE_SPACES)}.")
        if self.rows < 2:
            raise InputError(f"--rows is {self.rows}; at least two are needed.")
        for path in (self.validation, self.train):
            if path is not None and not path.exists():
                raise InputError(f"{path} is not there.")
        return pairs(model.modalities if model else NAMES, self.directions, self.every)


def evaluate_retrieval(
    config: RetrievalConfig, progress: Progress = lambda stage, done, total: None
) -> dict[str, Any]:
    """Rank, measure and write `results.json`, `.csv`, `.md`, `report.html` and `ranks.npz`.

    Returns:
        What `results.json` holds: `facts`, `results`, `summary`, `hubness`, `error_split`.

    Raises:
        InputError: Unknown space, direction or column; too few rows; rows that are reported and were trained or
            chosen on, unless `allow_seen`.
    """
    begun = time.monotonic()
    model = open_evaluated(config)
    asked = config.check(model)
    names = model.modalities if model else NAMES
    whole = open_source(config.data, names, model.width if model else None, config.species)
    data = whole.reported(config.rows, config.seed)
    if len(data) < 2:
        raise InputError(f"{config.data} has {len(data)} row to evaluate; at least two are needed.")
    full = model if set(config.spaces) - {"encoder"} else None
    rows = SeenRows(data)
    if model is not None:
        rows.of_model(model, mvae=full is not None)
    train = _other(config.train, "train", MOST_TRAINING, whole, data, model, config, rows)
    val = _other(config.validation, "val", MOST_ROWS, whole, data, model, config, rows)
    seen = rows.facts()
    refuse_seen(seen, config.allow_seen)
    weights, chosen_on = chosen_weights(model, val, asked, config.spaces, config.paper)
    joins = joins_of(model, val, config.paper)
    corrections = chosen_corrections(model, val, train, weights, config.spaces, config.seed)
    baseline = Ridge(train, val) if train is not None and val is not None else None
    tokens = prepare(full, data.x, data.present) if full else None
    progress("rank", 0, None)
    scored = score(
        data, model, asked, spaces=config.spaces, weights=weights, ridge=baseline, bank=train,
        corrections=corrections[0], taxa=config.taxa, tokens=tokens, joins=joins, progress=progress,
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
    lost = error_split(data, full, asked, weights, config.seed, tokens, joins) if full else []
    facts = describe(data, model, config, whole.species) | {
        "weights": chosen_on,
        "validation": None if val is None else f"{val.source} ({len(val):,} rows)",
        "train": None if train is None else f"{train.source} ({len(train):,} rows)",
        "ridge_penalties": sorted(set(baseline.penalty.values())) if baseline else None,
        "seen": seen,
        "split_unused": whole.unused(),
        "error_split": lost,
        "hubness": corrections[1],
        "seconds": round(time.monotonic() - begun, 1),
    }
    config.out.mkdir(parents=True, exist_ok=True)
    stored_ranks.save(config.out / "ranks.npz", scored, facts)
    return redraw(config.out, progress)


def redraw(folder: Path, progress: Progress = lambda stage, done, total: None) -> dict[str, Any]:
    """Compute every table and picture anew from the stored ranks in `folder`."""
    scored, facts = stored_ranks.load(folder / "ranks.npz")
    progress("intervals", 0, None)
    found = records(scored, int(facts["seed"]))
    results = {
        "facts": {k: v for k, v in facts.items() if k not in ("error_split", "hubness")},
        "summary": summary(found),
        "results": found,
        "hubness": {"validation": facts["hubness"], "test": hub_table(found)},
        "error_split": facts["error_split"],
    }
    write_results(folder, results, scored)
    return results


def _other(
    path: Path | None,
    split: str,
    most: int,
    whole: Source,
    data: EvalSet,
    model: Model | None,
    config: RetrievalConfig,
    rows: SeenRows,
) -> EvalSet | None:
    """Validation or training rows: of their own file, else a split of the data's; never the reported."""
    what = {"val": "validation", "train": "training"}[split]
    found, part = whole, split if path is None else None
    if path is not None:
        found = open_source(path, whole.modalities, model.width if model else None, config.species)
        part = split if len(found.chosen(split)) else None
        if not config.allow_seen:
            refuse_overlap(data, found, part, f"The reported and the {what} rows")
    if not len(found.chosen(part)):
        return None
    rows.of_source(f"the {what} rows of {found.path.name}", found, part)
    return found.take(part, most)
