"""One evaluation of uncertainty: what tells wrong answers and errors; what ‖σ‖₁ says of sets, gaps and places."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from prom3e_index.errors import InputError
from prom3e_index.evaluation.data import EvalSet
from prom3e_index.evaluation.opened import EvaluationConfig, describe, open_evaluated
from prom3e_index.evaluation.seen_rows import SeenRows, refuse_seen
from prom3e_index.evaluation.sources import open_source
from prom3e_index.evaluation.uncertainty.adding_modalities import advice_record
from prom3e_index.evaluation.uncertainty.asked import ask, rule_of
from prom3e_index.evaluation.uncertainty.diversity import diversity
from prom3e_index.evaluation.uncertainty.foretold import foretell
from prom3e_index.evaluation.uncertainty.measures import (
    adding,
    agreement,
    alone,
    by_pair,
    by_set,
    extremes,
    gap,
    over_rows,
)
from prom3e_index.evaluation.uncertainty.side_by_side import (
    answers_facts,
    direction_records,
    expected_error_record,
    set_records,
    signal_records,
)
from prom3e_index.models.folder import Model
from prom3e_index.mvae.completion import prepare
from prom3e_index.show.escapes import json_text
from prom3e_index.show.files import write_text

MOST = 3000


@dataclass(frozen=True, kw_only=True)
class UncertaintyConfig(EvaluationConfig):
    """How uncertainty is evaluated.

    Attributes:
        species: Column that labels the species.
        rows: At most this many rows, drawn with `seed`.
        pictures: Also draw embeddings (`umap` or `pca`); None leaves them out.
    """

    species: str | None = None
    rows: int = MOST
    pictures: str | None = "umap"

    def check(self, model: Model | None) -> Model:
        """Refuse settings that no data can meet; give the model."""
        if self.pictures not in (None, "umap", "pca"):
            raise InputError(f"--pictures is {self.pictures!r}; known: umap, pca, none.")
        if self.rows < 20:
            raise InputError(f"--rows is {self.rows}; at least twenty are needed.")
        if model is None or model.mvae_source is None:
            raise InputError("Uncertainty is the MVAE's; give --model with one.")
        return model


def evaluate_uncertainty(
    config: UncertaintyConfig,
    progress: Callable[[str, int, int | None], None] = lambda s, d, t: None,
) -> dict[str, Any]:
    """Measure and write `uncertainty.json`, `uncertainty.csv` and `uncertainty.html`.

    Returns:
        `facts`; `answers`, what was asked; `own`: see `own_calibration`; `signals`, `directions`, `species_sets`,
        `expected_error`: see `side_by_side`; `advice`: see `adding_modalities`; `diversity`: see there; `sets`,
        `over_sets`, `over_rows`, `adding`, `pairs`, `pairs_agreement`, `extremes`, `gap`: see `measures`.

    Raises:
        InputError: No model, one without an MVAE, fewer than 20 rows, or rows that were trained or chosen on, unless
            `allow_seen`.

    Source: ProM3E, uncertainty; figures 4 and 7 to 10. What tells a wrong answer: Kirchhof et al., arXiv 2307.03810.
    """
    from prom3e_index.evaluation.pages.signals_words import csv_of
    from prom3e_index.evaluation.pages.uncertainty_page import page

    model = config.check(open_evaluated(config))
    source = open_source(config.data, model.modalities, model.width, config.species)
    data = source.reported(config.rows, config.seed)
    if len(data) < 20:
        raise InputError(
            f"{data.source} has {len(data)} rows to report; at least twenty are needed."
        )
    reported = SeenRows(data)
    reported.of_model(model)
    for split, what in (("train", "training"), ("val", "validation")):
        if len(source.chosen(split)):
            reported.of_source(f"the {what} rows of {source.path.name}", source, split)
    seen = reported.facts()
    refuse_seen(seen, config.allow_seen)
    tokens = prepare(model, data.x, data.present)
    sets, rows = by_set(data, model, tokens, config.seed, progress)
    own = model

    def weights(given: tuple[str, ...], target: str) -> Any:
        return replace(own.weights(given, target), epsilon=own.weights((), target).epsilon)

    asked = ask(data, model, weights, tokens, seed=config.seed, progress=progress)
    progress("signals", 0, None)
    told = foretell(asked, data.modalities, rule_of(data), config.seed)
    found_pairs = by_pair(data, sets)
    directions = direction_records(told, data.modalities)
    out = {
        "facts": describe(data, model, config, source.species)
        | {"sigma_spearman": model.sigma_spearman, "seen": seen, "split_unused": source.unused()},
        "answers": answers_facts(told, data),
        "own": own_calibration(data),
        "signals": signal_records(told, config.seed),
        "directions": directions,
        "species_sets": set_records(told),
        "expected_error": expected_error_record(told),
        "advice": advice_record(told),
        "diversity": diversity(told, data, source, config.seed),
        "sets": sets,
        "over_sets": agreement([s["sigma_l1"] for s in sets if s["error"] is not None],
                               [s["error"] for s in sets if s["error"] is not None]),
        "over_rows": over_rows(rows),
        "adding": adding(sets),
        "pairs": found_pairs,
        "pairs_agreement": agreement([p["sigma_l1"] for p in found_pairs], [p["gap"] for p in found_pairs]),
        "extremes": {m: extremes(data, alone(data, model, m, tokens))
                     for m in ("image", "sat") if m in data.modalities},
        "gap": gap(data, model, tokens),
    }  # fmt: skip
    progress("pictures", 0, None)
    config.out.mkdir(parents=True, exist_ok=True)
    write_text(config.out / "uncertainty.json", json_text(out, indent=1) + "\n")
    write_text(config.out / "uncertainty.csv", csv_of(directions))
    write_text(config.out / "uncertainty.html", page(out, data, model, tokens, config.pictures))
    return out


def own_calibration(data: EvalSet) -> dict[str, Any] | None:
    """What the calibration that an index holds says of itself, out of fold on all its rows; None where data are a file.

    Returns:
        `rule`, `rows`, `answers`, `r_auroc`, `r_auroc_mean`, `ece`; or `reason`, why it has none.
    """
    if data.bundle is None:
        return None
    held = data.bundle.calibration
    if held is None:
        return {"reason": data.bundle.uncalibrated}
    names = ("rows", "answers", "r_auroc", "r_auroc_mean", "ece")
    told = {k: held.quality.get(k) for k in names}  # of a file: anything may stand there
    return {"rule": held.rule} | {
        k: v if isinstance(v, int | float) else None for k, v in told.items()
    }
