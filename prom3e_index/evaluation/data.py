"""What is evaluated: embeddings with presence, labels and columns, from a file or from a bundle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.filters import quoted
from prom3e_index.bundle.manifest import NAME
from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.errors import InputError, near_names
from prom3e_index.models.weights import fingerprint
from prom3e_index.tables.embeddings import read_embeddings

Floats = NDArray[np.float32]
FORMATS = {".npz": "npz", ".parquet": "multinat", ".npy": "npy"}
SPECIES = ("species", "scientific_name", "scientificName")
"""Columns that label a species, in the order in which they are looked for."""
MOST_ROWS = 20_000
"""Rows of a larger set are drawn down to this many; exact ranks cost rows squared."""


@dataclass(frozen=True)
class EvalSet:
    """Embeddings of n observations with what is known of them.

    Attributes:
        x: (n, m, d) float32, unit rows where present, zero elsewhere.
        present: (n, m) bool; a place that its source obscured does not count as present.
        modalities: m names.
        ids: (n,) text.
        columns: Further columns, each (n,).
        source: File or folder.
        fingerprint: Of the file, or the bundle's generation and MVAE.
        numbers: (n,) row numbers in the source.
        of: Rows of the source from which these were drawn.
        bundle: Where the rows come from a bundle.
    """

    x: Floats
    present: NDArray[np.bool_]
    modalities: tuple[str, ...]
    ids: NDArray[Any]
    columns: dict[str, NDArray[Any]]
    source: str
    fingerprint: str
    numbers: NDArray[np.int64]
    of: int
    bundle: BundleFolder | None = field(default=None, compare=False)

    def __len__(self) -> int:
        return len(self.x)

    def rows(self, at: NDArray[Any]) -> EvalSet:
        """Some of the rows, by number or mask; itself when that is all of them."""
        if at.dtype == bool and at.all():
            return self
        return replace(
            self,
            x=self.x[at],
            present=self.present[at],
            ids=self.ids[at],
            columns={k: v[at] for k, v in self.columns.items()},
            numbers=self.numbers[at],
        )

    def split(self, name: str) -> EvalSet | None:
        """The rows whose column `split` is `name`; None when there are none or no such column."""
        if "split" not in self.columns:
            return None
        keep = np.asarray(self.columns["split"]).astype(str) == name
        return self.rows(keep) if keep.any() else None

    @property
    def reported(self) -> EvalSet:
        """The rows that may be reported: those of split `test`, or all where rows have no split.

        Raises:
            InputError: There are rows to train or to choose on, and none to test.
        """
        test = self.split("test")
        if test is None and (self.split("train") or self.split("val")):
            raise InputError(
                f"{self.source} has a column `split` with train or val rows and no test rows; nothing "
                "may be chosen on the rows that are reported."
            )
        return test or self

    def column(self, name: str) -> NDArray[Any]:
        """A column.

        Raises:
            InputError: There is none of that name; the nearest are in the message.
        """
        if name not in self.columns:
            known = sorted(self.columns)
            raise InputError(
                f"{self.source} has no column {name!r}{near_names(name, known)}; it has "
                f"{', '.join(known) or 'none'}."
            )
        return self.columns[name]

    def codes(self, name: str) -> NDArray[np.int64]:
        """Numbers (n,) of a column's values, equal where the values are; −1 where unknown."""
        values = self.texts(name)
        number = np.unique(values, return_inverse=True)[1].reshape(-1).astype(np.int64)
        return np.where(values == "", -1, number)

    def texts(self, name: str) -> NDArray[np.str_]:
        """A column as text (n,), empty where unknown."""
        return np.asarray([_text(v) for v in self.column(name)], str)

    @property
    def species(self) -> str | None:
        """The first of `SPECIES` that is a column."""
        return next((c for c in SPECIES if c in self.columns), None)

    def embedding(self, modality: str) -> Floats:
        """(n, d) of one modality."""
        return np.asarray(self.x[:, self.modalities.index(modality)])

    def has(self, names: Sequence[str]) -> NDArray[np.bool_]:
        """(n,) whether a row has all of some modalities."""
        return np.asarray(self.present[:, [self.modalities.index(m) for m in names]].all(axis=1))


def _text(value: Any) -> str:
    if value is None or (isinstance(value, float) and not np.isfinite(value)):
        return ""
    return str(value).strip()


