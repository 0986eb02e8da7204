"""Linear functions of signals: a logistic regression with bounded weights, and a ridge regression."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prom3e_index.confidence.fitted import Linear
from prom3e_index.confidence.signals import RISING

Floats = NDArray[np.float64]
PENALTY = 0.3
"""Inverse strength of the penalty on squared weights, beside the summed loss."""


def fit_logistic(
    x: Floats, shown: Floats, right: NDArray[np.bool_], modalities: tuple[str, ...]
) -> Linear:
    """Logit of P(right), likeliest under squared penalties, where no signal of `RISING` has a weight below 0.

    Args:
        x: (n, s) signals, the rising ones first.
        shown: (n, m) 1 where a modality is visible.
        right: (n,) both outcomes.
        modalities: Names of the m.
    """
    from scipy.optimize import minimize

    z, centre, scale = _standard(x)
    design = np.concatenate([z, shown - shown.mean(axis=0), np.ones((len(x), 1))], axis=1)
    sign = np.where(right, 1.0, -1.0)
    penalty = np.full(design.shape[1], 1 / PENALTY)
    penalty[-1] = 0.0

    def loss(w: Floats) -> tuple[float, Floats]:
        margin = sign * (design @ w)
        slope = -sign / (1 + np.exp(np.clip(margin, -500, 500)))
        value = float(np.logaddexp(0, -margin).sum() + 0.5 * (penalty * w * w).sum())
        return value, design.T @ slope + penalty * w

    free = [(None, None)] * (design.shape[1] - len(RISING))
    start = np.zeros(design.shape[1])
    start[-1] = np.log(right.mean() / (1 - right.mean()))
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * len(RISING) + free,
        options={"maxiter": 300},
    )  # fmt: skip
    return _linear(found.x, centre, scale, shown, modalities)


def fit_ridge(x: Floats, shown: Floats, y: Floats, modalities: tuple[str, ...]) -> Linear:
    """A ridge regression of y (n,) on the same; arguments as of `fit_logistic`."""
    z, centre, scale = _standard(x)
    design = np.concatenate([z, shown - shown.mean(axis=0)], axis=1)
    gram = design.T @ design + np.eye(design.shape[1])
    w = np.linalg.solve(gram, design.T @ (y - y.mean()))
    return _linear(np.append(w, y.mean()), centre, scale, shown, modalities)


def _standard(x: Floats) -> tuple[Floats, Floats, Floats]:
    centre, scale = x.mean(axis=0), x.std(axis=0)
    scale = np.where(scale > 1e-9, scale, 1.0)
    return (x - centre) / scale, centre, scale


def _linear(
    w: Floats, centre: Floats, scale: Floats, shown: Floats, modalities: tuple[str, ...]
) -> Linear:
    s, m = len(centre), len(modalities)
    visible = w[s : s + m]
    bias = float(w[-1] - visible @ shown.mean(axis=0))
    return Linear(
        tuple(centre.tolist()),
        tuple(scale.tolist()),
        tuple(w[:s].tolist()),
        dict(zip(modalities, visible.tolist(), strict=True)),
        bias,
    )
