"""Precomputed embeddings, a batch at a time: `.npz`, MultiNat's Parquet, and the authors' pickled `.npy`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import ShapeError, TableError
from prom3e_index.schema import NAMES, modality_name
from prom3e_index.tables.aliases import ALIASES, plain
from prom3e_index.tables.npz_members import Npz
from prom3e_index.tables.pickled import read_array_dict
from prom3e_index.tables.piped import settled
from prom3e_index.tables.source import readable
from prom3e_index.tables.unit_blocks import Pair, scaled

MULTINAT_COLUMNS = ("image", "sat", "loc", "env", "text", "audio", "sound")
INVENTED = "ids_invented"
"""An array of an `.npz`: whether its ids were made up, so that they name no observation of another file."""

Cells = dict[str, list[Any]]


@dataclass(frozen=True)
class EmbeddingBatch:
    """Some rows of an embedding file.

    Attributes:
        embeddings: (n, m, d) float32, unit rows where present, zero elsewhere.
        present: (n, m) bool.
        ids: n ids.
        metadata: Other columns, each of length n.
        lengths: (n, m) float32, where asked for and all values stored are of half precision: what they were divided by.
    """

    embeddings: NDArray[np.float32]
    present: NDArray[np.bool_]
    ids: list[str]
    metadata: Cells
    lengths: NDArray[np.float32] | None = None


class Embeddings(ABC):
    """An open file of embeddings; its rows are read in their order, each time from the start.

    Attributes:
        path: The file.
        rows: n.
        columns: Names of what is known of the rows beside embeddings, the ids among them.
        id_column: Which of them holds the ids; None where the file has none, and rows are `row-1`, `row-2`, ….
    """

    path: Path
    rows: int
    columns: list[str]
    id_column: str | None

    @abstractmethod
    def cells(self, rows: int = 4096) -> Iterator[Cells]:
        """The columns of `columns`, without reading embeddings."""

    @abstractmethod
    def _vectors(self, rows: int) -> Iterator[Pair]:
        """Embeddings (n, m, d) in single or half precision, and which are present (n, m)."""

    def batches(self, rows: int = 2048, lengths: bool = False) -> Iterator[EmbeddingBatch]:
        """Embeddings scaled to unit rows, with ids and metadata.

        Args:
            rows: Of a batch.
            lengths: See `EmbeddingBatch.lengths`; costs a look at every value.

        Raises:
            TableError: Values that are not numbers; names the row.
        """
        at = 0
        blocks = scaled(self._vectors(rows), lengths)
        for (x, present, long), cells in zip(blocks, self.cells(rows), strict=True):
            n = len(x)
            ids = (
                [str(v) for v in cells[self.id_column]]
                if self.id_column is not None
                else [f"row-{at + i + 1}" for i in range(n)]
            )
            metadata = {k: v for k, v in cells.items() if k != self.id_column}
            yield EmbeddingBatch(x, present, ids, metadata, long)
            at += n


def open_embeddings(path: Path, format: str, modalities: tuple[str, ...], width: int) -> Embeddings:
    """Open a file of embeddings.

    Args:
        path: The file.
        format: `npz`: `embeddings` (n, m, d), or an array (n, w) named after each modality with w ≤ d
            (zero or NaN rows are absent); optional `present` (n, m), `ids` (n,), and any other
            arrays of length n as metadata; `multinat`: a list column per modality; `npy`: a
            dictionary of (n, d) arrays (`sound` is audio).
        modalities: The model's, in order; an `.npz` has them along axis 1 in this order.
        width: d of the model.

    Raises:
        TableError: Not such a file.
        ShapeError: Another width or number of modalities; both are in the message.
    """
    path = settled(path)
    kinds: dict[str, Callable[[Path, tuple[str, ...], int], Embeddings]] = {
        "npz": _NpzEmbeddings,
        "multinat": _Multinat,
        "npy": _ArrayDict,
    }
    return kinds[format](path, modalities, width)


def read_embeddings(
    path: Path, format: str, modalities: tuple[str, ...], width: int, rows: int = 2048
) -> Iterator[EmbeddingBatch]:
    """Read embeddings in batches of `rows`, scaled to unit rows; see `open_embeddings`."""
    yield from open_embeddings(path, format, modalities, width).batches(rows)


def _numbers(path: Path, name: str, dtype: np.dtype[Any]) -> None:
    if dtype.kind not in "fiu":
        raise TableError(f"{path}: {name} holds {dtype}; numbers are needed.")


def _id_column(names: list[str]) -> str | None:
    return next((n for a in ("ids", *ALIASES["id"]) for n in names if plain(n) == a), None)


class _NpzEmbeddings(Embeddings):
    def __init__(self, path: Path, modalities: tuple[str, ...], width: int) -> None:
        self.path, self._file, self._modalities, self._width = path, Npz(path), modalities, width
        given = {k: m.shape for k, m in self._file.members.items()}
        if "embeddings" in given:
            self._named: list[str] = []
            shape = given["embeddings"]
        else:
            self._named = [m for m in modalities if len(given.get(m, ())) == 2]
            shape = self._shape_by_name(given)
        if len(shape) != 3 or shape[1:] != (len(modalities), width):
            raise ShapeError(
                f"{path}: embeddings are {shape}, the model takes (n, {len(modalities)}, {width})."
            )
        for name in self._named or ["embeddings"]:
            _numbers(path, name, self._file.members[name].dtype)
        self.rows = shape[0]
        if "present" in given and given["present"] != shape[:2]:
            raise ShapeError(f"{path}: present is {given['present']}, embeddings are {shape}.")
        if "present" in given and self._file.members["present"].dtype.kind not in "biu":
            raise TableError(
                f"{path}: present holds {self._file.members['present'].dtype}, not truth values."
            )
        if "ids" in given and given["ids"] != (self.rows,):
            raise ShapeError(f"{path}: ids are {given['ids']}, embeddings are {shape}.")
        invented = INVENTED in given and bool(np.any(self._file.whole(INVENTED)))
        skip = {"embeddings", "present", INVENTED, *self._named, *(("ids",) if invented else ())}
        self.columns = [k for k, s in given.items() if s == (self.rows,) and k not in skip]
        self.id_column = None if invented else _id_column(self.columns)

    def _shape_by_name(self, given: dict[str, tuple[int, ...]]) -> tuple[int, ...]:
        """The shape of the arrays named after modalities, put side by side and padded with zeros to d."""
        if not self._named:
            raise TableError(
                f"{self.path} has {', '.join(given) or 'no array'}; the array `embeddings`, or one named after "
                f"each modality ({', '.join(self._modalities)}), is needed."
            )
        lengths = {given[k][0] for k in self._named}
        if len(lengths) > 1 or any(given[k][1] > self._width for k in self._named):
            shapes = ", ".join(f"{k} {given[k]}" for k in self._named)
            raise ShapeError(
                f"{self.path}: {shapes}; equal lengths and at most {self._width} columns are needed."
            )
        return (lengths.pop(), len(self._modalities), self._width)

    def cells(self, rows: int = 4096) -> Iterator[Cells]:
        blocks = [self._file.blocks(k, rows) for k in self.columns]
        for at in range(0, self.rows, rows):
            n = min(rows, self.rows - at)
            parts = [next(b) for b in blocks]
            yield {k: _plain(v) for k, v in zip(self.columns, parts, strict=True)} or {
                "": [None] * n
            }
        _finish(blocks)

    def _vectors(self, rows: int) -> Iterator[Pair]:
        stored = [self._file.blocks(k, rows) for k in self._named or ["embeddings"]]
        stated = self._file.blocks("present", rows) if "present" in self._file.members else None
        for at in range(0, self.rows, rows):
            n = min(rows, self.rows - at)
            parts = [next(b) for b in stored]
            if self._named:
                x = np.zeros((n, len(self._modalities), self._width), np.float32)
                for name, values in zip(self._named, parts, strict=True):
                    x[:, self._modalities.index(name), : values.shape[1]] = values
            else:
                x = parts[0]  # half precision is widened where it is scaled
                if stated is None or x.dtype != np.float16:
                    x = np.asarray(x, np.float32)
            if stated is None:
                present = np.isfinite(x).all(axis=2) & x.any(axis=2)
            else:
                present = next(stated).astype(bool)
            yield x, present
        _finish([*stored, *([stated] if stated else [])])


def _finish(blocks: list[Iterator[NDArray[Any]]]) -> None:
    """Read to the end, where checksums are compared."""
    for block in blocks:
        for _ in block:
            pass


def _plain(values: NDArray[Any]) -> list[Any]:
    """An array's cells as Python's values; moments and bytes as text."""
    if values.dtype.kind == "S":
        return [v.decode("utf-8", "replace") for v in values.tolist()]
    if values.dtype.kind in "mM":
        return [str(v) for v in values.astype(str).tolist()]
    return list(values.tolist())


class _ArrayDict(Embeddings):
    def __init__(self, path: Path, modalities: tuple[str, ...], width: int) -> None:
        self.path, self._modalities, self._width = path, modalities, width
        self._arrays: dict[str, NDArray[Any]] = {}
        for key, values in read_array_dict(path).items():
            name = modality_name(key, modalities)
            if name in self._arrays:
                raise TableError(f"{path} has two arrays of {name}; the second is {key!r}.")
            _numbers(path, key, values.dtype)
            self._arrays[name] = values
        shapes = {v.shape for v in self._arrays.values()}
        if len(shapes) != 1 or next(iter(shapes))[1:] != (width,):
            raise ShapeError(
                f"{path} has arrays {sorted(shapes)}; the model takes (n, {width}) each."
            )
        self.rows = next(iter(shapes))[0]
        self.columns, self.id_column = [], None

    def cells(self, rows: int = 4096) -> Iterator[Cells]:
        for at in range(0, self.rows, rows):
            yield {"": [None] * min(rows, self.rows - at)}

    def _vectors(self, rows: int) -> Iterator[Pair]:
        for at in range(0, self.rows, rows):
            n = min(rows, self.rows - at)
            x = np.zeros((n, len(self._modalities), self._width), np.float32)
            for name, values in self._arrays.items():
                x[:, self._modalities.index(name)] = values[at : at + n]
            yield x, x.any(axis=2)


class _Multinat(Embeddings):
    def __init__(self, path: Path, modalities: tuple[str, ...], width: int) -> None:
        from pyarrow import parquet

        self.path, self._modalities, self._width = path, modalities, width
        with readable(f"{path}, as Parquet,"):
            file = parquet.ParquetFile(path)
        names = file.schema_arrow.names
        self._columns = {
            n: modality_name(n, modalities)
            for n in names
            if n in MULTINAT_COLUMNS and n in (*NAMES, "sound")
        }
        self.rows = file.metadata.num_rows
        self.columns = [n for n in names if n not in self._columns]
        self.id_column = _id_column(self.columns)

    def _parts(self, columns: list[str], rows: int) -> Iterator[Any]:
        """Record batches of exactly `rows` rows, but for the last."""
        import pyarrow as pa
        from pyarrow import parquet

        held: list[Any] = []
        with readable(f"{self.path}, as Parquet,"):
            for batch in parquet.ParquetFile(self.path).iter_batches(rows, columns=columns):
                held.append(batch)
                while sum(len(b) for b in held) >= rows:
                    whole = pa.Table.from_batches(held)
                    yield whole.slice(0, rows).combine_chunks()
                    held = whole.slice(rows).to_batches()
            if sum(len(b) for b in held):
                yield pa.Table.from_batches(held).combine_chunks()

    def cells(self, rows: int = 4096) -> Iterator[Cells]:
        if not self.columns:
            for at in range(0, self.rows, rows):
                yield {"": [None] * min(rows, self.rows - at)}
            return
        for part in self._parts(self.columns, rows):
            yield part.to_pydict()

    def _vectors(self, rows: int) -> Iterator[Pair]:
        at = 0
        for part in self._parts(list(self._columns), rows):
            n = part.num_rows
            x = np.zeros((n, len(self._modalities), self._width), np.float32)
            for column, modality in self._columns.items():
                self._fill(x[:, self._modalities.index(modality)], part.column(column), at, column)
            yield x, x.any(axis=2)
            at += n

    def _fill(self, into: NDArray[np.float32], column: Any, at: int, name: str) -> None:
        """Write the lists of a column to the rows that have one."""
        import pyarrow.compute as pc

        lists = column.chunk(0) if column.num_chunks else column.combine_chunks()
        lengths = pc.list_value_length(lists).to_numpy(zero_copy_only=False).astype(np.float64)
        valid = ~np.isnan(lengths)
        wrong = np.flatnonzero(valid & (lengths != self._width))
        if len(wrong):
            raise ShapeError(
                f"{self.path}: row {at + wrong[0]}, {name} is {lengths[wrong[0]]:.0f} wide, the model takes "
                f"{self._width}."
            )
        values = np.asarray(lists.flatten().to_numpy(zero_copy_only=False), np.float32)
        into[valid] = values.reshape(-1, self._width)
