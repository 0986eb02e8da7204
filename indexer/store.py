"""Embeddings being made: the arrays of one modality in a work folder, and which of their rows are done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.memory_maps import release
from prom3e_index.indexer.new_array import new_array

PENDING, ENCODED, ABSENT = 0, 1, 2


class Store:
    """The arrays of one modality under `folder`, made on first use."""

    def __init__(self, folder: Path, modality: str, n: int, width: int) -> None:
        self.values = _stored(folder / f"{modality}.npy", (n, width), np.float16)
        self.state = _stored(folder / f"{modality}.state.npy", (n,), np.uint8)

    def put(self, rows: list[NDArray[np.int64]], embeddings: NDArray[np.float32]) -> None:
        """Write embeddings, each to all of its rows, then mark them."""
        every = np.concatenate(rows)
        self.values[every] = np.repeat(embeddings, [len(r) for r in rows], axis=0)
        release(self.values)
        self.state[every] = ENCODED
        self.state.flush()


def file_states(folder: Path, modality: str, n: int) -> NDArray[np.uint64]:
    """Of each row's file, what `losses.looked_at` found before it was decoded; 0 where that is not known."""
    states: NDArray[np.uint64] = _stored(folder / f"{modality}.files.npy", (n,), np.uint64)
    return states


def _stored(path: Path, shape: tuple[int, ...], dtype: type) -> Any:
    if not path.is_file():
        temporary = path.with_suffix(".making")
        new_array(temporary, shape, dtype)
        temporary.replace(path)
    if 0 in shape:
        return np.zeros(shape, dtype)
    return np.lib.format.open_memmap(path, mode="r+")
