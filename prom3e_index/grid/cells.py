"""What a user writes of cells, `0.1deg`, `25km`, `250x500`, `h3:5`, as a lattice in a reference system."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from prom3e_index.errors import InputError

DEGREES, EASE = "EPSG:4326", "EPSG:6933"
EARTH_M = 6_371_007.18
"""Radius of the sphere with the area of WGS84."""
_UNITS = {
    "deg": Fraction(1), "degree": Fraction(1), "degrees": Fraction(1), "°": Fraction(1),
    "min": Fraction(1, 60), "'": Fraction(1, 60),
}  # fmt: skip
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(deg|degrees?|°|min|'|km|m)\Z")
_SHAPE = re.compile(r"([0-9]+)\s*[x×]\s*([0-9]+)\Z")
_H3 = re.compile(r"h3[:\s]*([0-9]{1,2})\Z")
_USUAL_DEG = (
    0.01,
    0.02,
    0.025,
    0.05,
    0.1,
    0.125,
    0.2,
    0.25,
    0.4,
    0.5,
    0.6,
    0.75,
    1,
    1.25,
    1.5,
    2,
    2.5,
    3,
    4,
    5,
    10,
)
FORMS = "0.1deg, 5min, 25km, 250x500 (rows x columns) or h3:5"


@dataclass(frozen=True)
class Cells:
    """Cells as they were asked for; one of the last four is set.

    Attributes:
        name: For files and people.
        degrees: Sides in degrees, a divisor of 180.
        metres: Sides in the units of a projection.
        shape: Rows and columns over the bounds of the region.
        h3: Resolution.
    """

    name: str
    degrees: Fraction | None = None
    metres: float | None = None
    shape: tuple[int, int] | None = None
    h3: int | None = None

    @classmethod
    def of(cls, text: str) -> Cells:
        """Cells by what a user writes.

        Raises:
            InputError: No form that is known, or degrees that do not divide the globe.
        """
        name = text.strip().lower()
        if found := _H3.match(name):
            if int(found[1]) > 15:
                raise InputError(f"--grid {text} asks for resolution {found[1]}; H3 has 0 to 15.")
            return cls(f"h3:{int(found[1])}", h3=int(found[1]))
        if found := _SHAPE.match(name):
            rows, columns = int(found[1]), int(found[2])
            if not rows or not columns:
                raise InputError(f"--grid {text} has no cell.")
            return cls(f"{rows}x{columns}", shape=(rows, columns))
        if not (found := _SIZE.match(name)) or not float(found[1]):
            raise InputError(f"--grid is {text!r:.60}; it must be as {FORMS}.")
        if found[2] in ("km", "m"):
            metres = float(found[1]) * (1000 if found[2] == "km" else 1)
            return cls(f"{found[1]}{found[2]}", metres=metres)
        degrees = Fraction(found[1]) * _UNITS[found[2]]
        if (180 / degrees).denominator != 1:
            near = sorted(_USUAL_DEG, key=lambda d: abs(d - float(degrees)))[:2]
            raise InputError(
                f"--grid {text}: such cells do not divide the globe, so that no lattice has them; near it: "
                + ", ".join(f"{d:g}deg" for d in sorted(near))
                + "."
            )
        return cls(f"{found[1]}{'min' if found[2] in ('min', chr(39)) else 'deg'}", degrees=degrees)


def crs_of(given: int | str | None, usual: str) -> Any:
    """A reference system by its EPSG code or WKT; `usual` where none is given.

    Raises:
        InputError: There is none such.
    """
    import rasterio
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    text = usual if given is None else str(given).strip()
    try:
        with rasterio.Env():  # GDAL would write to stderr
            return CRS.from_epsg(int(text)) if text.isdigit() else CRS.from_user_input(text)
    except (CRSError, ValueError) as e:
        raise InputError(
            f"--crs is {text!r:.80}; no reference system is known by it. Give an EPSG code, as 6933, 5070 or 3035."
        ) from e


def crs_name(crs: Any) -> str:
    """A reference system as `EPSG:6933`, else its WKT."""
    code = crs.to_epsg()
    return str(crs.to_wkt()) if code is None else f"EPSG:{code}"


def is_equal_area(crs: Any) -> bool:
    """Whether cells of one size in a reference system have one area, by the name of its projection."""
    wkt = crs.to_wkt().lower()
    return crs.is_projected and any(
        n in wkt
        for n in ("equal_area", "equal_earth", "equal area", "equal earth", "sinusoidal", "mollweide")
    )  # fmt: skip
