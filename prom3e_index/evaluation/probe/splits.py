"""Which rows a probe is trained and tested on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import InputError
from prom3e_index.evaluation.data import EvalSet, numbers

TEST_SHARE = 0.2
SITE_DEG = 1.0
"""Side of a site, in degrees: rows of one cell are all trained on or all tested."""


def split_rows(
    data: EvalSet, split: str | None, seed: int, of: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Training and test rows, ascending, as places in `of` (all rows when None); see `ProbeConfig`."""
    from sklearn.model_selection import GroupShuffleSplit, ShuffleSplit

    of = np.arange(len(data)) if of is None else of
    if split is None and "split" in data.columns:
        told = np.asarray(data.columns["split"])[of].astype(str)
        if (told == "train").any() and (told == "test").any():
            return np.flatnonzero(told == "train"), np.flatnonzero(told == "test")
    if split in (None, "random"):
        train, test = next(ShuffleSplit(1, test_size=TEST_SHARE, random_state=seed).split(of))
    elif split == "site":
        site = _sites(data)[of]
        if site.min() == site.max():
            raise InputError(f"{data.source} has one site only; split at random.")
        how = GroupShuffleSplit(1, test_size=TEST_SHARE, random_state=seed)
        train, test = next(how.split(of, groups=site))
    else:
        told = np.asarray(data.column(str(split)))[of].astype(str)
        train, test = np.flatnonzero(told == "train"), np.flatnonzero(told == "test")
        if not len(train) or not len(test):
            raise InputError(f"Column {split!r} has no rows `train` or none `test`.")
    return np.sort(train), np.sort(test)


def inner_split(
    data: EvalSet, split: str | None, seed: int, train: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A fifth of the training rows apart, by the rule of the test rows where it can be, as places in `train`.

    A column says nothing of it, and of one site nothing can be kept apart: there it is at random.
    """
    if split == "site":
        site = _sites(data)[train]
        split = "site" if site.min() < site.max() else "random"
    return split_rows(data, split if split == "site" else "random", seed, train)


def _sites(data: EvalSet) -> NDArray[np.int64]:
    """Number of each row's cell of one degree; all rows without a place are one site."""
    latitude, longitude = (numbers(data.column(c)) for c in ("latitude", "longitude"))
    place = np.stack([latitude, (longitude + 180) % 360], axis=1)  # ±180° is one meridian
    known = np.isfinite(place).all(axis=1, keepdims=True)
    cell = np.where(known, np.floor(place / SITE_DEG), np.inf)
    return np.asarray(np.unique(cell, axis=0, return_inverse=True)[1].reshape(-1), np.int64)
