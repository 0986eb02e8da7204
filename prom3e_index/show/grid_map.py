"""The maps of a page that share a grid: cells with their true proportions, the Earth's coast and countries, a bar."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.grid.grid import Grid
from prom3e_index.grid.outlines import outlines
from prom3e_index.grid.picture import lines
from prom3e_index.show.cell_map import WIDTH, CellMap, held_lines

_TALLEST = 3.0
"""A cell is drawn at most so much taller than wide: near the poles one of degrees is a needle."""
_STEP = 1.5
"""Points of a line that lie nearer than this are one, in the units of the drawing."""
_LEAST = 4
"""Points of a line: islands of fewer are specks."""


@dataclass(frozen=True, eq=False)
class GridMap:
    """Draws values of a grid's cells.

    Attributes:
        grid: The cells.
        inside: (n,) which are mapped.
        name: Of its lines within the page.
        earth: Whether the Earth's coast is drawn; another planet has none of it.
    """

    grid: Grid
    inside: NDArray[np.bool_]
    name: str
    earth: bool = True

    @cached_property
    def _middle(self) -> tuple[float, float]:
        """Kilometres of the width and of the height of a cell in the middle of the map."""
        a, _, c, _, e, f = self.grid.affine
        x, y = c + a * self.grid.shape[1] / 2, f + e * self.grid.shape[0] / 2
        corners = np.array([x, x + a / 64, x]), np.array([y, y, y - e / 64])
        lat, lon = (np.radians(v) for v in self.grid.projection.places(*corners, None))
        across, up = (
            math.hypot(
                lat[i] - lat[0], math.remainder(lon[i] - lon[0], math.tau) * math.cos(lat[0])
            )
            for i in (1, 2)
        )
        return across * 64 * 6371, up * 64 * 6371

    @property
    def stretch(self) -> float:
        """Height of a cell over its width, true in the middle of the map; of the world as its projection has it."""
        a, _, _, _, e, _ = self.grid.affine
        west, _, east, _ = self.grid.region.bounds
        across, up = self._middle
        if east - west >= 180 or not (across > 0 and up > 0):
            return -e / a
        return min(_TALLEST, up / across)

    @property
    def bar(self) -> tuple[float, str] | None:
        """A round number of kilometres of about a fifth of the width, in cells; none of the world."""
        west, _, east, _ = self.grid.region.bounds
        across = self._middle[0]
        if east - west >= 180 or not across > 0:
            return None
        most = across * self.grid.shape[1] / 4
        ten = 10.0 ** math.floor(math.log10(most))
        km = next(k * ten for k in (5, 2, 1) if k * ten <= most)
        return km / across, f"{km:g} km"

    def points(self, latitude: NDArray[Any], longitude: NDArray[Any]) -> NDArray[np.float64]:
        """Column and row of places, in cells, (k, 2); those that lie outside are left out."""
        a, _, c, _, e, f = self.grid.affine
        first = self.grid.projection.longitude_of(c)
        x, y = self.grid.projection.points(latitude, longitude, first)
        out = np.stack([(x - c) / a, (y - f) / e], 1)
        rows, columns = self.grid.shape
        inside = ((out >= 0) & (out <= (columns, rows))).all(1)
        return np.asarray(out[inside], np.float64)

    def drawn(
        self, values: NDArray[Any], low: float, high: float, label: str, colours: str = "viridis", **more: Any
    ) -> CellMap:  # fmt: skip
        """A map of values (n,) of all cells; see `CellMap`."""
        return CellMap(
            self.grid.raster(values), self.grid.raster(self.inside), low, high, label, colours,
            stretch=self.stretch, under=self.name if self.earth else "", bar=self.bar, **more,
        )  # fmt: skip

    def lines(self) -> str:
        """What the page holds once for the maps: the coast and the sides of countries; nothing of another planet."""
        if not self.earth:
            return ""
        a, _, c, _, e, f = self.grid.affine
        side = WIDTH / self.grid.shape[1]
        out = []
        for outline in outlines("country"):  # their sides are the coast too
            for x, y in lines(self.grid, outline.rings):
                out.append(_line((x - c) / a * side, (y - f) / e * side * self.stretch))
        return held_lines(self.name, "".join(dict.fromkeys(out)))


def _line(x: NDArray[Any], y: NDArray[Any]) -> str:
    """Points as a path in tenths, each from the one before, without those that nobody would see."""
    kept = [0]
    for i in range(1, len(x)):
        if abs(x[i] - x[kept[-1]]) + abs(y[i] - y[kept[-1]]) >= _STEP:
            kept.append(i)
    if len(kept) < _LEAST:
        return ""
    at = np.round(10 * np.stack([x[kept], y[kept]], 1)).astype(int)
    steps = " ".join(f"{a},{b}" for a, b in np.diff(at, axis=0).tolist())
    return f"M{at[0, 0]},{at[0, 1]}l{steps}"
