"""The first rows of many queries that rows of an index ask, without those that belong to the row that asks."""

from __future__ import annotations

from threading import Lock

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.faiss.dense import Dense
from prom3e_index.bundle.faiss.places import first_places
from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.confidence.signals import FIRST
from prom3e_index.indexer.filtered_recall import told_gallery
from prom3e_index.indexer.kin import Kin

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
SPARE = 56
"""Rows that are looked for beyond `FIRST`, since some belong to the row that asks."""
MOST = 4096
"""Rows that are looked for at most."""
SCAN = 100_000
"""Rows up to which an index that is scanned whole is scored here, many queries at once."""
_HELD_BYTES = 1 << 30
_QUERIES, _LIST_QUERIES, _CARD_QUERIES = 128, 256, 1024


class OwnSearch:
    """Searches an index as `nearest` does, lists that are read nearly whole by products; on a card exactly.

    Args:
        bundle: The index.
        kin: Which rows belong together.
        card: The index as it is searched on a card; None where there is none.

    Attributes:
        scores_here: Whether rows are scored here, all of them; then several threads may ask at once.
    """

    def __init__(self, bundle: BundleFolder, kin: Kin, card: BundleFolder | None = None) -> None:
        self._bundle, self._kin, self._card = bundle, kin, card
        kinds = {p["kind"] for s in bundle.manifest["segments"] for p in s["index"].values()}
        self._scans = kinds == {"exact"} and bundle.rows <= SCAN
        self.scores_here = self._scans and card is None
        self._queries = _QUERIES if self._scans else _LIST_QUERIES
        if card is not None:
            self._queries = _CARD_QUERIES
        width = bundle.vectors(bundle.modalities[0]).shape[1]
        self._holds = 4 * bundle.rows * width * len(bundle.modalities) <= _HELD_BYTES
        self._held: dict[str, Floats] = {}
        self._lock = Lock()
        self._lists: dict[str, Dense] = {}

    def first(
        self, target: str, vectors: Floats, rows: Ints, own: Floats | None
    ) -> tuple[Floats, Ints]:
        """Scores and row numbers of the first rows, (q, `FIRST`) each, best first; −∞ and −1 where there are no more.

        Args:
            target: Modality searched for.
            vectors: (q, width) query vectors.
            rows: (q,) which row asks.
            own: (q, width) gallery row of each row that asks, where it can be found itself.
        """
        scores = np.full((len(rows), FIRST), -np.inf, np.float32)
        found = np.full((len(rows), FIRST), -1, np.int64)
        for at in range(0, len(rows), self._queries):
            part = np.arange(at, min(len(rows), at + self._queries))
            k = FIRST + SPARE
            while len(part):
                s, r = self._nearest(target, vectors[part], k)
                s = np.where((r < 0) | self._kin.of(rows[part], np.maximum(r, 0)), -np.inf, s)
                if own is not None:
                    mine = np.einsum("qw,qw->q", vectors[part], own[part])
                    s = np.concatenate([s, np.round(mine, 6)[:, None]], axis=1)
                    r = np.concatenate([r, rows[part, None]], axis=1)
                order = np.argsort(-s, axis=1, kind="stable")[:, :FIRST]
                s, r = np.take_along_axis(s, order, 1), np.take_along_axis(r, order, 1)
                scores[part, : s.shape[1]] = s
                found[part, : s.shape[1]] = np.where(np.isfinite(s), r, -1)
                if k >= min(MOST, self._bundle.rows):
                    break
                part, k = part[found[part, -1] < 0], min(4 * k, MOST)
        return scores, found

    def _nearest(self, target: str, vectors: Floats, k: int) -> tuple[Floats, Ints]:
        if self._card is not None:
            return self._card.nearest(target, vectors, k, exactly=True)[:2]
        if not self._scans:
            dense = self._dense(target)
            if dense is not None and dense.pays(vectors, k):
                return dense.search(vectors, k)
            return self._bundle.nearest(target, vectors, k)[:2]
        k = min(k, self._bundle.rows)
        s = vectors @ self._gallery(target).T
        at = np.sort(first_places(s, k), axis=1)
        s = np.round(np.take_along_axis(s, at, 1), 6)
        order = np.argsort(-s, axis=1, kind="stable")
        return np.take_along_axis(s, order, 1), self._bundle.live[np.take_along_axis(at, order, 1)]

    def _dense(self, target: str) -> Dense | None:
        """The target's lists, to be searched for many queries at once; None where that cannot be."""
        gallery = told_gallery(self._bundle, target)
        if gallery is None:
            return None
        if target not in self._lists:
            self._lists[target] = Dense(gallery)
        return self._lists[target]

    def _gallery(self, target: str) -> Floats:
        """(rows, width) vectors of the rows that are not removed."""
        with self._lock:
            held = self._held.get(target)
            if held is None:
                held = np.asarray(self._bundle.vectors(target)[self._bundle.live], np.float32)
                if not self._holds:
                    self._held.clear()
                self._held[target] = held
            return held
