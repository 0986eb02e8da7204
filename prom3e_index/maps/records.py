"""Where a taxon may live, from records alone: presence against background on what a location encoder says of places."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.manifest import NAME
from prom3e_index.errors import InputError, near_names
from prom3e_index.grid.grid import Grid
from prom3e_index.grid.masks import PLANET, Mask, climate_of_mask, mask_of
from prom3e_index.grid.region import box_around
from prom3e_index.maps.allowed import UNKNOWN as FINEST
from prom3e_index.maps.allowed import Allowed, finest, refuse_too_fine
from prom3e_index.maps.assess import block_of, distance_scores
from prom3e_index.maps.cell_places import embed_cells
from prom3e_index.maps.extrapolation import SHARE, Distance, Known
from prom3e_index.maps.occurrences import Occurrences, read_occurrences
from prom3e_index.maps.placed import place
from prom3e_index.maps.records_fit import THRESHOLDS, Fit, Sites, fit, threshold, validate
from prom3e_index.world.names import of_planet

Progress = Callable[[str, int, int | None], None]
Floats = NDArray[np.float64]
LEAST = 5
"""Cells with the taxon that a map is made of."""
LEAST_GROUP = 20
"""Cells with others of its class that make a background."""
MOST = 5_000
"""Cells of a background."""
_AROUND_DEG = 2
_PART = 20_000


@dataclass(frozen=True)
class RecordsConfig:
    """What is mapped of whose records.

    Attributes:
        source: A table or an index.
        taxon: A species or any taxon above.
        model: Whose location encoder sees the places; it needs no MVAE.
        region: See `Region.of`; a box around the taxon's records when None.
        cells, crs, like, samples, mask, climate: See `diversity`, of which they are the same.
        threshold: Also a band of presence: one of `THRESHOLDS`.
        seed: Of folds and backgrounds.
        hub: Local copy of hub repositories.
        device: Where the encoder runs.
        table: How a table is read: options of `read_occurrences`.
    """

    source: str
    taxon: str
    model: str = "geoclip"
    region: str | None = None
    cells: str = "25km"
    crs: str | None = None
    like: Path | None = None
    samples: int = 4
    mask: str = "land"
    climate: Path | None = None
    threshold: str | None = None
    seed: int = 0
    hub: Path | None = None
    device: str = "cpu"
    table: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class FromRecords:
    """A map from records.

    Attributes:
        grid, mask: Its cells.
        found: The records.
        cells: (c,) cells within the mask, of which the following are.
        scores: (c,) log odds against the target group, or against uniform land where there is none.
        uniform: (c,) log odds against uniform land.
        beyond: (c,) how far each lies from the records that were learnt from; see `extrapolation`.
        distance_km: (c,) to the nearest cell with the taxon.
        present: Cells with the taxon, and how many records each has.
        cut: The score of the threshold; None without one.
        facts: What `map.json` says.
    """

    grid: Grid
    mask: Mask
    found: Occurrences
    cells: NDArray[np.int64]
    scores: Floats
    uniform: Floats
    beyond: Floats
    distance_km: Floats
    present: dict[int, int]
    cut: float | None
    facts: dict[str, Any]


def map_of_records(config: RecordsConfig, progress: Progress = lambda s, d, t: None) -> FromRecords:
    """Fit a taxon's records and map them.

    The background is where others of its class were recorded and it was not, so that the map does not follow where
    people look; cells drawn from the mask stand beside. Cells, not records, are learnt from: many records of one place
    are one.

    Raises:
        InputError: Fewer than five cells have the taxon, no such taxon, a grid finer than may be, another option.
        TableError, BundleError, ModelError: What was named cannot be read.
    """
    from prom3e_index.models.folder import Model

    if config.threshold is not None and config.threshold not in THRESHOLDS:
        near = near_names(config.threshold, list(THRESHOLDS))
        raise InputError(
            f"--threshold is {config.threshold!r:.60}; known: {', '.join(THRESHOLDS)}{near}."
        )
    found = read_occurrences(config.source, progress=progress, **config.table)
    wanted = found.of_taxon(config.taxon)
    grid = _grid(config, found, wanted)
    _permit(config, grid, found, wanted)
    invented = bool(of_planet((n.split()[0], 1) for n in found.names))
    kind = PLANET if invented and config.mask == "land" else config.mask
    mask = mask_of(grid, kind, climate_of_mask(config.climate, config.mask))
    placed = place(found, grid, mask.inside)
    own = wanted[placed.row]
    class_, group = _group(found, placed.row, own)
    present, count = np.unique(placed.cell[own], return_counts=True)
    if len(present) < LEAST:
        why = "; ".join(f"{n:,}: {reason}" for reason, n in placed.left_out.items())
        raise InputError(
            f"{len(present)} cells of {grid.name} have records of {config.taxon} that count; {LEAST} are needed. "
            f"Of all rows were left out: {why or 'none'}. Take smaller cells or a larger region."
        )
    model = Model.open(config.model, hub=config.hub, device=config.device)
    encoder = model.encoder("loc")
    sites = _sites(config, grid, mask, present, np.unique(placed.cell[group]), encoder)
    progress("validation", 0, None)
    validation = validate(sites, config.seed)
    of_group = bool(sites.group.any())
    seen = sites.presence | sites.group
    far = Distance(Known.of(sites.latitude[seen], sites.longitude[seen]), grid)
    fits = {"uniform": _fitted(sites, sites.uniform, config.seed)}
    fits["target_group"] = _fitted(sites, sites.group, config.seed) if of_group else fits["uniform"]
    scores, uniform, beyond = _scored(config, grid, mask, fits, far, encoder, progress)
    lat, lon = grid.centres(mask.cells)
    known = sites.presence
    distance = -distance_scores(sites.latitude[known], sites.longitude[known], lat, lon)
    cut = None
    if config.threshold is not None:
        background = sites.group if of_group else sites.uniform
        learnt = fits["target_group"].scores(sites.x)
        cut = threshold(config.threshold, learnt[known], learnt[background])
    facts = {
        "taxon": config.taxon,
        "source": Path(config.source).name,
        "invented": invented,
        "model": model.name,
        "model_licence": model.licence,
        "encoder_fingerprint": encoder.fingerprint,
        "grid": grid.said(),
        "mask": mask.words,
        "sub_points": config.samples,
        "cells": len(mask.cells),
        "rows": found.rows,
        "left_out": placed.left_out,
        "records_of_taxon": int(own.sum()),
        "presence_cells": len(present),
        "target_group": class_ if of_group else None,
        "target_group_cells": int(sites.group.sum()),
        "uniform_cells": int(sites.uniform.sum()),
        "background": "target group" if of_group else "uniform",
        "penalty": {name: f.penalty for name, f in fits.items()},
        "threshold": None if cut is None else {"how": config.threshold, "log_odds": cut},
        "extrapolated_share": float(np.mean(beyond >= SHARE)),
        "extrapolated_is": far.rule,
        "validation": validation,
        "seed": config.seed,
    }  # fmt: skip
    return FromRecords(
        grid, mask, found, mask.cells, scores, uniform, beyond, distance,
        dict(zip(present.tolist(), count.tolist(), strict=True)), cut, facts,
    )  # fmt: skip


def _grid(config: RecordsConfig, found: Occurrences, wanted: NDArray[np.bool_]) -> Grid:
    if config.like is not None:
        return Grid.like(config.like)
    region = config.region
    if region is None:
        known = wanted & np.isfinite(found.latitude) & ~found.hidden
        if not known.any():
            raise InputError(
                f"No record of {config.taxon} in {found.source} has a place that is told."
            )
        region = box_around(found.latitude[known], found.longitude[known], _AROUND_DEG)
    return Grid.of(region, config.cells, config.crs)


def _permit(
    config: RecordsConfig, grid: Grid, found: Occurrences, wanted: NDArray[np.bool_]
) -> None:
    """Refuse a map that is too fine, by the index's policy of every species of the taxon; of a table 0.1 degree."""
    if not (Path(config.source) / NAME).is_file():
        why = "a table has no policy that would say that finer ones harm nothing"
        refuse_too_fine(grid, Allowed(FINEST, why))
        return
    from prom3e_index.bundle.opened import BundleFolder

    codes = np.unique(found.species[wanted])
    with BundleFolder.open(Path(config.source)) as bundle:
        names = [
            {**found.ranks[c], "species": found.names[c], "scientific_name": found.names[c], "text": found.names[c]}
            for c in codes[codes >= 0].tolist()
        ]  # fmt: skip
        named = [{"text": config.taxon, "scientific_name": config.taxon}, *names]
        refuse_too_fine(grid, finest(bundle, named, []), bundle)


