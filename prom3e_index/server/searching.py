"""Searches on their way: embedded together by one thread, found by others, given up where nobody waits."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prom3e_index.errors import Prom3eError
from prom3e_index.search.query import Query
from prom3e_index.server.generations import Generation
from prom3e_index.server.metrics import Metrics
from prom3e_index.server.problems import Problem, over
from prom3e_index.server.settings import Settings
from prom3e_index.server.waiting import Job, Line, Waiting

if TYPE_CHECKING:
    from prom3e_index.search.answered import Answer
    from prom3e_index.search.searcher import Embedded

FINDERS = max(1, min(4, (os.cpu_count() or 1) // 2))
"""Threads that find; the one that embeds has what cores they leave, else both would wait for the same ones."""
EMBEDDED = 2048
"""Embedded queries that are kept: an upload is asked with again and again, with other filters and targets."""
FOUND = 8
"""Most searches that are found together, where they are among the same rows: the page of each waits for all of them."""
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
        self._to_find = Line(lambda job: job.among, FOUND)
        self._threads = [
            threading.Thread(target=self._encode, name="encode", daemon=True),
            *(
                threading.Thread(target=self._find, name=f"find {i}", daemon=True)
                for i in range(FINDERS)
            ),
        ]

    def begin(self) -> None:
        """Begin to answer."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Answer nothing more; what runs is stopped, and has two seconds to end."""
        for line in (self.waiting, self._to_find):
            for job in line.close():
                self._fail(job, over())
        with self._lock:
            running = list(self._running)
        for job in running:
            self.give_up(job)
        until = time.monotonic() + _END_S
        for thread in self._threads[1:]:
            if thread.is_alive():
                thread.join(max(0.0, until - time.monotonic()))

    def submit(self, job: Job) -> None:
        """Begin with a search that was admitted; it leaves the house by itself."""
        with self._lock:
            found = self._embedded.get(job.key) if job.key is not None else None
            if found is not None and job.key is not None:
                self._embedded.move_to_end(job.key)
        line: Line = self.waiting
        if found is not None:
            job.embedded, line = found, self._to_find
        self._wait(line, job)

    def _wait(self, line: Line, job: Job) -> None:
        if not line.put(job):
            self._fail(job, over())

    def give_up(self, job: Job) -> None:
        """Stop, nobody waits for it any more."""
        job.given_up = True
        if self.waiting.give_up(job) or self._to_find.give_up(job):
            self._leave(job)
        elif job.stop is not None:
            job.stop()

    def _encode(self) -> None:
        """Embed what waits, until the line is closed; in a thread of its own."""
        _set_threads(self._settings.threads or max(1, (os.cpu_count() or 1) - FINDERS))
        while jobs := self.waiting.take():
            busy = self._busy(jobs)
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
                self._wait(self._to_find, job)

    def _busy(self, jobs: list[Job]) -> list[Job]:
        """Those that somebody waits for; the others leave."""
        busy = []
        for job in jobs:
            if job.idle:
                self._leave(job)
            else:
                busy.append(job)
        return busy

    def _remember(self, key: object, embedded: Embedded) -> None:
        with self._lock:
            self._embedded[key] = embedded
            if len(self._embedded) > EMBEDDED:
                self._embedded.popitem(last=False)

    def _find(self) -> None:
        """Find what embedded queries ask for, until their line is closed; in threads of their own."""
        _set_threads(self._settings.threads or 1)
        while jobs := self._to_find.take():
            busy = self._busy(jobs)
            if busy:
                self._answer(busy)

    def _answer(self, jobs: list[Job]) -> None:
        """Answer some searches of one index together."""
        begun = time.perf_counter()
        with self._lock:
            self._running.update(jobs)
        try:
            found = self._found(jobs)
            spent = (time.perf_counter() - begun) / len(jobs)
            for job, answer in zip(jobs, found, strict=True):
                if isinstance(answer, BaseException):
                    self._fail(job, answer)
                else:
                    self._tell(job, answer, spent)
        finally:
            with self._lock:
                self._running.difference_update(jobs)

    def _found(self, jobs: list[Job]) -> list[Answer | BaseException]:
        """The answer of each search, or why it has none: what nobody foresaw of one fails no other."""
        searcher = jobs[0].generation.searcher
        try:
            with jobs[0].generation.bundle.metadata.stoppable() as stop:
                for job in jobs:
                    job.stop = lambda: stop() if all(job.idle for job in jobs) else None
                asked = [(job.query, job.embedded) for job in jobs if job.embedded is not None]
                if len(jobs) == 1:
                    return [searcher.find(*asked[0])]
                return list(searcher.find_many(asked))
        except BaseException as e:
            if len(jobs) == 1:
                return [e]
            error = e
        return [found for job in jobs for found in ([error] if job.idle else self._found([job]))]

    def _tell(self, job: Job, answer: Answer, spent: float) -> None:
        for step, ms in answer.search.get("milliseconds", {}).items():
            self._metrics.steps.labels(step).observe(ms / 1000)
        if len(answer) < job.query.k:
            self._metrics.short.inc()
        try:
            made = answer if job.made is None else job.made(answer)
        except BaseException as e:
            self._fail(job, e)
            return
        self._leave(job, spent)  # its place is free before the client knows
        self._settle(job, partial(job.done.set_result, made))

    def _fail(self, job: Job, e: BaseException) -> None:
        if not isinstance(e, Prom3eError | Problem) and not job.given_up:
            self._failed(e)
        self._leave(job)
        self._settle(job, partial(job.done.set_exception, e))

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
