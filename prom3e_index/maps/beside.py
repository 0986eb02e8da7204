"""What stands beside the similarity of a cell: how far it lies from what the index knows, what error is expected there.

It does not depend on the query, so it is kept with the cells.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import InputError
from prom3e_index.maps.cells import PLACE, CellGallery, Part
from prom3e_index.maps.places_of import known_rows, places_of
from prom3e_index.maps.surface import Nearness, mess

if TYPE_CHECKING:
    from prom3e_index.search.run import Bundle

Floats = NDArray[np.float32]
FAR = 95.0
"""Percentile of nearness above which a cell counts as extrapolated."""
LEAST = 3
"""Observations with a place that cells are compared with."""


class Beside(Protocol):
    """A number for each cell.

    Attributes:
        how: What it is, in a sentence.
        rests_on: All that it follows from besides the cells.
    """

    how: str
    rests_on: str

    def of(self, part: Part) -> Floats:
        """(k,) of some cells."""


class Held:
    """One of them over all cells: read where it was kept, else filled part by part and kept.

    Attributes:
        values: (n,) float32.
        how: What it is.
    """

    def __init__(self, of: Beside, gallery: CellGallery) -> None:
        self._of, self._gallery, self.how = of, gallery, of.how
        told = hashlib.sha256(of.rests_on.encode()).hexdigest()[:16]
        self._name = f"beside-{told}.npy"
        self.values = np.full(len(gallery), np.nan, np.float32)
        self._known = False
        folder = gallery.folder()
        if folder is not None and (folder / self._name).is_file():
            try:
                found = np.load(folder / self._name, allow_pickle=False)
            except (OSError, ValueError, EOFError):
                return
            if found.shape == self.values.shape and found.dtype == np.float32:
                self.values, self._known = found, True

    def fill(self, part: Part) -> None:
        """Take in some cells."""
        if not self._known:
            self.values[part.at] = self._of.of(part)

    def keep(self) -> None:
        """Keep it with the cells, where they are kept."""
        folder = self._gallery.folder()
        if self._known or folder is None:
            return
        beside = folder / f".{self._name}.part"
        try:
            with beside.open("wb") as f:
                np.save(f, self.values, allow_pickle=False)
            beside.replace(folder / self._name)
        except OSError:  # the next map makes it anew
            beside.unlink(missing_ok=True)


class Unknown:
    """Nothing is known of any cell."""

    def __init__(self, how: str) -> None:
        self.how = self.rests_on = how

    def of(self, part: Part) -> Floats:
        """NaN."""
        return np.full(len(part.sigma), np.nan, np.float32)


class PlaceFar:
    """How far a cell's place lies from the tenth nearest observation's, as the model sees places."""

    how = (
        f"Percentile of the distance to the tenth nearest observation's place as the model sees it; above {FAR:g} "
        "is farther than 95 % of the observations lie from each other"
    )

    def __init__(self, bundle: Bundle, rows: NDArray[np.int64]) -> None:
        self.rests_on = _rests_on(bundle, rows, self.how)
        self._near = Nearness(np.asarray(bundle.embeddings(PLACE)[rows], np.float32))

    def of(self, part: Part) -> Floats:
        """(k,) per cent."""
        return self._near.percentile(np.asarray(part.loc, np.float32)).astype(np.float32)


class ClimateFar:
    """MESS of a cell's climate against those of the observations."""

    how = "MESS over the climate of the index's observations (Elith 2010): below 0 a variable lies beyond all of theirs"

    def __init__(self, bundle: Bundle, cells: CellGallery, rows: NDArray[np.int64]) -> None:
        assert cells.climate is not None  # by climate
        self.rests_on, self._cells, self._climate = (
            _rests_on(bundle, rows, self.how),
            cells,
            cells.climate,
        )
        values, there = self._climate.lookup(*places_of(bundle, rows))
        if there.sum() < LEAST:
            raise InputError(
                f"{self._climate.path.name} knows the climate of {int(there.sum())} of the index's observations; it "
                "does not cover them, so no extrapolation can be told. Give a raster that does, or leave out --climate."
            )
        self._reference = values[there].astype(np.float64)

    def of(self, part: Part) -> Floats:
        """(k,) at most 100, negative beyond; NaN where the climate of the middle is not known."""
        own, known = self._climate.lookup(*self._cells.grid.centres(self._cells.cells[part.at]))
        out = np.full(len(own), np.nan, np.float32)
        out[known] = np.clip(mess(self._reference, own[known].astype(np.float64)), -1e6, 100)
        return out


def extrapolation_of(bundle: Bundle, cells: CellGallery) -> Beside:
    """How far cells lie from the index's observations: by climate where cells have one, else by place."""
    rows = known_rows(bundle)
    if len(rows) < LEAST:
        return Unknown(f"Not known: fewer than {LEAST} observations have a place")
    return ClimateFar(bundle, cells, rows) if cells.climate is not None else PlaceFar(bundle, rows)


def _rests_on(bundle: Bundle, rows: NDArray[np.int64], how: str) -> str:
    at = [
        bundle.manifest["generation"],
        bundle.manifest.get("created"),
        Path(bundle.path).absolute(),
    ]
    return f"{how} {at} {hashlib.sha256(rows.tobytes()).hexdigest()}"
