"""Linear probes: how much a linear model reads from each representation, beside honest baselines."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import InputError
from prom3e_index.evaluation.data import EvalSet, numbers
from prom3e_index.evaluation.metrics import Resampler, r_squared
from prom3e_index.evaluation.opened import EvaluationConfig, describe, open_evaluated
from prom3e_index.evaluation.pages.output import DASH, number, table
from prom3e_index.evaluation.probe.fitting import TASKS, Task, constant, coordinates, fit
from prom3e_index.evaluation.probe.representations import REPRESENTATIONS, represent
from prom3e_index.evaluation.probe.splits import inner_split, split_rows
from prom3e_index.evaluation.ranking import Right, expected_ranks
from prom3e_index.evaluation.sources import read_eval
from prom3e_index.models.folder import Model
from prom3e_index.schema import modality_name
from prom3e_index.show.escapes import json_text
from prom3e_index.show.files import write_text

Floats = NDArray[np.float32]
CUTS = (1, 5, 10)
MOST = 100_000
LEAST = 5
"""Training rows, of which a fifth chooses the ridge's strength."""


@dataclass(frozen=True, kw_only=True)
class ProbeConfig(EvaluationConfig):
    """How representations are probed.

    Attributes:
        labels: Columns to predict.
        task: `classification`, `regression`, or `single-positive` (one known label of several that may
            hold, trained with the assume-negative loss).
        given: Visible modalities; those with an encoder that at least half of the rows have, when empty.
        representations: Of `REPRESENTATIONS`; all that the model has when empty.
        split: `random`, `site` (cells of one degree), or a column with `train` and `test`; the column
            `split` when the data have it and this is None, else `random`.
        rows: At most this many rows, drawn with `seed`.
    """

    labels: tuple[str, ...]
    task: Task
    given: tuple[str, ...] = ()
    representations: tuple[str, ...] = ()
    split: str | None = None
    rows: int = MOST


def evaluate_probe(
    config: ProbeConfig, progress: Callable[[str, int, int | None], None] = lambda s, d, t: None
) -> dict[str, Any]:
    """Fit and test a linear model per label and representation; write `probe.json` and `probe.md`.

    Features are standardised with the training rows' mean and deviation. The strength of the ridge is
    chosen by inner validation: a fifth of the training rows, drawn by the same rule as the test rows.

    Returns:
        `facts` and `results`, a record per label and representation: `label`, `task`, `representation`,
        `given`, `width`, `train`, `test`, `classes`; `r2` or `top-1`, `top-5`, `top-10` with
        `interval` (bootstrap over test rows); `penalty`, `seconds`, and `per_class`.

    Raises:
        InputError: Unknown task, label, representation or split; fewer than ten labelled rows or five to
            train on, fewer than two classes, or a label that is no number.

    Source: ProM3E, supplement 4.1, tables 5 to 8.
    """
    if config.task not in TASKS:
        raise InputError(f"--task {config.task!r} is unknown; known: {', '.join(TASKS)}.")
    if not config.labels:
        raise InputError("Give at least one --labels column.")
    model = open_evaluated(config)
    if model is None:
        raise InputError("Give --model: a probe needs to know which model made the embeddings.")
    data = read_eval(config.data, model.modalities, model.width, most=config.rows, seed=config.seed)
    named = dict.fromkeys(modality_name(g, model.modalities) for g in config.given)
    given = tuple(named) or tuple(m for m in model.modalities if data.has((m,)).mean() >= 0.5)
    if not given:
        raise InputError(f"No modality is there in half of {data.source}'s rows; give --given.")
    data = data.rows(data.has(given))
    names = config.representations or (
        REPRESENTATIONS if model.mvae_source is not None else ("encoder",)
    )
    results = []
    for i, label in enumerate(config.labels):
        results += _probe_label(config, model, data, given, names, label)
        progress("probe", i + 1, len(config.labels))
    facts = describe(data, model, config) | {
        "task": config.task,
        "given": list(given),
    }
    config.out.mkdir(parents=True, exist_ok=True)
    out = {"facts": facts, "results": results}
    write_text(config.out / "probe.json", json_text(out, indent=1) + "\n")
    write_text(config.out / "probe.md", markdown(out))
    return out


