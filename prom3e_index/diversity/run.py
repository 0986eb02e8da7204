"""One diversity map: records into cells, bands, what goes with what, and its files."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index import __version__
from prom3e_index.diversity.bands import (
    Measured,
    measure,
    printed_bands,
    smooth_bands,
)
from prom3e_index.diversity.counting import UNITS, Tally, tally
from prom3e_index.diversity.relations import effort, relate
from prom3e_index.errors import InputError, near_names
from prom3e_index.grid.grid import Grid
from prom3e_index.grid.masks import PLANET, Mask, climate_of_mask, mask_of
from prom3e_index.grid.region import box_around
from prom3e_index.maps.occurrences import Occurrences, read_occurrences
from prom3e_index.maps.placed import Placed, place
from prom3e_index.world.names import of_planet

Progress = Callable[[str, int, int | None], None]
PAPER_CELLS = "250x500"
PAPER_REGION = "conus"
ASSIGNED = ("point", "random")
SMOOTH = 2.0
"""Cells of the Gaussian, as the paper has it."""


@dataclass(frozen=True)
class DiversityConfig:
    """What is counted, into which cells, and how it is compared.

    Attributes:
        source: A table or an index.
        out: Folder that is made.
        region: See `Region.of`; a box around the records when None.
        cells: See `Grid.of`; 25 km when None.
        crs: Of these.
        like: A raster whose cells are taken instead.
        mask: See `mask_of`.
        climate: Raster for the mask `climate`.
        unit: One of `UNITS`; the first when None.
        rarefy: Individuals that richness is rarefied to; 30 when None.
        smooth: Cells of the Gaussian; `SMOOTH` when None, and none for hexagons; 0 smooths nothing.
        chao1: Also Chao's lower bound.
        paper: The paper's recipe instead: 250 x 500 cells, every record, its own filter.
        model: Model of the bands of uncertainty: an index's own when None, `none` for none.
        hub: Local copy of hub repositories.
        device: Where the model runs.
        samples: Places in each cell that the model is asked about.
        assign: One of `ASSIGNED`: each record in the cell of its point, or of a place drawn within its uncertainty.
        seed: Of draws, resamples and shifts.
        overwrite: Replace a map that stands at `out`.
        table: How a table is read: options of `read_occurrences`.
    """

    source: str
    out: Path
    region: str | None = None
    cells: str | None = None
    crs: str | None = None
    like: Path | None = None
    mask: str = "land"
    climate: Path | None = None
    unit: str | None = None
    rarefy: int | None = None
    smooth: float | None = None
    chao1: bool = False
    paper: bool = False
    model: str | None = None
    hub: Path | None = None
    device: str = "cpu"
    samples: int = 4
    assign: str = "point"
    seed: int = 0
    overwrite: bool = False
    table: Mapping[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Refuse what cannot be, before anything is read.

        Raises:
            InputError: Says which option, and what it may be.
        """
        if self.unit is not None and self.unit not in UNITS:
            near = near_names(self.unit, list(UNITS))
            raise InputError(f"--unit is {self.unit!r:.60}; known: {', '.join(UNITS)}{near}.")
        if self.assign not in ASSIGNED:
            near = near_names(self.assign, list(ASSIGNED))
            raise InputError(
                f"--assign is {self.assign!r:.60}; known: {', '.join(ASSIGNED)}{near}."
            )
        if self.rarefy is not None and self.rarefy < 1:
            raise InputError(f"--rarefy is {self.rarefy}; it takes one record at least.")
        if self.smooth is not None and not 0 <= self.smooth < math.inf:
            raise InputError(f"--smooth is {self.smooth:g}; it takes cells, 0 for none.")
        if self.paper:
            given = {
                "--grid": self.cells, "--crs": self.crs, "--like": self.like, "--unit": self.unit,
                "--rarefy": self.rarefy, "--smooth": self.smooth, "--chao1": self.chao1 or None,
                "--assign": self.assign if self.assign != "point" else None,
            }  # fmt: skip
            own = [name for name, value in given.items() if value is not None]
            if own:
                raise InputError(f"--paper fixes {own[0]}; leave one of them out.")
        if self.like is not None:
            given = {"--grid": self.cells, "--crs": self.crs, "--region": self.region}
            own = [name for name, value in given.items() if value is not None]
            if own:
                raise InputError(f"--like takes a raster's region and cells; leave {own[0]} out.")


@dataclass(frozen=True, eq=False)
class Diversity:
    """What was measured.

    Attributes:
        grid, mask: The cells.
        found, placed, tally: The records, those that count, and their counts.
        bands: Of diversity, the first of which is the default map.
        model: Bands of the model, (n,) each, with their words.
        told: What `diversity.json` says.
    """

    grid: Grid
    mask: Mask
    found: Occurrences
    placed: Placed
    tally: Tally
    bands: list[Measured]
    model: list[Measured]
    told: dict[str, Any]


