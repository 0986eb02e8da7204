"""What takes its time beside the searches, as exports: in threads, bounded, and stopped where nobody waits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import Any, TypeVar

from prom3e_index.search.run import Bundle
from prom3e_index.server.problems import Problem, over

R = TypeVar("R")


class Works:
    """Threads for work.

    Args:
        most: Works that may run and wait.
        deadline_s: Seconds that one may take.
        threads: That work at once.
    """

    def __init__(self, most: int, deadline_s: float, threads: int) -> None:
        self._most, self._deadline_s, self._closed = most, deadline_s, False
        self._threads = ThreadPoolExecutor(threads, "work")
        self._stops: dict[int, list[Callable[[], None]]] = {}

    def close(self) -> None:
        """Begin no more, and stop what runs."""
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        for stop in [stop for stops in self._stops.values() for stop in stops]:
            stop()

    async def work(self, bundles: Sequence[Bundle], do: Callable[[], R]) -> R:
        """Do something that takes its time in a thread of its own, as an export; within the deadline.

        Args:
            bundles: What it asks of their metadata is stopped where the client leaves or the time is over.
            do: The work.

        Raises:
            Problem: 503, it took too long, or too much waits already.
        """
        if self._closed:
            raise over()
        if len(self._stops) >= self._most:
            raise Problem(
                503, "busy", "Too many requests at once", "Ask again in a moment.", headers={"Retry-After": "2"}
            )  # fmt: skip
        stops: list[Callable[[], None]] = []
        left = threading.Event()

        def stoppable() -> R:
            with ExitStack() as stack:
                stops.extend(stack.enter_context(b.metadata.stoppable()) for b in bundles)
                if left.is_set():  # it began as the client left, who found nothing to be stopped
                    raise CancelledError
                return do()

        self._stops[id(stops)] = stops
        running = self._threads.submit(stoppable)
        try:
            future = asyncio.wrap_future(running)
            return await asyncio.wait_for(asyncio.shield(future), self._deadline_s)
        except TimeoutError:
            raise Problem(
                503, "deadline", "It took too long",
                f"It was given up after {self._deadline_s:g} s. Ask for less; or, for a map, which goes on being "
                "made, again in a minute.",
                headers={"Retry-After": "5"},
            ) from None  # fmt: skip
        finally:
            del self._stops[id(stops)]
            left.set()
            if not running.done() and not running.cancel():
                for stop in stops:
                    stop()
                future.add_done_callback(_unheard)


def _unheard(future: asyncio.Future[Any]) -> None:
    """Take note of what nobody waits for any more."""
    if not future.cancelled():
        future.exception()


async def aside(do: Callable[[], object]) -> None:
    """Do something long in a thread that the end of the program does not wait for."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def settle(error: BaseException | None) -> None:
        if done.done():
            return
        done.set_result(None) if error is None else done.set_exception(error)

    def run() -> None:
        error: BaseException | None = None
        try:
            do()
        except BaseException as e:
            error = e
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, error)

    threading.Thread(target=run, name="aside", daemon=True).start()
    await done
