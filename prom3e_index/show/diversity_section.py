"""The section of a page that says how diverse each place is: the effort, what was seen, what can be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prom3e_index.show.cell_map import CellMap, cell_map
from prom3e_index.show.escapes import html

TITLE = "<h2 id='diversity'>How diverse is each place</h2>"


@dataclass(frozen=True, eq=False)
class Panel:
    """A map with a heading, and what is to be known of it."""

    title: str
    drawn: CellMap
    words: str


@dataclass(frozen=True)
class Measure:
    """What was measured of cells.

    Attributes:
        name: What it is.
        cells: Cells that have it.
        least: Of them; `median`, `most` likewise.
        rho: Spearman's correlation with the effort; None where nothing can be said of it.
    """

    name: str
    cells: int
    least: float
    median: float
    most: float
    rho: float | None = None


@dataclass(frozen=True)
class Cell:
    """A cell that is named in a table: its centre in degrees, and what was counted in it."""

    latitude: float
    longitude: float
    individuals: int
    seen: float
    rarefied: float


@dataclass(frozen=True, eq=False)
class Richness:
    """Diversity as it was recorded.

    Attributes:
        rarefied_to: Individuals that species are compared at.
        rows: Of the index; `records` of them count, of `species`, in `cells` cells.
        panels: Effort, species seen, species rarefied.
        measures: Of these three.
        best: Cells with the most species, rarefied.
        grid: The cells in words.
        mask: What is mapped, in words.
        left_out: Rows that do not count, by reason.
        licences: Of the records, with their numbers.
        command: What makes such maps.
        lines: What the maps share, as HTML.
    """

    rarefied_to: int
    rows: int
    records: int
    species: int
    cells: int
    panels: tuple[Panel, Panel, Panel]
    measures: tuple[Measure, Measure, Measure]
    best: Sequence[Cell]
    grid: str
    mask: str
    left_out: Mapping[str, int]
    licences: Mapping[str | None, int]
    command: str
    lines: str = ""


def richness_section(r: Richness, truth: Panel | None = None) -> str:
    """Maps of the effort, of the species seen and of the species rarefied, with tables of their figures.

    Args:
        r: What was measured.
        truth: Where it is known, what is true.
    """
    panels = [*r.panels, *([truth] if truth is not None else [])]
    shown = "".join(
        f"<div><h3>{html(p.title)}</h3>{cell_map(p.drawn)}<p class='small soft'>{html(p.words)}</p></div>"
        for p in panels
    )
    return (
        f"{TITLE}<section>{r.lines}<p>{r.records:,} of {r.rows:,} rows count: records of {r.species:,} species in "
        f"{r.cells:,} cells ({html(r.grid)}). Where more was recorded more species were seen, so a map of species seen "
        f"is a map of the observers too; species expected among equally many records, here {r.rarefied_to}, can be "
        "compared. It is a map of what was seen and reported, not of what lives there.</p>"
        f"<div class='{'threes' if len(panels) == 3 else 'pairs'}'>{shown}</div>{_measures(r)}{_best(r)}{_left_out(r)}"
        f"<p class='small soft'>Mask: {html(r.mask)}. Licences of the records: {_licences(r.licences)}.</p>"
        "<p class='small soft'>These and more as GeoTIFF, with intervals and what the model says: "
        f"<code>{html(r.command)}</code></p></section>"
    )


def no_richness(why: str, command: str) -> str:
    """The section where there is none, and why."""
    more = f"<p class='small soft'>With other cells or counts: <code>{html(command)}</code></p>"
    return f"{TITLE}<section><p>{html(why)}</p>{more if command else ''}</section>"


def rho(value: float | None) -> str:
    """A correlation in words of two digits."""
    return "not known" if value is None else f"{value:.2f}"


def _measures(r: Richness) -> str:
    rows = "".join(
        f"<tr><td>{html(m.name)}</td><td></td><td>{m.cells:,}</td><td>{m.least:.4g}</td><td>{m.median:.4g}</td>"
        f"<td>{m.most:.4g}</td><td>{'' if i == 0 else rho(m.rho)}</td></tr>"
        for i, m in enumerate(r.measures)
    )
    return (
        "<div class='wide'><table><tr><th>of each cell</th><th></th><th>cells</th><th>least</th><th>median</th>"
        f"<th>most</th><th>Spearman with the effort</th></tr>{rows}</table></div>"
    )


def _best(r: Richness) -> str:
    rows = "".join(
        f"<tr><td>{_place(c.latitude, c.longitude)}</td><td></td><td>{c.individuals:,}</td><td>{c.seen:.0f}</td>"
        f"<td>{c.rarefied:.2f}</td></tr>"
        for c in r.best
    )
    return (
        f"<details class='small'><summary>The {len(r.best)} cells with the most species among {r.rarefied_to}</summary>"
        "<div class='wide'><table><tr><th>centre</th><th></th><th>individuals</th><th>species seen</th>"
        f"<th>among {r.rarefied_to}</th></tr>{rows}</table></div></details>"
    )


def _left_out(r: Richness) -> str:
    if not r.left_out:
        return ""
    rows = "".join(
        f"<tr><td>{html(why)}</td><td></td><td>{n:,}</td></tr>" for why, n in r.left_out.items()
    )
    return (
        f"<details class='small'><summary>{sum(r.left_out.values()):,} rows left out, by reason</summary><div "
        f"class='wide'><table><tr><th>reason</th><th></th><th>rows</th></tr>{rows}</table></div></details>"
    )


def _place(latitude: float, longitude: float) -> str:
    """A place in degrees with its sides."""
    ns, ew = "N" if latitude >= 0 else "S", "E" if longitude >= 0 else "W"
    return f"{abs(latitude):.2f}°{ns} {abs(longitude):.2f}°{ew}"


def _licences(held: Mapping[str | None, int]) -> str:
    order = sorted(held.items(), key=lambda v: -v[1])[:12]
    more = f", {len(held) - len(order)} more" if len(held) > len(order) else ""
    return html(", ".join(f"{k or 'not stated'} {n:,}" for k, n in order) or "none") + more
