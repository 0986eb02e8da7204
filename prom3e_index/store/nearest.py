"""The nearest rows of a store: as many as are asked for whenever so many qualify."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from prom3e_index.store.engine import MOST
from prom3e_index.store.kinds import Kind
from prom3e_index.store.matching import Matching

if TYPE_CHECKING:
    from prom3e_index.store.opened import StoreBundle

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
_FEW = 2_000
"""Eligible rows that are scored by their numbers at once, whatever the index is: cheaper than a search that misses."""
WIDEST = 4_096
"""The widest beam along a graph."""
_PARTS = 2_048
WHOLE = 0.1
"""Share of eligible rows from which on a search need not look through more lists because of them."""
DIGITS = 6


class Nearest:
    """Searches one generation of a store."""

    def __init__(self, bundle: StoreBundle) -> None:
        self._bundle = bundle

    def __call__(
        self, target: str, queries: Floats, k: int, rows: Matching, exactly: bool
    ) -> tuple[Floats, Ints, str]:
        """Scores (q, h), higher first, ties by row; row numbers (q, h); and the path taken.

        Where a search gives fewer rows than it was asked for and more qualify, it looks further: more lists, a wider
        beam; and if that does not do, all that qualify are scored by their numbers.
        """
        kind = self._bundle.head.searched
        wanted = min(k, len(rows))
        if not wanted or not len(queries):
            none = np.zeros((len(queries), 0), np.float32)
            return none, none.astype(np.int64), "nothing to search"
        if (exactly and kind.name != "flat") or wanted > MOST:
            return self._by_numbers(target, queries, wanted, rows)
        for beam in self._beams(kind, rows):
            found = self._asked(target, queries, wanted, rows, kind, beam)
            if all(len(r) >= wanted for _, r in found):
                scores = np.stack([s for s, _ in found])
                numbers = np.stack([r for _, r in found])
                return scores, numbers, self._path(kind, rows, beam)
        return self._by_numbers(target, queries, wanted, rows)

    def _beams(self, kind: Kind, rows: Matching) -> list[int]:
        if kind.name == "flat":
            return [0]
        most = kind.lists if kind.name == "ivf" else WIDEST
        share = max(len(rows), 1) / max(1, self._bundle.rows)
        first = kind.beam
        if kind.name == "ivf" and share < 1:  # few rows of a filter lie in any one list
            first = most if share < WHOLE else round(kind.beam / share)
        return list(dict.fromkeys(min(most, b) for b in (first, 4 * first, most)))

    def _path(self, kind: Kind, rows: Matching, beam: int) -> str:
        share = "" if len(rows) == self._bundle.rows else f", filtered to {len(rows):,} rows"
        how = {
            "flat": "exact",
            "ivf": f"{beam} of {kind.lists} lists",
            "hnsw": f"a graph, {beam} wide",
        }
        return f"store, {how[kind.name]}{share}"

    def _asked(
        self, target: str, queries: Floats, k: int, rows: Matching, kind: Kind, beam: int
    ) -> list[tuple[Floats, Ints]]:
        bundle, name = self._bundle, self._bundle.collection(target)
        found = bundle.engine.search(
            name, queries, k, bundle.where(rows.where), kind.search(k, beam)
        )
        return [_in_order(scores, numbers, k) for scores, numbers in found]

    def _by_numbers(
        self, target: str, queries: Floats, k: int, rows: Matching
    ) -> tuple[Floats, Ints, str]:
        """All rows that qualify, fetched in parts and scored here."""
        bundle, name = self._bundle, self._bundle.collection(target)
        best = [(np.zeros(0, np.float32), np.zeros(0, np.int64)) for _ in queries]
        where = bundle.where(rows.where)
        for part in bundle.engine.every(name, where, ["vector"], _PARTS):
            numbers = np.array([r["row"] for r in part], np.int64)
            vectors = np.array([r["vector"] for r in part], np.float32)
            products = queries @ vectors.T
            for i, scores in enumerate(products):
                s = np.concatenate([best[i][0], scores.astype(np.float32)])
                best[i] = _in_order(s, np.concatenate([best[i][1], numbers]), k)
        held = min(len(r) for _, r in best)
        path = f"store, exact over {len(rows):,} rows by their numbers"
        return np.stack([s[:held] for s, _ in best]), np.stack([r[:held] for _, r in best]), path


def _in_order(scores: Floats, numbers: Ints, k: int) -> tuple[Floats, Ints]:
    """The k best, rounded as a folder's, ties by row."""
    scores = np.round(scores, DIGITS)
    order = np.lexsort((numbers, -scores))[:k]
    return scores[order], numbers[order]
