"""At most one hit of each group, and rows of the same observation, where no column can be read as a whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.species_codes import code_of
from prom3e_index.errors import InputError
from prom3e_index.store.literals import every, listed
from prom3e_index.store.matching import Matching

if TYPE_CHECKING:
    from prom3e_index.store.opened import StoreBundle

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Found = tuple[Floats, Ints, str]
_PER_GROUP = 4
_IDS = 1024
_OBSERVATION, _SPECIES = "observation", "species"


class StoreGrouping:
    """Groups of the rows of a store."""

    def __init__(self, bundle: StoreBundle) -> None:
        self._bundle = bundle

    def codes(self, rows: Ints) -> Ints:
        """(n,) a number for the observation of each row."""
        found = self._bundle.fetched(rows, ["of"]) if len(rows) else []
        return np.array([r["of"] for r in found], np.int64)

    def rows_of_same(self, rows: Ints) -> Ints:
        """Ascending, some rows with all others of their observations."""
        own = sorted({int(c) for c in self.codes(rows)})
        held = [int(r["row"]) for part in self._bundle.each(f"of in {own}", []) for r in part]
        return np.union1d(rows, np.array(held, np.int64))

    def rows_with(self, ids: Sequence[str]) -> Ints:
        """Ascending, the rows that have some ids, or belong to the observations of them."""
        held: set[int] = set()
        for at in range(0, len(ids), _IDS):
            asked = ids_expression(list(ids[at : at + _IDS]), code_of)
            held |= {int(r["row"]) for part in self._bundle.each(asked, []) for r in part}
        return np.array(sorted(held), np.int64)

    def observations(self, rows: Any) -> int:
        """How many observations some rows belong to: those that qualify, or rows by their numbers."""
        if isinstance(rows, Matching):
            return len(
                {int(r["of"]) for part in self._bundle.each(rows.where, ["of"]) for r in part}
            )
        return len(set(self.codes(rows).tolist()))

    def best(
        self,
        take: Callable[[int], Found],
        column: str,
        wanted: int,
        eligible: Any,
        target: str,
    ) -> Found:
        """The best row of each value, best first; as `search.groups.best_of_groups`.

        The groups that were found are left out of the next search, until there are enough or no row is left.
        """
        rows = self._bundle.matching(eligible)
        k = _PER_GROUP * wanted
        out: list[tuple[Any, Any]] = []
        seen: set[Any] = set()
        scores, found, path = take(k)
        asked = len(found)
        while True:
            keys = self._keys(found, column)
            answering = self._answering(found, rows, target, column)
            for score, row, group, good in zip(scores, found, keys, answering, strict=True):
                if good and (group is None or group not in seen) and len(out) < wanted:
                    seen.add(group)
                    out.append((score, row))
            if len(out) >= wanted or asked >= len(rows) or len(found) < k:
                break
            k = min(16 * k, len(rows))
            scores, found, path = take(k)
            out, seen, asked = [], set(), len(found)
        best = out[:wanted]
        return (
            np.array([s for s, _ in best], np.float32),
            np.array([r for _, r in best], np.int64),
            path,
        )

    def _keys(self, rows: Ints, column: str) -> list[Any]:
        """What each row is grouped by; None where it is a group of its own."""
        if not len(rows):
            return []
        if column in (_OBSERVATION, _SPECIES):
            field = {"observation": "of", "species": "species"}[column]
            codes = [int(r[field]) for r in self._bundle.fetched(rows, [field])]
            return [c if c >= 0 else None for c in codes]
        held = self._bundle.values(rows, [column])
        return [held[int(r)][column] for r in rows]

    def _answering(self, rows: Ints, eligible: Matching, target: str, column: str) -> list[bool]:
        """Which rows answer: of an observation whose eligible rows observe the target only those do."""
        bundle = self._bundle
        if not bundle.several or column == "id" or not len(rows):
            return [True] * len(rows)
        has = f"has_{bundle.modalities.index(target)}"
        found = bundle.fetched(rows, ["of", has])
        lacking = sorted({int(r["of"]) for r in found if not r[has]})
        observing: set[int] = set()
        for at in range(0, len(lacking), 1024):
            asked = every([f"of in {lacking[at : at + 1024]}", f"{has} == true", eligible.where])
            observing |= {int(r["of"]) for part in bundle.each(asked, ["of"]) for r in part}
        return [bool(r[has]) or int(r["of"]) not in observing for r in found]


def ids_expression(ids: list[str], code: Callable[[str], int]) -> str:
    """The rows that have some ids, or belong to the observations of them."""
    if not ids:
        raise InputError("No ids are given; name some, one a line.")
    return f"id in {listed(ids)} or of in {listed([code(i) for i in ids])}"
