"""Lists that hold most rows, searched for many queries at once by products: as many searches of their own find."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from numpy.typing import NDArray

from prom3e_index.bundle.faiss.products import Hidden, at_once, nearest_of_many
from prom3e_index.bundle.faiss.scan import Floats, Ints, exact
from prom3e_index.bundle.faiss.search import Gallery
from prom3e_index.bundle.memory_maps import release

SHARE = 0.35
"""Share of the rows that lists must hold; for less they are read one query after the other."""
_FEWEST = 16
_BLOCK = 8192


class Dense:
    """A gallery of a kind with lists that is not refined, searched through all its rows.

    A query finds the rows of the lists that it would read, in the order of their true scores, which FAISS's are but
    for a millionth.
    """

    def __init__(self, gallery: Gallery) -> None:
        self._gallery = gallery
        with warnings.catch_warnings():  # the rows are mapped for reading, and only read
            warnings.simplefilter("ignore")
            self._rows = torch.from_numpy(np.asarray(gallery.vectors))
        self._held = gallery.held_by_lists()
        self._lists = gallery.lists_of(np.arange(len(gallery)))
        self._longest: float | None = None

    def pays(self, queries: Floats, k: int) -> bool:
        """Whether products take less time than a search of each query's lists."""
        few = len(queries) < _FEWEST or not at_once(len(self._rows), self._rows.device)
        return not few and self._gallery.probes_for(k) >= SHARE * self._gallery.lists

    def search(self, queries: Floats, k: int) -> tuple[Floats, Ints]:
        """Scores and rows (q, min(k, n)) of the k best in each query's lists, best first, ties by row."""
        k, size = min(k, len(self._rows)), at_once(len(self._rows), self._rows.device)
        parts = [self._some(queries[at : at + size], k) for at in range(0, len(queries), size)]
        return np.concatenate([s for s, _ in parts]), np.concatenate([r for _, r in parts])

    def _some(self, queries: Floats, k: int) -> tuple[Floats, Ints]:
        probes, lists = self._gallery.probes_for(k), self._gallery.lists
        able, finite = None, np.isfinite(queries).all(axis=1)
        if probes < lists:
            near = queries @ self._gallery.centres.T
            order = np.argpartition(-near, probes, axis=1)[:, :probes]
            able = np.zeros(near.shape, bool)
            np.put_along_axis(able, order, True, axis=1)
            able[able @ self._held < k] = True  # never fewer rows than there are
        asked = np.where(finite[:, None], queries, np.float32(0))
        hidden = None if able is None else self._hidden(~able)
        given = self._rows, len(self._rows), self._length()
        scores, rows, sure = nearest_of_many(*given, asked, k, hidden=hidden)
        for i in np.flatnonzero(~(sure & finite)):
            some = None if able is None else np.flatnonzero(able[i, self._lists])
            s, r = exact(self._gallery.vectors, queries[i : i + 1], k, some)
            scores[i], rows[i] = s[0], r[0]
        return scores, rows

    def _hidden(self, unread: NDArray[np.bool_]) -> Hidden:
        """Which rows lie in lists that a query does not read, (q, lists)."""
        return lambda at, end: torch.from_numpy(np.take(unread, self._lists[at:end], axis=1))

    def _length(self) -> float:
        """No row is longer."""
        if self._longest is None:
            parts = self._rows.split(_BLOCK)
            lengths = [
                torch.linalg.vector_norm(p, dim=1, dtype=torch.float32).amax() for p in parts
            ]
            self._longest = 1.001 * float(torch.stack(lengths).amax())
            release(self._gallery.vectors)
        return self._longest
