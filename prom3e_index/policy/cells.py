"""Levels of generalisation, and the cells of the lattices that they are.

A place becomes the centre of the cell that it lies in. The lattices are fixed on the globe, so one place always has
one centre, from whatever table, extent or day; nothing is drawn by chance, since repeated draws average out. Chapman
2020 (GBIF) advises grids and against randomising. Cells of degrees are whole multiples from the south pole and the
date line. Cells of kilometres lie in rows as high as they are; in each row a whole number of them goes around the
globe, each at least as wide as it is high at the row's middle.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import InputError, near_names

Floats = NDArray[np.float64]
EARTH_RADIUS_M = 6_371_008.8
_DEGREE_M = math.pi * EARTH_RADIUS_M / 180
OPEN, WITHHOLD = "open", "withhold"


@dataclass(frozen=True)
class Level:
    """How far a place is generalised.

    Attributes:
        name: As a policy and an index write it.
        degrees: Sides of a cell, where it is one of degrees.
        metres: Sides of a cell, where it is one of metres.
    """

    name: str
    degrees: float | None = None
    metres: float | None = None

    @property
    def height_deg(self) -> float:
        """Degrees of latitude of a cell; 180 where the place is withheld, 0 where it is open."""
        if self.degrees is not None:
            return self.degrees
        if self.metres is not None:
            return 180 / round(180 * _DEGREE_M / self.metres)
        return 180.0 if self.name == WITHHOLD else 0.0

    @property
    def reach_deg(self) -> float:
        """How near to a place, or to the centre that stands for it, a number in a text must be to tell it, degrees."""
        return min(1.0, max(self.height_deg, 0.005))

    @property
    def words(self) -> str:
        """The cell for people: `0.1 degree`, `10 km`."""
        if self.degrees is not None:
            return f"{self.degrees:g} degree"
        metres = self.metres or 0.0
        return f"{metres / 1000:g} km" if metres >= 1000 else f"{metres:g} m"

    def bounds(self, latitude: Floats, longitude: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """South, west, north and east of the cells of some places, degrees."""
        rows = round(180 / self.height_deg)
        height = 180 / rows
        row: Floats = np.clip(_floor((latitude + 90) / height), 0, rows - 1).astype(np.float64)
        south = row * height - 90
        if self.degrees is not None:
            columns: Floats = np.full(len(row), round(360 / self.degrees), np.float64)
        else:
            around = 360 / height * np.cos(np.radians(south + height / 2))
            columns = np.maximum(1, np.floor(around + 1e-9))
        width = 360 / columns
        column = np.minimum(np.maximum(_floor((longitude + 180) / width), 0.0), columns - 1)
        west: Floats = column * width - 180
        north: Floats = south + height
        east: Floats = west + width
        return south, west, north, east

    def centres(self, latitude: Floats, longitude: Floats) -> tuple[Floats, Floats, Floats]:
        """Centres of the cells of some places in degrees, to 6 decimals, and half of their diagonals in metres.

        The half diagonal is the greatest distance from the centre to the place, rounded up to a metre. The centre of a
        centre is itself.
        """
        south, west, north, east = self.bounds(latitude, longitude)
        lat, lon = np.round((south + north) / 2, 6), np.round((west + east) / 2, 6)
        corners = [distance_m(lat, lon, side, east) for side in (south, north)]
        return lat, lon, np.ceil(np.maximum(*corners))


def _floor(values: Floats) -> Floats:
    """Which cell; a place on a line, as far as decimals can be on one, lies in the cell that begins there."""
    near = np.round(values)
    return np.where(np.abs(values - near) < 1e-9, near, np.floor(values))


def distance_m(a_lat: Floats, a_lon: Floats, b_lat: Floats, b_lon: Floats) -> Floats:
    """Great-circle distances in metres between places in degrees."""
    p, q = np.radians(a_lat), np.radians(b_lat)
    h = np.sin((q - p) / 2) ** 2
    h = h + np.cos(p) * np.cos(q) * np.sin(np.radians(np.subtract(b_lon, a_lon)) / 2) ** 2
    found: Floats = 2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(np.clip(h, 0, 1)))
    return found


LEVELS: dict[str, Level] = {
    level.name: level
    for level in (
        Level(OPEN),
        Level("100m", metres=100),
        Level("0.001deg", degrees=0.001),
        Level("1km", metres=1000),
        Level("0.01deg", degrees=0.01),
        Level("10km", metres=10_000),
        Level("0.1deg", degrees=0.1),
        Level("0.2deg", degrees=0.2),
        Level("1deg", degrees=1.0),
        Level(WITHHOLD),
    )
}
"""By name, the strictest last."""
NAMES = tuple(LEVELS)
SOURCE_CELL = LEVELS["0.2deg"]
"""Cells in which iNaturalist draws the places that it obscures."""
_DEGREES = re.compile(r"([0-9.]+)\s*(?:°|deg|degrees?)?\Z")


def strictness(name: str) -> int:
    """The place of a level among all, 0 being open."""
    return NAMES.index(name)


def strictness_sql(cell: str) -> str:
    """SQL of the strictness of a level that a cell names; 0 where it names none."""
    each = " ".join(f"WHEN '{n}' THEN {i}" for i, n in enumerate(NAMES))
    return f"CASE {cell} {each} ELSE 0 END"


def level_named(value: object, where: str) -> str:
    """The name of a level as a policy gives it: `0.1deg`, `0.1 degrees`, 0.1, `10 km`, `withhold`.

    Raises:
        InputError: There is no such level; names the nearest.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e6
    text = f"{value:g}" if number else value
    if not isinstance(text, str):
        raise InputError(f"{where} is {value!r:.60}; it must be one of {', '.join(NAMES)}.")
    name = " ".join(text.lower().split())
    name = {"withheld": WITHHOLD}.get(name, name.replace(" ", ""))
    found = _DEGREES.match(name)
    if found is not None and found[1].count(".") < 2 and found[1].strip("."):
        name = f"{float(found[1]):g}deg"
    if name not in LEVELS:
        raise InputError(
            f"{where} is {text!r:.60}; there is no such level{near_names(name, NAMES)}. Levels: {', '.join(NAMES)}."
        )
    return name
