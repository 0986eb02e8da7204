"""What a search of lists finds of the true best rows, told without searching.

A search of a kind whose codes are the vectors themselves finds a row if it reads the list that holds it. So one exact
search, and the order in which each query reads lists, tell the recall at every number of lists. Where rounding may
decide otherwise than here, the query is searched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.faiss.scan import NOISE, SCALE, SPARE, Floats, Ints

if TYPE_CHECKING:
    from prom3e_index.bundle.faiss.search import Gallery, Subset

DEEPER = SPARE
"""Rows of a truth beyond those that recall is asked of, so that ties with the last are known."""
_TIED = 3
"""A score in millionths of an index and of exact search differ by one at most: a row that lies one to three below the
last true one may count as found or not, see `found_share`."""
_NOISE = 2e-6


def found_share(scores: Floats, truth: Floats, k: int) -> NDArray[np.float64]:
    """Share of the true k best that were found, per query.

    A hit as good as the k-th is as right as the k-th, so ties do not count against a search.

    Args:
        scores: (q, ≥ k) of what was found, best first.
        truth: (q, ≥ k) of exact search, best first.
        k: Depth; less where fewer rows are eligible.
    """
    k = min(k, truth.shape[1], scores.shape[1])
    if k == 0:
        return np.ones(len(truth))
    return np.asarray((scores[:, :k] >= truth[:, k - 1 : k] - _NOISE).mean(axis=1), np.float64)


class Told:
    """What searches of some queries find, whatever the number of lists that are read.

    Args:
        gallery: Of a kind with lists that is not refined.
        queries: (q, width).
        truth: Scores (q, k + `DEEPER`) and rows of exact search, fewer where fewer are eligible.
        k: Hits that are searched.
        subset: Eligible rows; all when None.
    """

    def __init__(
        self,
        gallery: Gallery,
        queries: Floats,
        truth: tuple[Floats, Ints],
        k: int,
        subset: Subset | None = None,
    ) -> None:
        scores, rows = truth
        eligible = len(gallery) if subset is None else len(subset)
        self._gallery, self._queries, self._subset = gallery, queries, subset
        self._k = min(k, eligible)
        self._truth = scores[:, : self._k]
        quanta = np.rint(scores.astype(np.float64) * float(SCALE)).astype(np.int64)
        below = quanta[:, self._k - 1 : self._k] - quanta
        self._good, self._perhaps = below <= 0, (below > 0) & (below <= _TIED)
        self._ends = (
            below[:, -1] > _TIED if scores.shape[1] < eligible else np.ones(len(rows), bool)
        )
        self._lists = gallery.lists_of(rows)
        if subset is None:
            self._near = queries @ gallery.centres.T
            self._order = np.argsort(-self._near, axis=1, kind="stable")
            self._place = _places(self._order, gallery.lists)
            held = gallery.held_by_lists()[self._order]
            self._reached = np.cumsum(held, axis=1)
            lengths = np.linalg.norm(queries, axis=1, keepdims=True)
            self._noise = 2 * float(NOISE) * np.maximum(1, lengths)

    @staticmethod
    def can(gallery: Gallery) -> bool:
        """Whether a gallery's searches can be told."""
        return gallery.kind.ivf and not gallery.kind.refined

    def shares(self, gallery: Gallery) -> NDArray[np.float64]:
        """Share of the true k best that a search finds, per query (q,), as `found_share` of its scores.

        Args:
            gallery: The same at any point.
        """
        inside, perhaps, whole = self._read(gallery)
        sure = inside & ~perhaps & self._good
        count = sure.sum(axis=1)
        unsure = (inside | perhaps) & ~sure & (self._good | self._perhaps)
        open_ = (unsure.any(axis=1) | ~self._ends) & (count < self._k) & ~whole
        out = np.where(whole, 1.0, np.minimum(count, self._k) / max(1, self._k))
        if open_.any():
            some = np.flatnonzero(open_)
            scores, _, _ = gallery.search(self._queries[some], self._k, self._subset)
            out[some] = found_share(scores, self._truth[some], self._k)
        return np.asarray(out, np.float64)

    def _read(
        self, gallery: Gallery
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
        """Whether each true row's list is read (q, d), whether rounding decides that, and who has every row scored."""
        if self._subset is not None:
            lists = gallery.lists_of_filtered(self._queries, self._k, self._subset)
            place = np.take_along_axis(_places(lists.order, gallery.lists), self._lists, 1)
            none = np.zeros(len(place), bool)
            return place < lists.needed[:, None], np.zeros(place.shape, bool), none
        probes = gallery.probes_for(self._k)
        inside = np.take_along_axis(self._place, self._lists, 1) < probes
        whole = self._reached[:, probes - 1] < self._k  # fewer than asked for: all rows are scored
        edge = np.take_along_axis(self._near, self._order[:, probes - 1 : probes + 1], 1)
        if edge.shape[1] < 2:
            return inside, np.zeros(inside.shape, bool), whole
        near = np.take_along_axis(self._near, self._lists, 1)
        close = edge[:, :1] - edge[:, 1:] < self._noise
        return inside, close & (np.abs(near - edge[:, :1]) < 2 * self._noise), whole


def _places(order: Ints, lists: int) -> NDArray[np.int32]:
    """(q, lists) the place of each list in an order (q, p) of some; the last one's and more where it is not in it."""
    out = np.full((len(order), lists), np.iinfo(np.int32).max, np.int32)
    np.put_along_axis(out, order, np.arange(order.shape[1], dtype=np.int32)[None], 1)
    return out
