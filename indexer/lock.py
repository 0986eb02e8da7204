"""One writer at a time, by whatever name it reaches an index."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from prom3e_index.errors import BundleError
from prom3e_index.indexer.beside import real_path

INSIDE = ".lock"


@contextmanager
def locked(out: Path, action: str) -> Iterator[None]:
    """Be the only writer of `out`; the kernel frees the locks of a process that died.

    There are two: one beside `out`, for what is not there yet, and one in it, which holds where the folder is
    reached by another name that is no link, as of a mount.

    Raises:
        BundleError: Another process writes to it; names what it does and the process.
    """
    out = real_path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        held.enter_context(_held(out.with_name(out.name + ".lock"), out, action))
        if out.is_dir():
            held.enter_context(_held(out / INSIDE, out, action))
        yield


@contextmanager
def _held(path: Path, out: Path, action: str) -> Iterator[None]:
    with _lock(path, out) as handle:
        handle.truncate(0)
        handle.seek(0)
        handle.write(f"prom3e-index {action}, process {os.getpid()}")
        handle.flush()
        try:
            yield
        finally:
            if _is(path, handle):  # another file stands there once the folder was replaced
                path.unlink()


def _lock(path: Path, out: Path) -> IO[str]:
    """The lock file, held; a file that was removed while waiting for it is no lock, so another is made."""
    while True:
        handle = _opened(path)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as e:
            holder = handle.read(200) or "another process"
            handle.close()
            raise BundleError(
                f"{out} is being changed by {holder}; wait for it to end, then run this again."
            ) from e
        if _is(path, handle):
            return handle
        handle.close()


def _opened(path: Path) -> IO[str]:
    """The file to be locked; what is written into it must not reach any other file."""
    try:
        number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    except OSError as e:
        if e.errno in (errno.ELOOP, errno.EMLINK):
            raise BundleError(f"{path} is a link, not a lock; remove it.") from e
        if e.errno in (errno.EISDIR, errno.ENXIO):
            raise BundleError(f"{path} is not a lock that this program made; remove it.") from e
        raise
    state = os.fstat(number)
    if not stat.S_ISREG(state.st_mode) or state.st_nlink > 1:
        os.close(number)
        raise BundleError(f"{path} is not a lock that this program made; remove it.")
    return os.fdopen(number, "r+", encoding="utf-8", errors="replace")


def _is(path: Path, handle: IO[str]) -> bool:
    """Whether a path still names an open file."""
    try:
        return os.path.samestat(os.fstat(handle.fileno()), path.lstat())
    except FileNotFoundError:
        return False
