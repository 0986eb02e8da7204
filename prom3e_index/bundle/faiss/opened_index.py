"""Opening FAISS files that may come from anyone: nothing in one leads the search outside its own memory.

FAISS checks what it reads, not that it is the index we expect. So the kind, every size and, of graphs, every neighbour
are compared with what follows from the vectors; row numbers are compared after each search (`search.py`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.faiss.kinds import Kind
from prom3e_index.errors import BundleError

_CLASSES = {
    "exact": "IndexScalarQuantizer",
    "ivf-f16": "IndexIVFScalarQuantizer",
    "ivf-sq8": "IndexIVFScalarQuantizer",
    "ivf-rabitq4": "IndexIVFRaBitQ",
    "ivf-pqfs": "IndexIVFPQFastScan",
    "hnsw-sq8": "IndexHNSWSQ",
}


class _Foreign(Exception):
    """What a file holds that no index of its kind does."""


def open_index(
    path: str, kind: Kind, shape: tuple[int, ...], assigned: NDArray[np.int32] | None
) -> Any:
    """Open the FAISS file of a gallery, memory-mapped where its kind allows it.

    Args:
        path: The file.
        kind: What it must be.
        shape: Of the gallery's vectors, (n, width).
        assigned: (n,) the list of each row, for kinds with lists.

    Raises:
        BundleError: No such index, or one of other vectors.
    """
    import faiss

    flag = faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY if kind.ivf else faiss.IO_FLAG_MMAP_IFC
    try:
        index = faiss.read_index(path, flag)
    except (RuntimeError, MemoryError, ValueError) as e:
        reason = (str(e) or type(e).__name__).splitlines()[0]
        raise BundleError(
            f"{path} is no readable FAISS index: {reason}. Run prom3e-index rebuild."
        ) from e
    if (index.ntotal, index.d) != shape:
        raise BundleError(
            f"{path} holds {index.ntotal:,} × {index.d}, its vectors are {shape[0]:,} × {shape[1]}. Run "
            "prom3e-index rebuild."
        )
    try:
        _must(type(index).__name__, _CLASSES[kind.name], "kind")
        _must(index.metric_type, faiss.METRIC_INNER_PRODUCT, "metric")
        _must(bool(index.is_trained), True, "trained")
        if kind.ivf:
            _check_lists(index, kind, path, assigned)
        elif kind.name == "exact":
            _check_codes(index, faiss.ScalarQuantizer.QT_fp16, 2 * shape[1])
        else:
            _check_graph(index)
    except (_Foreign, OSError) as e:
        raise BundleError(f"{path} is no {kind.name} index: {e}. Run prom3e-index rebuild.") from e
    return index


def _must(held: Any, wanted: Any, what: str) -> None:
    if held != wanted:
        raise _Foreign(f"{what} is {held}, not {wanted}")


def _check_codes(index: Any, quantizer: int, code: int) -> None:
    """A flat index of scalar codes."""
    _must(index.sq.qtype, quantizer, "code")
    _must((index.sq.d, index.sq.code_size, index.code_size), (index.d, code, code), "size of codes")
    _must(index.codes.size(), index.ntotal * code, "bytes of codes")


def _check_lists(index: Any, kind: Kind, path: str, assigned: NDArray[np.int32] | None) -> None:
    import faiss

    lists, width = int(index.nlist), int(index.d)
    coarse = faiss.downcast_index(index.quantizer)
    _must(type(coarse).__name__, "IndexFlatIP", "coarse quantizer")
    _must((coarse.d, coarse.ntotal), (width, lists), "coarse quantizer")
    _must(coarse.codes.size(), 4 * width * lists, "bytes of the coarse quantizer")
    if assigned is None:
        raise _Foreign("the list of each row is missing")
    low, high = (int(assigned.min()), int(assigned.max())) if len(assigned) else (0, 0)
    if not 0 <= low <= high < lists:
        raise _Foreign(f"rows lie in lists {low} to {high}, there are {lists:,}")
    held = faiss.downcast_InvertedLists(index.invlists)
    _must(held.nlist, lists, "number of lists")
    if kind.name in ("ivf-f16", "ivf-sq8"):
        fp16 = kind.name == "ivf-f16"
        code = 2 * width if fp16 else width
        wanted = faiss.ScalarQuantizer.QT_fp16 if fp16 else faiss.ScalarQuantizer.QT_8bit
        _must(index.sq.qtype, wanted, "code")
        _must(
            (index.sq.d, index.sq.code_size, index.code_size), (width, code, code), "size of codes"
        )
    elif kind.name == "ivf-rabitq4":
        _must((index.rabitq.d, index.rabitq.code_size), (width, index.code_size), "size of codes")
    else:
        pq = index.pq
        _must((pq.d, pq.M * pq.dsub, pq.nbits), (width, width, 4), "size of codes")
        _must(pq.centroids.size(), width << 4, "codebook")
        _must((index.M, index.ksub), (pq.M, 16), "codebook")
    sizes = np.array([held.list_size(i) for i in range(lists)], np.int64)
    if not np.array_equal(sizes, np.bincount(assigned, minlength=lists)):
        raise _Foreign("its lists hold other rows than the list of each row says")
    if kind.name == "ivf-pqfs":
        _check_blocks(index, held, sizes, path)
    else:
        _must(type(held).__name__, "OnDiskInvertedLists", "lists")
        _must(held.code_size, index.code_size, "size of codes")
        _must(str(held.filename), "", "other file with the lists")
        most = Path(path).stat().st_size
        if held.totsize > most or int(sizes.sum()) * (index.code_size + 8) > most:
            raise _Foreign("its lists reach beyond the file")


def _check_blocks(index: Any, held: Any, sizes: NDArray[np.int64], path: str) -> None:
    """Lists of interleaved codes, which end the file: each has an id for every row and whole blocks of codes."""
    _must((index.bbs, index.M2), (32, (index.M + 1) // 2 * 2), "block")
    _must((held.n_per_block, held.block_size), (32, 16 * index.M2), "block")
    codes = -(-sizes // 32) * int(held.block_size)
    with Path(path).open("rb") as f:
        f.seek(-int((16 + 8 * sizes + codes).sum()), os.SEEK_END)
        for size, code in zip(sizes.tolist(), codes.tolist(), strict=True):
            ids = int.from_bytes(f.read(8), "little")
            f.seek(8 * size, os.SEEK_CUR)
            _must((ids, int.from_bytes(f.read(8), "little")), (size, code), "length of a list")
            f.seek(code, os.SEEK_CUR)


def _check_graph(index: Any) -> None:
    """A graph: its storage, and that every neighbour and entry is one of its rows."""
    import faiss

    storage = faiss.downcast_index(index.storage)
    _must(type(storage).__name__, "IndexScalarQuantizer", "storage")
    _must((storage.ntotal, storage.d), (index.ntotal, index.d), "storage")
    _must(storage.metric_type, faiss.METRIC_INNER_PRODUCT, "metric of the storage")
    _check_codes(storage, faiss.ScalarQuantizer.QT_8bit, index.d)
    _must(storage.sq.trained.size(), 2 * index.d, "ranges of the codes")
    n, graph = int(index.ntotal), index.hnsw
    levels, offsets, neighbours, per_level = (
        faiss.vector_to_array(v)
        for v in (graph.levels, graph.offsets, graph.neighbors, graph.cum_nneighbor_per_level)
    )
    _must((len(levels), len(offsets)), (n, n + 1), "rows of the graph")
    if n and (
        levels.min() < 1 or levels.max() >= len(per_level) or graph.max_level >= levels.max()
    ):
        raise _Foreign("a row lies on a level that there is not")
    if (np.diff(per_level.astype(np.int64)) < 0).any() or (n and per_level[0] != 0):
        raise _Foreign("its levels overlap")
    room = per_level.astype(np.int64)[levels] if n else np.zeros(0, np.int64)
    if offsets[0] != 0 or not np.array_equal(np.diff(offsets.astype(np.int64)), room):
        raise _Foreign("its rows overlap")
    _must(len(neighbours), int(offsets[-1]), "neighbours")
    if len(neighbours) and not -1 <= int(neighbours.min()) <= int(neighbours.max()) < n:
        raise _Foreign(
            f"its neighbours go from {neighbours.min()} to {neighbours.max()}, its rows to {n - 1}"
        )
    if n and (not 0 <= graph.entry_point < n or graph.max_level != levels[graph.entry_point] - 1):
        raise _Foreign(f"it is entered at row {graph.entry_point} of {n}")
    _linked_rows_reach_their_level(neighbours, offsets.astype(np.int64), levels, per_level)


def _linked_rows_reach_their_level(
    neighbours: NDArray[Any], offsets: NDArray[Any], levels: NDArray[Any], per_level: NDArray[Any]
) -> None:
    """A neighbour on a level has links of its own there; else another row's would be read."""
    for level in range(1, int(levels.max(initial=1))):
        rows = np.flatnonzero(levels > level)
        begin, end = int(per_level[level]), int(per_level[level + 1])
        linked = neighbours[offsets[rows][:, None] + np.arange(begin, end)]
        linked = linked[linked >= 0]
        if len(linked) and int(levels[linked].min()) <= level:
            raise _Foreign("a row is linked on a level where it does not lie")
