"""A full disk is one kind of error, whichever library meets it first."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
FULL = "the disk is full"
_CODES = (errno.ENOSPC, errno.EDQUOT)
_WORDS = re.compile(
    r"No space left on device|Disk quota exceeded|[0-9]+ requested and [0-9]+ written|"
    r"failed to offload data block|max_temp_directory_size|not enough disk space|errno:? ?28\b",
    re.IGNORECASE,
)
"""What DuckDB, FAISS, Arrow and numpy say of it."""
_DEEPEST = 20


def full_disk(error: BaseException) -> str | None:
    """The file that found the disk full, or an empty text where it is not known; None for any other error.

    Looked for in the error and in those that it came from: a database that could not be written fails once more
    when it is closed.
    """
    for e in _chain(error):
        if isinstance(e, OSError) and e.errno is not None:
            if e.errno in _CODES:
                return str(e.filename or "")
        elif _WORDS.search(str(e)):
            return _file_in(str(e)) or ""
    return None


def full_disk_said(work: Callable[P, R]) -> Callable[P, R]:
    """Let what libraries raise on a full disk be an OSError ENOSPC, as the system's own is."""

    @wraps(work)
    def said(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return work(*args, **kwargs)
        except Exception as e:
            file = full_disk(e)
            if file is None or (isinstance(e, OSError) and e.errno in _CODES):
                raise
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), file or None) from e

    return said


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and those that it was raised from or while they were handled."""
    seen = 0
    following: BaseException | None = error
    while following is not None and seen < _DEEPEST:
        yield following
        seen += 1
        following = following.__cause__ or following.__context__


def _file_in(message: str) -> str | None:
    """The file that a message names in quotes, if any; not the name of a database."""
    parts = message.split('"')
    return parts[1] if len(parts) > 2 and os.sep in parts[1] else None
