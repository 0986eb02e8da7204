"""Linear models of a representation, and the baselines beside them."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from prom3e_index.evaluation.data import EvalSet, numbers, obscured
from prom3e_index.evaluation.metrics import r_squared

Floats = NDArray[np.float32]
Task = Literal["classification", "regression", "single-positive"]
TASKS: tuple[Task, ...] = ("classification", "regression", "single-positive")
PENALTIES = (0.1, 1.0, 10.0, 100.0, 1000.0, 10_000.0)
_BATCH, _STEPS = 512, 1500


def coordinates(data: EvalSet) -> Floats:
    """Raw coordinates (n, 5): latitude, longitude in degrees, and the unit vector of the place.

    NaN where the place is unknown or obscured: the encoders do not see that one either.
    """
    latitude, longitude = (numbers(data.columns[c]) for c in ("latitude", "longitude"))
    known = np.isfinite(latitude) & np.isfinite(longitude)
    if "obscured" in data.columns:
        known &= ~obscured(data.columns["obscured"])
    a, b = np.radians(latitude), np.radians(longitude)
    vector = [np.cos(a) * np.cos(b), np.cos(a) * np.sin(b), np.sin(a)]
    out = np.stack([latitude, longitude, *vector], axis=1)
    return np.asarray(np.where(known[:, None], out, np.nan), np.float32)


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

    `x` is standardised in place with the training rows' mean and deviation; NaN counts as the mean.
    """
    standardise(x, train)
    if task == "single-positive":
        return _assume_negative(x, y, train, test, int(classes or 0)), None
    from sklearn.linear_model import Ridge

    centre, spread = (0.0, 1.0) if classes else (y[train].mean(), y[train].std() or 1.0)
    wanted = _one_hot(y, classes) if classes else ((y - centre) / spread).astype(np.float32)
    some, rest = train[inner[0]], train[inner[1]]
    best, chosen = -np.inf, PENALTIES[-1]
    for penalty in PENALTIES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a penalty too small to be stable fails on `rest`
            model = Ridge(alpha=penalty, solver="cholesky", copy_X=False).fit(x[some], wanted[some])
        told = model.predict(x[rest])
        good = (
            float((told.argmax(axis=1) == y[rest]).mean())
            if classes
            else r_squared(wanted[rest], told)
        )
        if good > best:
            best, chosen = good, penalty
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = Ridge(alpha=chosen, solver="cholesky", copy_X=False).fit(x[train], wanted[train])
    return np.asarray(model.predict(x[test]), np.float64) * spread + centre, chosen


def standardise(x: Floats, train: NDArray[np.int64]) -> None:
    """Bring columns of (n, w) to mean 0 and deviation 1 over the training rows, in place; NaN becomes 0."""
    for at in range(0, x.shape[1], 64):  # few columns at a time: sums in double precision
        part = x[:, at : at + 64]
        known = np.isfinite(part)
        some = np.where(known[train], part[train], 0).astype(np.float64)
        count = np.maximum(known[train].sum(axis=0), 1)
        mean = some.sum(axis=0) / count
        deviation = np.sqrt((known[train] * (some - mean) ** 2).sum(axis=0) / count)
        part -= mean.astype(np.float32)
        part /= np.where(deviation > 1e-8, deviation, 1).astype(np.float32)
        part[~known] = 0


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


def constant(y: NDArray[Any], count: int, classes: NDArray[Any] | None) -> NDArray[Any]:
    """What knows nothing says: the training mean, or the classes by frequency."""
    if classes is None:
        return np.full(count, y.mean())
    return np.tile(np.bincount(y, minlength=len(classes)) / len(y), (count, 1))
