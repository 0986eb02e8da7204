"""A map as SVG whose colours stand in it: for browsers that draw no map of their own, and for nothing else to load."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prom3e_index.search.answered import Hit
from prom3e_index.server.hit_said import place_said
from prom3e_index.server.mapped import Box
from prom3e_index.show.escapes import html, plain


@dataclass(frozen=True)
class Colours:
    """Colours of a drawn map; `observed`, `guessed` and `asked` as the page's legend has them.

    Attributes:
        on: Of numbers on a mark, and of its edge.
    """

    sea: str
    land: str
    line: str
    text: str
    observed: str
    guessed: str
    asked: str
    on: str


LIGHT = Colours(
    "#e4edf3", "#f6f4ec", "#b9c6cf", "#5d6b75", "#23694a", "#96490f", "#b3122a", "#ffffff"
)
DARK = Colours(
    "#16201f", "#29332e", "#4a5851", "#a3b2a9", "#6fc79a", "#eaa468", "#ff7d88", "#0e1512"
)
WORLD: Box = (-180.0, -90.0, 180.0, 90.0)
_STEPS = (90, 60, 30, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
_LINES, _NUMBERED, _LEAST = 7, 50, 0.001


def drawn(
    hits: Sequence[Hit],
    land: Iterable[NDArray[np.float64]],
    box: Box | None,
    width: int,
    height: int,
    asked: tuple[float, float] | None = None,
    colours: Colours = LIGHT,
) -> str:
    """A map of hits, the best on top; obscured places as cells.

    Degrees are even over width and height, so that a click is a place: longitude = west + x / width · (east − west).

    Args:
        hits: Of a ranking.
        land: Rings of the land.
        box: West, south, east, north; the whole world when None. East may lie west of west: across 180°.
        width: Pixels.
        height: Pixels.
        asked: Latitude and longitude of a place that was asked with.
        colours: Of the ground and the marks.
    """
    west, south, east, north = box or WORLD
    east += 360 if east < west else 0
    east, north = max(east, west + _LEAST), max(north, south + _LEAST)
    view = _View(west, south, east, north, width, height, colours)
    marks = [mark for h in reversed(hits) if (mark := _mark(h, view))]
    cross = []
    if asked is not None:
        x, y = view.at(asked[1], asked[0])
        cross = [
            f'<path d="M{x - 8:.1f} {y:.1f}h16M{x:.1f} {y - 8:.1f}v16" stroke="{colours.asked}" stroke-width="3"/>'
        ]
    label = f"Map of {len(hits):,} hits" if hits else "Map"
    return "".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            f'role="img" aria-label="{label}"><rect width="{width}" height="{height}" fill="{colours.sea}"/>',
            f'<path d="{view.land(land)}" fill="{colours.land}" fill-rule="evenodd" stroke="{colours.line}" '
            'stroke-width=".7"/>',
            view.lines(),
            *marks,
            *cross,
            "</svg>",
        ]
    )


class _View:
    """Where degrees are in the picture."""

    def __init__(
        self,
        west: float,
        south: float,
        east: float,
        north: float,
        width: int,
        height: int,
        colours: Colours,
    ) -> None:
        self.colours = colours
        self.west, self.south, self.east, self.north = west, south, east, north
        self.width, self.height = width, height
        self.across, self.upward = width / (east - west), height / (north - south)

    def at(self, longitude: float, latitude: float) -> tuple[float, float]:
        """Pixels of a place, turned to where it is seen."""
        turned = self.west + (longitude - self.west) % 360
        if turned > self.east and abs(longitude - self.east) < 1e-9:
            turned = self.east
        return (turned - self.west) * self.across, (self.north - latitude) * self.upward

    def shows(self, longitude: float, latitude: float) -> bool:
        """Whether a place is in the picture."""
        x, y = self.at(longitude, latitude)
        return x <= self.width + 1e-6 and -1e-6 <= y <= self.height + 1e-6

    def land(self, rings: Iterable[NDArray[np.float64]]) -> str:
        """The path of the land, no finer than a pixel."""
        scale = np.array([self.across, -self.upward])
        out = []
        for ring in rings:
            low, high = ring.min(0), ring.max(0)
            for turn in (-360.0, 0.0, 360.0):
                if high[0] + turn < self.west or low[0] + turn > self.east:
                    continue
                if high[1] < self.south or low[1] > self.north:
                    continue
                points = (ring + [turn, 0.0] - [self.west, self.north]) * scale
                out.append(_path(points, self.width, self.height))
        return "".join(out)

    def lines(self) -> str:
        """Meridians and parallels with their degrees."""
        wide, tall = self.east - self.west, self.north - self.south
        step = next((s for s in reversed(_STEPS) if max(wide, tall) / s <= _LINES), _STEPS[0])
        out = []
        for n in range(math.ceil(self.west / step), math.floor(self.east / step) + 1):
            x = (n * step - self.west) * self.across
            out.append(
                f'<path d="M{x:.1f} 0V{self.height}" stroke="{self.colours.line}" stroke-width=".5"/>'
            )
            if 10 < x < self.width - 40:
                out.append(self._text(x + 3, self.height - 5, (n * step + 180) % 360 - 180, "WE"))
        for n in range(math.ceil(self.south / step), math.floor(self.north / step) + 1):
            y = (self.north - n * step) * self.upward
            out.append(
                f'<path d="M0 {y:.1f}H{self.width}" stroke="{self.colours.line}" stroke-width=".5"/>'
            )
            if 15 < y < self.height - 15:
                out.append(self._text(4, y - 3, n * step, "SN"))
        return "".join(out)

    def _text(self, x: float, y: float, degrees: float, sides: str) -> str:
        side = "" if not round(degrees, 4) else sides[degrees > 0]
        said = f"{abs(round(degrees, 4)):g}°{side}"
        return (
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="10" font-family="sans-serif" '
            f'fill="{self.colours.text}">{said}</text>'
        )


def _path(points: NDArray[np.float64], width: int, height: int) -> str:
    points = np.clip(points, [-50, -50], [width + 50, height + 50])
    moved = np.abs(np.diff(np.round(points), axis=0)).max(1) > 0
    kept = points[np.concatenate([[True], moved])]
    if len(kept) < 3:
        return ""
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in kept) + "Z"


def _mark(h: Hit, view: _View) -> str | None:
    place = place_said(plain(h.fields))
    if place["latitude"] is None:
        return None
    colours = view.colours
    colour = colours.guessed if h.completed else colours.observed
    name = h.fields.get("scientific_name") or h.fields.get("common_name") or h.fields["id"]
    title = f"<title>{h.rank}. {html(str(name)[:160])}</title>"
    x, y = view.at(place["longitude"], place["latitude"])
    drawn = ""
    if place["cell"] is not None:
        cell_west, cell_south, cell_east, cell_north = place["cell"]
        wide = max(4.0, (cell_east - cell_west) * view.across)
        tall = max(4.0, (cell_north - cell_south) * view.upward)
        drawn = (
            f'<rect x="{x - wide / 2:.1f}" y="{y - tall / 2:.1f}" width="{wide:.1f}" height="{tall:.1f}" '
            f'fill="{colour}" fill-opacity=".3" stroke="{colour}" stroke-dasharray="3 2"/>'
        )
        if x - wide / 2 > view.width:
            return None
    elif not view.shows(place["longitude"], place["latitude"]):
        return None
    else:
        radius = 8 if h.rank <= _NUMBERED else 4
        drawn = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{colour}" stroke="{colours.on}"/>'
    number = ""
    if h.rank <= _NUMBERED:
        number = (
            f'<text x="{x:.1f}" y="{y + 3.5:.1f}" font-size="9.5" font-family="sans-serif" text-anchor="middle" '
            f'fill="{colours.on if place["cell"] is None else colours.text}">{h.rank}</text>'
        )
    return f'<g data-row="{h.row}">{title}{drawn}{number}</g>'
