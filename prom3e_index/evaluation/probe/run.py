"""Linear probes: how much a linear model reads from each representation, beside honest baselines."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import InputError
from prom3e_index.evaluation.data import EvalSet, numbers
from prom3e_index.evaluation.metrics import Resampler, r_squared
from prom3e_index.evaluation.opened import EvaluationConfig, describe, open_evaluated
from prom3e_index.evaluation.pages.output import DASH, number, plain, table, write_text
from prom3e_index.evaluation.probe.representations import REPRESENTATIONS, represent
from prom3e_index.evaluation.sources import read_eval
from prom3e_index.models.folder import Model
from prom3e_index.schema import modality_name

Floats = NDArray[np.float32]
Task = Literal["classification", "regression", "single-positive"]
TASKS: tuple[Task, ...] = ("classification", "regression", "single-positive")
PENALTIES = (0.1, 1.0, 10.0, 100.0, 1000.0, 10_000.0)
TEST_SHARE = 0.2
CUTS = (1, 5, 10)
_BATCH, _STEPS = 512, 1500
SITE_DEG = 1.0
"""Side of a site, in degrees: rows of one cell are all trained on or all tested."""


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
    """

    labels: tuple[str, ...]
    task: Task
    given: tuple[str, ...] = ()
    representations: tuple[str, ...] = ()
    split: str | None = None


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
        InputError: Unknown task, label, representation or split; fewer than ten labelled rows, fewer than
            two classes, or a label that is no number.

    Source: ProM3E, supplement 4.1, tables 5 to 8.
    """
    if config.task not in TASKS:
        raise InputError(f"--task {config.task!r} is unknown; known: {', '.join(TASKS)}.")
    if not config.labels:
        raise InputError("Give at least one --labels column.")
    model = open_evaluated(config)
    if model is None:
        raise InputError("Give --model: a probe needs to know which model made the embeddings.")
    data = read_eval(config.data, model.modalities, model.width)
    given = tuple(modality_name(g, model.modalities) for g in config.given) or tuple(
        m for m in model.modalities if data.has((m,)).mean() >= 0.5
    )
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
    text = json.dumps(plain(out), ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    write_text(config.out / "probe.json", text)
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
    out = [_record(config, label, "mean" if regression else "most frequent", given, 0, train, test,
                   _constant(y[train], len(test), classes), y[test], classes, texts, test, None, 0.0)]  # fmt: skip
    by_column = config.split not in (None, "random", "site")
    inner = split_rows(rows, "random" if by_column else config.split, config.seed + 1, train)
    for name, make in features.items():
        begun = time.monotonic()
        x = make()
        width = x.shape[1]
        scores, penalty = fit(
            x, y, train, test, inner, config.task, None if classes is None else len(classes)
        )
        out.append(_record(config, label, name, given, width, train, test, scores, y[test], classes,
                           texts, test, penalty, time.monotonic() - begun))  # fmt: skip
        del x
    return out


def split_rows(
    data: EvalSet, split: str | None, seed: int, of: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Training and test rows, ascending, as places in `of` (all rows when None); see `ProbeConfig.split`."""
    from sklearn.model_selection import GroupShuffleSplit, ShuffleSplit

    of = np.arange(len(data)) if of is None else of
    if split is None and "split" in data.columns:
        told = np.asarray(data.columns["split"])[of].astype(str)
        if (told == "train").any() and (told == "test").any():
            return np.flatnonzero(told == "train"), np.flatnonzero(told == "test")
    if split in (None, "random"):
        train, test = next(ShuffleSplit(1, test_size=TEST_SHARE, random_state=seed).split(of))
    elif split == "site":
        place = np.stack([numbers(data.column(c)[of]) for c in ("latitude", "longitude")], axis=1)
        cell = np.where(np.isfinite(place), np.floor(place / SITE_DEG), np.inf)
        site = np.unique(cell, axis=0, return_inverse=True)[1].reshape(-1)
        if site.max() < 1:
            raise InputError(f"{data.source} has one site only; split at random.")
        how = GroupShuffleSplit(1, test_size=TEST_SHARE, random_state=seed)
        train, test = next(how.split(of, groups=site))
    else:
        told = np.asarray(data.column(str(split)))[of].astype(str)
        train, test = np.flatnonzero(told == "train"), np.flatnonzero(told == "test")
        if not len(train) or not len(test):
            raise InputError(f"Column {split!r} has no rows `train` or none `test`.")
    return np.sort(train), np.sort(test)


def coordinates(data: EvalSet) -> Floats:
    """Raw coordinates (n, 5): latitude, longitude in degrees, and the unit vector of the place."""
    latitude, longitude = (numbers(data.columns[c]) for c in ("latitude", "longitude"))
    latitude, longitude = np.nan_to_num(latitude), np.nan_to_num(longitude)
    a, b = np.radians(latitude), np.radians(longitude)
    vector = [np.cos(a) * np.cos(b), np.cos(a) * np.sin(b), np.sin(a)]
    return np.asarray(np.stack([latitude, longitude, *vector], axis=1), np.float32)


