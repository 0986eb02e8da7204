"""Exact inner-product search in FAISS: half-precision vectors on the CPU, or a GPU's flat index.

The one place that knows FAISS. A filter is a set of rows; few rows are scored from the vectors
themselves, many go to FAISS as a selector. Classic GPU kernels ignore selectors without an error,
so a filtered search never uses them.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import BundleError

Floats = NDArray[np.float32]
Vectors = NDArray[np.float16]

SCAN_SHARE = 0.02
"""Filters that leave at most this share of the rows are scored row by row; see benchmarks/LOG.md."""


_DECIMALS = 6
_NOISE = 2e-6
_TIES = 4096
"""Beyond this many tied rows every row is scored once."""


def build(vectors: Vectors, path: Path) -> None:
    """Write an exact half-precision index over stored vectors (n, width), rows numbered from 0.

    FAISS's half-precision codes are the vectors' own bytes, and a flat index's file is a header, the
    length of the codes, and the codes. So FAISS writes the header of an index of one row, and the rest is
    copied from the file of vectors: no vector passes through memory twice, whatever the number of rows.

    Raises:
        BundleError: This FAISS writes another layout.
    """
    import faiss

    n, width = vectors.shape
    one = faiss.IndexScalarQuantizer(
        width, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    one.add(np.asarray(vectors[:1], np.float32))
    head = bytearray(faiss.serialize_index(one).tobytes())
    tail = struct.pack("<Q", 2 * width) + np.ascontiguousarray(vectors[:1], "<f2").tobytes()
    count = slice(8, 16)  # after the four letters of the kind and the width
    if not head.endswith(tail) or head[count] != struct.pack("<q", 1):
        raise BundleError(
            f"FAISS {faiss.__version__} writes flat indexes in a layout that is not known here."
        )
    head[count] = struct.pack("<q", n)
    with path.open("wb") as f:
        f.write(head[: -len(tail)])
        f.write(struct.pack("<Q", 2 * width * n))
        for at in range(0, n, 1 << 14):
            f.write(np.ascontiguousarray(vectors[at : at + (1 << 14)], "<f2").tobytes())


class ExactIndex:
    """One target's gallery.

    Attributes:
        vectors: (n, width) float16, memory-mapped: the truth that FAISS's copy is checked against.
        on_gpu: Whether unfiltered searches run on a GPU.
    """

    def __init__(self, path: Path, vectors: Vectors, gpu: bool = False) -> None:
        import faiss

        self.vectors = vectors
        try:
            self._index: Any = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError as e:
            raise BundleError(f"{path} is no readable FAISS index: {str(e).splitlines()[0]}") from e
        if (self._index.ntotal, self._index.d) != vectors.shape:
            raise BundleError(
                f"{path} holds {self._index.ntotal:,} × {self._index.d}, its vectors are "
                f"{vectors.shape[0]:,} × {vectors.shape[1]}. Rebuild the index."
            )
        self._gpu: Any = None
        if gpu and faiss.get_num_gpus() > 0:
            config = faiss.GpuIndexFlatConfig()
            config.useFloat16 = True
            flat = faiss.GpuIndexFlatIP(faiss.StandardGpuResources(), vectors.shape[1], config)
            for at in range(0, len(vectors), 1 << 16):
                flat.add(np.asarray(vectors[at : at + (1 << 16)], np.float32))
            self._gpu = flat
        self.on_gpu = self._gpu is not None

    def search(
        self, query: Floats, k: int, rows: NDArray[np.int64] | None = None
    ) -> tuple[Floats, NDArray[np.int64], str]:
        """Find the k best rows for one query, higher score first, ties by row number.

        Scores are rounded to six decimals, above the noise of float32 sums, so that equal vectors tie.

        Args:
            query: (width,).
            k: At most this many.
            rows: Eligible rows, ascending; all when None.

        Returns:
            Scores (h,), rows (h,) with h = min(k, eligible), and the path taken.
        """
        n = len(self.vectors)
        eligible = n if rows is None else len(rows)
        k = min(k, eligible)
        if k == 0:
            return np.zeros(0, np.float32), np.zeros(0, np.int64), "nothing to search"
        if rows is not None and len(rows) <= max(2 * k, SCAN_SHARE * n):
            return (*self.scan(query, k, rows), "exact scan of the eligible rows")
        want = k + 1  # one more than asked for shows whether a tie crosses the k-th place
        while True:
            scores, found, path = self._faiss(query, min(want, eligible), rows)
            if want >= eligible or scores[-1] < scores[k - 1] - _NOISE:
                return (*best(scores, found, k), path)
            if want > _TIES:
                break
            want *= 8
        close = self.scores(query, rows) >= scores[k - 1] - 2 * _NOISE
        tied = np.flatnonzero(close) if rows is None else rows[close]
        return (*self.scan(query, k, tied), path)

    def _faiss(
        self, query: Floats, k: int, rows: NDArray[np.int64] | None
    ) -> tuple[Floats, NDArray[np.int64], str]:
        import faiss

        batch = np.ascontiguousarray(query[None], np.float32)
        if rows is None and self._gpu is not None:
            scores, found = self._gpu.search(batch, k)
            path = "exact, FAISS on the GPU"
        else:
            params = None
            if rows is not None:
                bits = np.zeros(len(self.vectors), bool)
                bits[rows] = True
                selector = faiss.IDSelectorBitmap(np.packbits(bits, bitorder="little"))
                params = faiss.SearchParameters(sel=selector)
            scores, found = self._index.search(batch, k, params=params)
            path = "exact, FAISS" + (" with selector" if rows is not None else "")
        return np.round(scores[0], _DECIMALS), found[0].astype(np.int64), path

    def held(self, row: int) -> Floats:
        """The vector that FAISS holds for a row, (width,) float32."""
        out: Floats = self._index.reconstruct(row)
        return out

    def scores(self, query: Floats, rows: NDArray[np.int64] | None = None) -> Floats:
        """Score rows (all when None) from the vectors, in blocks: (rows,) float32, six decimals."""
        n = len(self.vectors) if rows is None else len(rows)
        out = np.empty(n, np.float32)
        for at in range(0, n, 1 << 14):
            part = slice(at, at + (1 << 14)) if rows is None else rows[at : at + (1 << 14)]
            out[at : at + (1 << 14)] = np.asarray(self.vectors[part], np.float32) @ query
        return np.round(out, _DECIMALS)

    def scan(
        self, query: Floats, k: int, rows: NDArray[np.int64]
    ) -> tuple[Floats, NDArray[np.int64]]:
        """Score `rows` one by one and keep the k best."""
        return best(self.scores(query, rows), rows, k)


def best(scores: Floats, rows: NDArray[np.int64], k: int) -> tuple[Floats, NDArray[np.int64]]:
    """The k best of (scores, rows): higher score first, ties by row number."""
    k = min(k, len(rows))
    if k == 0:
        return scores[:0], rows[:0]
    if k < len(rows):  # everything at least as good as the k-th, so that ties are settled by row
        keep = np.flatnonzero(scores >= np.partition(scores, -k)[-k])
        scores, rows = scores[keep], rows[keep]
    ordered_scores, ordered_rows = _ordered(scores, rows)
    return ordered_scores[:k], ordered_rows[:k]


def _ordered(scores: Floats, rows: NDArray[np.int64]) -> tuple[Floats, NDArray[np.int64]]:
    order = np.lexsort((rows, -scores))
    return scores[order], rows[order]
