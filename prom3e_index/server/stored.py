"""Searches that were answered: kept for a while, so that list, map, facets and export read one ranking."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from prom3e_index.search.answered import Answer
from prom3e_index.search.run import Bundle
from prom3e_index.server.problems import Problem

BYTES = 128 << 20
"""What all kept searches may hold together."""
SECONDS = 15 * 60.0
"""How long one is kept after it was last asked for."""
_BASE, _HIT, _FIELD = 4096, 700, 120
_REMEMBERED = 10_000


@dataclass(frozen=True)
class Stored:
    """A search that was answered.

    Attributes:
        id: Its name in addresses.
        generation: Of the index that answered.
        asked: The query as it was asked, without any path: what its chips show.
        answer: The answer, up to as many hits as a search may have.
        made_at: Seconds since 1970.
        milliseconds: What it took, with the waiting.
    """

    id: str
    generation: int
    asked: Mapping[str, Any]
    answer: Answer
    made_at: float
    milliseconds: float
    size: int = field(default=0, compare=False)

    @property
    def bundle(self) -> Bundle:
        """The index that answered, open."""
        assert isinstance(self.answer.bundle, Bundle)  # answers of a service have one
        return self.answer.bundle


def new_id() -> str:
    """A name that cannot be guessed: what somebody else asked for is not to be found by counting."""
    return secrets.token_urlsafe(12)


def size_of(answer: Answer) -> int:
    """About how many bytes an answer holds."""
    return _BASE + sum(_HIT + _FIELD * len(h.fields) for h in answer.hits)


class Searches:
    """The last searches, by their ids; the one that was not asked for longest goes first.

    Args:
        most_bytes: What all may hold together.
        seconds: How long one is kept after it was last asked for.
        dropped: Called with each that goes.
        clock: For tests.
    """

    def __init__(
        self,
        most_bytes: int = BYTES,
        seconds: float = SECONDS,
        dropped: Callable[[Stored], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most, self._seconds, self._dropped, self._clock = most_bytes, seconds, dropped, clock
        self._kept: OrderedDict[str, tuple[Stored, float]] = OrderedDict()
        self._gone: OrderedDict[str, None] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, stored: Stored) -> None:
        """Keep a search."""
        with self._lock:
            self._kept[stored.id] = stored, self._clock()
            self._bytes += stored.size
            gone = self._beyond()
        self._let_go(gone)

    def get(self, id: str) -> Stored:
        """A search that was kept.

        Raises:
            Problem: 410 where it was kept once, 404 where it never was.
        """
        with self._lock:
            gone = self._beyond()
            found = self._kept.get(id)
            if found is not None:
                self._kept[id] = found[0], self._clock()
                self._kept.move_to_end(id)
            known = id in self._gone
        self._let_go(gone)
        if found is not None:
            return found[0]
        if known:
            raise Problem(
                410, "search-gone", "The search is no longer kept",
                "Searches are kept for a quarter of an hour after they were last looked at. Ask again.", "id",
            )  # fmt: skip
        raise Problem(404, "no-search", "No such search", "No search has this id. Ask anew.", "id")

    def sweep(self) -> None:
        """Let go of what is too old."""
        with self._lock:
            gone = self._beyond()
        self._let_go(gone)

    def drop(self, which: Callable[[Stored], bool]) -> None:
        """Let go of some."""
        with self._lock:
            gone = [self._take(id) for id, (s, _) in list(self._kept.items()) if which(s)]
        self._let_go(gone)

    def _beyond(self) -> list[Stored]:
        now, out = self._clock(), []
        while self._kept:
            id, (_, used) = next(iter(self._kept.items()))
            if now - used <= self._seconds and (self._bytes <= self._most or len(self._kept) == 1):
                break
            out.append(self._take(id))
        return out

    def _take(self, id: str) -> Stored:
        stored, _ = self._kept.pop(id)
        self._bytes -= stored.size
        self._gone[id] = None
        if len(self._gone) > _REMEMBERED:
            self._gone.popitem(last=False)
        return stored

    def _let_go(self, gone: list[Stored]) -> None:
        for stored in gone:
            self._dropped(stored)
