"""What stands beside the similarity of a cell: how far it lies from what the index knows, what error is expected there.

It does not depend on the query, so it is kept with the cells.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import InputError
from prom3e_index.maps.cells import CellGallery, Part
from prom3e_index.maps.extrapolation import SHARE, Distance, Known, Mess
from prom3e_index.maps.places_of import known_rows, places_of

if TYPE_CHECKING:
    from prom3e_index.search.run import Bundle

Floats = NDArray[np.float32]
LEAST = 3
"""Places of observations that cells are compared with."""


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


class Extrapolation(Beside, Protocol):
    """How far cells lie from the index's observations.

    Attributes:
        rule: Where a cell is flagged, in words.
        facts: What the rule follows from, as plain values.
    """

    rule: str
    facts: dict[str, Any]

    def flagged(self, values: Floats) -> NDArray[np.bool_]:
        """(k,) which cells are, of their values."""


class Unknown:
    """Nothing is known of any cell."""

    rule = "not known"

    def __init__(self, how: str) -> None:
        self.how = self.rests_on = how
        self.facts: dict[str, Any] = {"reason": how}

    def of(self, part: Part) -> Floats:
        """NaN."""
        return np.full(len(part.sigma), np.nan, np.float32)

    def flagged(self, values: Floats) -> NDArray[np.bool_]:
        """None."""
        return np.zeros(len(values), bool)


class PlaceFar:
    """How far a cell lies from the nearest observation, among the index's own blocks; 0 where it holds one."""

    def __init__(
        self, bundle: Bundle, cells: CellGallery, rows: NDArray[np.int64], known: Known
    ) -> None:
        self._cells, self._near = cells, Distance(known, cells.grid)
        self.how = (
            f"Share of the index's {_blocks(known)} that lie nearer to an observation outside of them than the cell to "
            "any; 0 where the cell holds one"
        )
        self.rule = self._near.rule
        self.facts = _facts(known) | {"limit_km": self._near.limit}
        self.rests_on = _rests_on(bundle, rows, self.how)

    def of(self, part: Part) -> Floats:
        """(k,) per cent."""
        return self._near.percentile(self._cells.cells[part.at]).astype(np.float32)

    def flagged(self, values: Floats) -> NDArray[np.bool_]:
        """Those from `SHARE` on."""
        return np.asarray(values >= SHARE)


class ClimateFar:
    """MESS of a cell's climate against those of the observations."""

    def __init__(
        self, bundle: Bundle, cells: CellGallery, rows: NDArray[np.int64], known: Known
    ) -> None:
        assert cells.climate is not None  # by climate
        self._cells, self._climate = cells, cells.climate
        values, there = self._climate.lookup(known.latitude, known.longitude)
        if there.sum() < LEAST:
            raise InputError(
                f"{self._climate.path.name} knows the climate of {int(there.sum())} places of the index's "
                "observations; it does not cover them, so no extrapolation can be told. Give a raster that does, or "
                "leave out --climate."
            )
        own = Known.of(known.latitude[there], known.longitude[there])
        self._mess = Mess(
            own, self._climate.lookup(own.latitude, own.longitude)[0].astype(np.float64)
        )
        self._limit = self._mess.limit
        self.how = "MESS over the climate of the observations (Elith 2010): below 0 a variable is beyond all of theirs"
        self.rule = f"below {self._limit:.4g}: {SHARE:g} % of the index's {_blocks(own)} lie above, each left out"
        self.facts = _facts(own) | {"limit_mess": self._limit}
        self.rests_on = _rests_on(bundle, rows, self.how)

    def of(self, part: Part) -> Floats:
        """(k,) at most 100, negative beyond; NaN where the climate of the middle is not known."""
        own, known = self._climate.lookup(*self._cells.grid.centres(self._cells.cells[part.at]))
        out = np.full(len(own), np.nan, np.float32)
        out[known] = np.clip(self._mess.of(own[known].astype(np.float64)), -1e6, 100)
        return out

    def flagged(self, values: Floats) -> NDArray[np.bool_]:
        """Those below the limit."""
        return np.asarray(values < self._limit)


def extrapolation_of(bundle: Bundle, cells: CellGallery) -> Extrapolation:
    """How far cells lie from the index's observations: by climate where cells have one, else by place."""
    rows = known_rows(bundle)
    known = Known.of(*places_of(bundle, rows))
    if len(known) < LEAST:
        return Unknown(f"Not known: the observations have fewer than {LEAST} places")
    kind = ClimateFar if cells.climate is not None else PlaceFar
    return kind(bundle, cells, rows, known)


def _blocks(known: Known) -> str:
    return f"{known.blocks:,} blocks of {known.side:g} degrees"


def _facts(known: Known) -> dict[str, Any]:
    return {"places": len(known), "blocks": known.blocks, "block_degrees": known.side}


def _rests_on(bundle: Bundle, rows: NDArray[np.int64], how: str) -> str:
    at = [
        bundle.manifest["generation"],
        bundle.manifest.get("created"),
        Path(bundle.path).absolute(),
    ]
    return f"{how} {at} {hashlib.sha256(rows.tobytes()).hexdigest()}"
