"""Spans of recordings on their way to the encoder: those that lie near each other are read together, once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import MediaError
from prom3e_index.indexer.losses import looked_at
from prom3e_index.indexer.store import PENDING
from prom3e_index.media.pool import DecodePool, Task
from prom3e_index.media.spans import Span, refusal, whole_views

if TYPE_CHECKING:
    import duckdb

    from prom3e_index.indexer.losses import Told

Ints = NDArray[np.int64]
TOGETHER_S = 120.0
"""Seconds of a recording that are read at once: at most 30 MB at 48 kHz, of which the first and last ten are read
twice."""
TOGETHER = 32
"""Spans of one answer of a decode process: 8 MB of features."""


@dataclass
class Reading:
    """Spans of one recording that are read together, the number of the first, and the rows of each."""

    path: str
    number: int
    spans: list[Span] = field(default_factory=list)
    rows: list[Ints] = field(default_factory=list)

    def takes(self, path: str, start: float, end: float) -> bool:
        """Whether a span is near enough."""
        if not self.spans:
            return path == self.path
        return (
            path == self.path
            and len(self.spans) < TOGETHER
            and self.spans[-1][0] <= start <= self.spans[-1][1] + 1.0
            and max(end, self.spans[-1][1]) - self.spans[0][0] <= TOGETHER_S
        )


def spans_of(usual_s: float) -> str:
    """SQL of the plan's spans in the order in which they are encoded: `audio`, `start_s`, `ends`, the rows `seqs`."""
    return (
        f"SELECT audio, start_s, coalesce(end_s, start_s + {usual_s}) AS ends, list(seq ORDER BY seq) AS seqs "
        "FROM planned WHERE audio IS NOT NULL AND start_s IS NOT NULL GROUP BY 1, 2, 3 "
        "ORDER BY min(min(seq)) OVER (PARTITION BY audio), audio, start_s, ends"
    )


def first_span(con: duckdb.DuckDBPyConnection) -> int:
    """The number of the first span as an item: whole recordings come before."""
    whole = "SELECT count(DISTINCT audio) FROM planned WHERE audio IS NOT NULL AND start_s IS NULL"
    return int(con.execute(whole).fetchall()[0][0])


def readings(con: duckdb.DuckDBPyConnection, usual_s: float) -> Iterator[Reading]:
    """Spans of the plan in its order, those near each other together; numbered after the whole recordings."""
    number, query = first_span(con), spans_of(usual_s)
    held: Reading | None = None
    for batch in con.cursor().sql(query).to_arrow_reader(4096):
        for path, start, end, seqs in zip(*(c.to_pylist() for c in batch.columns), strict=True):
            if held is None or not held.takes(path, start, end):
                if held is not None:
                    yield held
                held = Reading(path, number)
            held.spans.append((start, end))
            held.rows.append(np.asarray(seqs, np.int64))
            number += 1
    if held is not None:
        yield held


def waiting(every: Iterable[Reading], state: NDArray[np.uint8]) -> Iterator[Reading]:
    """Readings with their pending rows; those without any are passed over."""
    for reading in every:
        rows = [r[state[r] == PENDING] for r in reading.rows]
        if any(map(len, rows)):
            yield replace(reading, rows=rows)


def decoded_spans(
    every: Iterable[Reading],
    pool: DecodePool,
    spec: dict[str, Any],
    media: Path,
    losses: Told,
    states: NDArray[np.uint64],
) -> Iterator[tuple[int, NDArray[np.float32], Ints]]:
    """What the sound tower reads of each span that has rows, (1, 4, frames, mels), with its number and rows.

    A reading is read as a whole, whichever of its spans have rows, so that a span sounds alike every time. One that is
    silent or not there is noted as lost.
    """

    def tasks() -> Iterator[tuple[Reading, Task]]:
        for reading in every:
            path = media / reading.path
            state, reason = looked_at(path)
            if reason is None:
                states[np.concatenate(reading.rows)] = state
                yield reading, Task("spans", path, {**spec, "spans": reading.spans})
            else:
                losses.add(np.concatenate(reading.rows), reason)

    for reading, result in pool.map(tasks(), ahead=2 * pool.workers):
        if isinstance(result, MediaError):
            losses.add(np.concatenate(reading.rows), str(result))
            continue
        numbered = enumerate(zip(result, reading.rows, strict=True), reading.number)
        for number, (view, rows) in numbered:
            if not len(rows):
                continue
            reason = refusal(view)
            if reason is not None:
                losses.add(rows, f"{media / reading.path} {reason}")
                continue
            yield number, whole_views(view[None]), rows
    losses.write()
