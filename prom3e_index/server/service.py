"""What stands behind the routes: the open index, the line of searches, the files that were sent, what was answered."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from numpy.typing import NDArray

from prom3e_index.errors import MediaError
from prom3e_index.media.facts import MediaFacts
from prom3e_index.media.pool import DecodePool, Task
from prom3e_index.search.answered import Answer
from prom3e_index.search.query import Query
from prom3e_index.search.run import Bundle
from prom3e_index.search.warm import FILES
from prom3e_index.server.derived import Derived
from prom3e_index.server.generations import Generation, Generations
from prom3e_index.server.marks import Marks
from prom3e_index.server.metrics import Metrics
from prom3e_index.server.outlined import as_text, outline_of
from prom3e_index.server.problems import Problem, over, unreached
from prom3e_index.server.searching import Searching, key_of
from prom3e_index.server.settings import Settings
from prom3e_index.server.stored import Searches, Stored, new_id, size_of
from prom3e_index.server.uploads import Uploads
from prom3e_index.server.waiting import Job
from prom3e_index.server.works import Works, aside

P = ParamSpec("P")
R = TypeVar("R")
_WATCH_S = 1.0
_LONG = 2
"""Exports, maps and the like that are made at once; a map is never stopped, and leaves room for another."""
_AGAIN_S = 30.0


class Service:
    """An index that answers many at once.

    Made, it has the index open; between `begin` and `end` it answers. Routes reach it by `dependencies.get_service`.

    Args:
        settings: How.
        failed: Called with what nobody foresaw.

    Attributes:
        settings: As given.
        uploads: The files that were sent.
        metrics: What is counted.
        derived: Pictures and sounds that are made for the page.
        marks: What users marked; None where no marks are kept.
    """

    def __init__(
        self, settings: Settings, failed: Callable[[BaseException], None] = lambda _: None
    ) -> None:
        self.settings, self._failed = settings, failed
        self._searches = Searches(dropped=self._dropped)
        self._of: dict[str, Generation] = {}
        self._generations = Generations(settings, self._drop_generation)
        self.uploads = Uploads(
            self, settings.max_upload, settings.uploads_total, settings.upload_seconds
        )
        self.derived = Derived(settings.workers, settings.deadline_s)
        self.marks = None if settings.marks is None else Marks(settings.marks)
        self._decoder = DecodePool(settings.workers, settings.deadline_s, files=FILES)
        self.metrics = Metrics()
        self.metrics.watch(
            "prom3e_waiting", "Searches in the house.", lambda: len(self._searching.waiting)
        )
        self.metrics.watch("prom3e_generation", "Of the index.", lambda: self.generation)
        self.metrics.watch("prom3e_stored", "Searches that are kept.", lambda: len(self._searches))
        self.metrics.watch("prom3e_uploads", "Bytes of uploads.", lambda: self.uploads.size)
        self._searching = Searching(settings, self.metrics, self._generations.release, failed)
        short = min(4, os.cpu_count() or 1)
        self._works = Works(4 * settings.queue, settings.deadline_s, short)
        self._long = Works(settings.queue, settings.deadline_s, _LONG)
        self._tasks: list[asyncio.Task[None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self.ending = False

    @property
    def bundle(self) -> Bundle:
        """The index as it is now, open."""
        return self._generations.current.bundle

    @property
    def generation(self) -> int:
        """Its number."""
        return self._generations.current.number

    @property
    def folders(self) -> list[Path]:
        """Folders of this machine that no answer may tell."""
        bundle = self.bundle
        known = [
            self.uploads.folder,
            self.derived.folder,
            bundle.path.absolute().parent,
            bundle.path.parent,
            Path.home(),
        ]
        return known + bundle.media_known

    def unready(self) -> str:
        """Why a search should be sent elsewhere or later; empty when it need not."""
        if self.ending:
            return "the server is ending"
        if not self._generations.warm:
            return "the model is being loaded"
        if self._generations.unreached:
            return "the vector store does not answer"
        if self._generations.fault:
            return "no search can be answered, for a reason that the log of the program tells"
        if len(self._searching.waiting) >= self.settings.queue:
            return "too many searches wait"
        return ""

    def room(self) -> None:
        """Refuse a further search where none would be taken.

        Raises:
            Problem: 503, too many wait, or the server ends.
        """
        if self.ending:
            raise over()
        self._reached()
        self._searching.waiting.check()

    async def begin(self) -> None:
        """Begin to answer; the model is loaded meanwhile."""
        self._loop = asyncio.get_running_loop()
        self._searching.begin()
        self._tasks = [asyncio.create_task(self._warm()), asyncio.create_task(self._watch())]

    async def end(self) -> None:
        """End all processes and threads, close the index, remove what was sent."""
        self.ending = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.close()

    def close(self) -> None:
        """As `end`, of a service that was not begun or cannot wait."""
        self.ending = True
        self._searching.close()
        self._works.close()
        self._long.close()
        self._decoder.close()
        self.derived.close()
        self._generations.close()
        self.uploads.close()

    def remove_files(self) -> None:
        """Remove what was sent and what was made of it, where the program is ended at once."""
        for folder in (self.uploads.folder, self.derived.folder):
            shutil.rmtree(folder, ignore_errors=True)

    async def search(
        self,
        query: Query,
        asked: Mapping[str, Any],
        generation: int | None = None,
        said: Callable[[Stored], Any] = lambda _: None,
    ) -> tuple[Stored, Any]:
        """Answer a query, and keep the answer.

        Args:
            query: What is asked.
            asked: The same as the client asked it, for the chips of the page; without paths.
            generation: Of the index; the current one when None.
            said: Makes what is sent of the answer, in the thread that found it.

        Returns:
            The answer as it is kept, and what `said` made of it.

        Raises:
            Problem: 409 the generation is not open, 503 too many searches, out of time, or the server ends.
            Prom3eError: The query cannot be answered.
        """
        if self.ending:
            raise over()
        self._reached()
        self._searching.waiting.enter()
        held = self._generations.hold(generation)
        if held is None:
            self._searching.waiting.leave()
            raise self._not_open(generation)
        self._generations.hold_also(held)  # for what is kept, beside what runs
        loop = asyncio.get_running_loop()
        until = time.monotonic() + self.settings.deadline_s
        job = Job(query, held, loop.create_future(), until, key_of(query, held.number))

        def made(answer: Answer) -> tuple[Stored, Any]:
            spent = round(1000 * (time.monotonic() - job.began), 2)
            stored = Stored(
                new_id(), held.number, asked, answer, time.time(), spent, size_of(answer)
            )
            return stored, said(stored)

        job.made = made
        self._searching.submit(job)
        try:
            stored, text = await asyncio.wait_for(
                asyncio.shield(job.done), self.settings.deadline_s
            )
            self._of[stored.id] = held
            self._searches.keep(stored)
            return stored, text
        except BaseException as e:
            self._generations.release(held)
            if not isinstance(e, TimeoutError):
                raise
            self.metrics.rejected.labels("deadline").inc()
            raise Problem(
                503, "deadline", "The search took too long",
                f"It was stopped after {self.settings.deadline_s:g} s. Ask for fewer hits, or with a narrower filter.",
                headers={"Retry-After": "5"},
            ) from None  # fmt: skip
        finally:
            if not job.done.done():
                self._searching.give_up(job)

    @contextmanager
    def bundle_at(self, generation: int | None) -> Iterator[Bundle]:
        """The index as it was at a generation, which stays open meanwhile; as it is now when None.

        Raises:
            Problem: 409, that generation is not open.
        """
        held = self._generations.hold(generation)
        if held is None:
            raise self._not_open(generation)
        try:
            yield held.bundle
        finally:
            self._generations.release(held)

    def _not_open(self, generation: int | None) -> Problem:
        """409: a generation that is not open, and which are."""
        current, *earlier = self._generations.numbers()
        also = f", {', '.join(map(str, earlier))} of before" if earlier else ""
        return Problem(
            409, "generation", "Not an open generation",
            f"Generation {generation} is not open; open are the current one, {current}{also}. Ask one of these, or "
            "without `generation`.", "generation",
        )  # fmt: skip

    def stored(self, id: str) -> Stored:
        """A search that was answered.

        Raises:
            Problem: 404, there was none; 410, it is no longer kept.
        """
        return self._searches.get(id)

    async def decode(self, task: Task) -> NDArray[Any]:
        """What a file holds, decoded in another process.

        Raises:
            MediaError: It cannot be read.
        """
        return (await self.decode_noted(task))[0]

    async def decode_noted(self, task: Task) -> tuple[NDArray[Any], str | None]:
        """As `decode`, and what is to be said of the file."""
        decoded, note = await asyncio.wrap_future(self._decoder.submit_noted(task))
        if isinstance(decoded, MediaError):
            raise decoded
        return decoded, note

    async def facts(self, path: Path) -> MediaFacts:
        """What a file says of itself."""
        _, note = await self.decode_noted(Task("facts", path, {}))
        return MediaFacts.from_json(json.loads(note or "{}"))

    async def work(self, do: Callable[P, R], *args: P.args, **given: P.kwargs) -> R:
        """Do something that asks the metadata in a thread of its own; see `Works.work`."""
        return await self._works.work(self._seen(args, given), partial(do, *args, **given))

    async def work_long(self, do: Callable[P, R], *args: P.args, **given: P.kwargs) -> R:
        """As `work`, of what takes seconds or waits for the model, as exports and maps: others wait for none."""
        return await self._long.work(self._seen(args, given), partial(do, *args, **given))

    def _seen(self, args: tuple[Any, ...], given: Mapping[str, Any]) -> list[Bundle]:
        """The indexes that a work asks.

        Raises:
            Problem: 503, they are in a store that does not answer.
        """
        self._reached()
        seen = [a.bundle if isinstance(a, Stored) else a for a in (*args, *given.values())]
        return [*{id(b): b for b in (self.bundle, *seen) if isinstance(b, Bundle)}.values()]

    def _reached(self) -> None:
        """Let nobody wait for a store that is known not to answer."""
        if self._generations.unreached:
            raise unreached()

    def _dropped(self, stored: Stored) -> None:
        generation = self._of.pop(stored.id, None)
        if generation is not None:
            self._generations.release(generation)

    def _drop_generation(self, generation: Generation) -> None:
        self._searches.drop(lambda s: self._of.get(s.id) is generation)

    # What goes on beside

    async def _warm(self) -> None:
        try:
            world = outline_of(self.bundle)
            await aside(partial(as_text, world))  # seconds, where the planet's code is not loaded
            await aside(self._generations.warm_up)
            if self.marks is not None:
                await aside(self.marks.read_ahead)
        except Exception as e:
            self._failed(e)

    async def _watch(self) -> None:
        """Take up a changed index; let go of what is too old."""
        again = 0.0
        while True:
            await asyncio.sleep(_WATCH_S)
            self.uploads.sweep()
            self._searches.sweep()
            if not self._generations.warm or time.monotonic() < again:
                continue
            try:
                await aside(self._generations.look)
                if self._generations.changed:
                    await aside(self._generations.renew)
            except (
                Exception
            ) as e:  # a store that does not answer is said once, and looked for at once
                self._failed(e)
                known = self._generations.unreached and not self._generations.changed
                again = time.monotonic() + (0 if known else _AGAIN_S)
