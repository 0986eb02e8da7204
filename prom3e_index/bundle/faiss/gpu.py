"""Exact search of one gallery on a GPU: it proposes candidates, which are scored again from the stored vectors.

FAISS rounds queries to half precision there, so a score may be off by their rounding. Candidates are asked for until
no row beyond them can reach the k-th hit, or the GPU has told all it can, 2,048; then the processor searches. Filtered
searches never come here: FAISS's kernels ignore selectors without an error.
"""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

import numpy as np

from prom3e_index.bundle.faiss.scan import Floats, Ints, Vectors, refine, widen
from prom3e_index.bundle.memory_maps import release
from prom3e_index.errors import InputError

SPARE = 64
"""Candidates beyond k that are asked for first."""
MOST = 2048
"""Most candidates that FAISS's GPU kernels select."""
_SCRATCH = 256 << 20
_ROUNDING = 2.0**-10
"""Twice the relative error of half precision: of a query's rounding, and of summing."""
_LOCK = threading.Lock()
"""FAISS's GPU objects bear one caller at a time."""


def device_number(device: str) -> int:
    """Number of a GPU from `cuda` or `cuda:1`.

    Raises:
        InputError: Neither.
    """
    name, _, number = device.partition(":")
    if name != "cuda" or (":" in device and not number.isascii()) or not (number or "0").isdigit():
        raise InputError(f"{device!r} is no GPU; write cuda or cuda:1.")
    return int(number or 0)


@cache
def _resources(device: int) -> Any:
    """Scratch memory and streams, once for all galleries of a process."""
    import faiss

    resources = faiss.StandardGpuResources()
    resources.setTempMemory(_SCRATCH)
    return resources


def _flat(width: int, device: int) -> Any:
    import faiss

    config = faiss.GpuIndexFlatConfig()
    config.useFloat16, config.device = True, device
    return faiss.GpuIndexFlatIP(_resources(device), width, config)


class GpuGallery:
    """A gallery's vectors on a GPU."""

    def __init__(self, vectors: Vectors, device: int, block: int = 1 << 16) -> None:
        self._vectors, self._longest = vectors, 0.0
        with _LOCK:
            self._index = _flat(vectors.shape[1], device)
            for at in range(0, len(vectors), block):
                rows = np.arange(at, min(len(vectors), at + block), dtype=np.int64)
                part = widen(vectors, rows)
                self._longest = max(self._longest, float(np.linalg.norm(part, axis=1).max()))
                self._index.add(part)
                release(vectors)

    def search(self, queries: Floats, k: int) -> tuple[Floats, Ints] | None:
        """The k best rows of each query, scored from the vectors; None where the GPU cannot tell them for sure.

        Args:
            queries: (q, width) float32.
            k: From 1 to the gallery's length.
        """
        n = len(self._vectors)
        want = min(k + SPARE, n)
        error = _ROUNDING * self._longest * np.linalg.norm(queries, axis=1)
        while want <= MOST:
            with _LOCK:
                near, proposed = self._index.search(queries, want)
            proposed = np.ascontiguousarray(proposed, np.int64)
            if not (np.isfinite(near).all() and (proposed >= 0).all() and (proposed < n).all()):
                return None
            scores, rows = refine(self._vectors, queries, proposed, k)
            if want == n or (near[:, -1] + error < scores[:, -1]).all():
                return scores, rows
            if want == MOST:
                return None
            want = min(8 * want, n, MOST)
        return None
