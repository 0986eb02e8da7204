"""Maps of places as SVG: of the whole Earth, or of the part of it where the places lie."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from prom3e_index.policy.cells import LEVELS, SOURCE_CELL
from prom3e_index.show.escapes import html

WIDTH, HEIGHT = 720, 360
_STEPS = (
    60.0,
    30.0,
    20.0,
    10.0,
    5.0,
    2.0,
    1.0,
    0.5,
    0.2,
    0.1,
    0.05,
    0.02,
    0.01,
    0.005,
    0.002,
    0.001,
)
"""Degrees between lines of a map."""
_LINES = 6
_LEAST = 0.01
"""Degrees that a map shows at least: about a kilometre."""


@dataclass(frozen=True)
class Mark:
    """A place on a map: its number and colour where it is a hit, a dot where it has none.

    A place that is known by its cell alone is drawn as `cell`: south, west, north, east in degrees.
    """

    latitude: float
    longitude: float
    title: str = ""
    rank: int | None = None
    kind: str = "dot"
    radius: float = 9.0
    cell: tuple[float, float, float, float] | None = None


@dataclass(frozen=True)
class View:
    """What a map shows: its middle in degrees, and pixels of a degree."""

    longitude: float = 0.0
    latitude: float = 0.0
    across: float = WIDTH / 360
    upward: float = HEIGHT / 180

    @classmethod
    def of(cls, places: Sequence[tuple[float, float]]) -> View:
        """The part of the Earth that holds some places (latitude, longitude); the whole where they lie far apart."""
        if not places:
            return cls()
        south, north = min(p[0] for p in places), max(p[0] for p in places)
        west, east = min(p[1] for p in places), max(p[1] for p in places)
        latitude, longitude = (south + north) / 2, (west + east) / 2
        shrunk = max(0.2, math.cos(math.radians(latitude)))
        tall = max((north - south) * 1.3, (east - west) * 1.3 * shrunk * HEIGHT / WIDTH, _LEAST)
        if tall > 90 or east - west > 150:
            return cls()
        upward = HEIGHT / tall
        return cls(longitude, latitude, upward * shrunk, upward)

    def at(self, latitude: float, longitude: float) -> tuple[float, float]:
        """Where a place stands in the picture."""
        x = WIDTH / 2 + (longitude - self.longitude) * self.across
        return x, HEIGHT / 2 - (latitude - self.latitude) * self.upward

    def lines(self) -> str:
        """Meridians and parallels, with their degrees."""
        tall, wide = HEIGHT / self.upward, WIDTH / self.across
        step = next((s for s in reversed(_STEPS) if max(wide / 2, tall) / s <= _LINES), _STEPS[0])
        out = []
        for middle, span, most, upright in (
            (self.longitude, wide, 180, True),
            (self.latitude, tall, 90, False),
        ):
            first, last = (
                math.ceil((middle - span / 2) / step),
                math.floor((middle + span / 2) / step),
            )
            for n in range(first, last + 1):
                degrees = n * step
                if abs(degrees) > most:
                    continue
                x, y = (
                    self.at(self.latitude, degrees) if upright else self.at(degrees, self.longitude)
                )
                where = f"M{x:.1f} 0V{HEIGHT}" if upright else f"M0 {y:.1f}H{WIDTH}"
                out.append(f"<path class='grid' d='{where}'/>")
                if (
                    not (n - first) % 2
                    and 20 < (x if upright else y) < (WIDTH if upright else HEIGHT) - 20
                ):
                    place = (
                        f"x='{x + 3:.1f}' y='{HEIGHT - 5}'" if upright else f"x='4' y='{y - 3:.1f}'"
                    )
                    out.append(f"<text class='axis' {place}>{_degrees(degrees, upright)}</text>")
        return "".join(out)

    def background(self, there: bool) -> str:
        """The sea, and the picture of the land, `LAND`, where a page has one."""
        x, y = self.at(90, -180)
        size = f"width='{360 * self.across:.1f}' height='{180 * self.upward:.1f}'"
        scale = f"{360 * self.across / WIDTH:.4f} {180 * self.upward / HEIGHT:.4f}"
        land = f"<use href='#land' transform='translate({x:.1f} {y:.1f}) scale({scale})'/>"
        return f"<rect class='sea' x='{x:.1f}' y='{y:.1f}' {size}/>" + (land if there else "")


def land(picture: str) -> str:
    """A picture of the Earth, a `data:` address, that every map of a page shows; it is held once."""
    return (
        f"<svg width='0' height='0' style='position:absolute' aria-hidden='true'><defs><image id='land' "
        f"href='{picture}' width='{WIDTH}' height='{HEIGHT}' preserveAspectRatio='none'/></defs></svg>"
    )


def map_of(
    marks: Iterable[Mark], label: str, asked: tuple[float, float] | None, has_land: bool
) -> str:
    """A map of marks, the last on top, with a cross where the query was; the whole Earth where there is nothing."""
    marks = list(marks)
    view = View.of([(m.latitude, m.longitude) for m in marks] + ([asked] if asked else []))
    out = [_cell(m, view) for m in marks if m.cell is not None]
    out += [_mark(m, *view.at(m.latitude, m.longitude)) for m in marks if m.cell is None or m.rank]
    if asked:
        x, y = view.at(*asked)
        out.append(f"<path class='asked' d='M{x - 8:.1f} {y:.1f}h16M{x:.1f} {y - 8:.1f}v16'/>")
    return (
        f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' role='img' aria-label='{html(label)}'>{view.background(has_land)}"
        f"{view.lines()}{''.join(out)}</svg>"
    )


def cell_of(
    latitude: float, longitude: float, level: str | None
) -> tuple[float, float, float, float]:
    """The cell that stands for a place which is hidden: of its level, else that in which iNaturalist draws places."""
    known = LEVELS.get(level or "", SOURCE_CELL)
    cell = known if known.degrees or known.metres else SOURCE_CELL
    found = cell.bounds(np.array([latitude]), np.array([longitude]))
    south, west, north, east = (float(side[0]) for side in found)
    return south, west, north, east


def _cell(m: Mark, view: View) -> str:
    """A cell, at least three pixels wide and high."""
    assert m.cell is not None
    south, west, north, east = m.cell
    (left, top), (right, bottom) = view.at(north, west), view.at(south, east)
    wide, tall = max(3.0, right - left), max(3.0, bottom - top)
    x, y = (left + right - wide) / 2, (top + bottom - tall) / 2
    title = f"<title>{html(m.title)}</title>" if m.title else ""
    return (
        f"<g>{title}<rect class='{m.kind}' x='{x:.1f}' y='{y:.1f}' width='{wide:.1f}' height='{tall:.1f}' "
        "fill-opacity='.35'/></g>"
    )


def _mark(m: Mark, x: float, y: float) -> str:
    title = f"<title>{html(m.title)}</title>" if m.title else ""
    circle = f"<circle class='{m.kind}' cx='{x:.1f}' cy='{y:.1f}' r='{m.radius:.1f}'"
    if m.rank is None:
        return f"<g>{title}{circle} fill-opacity='.55'/></g>"
    return (
        f"<g>{title}{circle} stroke='#fff' stroke-width='1.5'/><text x='{x:.1f}' y='{y + 4:.1f}' text-anchor='middle' "
        f"font-size='11' fill='#fff'>{m.rank}</text></g>"
    )


def _degrees(value: float, upright: bool) -> str:
    sides = ("W", "E") if upright else ("S", "N")
    side = "" if not value else sides[value > 0]
    return f"{abs(round(value, 4)):g}°{side}"
