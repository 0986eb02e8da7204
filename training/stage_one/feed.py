"""What each step sees, prepared by one thread while the step before it runs."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator
from typing import Any, TypeVar

from torch import Tensor

T = TypeVar("T")
AHEAD = 4
"""Prepared batches that wait at most; uint8 pictures of 256 rows are 50 MB."""
_LOOK_EVERY_S = 0.1


def ahead(
    make: Callable[[int], T], first: int, last: int, waiting: int = AHEAD
) -> Generator[T, None, None]:
    """Yield `make(first)`, …, `make(last - 1)`, each made in a thread before it is asked for.

    One thread calls `make` in order, so what it draws from seeded generators is drawn as without it. An
    error of `make` is raised where its result would have come, after all results before it. Closing the
    generator ends the thread.

    Args:
        make: Called in the thread; must not read what the consumer changes.
        first: First step.
        last: Step after the last.
        waiting: Results made ahead at most; `make` waits when so many are.
    """
    ring: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(maxsize=waiting)
    closed = threading.Event()

    def work() -> None:
        for at in range(first, last):
            entry: tuple[T | None, BaseException | None]
            try:
                entry = make(at), None
            except BaseException as e:  # whatever it is, the consumer gets it
                entry = None, e
            while not closed.is_set():
                try:
                    ring.put(entry, timeout=_LOOK_EVERY_S)
                    break
                except queue.Full:
                    continue
            if closed.is_set() or entry[1] is not None:
                return

    thread = threading.Thread(target=work, name="feed", daemon=True)
    thread.start()
    try:
        for _ in range(first, last):
            value, error = ring.get()
            if error is not None:
                raise error
            yield value  # type: ignore[misc]
    finally:
        closed.set()
        thread.join()


def pinned(value: Any) -> Any:
    """The same tensors in page-locked memory, from which a GPU copies while it computes; nests of tuples."""
    if isinstance(value, tuple):
        return tuple(pinned(v) for v in value)
    return value.pin_memory() if isinstance(value, Tensor) else value


def moved(value: Any, device: str) -> Any:
    """The same tensors on a device, without waiting for it; nests of tuples."""
    if isinstance(value, tuple):
        return tuple(moved(v, device) for v in value)
    return value.to(device, non_blocking=True) if isinstance(value, Tensor) else value
