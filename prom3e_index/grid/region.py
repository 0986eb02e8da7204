"""What part of the Earth a map shows: the world, the contiguous US, a country, a state, a box or a file's polygons."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import InputError, near_names
from prom3e_index.grid.outlines import Outline, conus, outlines, wrapped
from prom3e_index.policy.region import read_rings

Bounds = tuple[float, float, float, float]
Floats = NDArray[np.float64]
_BOX = re.compile(r"\s*(-?[0-9.]+)\s*,\s*(-?[0-9.]+)\s*,\s*(-?[0-9.]+)\s*,\s*(-?[0-9.]+)\s*\Z")
WORLD: Bounds = (-180.0, -90.0, 180.0, 90.0)


@dataclass(frozen=True, eq=False)
class Region:
    """A part of the Earth.

    Attributes:
        name: As it was asked for.
        bounds: West, south, east, north in degrees; east > west, and passes 180 where the region crosses the date line.
        outlines: What it consists of; empty for a box and the world, of which every place is part.
        layer: `country` or `state` where its outlines came with the program, else empty.
    """

    name: str
    bounds: Bounds
    outlines: tuple[Outline, ...] = field(default=(), repr=False)
    layer: str = ""

    @classmethod
    def of(cls, text: str) -> Region:
        """A region by what a user writes: `world`, `conus`, `AUT`, `Austria`, `US-CA`, `W,S,E,N` or a GeoJSON file.

        A box with west > east crosses the date line.

        Raises:
            InputError: There is no such region, or the box is inverted; names the nearest.
        """
        name = text.strip()
        if name.lower() == "world":
            return cls("world", WORLD)
        if name.lower() == "conus":
            return cls("conus", _around(conus()), conus(), "state")
        if found := _BOX.match(name):
            return cls(name, _box(name, [_number(v, name) for v in found.groups()]))
        if Path(name).suffix.lower() in (".geojson", ".json"):
            own = (Outline(Path(name).name, "", _arrays(Path(name))),)
            return cls(Path(name).name, _around(own), own)
        for layer in ("country", "state"):
            for o in outlines(layer):
                if name.lower() in (o.code.lower(), o.name.lower()):
                    return cls(o.code, _around((o,)), (o,), layer)
        known = ["world", "conus"]
        known += [n for layer in ("country", "state") for o in outlines(layer) for n in (o.code, o.name)]  # fmt: skip
        raise InputError(
            f"Unknown region {name!r:.80}{near_names(name, known)}. Give world, conus, a country (AUT), a state "
            "(US-CA), a box WEST,SOUTH,EAST,NORTH in degrees, or a .geojson of polygons."
        )


_NEARLY_ROUND = 300
"""Degrees above which a box goes once around, from the date line."""


def box_around(latitude: Floats, longitude: Floats, margin: float = 0, step: float = 1) -> str:
    """The shortest box of whole steps around some places, as `Region.of` reads it.

    Args:
        latitude: (k,) degrees, one at least, finite.
        longitude: (k,) degrees.
        margin: Degrees more on every side, made whole steps.
        step: Degrees that the sides are multiples of.
    """
    more = math.ceil(margin / step - 1e-9)
    south = min(math.floor(latitude.min() / step), round(90 / step) - 1) - more
    north = math.floor(latitude.max() / step) + 1 + more
    turned = np.unique(wrapped(longitude))
    gaps = np.diff(turned, append=turned[0] + 360)
    at = (
        -1 if gaps[-1] == gaps.max() else int(gaps.argmax())
    )  # over the date line only where that is shorter
    west = (math.floor(turned[at + 1] / step) - more) * step
    east = (math.floor((turned[at] + (0 if at == -1 else 360)) / step) + 1 + more) * step
    turn = 360 if west < -180 else 0
    west, east = (-180, 180) if east - west > _NEARLY_ROUND else (west + turn, east + turn)
    east -= 360 if east > 360 else 0  # with west above it: over the date line
    sides = west, max(south * step, -90), east, min(north * step, 90)
    return ",".join(f"{round(v, 6):g}" for v in sides)


def _arrays(path: Path) -> tuple[NDArray[np.float64], ...]:
    return tuple(np.asarray(r, np.float64) for r in read_rings(path, "--region"))


def _number(text: str, whole: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"The box {whole!r:.80} holds {text!r}, which is no number.") from None


def _box(name: str, sides: list[float]) -> Bounds:
    west, south, east, north = sides
    if not south < north or not -90 <= south or not north <= 90:
        raise InputError(
            f"The box {name} reaches from {south:g} to {north:g} in latitude; it is WEST,SOUTH,EAST,NORTH, south below "
            "north, within ±90."
        )
    if not all(math.isfinite(v) and abs(v) <= 360 for v in (west, east)):
        raise InputError(f"The box {name} has longitudes beyond ±360.")
    if west > 180 or (west < -180 and east < -180):
        turn = -360 if west > 180 else 360
        west, east = west + turn, east + turn
    east += 360 if east < west else 0
    if east == west or east - west > 360:
        raise InputError(
            f"The box {name} is {east - west:g} degrees wide; more than 0 and at most 360 are needed."
        )
    return west, south, east, north


def _around(some: tuple[Outline, ...]) -> Bounds:
    """The shortest box around some outlines."""
    west, south, east, north = Outline("", "", tuple(r for o in some for r in o.rings)).spans()
    return west, south, east, north
