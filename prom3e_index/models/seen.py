"""What a model was trained on, as marks of embeddings: enough to tell a row that it has seen, and nothing more of it.

A mark is a number made of where a unit row lies on a grid of projections. Equal rows have equal marks, also where one
went through a file of single precision and the other through an index of half precision, or was encoded again in
another batch: of several grids a row is noted by that in which it lies farthest from any border, and looked up in all.
Rows at a distance of about 0.002 and less (cosine 0.999998) are told to be one; photos that are merely alike are not.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b, shake_256
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import ModelError, ShapeError, TableError
from prom3e_index.tables.npz_members import Npz

NAME = "seen.npz"
MOST = 8_000_000
"""Marks in all, 64 MB; of more, those are kept that fall in a share of all numbers."""

_LARGEST = 2 * 8 * MOST * 5 // 4
"""Bytes of a file: of rows trained on and chosen on, and a draw of so many marks may be somewhat larger."""

Marks = NDArray[np.uint64]
_FORMAT = 1
_PROJECTIONS, _GRIDS, _CELL = 16, 32, 1 / 64
_BLOCK = 2048
_ODD = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Seen:
    """Rows that a model was trained on; their embeddings, ids and order cannot be had from it.

    Attributes:
        modalities: Names, in the order of the columns of `rows`.
        n: Rows; 0 where only those are known that weights were chosen on.
        marks: Of each modality, ascending, each once.
        known_ids: Marks of the ids, ascending; none where a file made its ids up.
        share: Which share of all marks is kept: 1.0 up to `MOST`; counts of a larger set are estimates, see `judged`.
        chosen: Rows that were not trained on, but on which the weights of the model were chosen; None without.
        began_from_unknown: Whether training began from weights of which it is not known what they were trained on.
    """

    modalities: tuple[str, ...]
    n: int
    marks: Mapping[str, Marks]
    known_ids: Marks = field(default_factory=lambda: np.zeros(0, np.uint64))
    share: float = 1.0
    chosen: Seen | None = None
    began_from_unknown: bool = False

    @classmethod
    def of(
        cls,
        x: NDArray[np.float32],
        present: NDArray[np.bool_],
        modalities: Sequence[str],
        ids: Sequence[str] | None = None,
        *,
        most: int = MOST,
    ) -> Seen:
        """Note rows.

        Args:
            x: (n, m, d) unit rows; not read where `present` is False.
            present: (n, m).
            modalities: m names.
            ids: n ids; None where they name nothing beyond their file.
            most: Marks that are kept in all.
        """
        _fit(x, present, len(modalities))
        marks = {name: np.unique(_own(x[present[:, i], i])) for i, name in enumerate(modalities)}
        named = np.zeros(0, np.uint64) if ids is None else np.unique(_named(ids))
        return cls(tuple(modalities), len(x), marks, named)._within(most)

    def _within(self, most: int) -> Seen:
        """The same with so many marks at most, drawn by their own values."""
        have = len(self.known_ids) + sum(map(len, self.marks.values()))
        share = self.share if have <= most else self.share * most / have
        return self if share == self.share else self._sampled(share)

    def _sampled(self, share: float) -> Seen:
        def kept(marks: Marks) -> Marks:
            return marks[_falls(marks, share)]

        marks = {k: kept(v) for k, v in self.marks.items()}
        return replace(self, marks=marks, known_ids=kept(self.known_ids), share=share)

    def joined(self, other: Seen, *, most: int = MOST) -> Seen:
        """What either has seen; modalities of the other that are new stand last."""
        share = min(self.share, other.share)
        a, b = self._sampled(share), other._sampled(share)
        names = (*a.modalities, *(m for m in b.modalities if m not in a.modalities))
        none = np.zeros(0, np.uint64)
        marks = {m: np.union1d(a.marks.get(m, none), b.marks.get(m, none)) for m in names}
        chosen = self.chosen or other.chosen
        if self.chosen is not None and other.chosen is not None:
            chosen = self.chosen.joined(other.chosen, most=most)
        ids = np.union1d(a.known_ids, b.known_ids)
        begun = self.began_from_unknown or other.began_from_unknown
        return Seen(names, self.n + other.n, marks, ids, share, chosen, begun)._within(most)

    def rows(self, x: NDArray[np.float32], present: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Of each embedding whether it is one of those seen, (n, m); False where not `present`.

        Args:
            x: (n, m, d) unit rows, axis 1 in the order of `modalities`.
            present: (n, m).

        Raises:
            ShapeError: Another number of modalities.
        """
        _fit(x, present, len(self.modalities))
        out = np.zeros(present.shape, bool)
        for i, name in enumerate(self.modalities):
            at, marks = np.flatnonzero(present[:, i]), self.marks[name]
            if not len(marks):
                continue
            for part in _parts(at):
                found, _ = _all_grids(x[part, i])
                out[part, i] = _among(found, marks).any(axis=1)
        return out

    def judged(self, x: NDArray[np.float32], present: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Of each embedding whether its mark would have been kept, (n, m): all of `present` at a share of 1.

        The share of `rows` among these is an estimate of the share seen.
        """
        _fit(x, present, len(self.modalities))
        out = present.copy()
        if self.share < 1:
            for i in range(len(self.modalities)):
                at = np.flatnonzero(present[:, i])
                out[at, i] = _falls(_own(x[at, i]), self.share)
        return out

    def arranged(self, modalities: Sequence[str]) -> Seen:
        """The same with the columns of `rows` in another order; of a modality that it lacks nothing was seen."""
        none = np.zeros(0, np.uint64)
        marks = {m: self.marks.get(m, none) for m in modalities}
        chosen = None if self.chosen is None else self.chosen.arranged(modalities)
        return replace(self, modalities=tuple(modalities), marks=marks, chosen=chosen)

    def ids(self, ids: Sequence[str]) -> NDArray[np.bool_]:
        """Of each id whether it is one of those seen, (n,)."""
        return _among(_named(ids), self.known_ids)

    def write(self, folder: Path) -> Path:
        """Write `seen.npz` into a folder, whole or not at all; give its path."""
        arrays: dict[str, Any] = {"format": np.array(_FORMAT)}
        for part, seen in (("trained", self), ("chosen", self.chosen)):
            if seen is None:
                continue
            arrays[f"{part}.modalities"] = np.array(seen.modalities, str)
            arrays[f"{part}.n"], arrays[f"{part}.share"] = np.array(seen.n), np.array(seen.share)
            arrays[f"{part}.ids"] = seen.known_ids
            arrays[f"{part}.began_from_unknown"] = np.array(seen.began_from_unknown)
            arrays |= {f"{part}.marks.{m}": seen.marks[m] for m in seen.modalities}
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / (NAME + ".new")
        with temporary.open("wb") as f:
            np.savez(f, **arrays)
            f.flush()
            os.fsync(f.fileno())
        temporary.replace(folder / NAME)
        return folder / NAME

    @classmethod
    def read(cls, folder: Path) -> Seen | None:
        """Read `seen.npz` of a folder; None where there is none: what was trained on is then not known.

        Raises:
            ModelError: The file is damaged, or of a later format.
        """
        path = folder / NAME
        if not path.is_file():
            return None
        try:
            arrays = _arrays(path)
            made = int(arrays["format"])
            if made > _FORMAT:
                raise ModelError(f"{path} is of format {made}; this program reads {_FORMAT}.")
            chosen = _part(arrays, "chosen") if "chosen.n" in arrays else None
            return replace(_part(arrays, "trained"), chosen=chosen)
        except ModelError:
            raise
        except (TableError, ValueError, TypeError, KeyError, OverflowError, MemoryError) as e:
            why = str(e.__cause__ or e) or type(e).__name__
            raise ModelError(
                f"{path} is damaged ({why}); what the model was trained on cannot be told. "
                "Train again, or delete the file."
            ) from e


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a file, if they take no more than one that was written can."""
    npz = Npz(path)
    size = sum(prod(m.shape) * m.dtype.itemsize for m in npz.members.values())
    if size > _LARGEST:
        raise ValueError(f"its arrays take {size:,} bytes, at most {_LARGEST:,} can be")
    out = {}
    for name, member in npz.members.items():
        if len(member.shape) == 1 and member.shape[0]:
            (out[name],) = npz.blocks(name, member.shape[0])
        else:
            out[name] = npz.whole(name)
    return out


def _part(arrays: Mapping[str, NDArray[Any]], part: str) -> Seen:
    def marks(name: str) -> Marks:
        values = arrays[f"{part}.{name}"]
        if values.dtype != np.uint64 or values.ndim != 1 or (values[1:] <= values[:-1]).any():
            raise ValueError(f"{name} are no ascending marks")
        return values

    names = tuple(str(m) for m in arrays[f"{part}.modalities"].reshape(-1))
    share = float(arrays[f"{part}.share"])
    if not 0 < share <= 1:
        raise ValueError(f"share is {share}")
    n = int(arrays[f"{part}.n"])
    if n < 0:
        raise ValueError(f"n is {n}")
    of = {m: marks(f"marks.{m}") for m in names}
    begun = bool(arrays.get(f"{part}.began_from_unknown", False))
    return Seen(names, n, of, marks("ids"), share, None, begun)


def _fit(x: NDArray[Any], present: NDArray[Any], modalities: int) -> None:
    if x.ndim != 3 or x.shape[:2] != present.shape or x.shape[1] != modalities:
        raise ShapeError(
            f"Embeddings are {x.shape} and presence {present.shape}; (rows, {modalities}, d) and (rows, "
            f"{modalities}) are needed."
        )


def _parts(at: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    yield from (at[i : i + _BLOCK] for i in range(0, len(at), _BLOCK))


def _bytes(what: bytes, count: int) -> NDArray[np.uint8]:
    """The same bytes on every machine and in every version; those of fewer begin those of more."""
    return np.frombuffer(shake_256(b"prom3e-index " + what).digest(count), np.uint8)


def _all_grids(x: NDArray[np.float32]) -> tuple[Marks, NDArray[np.float32]]:
    """Marks of unit rows (n, d) in every grid, and how far each is from a border there; both (n, grids)."""
    offset = _bytes(b"borders", _GRIDS * _PROJECTIONS).astype(np.float32) / 256
    signs = np.unpackbits(_bytes(b"signs", x.shape[1] * _PROJECTIONS // 8)).astype(np.float32)
    signs = signs.reshape(-1, _PROJECTIONS) * 2 - 1
    where = np.asarray(x, np.float32) @ signs / np.float32(_CELL)
    where = where[:, None] + offset.reshape(1, _GRIDS, _PROJECTIONS)
    cells = np.floor(where)
    inside = where - cells
    margin = np.minimum(inside, 1 - inside).min(axis=2)
    numbers = cells.astype(np.int64).view(np.uint64)
    mark = np.broadcast_to(np.arange(1, _GRIDS + 1, dtype=np.uint64), margin.shape) * _ODD
    for k in range(_PROJECTIONS):
        mark = (mark ^ numbers[:, :, k]) * _ODD
        mark ^= mark >> np.uint64(29)
    return mark, margin


def marks_of(x: NDArray[np.float32], present: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Marks (n, m) of unit rows (n, m, d), equal where two embeddings of a column are; 0 where not `present`."""
    out = np.zeros(present.shape, np.uint64)
    for i in range(present.shape[1]):
        out[present[:, i], i] = _own(x[present[:, i], i])
    return out


def _own(x: NDArray[np.float32]) -> Marks:
    """The mark (n,) by which each unit row is noted."""
    out = np.zeros(len(x), np.uint64)
    for part in _parts(np.arange(len(x))):
        marks, margin = _all_grids(x[part])
        out[part] = marks[np.arange(len(part)), margin.argmax(axis=1)]
    return out


def _named(ids: Sequence[str]) -> Marks:
    digests = b"".join(blake2b(str(i).encode(), digest_size=8).digest() for i in ids)
    return np.frombuffer(digests, "<u8").astype(np.uint64)


def _among(values: Marks, marks: Marks) -> NDArray[np.bool_]:
    """Whether each value is one of the ascending marks."""
    if not len(marks):
        return np.zeros(values.shape, bool)
    at = np.searchsorted(marks, values)
    return np.asarray(marks[np.minimum(at, len(marks) - 1)] == values)


def _falls(marks: Marks, share: float) -> NDArray[np.bool_]:
    """Whether each mark falls in the share that is kept."""
    if share >= 1:
        return np.ones(len(marks), bool)
    return np.asarray(marks < np.uint64(int(share * 2**64)))
