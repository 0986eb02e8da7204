"""Where rows come from: an index or a file. They are drawn first and then read, whatever there is beside."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.filters import quoted
from prom3e_index.bundle.manifest import NAME
from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.errors import InputError
from prom3e_index.evaluation.data import (
    SPECIES,
    EvalSet,
    column_named,
    fullest,
    obscured,
    split_column,
    split_of,
    text_of,
)
from prom3e_index.models.weights import fingerprint
from prom3e_index.tables.embeddings import EmbeddingBatch, read_embeddings
from prom3e_index.tables.npz_members import Npz

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
FORMATS = {".npz": "npz", ".parquet": "multinat", ".npy": "npy"}
MOST_ROWS = 20_000
"""Rows of a larger set are drawn down to this many; exact ranks cost rows squared."""
_HELD = 20_000
"""A file of at most this many rows is read once and kept; a larger one is read again for what is drawn."""
_BLOCK = 2048
Block = tuple[Floats, NDArray[np.bool_], Ints]


class Source(ABC):
    """Rows that have an embedding, known before embeddings are read. A place that is obscured is none.

    Attributes:
        path: Bundle or file.
        modalities: m names.
        of: Rows of the source.
        numbers: (n,) numbers of the rows that have an embedding, ascending.
        splits: (n,) their column `split`, as `split_of` reads it; None when there is no such column.
        columns: Names of the columns.
        species: Column that labels the species; None without one.
    """

    path: Path
    modalities: tuple[str, ...]
    of: int
    numbers: Ints
    splits: NDArray[Any] | None
    columns: list[str]
    species: str | None

    def _settle(self, usable: NDArray[np.bool_], splits: NDArray[Any] | None) -> None:
        """Set what is known of all rows, of which some are usable."""
        self.of = len(usable)
        self.numbers = np.flatnonzero(usable)
        self.splits = None if splits is None else splits[usable]
        if not len(self.numbers):
            raise InputError(f"{self.path} has no row with an embedding.")

    def label(self, species: str | None) -> None:
        """Take a column as that of the species; when None that of `SPECIES` which most rows have.

        Raises:
            InputError: See `column_named`.
        """
        if species is not None:
            self.species = column_named(species, self.columns, self.path)
        else:
            self.species = fullest({c: self._filled(c) for c in SPECIES if c in self.columns})

    @abstractmethod
    def _filled(self, column: str) -> int:
        """How many rows have a value in one of `SPECIES`."""

    def chosen(self, split: str | None) -> Ints:
        """Numbers of the rows of a split; all when None."""
        if split is None:
            return self.numbers
        return self.numbers[:0] if self.splits is None else self.numbers[self.splits == split]

    def take(self, split: str | None = None, most: int | None = None, seed: int = 0) -> EvalSet:
        """Read rows, of one split or all; of more than `most` that many, drawn with `seed`, in their order."""
        numbers = self.chosen(split)
        if most is not None and len(numbers) > most:
            rng = np.random.default_rng(seed)
            numbers = numbers[np.sort(rng.choice(len(numbers), most, replace=False))]
        out = self.read(numbers)
        if self.species not in (None, "species"):
            out.columns["species"] = out.columns[str(self.species)]
        return out

    def unused(self) -> dict[str, int]:
        """Rows by what their column `split` says, where that is none of train, val, test and others say so."""
        if self.splits is None or not any(len(self.chosen(s)) for s in ("train", "val", "test")):
            return {}
        told, count = np.unique(self.splits.astype(str), return_counts=True)
        rows = {str(t): int(n) for t, n in zip(told, count, strict=True)}
        return {t: n for t, n in rows.items() if t not in ("train", "val", "test")}

    def reported(self, most: int | None, seed: int = 0) -> EvalSet:
        """The rows that may be reported: those of split `test`, or all where rows have no split.

        Raises:
            InputError: There are rows to train or to choose on, and none to test.
        """
        test = bool(len(self.chosen("test")))
        if not test and (len(self.chosen("train")) or len(self.chosen("val"))):
            raise InputError(
                f"{self.path} has a column `split` with train or val rows and no test rows; nothing "
                "may be chosen on the rows that are reported."
            )
        return self.take("test" if test else None, most, seed)

    @abstractmethod
    def read(self, numbers: Ints) -> EvalSet:
        """Rows by number, ascending."""

    @abstractmethod
    def blocks(self, numbers: Ints) -> Iterator[Block]:
        """Embeddings, presence and numbers of rows, a bounded part at a time."""


class _Bundle(Source):
    def __init__(self, path: Path, modalities: Sequence[str]) -> None:
        from prom3e_index.search.run import Bundle

        self.path, self._bundle = path, Bundle.open(path)
        bundle = self._bundle
        if tuple(modalities) != bundle.modalities:
            raise InputError(
                f"{path} has the modalities {', '.join(bundle.modalities)}, the model "
                f"{', '.join(modalities)}."
            )
        self.modalities = bundle.modalities
        skip = ("row", "embedding", "id")
        self.columns = [c for c in bundle.columns if c not in skip and not c.startswith("has_")]
        present = bundle.present[bundle.live]
        hidden, splits = self._flags(bundle)
        if "loc" in self.modalities:
            present[hidden, self.modalities.index("loc")] = False
        self._settle(present.any(axis=1), splits)
        self.of = bundle.rows
        self._present, self._live = present, bundle.live
        self.numbers = bundle.live[self.numbers]

    def _flags(self, bundle: BundleFolder) -> tuple[NDArray[np.bool_], NDArray[Any] | None]:
        """Of all live rows whether the place is obscured, and the split."""
        told = split_column(self.columns)
        names = [c for c in ("obscured", told) if c is not None and c in self.columns]
        hidden, splits = [np.zeros(0, bool)], [np.zeros(0, object)]
        if names:
            cells = ", ".join(f"coalesce({quoted(c)}::VARCHAR, '')" for c in names)
            query = f"SELECT {cells} FROM observations ORDER BY row"
            with bundle.reader(query, 1 << 16) as batches:
                for batch in batches:
                    found = dict(zip(names, (c.to_pylist() for c in batch.columns), strict=True))
                    hidden.append(obscured(found.get("obscured", [""] * batch.num_rows)))
                    splits.append(
                        np.array([split_of(v) for v in found.get(told or "", [])], object)
                    )
        none = np.zeros(bundle.rows, bool)
        return (
            np.concatenate(hidden) if names else none,
            None if told is None else np.concatenate(splits),
        )

    def _filled(self, column: str) -> int:
        cell = f"nullif(trim({quoted(column)}::VARCHAR), '')"
        return int(self._bundle.sql(f"SELECT count({cell}) FROM observations")[0][0])

    def read(self, numbers: Ints) -> EvalSet:
        bundle = self._bundle
        names = ["id", *self.columns]
        selected = ", ".join(quoted(c) for c in names)
        cells = bundle.sql(
            f"SELECT {selected} FROM observations WHERE row IN (SELECT unnest(?)) ORDER BY row",
            [numbers.tolist()],
        )
        columns = {c: _array([r[i] for r in cells]) for i, c in enumerate(names)}
        parts = list(self.blocks(numbers))
        m = bundle.manifest
        return EvalSet(
            _joined([p[0] for p in parts], (0, len(self.modalities), int(m["width"])), np.float32),
            _joined([p[1] for p in parts], (0, len(self.modalities)), bool),
            self.modalities, columns.pop("id").astype(str), columns, str(self.path),
            f"generation {m['generation']}, {m['fingerprints']['mvae']}", numbers, self.of, bundle,
        )  # fmt: skip

    def blocks(self, numbers: Ints) -> Iterator[Block]:
        stored = [self._bundle.embeddings(m) for m in self.modalities]
        for at in range(0, len(numbers), _BLOCK):
            rows = numbers[at : at + _BLOCK]
            x = np.stack([np.asarray(e[rows], np.float32) for e in stored], axis=1)
            norm = np.linalg.norm(x, axis=2, keepdims=True)
            x /= np.where(norm > 0, norm, 1)
            yield x, self._present[np.searchsorted(self._live, rows)], rows


class _File(Source):
    def __init__(self, path: Path, modalities: tuple[str, ...], width: int) -> None:
        self.path, self.modalities, self._width = path, modalities, width
        self._held: list[tuple[EmbeddingBatch, NDArray[np.bool_]]] | None = []
        self._values = dict.fromkeys(SPECIES, 0)
        rows, usable, splits = 0, [np.zeros(0, bool)], [np.zeros(0, object)]
        self.columns = []
        for batch, present in self._batches():
            rows += len(present)
            self.columns = list(batch.metadata)
            usable.append(present.any(axis=1))
            told = split_column(batch.metadata)
            if told is not None:
                splits.append(np.array([split_of(v) for v in batch.metadata[told]], object))
            for c in set(SPECIES) & batch.metadata.keys():
                self._values[c] += sum(text_of(v) != "" for v in batch.metadata[c])
            if self._held is not None:
                self._held.append((batch, present))
            if rows > _HELD:
                self._held = None
        if not rows:
            raise InputError(f"{path} holds no rows.")
        self._settle(np.concatenate(usable), np.concatenate(splits) if len(splits) > 1 else None)

    def _filled(self, column: str) -> int:
        return self._values[column]

    @cached_property
    def _fingerprint(self) -> str:
        return fingerprint(self.path)

    def _batches(self) -> Iterator[tuple[EmbeddingBatch, NDArray[np.bool_]]]:
        """Batches with what is present: no zero row, no obscured place."""
        kind = FORMATS[self.path.suffix]
        for batch in read_embeddings(self.path, kind, self.modalities, self._width, _BLOCK):
            present = batch.present & batch.embeddings.any(axis=2)
            if "obscured" in batch.metadata and "loc" in self.modalities:
                hidden = obscured(batch.metadata["obscured"])
                present[hidden, self.modalities.index("loc")] = False
            yield batch, present

    def _places(
        self, numbers: Ints
    ) -> Iterator[tuple[EmbeddingBatch, NDArray[np.bool_], Ints, Ints]]:
        """Batches that hold some of the rows, with their places there and their numbers."""
        first = 0
        for batch, present in self._batches() if self._held is None else self._held:
            low, high = np.searchsorted(numbers, [first, first + len(present)])
            if high > low:
                yield batch, present, numbers[low:high] - first, numbers[low:high]
            first += len(present)

    def read(self, numbers: Ints) -> EvalSet:
        x, present, ids = [], [], []
        columns: dict[str, list[Any]] = {c: [] for c in self.columns}
        for batch, has, at, _ in self._places(numbers):
            x.append(batch.embeddings[at])
            present.append(has[at])
            ids += [batch.ids[i] for i in at]
            for name, cells in columns.items():
                cells += [batch.metadata[name][i] for i in at]
        m = len(self.modalities)
        return EvalSet(
            _joined(x, (0, m, self._width), np.float32), _joined(present, (0, m), bool),
            self.modalities, np.asarray(ids, str), {k: np.asarray(v) for k, v in columns.items()},
            str(self.path), self._fingerprint, numbers, self.of,
        )  # fmt: skip

    def blocks(self, numbers: Ints) -> Iterator[Block]:
        for batch, present, at, rows in self._places(numbers):
            yield batch.embeddings[at], present[at], rows


def open_source(
    path: Path, modalities: Sequence[str], width: int | None, species: str | None = None
) -> Source:
    """Open what is evaluated; embeddings are read by `take`.

    Args:
        path: A bundle's folder, `.npz`, MultiNat's `.parquet` or the authors' `.npy`.
        modalities: The model's, in order; a bundle has its own, which must be the same.
        width: d of the model; that of the `.npz` when None.
        species: Column that labels the species; found by name when None.

    Raises:
        InputError: No such file or column, other modalities, no row with an embedding.
        TableError, ShapeError, BundleError: See `read_embeddings`, `BundleFolder.open`.
    """
    out: Source
    if (path / NAME).is_file():
        out = _Bundle(path, modalities)
        stored = int(out._bundle.manifest["width"])
        if width not in (None, stored):
            raise InputError(
                f"{path} has embeddings of width {stored}, the model takes {width}. Evaluate it with "
                "a model of the encoders that it was built with."
            )
    elif path.suffix in FORMATS and path.is_file():
        out = _File(path, tuple(modalities), width or _width(path))
    else:
        raise InputError(
            f"{path} is neither an index nor embeddings ({', '.join(FORMATS)}); make one: "
            "prom3e-index encode or build."
        )
    out.label(species)
    return out


def read_eval(
    path: Path,
    modalities: Sequence[str],
    width: int | None,
    *,
    species: str | None = None,
    most: int | None = None,
    seed: int = 0,
) -> EvalSet:
    """Read all rows of `open_source`, or at most so many, drawn with `seed`."""
    return open_source(path, modalities, width, species).take(None, most, seed)


def _width(path: Path) -> int:
    if path.suffix != ".npz":
        return 512
    held = Npz(path).members.get("embeddings")
    return held.shape[-1] if held is not None and held.shape else 512


def _joined(parts: list[Any], empty: tuple[int, ...], kind: Any) -> Any:
    return np.concatenate(parts) if parts else np.zeros(empty, kind)


def _array(cells: list[Any]) -> NDArray[Any]:
    """Numbers as float64 with NaN, anything else as it is."""
    known = [c for c in cells if c is not None]
    if known and all(isinstance(c, int | float) and not isinstance(c, bool) for c in known):
        return np.array([np.nan if c is None else c for c in cells], np.float64)
    out = np.empty(len(cells), object)
    out[:] = cells
    return out
