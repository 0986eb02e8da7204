"""A band as a picture: the coast, a scale that is the same in every map, a bar of kilometres, and what it is not."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import InputError
from prom3e_index.grid.outlines import outlines
from prom3e_index.grid.write import Band

if TYPE_CHECKING:
    from prom3e_index.grid.grid import Grid

Floats = NDArray[np.float64]
_DPI = 100
_MAP_INCHES = 10.0
_MOST_PIXELS = 2_000
_SEA, _COAST, _NO_VALUE = "#eef3f6", "#44505a", "#ffffff"


def write_picture(
    path: Path,
    grid: Grid,
    band: Band | Sequence[Band],
    *,
    title: str,
    below: Sequence[str],
    points: tuple[Floats, Floats] | None = None,
    coast: bool = True,
) -> None:
    """Write a band as PNG; see `picture_png`."""
    path.write_bytes(picture_png(grid, band, title=title, below=below, points=points, coast=coast))


def picture_png(
    grid: Grid,
    band: Band | Sequence[Band],
    *,
    title: str,
    below: Sequence[str],
    points: tuple[Floats, Floats] | None = None,
    coast: bool = True,
) -> bytes:
    """A band as PNG.

    Args:
        grid: Its cells.
        band: Must have `low` and `high`: colours mean the same in every map. Three are its red, green and blue.
        title: Above the map.
        below: Lines under it; say there what the values are not.
        points: Latitudes and longitudes of places that are marked.
        coast: Draw the Earth's coast; another planet has none of it.

    Raises:
        InputError: The band has no fixed scale.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    bands = [band] if isinstance(band, Band) else list(band)
    for one in bands:
        if one.low is None or one.high is None:
            raise InputError(
                f"Band {one.name} has no fixed scale, so its colours would mean nothing."
            )
    a, _, c, _, e, f = grid.affine
    rows, columns = grid.shape
    left, bottom, right, top = c, f + e * rows, c + a * columns, f
    stretch = _stretch(grid)
    ratio = (top - bottom) * stretch / (right - left)
    wide = min(_MAP_INCHES, _MAP_INCHES * 0.9 / ratio)
    high = wide * ratio
    foot, head, side = 0.45 + 0.2 * len(below), 0.5, 1.3
    figure = Figure(figsize=(wide + side + 0.8, high + foot + head), dpi=_DPI)
    FigureCanvasAgg(figure)
    whole_w, whole_h = figure.get_size_inches()
    axes = figure.add_axes((0.7 / whole_w, foot / whole_h, wide / whole_w, high / whole_h))
    axes.set_facecolor(_SEA)
    step = max(1, math.ceil(max(rows, columns) / _MOST_PIXELS))
    thin = slice(step // 2, None, step)
    drawn = [grid.raster(np.asarray(b.cells(), np.float32))[thin, thin] for b in bands]
    first = bands[0]
    shown = axes.imshow(
        np.ma.masked_invalid(drawn[0]) if len(bands) == 1 else mixed(bands, drawn),
        extent=(left, right, bottom, top), vmin=first.low, vmax=first.high, cmap=first.colours,
        interpolation="nearest", aspect="auto", zorder=1,
    )  # fmt: skip
    for x, y in lines(grid, outlines("land")[0].rings) if coast else ():
        axes.plot(x, y, color=_COAST, linewidth=0.6, zorder=2)
    for outline in grid.region.outlines:
        for x, y in lines(grid, outline.rings):
            axes.plot(x, y, color=_COAST, linewidth=0.35, alpha=0.6, zorder=2)
    if points is not None:
        x, y = grid.projection.points(*points, grid.projection.longitude_of(left))
        axes.plot(x, y, "o", markersize=3, color="white", markeredgecolor="black", zorder=3)
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    _ticks(axes, grid)
    _kilometres(axes, grid, (left, bottom, right, top))
    axes.set_title(title, loc="left", fontsize=11)
    if len(bands) == 1:
        box = ((0.9 + wide) / whole_w, foot / whole_h, 0.18 / whole_w, high / whole_h)
        bar = figure.colorbar(shown, cax=figure.add_axes(box))
        bar.set_label(f"{first.name}{f', {first.units}' if first.units else ''}", fontsize=9)
        bar.ax.tick_params(labelsize=8)
    for i, line in enumerate(below):
        at = (foot - 0.42 - 0.2 * i) / whole_h
        figure.text(0.7 / whole_w, at, line, fontsize=8.5, color="#222222", va="center")
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=_DPI, metadata={"Software": None})
    return out.getvalue()


