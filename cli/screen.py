"""What commands write: lines for people, data for programs, progress. Nothing else writes to the streams."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any


class ClosedOutput(BaseException):
    """The reader of stdout went away, as `| head` does; no error, and nothing more to do."""


_kept = ""


def keeps(words: str) -> None:
    """Note what is kept if the command is interrupted from here on; an empty text: nothing more than is said anyway."""
    global _kept
    _kept = words


def kept() -> str:
    """What a command that was interrupted keeps, in words; empty if nothing was noted."""
    return _kept


def prepare() -> None:
    """Let stdout and stderr take any text: signs that their encoding lacks are written as words."""
    from prom3e_index.show.escapes import WORDS

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=WORDS)


def say(text: str = "", *, err: bool = False) -> None:
    """Write lines for people; what would steer a terminal is written out."""
    from prom3e_index.show.escapes import shown

    _write(sys.stderr if err else sys.stdout, shown(text, layout=True) + "\n")


def put(text: str) -> None:
    """Write text whose cells went through `shown`, and that may hold colours of our own."""
    _write(sys.stdout, text)


def put_data(text: str) -> None:
    """Write JSON or CSV for a program: UTF-8 whatever the terminal's encoding, harmless where it is a terminal."""
    stream = sys.stdout
    if stream is not None and stream.isatty():  # people look at it
        from prom3e_index.show.escapes import shown

        text = shown(text, layout=True)
    if speaks_utf8() or not hasattr(stream, "buffer"):
        _write(stream, text)
        return
    try:
        stream.flush()
        stream.buffer.write(text.encode())
    except BrokenPipeError:
        raise ClosedOutput from None


def _write(stream: IO[str] | None, text: str) -> None:
    if stream is None:  # the program was started with a closed stream
        return
    try:
        stream.write(text)
    except BrokenPipeError:
        raise ClosedOutput from None


def speaks_utf8() -> bool:
    """Whether stdout takes UTF-8."""
    name = getattr(sys.stdout, "encoding", None) or "utf-8"
    return name.lower().replace("_", "-") in ("utf-8", "utf8")


def colours(stream: IO[str] | None) -> bool:
    """Whether a stream is a terminal that takes bold and colours; NO_COLOR and TERM=dumb say no."""
    return _live(stream) and not os.environ.get("NO_COLOR")


def _live(stream: IO[str] | None) -> bool:
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


class Display:
    """Progress on stderr, of stages (`display(stage, done, total)`) and of runs (`display.run`).

    A bar with rate and time left on a terminal; elsewhere a line per stage, and a line per tenth of a run.
    """

    def __init__(self, bar: Any = None) -> None:
        self._bar = bar
        self._tasks: dict[str, Any] = {}
        self._tenth = -1

    def __call__(self, stage: str, done: int, total: int | None = None) -> None:
        """Say how far a stage is; a total of None is unknown."""
        if self._bar is not None:
            self._move(stage, done, total)
        elif stage not in self._tasks:
            self._tasks[stage] = None
            say(f"{stage} …", err=True)

    def run(self, step: int, total: int, note: str) -> None:
        """Say how far a training run is, and its loss."""
        if self._bar is not None:
            self._move("steps", step, total, note)
        elif step == total or (total and step * 10 // total != self._tenth):
            self._tenth = step * 10 // total if total else 0
            say(f"step {step}/{total}  {note}", err=True)

    def _move(self, stage: str, done: int, total: int | None, note: str = "") -> None:
        from prom3e_index.show.escapes import shown

        if stage not in self._tasks:
            self._tasks[stage] = self._bar.add_task(shown(stage), total=total, rate="")
        task = self._bar.tasks[self._bar.task_ids.index(self._tasks[stage])]
        speed = f"{task.speed:,.0f}/s" if task.speed else ""
        self._bar.update(
            self._tasks[stage],
            completed=done,
            total=total or None,
            rate=f"{speed} {shown(note)}".strip(),
        )


@contextmanager
def progress() -> Iterator[Display]:
    """Show progress on stderr while a command works."""
    if not _live(sys.stderr):
        yield Display()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    with Progress(
        TextColumn("{task.description:>16}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}", markup=False),
        TimeRemainingColumn(),
        console=Console(stderr=True, no_color=not colours(sys.stderr)),
    ) as bar:
        yield Display(bar)


def plural(n: int, noun: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def holdings(manifest: dict[str, Any]) -> str:
    """How many observations an index holds, and in how many rows where these are more."""
    rows = int(manifest["rows"])
    observations = int(manifest["counts"].get("observations", rows))
    said = f"{observations:,} observations"
    return said if rows == observations else f"{said} in {rows:,} rows"