def _group(
    found: Occurrences, rows: NDArray[np.int64], own: NDArray[np.bool_]
) -> tuple[str, NDArray[np.bool_]]:
    """What the target group is called, and (k,) the records of it that are not of the taxon."""
    of = [r["class"] for r in found.ranks]
    held = Counter(of[c] for c in found.species[rows[own]].tolist() if of[c] is not None)
    if not held:
        return "all other records", ~own
    class_ = held.most_common(1)[0][0]
    same = np.array([c == class_ for c in of] + [False])
    return f"other records of {class_}", same[found.species[rows]] & ~own


def _sites(
    config: RecordsConfig, grid: Grid, mask: Mask, present: NDArray[np.int64], group: NDArray[np.int64],
    encoder: Any,
) -> Sites:  # fmt: skip
    rng = np.random.default_rng(config.seed)
    group = np.setdiff1d(group, present)
    group = group if len(group) >= LEAST_GROUP else group[:0]
    others = np.setdiff1d(mask.cells, present)
    if len(others) < LEAST:
        raise InputError(
            f"Of {len(mask.cells):,} cells of {grid.name} all but {len(others)} have records of {config.taxon}: "
            "there is no background. Take smaller cells or a larger region."
        )
    group, uniform = (
        np.sort(rng.choice(c, min(MOST, len(c)), replace=False)) for c in (group, others)
    )
    cells = np.unique(np.concatenate([present, group, uniform]))
    lat, lon = grid.centres(cells)
    x = embed_cells(encoder, grid, cells, config.samples)
    here, of_group, drawn = (np.isin(cells, some) for some in (present, group, uniform))
    return Sites(x, lat, lon, here, of_group, drawn, block_of(lat, lon))


def _fitted(sites: Sites, background: NDArray[np.bool_], seed: int) -> Fit:
    some = sites.presence | background
    return fit(sites.x[some], sites.presence[some], sites.block[some], seed)


def _scored(
    config: RecordsConfig, grid: Grid, mask: Mask, fits: Mapping[str, Fit], far: Distance, encoder: Any,
    progress: Progress,
) -> tuple[Floats, Floats, Floats]:  # fmt: skip
    parts: list[tuple[Floats, Floats, Floats]] = []
    for at in range(0, len(mask.cells), _PART):
        x = embed_cells(encoder, grid, mask.cells[at : at + _PART], config.samples)
        beyond = far.percentile(mask.cells[at : at + _PART])
        parts.append((fits["target_group"].scores(x), fits["uniform"].scores(x), beyond))
        progress("cells", min(len(mask.cells), at + _PART), len(mask.cells))
    scores, uniform, beyond = (np.concatenate(p) for p in zip(*parts, strict=True))
    return scores, uniform, beyond
