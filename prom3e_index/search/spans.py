"""A span of a recording in a query: `call.wav@7:00-7:10`, in minutes or seconds, the whole file without."""

from __future__ import annotations

import os
import re
from pathlib import Path

from prom3e_index.errors import InputError

Span = tuple[float, float | None]
"""First second and last; None is a window after the first."""
_CLOCK = r"(?:(?:[0-9]{1,3}:)?[0-9]{1,4}:)?[0-9]{1,6}(?:\.[0-9]{1,6})?"
_SPAN = re.compile(rf"({_CLOCK})(?:\s*[-–]\s*({_CLOCK}))?\Z")


def seconds_of(text: str) -> float:
    """Seconds of `420`, `7:00` or `1:02:03.5`."""
    total = 0.0
    for part in text.split(":"):
        total = 60 * total + float(part)
    return total


def split_span(value: str | Path) -> tuple[Path, Span | None]:
    """A query's recording and the span in it; a file that has an `@` in its name is itself.

    Raises:
        InputError: The span ends before it begins.
    """
    text = os.fspath(value)
    name, at, written = text.rpartition("@")
    if not at or not name or Path(text).exists():
        return Path(text), None
    found = _SPAN.match(written.strip())
    if found is None:
        return Path(text), None
    start, end = seconds_of(found[1]), None if found[2] is None else seconds_of(found[2])
    return Path(name), checked_span((start, end), text)


def checked_span(span: tuple[float, float | None], what: str) -> Span:
    """A span as it is.

    Raises:
        InputError: It ends before it begins, or begins before the recording.
    """
    start, end = span
    if not start >= 0 or (end is not None and not start < end < float("inf")):
        raise InputError(
            f"{what}: the span {span_text(start, end)} ends before it begins; give START-END, as @7:00-7:10."
        )
    return float(start), None if end is None else float(end)


def clock_text(seconds: float) -> str:
    """`7:00` of 420, `1:02:03.5` of 3723.5."""
    whole, rest = divmod(round(seconds * 1000), 1000)
    fraction = f".{rest:03d}".rstrip("0") if rest else ""
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    start = f"{hours}:{minute:02d}" if hours else f"{minute}"
    return f"{start}:{second:02d}{fraction}"


def span_text(start_s: float, end_s: float | None) -> str:
    """`7:00–7:10`."""
    return clock_text(start_s) + ("" if end_s is None else f"–{clock_text(end_s)}")


def media_fragment(start_s: float | None, end_s: float | None) -> str | None:
    """`t=420,430`, the end of an address that a player begins at (W3C Media Fragments); None without a span."""
    if start_s is None:
        return None
    return f"t={start_s:g}" + ("" if end_s is None else f",{end_s:g}")
