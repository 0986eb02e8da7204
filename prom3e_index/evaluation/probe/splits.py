"""Which rows a probe is trained and tested on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import InputError
from prom3e_index.evaluation.data import EvalSet, numbers, split_column, split_of
from prom3e_index.tables.sites import sites_of

TEST_SHARE = 0.2
SITE_DEG = 1.0
"""Side of a site, in degrees: rows of one cell are all trained on or all tested."""
SITE, RANDOM = "site", "random"
_FEWEST_SITES = 5
"""A fifth of fewer is no site."""


def usual_splits(data: EvalSet) -> tuple[tuple[str, ...], str]:
    """The splits to probe with where none is asked for, the first being the one to believe, and why, in words.

    The column `split` where it has `train` and `test`; else `site` and `random` where at least half of the rows have a
    place, on five sites or more; else `random` alone. Neighbours resemble each other: of rows drawn at random most have
    one among the training rows, and what is read of them is no measure of a new site.
    """
    column = split_column(data.columns)
    if column is not None:
        told = _told(data, column)
        if (told == "train").any() and (told == "test").any():
            return (column,), f"train and test rows are those of the column {column}"
    leaks = "rows are drawn at random: neighbours of test rows are trained on, so figures are too good for new sites"
    if not {"latitude", "longitude"} <= data.columns.keys():
        return (
            RANDOM,
        ), f"{leaks}; the rows have no columns latitude and longitude to keep sites apart by"
    site = sites_of(_places(data), SITE_DEG)
    known = site >= 0
    sites = int(site.max(initial=-1)) + 1
    if known.mean() < 0.5:
        return (
            RANDOM,
        ), f"{leaks}; {known.sum():,} of {len(data):,} rows have a place to keep sites apart by"
    if sites < _FEWEST_SITES:
        return (RANDOM,), (
            f"{leaks}; the rows are on {sites} sites (cells of {SITE_DEG:g}°), at least {_FEWEST_SITES} are needed to "
            "keep sites apart"
        )
    return (SITE, RANDOM), (
        f"split {SITE}: test rows are on other sites (cells of {SITE_DEG:g}°) than those trained on, as new sites are; "
        f"split {RANDOM}: neighbours of test rows are trained on, so its figures are too good for new sites"
    )


def split_rows(
    data: EvalSet, split: str, seed: int, of: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Training and test rows, ascending, as places in `of` (all rows when None); see `ProbeConfig`."""
    from sklearn.model_selection import GroupShuffleSplit, ShuffleSplit

    of = np.arange(len(data)) if of is None else of
    if split == RANDOM:
        train, test = next(ShuffleSplit(1, test_size=TEST_SHARE, random_state=seed).split(of))
    elif split == SITE:
        site = _sites(data)[of]
        if site.min() == site.max():
            raise InputError(f"{data.source} has one site only; split at random.")
        how = GroupShuffleSplit(1, test_size=TEST_SHARE, random_state=seed)
        train, test = next(how.split(of, groups=site))
    else:
        told = _told(data, split)[of]
        train, test = np.flatnonzero(told == "train"), np.flatnonzero(told == "test")
        if not len(train) or not len(test):
            raise InputError(f"Column {split!r} has no rows `train` or none `test`.")
    return np.sort(train), np.sort(test)


def inner_split(
    data: EvalSet, split: str, seed: int, train: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A fifth of the training rows apart, by the rule of the test rows where it can be, as places in `train`.

    A column says nothing of it, and of one site nothing can be kept apart: there it is at random.
    """
    if split == SITE:
        site = _sites(data)[train]
        split = SITE if site.min() < site.max() else RANDOM
    return split_rows(data, split if split == SITE else RANDOM, seed, train)


def known_sites(data: EvalSet) -> NDArray[np.int64] | None:
    """Number of each row's site, −1 where it has no place; None where no row has one."""
    if not {"latitude", "longitude"} <= data.columns.keys():
        return None
    site = sites_of(_places(data), SITE_DEG)
    return site if (site >= 0).any() else None


def _told(data: EvalSet, column: str) -> NDArray[np.str_]:
    return np.array([split_of(v) for v in data.column(column)], str)


def _places(data: EvalSet) -> NDArray[np.float64]:
    """Latitude and longitude of each row, (n, 2)."""
    return np.stack([numbers(data.column(c)) for c in ("latitude", "longitude")], axis=1)


def _sites(data: EvalSet) -> NDArray[np.int64]:
    """Number of each row's cell of one degree; all rows without a place are one site, the last."""
    site = sites_of(_places(data), SITE_DEG)
    return np.where(site < 0, site.max(initial=-1) + 1, site)