def mixed(bands: Sequence[Band], drawn: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Red, green, blue and whether there is a value, (rows, columns, 4), each from 0 to 1."""
    mixed = [
        np.clip((v - float(b.low or 0)) / (float(b.high or 0) - float(b.low or 0)), 0, 1)
        for b, v in zip(bands, drawn, strict=True)
    ]
    known = np.isfinite(np.sum(drawn, axis=0)).astype(np.float32)
    return np.asarray(np.nan_to_num(np.stack([*mixed, known], axis=-1)))


def lines(grid: Grid, rings: Sequence[Floats]) -> Iterator[tuple[Floats, Floats]]:
    """Lines along outlines in the reference system of a grid, cut where they leave it or are torn."""
    a, _, c, _, e, f = grid.affine
    left, bottom, right, top = c, f + e * grid.shape[0], c + a * grid.shape[1], f
    first = grid.projection.longitude_of(left)
    torn = (right - left) / 3
    west, south, east, north = grid.region.bounds
    for ring in rings:
        lon, lat = ring[:, 0], ring[:, 1]
        if lat.max() < south - 2 or lat.min() > north + 2:
            continue
        near = ((lon - west + 2) % 360 < east - west + 4) & (lat > south - 2) & (lat < north + 2)
        if not near.any():
            continue
        seam = (np.abs(lon) >= 180 - 1e-9) | (
            np.abs(lat) >= 90 - 1e-9
        )  # cuts of the outlines, no coast
        x, y = grid.projection.points(lat, lon, first)
        keep = near & np.isfinite(x) & np.isfinite(y)
        cut = (
            ~keep[1:]
            | ~keep[:-1]
            | (np.abs(np.diff(x)) > torn)
            | (np.abs(np.diff(y)) > (top - bottom) / 3 + 1e-9)
        )
        cut |= seam[1:] & seam[:-1]
        for part in np.split(np.arange(len(x)), np.flatnonzero(cut) + 1):
            if len(part) > 1:
                yield x[part], y[part]


def _stretch(grid: Grid) -> float:
    """How much taller than wide a unit is drawn: degrees narrow towards the poles."""
    if not grid.projection.degrees:
        return 1.0
    _, south, _, north = grid.region.bounds
    return 1 / max(0.35, math.cos(math.radians(min(60.0, abs(south + north) / 2))))


def _ticks(axes: Any, grid: Grid) -> None:
    axes.tick_params(labelsize=8)
    if not grid.projection.degrees:
        axes.xaxis.set_major_formatter(lambda v, _: f"{v / 1000:,.0f}")
        axes.yaxis.set_major_formatter(lambda v, _: f"{v / 1000:,.0f}")
        axes.set_ylabel(f"km, {grid.crs:.20}", fontsize=8)
        return
    axes.xaxis.set_major_formatter(lambda v, _: _degrees((v + 180) % 360 - 180, "WE"))
    axes.yaxis.set_major_formatter(lambda v, _: _degrees(v, "SN"))


def _degrees(value: float, sides: str) -> str:
    return f"{abs(round(value, 6)):g}°{'' if abs(value) < 1e-9 else sides[value > 0]}"


def _kilometres(axes: Any, grid: Grid, box: tuple[float, float, float, float]) -> None:
    """A bar in the lower left corner, true in the middle of the map."""
    from matplotlib.patheffects import Normal, Stroke

    left, bottom, right, top = box
    middle = (left + right) / 2, (bottom + top) / 2
    pair = np.array([middle[0], middle[0] + 0.01 * (right - left)]), np.array([middle[1]] * 2)
    lat, lon = grid.projection.places(*pair, None)
    if not np.isfinite(lat).all():
        return
    turn = (lon[1] - lon[0] + 180) % 360 - 180
    hundredth = math.hypot(lat[1] - lat[0], turn * math.cos(math.radians(lat[0]))) * 111.2
    if not hundredth > 0:
        return
    most = hundredth * 22
    length = 10 ** math.floor(math.log10(most))
    length *= 5 if length * 5 <= most else 2 if length * 2 <= most else 1
    span = length / hundredth * 0.01 * (right - left)
    x, y = left + 0.03 * (right - left), bottom + 0.04 * (top - bottom)
    around = [Stroke(linewidth=3, foreground="white"), Normal()]
    axes.plot([x, x + span], [y, y], color="black", linewidth=2.5, solid_capstyle="butt", zorder=4,
              path_effects=[Stroke(linewidth=5, foreground="white"), Normal()])  # fmt: skip
    axes.text(x, y + 0.015 * (top - bottom), f"{length:g} km at {_degrees(round(float(lat[0]), 1), 'SN')}",
              fontsize=8, va="bottom", zorder=4, path_effects=around)  # fmt: skip
