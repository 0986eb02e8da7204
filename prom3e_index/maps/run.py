"""A map: where what is asked for may live, as bands over the cells of a grid."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import InputError
from prom3e_index.grid.grid import Grid
from prom3e_index.grid.masks import PLANET, Mask, mask_of
from prom3e_index.grid.write import Band
from prom3e_index.maps.allowed import refuse_too_fine
from prom3e_index.maps.cells import PLACE, CellGallery, Show, cache_folder
from prom3e_index.maps.question import OPEN_PLACE, Question, question_of
from prom3e_index.maps.surface import Nearness, hybrid_scores, mess, paper_scores, percentile
from prom3e_index.media.climate import ClimateRaster

if TYPE_CHECKING:
    from prom3e_index.search.query import Query
    from prom3e_index.search.run import Bundle

Floats = NDArray[np.float64]
MOST_CELLS = 4_000_000
"""Cells of a map inside its mask: as many are scored in a quarter of an hour."""
_MOST_KNOWN = 4000
"""Observations that cells are compared with for extrapolation; of more a fixed part is drawn."""
FAR = 95.0
"""Percentile of nearness above which a cell counts as extrapolated."""


@dataclass(frozen=True)
class MapConfig:
    """What is mapped where.

    Attributes:
        region: See `Region.of`.
        cells: See `Grid.of`.
        crs: For kilometres.
        like: A raster whose grid is taken, in place of `region`, `cells` and `crs`.
        samples: Sub-points of a cell; their embeddings are averaged, since the encoder changes within a cell.
        mask: See `mask_of`.
        climate: Raster that gives cells a climate, as well as a place.
        paper: Cosine of the query's own embedding with each cell's reconstruction of it.
        cache: Folder where cells are kept; the user's cache when None.
        keep: Whether they are kept at all.
    """

    region: str = "world"
    cells: str = "25km"
    crs: str | None = None
    like: Path | None = None
    samples: int = 4
    mask: str = "land"
    climate: Path | None = None
    paper: bool = False
    cache: Path | None = None
    keep: bool = True


@dataclass(frozen=True, eq=False)
class Mapped:
    """A map.

    Attributes:
        config: What was asked.
        grid: Its cells.
        mask: Those that are mapped.
        question: What it shows.
        gallery: The cells as the model sees them.
        scores: (c,) of the cells inside the mask, ascending by number.
        bands: Over all cells, NaN outside the mask.
        facts: What was found, as plain values.
    """

    config: MapConfig
    grid: Grid
    mask: Mask
    question: Question
    gallery: CellGallery
    scores: NDArray[np.float32]
    bands: tuple[Band, ...]
    facts: dict[str, Any] = field(repr=False)

    def band(self, name: str) -> Band:
        """A band by its name."""
        return next(b for b in self.bands if b.name == name)


def make_map(
    bundle: Bundle,
    query: Query,
    config: MapConfig,
    taxon: str | None = None,
    show: Show | None = None,
) -> Mapped:
    """Map where what a query asks for may live.

    Args:
        bundle: Gives the model, the names that are known, the observations and the policy.
        query: As for a search; its target is the place. In the space of the model's maps where it leaves it open.
        config: Region, cells, mask.
        taxon: Map the mean of this taxon's observations in place of a query.
        show: Told of progress.

    Raises:
        InputError: Nothing or too much is asked; a region, grid or mask that is none; cells finer than the policy
            allows, with the finest; too many cells.
        MismatchError, ModelError: The model is not the index's.
    """
    if config.paper and taxon is not None:
        raise InputError(
            "--paper compares a query's own embedding; --taxon has none. Leave one out."
        )
    model = bundle.model(query.model, query.hub, query.device)
    climate = None
    if config.climate is not None:
        if "env" not in model.modalities:
            raise InputError(f"Model {model.name} knows no climate; leave out --climate.")
        climate = ClimateRaster.open(
            config.climate, int(getattr(model.encoder("env"), "inputs", 20))
        )
    grid = _grid(config)
    question = question_of(bundle, model, query, taxon)
    refuse_too_fine(grid, question.allowed)
    own = PLANET if config.mask == "land" and of_planet(bundle) else config.mask
    mask = mask_of(grid, own, climate)
    if len(mask.cells) > MOST_CELLS:
        raise InputError(
            f"{len(mask.cells):,} cells of {grid.name} lie within the mask; at most {MOST_CELLS:,} are mapped at once. "
            "Take larger cells or a smaller region."
        )
    folder = cache_folder(config.cache) if config.keep else None
    gallery = CellGallery(bundle, model, grid, mask.cells, config.samples, climate, folder)
    if config.paper:
        scores, sigma = paper_scores(gallery, model, question.x, list(question.visible), show)
    else:
        scores, sigma = hybrid_scores(gallery, question.vector, question.weights.epsilon, show)
    far, how = _extrapolation(bundle, gallery, folder)
    lat, lon, left_out = _records(bundle, question)
    bands = _bands(grid, mask, question, config, scores, sigma, far, how, (lat, lon))
    facts = {
        "cells": len(scores),
        "encoded_places": gallery.encoded,
        "similarity": _spread(scores),
        "extrapolated_share": float(np.mean(far < 0 if climate is not None else far > FAR)),
        "records_shown": int(np.nansum(bands[-1].cells())),
        "records_left_out_as_their_place_is_hidden_or_unknown": left_out,
    }
    return Mapped(config, grid, mask, question, gallery, scores, bands, facts)


def of_planet(bundle: Bundle) -> bool:
    """Whether an index is of the invented planet, whose coast is not the Earth's."""
    return bool(bundle.manifest.get("planet"))


