"""Searches on their way: embedded together by one thread, found by several, given up where nobody waits."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prom3e_index.errors import Prom3eError
from prom3e_index.search.query import Query
from prom3e_index.server.generations import Generation
from prom3e_index.server.metrics import Metrics
from prom3e_index.server.problems import Problem
from prom3e_index.server.settings import Settings
from prom3e_index.server.waiting import Job, Waiting

if TYPE_CHECKING:
    from prom3e_index.search.searcher import Embedded

FINDERS = max(1, min(4, (os.cpu_count() or 1) // 2))
"""Threads that find; the one that embeds has what cores they leave, else both would wait for the same ones."""
EMBEDDED = 2048
"""Embedded queries that are kept: an upload is asked with again and again, with other filters and targets."""
_END_S = 2.0
_GIVEN = (
    "image", "sat", "audio", "audio_span", "location", "env", "text", "embedding", "embedding_of", "like", "like_by",
)  # fmt: skip
"""Fields of a query that its embedding depends on."""


class Searching:
    """What answers the searches that were admitted.

    Args:
        settings: How many threads networks have, how many searches may wait.
        metrics: What is counted.
        release: Lets go of the generation of a search that has ended.
        failed: Called with what nobody foresaw.

    Attributes:
        waiting: The line.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        release: Callable[[Generation], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._settings, self._metrics = settings, metrics
        self._release, self._failed = release, failed
        self.waiting = Waiting(settings.queue)
        self._embedded: OrderedDict[object, Embedded] = OrderedDict()
        self._running: set[Job] = set()
        self._lock = threading.Lock()
        self._finders = ThreadPoolExecutor(FINDERS, "find", _set_threads, (settings.threads or 1,))
        self._encoder = threading.Thread(target=self._encode, name="encode", daemon=True)

    def begin(self) -> None:
        """Begin to answer."""
        self._encoder.start()

    def close(self) -> None:
        """Answer nothing more; what runs is stopped, and has two seconds to end."""
        self.waiting.close()
        self._finders.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            running = list(self._running)
        for job in running:
            self.give_up(job)
        until = time.monotonic() + _END_S
        while self._running and time.monotonic() < until:
            time.sleep(0.01)

    def submit(self, job: Job) -> None:
        """Begin with a search that was admitted; it leaves the house by itself."""
        with self._lock:
            found = self._embedded.get(job.key) if job.key is not None else None
            if found is not None and job.key is not None:
                self._embedded.move_to_end(job.key)
        if found is None:
            self.waiting.put(job)
        else:
            job.embedded = found
            self._let_find(job)

    def _let_find(self, job: Job) -> None:
        try:
            self._finders.submit(self._find, job)
        except RuntimeError:  # they were shut down
            self._fail(job, over())

    def give_up(self, job: Job) -> None:
        """Stop, nobody waits for it any more."""
        job.given_up = True
        if self.waiting.give_up(job):
            self._leave(job)
        elif job.stop is not None:
            job.stop()

    def _encode(self) -> None:
        """Embed what waits, until the line is closed; in a thread of its own."""
        _set_threads(self._settings.threads or max(1, (os.cpu_count() or 1) - FINDERS))
        while jobs := self.waiting.take():
            busy = [job for job in jobs if not job.idle]
            for job in jobs:
                if job not in busy:
                    self._leave(job)
            if not busy:
                continue
            self._metrics.batch.observe(len(busy))
            begun = time.perf_counter()
            embedded = _embedded(busy)
            self._metrics.steps.labels("embed").observe(time.perf_counter() - begun)
            for job, found in zip(busy, embedded, strict=True):
                if isinstance(found, BaseException):
                    self._fail(job, found)
                    continue
                job.embedded = found
                self._remember(job.key, found)
                self._let_find(job)

    def _remember(self, key: object, embedded: Embedded) -> None:
        with self._lock:
            self._embedded[key] = embedded
            if len(self._embedded) > EMBEDDED:
                self._embedded.popitem(last=False)

    def _find(self, job: Job) -> None:
        """Find what a query that is embedded asks for; in a thread."""
        if job.idle or job.embedded is None:
            self._leave(job)
            return
        begun = time.perf_counter()
        with self._lock:
            self._running.add(job)
        try:
            with job.generation.bundle.metadata.stoppable() as stop:
                job.stop = stop
                answer = job.generation.searcher.find(job.query, job.embedded)
        except BaseException as e:
            self._fail(job, e)
            return
        finally:
            with self._lock:
                self._running.discard(job)
        spent = time.perf_counter() - begun
        for step, ms in answer.search.get("milliseconds", {}).items():
            self._metrics.steps.labels(step).observe(ms / 1000)
        if len(answer) < job.query.k:
            self._metrics.short.inc()
        self._settle(job, partial(job.done.set_result, answer))
        self._leave(job, spent)

    def _fail(self, job: Job, e: BaseException) -> None:
        if not isinstance(e, Prom3eError | Problem) and not job.given_up:
            self._failed(e)
        self._settle(job, partial(job.done.set_exception, e))
        self._leave(job)

    def _settle(self, job: Job, settle: Callable[[], None]) -> None:
        def once() -> None:
            if not job.done.done() and not job.given_up:
                settle()

        try:
            job.done.get_loop().call_soon_threadsafe(once)
        except RuntimeError:
            pass  # the loop has ended: nobody waits

    def _leave(self, job: Job, spent_s: float | None = None) -> None:
        self.waiting.leave(spent_s)
        self._release(job.generation)


def _embedded(jobs: list[Job]) -> list[Embedded | BaseException]:
    """The embedding of each search, or why it has none: what nobody foresaw of one fails no other."""
    try:
        return list(jobs[0].generation.searcher.embed([job.query for job in jobs]))
    except BaseException as e:
        if len(jobs) == 1:
            return [e]
    return [found for job in jobs for found in _embedded([job])]


def over() -> Problem:
    """503: the server ends."""
    return Problem(
        503,
        "ending",
        "The server is ending",
        "Ask again in a while.",
        headers={"Retry-After": "10"},
    )


def _set_threads(count: int) -> None:
    """How many threads a network and a compiled loop have in this one."""
    import torch

    torch.set_num_threads(count)
    numba = sys.modules.get("numba")  # loaded by the warm-up, where anything is searched with it
    if numba is not None:
        numba.set_num_threads(min(count, numba.config.NUMBA_NUM_THREADS))


def key_of(query: Query, generation: int) -> object:
    """What the embedding of a query depends on; an upload is named by its content."""
    known = {f.name for f in fields(query)}
    return generation, *(_frozen(getattr(query, name)) for name in _GIVEN if name in known)


def _frozen(value: Any) -> object:
    if isinstance(value, str | Path) or value is None:
        return value
    return tuple(map(_frozen, value)) if hasattr(value, "__iter__") else value
