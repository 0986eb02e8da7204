"""A column that is predicted: its rows and values, and how they are cut into training and test rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import InputError
from prom3e_index.evaluation.data import EvalSet, numbers
from prom3e_index.evaluation.probe.fitting import Task
from prom3e_index.evaluation.probe.splits import SITE, inner_split, known_sites, split_rows

Ints = NDArray[np.int64]
LEAST = 5
"""Training rows, of which a fifth chooses the ridge's strength."""


@dataclass(frozen=True)
class Cut:
    """Training and test rows, as places among the labelled rows.

    Attributes:
        split: Its rule.
        train: Ascending.
        test: Ascending.
        inner: Training rows apart, as places in `train`, to choose the ridge's strength with.
        same_site: Test rows whose site has a training row; None where no row has a place.
        sites: Number of each test row's site, where sites are kept apart; else None.
    """

    split: str
    train: Ints
    test: Ints
    inner: tuple[Ints, Ints]
    same_site: int | None
    sites: Ints | None


@dataclass
class Labelled:
    """Rows with a known value of a column.

    Attributes:
        label: The column.
        rows: They.
        at: Their places in the data.
        y: (n,) values, or numbers of their classes.
        classes: Codes of the classes, ascending; None of a regression.
        cuts: Made by `cut`.
    """

    label: str
    rows: EvalSet
    at: Ints
    y: NDArray[Any]
    classes: NDArray[Any] | None
    cuts: list[Cut] = field(default_factory=list)

    def cut(self, splits: Sequence[str], seed: int) -> list[str]:
        """Cut by each rule; of several, one that cannot be is left out, and the sentences that are given say so.

        Raises:
            InputError: None can be; too few training rows, or fewer than two classes among them.
        """
        said = []
        for split in splits:
            try:
                self.cuts.append(self._cut(split, seed))
            except InputError as e:
                if split == splits[-1] and not self.cuts:
                    raise
                said.append(f"{self.label}, split {split} is left out: {e}")
        return said

    def _cut(self, split: str, seed: int) -> Cut:
        rows = self.rows
        train, test = split_rows(rows, split, seed)
        if len(train) < LEAST:
            raise InputError(
                f"{rows.source}: {len(train)} of the rows with {self.label!r} are to train on; at least {LEAST} are "
                "needed."
            )
        if self.classes is not None and len(np.unique(self.y[train])) < 2:
            raise InputError(f"{self.label!r} has fewer than two classes among the training rows.")
        inner = inner_split(rows, split, seed + 1, train)
        sites = known_sites(rows)
        same = (
            None
            if sites is None
            else int((np.isin(sites[test], sites[train]) & (sites[test] >= 0)).sum())
        )
        return Cut(
            split, train, test, inner, same, None if sites is None or split != SITE else sites[test]
        )

    def untrained(self, cut: Cut) -> int:
        """Test rows of a class that no training row has; 0 of a regression."""
        return (
            0
            if self.classes is None
            else int((~np.isin(self.y[cut.test], self.y[cut.train])).sum())
        )

    def texts(self, cut: Cut) -> NDArray[np.str_] | None:
        """The class of each test row, as it is written; None of a regression."""
        return None if self.classes is None else self.rows.texts(self.label)[cut.test]


def labelled(data: EvalSet, label: str, task: Task, given: Sequence[str]) -> Labelled:
    """The rows that have a column, as numbers or as classes.

    Raises:
        InputError: No such column, or fewer than ten rows have it.
    """
    regression = task == "regression"
    values: NDArray[Any] = numbers(data.column(label)) if regression else data.codes(label)
    known = np.isfinite(values) if regression else values >= 0
    rows = data.rows(known)
    if len(rows) < 10:
        raise InputError(
            f"{data.source}: {int(known.sum())} rows have {label!r} "
            f"{'as a number ' if regression else ''}and {'+'.join(given)}; at least ten are needed."
        )
    at = np.flatnonzero(known)
    if regression:
        return Labelled(label, rows, at, values[known], None)
    classes, y = np.unique(values[known], return_inverse=True)
    return Labelled(label, rows, at, y, classes)