def _grid(config: MapConfig) -> Grid:
    if config.like is None:
        return Grid.of(config.region, config.cells, config.crs)
    return Grid.like(config.like)


def _spread(values: NDArray[Any]) -> dict[str, float]:
    low, middle, high = np.quantile(np.asarray(values, np.float64), (0, 0.5, 1))
    return {"lowest": float(low), "median": float(middle), "highest": float(high)}


def _bands(
    grid: Grid,
    mask: Mask,
    question: Question,
    config: MapConfig,
    scores: NDArray[np.float32],
    sigma: NDArray[np.float32],
    far: Floats,
    how: str,
    places: tuple[Floats, Floats],
) -> tuple[Band, ...]:
    def spread(values: NDArray[Any]) -> Floats:
        out = np.full(len(grid), np.nan)
        out[mask.cells] = values
        return out

    cells = grid.cell_of(*places)
    counts = np.bincount(cells[cells >= 0], minlength=len(grid))
    whose = f"of {question.taxon}" if question.taxon else "of all taxa, as the effort that was made"
    climate = config.climate is not None
    return (
        Band("similarity", spread(scores), "", "Similarity of the query and the cell; no probability", -1, 1),
        Band("percentile", spread(percentile(scores)), "%", "Share of the cells that are no more similar", 0, 100),
        Band("sigma_l1", spread(sigma), "", "L1 norm of the model's standard deviation for the cell"),
        Band("extrapolation", spread(far), "" if climate else "%", how, -100 if climate else 0, 100,
             "RdBu" if climate else "magma_r"),
        Band("records", spread(counts[mask.cells]), "", f"Observations of the index {whose}"),
    )  # fmt: skip


def _records(bundle: Bundle, question: Question) -> tuple[Floats, Floats, int]:
    """Places of the observations that are shown, and how many are not since theirs is hidden or unknown."""
    from prom3e_index.bundle.filters import Filter

    own = " AND place_level IS NULL" if "place_level" in bundle.columns else ""
    shown = f"{OPEN_PLACE}{own}"
    if question.taxon is None:
        every, rows = bundle.rows, bundle.eligible(Filter(where=shown))
        rows = bundle.live if rows is None else rows
    else:
        found = bundle.eligible(Filter(taxon=question.taxon))
        every, rows = 0 if found is None else len(found), question.rows
    lat, lon = places_of(bundle, np.asarray(rows, np.int64))
    return lat, lon, int(every) - len(rows)


