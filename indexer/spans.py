"""Spans of recordings on their way to the encoder: those that lie near each other are read together, once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import MediaError
from prom3e_index.indexer.losses import Losses, looked_at
from prom3e_index.indexer.store import PENDING, Store, file_states
from prom3e_index.media.pool import DecodePool, Task
from prom3e_index.media.spans import Span, refusal, whole_views

if TYPE_CHECKING:
    import duckdb

Ints = NDArray[np.int64]
TOGETHER_S = 120.0
"""Seconds of a recording that are read at once: at most 30 MB at 48 kHz, of which the first and last ten are read
twice."""
TOGETHER = 32
"""Spans of one answer of a decode process: 8 MB of features."""


@dataclass
class _Reading:
    """Spans of one recording that are read together, and the rows of each."""

    path: str
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


def _readings(
    con: duckdb.DuckDBPyConnection, state: NDArray[np.uint8], usual_s: float
) -> Iterator[_Reading]:
    """Pending spans of the plan in its order, those near each other together."""
    query = (
        f"SELECT audio, start_s, coalesce(end_s, start_s + {usual_s}) AS ends, list(seq ORDER BY seq) AS seqs "
        "FROM planned WHERE audio IS NOT NULL AND start_s IS NOT NULL GROUP BY 1, 2, 3 "
        "ORDER BY min(min(seq)) OVER (PARTITION BY audio), audio, start_s, ends"
    )
    held: _Reading | None = None
    for batch in con.cursor().sql(query).to_arrow_reader(4096):
        for path, start, end, seqs in zip(*(c.to_pylist() for c in batch.columns), strict=True):
            rows = np.asarray(seqs, np.int64)
            rows = rows[state[rows] == PENDING]
            if not len(rows):
                continue
            if held is None or not held.takes(path, start, end):
                if held is not None:
                    yield held
                held = _Reading(path)
            held.spans.append((start, end))
            held.rows.append(rows)
    if held is not None:
        yield held


def decoded_spans(
    con: duckdb.DuckDBPyConnection,
    pool: DecodePool,
    spec: dict[str, Any],
    media: Path,
    work: Path,
    store: Store,
) -> Iterator[tuple[NDArray[np.float32], Ints]]:
    """What the sound tower reads of each pending span, (1, 4, frames, mels), with its rows.

    A span that is silent or not there is noted as lost.
    """
    losses = Losses(work, "audio", store.state, media)
    states = file_states(work / "embeddings", "audio", len(store.state))

    def tasks() -> Iterator[tuple[_Reading, Task]]:
        for reading in _readings(con, store.state, spec["window_s"]):
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
        for view, rows in zip(result, reading.rows, strict=True):
            reason = refusal(view)
            if reason is not None:
                losses.add(rows, f"{media / reading.path} {reason}")
                continue
            yield whole_views(view[None]), rows
    losses.write()
