"""Embedding sets: what stage 2 trains on and is validated with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prom3e_index.errors import InputError
from prom3e_index.evaluation.data import split_column, split_of
from prom3e_index.models.seen import Seen
from prom3e_index.models.weights import fingerprint
from prom3e_index.tables.embeddings import EmbeddingBatch, open_embeddings
from prom3e_index.tables.npz_members import Npz
from prom3e_index.tables.source import readable

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
        numbers: (n,) row of the file; None where rows are not of one file.
        asking: (n,) bool, in validation the rows that ask, the others only answer; None when all ask.
        lengths: (n, m) float32: what rows that are stored in half precision were divided by; None of other rows.
    """

    x: Tensor
    present: Tensor
    species: NDArray[Any] | None
    path: str
    fingerprint: str
    dropped: int = 0
    ids: NDArray[Any] | None = None
    numbers: NDArray[np.int64] | None = None
    asking: NDArray[np.bool_] | None = None
    lengths: Tensor | None = None

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
            numbers=of(self.numbers),
            asking=of(self.asking),
            lengths=None if self.lengths is None else self.lengths[at],
        )

    def asked(self) -> EmbeddingSet:
        """The rows that ask in validation."""
        return self if self.asking is None else self.rows(self.asking)

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
        split: Keep rows whose array `split` says so, as people write it, when the file has one.

    Raises:
        InputError: Another ending; fewer than two usable rows.
        TableError: Values that are not numbers, or another content than the ending says.
        ShapeError: Another width or number of modalities.
    """
    if path.suffix not in FORMATS:
        raise InputError(f"{path} is no embedding set; known endings: {', '.join(FORMATS)}.")
    file = open_embeddings(path, FORMATS[path.suffix], tuple(modalities), width)
    parts = list(file.batches(1 << 16, lengths=True))
    if not parts:
        raise InputError(f"{path} holds no rows; training needs at least two.")
    x = np.concatenate([p.embeddings for p in parts])
    present = np.concatenate([p.present for p in parts]) & (np.abs(x).sum(axis=2) > 0)
    keep = present.any(axis=1)
    dropped = int((~keep).sum())
    column = split_column(parts[0].metadata)
    splits = None if column is None else _column(parts, column)
    if splits is not None:
        splits = np.array([split_of(s) for s in splits])
    if split is not None and splits is not None:
        keep &= splits == split
    labels = _column(parts, "species")
    if keep.sum() < 2:
        said = ""
        if split is not None and splits is not None:
            known = ", ".join(sorted({s or "none" for s in splits.tolist()}))
            said = f" of split {split!r} (its column `split` says {known})"
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
        np.flatnonzero(keep),
        lengths=_lengths(parts, keep),
    )


def _lengths(parts: Sequence[EmbeddingBatch], keep: NDArray[np.bool_]) -> Tensor | None:
    known = [p.lengths for p in parts if p.lengths is not None]
    return torch.from_numpy(np.concatenate(known)[keep]) if len(known) == len(parts) else None


def read_places(
    given: EmbeddingSet, modalities: Sequence[str], width: int
) -> NDArray[np.float64] | None:
    """Latitude and longitude (n, 2) in degrees of a set's rows, NaN where unknown, read as those of any table.

    Returns:
        None where the file says nothing of places.
    """
    from prom3e_index.tables.embedded import EmbeddedObservations

    path = Path(given.path)
    file = EmbeddedObservations(path, FORMATS[path.suffix], tuple(modalities), width)
    if given.numbers is None or not file.fields.get("latitude"):
        return None
    parts = [
        np.stack([_floats(b.column(c)) for c in ("latitude", "longitude")], axis=1)
        for b in file.batches(1 << 16)
    ]
    return np.asarray(np.concatenate(parts)[given.numbers], np.float64)


def _floats(column: Any) -> NDArray[np.float64]:
    return np.array([np.nan if v is None else v for v in column.to_pylist()], np.float64)


def _column(parts: Sequence[Any], name: str) -> NDArray[Any] | None:
    if name not in parts[0].metadata:
        return None
    values = [v for p in parts for v in p.metadata[name]]
    return np.array(["" if v is None else str(v) for v in values])


def splits_of(path: Path) -> set[str]:
    """The values of a set's column `split`: `train`, `val`, `test`, or as they are; empty without such a column."""
    values: Iterable[Any] = ()
    if path.suffix == ".npz":
        file = Npz(path)
        column = split_column(file.members)
        if column is not None:
            values = (v for part in file.blocks(column, 1 << 16) for v in part.tolist())
    elif path.suffix == ".parquet":
        from pyarrow import parquet

        with readable(f"{path}, as Parquet,"):
            table = parquet.ParquetFile(path)
            column = split_column(table.schema_arrow.names)
            if column is not None:
                values = table.read([column]).column(0).unique().to_pylist()
    return {split_of(v) for v in values}
