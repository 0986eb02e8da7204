"""Precomputed embeddings: `.npz`, MultiNat's Parquet, and the authors' pickled `.npy` dictionary."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from prom3e_index.errors import ShapeError, TableError
from prom3e_index.schema import NAMES, modality_name

MULTINAT_COLUMNS = ("image", "sat", "loc", "env", "text", "audio", "sound")


@dataclass(frozen=True)
class EmbeddingBatch:
    """Some rows of an embedding file.

    Attributes:
        embeddings: (n, m, d) float32, unit rows where present, zero elsewhere.
        present: (n, m) bool.
        ids: n ids.
        metadata: Other columns, each of length n.
    """

    embeddings: NDArray[np.float32]
    present: NDArray[np.bool_]
    ids: list[str]
    metadata: dict[str, list[Any]]


class _ArraysOnly(pickle.Unpickler):
    """Admits numpy arrays and dictionaries; anything else in the pickle is an error."""

    _ALLOWED = {
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy.core.multiarray", "scalar"),
        ("numpy._core.multiarray", "scalar"),
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        ("_codecs", "encode"),
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._ALLOWED:
            raise pickle.UnpicklingError(f"the file asks for {module}.{name}")
        return super().find_class(module, name)


def read_array_dict(path: Path) -> dict[str, NDArray[Any]]:
    """Read a `.npy` that holds a dictionary of arrays, without running what a pickle may ask for.

    Raises:
        TableError: The file asks for anything but arrays and a dictionary.
    """
    try:
        with path.open("rb") as f:
            version = npy_format.read_magic(f)
            read = (
                npy_format.read_array_header_1_0
                if version == (1, 0)
                else npy_format.read_array_header_2_0
            )
            shape, _, dtype = read(f)  # type: ignore[no-untyped-call]
            if not dtype.hasobject:
                raise TableError(
                    f"{path} is a plain array of {shape}; a dictionary of modalities is needed."
                )
            value = _ArraysOnly(f).load()
    except (pickle.UnpicklingError, ValueError, EOFError, KeyError, AttributeError, TypeError) as e:
        if isinstance(e, TableError):
            raise
        raise TableError(
            f"{path} is refused: {e}; only numpy arrays and a dictionary are admitted."
        ) from e
    value = value[()] if isinstance(value, np.ndarray) and value.shape == () else value
    if not isinstance(value, dict) or not all(isinstance(v, np.ndarray) for v in value.values()):
        raise TableError(f"{path} holds no dictionary of arrays.")
    return {str(k): v for k, v in value.items()}


def _unit(x: NDArray[Any], present: NDArray[np.bool_], first: int) -> NDArray[np.float32]:
    x = np.asarray(x, np.float32)
    bad = present & ~np.isfinite(x).all(axis=2)
    if bad.any():
        row = int(np.argwhere(bad)[0][0]) + first
        raise TableError(f"Row {row} holds values that are not numbers (NaN or infinite).")
    x = np.where(present[:, :, None], x, 0)
    norm = np.linalg.norm(x, axis=2, keepdims=True)
    return np.asarray(x / np.where(norm > 0, norm, 1), np.float32)


def read_embeddings(
    path: Path, format: str, modalities: tuple[str, ...], width: int, rows: int = 4096
) -> Iterator[EmbeddingBatch]:
    """Read embeddings in batches, scaled to unit rows.

    Args:
        path: The file.
        format: `npz`: `embeddings` (n, m, d), or an array (n, w) named after each modality with w ≤ d
            (zero or NaN rows are absent); optional `present` (n, m), `ids` (n,), and any other
            arrays of length n as metadata; `multinat`: a list column per modality; `npy`: a
            dictionary of (n, d) arrays (`sound` is audio).
        modalities: The model's, in order; an `.npz` has them along axis 1 in this order.
        width: d of the model.
        rows: Batch size.

    Raises:
        TableError: Not such a file, or values that are not numbers.
        ShapeError: Another width or number of modalities; both are in the message.
    """
    if format == "multinat":
        yield from _read_multinat(path, modalities, width, rows)
        return
    metadata: dict[str, NDArray[Any]] = {}
    if format == "npy":
        arrays = {_name(k, modalities): v for k, v in read_array_dict(path).items()}
        lengths = {v.shape for v in arrays.values()}
        if len(lengths) != 1 or next(iter(lengths))[1:] != (width,):
            raise ShapeError(
                f"{path} has arrays {sorted(lengths)}; the model takes (n, {width}) each."
            )
        n = next(iter(lengths))[0]
        x = np.zeros((n, len(modalities), width), np.float32)
        present = np.zeros((n, len(modalities)), bool)
        for name, values in arrays.items():
            x[:, modalities.index(name)] = values
            present[:, modalities.index(name)] = np.abs(values).sum(axis=1) > 0
        ids = np.arange(n).astype(str)
    else:
        try:
            with np.load(path, allow_pickle=False) as z:
                given = {k: z[k] for k in z.files}
        except (ValueError, OSError, EOFError, KeyError) as e:
            raise TableError(f"{path} cannot be read as .npz without pickles: {e}.") from e
        x = given.pop("embeddings", None)
        if x is None:
            x = _by_name(path, given, modalities, width)
        if x.ndim != 3 or x.shape[1:] != (len(modalities), width):
            raise ShapeError(
                f"{path}: embeddings are {x.shape}, the model takes (n, {len(modalities)}, {width})."
            )
        n = len(x)
        default = np.isfinite(x).all(axis=2) & (np.abs(x).sum(axis=2) > 0)
        present = given.pop("present", default).astype(bool)
        if present.shape != x.shape[:2]:
            raise ShapeError(f"{path}: present is {present.shape}, embeddings are {x.shape}.")
        ids = given.pop("ids", np.arange(n)).astype(str)
        if ids.shape != (n,):
            raise ShapeError(f"{path}: ids are {ids.shape}, embeddings are {x.shape}.")
        metadata = {k: v for k, v in given.items() if v.shape == (n,)}
    for at in range(0, n, rows):
        part = slice(at, at + rows)
        yield EmbeddingBatch(
            _unit(x[part], present[part], at),
            present[part],
            [str(i) for i in ids[part]],
            {k: v[part].tolist() for k, v in metadata.items()},
        )


def _by_name(
    path: Path, given: dict[str, NDArray[Any]], modalities: tuple[str, ...], width: int
) -> NDArray[np.float32]:
    """Take the arrays named after modalities out of `given`: (n, m, d), padded with zeros to d."""
    found = {k: given.pop(k) for k in list(given) if k in modalities and given[k].ndim == 2}
    if not found:
        raise TableError(
            f"{path} has {', '.join(given)}; the array `embeddings`, or one named after each "
            f"modality ({', '.join(modalities)}), is needed."
        )
    lengths = {len(v) for v in found.values()}
    if len(lengths) > 1 or any(v.shape[1] > width for v in found.values()):
        shapes = ", ".join(f"{k} {v.shape}" for k, v in found.items())
        raise ShapeError(f"{path}: {shapes}; equal lengths and at most {width} columns are needed.")
    x = np.zeros((lengths.pop(), len(modalities), width), np.float32)
    for name, values in found.items():
        x[:, modalities.index(name), : values.shape[1]] = values
    return x


def _name(key: str, modalities: tuple[str, ...]) -> str:
    return modality_name(key, modalities)


def _read_multinat(
    path: Path, modalities: tuple[str, ...], width: int, rows: int
) -> Iterator[EmbeddingBatch]:
    from pyarrow import parquet

    from prom3e_index.tables.aliases import ALIASES

    file = parquet.ParquetFile(path)
    names = file.schema_arrow.names
    vectors = {
        n: modality_name(n, modalities)
        for n in names
        if n in MULTINAT_COLUMNS and n in (*NAMES, "sound")
    }
    others = [n for n in names if n not in vectors]
    key = next((n for a in ALIASES["id"] for n in others if n.lower() == a), None)
    at = 0
    for batch in file.iter_batches(batch_size=rows):
        n = batch.num_rows
        x = np.zeros((n, len(modalities), width), np.float32)
        present = np.zeros((n, len(modalities)), bool)
        for column, modality in vectors.items():
            cells = batch.column(names.index(column))
            m = modalities.index(modality)
            for i, cell in enumerate(cells):
                if not cell.is_valid:
                    continue
                vector = np.asarray(cell.values.to_numpy(zero_copy_only=False), np.float32)
                if vector.shape != (width,):
                    raise ShapeError(
                        f"{path}: row {at + i}, {column} is {len(vector)} wide, the model takes {width}."
                    )
                x[i, m], present[i, m] = vector, bool(np.any(vector))
        table = batch.to_pydict() if others else {}
        ids = [str(v) for v in table[key]] if key else [str(at + i) for i in range(n)]
        yield EmbeddingBatch(
            _unit(x, present, at), present, ids, {k: table[k] for k in others if k != key}
        )
        at += n
