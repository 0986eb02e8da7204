"""What an index says of ‖σ‖₁: how the query's stands among observations that show as much.

It comes from the samples in each segment's `statistics.json`, of which those of removed rows are left out. Indexes of
earlier versions have no samples: there the percentile is unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.errors import BundleError
from prom3e_index.schema import set_key

LEAST = 20
"""Samples below which a percentile would say nothing."""
_LARGEST = 1e30
Samples = tuple[NDArray[np.float32], NDArray[np.float64]]
_KEPT: WeakKeyDictionary[BundleFolder, dict[str, Samples]] = WeakKeyDictionary()


def sigma_percentile(bundle: BundleFolder, visible: list[str], sigma: float) -> float | None:
    """Share in per cent of the observations whose ‖σ‖₁ is at most the query's when they show the same modalities.

    None where the index has fewer than 20 samples of that visible set.
    """
    values, weights = _kept(bundle, set_key(visible, bundle.modalities))
    if len(values) < LEAST:
        return None
    below = float(weights[values <= np.float32(sigma)].sum())
    return round(100 * below / float(weights.sum()), 1)


def _kept(bundle: BundleFolder, key: str) -> Samples:
    """The samples of a visible set, read once: a bundle is one generation and does not change."""
    held = _KEPT.setdefault(bundle, {})
    if key not in held:
        with _as_written(bundle):
            held[key] = _samples(bundle, key)
    return held[key]


def _samples(bundle: BundleFolder, key: str) -> Samples:
    """Samples of ‖σ‖₁ of observations that show a set, and how many rows each stands for."""
    return _merged(
        _live(bundle, s["rows"], s["sigma_l1"], s["of"], first)
        for first, held in _segments(bundle)
        if (s := held.get("samples", {}).get(key))
    )


@contextmanager
def _as_written(bundle: BundleFolder) -> Iterator[None]:
    """Give what other values than ours in a `statistics.json` lead to as an error of the index."""
    try:
        yield
    except BundleError:
        raise
    except (AttributeError, TypeError, LookupError, ValueError, OverflowError) as e:
        raise BundleError(
            f"A statistics.json of {bundle.path} holds no samples of its rows: {e}. Run prom3e-index rebuild."
        ) from e


def _segments(bundle: BundleFolder) -> Iterator[tuple[int, dict[str, Any]]]:
    """Row number of each segment's first row, and its statistics."""
    yield from zip(bundle.firsts, bundle.statistics, strict=True)


def _live(
    bundle: BundleFolder, rows: list[int], values: list[float], of: int, first: int
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Samples of rows that are not removed, and how many rows each stands for."""
    places, given = np.asarray(rows, np.int64) + first, np.asarray(values, np.float64)
    sound = places.ndim == 1 and places.shape == given.shape and isinstance(of, int) and of > 0
    if not sound or not (np.abs(given) < _LARGEST).all():
        raise ValueError("rows, values and their number do not fit each other")
    held = bundle.among(None, places)
    weight = of / max(1, len(places))
    return given.astype(np.float32)[held], np.full(int(held.sum()), weight)


def _merged(
    parts: Iterator[tuple[NDArray[np.float32], NDArray[np.float64]]],
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    found = list(parts)
    if not found:
        return np.zeros(0, np.float32), np.zeros(0)
    return np.concatenate([p[0] for p in found]), np.concatenate([p[1] for p in found])
