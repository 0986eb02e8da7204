"""A query on its way to its answer, and what its way costs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.filters import Filter
from prom3e_index.errors import InputError, MediaError, Prom3eError, ShapeError
from prom3e_index.media.pool import Noted
from prom3e_index.search.groups import Found
from prom3e_index.search.query import Query
from prom3e_index.search.ranking import Ahead

if TYPE_CHECKING:
    from prom3e_index.confidence.calibrated import Calibration
    from prom3e_index.models.folder import Weights
    from prom3e_index.models.joined import Joined

Floats = NDArray[np.float32]
Rows = NDArray[np.int64] | None
REFUSED = (InputError, MediaError, ShapeError)
"""Errors of one query; any other is the index's, the model's or the machine's, and ends the whole."""


class Clock:
    """Milliseconds by step."""

    def __init__(self) -> None:
        self.milliseconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time what is done within."""
        begun = time.perf_counter()
        yield
        spent = (time.perf_counter() - begun) * 1000
        self.milliseconds[name] = self.milliseconds.get(name, 0.0) + spent

    def shared(self, by: int) -> dict[str, float]:
        """The share of one of `by` queries, rounded."""
        return {name: round(spent / by, 2) for name, spent in self.milliseconds.items()}


@dataclass
class Asked:
    """A query on its way to its answer.

    Attributes:
        query: What was asked.
        refused: Why it cannot be answered.
        target: Modality searched for.
        filter: Its filter, with what `observed_only` asks for.
        rows: Rows that the filter leaves; all when None.
        without: Of all rows those that no hit is, ascending.
        eligible: How many rows may be hits.
        decoding: Its media by modality, each file with what becomes of it.
        notes: What is to be said of its answer.
        x: (m, d) unit rows, what it gives as embeddings; zeros where it gives nothing.
        has: (m,) which modalities those are.
        visible: Their names.
        weights: δ, γ, ε.
        joined: How the query is joined of what each modality asks alone; None where it asks as one.
        vector: Of the query, with the weights of the correction against hubs at its end.
        corrected: Whether any of those is not 0.
        sigma: ‖σ‖₁.
        completed: (d,) what it searches for, as the model completes it.
        calibration: What its answer is judged by.
        uncalibrated: Why there is none.
        ahead: The best rows, where they were found together with other queries'.
        near: The first rows, from which the calibration is asked.
    """

    query: Query
    refused: Prom3eError | None = None
    target: str = ""
    filter: Filter = field(default_factory=Filter)
    rows: Rows = None
    without: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    eligible: int = 0
    decoding: dict[str, list[tuple[Path, Future[Noted]]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    x: Floats | None = None
    has: NDArray[np.bool_] | None = None
    visible: list[str] = field(default_factory=list)
    weights: Weights | None = None
    joined: Joined | None = None
    vector: Floats | None = None
    corrected: bool = False
    sigma: float = 0.0
    completed: Floats | None = None
    calibration: Calibration | None = None
    uncalibrated: str = ""
    ahead: Ahead | None = None
    near: Found | None = None
