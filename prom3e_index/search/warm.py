"""What stays ready between the questions of an opened index: decode processes, and the rows of its last filters."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future
from weakref import WeakKeyDictionary, WeakValueDictionary, finalize

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.filters import Filter
from prom3e_index.bundle.held_files import CLOSED
from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.errors import BundleError
from prom3e_index.media.pool import DecodePool, Noted, Task
from prom3e_index.search.asked import Rows

FILES = 500
"""Files after which a kept decode process is replaced: what decoders do not give back ends with it."""
_KEPT = 4
"""Most decode processes that an index keeps for single questions, each started when it is first needed."""
_TIMEOUT_S = 120.0

_warm: WeakKeyDictionary[BundleFolder, Warm] = WeakKeyDictionary()
_lock = threading.Lock()


class Eligible:
    """Rows that satisfy filters; those of the last few filters are kept. Any number of threads may ask."""

    _MOST = 16
    _BYTES = 64 << 20

    def __init__(self) -> None:
        self._kept: deque[NDArray[np.int64]] = deque()
        self._known: WeakValueDictionary[Filter, NDArray[np.int64]] = WeakValueDictionary()
        self._lock = threading.Lock()

    def __call__(self, bundle: BundleFolder, f: Filter) -> Rows:
        """Eligible rows, ascending; None without a filter. The same array for the same filter while it is in use."""
        try:
            with self._lock:
                rows = self._known.get(f)
        except TypeError:  # a list within
            return bundle.eligible(f)
        if rows is not None:
            return rows
        rows = bundle.eligible(f)
        if rows is None:
            return None
        with self._lock:
            rows = self._known.setdefault(f, rows)
            if rows.nbytes <= self._BYTES:
                self._kept.append(rows)
            while len(self._kept) > self._MOST or sum(r.nbytes for r in self._kept) > self._BYTES:
                self._kept.popleft()
        return rows


class Warm:
    """Decode processes that are kept, and whose turn it is to encode.

    Attributes:
        eligible: Rows of the last filters.
        encoding: One thread encodes at a time: encoders use all cores that they may.
        closed: Whether it was ended.
    """

    def __init__(self, workers: int, timeout_s: float = _TIMEOUT_S) -> None:
        self.eligible, self.encoding, self.closed = Eligible(), threading.Lock(), False
        self._pool, self._process = DecodePool(workers, timeout_s, files=FILES), os.getpid()

    @property
    def workers(self) -> int:
        """Decode processes, at most."""
        return self._pool.workers

    @property
    def here(self) -> bool:
        """Whether this process made it, and no one that it was forked from."""
        return self._process == os.getpid()

    def submit(self, task: Task) -> Future[Noted]:
        """Have one file decoded.

        Raises:
            BundleError: It was ended.
        """
        try:
            return self._pool.submit_noted(task)
        except RuntimeError as e:
            raise BundleError(CLOSED) from e

    def done(self, waiting: Sequence[Future[Noted]]) -> list[Noted]:
        """What became of files.

        Raises:
            BundleError: It was ended meanwhile.
            KeyboardInterrupt: The user ends it; so are the processes, which else would decode on.
        """
        try:
            out = [w.result() for w in waiting]
        except CancelledError as e:
            raise BundleError(CLOSED) from e
        except (KeyboardInterrupt, SystemExit):
            self.close()
            raise
        if self.closed:
            raise BundleError(CLOSED)
        return out

    def close(self) -> None:
        """End the processes."""
        self.closed = True
        self._pool.close()


def warm_of(bundle: BundleFolder) -> Warm:
    """What an opened index keeps for single questions; it ends with the index, or with `end_warm`."""
    with _lock:
        warm = _warm.get(bundle)
        if warm is None or warm.closed or not warm.here:
            warm = _warm[bundle] = Warm(min(_KEPT, os.cpu_count() or 2))
            finalize(bundle, warm.close)
        return warm


def end_warm(bundle: BundleFolder) -> None:
    """End what is kept for an index."""
    with _lock:
        warm = _warm.pop(bundle, None)
    if warm is not None:
        warm.close()
