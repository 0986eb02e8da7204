"""Searching one gallery: unfiltered in the index, filtered exactly or in the lists that hold the survivors.

A filter is a `Subset` of rows. Few rows are all scored from the stored vectors. Many go to FAISS as a
selector, with the lists probed chosen by how many survivors they hold. Whatever the index proposes is
scored again from the stored vectors, so scores never depend on the kind. Search parameters are given with
each call; nothing shared is changed, and any number of threads may search one gallery.
"""

from __future__ import annotations

import math
from copy import copy
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.faiss.gpu import GpuGallery
from prom3e_index.bundle.faiss.kinds import KINDS, Kind
from prom3e_index.bundle.faiss.opened_index import open_index
from prom3e_index.bundle.faiss.scan import (
    NOISE,
    SPARE,
    Floats,
    Ints,
    Vectors,
    exact,
    refine,
    settle,
)
from prom3e_index.errors import BundleError

SCAN_BYTES = 24 << 20
"""Filters that leave at most these bytes of vectors are scored row by row; see benchmarks/LOG.md."""
SURVIVORS = 8192
SURVIVOR_SHARE = 2
"""A filtered search in lists goes on until it has met this many eligible rows, and this many times the rows that
an unfiltered one reads: the eligible rows nearest to a query may lie far from it. See benchmarks/LOG.md."""
TUNED_K = 10
"""Points are tuned for ten hits; for k of them √(k / 10) times the lists are read, see benchmarks/LOG.md."""
HNSW_SHARE = 0.9
"""Below this share of eligible rows a graph is left, and the eligible rows are scored instead."""
_TIES = 4096


@dataclass(frozen=True)
class Point:
    """How a gallery is searched: the operating point that a build has measured.

    Attributes:
        kind: Name of the kind.
        probes: Lists read per query.
        candidates: Candidates per hit, scored again from the vectors.
        beam: A graph's efSearch.
    """

    kind: str = "exact"
    probes: int = 0
    candidates: int = 1
    beam: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)


class Subset:
    """Eligible rows of galleries of one length, with what searches derive from them once.

    Attributes:
        rows: Ascending row numbers.
        total: Rows of the gallery.
    """

    def __init__(self, rows: Ints, total: int) -> None:
        self.rows, self.total = np.ascontiguousarray(rows, np.int64), total

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def selector(self) -> Any:
        """FAISS's selector of these rows."""
        import faiss

        bits = np.zeros(self.total, bool)
        bits[self.rows] = True
        return faiss.IDSelectorBitmap(np.packbits(bits, bitorder="little"))


@dataclass(frozen=True)
class FilteredLists:
    """The lists that a filtered search reads.

    Attributes:
        order: (q, p) numbers of lists, the nearest first; as many as any query reads.
        near: (q, p) scores of their centres.
        needed: (q,) how many of them each query reads.
        least: Eligible rows that a query meets at least.
        path: How a search that reads them tells of it.
    """

    order: Ints
    near: Floats
    needed: Ints
    least: int
    path: str


