"""What the demo's page adds to a user's: the truth of its planet, of ranges and of diversity."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from prom3e_index.diversity.shown import Shown
    from prom3e_index.grid.grid import Grid
    from prom3e_index.search.run import Bundle
    from prom3e_index.show.cell_map import CellMap
    from prom3e_index.show.diversity_section import Panel
    from prom3e_index.show.truth_section import Range

PHOTOS = 12
"""Species that a photo is mapped of: about a second each."""
RANGE_CELLS = "3deg"
_PLACES = 64
"""Places of a cell that its true species are worked out of."""
PRESENT = 0.1
"""A species lives where its suitability is above this share of its highest."""


def truth_sections(bundle: Bundle, show: Callable[..., None]) -> list[str]:
    """Maps of photos beside the ranges of their species; nothing of a world without photos."""
    from prom3e_index.cli.report_maps import typed
    from prom3e_index.show.truth_section import ranges_section

    show("truth", 0)
    ranges = _ranges(bundle, show)
    if not ranges:
        return []
    command = f"prom3e-index map -i {typed(bundle.path)} --photo {typed(ranges[0].photo)} --grid {RANGE_CELLS}"
    cells = f"{RANGE_CELLS.removesuffix('deg')}°, {int(ranges[0].mapped.inside.sum()):,} cells"
    return [ranges_section(ranges, cells, command)]


def _ranges(bundle: Bundle, show: Callable[..., None]) -> list[Range]:
    """Maps of the first photos of some species, beside their ranges."""
    import numpy as np

    from prom3e_index.maps.assess import auc, average_precision, distance_scores
    from prom3e_index.maps.places_of import places_of
    from prom3e_index.maps.question import taxon_rows
    from prom3e_index.maps.run import MapConfig, make_map
    from prom3e_index.maps.spaces import maps_space
    from prom3e_index.search.query import Query
    from prom3e_index.show.grid_map import GridMap
    from prom3e_index.show.truth_section import Range
    from prom3e_index.world import planet

    asked = bundle.sql(
        "SELECT true_species, arg_min(image, row) FROM observations WHERE has_image AND NOT obscured "
        f"GROUP BY true_species ORDER BY min(row) LIMIT {PHOTOS}"
    )
    names = [s.taxon[-1] for s in planet.species()]
    space = maps_space(bundle.model())
    base = bundle.segments[0].media
    made: list[tuple[str, str, NDArray[Any]]] = []
    with TemporaryDirectory() as cache:
        config = MapConfig(cells=RANGE_CELLS, cache=Path(cache))
        for i, (name, photo) in enumerate(asked):
            asks = Query(image=base / str(photo), space=space)
            mapped = make_map(bundle, asks, config)
            made.append((str(name), str(asks.image), mapped.scores))
            show("ranges", i + 1, len(asked))
    if not made:
        return []
    grid, mask = mapped.grid, mapped.mask
    lat, lon = grid.centres(mask.cells)
    every = planet.suitability(planet.fields(lat, lon))
    true = {n: every[:, names.index(n)] for n, _, _ in made}

    drawing = GridMap(grid, mask.inside, "", earth=False)

    def drawn(values: NDArray[Any], high: float, label: str, **more: Any) -> CellMap:
        whole = np.full(len(grid), np.nan)
        whole[mask.cells] = values
        return drawing.drawn(whole, 0, high, label, "YlGnBu", **more)

    out = []
    for i, (name, file, scores) in enumerate(made):
        suits = true[name]
        there = suits > PRESENT * suits.max()
        held = np.zeros(len(grid), bool)
        held[mask.cells[there]] = True
        places = places_of(bundle, taxon_rows(bundle, name))
        near = distance_scores(*places, lat, lon) if len(places[0]) else None
        line = grid.raster(held)
        rank = 100 * np.searchsorted(np.sort(scores), scores, side="right") / len(scores)
        of_photo = drawn(rank, 100, f"map of a photo of {name}", outline=line)
        of_truth = drawn(
            suits / suits.max(), 1, f"true range of {name}", outline=line, dots=drawing.points(*places)
        )  # fmt: skip
        other = made[(i + 1) % len(made)][2]
        out.append(
            Range(
                name, file, of_photo, of_truth, average_precision(there, scores), auc(there, scores),
                average_precision(there, other), float(there.mean()),
                None if near is None else average_precision(there, near), len(places[0]),
            )
        )  # fmt: skip
    return out


def true_richness(shown: Shown) -> Panel:
    """What lives in each cell, beside what was recorded there."""
    import numpy as np

    from prom3e_index.show.diversity_section import Panel, rho

    grid, made, m = shown.made.grid, shown.made, shown.richness.rarefied_to
    land = np.flatnonzero(made.mask.inside)
    true = np.full(len(grid), np.nan)
    true[land] = _expected(grid, land, m)
    seen, rarefied = shown.band("hill0"), shown.band(f"rarefied_{m}")
    compared = np.isfinite(rarefied)
    here = true[made.tally.cells][compared]
    scale = shown.richness.panels[-1].drawn
    drawn = shown.drawing.drawn(true, scale.low, scale.high, f"map of the true species among {m}")
    words = (
        f"Of the species that live there. Spearman with it, over {int(compared.sum()):,} cells: seen "
        f"{rho(_rho(seen[compared], here))}, rarefied {rho(_rho(rarefied[compared], here))}."
    )
    return Panel(f"The truth: species expected among {m}", drawn, words)


def _rho(one: NDArray[Any], other: NDArray[Any]) -> float | None:
    import numpy as np
    from scipy.stats import spearmanr

    known = np.isfinite(other)
    if known.sum() < 3 or np.ptp(one[known]) == 0:
        return None
    return float(spearmanr(one[known], other[known]).statistic)


def _expected(grid: Grid, cells: NDArray[Any], m: int) -> NDArray[Any]:
    """Species expected among as many individuals drawn from all that live on a cell's land; NaN without land."""
    import numpy as np

    from prom3e_index.world import planet

    lat, lon = grid.sub_points(cells, _PLACES)
    there = np.isfinite(lat)
    fields = planet.fields(np.nan_to_num(lat).ravel(), np.nan_to_num(lon).ravel())
    there &= planet.is_land(fields).reshape(lat.shape)
    shares = planet.suitability(fields).reshape(*lat.shape, -1) * there[..., None]
    with np.errstate(invalid="ignore"):
        shares = shares.sum(1) / there.sum(1)[:, None]
    return np.asarray((1 - (1 - shares) ** m).sum(1))
