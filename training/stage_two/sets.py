"""Embedding sets: what stage 2 trains on and is validated with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prom3e_index.errors import InputError
from prom3e_index.models.seen import Seen
from prom3e_index.models.weights import fingerprint
from prom3e_index.tables.embeddings import open_embeddings

FORMATS = {".npz": "npz", ".parquet": "multinat", ".npy": "npy"}


@dataclass(frozen=True)
class EmbeddingSet:
    """Embeddings of n observations.

    Attributes:
        x: (n, m, d) float32, unit rows where present, zero elsewhere.
        present: (n, m) bool, at least one True per row.
        species: (n,) labels, empty where unknown; None when the file has none.
        path: Where it was read.
        fingerprint: Of the file.
        dropped: Rows left out because they have no modality.
        ids: (n,) text; None where the file has none, or made them up.
    """

    x: Tensor
    present: Tensor
    species: NDArray[Any] | None
    path: str
    fingerprint: str
    dropped: int = 0
    ids: NDArray[Any] | None = None

    def __len__(self) -> int:
        return len(self.x)

    def rows(self, keep: NDArray[Any] | Tensor) -> EmbeddingSet:
        """A set of some of the rows."""
        at = torch.as_tensor(np.asarray(keep))

        def of(values: NDArray[Any] | None) -> NDArray[Any] | None:
            return None if values is None else values[at.numpy()]

        return replace(
            self,
            x=self.x[at],
            present=self.present[at],
            species=of(self.species),
            dropped=0,
            ids=of(self.ids),
        )

    def seen(self, modalities: Sequence[str]) -> Seen:
        """Its rows, as a model notes what it was trained on."""
        ids = None if self.ids is None else self.ids.tolist()
        return Seen.of(self.x.numpy(), self.present.numpy(), modalities, ids)

    def duplicates(self) -> Tensor:
        """Numbers (n, m) int64, equal in a column where two rows have the very same embedding."""
        n, m = self.present.shape
        out = torch.empty(n, m, dtype=torch.int64)
        for column in range(m):
            block = np.ascontiguousarray(self.x[:, column].numpy())
            keys = block.view(np.dtype((np.void, block.dtype.itemsize * block.shape[1])))[:, 0]
            out[:, column] = torch.from_numpy(np.unique(keys, return_inverse=True)[1].reshape(-1))
        return out

    def species_numbers(self) -> Tensor:
        """Numbers (n,) int64 of the species; a row of unknown species has one of its own."""
        own = np.arange(len(self))
        if self.species is None:
            return torch.from_numpy(own)
        number = np.unique(self.species, return_inverse=True)[1].reshape(-1)
        return torch.from_numpy(np.where(self.species == "", own + len(self), number))


def read_set(
    path: Path, modalities: Sequence[str], width: int, split: str | None = None
) -> EmbeddingSet:
    """Read an embedding set.

    Args:
        path: `.npz` (from `encode`, or any with `embeddings`), MultiNat's `.parquet`, or the authors'
            `.npy`; see `tables.embeddings.read_embeddings`.
        modalities: The model's, in order.
        width: d of the model.
        split: Keep rows whose array `split` says so, when the file has one.

    Raises:
        InputError: Another ending; fewer than two usable rows.
        TableError: Values that are not numbers, or another content than the ending says.
        ShapeError: Another width or number of modalities.
    """
    if path.suffix not in FORMATS:
        raise InputError(f"{path} is no embedding set; known endings: {', '.join(FORMATS)}.")
    file = open_embeddings(path, FORMATS[path.suffix], tuple(modalities), width)
    parts = list(file.batches(1 << 16))
    if not parts:
        raise InputError(f"{path} holds no rows; training needs at least two.")
    x = np.concatenate([p.embeddings for p in parts])
    present = np.concatenate([p.present for p in parts]) & (np.abs(x).sum(axis=2) > 0)
    keep = present.any(axis=1)
    dropped = int((~keep).sum())
    splits = _column(parts, "split")
    if split is not None and splits is not None:
        keep &= splits == split
    labels = _column(parts, "species")
    if keep.sum() < 2:
        said = "" if split is None or splits is None else f" of split {split!r}"
        raise InputError(
            f"{path} has {int(keep.sum())} usable rows{said}; at least two are needed."
        )
    return EmbeddingSet(
        torch.from_numpy(x[keep]),
        torch.from_numpy(present[keep]),
        None if labels is None else labels[keep],
        str(path),
        fingerprint(path),
        dropped,
        np.array([i for p in parts for i in p.ids])[keep] if file.id_column is not None else None,
    )


def _column(parts: Sequence[Any], name: str) -> NDArray[Any] | None:
    if name not in parts[0].metadata:
        return None
    values = [v for p in parts for v in p.metadata[name]]
    return np.array(["" if v is None else str(v) for v in values])


def has_split(path: Path) -> bool:
    """Whether an `.npz` tells training from validation rows by an array `split`."""
    if path.suffix != ".npz":
        return False
    with np.load(path, allow_pickle=False) as z:
        return "split" in z.files