class Gallery:
    """One target's vectors and their index, opened for searching.

    Attributes:
        vectors: (n, width) float16, memory-mapped: the truth.
        point: How it is searched.
        on_gpu: Whether its searches run on a GPU; galleries with lists go there when asked to be exact.
        lists, centres: Of a kind with lists, how many, and their centres (lists, width).
    """

    def __init__(
        self,
        path: str,
        vectors: Vectors,
        point: Point,
        assigned: NDArray[np.int32] | None = None,
        gpu: bool | str = False,
    ) -> None:
        import faiss

        self.vectors, self.point, self._assigned = vectors, point, assigned
        self._kind = KINDS[point.kind]
        self._survivors: WeakKeyDictionary[Subset, Ints] = WeakKeyDictionary()
        self._index: Any = open_index(path, self._kind, vectors.shape, assigned)
        if self._kind.ivf:
            lists = faiss.downcast_InvertedLists(self._index.invlists)
            if hasattr(lists, "prefetch_nthread"):
                lists.prefetch_nthread = 0  # threads begun for each query cost more than they bring
            self.lists = int(self._index.nlist)
            self.centres: Floats = self._index.quantizer.reconstruct_n(0, self.lists)
        self._gpu: GpuGallery | None = None
        if gpu is not False:
            self._gpu = GpuGallery(path, vectors, "cuda" if gpu is True else gpu)
        self.on_gpu = self._gpu is not None and self._kind.name == "exact" and not self._gpu.open()

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def kind(self) -> Kind:
        """Its kind of index."""
        return self._kind

    def at(self, point: Point) -> Gallery:
        """The same gallery searched at another point; nothing of this one changes."""
        other = copy(self)
        other.point = point
        return other

    def search(
        self, queries: Floats, k: int, subset: Subset | None = None, exactly: bool = False
    ) -> tuple[Floats, Ints, str]:
        """Find the k best rows for each query, higher score first, ties by row number.

        Args:
            queries: (q, width) float32.
            k: At most this many; as many come back as are eligible.
            subset: Eligible rows; all when None.
            exactly: Score every eligible row, whatever the kind.

        Returns:
            Scores (q, h) and rows (q, h) with h = min(k, eligible), and the path taken.
        """
        queries = np.ascontiguousarray(queries, np.float32)
        eligible = len(self) if subset is None else len(subset)
        k = min(k, eligible)
        if k == 0:
            return (*self._none(len(queries)), "nothing to search")
        why = ""
        if self._gpu is not None and (exactly or self._kind.name == "exact"):
            told, why = self._gpu.search(queries, k, subset)
            if told is not None:
                return told
        if subset is not None and (exactly or self._is_small(len(subset), k)):
            found = exact(self.vectors, queries, k, subset.rows)
            return (*found, "exact scan of the eligible rows" + why)
        if exactly:
            return (*exact(self.vectors, queries, k), "exact scan" + why)
        if self._kind.name == "exact":
            return self._flat(queries, k, "exact, FAISS" + why)
        if self._kind.ivf:
            scores, rows, path = self._from_lists(queries, k, subset)
        else:
            scores, rows, path = self._from_graph(queries, k, subset)
        self._check_rows(rows)
        if self._kind.refined:
            scores, rows = refine(self.vectors, queries, rows, k)
        else:
            settle(scores, rows)
            scores, rows = scores[:, :k], rows[:, :k]
        # A code that is no number, of a damaged file, may stand anywhere in a line.
        short = np.flatnonzero((rows < 0).any(axis=1) | np.isnan(scores).any(axis=1))
        if len(short):  # never fewer than are eligible
            every = None if subset is None else subset.rows
            scores[short], rows[short] = exact(self.vectors, queries[short], k, every)
        return scores, rows, path

    def _check_rows(self, rows: Ints) -> None:
        """Row numbers stand in FAISS's file, which may be anyone's: others than the gallery's are not looked up."""
        if rows.size and not -1 <= int(rows.min()) <= int(rows.max()) < len(self):
            raise BundleError(
                f"The {self._kind.name} index names rows {rows.min()} to {rows.max()}, the gallery has 0 to "
                f"{len(self) - 1}. Run prom3e-index rebuild."
            )

    def _none(self, queries: int) -> tuple[Floats, Ints]:
        return np.zeros((queries, 0), np.float32), np.zeros((queries, 0), np.int64)

    def _is_small(self, eligible: int, k: int) -> bool:
        if self._kind.name == "exact" or (not self._kind.ivf and eligible < HNSW_SHARE * len(self)):
            return True
        row_bytes = 2 * self.vectors.shape[1]
        return eligible <= max(4 * k, SCAN_BYTES // row_bytes)

    def is_exact(self, k: int, eligible: int, exactly: bool = False) -> bool:
        """Whether a search of k of so many eligible rows finds the very best: one of more rows begins with them."""
        if exactly or self._kind.name == "exact":
            return True
        return eligible < len(self) and self._is_small(eligible, min(k, eligible))

    def _flat(self, queries: Floats, k: int, path: str) -> tuple[Floats, Ints, str]:
        """FAISS proposes some rows more than asked for, until none beyond them can be among the first k."""
        want = min(k + SPARE, len(self))
        while True:
            near, proposed = self._index.search(queries, want)
            self._check_rows(proposed)
            scores, rows = refine(self.vectors, queries, proposed.astype(np.int64), k)
            if want == len(self) or (near[:, -1] + NOISE < scores[:, -1]).all():
                return scores, rows, path
            if want > _TIES:
                return (*exact(self.vectors, queries, k), path)
            want = min(8 * want, len(self))

    def _from_lists(
        self, queries: Floats, k: int, subset: Subset | None
    ) -> tuple[Floats, Ints, str]:
        import faiss

        n, lists = len(self), self.lists
        want, probes = min(n, k * self.point.candidates), self.probes_for(k)
        if subset is None:
            parameters = faiss.SearchParametersIVF(nprobe=probes)
            scores, rows = self._index.search(queries, want, params=parameters)
            return scores, rows, f"{self._kind.name}, {probes} of {lists:,} lists"
        read = self.lists_of_filtered(queries, k, subset)
        probes = read.order.shape[1]
        order, near = read.order.copy(), read.near
        order[np.arange(probes) >= read.needed[:, None]] = -1
        parameters = faiss.SearchParametersIVF(nprobe=probes, sel=subset.selector)
        if self._kind.refined:  # more rows compete, so more of them are scored again
            want *= min(4, math.ceil(read.least * lists / (n * max(1, self.point.probes))))
        rows = np.empty((len(queries), min(want, len(subset))), np.int64)
        scores = np.empty(rows.shape, np.float32)
        numbers = map(faiss.swig_ptr, (order, near, scores, rows))
        self._index.search_preassigned_c(
            len(queries), faiss.swig_ptr(queries), rows.shape[1], *numbers, False, parameters
        )
        return scores, rows, read.path

    def probes_for(self, k: int) -> int:
        """Lists that a search of k hits reads for each query, where nothing is filtered."""
        further = max(1.0, k / TUNED_K) ** 0.5
        fewest = -(-4 * k * self.lists // len(self))
        return int(min(self.lists, max(math.ceil(self.point.probes * further), fewest)))

    def rows_read(self, k: int) -> float:
        """Rows whose scores a search of k hits makes, on average; of a graph none to speak of."""
        return len(self) * self.probes_for(k) / self.lists if self._kind.ivf else 0.0

    def lists_of_filtered(self, queries: Floats, k: int, subset: Subset) -> FilteredLists:
        """Which lists a filtered search of k hits reads for queries (q, width)."""
        n, lists, probes = len(self), self.lists, self.probes_for(k)
        held = self.held_by_lists(subset)
        near = queries @ self.centres.T
        near[:, held == 0] = -np.inf
        order = np.argsort(-near, axis=1)
        reached = np.cumsum(held[order], axis=1)
        want = 4 * min(n, k * self.point.candidates)
        least = min(len(subset), max(SURVIVORS, SURVIVOR_SHARE * probes * n // lists, want))
        needed = np.argmax(reached >= least, axis=1) + 1
        needed = np.maximum(needed, min(probes, int((held > 0).sum())))
        order = np.ascontiguousarray(order[:, : int(needed.max())], np.int64)
        near = np.ascontiguousarray(np.take_along_axis(near, order, 1), np.float32)
        path = f"{self._kind.name} with selector, {order.shape[1]} of {lists:,} lists"
        return FilteredLists(order, near, needed, least, path)

    def lists_of(self, rows: Ints) -> NDArray[np.int32]:
        """The list of each of some rows, in any shape; for kinds with lists."""
        assert self._assigned is not None  # kinds with lists come with them
        return self._assigned[rows]

    def held_by_lists(self, subset: Subset | None = None) -> Ints:
        """Eligible rows in each list, (lists,); kept as long as the subset is."""
        if subset is None:
            return np.bincount(self.lists_of(np.arange(len(self))), minlength=self.lists)
        held = self._survivors.get(subset)
        if held is None:
            held = np.bincount(self.lists_of(subset.rows), minlength=self.lists)
            self._survivors[subset] = held
        return held

    def _from_graph(
        self, queries: Floats, k: int, subset: Subset | None
    ) -> tuple[Floats, Ints, str]:
        import faiss

        share = 1.0 if subset is None else len(subset) / len(self)
        want = min(len(self), k * self.point.candidates)
        beam = int(max(self.point.beam, want) / share) + 1
        selector = {} if subset is None else {"sel": subset.selector}
        parameters = faiss.SearchParametersHNSW(efSearch=beam, **selector)
        scores, rows = self._index.search(queries, want, params=parameters)
        return scores, rows, self._kind.name + (" with selector" if selector else "")

    def held(self, row: int) -> Floats:
        """The vector that a flat index holds for a row, (width,) float32."""
        out: Floats = self._index.reconstruct(row)
        return out