def _probe_label(
    config: ProbeConfig,
    model: Model,
    data: EvalSet,
    given: tuple[str, ...],
    names: Sequence[str],
    label: str,
) -> list[dict[str, Any]]:
    regression = config.task == "regression"
    if regression:
        values: NDArray[Any] = numbers(data.column(label))
        known = np.isfinite(values)
    else:
        values = data.codes(label)
        known = values >= 0
    rows = data.rows(known)
    if len(rows) < 10:
        raise InputError(
            f"{data.source}: {int(known.sum())} rows have {label!r} "
            f"{'as a number ' if regression else ''}and {'+'.join(given)}; at least ten are needed."
        )
    train, test = split_rows(rows, config.split, config.seed)
    if len(train) < LEAST:
        raise InputError(
            f"{data.source}: {len(train)} of the rows with {label!r} are to train on; at least {LEAST} are "
            "needed."
        )
    classes, y = (
        (None, values[known]) if regression else np.unique(values[known], return_inverse=True)
    )
    if classes is not None and len(np.unique(y[train])) < 2:
        raise InputError(f"{label!r} has fewer than two classes among the training rows.")
    texts = None if regression else [str(v).strip() for v in rows.column(label)]
    features: dict[str, Callable[[], Floats]] = {}
    if {"latitude", "longitude"} <= rows.columns.keys():
        features["coordinates"] = lambda: coordinates(rows)
    for name in names:
        features[name] = lambda name=name: represent(model, rows.x, given, name)  # type: ignore[misc]
    texts_of_test = None if texts is None else np.array([texts[i] for i in test])

    def record(
        name: str,
        given: tuple[str, ...],
        width: int,
        scores: NDArray[Any],
        penalty: float | None = None,
        seconds: float = 0.0,
    ) -> dict[str, Any]:
        return {
            "label": label,
            "task": config.task,
            "representation": name,
            "given": list(given),
            "width": width,
            "train": len(train),
            "test": len(test),
            "penalty": penalty,
            "seconds": round(seconds, 2),
        } | _measured(scores, y[test], classes, texts_of_test, config.seed)

    baseline = "mean" if regression else "most frequent"
    out = [record(baseline, (), 0, constant(y[train], len(test), classes))]
    inner = inner_split(rows, config.split, config.seed + 1, train)
    for name, make in features.items():
        begun = time.monotonic()
        x = make()
        width = x.shape[1]
        scores, penalty = fit(
            x, y, train, test, inner, config.task, None if classes is None else len(classes)
        )
        shown = () if name == "coordinates" else given
        out.append(record(name, shown, width, scores, penalty, time.monotonic() - begun))
        del x
    return out


def _measured(
    scores: NDArray[Any],
    truth: NDArray[Any],
    classes: NDArray[Any] | None,
    texts: NDArray[Any] | None,
    seed: int,
) -> dict[str, Any]:
    """R² of values, or top-k of scores (t, c) against the class of each test row, with its interval."""
    if classes is None:
        return {"r2": r_squared(truth, scores), "interval": _r2_interval(truth, scores, seed)}
    rank = expected_ranks(scores, Right.rows(truth))
    ((low, high),) = Resampler(seed).intervals((rank <= 1)[:, None])
    out: dict[str, Any] = {f"top-{k}": float((rank <= k).mean()) for k in CUTS}
    out |= {"interval": [float(low), float(high)], "classes": len(classes)}
    if texts is not None:
        out["per_class"] = {
            str(t): {
                "support": int((texts == t).sum()),
                "top-1": float((rank[texts == t] <= 1).mean()),
            }
            for t in np.unique(texts)
        }
    return out


def _r2_interval(
    truth: NDArray[Any], told: NDArray[Any], seed: int, draws: int = 1000
) -> list[float]:
    """Percentile bootstrap interval of R² over test rows."""
    rng = np.random.default_rng(seed)
    n = len(truth)
    found = [r_squared(truth[i], told[i]) for i in (rng.integers(0, n, n) for _ in range(draws))]
    return [float(v) for v in np.quantile(found, [0.025, 0.975])]


def markdown(out: dict[str, Any]) -> str:
    """The results as Markdown, a table per label; also what the screen shows."""
    f = out["facts"]
    parts = [
        f"# Probe\n\n{f['source']}: {f['rows']:,} rows with {'+'.join(f['given'])}; model {f['model']}; seed "
        f"{f['seed']}; {f['program']}. 95 % bootstrap intervals over test rows.\n"
    ]
    for label in dict.fromkeys(r["label"] for r in out["results"]):
        mine = [r for r in out["results"] if r["label"] == label]
        keys = ["r2"] if "r2" in mine[0] else [f"top-{k}" for k in CUTS]
        rows = [
            [r["representation"], str(r["width"]), f"{r['train']:,} / {r['test']:,}",
             *(number(r[k]) for k in keys), f"[{number(r['interval'][0])}, {number(r['interval'][1])}]",
             DASH if r["penalty"] is None else f"{r['penalty']:g}", f"{r['seconds']:.1f}"]
            for r in mine
        ]  # fmt: skip
        classes = f", {mine[0]['classes']} classes" if "classes" in mine[0] else ""
        head = ["representation", "width", "train / test", *keys, "interval", "penalty", "s"]
        parts.append(f"## {label}{classes}\n\n{table(head, rows)}")
    return "\n".join(parts)