def diversity(config: DiversityConfig, progress: Progress = lambda s, d, t: None) -> dict[str, Any]:
    """Make a diversity map.

    Returns:
        What `diversity.json` in its folder says.

    Raises:
        InputError: An option, region, mask or cell that cannot be; no record that counts; something at `out`.
        TableError, BundleError, ModelError: What was named cannot be read.
    """
    from prom3e_index.diversity.files import write_files
    from prom3e_index.grid.write import whole_folder

    config.check()
    with whole_folder(config.out, config.overwrite) as folder:
        made = measured(config, progress)
        progress("files", 0, None)
        write_files(folder, made)
    return made.told


def measured(
    config: DiversityConfig,
    progress: Progress = lambda s, d, t: None,
    found: Occurrences | None = None,
) -> Diversity:
    """Everything but the files; see `diversity`. Records that were read of its source are not read again."""
    from prom3e_index.diversity.model_bands import model_bands

    config.check()
    of_records = config.like is None and config.region is None and not config.paper
    grid = None if of_records else _grid(config)
    if found is None:
        found = read_occurrences(config.source, progress=progress, **config.table)
    if grid is None:
        grid = _grid(config, box_of(found))
    invented = is_invented(found)
    kind = PLANET if invented and config.mask == "land" else config.mask
    mask = mask_of(grid, kind, climate_of_mask(config.climate, config.mask))
    drawn = config.seed if config.assign == "random" else None
    placed = place(found, grid, mask.inside, coarse_too=config.paper, drawn=drawn)
    progress("cells", 0, None)
    counted = tally(found, placed, "record" if config.paper else config.unit or UNITS[0])
    sigma = _sigma(config, grid)
    compared: dict[str, Any] = {}
    if config.paper:
        bands = printed_bands(counted, grid, mask.inside)
    else:
        bands, compared = measure(counted, config.rarefy or 30, config.chao1)
        if sigma is not None:
            bands = smooth_bands(bands, counted, grid, mask.inside, sigma)
    own, why = model_bands(config, grid, mask.inside, counted.cells, progress)
    progress("correlations", 0, None)
    values = {b.name: b.dense() for b in own if b.dense is not None and b.name in ("sigma_l1", "entropy")}  # fmt: skip
    told = {
        "program": f"prom3e-index {__version__}",
        "source": Path(config.source).name,
        "invented": invented,
        "recipe": "paper" if config.paper else "effort-aware",
        "unit": "record" if config.paper else config.unit or UNITS[0],
        "assigned": config.assign,
        "grid": grid.said(),
        "mask": {"words": mask.words, "cells": int(mask.inside.sum())},
        "rows": found.rows,
        "records": len(placed.row),
        "left_out": placed.left_out,
        "individuals": int(counted.counts.n.sum()),
        "counted_alone": counted.alone,
        "observed_by": found.observed_by,
        "species": len(np.unique(counted.species)),
        "cells_with_records": len(counted.cells),
        "days": _days(found, placed),
        "licences": {str(k): v for k, v in found.licences.items()},
        "read": found.said,
        "compared": compared,
        "smoothed_by_cells": 2.0 if config.paper else sigma,
        "effort": effort(bands, counted),
        "model": {"bands": [b.name for b in own], "reason": why},
        "correlations": relate(values, bands, counted, grid, mask.inside, sigma, config.seed),
        "seed": config.seed,
    }
    return Diversity(grid, mask, found, placed, counted, bands, own, told)


def _grid(config: DiversityConfig, box: str | None = None) -> Grid:
    if config.like is not None:
        return Grid.like(config.like)
    if config.paper:
        return Grid.of(PAPER_REGION if config.region is None else config.region, PAPER_CELLS)
    cells = "25km" if config.cells is None else config.cells
    return Grid.of(box or "world" if config.region is None else config.region, cells, config.crs)


def is_invented(found: Occurrences) -> bool:
    """Whether records are of the invented planet, by their names."""
    return bool(of_planet((n.split()[0], 1) for n in found.names))


def box_of(found: Occurrences, step_deg: float = 1) -> str:
    """A box of whole degrees, or other steps, around the records whose places are told.

    Raises:
        InputError: None is told.
    """
    known = np.isfinite(found.latitude) & ~found.hidden
    if not known.any():
        why = "; ".join(f"{n:,}: {reason}" for reason, n in found.left_out.items())
        raise InputError(
            f"No record of {found.source} has a place that is told{f' ({why})' if why else ''}."
        )
    return box_around(found.latitude[known], found.longitude[known], step=step_deg)


def _sigma(config: DiversityConfig, grid: Grid) -> float | None:
    if config.paper:
        return SMOOTH
    if config.smooth is not None:
        return config.smooth or None
    return SMOOTH if grid.hexagons is None else None


def _days(found: Occurrences, placed: Placed) -> list[str] | None:
    """The first and last day of the records that count."""
    day = found.day[placed.row]
    until = found.until[placed.row]
    known: NDArray[np.bool_] = day >= 0
    if not known.any():
        return None
    ends = np.array([day[known].min(), until[known].max()]).astype("datetime64[D]")
    return [str(d) for d in ends]