def fit(
    x: Floats,
    y: NDArray[Any],
    train: NDArray[np.int64],
    test: NDArray[np.int64],
    inner: tuple[NDArray[np.int64], NDArray[np.int64]],
    task: Task,
    classes: int | None,
) -> tuple[NDArray[Any], float | None]:
    """Predictions for the test rows: values (t,), or scores (t, c); and the ridge's strength.

    `x` is standardised in place with the training rows' mean and deviation.
    """
    mean, deviation = x[train].mean(axis=0), x[train].std(axis=0)
    x -= mean
    x /= np.where(deviation > 1e-8, deviation, 1)
    if task == "single-positive":
        return _assume_negative(x, y, train, test, int(classes or 0)), None
    from sklearn.linear_model import Ridge

    wanted = _one_hot(y, classes) if classes else y.astype(np.float32)
    some, rest = train[inner[0]], train[inner[1]]
    best, chosen = -np.inf, PENALTIES[-1]
    for penalty in PENALTIES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a penalty too small to be stable fails on `rest`
            model = Ridge(alpha=penalty, solver="cholesky", copy_X=False).fit(x[some], wanted[some])
        told = model.predict(x[rest])
        good = (
            float((told.argmax(axis=1) == y[rest]).mean()) if classes else r_squared(y[rest], told)
        )
        if good > best:
            best, chosen = good, penalty
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = Ridge(alpha=chosen, solver="cholesky", copy_X=False).fit(x[train], wanted[train])
    return np.asarray(model.predict(x[test])), chosen


def _one_hot(y: NDArray[Any], classes: int) -> Floats:
    """Targets of a ridge classifier (n, c): 1 for the class, −1 for the others."""
    out = np.full((len(y), classes), -1, np.float32)
    out[np.arange(len(y)), y] = 1
    return out


def _assume_negative(
    x: Floats, y: NDArray[Any], train: NDArray[np.int64], test: NDArray[np.int64], classes: int
) -> NDArray[Any]:
    """One linear layer trained with the assume-negative loss: every label not seen counts as absent.

    Source: Cole et al., Multi-label learning from single positive labels, CVPR 2021, equation 3.
    """
    import torch
    from torch.nn import functional as F

    generator = torch.Generator().manual_seed(0)
    weight = torch.zeros(classes, x.shape[1], requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    optimiser = torch.optim.AdamW([weight, bias], lr=1e-2, weight_decay=0.01)
    labels = torch.from_numpy(np.asarray(y, np.int64))
    inputs = torch.from_numpy(x)
    rows = torch.from_numpy(train)
    steps = -(-len(rows) // _BATCH)
    epochs = max(20, -(-_STEPS // steps))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs * steps)
    for _ in range(epochs):
        for part in rows[torch.randperm(len(rows), generator=generator)].split(_BATCH):
            logits = F.linear(inputs[part], weight, bias)
            wanted = F.one_hot(labels[part], classes).to(logits)
            loss = F.binary_cross_entropy_with_logits(logits, wanted)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    with torch.no_grad():
        return np.asarray(F.linear(inputs[torch.from_numpy(test)], weight, bias).numpy())


def _constant(y: NDArray[Any], count: int, classes: NDArray[Any] | None) -> NDArray[Any]:
    """What knows nothing says: the training mean, or the classes by frequency."""
    if classes is None:
        return np.full(count, y.mean())
    return np.tile(np.bincount(y, minlength=len(classes)) / len(y), (count, 1))


def _record(
    config: ProbeConfig, label: str, name: str, given: tuple[str, ...], width: int,
    train: NDArray[np.int64], test: NDArray[np.int64], scores: NDArray[Any], truth: NDArray[Any],
    classes: NDArray[Any] | None, texts: list[str] | None, rows: NDArray[np.int64],
    penalty: float | None, seconds: float,
) -> dict[str, Any]:  # fmt: skip
    out: dict[str, Any] = {
        "label": label, "task": config.task, "representation": name,
        "given": [] if width in (0, 5) and name != "encoder" else list(given), "width": width,
        "train": len(train), "test": len(test), "penalty": penalty, "seconds": round(seconds, 2),
    }  # fmt: skip
    if classes is None:
        out |= {
            "r2": r_squared(truth, scores),
            "interval": _r2_interval(truth, scores, config.seed),
        }
        return out
    own = scores[np.arange(len(truth)), truth][:, None]
    above, tied = (scores > own).sum(axis=1), (scores == own).sum(axis=1)
    rank = above + 1 + (tied - 1) / 2
    ((low, high),) = Resampler(config.seed).intervals((rank <= 1)[:, None])
    out |= {f"top-{k}": float((rank <= k).mean()) for k in CUTS}
    out |= {"interval": [float(low), float(high)], "classes": len(classes)}
    if texts is not None:
        of = np.array([texts[i] for i in rows])
        out["per_class"] = {
            str(t): {"support": int((of == t).sum()), "top-1": float((rank[of == t] <= 1).mean())}
            for t in np.unique(of)
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
