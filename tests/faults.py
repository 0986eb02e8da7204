"""Failing what writes to a folder on purpose: the n-th operation, and, as after a crash, every later one."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

EVENTS = ("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "shutil.rmtree")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
SEAMS = (
    "write_segment.write_index", "write_segment.write_metadata", "rewrite.finish_tables", "rewrite.write_indexes",
    "change.certified", "compact.certified",
)  # fmt: skip
"""Functions of the indexer that write with DuckDB or FAISS, whose own operations are not seen, or take long."""
_WHOLE = (".adding/", ".compacting/", ".building/", ".replaced-")
_watch = None


class Killed(BaseException):
    """Stands for the process's end: nothing may catch it."""


class Watch:
    """Counts writing operations on paths that begin with `prefix`, and fails as told."""

    def __init__(
        self, prefix: str, at: int | None, error: str, before: Callable[[int], None] | None = None
    ) -> None:
        self.prefix, self.at, self.error, self.before = prefix, at, error, before
        self.seen, self.busy = 0, False
        self.paths: list[str] = []

    def event(self, name: str, args: tuple) -> None:
        path = args[0] if args else None
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        if name in ("os.remove", "os.rmdir") and args[1] != -1:  # a name in an open folder
            path = str(Path(f"/proc/self/fd/{args[1]}").readlink() / path)
            if path.removeprefix(self.prefix).startswith(_WHOLE):
                return  # of a folder that goes as a whole; taking it away was counted when it began
        if not isinstance(path, str | os.PathLike) or not str(path).startswith(self.prefix):
            return
        if name == "open" and not (args[2] or 0) & _WRITES:
            return
        self.step(str(path))

    def step(self, path: str) -> None:
        self.seen += 1
        self.paths.append(path)
        if self.before is not None:
            self.busy = True  # what it does is not counted
            self.before(self.seen)
            self.busy = False
        if self.at is None or self.seen < self.at:
            return
        if self.error == "killed":  # the disk is out of reach from here on: no cleaning up
            raise Killed(path)
        if self.seen == self.at:
            raise OSError(getattr(errno, self.error), os.strerror(getattr(errno, self.error)), path)


def _hook(name: str, args: tuple) -> None:
    if _watch is not None and name in EVENTS and not _watch.busy:
        _watch.event(name, args)


sys.addaudithook(_hook)


@contextmanager
def faults(
    prefix: Path,
    at: int | None = None,
    error: str = "killed",
    before: Callable[[int], None] | None = None,
):
    """Fail the `at`-th writing operation on paths beginning with `prefix`; count them when None.

    `error` is `killed` or the name of an errno, as ENOSPC; the first fails all later operations too. `before` is
    called with the number of each operation before it is done.
    """
    global _watch
    watch = Watch(str(prefix), at, error, before)
    fsync, patched = os.fsync, []

    def counted(handle):
        if _watch is watch:
            watch.step("fsync")
        fsync(handle)

    for seam in SEAMS:
        module, _, name = seam.partition(".")
        module = importlib.import_module(f"prom3e_index.indexer.{module}")
        patched.append((module, name, getattr(module, name)))
        setattr(module, name, _around(watch, seam, getattr(module, name)))
    os.fsync, _watch = counted, watch
    try:
        yield watch
    finally:
        os.fsync, _watch = fsync, None
        for module, name, function in patched:
            setattr(module, name, function)


def _around(watch, seam, function):
    """A function, with a point where it may fail before it and one after it."""

    def run(*args, **kwargs):
        watch.step(f"before {seam}")
        done = function(*args, **kwargs)
        watch.step(f"after {seam}")
        return done

    return run
