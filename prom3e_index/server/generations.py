"""The index as it is now, and as it was for searches that began before it changed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from prom3e_index.bundle.manifest import manifest_path
from prom3e_index.errors import BundleError, StoreError
from prom3e_index.search.searcher import Searcher
from prom3e_index.server.settings import Settings
from prom3e_index.store.opened import StoreBundle
from prom3e_index.store.opening import open_index

_END_S = 5.0
KEPT = 2
"""Earlier generations that are kept open, for searches that are stored."""
State = tuple[int, int] | str | None


class Generation:
    """One generation of the index, open.

    Attributes:
        bundle: The index.
        searcher: What searches it.
        number: Its number.
        state: Of its manifest on the disk when it was opened, or the name of its head in a store.
    """

    def __init__(self, settings: Settings) -> None:
        state = state_of(settings.index)
        self.bundle = open_index(
            settings.index,
            gpu=settings.device.startswith("cuda") and settings.device,
            media=settings.media,
            model=settings.model,
            hub=settings.hub,
        )
        self.state = self.bundle.named if isinstance(self.bundle, StoreBundle) else state
        self.number = self.bundle.generation
        self.searcher = Searcher(
            self.bundle,
            workers=settings.workers,
            timeout_s=settings.deadline_s,
            device=settings.device,
        )
        self.held = 0

    def close(self) -> None:
        """Let go of it."""
        import duckdb

        self.searcher.close()
        with suppress(duckdb.Error):  # a query that was stopped has not ended: the process will
            self.bundle.close()


class Generations:
    """The current generation, and earlier ones while something holds them.

    Args:
        settings: Which index.
        dropped: Called with an earlier generation of which too many are held; must let go of it.

    Attributes:
        current: The current one.
        warm: Whether it was asked once.
        fault: Why no question can be answered by it, where that was so; else empty.
        changed: Whether there is another one by now, as `look` found.
        unreached: Whether the store it is in did not answer, or not with all of its rows, when `look` asked.
    """

    def __init__(self, settings: Settings, dropped: Callable[[Generation], None]) -> None:
        self._settings, self._dropped = settings, dropped
        self._lock = threading.Lock()
        self._earlier: list[Generation] = []
        self._closing: list[threading.Thread] = []
        self.current = Generation(settings)
        self.warm, self.fault = False, ""
        self.changed = self.unreached = False
        self._told: type[StoreError] | None = None

    def warm_up(self) -> None:
        """Get the first answer's work done before anybody asks.

        Raises:
            BundleError: No question can be answered.
        """
        self.fault = _fault(self.current)
        self.warm = True
        self._tell()

    def _tell(self) -> None:
        if self.fault:
            raise BundleError(self.fault)

    def look(self) -> None:
        """See whether the index is another one by now.

        Raises:
            StoreError: The store does not answer, or has lost rows: each the first time since it did.
        """
        current, before = self.current, self.unreached
        try:
            state: State = (
                current.bundle.newest(searched=before)
                if isinstance(current.bundle, StoreBundle)
                else state_of(self._settings.index)
            )
        except StoreError as e:
            told, self._told, self.unreached = self._told, type(e), True
            if told is not type(e):
                raise
            return
        self.changed = state is not None and state != current.state
        self.unreached = (
            before and self.changed
        )  # what is open may have lost rows: `renew` is waited for
        self._told = None

    def renew(self) -> None:
        """Open the index as it is now, warm it, and let it answer from here on.

        Raises:
            BundleError: It cannot be opened; the generation that is open goes on. Or no question can be answered by it.
        """
        new = Generation(self._settings)
        try:
            fault = _fault(new)
        except BaseException:
            new.close()
            raise
        with self._lock:
            old, self.current, self.fault = self.current, new, fault
            self.changed = self.unreached = False
            self._earlier.append(old)
            beyond = [g for g in self._earlier if g.held][:-KEPT]
        for generation in beyond:
            self._dropped(generation)
        self._close_idle()
        self._tell()

    def hold(self, number: int | None = None) -> Generation | None:
        """A generation that stays open until `release`; the current one, or None where none has the number."""
        with self._lock:
            every = (self.current, *reversed(self._earlier))
            found = next((g for g in every if number in (None, g.number)), None)
            if found is not None:
                found.held += 1
            return found

    def numbers(self) -> list[int]:
        """Of the generations that are open, the current one first."""
        with self._lock:
            return [g.number for g in (self.current, *reversed(self._earlier))]

    def hold_also(self, generation: Generation) -> None:
        """Hold a generation once more."""
        with self._lock:
            generation.held += 1

    def release(self, generation: Generation) -> None:
        """Let go of a generation."""
        with self._lock:
            generation.held -= 1
        self._close_idle()

    def close(self) -> None:
        """Close all."""
        with self._lock:
            every = [*self._earlier, self.current]
            self._earlier = []
            closing = list(self._closing)
        for generation in every:
            generation.close()
        for thread in closing:
            thread.join(_END_S)

    def _close_idle(self) -> None:
        """Close what nobody holds: aside, for the last to let go is a request, and others are answered meanwhile."""
        with self._lock:
            idle = [g for g in self._earlier if g.held <= 0]
            self._earlier = [g for g in self._earlier if g.held > 0]
            threads = [threading.Thread(target=g.close, name="close", daemon=True) for g in idle]
            for thread in threads:
                thread.start()
            self._closing = [t for t in (*self._closing, *threads) if t.is_alive()]


def _fault(generation: Generation) -> str:
    """Warm a generation; why none of its modalities can be asked, or nothing."""
    wrong = generation.searcher.warm()
    asked = generation.bundle.model(device=generation.searcher.device).settings.get("encoder", {})
    return next(iter(wrong.values())) if wrong and len(wrong) == len(asked) else ""


def state_of(index: str | Path) -> State:
    """Tells one manifest on the disk from the next; None where there is none."""
    try:
        stat = manifest_path(Path(index)).stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns
