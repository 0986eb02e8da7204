"""How good a map is: average precision, the continuous Boyce index, AUC beside distance alone, spatial blocks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import InputError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
EARTH_KM = 6371.0088
WINDOWS = 101
FEW = 30
"""Presences below which a Boyce index rests on too little."""
_DRAWS = 200
_LEVEL = 0.9


def average_precision(truth: NDArray[np.bool_], scores: NDArray[Any]) -> float:
    """As SINR's range benchmarks: the average precision of the places of one species; NaN without both classes.

    The mean, over places where the species is, of the share of right ones among all that score as high or higher.

    Args:
        truth: (k,) whether the species is there.
        scores: (k,) higher where it is more likely.

    Raises:
        InputError: A score is NaN.

    Source: SINR (Cole et al. 2023), evaluation on eBird Status & Trends and IUCN.
    """
    if truth.all() or not truth.any():
        return float("nan")
    every, there = np.sort(scores), np.sort(scores[truth])
    if np.isnan(every[-1]):
        raise InputError("Scores of places hold NaN; places without a score cannot be ordered.")
    above = len(every) - np.searchsorted(every, there, "left")
    right = len(there) - np.searchsorted(there, there, "left")
    return float((right / above).mean())


def auc(truth: NDArray[np.bool_], scores: NDArray[Any]) -> float:
    """The share of pairs of presence and background that are ordered rightly, ties half; NaN without both."""
    if truth.all() or not truth.any():
        return float("nan")
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(truth, scores))


@dataclass(frozen=True, eq=False)
class Boyce:
    """A continuous Boyce index.

    Attributes:
        index: Spearman's correlation of P/E with the score, −1 to 1; NaN where fewer than two windows have background.
        low: Of its interval by drawing presences again, 90 %; `high` likewise.
        at: (w,) middles of the windows with background.
        ratio: (w,) P/E there: how much more often presences score so than the background does.
        few: Whether it rests on fewer than 30 presences.
    """

    index: float
    low: float
    high: float
    at: Floats = field(repr=False)
    ratio: Floats = field(repr=False)
    few: bool = False


def boyce(presences: NDArray[Any], background: NDArray[Any], seed: int = 0) -> Boyce:
    """The continuous Boyce index: 101 windows, each a tenth of the range of scores.

    Args:
        presences: (p,) scores at presences that the map has not seen.
        background: (b,) scores of the region.
        seed: Of the interval.

    Source: Hirzel et al. 2006, Ecological Modelling 199, equation 4: F = P/E.
    """
    p, b = np.sort(np.asarray(presences, np.float64)), np.sort(np.asarray(background, np.float64))
    nothing = np.zeros(0)
    if not len(p) or not len(b):
        return Boyce(float("nan"), float("nan"), float("nan"), nothing, nothing, True)
    low, high = min(p[0], b[0]), max(p[-1], b[-1])
    width = (high - low) / 10
    at = np.linspace(low + width / 2, high - width / 2, WINDOWS)
    expected = _within(b, at, width)
    kept = expected > 0

    def ratio(some: Floats) -> Floats:
        found: Floats = _within(some, at, width)[kept] / expected[kept]
        return found

    own = ratio(p)
    rng = np.random.default_rng(seed)
    drawn = [_spearman(at[kept], ratio(np.sort(rng.choice(p, len(p))))) for _ in range(_DRAWS)]
    known = np.array([d for d in drawn if np.isfinite(d)])
    tail = (1 - _LEVEL) / 2
    sides = np.quantile(known, (tail, 1 - tail)) if len(known) else (float("nan"),) * 2
    index = _spearman(at[kept], own)
    return Boyce(index, float(sides[0]), float(sides[1]), at[kept], own, len(p) < FEW)


def _within(ordered: Floats, at: Floats, width: float) -> Floats:
    """Share of values in each window, its ends included."""
    edge = 1e-12 + width * 1e-9
    first = np.searchsorted(ordered, at - width / 2 - edge, side="left")
    last = np.searchsorted(ordered, at + width / 2 + edge, side="right")
    found: Floats = (last - first) / len(ordered)
    return found


def _spearman(one: Floats, other: Floats) -> float:
    from scipy.stats import rankdata

    if len(one) < 2 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(np.corrcoef(rankdata(one), rankdata(other))[0, 1])


def distance_scores(
    known_lat: Floats, known_lon: Floats, latitude: Floats, longitude: Floats
) -> Floats:
    """The null model that knows distance alone: minus the kilometres to the nearest known presence, (k,).

    Source: Hijmans 2012, Ecology 93: AUC is judged beside it, since presences lie near each other.
    """
    if not len(known_lat):
        return np.full(len(latitude), np.nan)
    from sklearn.neighbors import BallTree

    tree = BallTree(np.radians(np.stack([known_lat, known_lon], 1)), metric="haversine")
    near, _ = tree.query(np.radians(np.stack([latitude, longitude], 1)))
    found: Floats = -near[:, 0] * EARTH_KM
    return found


def block_of(latitude: Floats, longitude: Floats, degrees: float = 5.0) -> Ints:
    """The block of a fixed lattice of degrees in which each place lies, (k,)."""
    columns = round(360 / degrees)
    row = np.clip(np.floor((latitude + 90) / degrees), 0, round(180 / degrees) - 1)
    column = np.floor(((longitude + 180) % 360) / degrees) % columns
    return np.asarray(row * columns + column, np.int64)


def block_corner(block: int, degrees: float = 5.0) -> tuple[float, float]:
    """Southern and western side of a block, degrees."""
    row, column = divmod(block, round(360 / degrees))
    return row * degrees - 90, column * degrees - 180


def folds_of(
    blocks: Ints, presences: NDArray[np.bool_], folds: int = 5, seed: int = 0
) -> dict[int, int]:
    """Block → fold: blocks in an order of chance, those with the most presences first, each to the emptiest fold.

    Args:
        blocks: (k,) of every place.
        presences: (k,) which are presences; folds have nearly as many of them.
        folds: How many.
        seed: Of the order.
    """
    every = np.unique(blocks)
    held = {
        int(b): int(n)
        for b, n in zip(*np.unique(blocks[presences], return_counts=True), strict=True)
    }
    order = np.random.default_rng(seed).permutation(every)
    order = order[np.argsort([-held.get(int(b), 0) for b in order], kind="stable")]
    filled = [(0, 0)] * folds
    out: dict[int, int] = {}
    for block in order.tolist():
        fold = min(range(folds), key=lambda i: filled[i])
        out[block] = fold
        filled[fold] = (filled[fold][0] + held.get(block, 0), filled[fold][1] + 1)
    return out
