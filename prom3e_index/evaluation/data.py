"""What is evaluated: embeddings with presence, labels and columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.errors import InputError, near_names
from prom3e_index.tables.normalise import is_obscured

Floats = NDArray[np.float32]
SPECIES = ("species", "scientific_name", "scientificName")
"""Columns that label a species, in the order in which they are looked for."""


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
