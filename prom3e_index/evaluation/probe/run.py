"""Linear probes: how much a linear model reads from each representation, beside honest baselines."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import InputError
from prom3e_index.evaluation.data import EvalSet
from prom3e_index.evaluation.metrics import Resampler, r_squared, recall_at
from prom3e_index.evaluation.opened import EvaluationConfig, describe, open_evaluated
from prom3e_index.evaluation.pages.output import DASH, number, table
from prom3e_index.evaluation.pages.said import said_markdown
from prom3e_index.evaluation.probe.fitting import TASKS, Task, constant, coordinates, fit
from prom3e_index.evaluation.probe.labels import Cut, Labelled, labelled
from prom3e_index.evaluation.probe.representations import (
    REPRESENTATIONS,
    known_representation,
    represent,
)
from prom3e_index.evaluation.probe.splits import usual_splits
from prom3e_index.evaluation.ranking import Right, first_right
from prom3e_index.evaluation.seen_rows import SeenRows, refuse_seen, seen_in
from prom3e_index.evaluation.sources import read_eval
from prom3e_index.models.folder import Model
from prom3e_index.schema import modality_name
from prom3e_index.show.escapes import json_text, markdown_cell
from prom3e_index.show.files import write_text

Floats = NDArray[np.float32]
CUTS = (1, 5, 10)
MOST = 100_000
_BLOCK = 8192


@dataclass(frozen=True, kw_only=True)
class ProbeConfig(EvaluationConfig):
    """How representations are probed.

    Attributes:
        labels: Columns to predict.
        task: `classification`, `regression`, or `single-positive` (one known label of several that may
            hold, trained with the assume-negative loss).
        given: Visible modalities; those with an encoder that at least half of the rows have, when empty.
        representations: Of `REPRESENTATIONS`; all that the model has when empty.
        split: `random`, `site` (cells of one degree), or a column with `train` and `test`; `usual_splits` when None.
        rows: At most this many rows, drawn with `seed`.
    """

    labels: tuple[str, ...]
    task: Task
    given: tuple[str, ...] = ()
    representations: tuple[str, ...] = ()
    split: str | None = None
    rows: int = MOST

    def check(self, model: Model | None) -> tuple[Model, tuple[str, ...]]:
        """Refuse settings that no data can meet; give the model and the modalities that are named as visible."""
        if self.task not in TASKS:
            raise InputError(f"--task {self.task!r} is unknown; known: {', '.join(TASKS)}.")
        if not self.labels:
            raise InputError("Give at least one --labels column.")
        if model is None:
            raise InputError("Give --model: a probe needs to know which model made the embeddings.")
        for name in self.representations:
            known_representation(model, name)
        named = dict.fromkeys(modality_name(g, model.modalities) for g in self.given)
        return model, tuple(named)


def evaluate_probe(
    config: ProbeConfig, progress: Callable[[str, int, int | None], None] = lambda s, d, t: None
) -> dict[str, Any]:
    """Fit and test a linear model per label, split and representation; write `probe.json` and `probe.md`.

    Features are standardised with the training rows' mean and deviation. The strength of the ridge is
    chosen by inner validation: a fifth of the training rows, drawn by the same rule as the test rows.

    Returns:
        `facts` and `results`, a record per label, split and representation: `label`, `task`, `split`,
        `representation`, `given`, `width`, `train`, `test`, `classes`; `r2` or `top-1`, `top-5`, `top-10` with
        `interval` (bootstrap over test rows, over whole sites where `split` is `site`); `same_site`: test rows whose
        site was trained on, None without places; `untrained`: test rows of a class without training rows; `penalty`,
        `seconds`, and `per_class`.

    Raises:
        InputError: Unknown task, label, representation or split; fewer than ten labelled rows or five to
            train on, fewer than two classes, or a label that is no number; test rows that were trained on or share a
            given photo or sound with training rows, unless `allow_seen`.

    Source: ProM3E, supplement 4.1, tables 5 to 8.
    """
    model, named = config.check(open_evaluated(config))
    data = read_eval(config.data, model.modalities, model.width, most=config.rows, seed=config.seed)
    given = named or tuple(m for m in model.modalities if data.has((m,)).mean() >= 0.5)
    if not given:
        raise InputError(f"No modality is there in half of {data.source}'s rows; give --given.")
    data = data.rows(data.has(given))
    names = config.representations or (
        REPRESENTATIONS if model.mvae_source is not None else ("encoder",)
    )
    splits, why = ((config.split,), "") if config.split else usual_splits(data)
    asked, notes = [], [why] if why else []
    for label in config.labels:
        asked.append(labelled(data, label, config.task, given))
        notes += asked[-1].cut(splits, config.seed)
    seen = _seen(data, asked, given, model, bool(set(names) - {"encoder"}))
    refuse_seen(seen, config.allow_seen)
    results = []
    for i, one in enumerate(asked):
        results += _probe_label(config, model, one, given, names)
        progress("probe", i + 1, len(asked))
    facts = describe(data, model, config) | {
        "task": config.task,
        "given": list(given),
        "splits": list(splits),
        "notes": notes,
        "seen": seen,
    }
    config.out.mkdir(parents=True, exist_ok=True)
    out = {"facts": facts, "results": results}
    write_text(config.out / "probe.json", json_text(out, indent=1) + "\n")
    write_text(config.out / "probe.md", markdown(out))
    return out


def _seen(
    data: EvalSet, asked: Sequence[Labelled], given: tuple[str, ...], model: Model, mvae: bool
) -> dict[str, Any]:
    """Test rows beside what the model was trained on, and each beside the rows that its probe is trained on.

    Of the probe only what is given counts: a photo that is not shown tells a linear model nothing.
    """
    reported = np.zeros(len(data), bool)
    for one in asked:
        for cut in one.cuts:
            reported[one.at[cut.test]] = True
    seen = SeenRows(data, reported)
    seen.of_model(model, mvae=mvae)
    done = set()
    shown = data.present & np.isin(data.modalities, given)
    for one in asked:
        for cut in one.cuts:
            train, test = one.at[cut.train], one.at[cut.test]
            if (train.tobytes(), test.tobytes()) in done:
                continue
            done.add((train.tobytes(), test.tobytes()))
            parts = (train[i : i + _BLOCK] for i in range(0, len(train), _BLOCK))
            seen.against(
                "the rows that the probe is trained on",
                seen_in(((data.x[p], shown[p]) for p in parts), data.modalities),
                rows=test, modalities=given, whole_rows=False,
            )  # fmt: skip
    return seen.facts()


def _probe_label(
    config: ProbeConfig,
    model: Model,
    one: Labelled,
    given: tuple[str, ...],
    names: Sequence[str],
) -> list[dict[str, Any]]:
    rows, y, classes = one.rows, one.y, one.classes
    features: dict[str, Callable[[], Floats]] = {}
    if {"latitude", "longitude"} <= rows.columns.keys():
        features["coordinates"] = lambda: coordinates(rows)
    for name in names:
        features[name] = lambda name=name: represent(model, rows.x, given, name)  # type: ignore[misc]

    def record(
        cut: Cut, name: str, given: tuple[str, ...], width: int, scores: NDArray[Any],
        penalty: float | None = None, seconds: float = 0.0,
    ) -> dict[str, Any]:  # fmt: skip
        return {
            "label": one.label,
            "task": config.task,
            "split": cut.split,
            "representation": name,
            "given": list(given),
            "width": width,
            "train": len(cut.train),
            "test": len(cut.test),
            "same_site": cut.same_site,
            "untrained": one.untrained(cut),
            "penalty": penalty,
            "seconds": round(seconds, 2),
        } | _measured(scores, y[cut.test], classes, one.texts(cut), config.seed, cut.sites)

    baseline = "mean" if classes is None else "most frequent"
    count = None if classes is None else len(classes)
    out = [
        [record(cut, baseline, (), 0, constant(y[cut.train], len(cut.test), classes))]
        for cut in one.cuts
    ]
    for name, make in features.items():
        begun = time.monotonic()
        x = make()
        made = time.monotonic() - begun
        for cut, records in zip(one.cuts, out, strict=True):
            begun = time.monotonic()
            mine = x if cut is one.cuts[-1] else x.copy()  # it is standardised in place
            scores, penalty = fit(mine, y, cut.train, cut.test, cut.inner, config.task, count)
            shown = () if name == "coordinates" else given
            spent = made + time.monotonic() - begun
            records.append(record(cut, name, shown, x.shape[1], scores, penalty, spent))
        del x, mine
    return [r for of_split in out for r in of_split]


def _measured(
    scores: NDArray[Any],
    truth: NDArray[Any],
    classes: NDArray[Any] | None,
    texts: NDArray[Any] | None,
    seed: int,
    sites: NDArray[np.int64] | None,
) -> dict[str, Any]:
    """R² of values, or top-k of scores (t, c) against the class of each test row, with its interval."""
    if classes is None:
        return {
            "r2": r_squared(truth, scores),
            "interval": _interval(
                lambda i: r_squared(truth[i], scores[i]), len(truth), seed, sites
            ),
        }
    first = first_right(scores, Right.rows(truth))
    top = first.recall(1)
    if sites is None:
        interval = [float(v) for v in Resampler(seed).intervals(top[:, None])[0]]
    else:
        interval = _interval(lambda i: float(top[i].mean()), len(top), seed, sites)
    out: dict[str, Any] = {f"top-{k}": recall_at(first, k) for k in CUTS}
    out |= {"interval": interval, "classes": len(classes)}
    if texts is not None:
        out["per_class"] = {
            str(t): {
                "support": int((texts == t).sum()),
                "top-1": float(top[texts == t].mean()),
            }
            for t in np.unique(texts)
        }
    return out


def _interval(
    measure: Callable[[NDArray[np.int64]], float],
    n: int,
    seed: int,
    sites: NDArray[np.int64] | None,
    draws: int = 1000,
) -> list[float]:
    """Percentile bootstrap interval over test rows; over whole sites where they are given, for their rows are alike."""
    rng = np.random.default_rng(seed)
    if sites is None:
        found = [measure(rng.integers(0, n, n)) for _ in range(draws)]
    else:
        order = np.argsort(sites, kind="stable")
        of = np.split(order, np.flatnonzero(np.diff(sites[order])) + 1)
        drawn = (rng.integers(0, len(of), len(of)) for _ in range(draws))
        found = [measure(np.concatenate([of[i] for i in places])) for places in drawn]
    return [float(v) for v in np.quantile(found, [0.025, 0.975])]


def markdown(out: dict[str, Any]) -> str:
    """The results as Markdown, a table per label and split; also what the screen shows."""
    f = out["facts"]
    notes = "".join(f"- {markdown_cell(n)}\n" for n in f["notes"])
    parts = [
        f"# Probe\n\n{f['source']}: {f['rows']:,} rows with {'+'.join(f['given'])}; model {f['model']}; seed "
        f"{f['seed']}; {f['program']}. 95 % bootstrap intervals over test rows, of split site over whole sites.\n\n"
        f"{said_markdown(f, species=False)}{notes}"
    ]
    for label, split in dict.fromkeys((r["label"], r["split"]) for r in out["results"]):
        mine = [r for r in out["results"] if (r["label"], r["split"]) == (label, split)]
        keys = ["r2"] if "r2" in mine[0] else [f"top-{k}" for k in CUTS]
        rows = [
            [r["representation"], str(r["width"]), f"{r['train']:,} / {r['test']:,}",
             *(number(r[k]) for k in keys), f"[{number(r['interval'][0])}, {number(r['interval'][1])}]",
             DASH if r["penalty"] is None else f"{r['penalty']:g}", f"{r['seconds']:.1f}"]
            for r in mine
        ]  # fmt: skip
        head = ["representation", "width", "train / test", *keys, "interval", "penalty", "s"]
        parts.append(f"## {markdown_cell(label)}, {_cut_words(mine[0])}\n\n{table(head, rows)}")
    return "\n".join(parts)


def _cut_words(r: dict[str, Any]) -> str:
    words = f"{r['classes']} classes, " if "classes" in r else ""
    words += f"split {markdown_cell(r['split'])}"
    if r["same_site"] is not None:
        words += (
            f": {r['same_site']:,} of {r['test']:,} test rows are on a site that was trained on"
        )
    if r["untrained"]:
        words += f"; {r['untrained']:,} are of a class that was not"
    return words
