"""What the demo's page shows beside the truth: ranges that photos are mapped to, and diversity."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from prom3e_index.grid.grid import Grid
    from prom3e_index.search.run import Bundle
    from prom3e_index.show.truth_section import Range

PHOTOS = 12
"""Species that a photo is mapped of: about a second each."""
RANGE_CELLS = "3deg"
CELLS = "1000km"
RAREFIED_TO = 5
_PLACES = 64
"""Places of a cell that its true species are worked out of."""
PRESENT = 0.1
"""A species lives where its suitability is above this share of its highest."""


def map_sections(bundle: Bundle, show: Callable[..., None]) -> list[str]:
    """The sections, or a sentence of why there is none of them."""
    from prom3e_index.errors import InputError
    from prom3e_index.show.escapes import html
    from prom3e_index.show.truth_section import ranges_section, richness_section

    out = []
    show("ranges", 0)
    ranges = _ranges(bundle, show)
    if ranges:
        command = f"prom3e-index map -i {_path(bundle.path)} --photo {_path(ranges[0].photo)} --grid {RANGE_CELLS}"
        cells = f"{RANGE_CELLS.removesuffix('deg')}°, {int(ranges[0].mapped.inside.sum()):,} cells"
        out.append(ranges_section(ranges, cells, command))
    show("diversity", 0)
    try:
        out.append(richness_section(_richness(bundle)))
    except InputError as e:  # of a small world
        head = "<h2 id='diversity'>How diverse places are</h2>"
        out.append(f"{head}<section><p>{html(str(e))}</p></section>")
    return out


def _path(path: Any) -> str:
    """A file as a reader of the page may type it."""
    try:
        return shlex.quote(str(Path(path).absolute().relative_to(Path.cwd())))
    except ValueError:
        return shlex.quote(str(path))


def _ranges(bundle: Bundle, show: Callable[..., None]) -> list[Range]:
    """Maps of the first photos of some species, beside their ranges."""
    import numpy as np

    from prom3e_index.maps.assess import auc, average_precision, distance_scores
    from prom3e_index.maps.places_of import places_of
    from prom3e_index.maps.question import taxon_rows
    from prom3e_index.maps.run import MapConfig, make_map
    from prom3e_index.maps.spaces import maps_space
    from prom3e_index.search.query import Query
    from prom3e_index.show.cell_map import CellMap
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

    def drawn(values: NDArray[Any], high: float, label: str) -> CellMap:
        whole = np.full(len(grid), np.nan)
        whole[mask.cells] = values
        return CellMap(grid.raster(whole), grid.raster(mask.inside), 0, high, label, "YlGnBu")

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
        of_photo = replace(drawn(rank, 100, f"map of a photo of {name}"), outline=line)
        of_truth = replace(
            drawn(suits / suits.max(), 1, f"true range of {name}"), outline=line, dots=_dots(grid, *places)
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


def _dots(grid: Grid, lat: NDArray[Any], lon: NDArray[Any]) -> NDArray[Any]:
    """Column and row of places, in cells."""
    import numpy as np

    a, _, c, _, e, f = grid.affine
    x, y = grid.projection.points(lat, lon, grid.projection.longitude_of(c))
    return np.stack([(x - c) / a, (y - f) / e], 1)


def _richness(bundle: Bundle) -> Any:
    """Diversity as it was recorded beside what lives there.

    Raises:
        InputError: No cell has enough records.
    """
    import numpy as np

    from prom3e_index.diversity.bands import spread
    from prom3e_index.diversity.run import DiversityConfig, measured
    from prom3e_index.show.cell_map import CellMap
    from prom3e_index.show.truth_section import Richness

    made = measured(
        DiversityConfig(
            str(bundle.path), Path("diversity"), "world", CELLS, rarefy=RAREFIED_TO, model="none"
        )
    )
    grid, told, cells = made.grid, made.told, made.tally.cells
    bands = {b.name: b.values for b in made.bands if b.values is not None}
    rarefied, seen = bands[f"rarefied_{RAREFIED_TO}"], bands["hill0"]
    land = np.flatnonzero(made.mask.inside)
    true = np.full(len(grid), np.nan)
    true[land] = _expected(grid, land)
    compared = np.isfinite(rarefied)
    here = true[cells][compared]
    a, _, _, _, e, _ = grid.affine

    def drawn(values: Any, high: float, label: str, colours: str = "viridis") -> CellMap:
        shape = grid.raster(values), grid.raster(made.mask.inside)
        return CellMap(*shape, 0, high, label, colours, stretch=-e / a)

    def whole(values: NDArray[Any]) -> NDArray[Any]:
        return spread(values, cells, len(grid))

    n = made.tally.counts.n
    command = (
        f"prom3e-index diversity {_path(bundle.path)} --region world --grid {CELLS} --rarefy {RAREFIED_TO}"
    )  # fmt: skip
    return Richness(
        RAREFIED_TO, len(cells), int(compared.sum()), told["records"], told["species"],
        drawn(whole(n.astype(float)), float(n.max()), "individuals counted", "cividis"),
        drawn(whole(seen), float(seen.max()), "species seen"),
        drawn(whole(rarefied), RAREFIED_TO, f"species among {RAREFIED_TO} records"),
        drawn(true, RAREFIED_TO, "true species"),
        (told["effort"]["hill0"]["spearman"], told["effort"][f"rarefied_{RAREFIED_TO}"]["spearman"]),
        (_rho(seen[compared], here), _rho(rarefied[compared], here)), grid.name, told["left_out"], command,
    )  # fmt: skip


def _rho(one: NDArray[Any], other: NDArray[Any]) -> float | None:
    import numpy as np
    from scipy.stats import spearmanr

    known = np.isfinite(other)
    if known.sum() < 3 or np.ptp(one[known]) == 0:
        return None
    return float(spearmanr(one[known], other[known]).statistic)


def _expected(grid: Grid, cells: NDArray[Any]) -> NDArray[Any]:
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
    return np.asarray((1 - (1 - shares) ** RAREFIED_TO).sum(1))
