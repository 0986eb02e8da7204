"""Which vectors are on a GPU: each file once a process, while a gallery of it is open or it stays, if there is room."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import numpy as np

from prom3e_index.bundle.faiss.scan import Floats, Ints, Vectors, best, exact
from prom3e_index.errors import InputError

if TYPE_CHECKING:
    from prom3e_index.bundle.faiss.resident import Resident

SPARED = 3 << 30
"""Bytes of a GPU that are left for searching and for the encoders, beside a tenth of what is free."""
_LOCK = threading.Lock()
_HELD: WeakValueDictionary[Any, Resident] = WeakValueDictionary()
_STAYING: list[list[Resident]] = []


@contextmanager
def uploads_stay() -> Iterator[None]:
    """What is copied to a GPU meanwhile stays there until the block ends, while there is room for more.

    A build searches each of its galleries for its operating point, its certificate and its calibration.
    """
    mine: list[Resident] = []
    with _LOCK:
        _STAYING.append(mine)
    try:
        yield
    finally:
        with _LOCK:
            _STAYING[:] = [s for s in _STAYING if s is not mine]
            mine.clear()


def device_number(device: str) -> int:
    """Number of a GPU from `cuda` or `cuda:1`.

    Raises:
        InputError: Neither.
    """
    name, _, number = device.partition(":")
    if name != "cuda" or (":" in device and not number.isascii()) or not (number or "0").isdigit():
        raise InputError(f"{device!r} is no GPU; write cuda or cuda:1.")
    return int(number or 0)


def room_for(width: int, device: str) -> int:
    """Rows of half precision that a GPU has room for now."""
    import torch

    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info(device)
    return max(0, int(0.9 * free) - SPARED) // (2 * width)


def device_name(number: int) -> str:
    """What torch calls a GPU."""
    return f"cuda:{number}"


def number_of_gpus() -> int:
    """GPUs that torch sees."""
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


class GpuGallery:
    """A gallery's vectors on a GPU, copied there at the first need; what does not fit stays on the processor."""

    def __init__(self, path: str, vectors: Vectors, device: str) -> None:
        """Prepare for the GPU.

        Args:
            path: The gallery's FAISS file, written with its vectors and never changed.
            vectors: (n, w).
            device: `cuda` or `cuda:1`.

        Raises:
            InputError: No name of a GPU.
        """
        self._vectors, self._number = vectors, device_number(device)
        facts = Path(path).stat()
        self._file = (facts.st_dev, facts.st_ino, facts.st_mtime_ns, facts.st_size, vectors.shape)
        self._held: Resident | None = None
        self._why = ""

    def open(self) -> str:
        """Copy the vectors, or share what the process holds of the file; give why that cannot be, or nothing."""
        with _LOCK:
            if self._held is None and not self._why:
                try:
                    self._copy()
                except RuntimeError as e:
                    self._why = f"not on cuda:{self._number}: {first_line(e)}"
        return self._why

    def _copy(self) -> None:
        seen, key = number_of_gpus(), (self._number, *self._file)
        if self._number >= seen:
            self._why = f"torch sees {seen} GPUs, cuda:{self._number} is not among them"
            return
        held = _HELD.get(key)
        if held is None:
            from prom3e_index.bundle.faiss.resident import Resident

            device = device_name(self._number)
            total, width = self._vectors.shape
            rows = min(total, room_for(width, device))
            if rows < total and any(_STAYING):  # those that nobody searches any more make room
                for staying in _STAYING:
                    staying.clear()
                rows = min(total, room_for(width, device))
            if not rows:
                self._why = f"cuda:{self._number} has no free memory"
                return
            held = _HELD[key] = Resident.copied(self._vectors, device, rows)
            if _STAYING:
                _STAYING[-1].append(held)
        self._held = held

    def search(
        self, queries: Floats, k: int, subset: Any = None
    ) -> tuple[tuple[Floats, Ints, str] | None, str]:
        """The k best rows of each query, as `scan.exact` gives them, and the path taken; or None and why not.

        Args:
            queries: (q, w) float32.
            k: From 1 to the number of eligible rows.
            subset: Eligible rows; all when None.
        """
        why = self.open()
        if why or self._held is None:
            return None, f" ({why})"
        try:
            return self._search(self._held, queries, k, subset), ""
        except RuntimeError as e:
            return None, f" (the GPU failed: {first_line(e)})"

    def _search(
        self, held: Resident, queries: Floats, k: int, subset: Any
    ) -> tuple[Floats, Ints, str]:
        rows = None if subset is None else subset.rows
        here = held.rows if rows is None else int(np.searchsorted(rows, held.rows))
        path = "exact, on the GPU" + ("" if rows is None else ", among the eligible rows")
        found, unsure = [], np.zeros(0, np.int64)
        if here:
            scores, numbers, sure = held.search(queries, min(k, here), subset)
            unsure = np.flatnonzero(~sure)
            found.append((scores, numbers))
        if held.rows < held.total:
            path += f" ({held.rows:,} of {held.total:,} rows; the rest on the processor)"
            rest = self._vectors[held.rows :]
            beyond = None if rows is None else rows[here:] - held.rows
            size = len(rest) if beyond is None else len(beyond)
            if size:
                scores, numbers = exact(rest, queries, min(k, size), beyond)
                found.append((scores, numbers + held.rows))
        scores, numbers = found[0] if len(found) == 1 else _merged(found, k)
        if len(unsure):
            scores[unsure], numbers[unsure] = exact(self._vectors, queries[unsure], k, rows)
            path += f"; {len(unsure)} of {len(queries)} on the processor, the GPU could not tell the best for sure"
        return scores, numbers, path


def _merged(found: list[tuple[Floats, Ints]], k: int) -> tuple[Floats, Ints]:
    scores, rows = (np.concatenate([f[i] for f in found], axis=1) for i in (0, 1))
    lines = [best(s, r, k) for s, r in zip(scores, rows, strict=True)]
    return np.stack([s for s, _ in lines]), np.stack([r for _, r in lines])


def first_line(error: Exception) -> str:
    """What an error of torch or FAISS says, short."""
    return (str(error) or type(error).__name__).strip().splitlines()[0][:120]
