"""Searches that wait: bounded, in their order, taken together where they are of a kind."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from prom3e_index.search.answered import Answer
from prom3e_index.search.query import Query
from prom3e_index.server.problems import Problem

if TYPE_CHECKING:
    from prom3e_index.search.searcher import Embedded
    from prom3e_index.server.generations import Generation

AT_ONCE = 16
"""Most queries that are embedded together."""
_LONGEST_WAIT_S = 30


@dataclass(eq=False)
class Job:
    """A search on its way.

    Attributes:
        query: What is asked.
        generation: Of the index that answers.
        done: What `made` makes of its answer, for the event loop.
        until: When nobody waits for it any more, by `time.monotonic`.
        key: Names what its embedding depends on; None where nothing does.
        made: Makes of the answer what the client gets, in the thread that found it; the answer itself when None.
        embedded: What it asks, embedded.
        given_up: Nobody waits for it.
        stop: Ends what runs for it; set while it runs.
        began: When it was admitted.
    """

    query: Query
    generation: Generation
    done: asyncio.Future[Any]
    until: float
    key: object = None
    made: Callable[[Answer], object] | None = None
    embedded: Embedded | None = None
    given_up: bool = False
    stop: Callable[[], None] | None = None
    began: float = field(default_factory=time.monotonic)

    @property
    def idle(self) -> bool:
        """Whether there is no reason to work on it."""
        return self.given_up or time.monotonic() > self.until

    @property
    def kind(self) -> tuple[object, ...]:
        """What may be embedded together: of one index and the same modalities, so that a name waits for no sound."""
        return id(self.generation), *sorted(self.query.given())

    @property
    def among(self) -> tuple[object, ...]:
        """What may be found together: among the same rows, so that none waits for another's filter."""
        return id(self.generation), self.query.filter, self.query.group_by


class Line:
    """Searches in their order, taken together where they are of a kind.

    Args:
        kind: What tells one kind from another.
        at_once: Most that are taken together.
    """

    def __init__(self, kind: Callable[[Job], object], at_once: int = AT_ONCE) -> None:
        self._kind, self._at_once = kind, at_once
        self._line: deque[Job] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def put(self, job: Job) -> bool:
        """Let a search wait; False once the line is closed."""
        with self._changed:
            if not self._closed:
                self._line.append(job)
                self._changed.notify()
            return not self._closed

    def give_up(self, job: Job) -> bool:
        """Take a search out of the line; whether it still stood there."""
        with self._changed:
            try:
                self._line.remove(job)
            except ValueError:
                return False
            return True

    def take(self) -> list[Job]:
        """The first of the line, with others of its kind; waits for one, empty once the line is closed."""
        with self._changed:
            while not self._line and not self._closed:
                self._changed.wait()
            if not self._line:
                return []
            kind = self._kind(self._line[0])
            taken = [job for job in self._line if self._kind(job) == kind][: self._at_once]
            chosen = set(map(id, taken))
            self._line = deque(job for job in self._line if id(job) not in chosen)
            return taken

    def close(self) -> list[Job]:
        """Let `take` end; those that stood there, who are told by the caller."""
        with self._changed:
            self._closed = True
            left, self._line = list(self._line), deque()
            self._changed.notify_all()
            return left


class Waiting(Line):
    """The line at the door: `enter` and `leave` count all searches in the house, those that wait and those that run.

    Args:
        most: Searches in the house.
    """

    def __init__(self, most: int) -> None:
        super().__init__(lambda job: job.kind)
        self._most, self._inside = most, 0
        self._mean_s = 0.05

    def __len__(self) -> int:
        return self._inside

    def enter(self) -> None:
        """Count one more search.

        Raises:
            Problem: 503, there are too many.
        """
        with self._changed:
            self._refuse()
            self._inside += 1

    def check(self) -> None:
        """Refuse what `enter` would refuse, before any work was done for it."""
        with self._changed:
            self._refuse()

    def _refuse(self) -> None:
        if self._inside >= self._most:
            wait = min(_LONGEST_WAIT_S, max(1, math.ceil(self._inside * self._mean_s)))
            raise Problem(
                    503, "busy", "Too many searches at once",
                    f"{self._inside} searches wait already. Ask again in {wait} s.",
                    headers={"Retry-After": str(wait)},
                )  # fmt: skip

    def leave(self, spent_s: float | None = None) -> None:
        """Count one less; `spent_s` is what it took of a worker, where it was answered."""
        with self._changed:
            self._inside -= 1
            if spent_s is not None:
                self._mean_s += 0.1 * (spent_s - self._mean_s)
