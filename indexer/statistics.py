"""What a segment says of the model's uncertainty: `statistics.json`, samples of rows by visible set."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.indexer.plan import Progress
from prom3e_index.models.folder import Model
from prom3e_index.mvae.completion import infer, prepare
from prom3e_index.schema import set_key

SAMPLES = 128
"""Rows of a visible set whose ‖σ‖₁ is kept."""
POOL = 2048
"""Rows that samples are taken from; rarer visible sets have their own."""


Read = Callable[[NDArray[np.int64]], NDArray[np.float32]]
"""Row numbers, ascending → their embeddings (rows, m, d), zeros where a row has none."""


def write_statistics(
    model: Model, stage: Path, present: NDArray[np.bool_], progress: Progress
) -> None:
    """Write `statistics.json` of a segment; see `statistics_of`."""
    names = model.modalities
    stored = {m: np.load(stage / "embeddings" / f"{m}.npy", mmap_mode="r") for m in names}

    def read(rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.stack([np.asarray(stored[m][rows], np.float32) for m in names], axis=1)

    out = statistics_of(model, read, present, progress)
    (stage / "statistics.json").write_text(json.dumps(out, separators=(",", ":")))


def statistics_of(
    model: Model, read: Read, present: NDArray[np.bool_], progress: Progress
) -> dict[str, dict[str, Any]]:
    """Samples for all visible sets of up to six modalities, or of two in larger models.

    Rows are places in the segment, so that those removed later can be left out.

    Args:
        model: Whose embeddings they are.
        read: Gives embeddings of rows.
        present: (n, m) which modalities each row has.
        progress: Told of each visible set.

    Returns:
        `samples`: visible set → {`of`: rows that have it, `rows`, `sigma_l1`: ‖σ‖₁ when they show it alone}.
    """
    names = model.modalities
    largest = len(names) if len(names) <= 6 else 2
    sets = [s for size in range(1, largest + 1) for s in combinations(range(len(names)), size)]
    samples = _Samples(model, read, present)
    out: dict[str, dict[str, Any]] = {"samples": {}}
    for number, seen in enumerate(sets):
        key = set_key([names[i] for i in seen], names)
        sample = samples.of(seen)
        if sample:
            out["samples"][key] = sample
        progress("uncertainty", number + 1, len(sets))
    return out


class _Samples:
    """‖σ‖₁ of rows that show one visible set; the tokens of a pool of rows are made once for all sets."""

    def __init__(self, model: Model, read: Read, present: NDArray[np.bool_]) -> None:
        self._model, self._read, self._present = model, read, present
        self._rng = np.random.default_rng(1)
        size = min(POOL, len(present))
        self._pool = np.sort(self._rng.choice(len(present), size, replace=False))
        self._x = read(self._pool)
        self._tokens = prepare(model, self._x, present[self._pool]) if size else None

    def of(self, seen: tuple[int, ...]) -> dict[str, Any]:
        """The sample of a visible set; empty when no row has it."""
        having = np.flatnonzero(self._present[:, seen].all(axis=1))
        if len(having) == 0:
            return {}
        at = np.flatnonzero(self._present[self._pool][:, seen].all(axis=1))
        if len(at) >= min(SAMPLES, len(having)):
            at = np.sort(self._rng.choice(at, min(SAMPLES, len(at)), replace=False))
            rows, x = self._pool[at], self._x[at]
            tokens = None if self._tokens is None else (self._tokens, at)
        else:
            rows = np.sort(self._rng.choice(having, min(SAMPLES, len(having)), replace=False))
            x, tokens = self._read(rows), None
        mask = np.zeros((len(rows), len(self._model.modalities)), bool)
        mask[:, seen] = True
        sigma = infer(self._model, x, mask, (), tokens=tokens).sigma_l1
        return {"of": len(having), "rows": rows.tolist(), "sigma_l1": _short(sigma)}


def _short(values: NDArray[np.float32]) -> list[float]:
    """Numbers with six significant digits."""
    return [float(f"{v:.6g}") for v in values.tolist()]
