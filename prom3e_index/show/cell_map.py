"""A small map of a grid's cells for a page: colours with their scale, a range as a line, places as dots."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.show.escapes import html

WIDTH = 720
_PIXELS = 4
"""Pixels of a cell's side: a browser that smooths pictures leaves cells with sharp sides."""
_STOPS = 9
_UNKNOWN = (0xD5, 0xD3, 0xC8)
"""Land without a value."""
_HATCH = (0x8A, 0x8F, 0x8C)


@dataclass(frozen=True, eq=False)
class CellMap:
    """What a map shows.

    Attributes:
        values: (h, w) of the cells, row 0 in the north; NaN where none is known.
        inside: (h, w) which cells are mapped; the others are sea.
        low: Value of the first colour.
        high: Of the last.
        label: What the map shows, for who cannot see it.
        colours: A colour map of matplotlib.
        outline: (h, w) cells that a line surrounds.
        dots: (k, 2) column and row of places, in cells from the north-western corner.
        stretch: Height of a cell over its width.
        under: Lines that are held once in the page and drawn over the cells, such as a coast: its name there.
        bar: A length in cells, and what it is.
        hatched: (h, w) cells that are not to be believed.
        ends: What stands at the ends of the scale; the values when None.
    """

    values: NDArray[Any]
    inside: NDArray[np.bool_]
    low: float
    high: float
    label: str
    colours: str = "viridis"
    outline: NDArray[np.bool_] | None = None
    dots: NDArray[np.float64] | None = None
    stretch: float = 1.0
    under: str = ""
    bar: tuple[float, str] | None = None
    hatched: NDArray[np.bool_] | None = None
    ends: tuple[str, str] | None = None


def cell_map(drawn: CellMap) -> str:
    """The map as SVG, and its scale below.

    Raises:
        ValueError: The scale has no width.
    """
    if not drawn.high > drawn.low:
        raise ValueError(f"a scale from {drawn.low} to {drawn.high}")
    h, w = drawn.values.shape
    side = WIDTH / w
    high = h * side * drawn.stretch
    parts = [
        f"<svg viewBox='0 0 {WIDTH} {high:.0f}' role='img' aria-label='{html(drawn.label)}'>"
        f"<rect class='sea' width='{WIDTH}' height='{high:.0f}'/><image class='cells' href='{_picture(drawn)}' "
        f"width='{WIDTH}' height='{high:.1f}' preserveAspectRatio='none' style='image-rendering:pixelated'/>"
    ]
    if drawn.under:
        parts.append(f"<use href='#{html(drawn.under)}'/>")
    if drawn.outline is not None and drawn.outline.any():
        d = "".join(_segments(drawn.outline, side, side * drawn.stretch))
        parts.append(f"<path class='halo' d='{d}'/><path class='range' d='{d}'/>")
    if drawn.dots is not None:
        parts += [
            f"<circle class='seen' cx='{x * side:.1f}' cy='{y * side * drawn.stretch:.1f}' r='4.5'/>"
            for x, y in drawn.dots
        ]
    if drawn.bar is not None:
        parts.append(_bar(drawn.bar[0] * side, drawn.bar[1], high))
    stops = ", ".join(_hex(c) for c in _lookup(drawn.colours, np.linspace(0, 1, _STOPS)))
    first, last = drawn.ends or (f"{drawn.low:g}", f"{drawn.high:g}")
    parts.append(
        f"</svg><div class='scale'><span>{html(first)}</span><i style='background:linear-gradient(90deg, {stops})'></i>"
        f"<span>{html(last)}</span></div>"
    )
    return "".join(parts)


def _bar(long: float, words: str, high: float) -> str:
    """A bar of a known length in the lower left corner, dark on a pale ground."""
    return (
        f"<rect class='ground' x='10' y='{high - 58:.0f}' width='{max(long, 12.5 * len(words)) + 24:.0f}' height='48' "
        f"rx='6'/><path class='length' d='M22 {high - 22:.0f}h{long:.1f}'/><text class='said' x='22' "
        f"y='{high - 32:.0f}'>{html(words)}</text>"
    )


def held_lines(name: str, d: str) -> str:
    """Lines in tenths that maps of a page draw by their name; they are held once."""
    return (
        "<svg width='0' height='0' style='position:absolute' aria-hidden='true'><defs>"
        f"<path id='{html(name)}' class='coast' transform='scale(.1)' d='{d}'/></defs></svg>"
    )


def _lookup(colours: str, shares: NDArray[np.float64]) -> NDArray[np.uint8]:
    """(…, 3) red, green and blue of values from 0 to 1."""
    from matplotlib import colormaps

    return np.asarray(colormaps[colours](shares, bytes=True)[..., :3])


def _hex(colour: NDArray[np.uint8]) -> str:
    return "#" + "".join(f"{c:02x}" for c in colour)


def _picture(drawn: CellMap) -> str:
    """The cells as PNG, transparent at sea, as a `data:` address."""
    from PIL import Image

    values = np.asarray(drawn.values, np.float64)
    known = np.isfinite(values) & drawn.inside
    shares = np.clip((np.where(known, values, drawn.low) - drawn.low) / (drawn.high - drawn.low), 0, 1)  # fmt: skip
    pixels = np.zeros((*values.shape, 4), np.uint8)
    pixels[..., :3] = np.where(known[..., None], _lookup(drawn.colours, shares), _UNKNOWN)
    pixels[..., 3] = np.where(drawn.inside, 255, 0)
    times = max(1, min(_PIXELS, 1440 // max(values.shape)))
    pixels = pixels.repeat(times, 0).repeat(times, 1)
    if drawn.hatched is not None:
        where = (drawn.hatched & drawn.inside).repeat(times, 0).repeat(times, 1)
        row, column = np.indices(where.shape)
        pixels[where & ((row + column) % _PIXELS == 0), :3] = _HATCH
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()


def _segments(held: NDArray[np.bool_], wide: float, tall: float) -> Iterator[str]:
    """The sides between cells that are held and those that are not, sides in one line as one."""
    padded = np.pad(held, 1)
    for sides, upright in (
        (padded[1:, 1:-1] != padded[:-1, 1:-1], False),
        ((padded[1:-1, 1:] != padded[1:-1, :-1]).T, True),
    ):
        for line, row in enumerate(sides):
            ends = np.flatnonzero(np.diff(np.pad(row.astype(np.int8), 1)))
            for a, b in ends.reshape(-1, 2).tolist():
                if upright:
                    yield f"M{line * wide:.1f} {a * tall:.1f}V{b * tall:.1f}"
                else:
                    yield f"M{a * wide:.1f} {line * tall:.1f}H{b * wide:.1f}"
