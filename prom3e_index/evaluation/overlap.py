"""Refusing rows that are reported and chosen on: the same observations in two sources, however they are stored."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import InputError
from prom3e_index.evaluation.data import EvalSet
from prom3e_index.evaluation.sources import Source

_LEAST = 3
"""A name, a place or a tile may well recur; a whole row of three or more embeddings does not."""
_SAME = 1 - 1e-6
"""An index holds half precision, which moves a cosine by less than 1e-7."""
_CELL, _SLACK = 0.05, 0.003
"""Side of a cell of projections, and how far half precision may move one: 4 deviations of 7e-4."""


def refuse_overlap(first: EvalSet, second: Source, split: str | None, what: str) -> None:
    """Refuse two sets that share observations.

    Args:
        first: Rows in memory.
        second: All of its rows of `split` are looked at, not only those that will be drawn.
        split: None for all rows.
        what: Which two sets, for the message.

    Raises:
        InputError: A row of one has the embeddings of a row of the other, three or more; both are named.
    """
    known: dict[tuple[bytes, tuple[int, ...]], list[int]] = {}
    where = _projected(first.x)
    for i in np.flatnonzero(first.present.sum(axis=1) >= _LEAST):
        key = first.present[i].tobytes(), tuple(np.floor(where[i] / _CELL).astype(int).tolist())
        known.setdefault(key, []).append(int(i))
    for x, present, numbers in second.blocks(second.chosen(split)):
        where = _projected(x)
        low, high = (np.floor((where + s) / _CELL).astype(int) for s in (-_SLACK, _SLACK))
        for j in np.flatnonzero(present.sum(axis=1) >= _LEAST):
            cells = product(*({int(a), int(b)} for a, b in zip(low[j], high[j], strict=True)))
            for i in (i for c in cells for i in known.get((present[j].tobytes(), c), ())):
                if (first.x[i] * x[j]).sum(axis=1)[present[j]].min() > _SAME:
                    of = second.read(numbers[j : j + 1])
                    raise InputError(
                        f"{what} share observations: row {first.numbers[i]} of {first.source} "
                        f"({first.ids[i]}) is row {of.numbers[0]} of {of.source} ({of.ids[0]}). Nothing may "
                        "be chosen on the rows that are reported."
                    )


def _projected(x: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n, 4): rows that are alike are near one another, others hardly ever."""
    wide = x.reshape(len(x), int(np.prod(x.shape[1:])))
    directions = np.random.default_rng(0).normal(size=(wide.shape[1], 4))
    return np.asarray(wide @ directions.astype(np.float32), np.float64)