def read_eval(
    path: Path,
    modalities: Sequence[str],
    width: int | None,
    *,
    species: str | None = None,
    most: int | None = None,
    seed: int = 0,
) -> EvalSet:
    """Read embeddings, or a bundle's, for evaluation.

    Args:
        path: A bundle's folder, `.npz`, MultiNat's `.parquet` or the authors' `.npy`.
        modalities: The model's, in order; a bundle has its own, which must be the same.
        width: d of the model; that of the `.npz` when None.
        species: Column that labels the species; found by name when None.
        most: Draw at most this many rows, with `seed`, in their order.
        seed: Of the draw.

    Raises:
        InputError: No such file or column, other modalities, no row left.
        TableError, ShapeError, BundleError: See `read_embeddings`, `BundleFolder.open`.
    """
    if (path / NAME).is_file():
        out = _from_bundle(path, modalities)
    elif path.suffix in FORMATS and path.is_file():
        out = _from_file(path, tuple(modalities), width or _width(path))
    else:
        raise InputError(
            f"{path} is neither an index nor embeddings ({', '.join(FORMATS)}); make one: "
            "prom3e-index encode or build."
        )
    if species is not None:
        out = replace(out, columns={**out.columns, "species": out.column(species)})
    elif out.species not in (None, "species"):
        out = replace(out, columns={**out.columns, "species": out.columns[str(out.species)]})
    if not len(out):
        raise InputError(f"{path} has no row with an embedding.")
    if most is not None and len(out) > most:
        rng = np.random.default_rng(seed)
        out = out.rows(np.sort(rng.choice(len(out), most, replace=False)))
    return out


def _width(path: Path) -> int:
    if path.suffix != ".npz":
        return 512
    with np.load(path, allow_pickle=False) as z:
        return int(z["embeddings"].shape[-1]) if "embeddings" in z.files else 512


def _from_file(path: Path, modalities: tuple[str, ...], width: int) -> EvalSet:
    parts = list(read_embeddings(path, FORMATS[path.suffix], modalities, width, 1 << 16))
    if not parts:
        raise InputError(f"{path} holds no rows.")
    x = np.concatenate([p.embeddings for p in parts])
    present = np.concatenate([p.present for p in parts]) & (np.abs(x).sum(axis=2) > 0)
    columns = {k: np.asarray([v for p in parts for v in p.metadata[k]]) for k in parts[0].metadata}
    ids = np.asarray([i for p in parts for i in p.ids])
    n = len(x)
    out = EvalSet(
        x, present, modalities, ids, columns, str(path), fingerprint(path), np.arange(n), n
    )
    return _usable(out)


def _from_bundle(path: Path, modalities: Sequence[str]) -> EvalSet:
    from prom3e_index.search.run import Bundle

    bundle = Bundle.open(path)
    if tuple(modalities) != bundle.modalities:
        raise InputError(
            f"{path} has the modalities {', '.join(bundle.modalities)}, the model "
            f"{', '.join(modalities)}."
        )
    live = bundle.live
    x = np.stack(
        [np.asarray(bundle.embeddings(m)[live], np.float32) for m in bundle.modalities], axis=1
    )
    norm = np.linalg.norm(x, axis=2, keepdims=True)
    x /= np.where(norm > 0, norm, 1)
    skip = ("row", "embedding")
    names = [c for c in bundle.columns if c not in skip and not c.startswith("has_")]
    selected = ", ".join(quoted(c) for c in names)
    cells = bundle.sql(f"SELECT {selected} FROM observations ORDER BY row")
    columns = {c: _array([r[i] for r in cells]) for i, c in enumerate(names)}
    m = bundle.manifest
    n = bundle.rows
    out = EvalSet(
        x, bundle.present[live], bundle.modalities, columns.pop("id").astype(str), columns,
        str(path), f"generation {m['generation']}, {m['fingerprints']['mvae']}",
        live, n, bundle,
    )  # fmt: skip
    return _usable(out)


def _array(cells: list[Any]) -> NDArray[Any]:
    """Numbers as float64 with NaN, anything else as it is."""
    known = [c for c in cells if c is not None]
    if known and all(isinstance(c, int | float) and not isinstance(c, bool) for c in known):
        return np.array([np.nan if c is None else c for c in cells], np.float64)
    out = np.empty(len(cells), object)
    out[:] = cells
    return out


def _usable(data: EvalSet) -> EvalSet:
    """Leave out obscured places, then rows without any modality."""
    if "obscured" in data.columns and "loc" in data.modalities:
        hidden = np.array([bool(v) for v in data.columns["obscured"]])
        data.present[hidden, data.modalities.index("loc")] = False
    keep = data.present.any(axis=1)
    return data if keep.all() else data.rows(keep)


def numbers(values: NDArray[Any]) -> NDArray[np.float64]:
    """A column as float64; NaN where it is no number."""

    def one(v: Any) -> float:
        try:
            return float(v) if v not in (None, "") else np.nan
        except (TypeError, ValueError):
            return np.nan

    return np.array([one(v) for v in values], np.float64)


def refuse_overlap(first: EvalSet, second: EvalSet, what: str) -> None:
    """Refuse two sets that share observations: `what` says which, for the message.

    Raises:
        InputError: A row of one has the very embeddings of a row of the other; both are named.
    """
    # A name, a place or a tile may well recur; a whole row of three or more embeddings does not.
    known = {row.tobytes(): i for i, row in enumerate(first.x) if first.present[i].sum() >= 3}
    for j, row in enumerate(second.x):
        i = known.get(row.tobytes())
        if i is not None:
            raise InputError(
                f"{what} share observations: row {first.numbers[i]} of {first.source} ({first.ids[i]}) is "
                f"row {second.numbers[j]} of {second.source} ({second.ids[j]}). Nothing may be chosen on "
                "the rows that are reported."
            )
