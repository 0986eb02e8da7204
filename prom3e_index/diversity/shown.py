"""Diversity for a page about an index: as `diversity` measures it, with cells that fit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.diversity.bands import spread
from prom3e_index.diversity.files import round_up
from prom3e_index.diversity.fitting import OFF, fitting
from prom3e_index.diversity.run import Diversity, DiversityConfig, box_of, is_invented, measured
from prom3e_index.errors import InputError
from prom3e_index.grid.masks import PLANET, mask_of
from prom3e_index.grid.region import Region
from prom3e_index.maps.occurrences import Occurrences
from prom3e_index.show.diversity_section import Cell, Measure, Panel, Richness, rho
from prom3e_index.show.grid_map import GridMap

BEST = 10
"""Cells that the table names."""
_SMALL_DEG = 4
"""A region that is no larger is given in tenths of a degree."""


@dataclass(frozen=True, eq=False)
class Shown:
    """What a page shows.

    Attributes:
        config: What was measured, as `diversity` would be asked.
        made: All of it.
        drawing: Draws its cells.
        richness: The section's content.
    """

    config: DiversityConfig
    made: Diversity
    drawing: GridMap
    richness: Richness

    def band(self, name: str) -> NDArray[np.float64]:
        """(c,) the values of a band of the cells that have records."""
        return _band(self.made, name)


def richness_of(found: Occurrences, index: str) -> Shown:
    """Measure the records of an index, with the cells that fit them.

    Args:
        found: Its records.
        index: Its path in a command, quoted.

    Raises:
        InputError: Nothing counts, or too little in each cell; says why.
    """
    region, invented = _region(found), is_invented(found)
    fits = fitting(found, region, invented)
    config = DiversityConfig(
        found.source, Path("diversity"), region, fits.cells, mask=fits.mask, rarefy=fits.rarefy, model="none"
    )  # fmt: skip
    made = measured(config, found=found)
    m, told = fits.rarefy, made.told
    drawing = GridMap(made.grid, _ground(made, fits.mask), "coast-diversity", not invented)
    n, seen, rarefied = (
        made.tally.counts.n.astype(float),
        _band(made, "hill0"),
        _band(made, f"rarefied_{m}"),
    )
    low = min(float(np.floor(np.nanmin(rarefied))), m - 1)
    before, after = (told["effort"][b]["spearman"] for b in ("hill0", f"rarefied_{m}"))
    unit = "a species that one observer saw on one day in one cell counts once"
    mask = "" if fits.mask == "land" else f" --mask {fits.mask}"
    asked = f"--region={region} --grid {fits.cells} --rarefy {m}{mask}"
    richness = Richness(
        m, found.rows, told["records"], told["species"], len(made.tally.cells),
        (
            Panel("Effort", _effort(drawing, made, n),
                  f"Individuals counted in each cell, on a scale of powers: {unit}."),
            Panel("Species seen", _drawn(drawing, made, seen, round_up(float(seen.max())), "species seen"),
                  f"Spearman's correlation with the effort {rho(before)}."),
            Panel(f"Species among {m} records", _drawn(drawing, made, rarefied, m, f"species among {m} records", low),
                  f"Rarefied: Spearman's correlation with the effort {rho(after)}, over "
                  f"{int(np.isfinite(rarefied).sum()):,} cells. Cells with fewer records have no value, which is not "
                  "low diversity."),
        ),
        (_measure("effort: individuals", n, None), _measure("species seen", seen, before),
         _measure(f"species among {m}", rarefied, after)),
        _best(made, seen, rarefied), told["grid"]["name"], _words(made, fits.mask), told["left_out"],
        found.licences, f"prom3e-index diversity {index} {asked}", drawing.lines(),
    )  # fmt: skip
    return Shown(config, made, drawing, richness)


def _region(found: Occurrences) -> str:
    """A box around the records: of whole degrees, of a town's in tenths."""
    west, south, east, north = Region.of(box_of(found)).bounds
    return box_of(found, 0.1 if max(east - west, north - south) <= _SMALL_DEG else 1)


def _words(made: Diversity, mask: str) -> str:
    """What is mapped, and why it is not land alone."""
    if mask != "none":
        return str(made.told["mask"]["words"])
    return f"none, since that of land would leave out more than {OFF:.0%} of the records"


def _ground(made: Diversity, mask: str) -> NDArray[np.bool_]:
    """The cells that are drawn: within the mask; without one, land and those with records."""
    if mask != "none":
        return made.mask.inside
    try:
        inside = mask_of(made.grid, PLANET if made.told["invented"] else "land").inside
    except InputError:
        inside = np.zeros(len(made.grid), bool)
    inside[made.tally.cells] = True
    return inside


def _band(made: Diversity, name: str) -> NDArray[np.float64]:
    values = next(b.values for b in made.bands if b.name == name)
    assert values is not None  # it is counted, not smoothed
    return values


def _drawn(
    drawing: GridMap, made: Diversity, values: NDArray[np.float64], high: float, label: str, low: float = 0
) -> Any:  # fmt: skip
    known = np.isfinite(values)
    words = f"map of {label}, {int(known.sum()):,} cells, {values[known].min():.3g} to {values[known].max():.3g}"
    return drawing.drawn(spread(values, made.tally.cells, len(made.grid)), low, float(high), words)


def _effort(drawing: GridMap, made: Diversity, n: NDArray[np.float64]) -> Any:
    """Counts by their logarithm: a few cells hold most of the records."""
    high = max(10.0, round_up(float(n.max())))
    words = f"map of individuals counted, {len(n):,} cells, {n.min():.0f} to {n.max():.0f}"
    values = spread(np.log10(n), made.tally.cells, len(made.grid))
    return drawing.drawn(
        values, 0, float(np.log10(high)), words, "cividis", ends=("1", f"{high:,.0f}")
    )


def _measure(name: str, values: NDArray[np.float64], with_effort: float | None) -> Measure:
    known = values[np.isfinite(values)]
    return Measure(
        name, len(known), float(known.min()), float(np.median(known)), float(known.max()), with_effort
    )  # fmt: skip


def _best(made: Diversity, seen: NDArray[np.float64], rarefied: NDArray[np.float64]) -> list[Cell]:
    known = np.flatnonzero(np.isfinite(rarefied))
    order = known[np.argsort(-rarefied[known], kind="stable")][:BEST]
    lat, lon = made.grid.centres(made.tally.cells[order])
    n = made.tally.counts.n
    return [
        Cell(float(lat[i]), float(lon[i]), int(n[at]), float(seen[at]), float(rarefied[at]))
        for i, at in enumerate(order.tolist())
    ]
