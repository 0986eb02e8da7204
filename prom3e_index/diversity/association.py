"""Whether two bands go together: rank correlations, those given the effort, and what space alone makes of them.

Neighbouring cells are alike, so cells are no independent draws: of two smooth maps that have nothing to do with each
other most are "significant" by the usual p. Intervals here resample blocks, and p compares with the same maps shifted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
BLOCK_DEG = 5.0
SHIFTS = 999
DRAWS = 999
MOST_SHIFTED = 4_000_000
"""Cells of a rectangle beyond which no map is shifted: it takes 100 bytes a cell."""
LEAST = 10
"""Cells that a correlation is worked out of."""
_OVERLAP = 0.1
"""Share of the cells that must still lie on cells when a map is shifted."""
_FEWEST = 39
"""Shifts that a p is worked out of."""


def associate(
    a: NDArray[Any],
    b: NDArray[Any],
    effort: NDArray[Any],
    block: NDArray[Any],
    *,
    seed: int = 0,
    shifted: bool = True,
) -> dict[str, Any]:
    """Spearman's correlation of two bands over the cells that have both and some effort.

    Args:
        a: (h, w), NaN where there is no value.
        b: Another.
        effort: (h, w) records of each cell. Partial correlations are given their rank, which is that of the logarithm.
        block: (h, w) number of the block that each cell lies in; see `blocks`.
        seed: Of resamples and shifts.
        shifted: Whether neighbours in the arrays are neighbours on the globe, so that one map can be shifted over the
            other.

    Returns:
        `cells`, and `raw` and `partial`, each of `rho`, `interval` (95 %, blocks resampled), `blocks` and `p`
        (two-sided, of up to `SHIFTS` shifts of `a` over `b` and the effort, `shifts`; None of fewer than 39).
        None, with a `reason`, where too little is known.
    """
    both = np.isfinite(a) & np.isfinite(b) & (effort > 0)
    cells = int(both.sum())
    if cells < LEAST:
        return {"cells": cells, "raw": None, "partial": None, "reason": f"{cells} cells have both"}
    x, y, n = (_ranks(v[both]) for v in (a, b, effort))
    code = np.unique(block[both], return_inverse=True)[1].reshape(-1)
    weights = _resamples(int(code.max()) + 1, seed)
    whole, of_blocks = _moments(x, y, n, np.zeros_like(code)), _moments(x, y, n, code)
    own = _cut(np.isfinite(b) & (effort > 0))
    lagged = None
    if shifted and both[own].size <= MOST_SHIFTED:
        lagged = _lagged(a[own], b[own], effort[own])
    out: dict[str, Any] = {"cells": cells}
    for name, correlation in (("raw", _plain), ("partial", _given)):
        rho = float(correlation(whole)[0])
        if not np.isfinite(rho):
            out[name] = None
            continue
        drawn = correlation(weights @ of_blocks)
        drawn = drawn[np.isfinite(drawn)]
        several = weights.shape[1] > 1 and len(drawn) > 1
        out[name] = {
            "rho": rho,
            "interval": [float(v) for v in np.quantile(drawn, [0.025, 0.975])] if several else None,
            "blocks": weights.shape[1],
            **_p_of(lagged, correlation, np.random.default_rng([seed, 1])),
        }
    return out


def blocks(
    latitude: NDArray[Any], longitude: NDArray[Any], degrees: float = BLOCK_DEG
) -> NDArray[np.int64]:
    """The number of the block of so many degrees that each place lies in."""
    row = np.floor((latitude + 90) / degrees).astype(np.int64)
    column = np.floor(np.mod(longitude + 180, 360) / degrees).astype(np.int64)
    found: NDArray[np.int64] = row * int(np.ceil(360 / degrees)) + column
    return found


def _ranks(values: NDArray[Any]) -> Floats:
    from scipy.stats import rankdata

    return np.asarray(rankdata(values), np.float64) / len(values) - 0.5


def _resamples(count: int, seed: int) -> Floats:
    """How often each block is drawn, (draws, blocks)."""
    rng = np.random.default_rng([seed, 0])
    return rng.multinomial(count, np.full(count, 1 / count), DRAWS).astype(np.float64)


def _moments(x: Floats, y: Floats, n: Floats, code: NDArray[np.int64]) -> Floats:
    """Sums by block of what correlations are made of, (blocks, 10)."""
    parts = (np.ones_like(x), x, y, n, x * x, y * y, n * n, x * y, x * n, y * n)
    return np.stack([np.bincount(code, p) for p in parts], axis=1)


def _correlation(m: Floats, i: int, j: int, ii: int, jj: int, ij: int) -> Floats:
    total = m[:, 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        cov = m[:, ij] / total - m[:, i] * m[:, j] / total**2
        a = m[:, ii] / total - (m[:, i] / total) ** 2
        b = m[:, jj] / total - (m[:, j] / total) ** 2
        return np.where((a > 1e-12) & (b > 1e-12), cov / np.sqrt(a * b), np.nan)


def _plain(m: Floats) -> Floats:
    return _correlation(m, 1, 2, 4, 5, 7)


def _given(m: Floats) -> Floats:
    """The correlation of x and y given n; without spread in n it is the plain one."""
    xy = _plain(m)
    xn, yn = _correlation(m, 1, 3, 4, 6, 8), _correlation(m, 2, 3, 5, 6, 9)
    with np.errstate(invalid="ignore", divide="ignore"):
        left = (1 - xn**2) * (1 - yn**2)
        found = np.where(left > 1e-12, (xy - xn * yn) / np.sqrt(left), np.nan)
    return np.where(np.isfinite(xn), found, xy)


def _cut(cells: NDArray[np.bool_]) -> tuple[slice, slice]:
    """The rows and columns that hold some cells."""
    rows, columns = np.flatnonzero(cells.any(axis=1)), np.flatnonzero(cells.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _lagged(a: NDArray[Any], b: NDArray[Any], effort: NDArray[Any]) -> Floats:
    """The moments of every shift of `a` over `b` and the effort, (h · w, 10), that of none first.

    Ranks are made once, of all the cells that each has, since a shift brings other cells together. All shifts are
    worked out at once, by Fourier transforms.
    """
    from scipy.fft import irfft2, rfft2

    there = np.isfinite(a)
    here = np.isfinite(b) & (effort > 0)

    def ranked(values: NDArray[Any], known: NDArray[np.bool_]) -> Floats:
        out = np.zeros(values.shape)
        out[known] = _ranks(values[known])
        return out

    x, y, n = ranked(a, there), ranked(b, here), ranked(effort, here)
    one, own = there.astype(np.float64), here.astype(np.float64)
    of_a = [rfft2(v) for v in (one, x, x * x)]
    of_b = [np.conj(rfft2(v)) for v in (own, y, y * y, n, n * n, y * n)]
    pairs = ((0, 0), (1, 0), (0, 1), (0, 3), (2, 0), (0, 2), (0, 4), (1, 1), (1, 3), (0, 5))
    return np.stack(
        [np.asarray(irfft2(of_a[i] * of_b[j], s=a.shape)).ravel() for i, j in pairs], axis=1
    )


def _p_of(
    lagged: Floats | None, correlation: Callable[[Floats], Floats], rng: np.random.Generator
) -> dict[str, Any]:
    """The share of shifts that correlate as strongly as none does: `p`, and how many `shifts` were compared."""
    if lagged is None:
        return {"p": None, "shifts": 0}
    n = np.round(lagged[:, 0])
    r = correlation(np.concatenate([np.maximum(n, 1)[:, None], lagged[:, 1:]], axis=1))
    able = np.isfinite(r) & (n >= max(LEAST, _OVERLAP * n[0]))
    r = np.abs(r) * np.sqrt(np.maximum(n, 0))  # of fewer cells a correlation strays further
    usable = bool(able[0])
    able[0] = False
    places = np.flatnonzero(able)
    if not usable or len(places) < _FEWEST:
        return {"p": None, "shifts": len(places)}
    taken = rng.choice(places, min(SHIFTS, len(places)), replace=False)
    beyond = int((r[taken] >= r[0] - 1e-9).sum())
    return {"p": (1 + beyond) / (1 + len(taken)), "shifts": len(taken)}
