"""A full disk is one kind of error, whichever library meets it first."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
_WORDS = ("No space left on device", "requested and", "Disk quota exceeded")
"""What DuckDB, FAISS and numpy say of it."""


def full_disk_said(work: Callable[P, R]) -> Callable[P, R]:
    """Let what DuckDB, FAISS and numpy raise on a full disk be an OSError ENOSPC, as all others do."""

    @wraps(work)
    def said(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return work(*args, **kwargs)
        except Exception as e:
            known = isinstance(e, OSError) and e.errno is not None
            if known or not any(words in str(e) for words in _WORDS):
                raise
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), _file_in(str(e))) from e

    return said


def _file_in(message: str) -> str | None:
    """The file that a message names in quotes, if any."""
    parts = message.split('"')
    return parts[1] if len(parts) > 2 else None
