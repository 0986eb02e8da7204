"""What an index says of ‖σ‖₁: how the query's stands among observations that show as much, and what to add.

Both come from the samples in each segment's `statistics.json`, of which those of removed rows are left out. Indexes of
earlier versions have no samples: there the percentile is unknown, and what to add comes from the largest segment of
which no row was removed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.errors import BundleError
from prom3e_index.schema import set_key

LEAST = 20
"""Samples below which a percentile would say nothing."""
_LARGEST = 1e30
T = TypeVar("T")
_KEPT: WeakKeyDictionary[BundleFolder, dict[Any, Any]] = WeakKeyDictionary()


def sigma_percentile(bundle: BundleFolder, visible: list[str], sigma: float) -> float | None:
    """Share in per cent of the observations whose ‖σ‖₁ is at most the query's when they show the same modalities.

    None where the index has fewer than 20 samples of that visible set.
    """
    values, weights = _kept(bundle, _samples, set_key(visible, bundle.modalities))
    if len(values) < LEAST:
        return None
    below = float(weights[values <= np.float32(sigma)].sum())
    return round(100 * below / float(weights.sum()), 1)


def add_next(
    bundle: BundleFolder, visible: list[str], target: str | None = None
) -> dict[str, Any] | None:
    """The absent modality that lowered ‖σ‖₁ most in the bundle's observations; None if none did.

    The target is what is searched for, so it is never the advice.
    """
    changes = dict(_kept(bundle, _changes, set_key(visible, bundle.modalities)))
    changes.pop(target or "", None)
    if not changes:
        return None
    name = min(changes, key=lambda m: changes[m][0])
    change, rows = changes[name]
    if change >= 0:
        return None
    return {"modality": name, "sigma_l1_change": round(change, 4), "rows": rows}


def _kept(bundle: BundleFolder, make: Callable[[BundleFolder, str], T], key: str) -> T:
    """What a function makes of a visible set, made once: a bundle is one generation and does not change."""
    held = _KEPT.setdefault(bundle, {})
    if (make, key) not in held:
        with _as_written(bundle):
            held[make, key] = make(bundle, key)
    out: T = held[make, key]
    return out


def _samples(bundle: BundleFolder, key: str) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Samples of ‖σ‖₁ of observations that show a set, and how many rows each stands for."""
    return _merged(
        _live(bundle, s["rows"], s["sigma_l1"], s["of"], first)
        for first, held in _segments(bundle)
        if (s := held.get("samples", {}).get(key))
    )


def _changes(bundle: BundleFolder, key: str) -> dict[str, tuple[float, int]]:
    """Mean change of ‖σ‖₁ by added modality, and in how many rows."""
    changes: dict[str, tuple[float, int]] = {}
    for m in bundle.modalities:
        values, weights = _merged(
            _live(bundle, s["rows"], s["change"], s["of"], first)
            for first, held in _segments(bundle)
            if (s := held.get("changes", {}).get(key, {}).get(m))
        )
        if len(values):
            changes[m] = float((values * weights).sum() / weights.sum()), len(values)
    return changes or _earlier(bundle, key)


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
    for segment, held in zip(bundle.segments, bundle.statistics, strict=True):
        yield segment.first, held


def _live(
    bundle: BundleFolder, rows: list[int], values: list[float], of: int, first: int
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Samples of rows that are not removed, and how many rows each stands for."""
    places, given = np.asarray(rows, np.int64) + first, np.asarray(values, np.float64)
    sound = places.ndim == 1 and places.shape == given.shape and isinstance(of, int) and of > 0
    if not sound or not (np.abs(given) < _LARGEST).all():
        raise ValueError("rows, values and their number do not fit each other")
    at = np.searchsorted(bundle.live, places)
    held = np.zeros(len(places), bool)
    inside = at < len(bundle.live)
    held[inside] = bundle.live[at[inside]] == places[inside]
    weight = of / max(1, len(places))
    return given.astype(np.float32)[held], np.full(int(held.sum()), weight)


def _merged(
    parts: Iterator[tuple[NDArray[np.float32], NDArray[np.float64]]],
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    found = list(parts)
    if not found:
        return np.zeros(0, np.float32), np.zeros(0)
    return np.concatenate([p[0] for p in found]), np.concatenate([p[1] for p in found])


def _earlier(bundle: BundleFolder, key: str) -> dict[str, tuple[float, int]]:
    """Mean changes as earlier versions stored them: by visible set and added modality, without rows."""
    best: tuple[int, dict[str, Any]] = (0, {})
    for segment, held in zip(bundle.segments, bundle.statistics, strict=True):
        ends = np.searchsorted(bundle.live, [segment.first, segment.first + segment.rows])
        whole = int(ends[1] - ends[0]) == segment.rows
        if whole and "samples" not in held and segment.rows > best[0]:
            best = segment.rows, held.get(key, {})
    out = {m: (float(v[0]), int(v[1])) for m, v in best[1].items()}
    if not out.keys() <= set(bundle.modalities) or not all(
        abs(c) < _LARGEST for c, _ in out.values()
    ):
        raise ValueError(f"{best[1]!r:.100} are no changes of ‖σ‖₁")
    return out