def places_of(bundle: Bundle, rows: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Latitudes and longitudes of rows, in their order; NaN where the index has none."""
    import pyarrow as pa

    with bundle.metadata.cursor() as con:
        con.register("wanted", pa.table({"row": rows, "at": np.arange(len(rows))}))
        found = con.execute(
            "SELECT w.at, o.latitude, o.longitude FROM wanted w JOIN observations o USING (row) ORDER BY w.at"
        ).fetchnumpy()
    out = np.full((2, len(rows)), np.nan)
    at = np.asarray(found["at"])
    for i, name in enumerate(("latitude", "longitude")):
        out[i, at] = np.ma.filled(np.ma.asarray(found[name], np.float64), np.nan)
    return out[0], out[1]


def _known_rows(bundle: Bundle) -> NDArray[np.int64]:
    """Observations whose places are told, a fixed part where there are many."""
    from prom3e_index.bundle.filters import Filter

    own = " AND place_level IS NULL" if "place_level" in bundle.columns else ""
    rows = bundle.eligible(Filter(where=f"{OPEN_PLACE}{own}", observed=PLACE))
    rows = bundle.live if rows is None else np.asarray(rows, np.int64)
    if len(rows) > _MOST_KNOWN:
        rows = np.sort(np.random.default_rng(0).choice(rows, _MOST_KNOWN, replace=False))
    return rows


def _extrapolation(bundle: Bundle, cells: CellGallery, folder: Path | None) -> tuple[Floats, str]:
    """How far each cell lies from the index's observations, and in which way that was measured."""
    rows = _known_rows(bundle)
    if len(rows) < 3:
        return np.full(len(cells), np.nan), "Not known: fewer than 3 observations have a place"
    by_climate = cells.climate is not None
    how = (
        "MESS over the climate of the index's observations (Elith 2010): below 0 a variable lies beyond all of theirs"
        if by_climate
        else f"Percentile of the distance to the tenth nearest observation's place as the model sees it; above {FAR:g} "
        "is farther than 95 % of the observations lie from each other"
    )
    made = [bundle.manifest["generation"], bundle.manifest.get("created"), len(rows), by_climate]
    told = hashlib.sha256(
        repr(made).encode() + rows.tobytes() + str(bundle.path.absolute()).encode()
    )
    kept = None if folder is None else folder / cells.key / f"far-{told.hexdigest()[:16]}.npy"
    if kept is not None and kept.is_file():
        found = np.load(kept, allow_pickle=False)
        if found.shape == (len(cells),) and found.dtype == np.float32:
            return found.astype(np.float64), how
    far = _climate_far(bundle, cells, rows) if by_climate else _place_far(bundle, cells, rows)
    if kept is not None and kept.parent.is_dir():
        beside = kept.with_suffix(".part.npy")
        np.save(beside, far.astype(np.float32))
        beside.replace(kept)
    return far.astype(np.float32).astype(np.float64), how


def _place_far(bundle: Bundle, cells: CellGallery, rows: NDArray[np.int64]) -> Floats:
    near = Nearness(np.asarray(bundle.embeddings(PLACE)[rows], np.float32))
    out = np.empty(len(cells))
    for part in cells.parts():
        out[part.at] = near.percentile(np.asarray(part.loc, np.float32))
    return out


def _climate_far(bundle: Bundle, cells: CellGallery, rows: NDArray[np.int64]) -> Floats:
    assert cells.climate is not None  # by climate
    values, there = cells.climate.lookup(*places_of(bundle, rows))
    if there.sum() < 3:
        raise InputError(
            f"{cells.climate.path.name} knows the climate of {int(there.sum())} of the index's observations; it does "
            "not cover them, so no extrapolation can be told. Give a raster that does, or leave out --climate."
        )
    out = np.full(len(cells), np.nan)
    reference = values[there].astype(np.float64)
    for at in range(0, len(cells), 65_536):
        part = slice(at, at + 65_536)
        own, known = cells.climate.lookup(*cells.grid.centres(cells.cells[part]))
        out[part][known] = np.clip(mess(reference, own[known].astype(np.float64)), -1e6, 100)
    return out
