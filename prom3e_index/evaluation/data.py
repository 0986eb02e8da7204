"""What is evaluated: embeddings with presence, labels and columns."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.bundle.taxa import SPECIES as RESOLVED
from prom3e_index.errors import InputError, near_names
from prom3e_index.tables.aliases import plain
from prom3e_index.tables.normalise import is_obscured

Floats = NDArray[np.float32]
SPECIES = (RESOLVED, "species", "scientific_name", "scientificName")
"""Columns that label a species: what an index made of the names, which knows that a family or a genus is none; else
that which most rows have, the first of equals."""
_SPLITS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip


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

    def column(self, name: str) -> NDArray[Any]:
        """A column, by `column_named`."""
        return self.columns[column_named(name, self.columns, self.source)]

    def codes(self, name: str) -> NDArray[np.int64]:
        """Numbers (n,) of a column's values, equal where the values are; −1 where unknown."""
        values = self.texts(name)
        number = np.unique(values, return_inverse=True)[1].reshape(-1).astype(np.int64)
        return np.where(values == "", -1, number)

    def texts(self, name: str) -> NDArray[np.str_]:
        """A column as text (n,), empty where unknown."""
        return np.asarray([text_of(v) for v in self.column(name)], str)

    @property
    def species(self) -> str | None:
        """`species` where that column has a value for any row; `Source.take` puts there what labels the species."""
        return "species" if self.labelled("species") else None

    def labelled(self, name: str) -> int:
        """How many rows have a value in a column; 0 without it."""
        return int((self.texts(name) != "").sum()) if name in self.columns else 0

    def embedding(self, modality: str) -> Floats:
        """(n, d) of one modality."""
        return np.asarray(self.x[:, self.modalities.index(modality)])

    def has(self, names: Sequence[str]) -> NDArray[np.bool_]:
        """(n,) whether a row has all of some modalities."""
        return np.asarray(self.present[:, [self.modalities.index(m) for m in names]].all(axis=1))


def column_named(name: str, columns: Collection[str], source: str | Path) -> str:
    """The column that is meant: of that name, else the only one alike but for case, blanks and signs.

    An index keeps `scientificName` of a table as `scientific_name`.

    Raises:
        InputError: There is none, the nearest are in the message; or there are several.
    """
    if name in columns:
        return name
    alike = [c for c in columns if plain(c) == plain(name)]
    if len(alike) == 1:
        return alike[0]
    if alike:
        raise InputError(f"{source} has {' and '.join(sorted(alike))}; say which is {name!r}.")
    known = sorted(columns)
    raise InputError(
        f"{source} has no column {name!r}{near_names(name, known)}; it has "
        f"{', '.join(known) or 'none'}."
    )


def fullest(filled: Mapping[str, int]) -> str | None:
    """The column that labels the species: an index's own, else that which most rows have, the first of equals.

    None where no row has any.
    """
    if filled.get(RESOLVED):
        return RESOLVED
    best = max(filled, key=lambda c: filled[c], default=None)
    return best if best is not None and filled[best] else None


def split_column(columns: Collection[str]) -> str | None:
    """The column that tells training, validation and test rows apart: `split`, however it is written; None without."""
    alike = [c for c in columns if c.strip().lower() == "split"]
    return "split" if "split" in alike else alike[0] if alike else None


def split_of(value: Any) -> str:
    """`train`, `val` or `test` as people write them (`Training`, `valid`); any other text as it is."""
    text = text_of(value)
    return _SPLITS.get(text.lower(), text)


def text_of(value: Any) -> str:
    """A cell as text, empty where it is none."""
    if value is None or (isinstance(value, float) and not np.isfinite(value)):
        return ""
    return str(value).strip()


def numbers(values: NDArray[Any]) -> NDArray[np.float64]:
    """A column as float64; NaN where it is no number."""

    def one(v: Any) -> float:
        try:
            return float(v) if v not in (None, "") else np.nan
        except (TypeError, ValueError):
            return np.nan

    return np.array([one(v) for v in values], np.float64)


def obscured(flags: Iterable[Any]) -> NDArray[np.bool_]:
    """Whether each flag says that a place is not the true one, as tables are read."""
    told = cache(lambda text: is_obscured({"obscured": text}, ("obscured",)))
    return np.array([told(str(v)) for v in flags], bool)
