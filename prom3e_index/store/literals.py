"""Values as a store's expressions write them: nothing that a value holds can end it."""

from __future__ import annotations

import math
from collections.abc import Iterable

from prom3e_index.errors import InputError

NOTHING, EVERYTHING = "row < 0", "row >= 0"
"""Expressions that no row satisfies, and that all do; a constant is none that the server takes."""
_ESCAPED = str.maketrans({'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})
_LEAST, _MOST = -(2**63), 2**63 - 1


def text(value: str) -> str:
    """A text in double quotes; quotes, backslashes and ends of lines within are escaped.

    Raises:
        InputError: Half of a surrogate pair, which no UTF-8 has.
    """
    try:
        value.encode()
    except UnicodeEncodeError as e:
        raise InputError(f"{value!r:.80} holds half a character; write it anew.") from e
    return f'"{value.translate(_ESCAPED)}"'


def number(value: float) -> str:
    """A number, shortest that reads back as it is.

    Raises:
        InputError: Not finite, or a whole number beyond 64 bits.
    """
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InputError(f"{value} is no number that a store compares with.")
        return repr(value)
    if not _LEAST <= value <= _MOST:
        raise InputError(f"{value} lies beyond the whole numbers of 64 bits.")
    return str(value)


def listed(values: Iterable[float | str]) -> str:
    """A list in brackets."""
    return f"[{','.join(text(v) if isinstance(v, str) else number(v) for v in values)}]"


def every(parts: Iterable[str]) -> str:
    """An expression that all of some are true of; of none, of every row."""
    some = list(parts)
    return " and ".join(f"({p})" for p in some) if some else EVERYTHING


def some(parts: Iterable[str]) -> str:
    """An expression that one of some is true of; of none, of no row."""
    few = list(parts)
    return " or ".join(f"({p})" for p in few) if few else NOTHING
