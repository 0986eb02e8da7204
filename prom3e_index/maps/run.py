"""A map: where what is asked for may live, as bands over the cells of a grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import InputError
from prom3e_index.grid.grid import Grid
from prom3e_index.grid.masks import PLANET, Mask, mask_of
from prom3e_index.grid.write import Band
from prom3e_index.maps.allowed import refuse_too_fine
from prom3e_index.maps.beside import Extrapolation, Held, extrapolation_of
from prom3e_index.maps.cell_answers import ExpectedError, expected_error
from prom3e_index.maps.cell_tiles import SAT, Tiles
from prom3e_index.maps.cells import CellGallery, Show, cache_folder
from prom3e_index.maps.places_of import open_place, places_of
from prom3e_index.maps.question import Question, question_of
from prom3e_index.maps.surface import hybrid_scores, paper_scores, percentile
from prom3e_index.media.climate import ClimateRaster

if TYPE_CHECKING:
    from prom3e_index.models.folder import Model
    from prom3e_index.search.query import Query
    from prom3e_index.search.run import Bundle

Floats = NDArray[np.float64]


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
        tiles: Folder of satellite tiles that give cells one; see `Tiles.read`.
        expected_error: Whether each cell asks the index for the error that is expected there; as their number allows
            when None.
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
    tiles: Path | None = None
    expected_error: bool | None = None
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
            allows, with the finest.
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
    if config.tiles is not None and SAT not in model.modalities:
        raise InputError(f"Model {model.name} knows no satellite tiles; leave out --tiles.")
    grid = _grid(config)
    question = question_of(
        bundle, model, query, taxon, lambda allowed: refuse_too_fine(grid, allowed, bundle)
    )
    own = PLANET if config.mask == "land" and of_planet(bundle) else config.mask
    mask = mask_of(grid, own, climate)
    folder = cache_folder(config.cache) if config.keep else None
    tiles = None if config.tiles is None else Tiles.read(config.tiles, grid)
    gallery = CellGallery(bundle, model, grid, mask.cells, config.samples, climate, folder, tiles)
    error, no_error = expected_error(
        bundle, model, gallery.modalities, question.visible, len(gallery), config.expected_error
    )
    beyond, scored = _scored(bundle, model, question, config, gallery, error, show)
    far = scored.far.values
    lat, lon, left_out = _records(bundle, question)
    records = _counted(grid, mask, (lat, lon))
    bands = _bands(grid, mask, question, config, scored, records)
    facts = {
        "cells": len(scored.scores),
        "encoded_places": gallery.encoded,
        "similarity": _spread(scored.scores),
        "extrapolated_share": _share(beyond.flagged(far), np.isfinite(far)),
        "extrapolated_is": beyond.rule,
        "extrapolation": beyond.facts | ({"share_below_0": _share(far < 0, np.isfinite(far))} if climate else {}),
        "expected_error": _errors(error, scored.error, no_error),
        "tiles": None if tiles is None else {
            "cells": scored.tiled, "tiles": scored.tiles, "unread": scored.unread,
            "outside": tiles.elsewhere(mask.cells), "of_no_known_place": tiles.nowhere,
            "links_or_no_files": tiles.refused,
        },
        "records_shown": int(records[1].sum()),
        "records_left_out_as_their_place_is_hidden_or_unknown": left_out,
    }  # fmt: skip
    return Mapped(config, grid, mask, question, gallery, scored.scores, bands, facts)


@dataclass(eq=False)
class _Scored:
    """What one pass over the cells finds."""

    scores: NDArray[np.float32]
    sigma: NDArray[np.float32]
    far: Held
    error: Held | None
    tiled: int = 0
    tiles: int = 0
    unread: int = 0


def _scored(
    bundle: Bundle, model: Model, question: Question, config: MapConfig, gallery: CellGallery,
    error: ExpectedError | None, show: Show | None,
) -> tuple[Extrapolation, _Scored]:  # fmt: skip
    """Score all cells, a part at a time and each once: of a large grid they are not kept."""
    parts = gallery.parts(show)
    first = next(parts)  # by now they are kept, where they are
    n, given = len(gallery), list(question.visible)
    beyond = extrapolation_of(bundle, gallery)
    found = _Scored(
        np.empty(n, np.float32),
        np.empty(n, np.float32),
        Held(beyond, gallery),
        None if error is None else Held(error, gallery),
    )
    vector, epsilon = question.vector[None], question.weights.epsilon
    for part in chain([first], parts):
        found.scores[part.at] = (
            paper_scores(part, model, question.x, given)
            if config.paper
            else hybrid_scores(part, vector, epsilon)[0]
        )
        found.sigma[part.at] = part.sigma
        found.far.fill(part)
        if found.error is not None:
            found.error.fill(part)
            if show is not None:
                show("expected error", part.at.stop, n)
        found.tiled += int((part.tiles > 0).sum())
        found.tiles += int(part.tiles.sum())
        found.unread += int(part.unread.sum())
    found.far.keep()
    if found.error is not None:
        found.error.keep()
    return beyond, found


def _share(which: NDArray[np.bool_], of: NDArray[np.bool_]) -> float:
    return float(which[of].mean()) if of.any() else float("nan")


def _errors(error: ExpectedError | None, held: Held | None, why: str) -> dict[str, Any]:
    if error is None or held is None:
        return {"reason": why}
    known = held.values[np.isfinite(held.values)]
    spread = _spread(known) if len(known) else {}
    return {"target": error.target, **spread, "cells_without": len(held.values) - len(known)}


def _counted(
    grid: Grid, mask: Mask, places: tuple[Floats, Floats]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cells inside the mask that hold records, and how many each."""
    cells = grid.cell_of(*places)
    cells = cells[cells >= 0]
    return np.unique(cells[mask.inside[cells]], return_counts=True)


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
    grid: Grid, mask: Mask, question: Question, config: MapConfig, found: _Scored,
    records: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> tuple[Band, ...]:  # fmt: skip
    """The bands, each spread over the grid when it is asked for."""

    def spread(values: NDArray[Any]) -> Callable[[], NDArray[np.float32]]:
        def made() -> NDArray[np.float32]:
            out = np.full(len(grid), np.nan, np.float32)
            out[mask.cells] = values
            return out

        return made

    def counts() -> NDArray[np.float32]:
        out = spread(np.zeros(1, np.float32))()
        out[records[0]] = records[1]
        return out

    whose = f"of {question.taxon}" if question.taxon else "of all taxa, as the effort that was made"
    climate = config.climate is not None
    bands = [
        Band("similarity", spread(found.scores), "", "Similarity of the query and the cell; no probability", -1, 1),
        Band("percentile", spread(percentile(found.scores)), "%", "Share of cells that are no more similar", 0, 100),
        Band("sigma_l1", spread(found.sigma), "", "L1 norm of the model's standard deviation for the cell"),
        Band("extrapolation", spread(found.far.values), "" if climate else "%", found.far.how, -100 if climate else 0,
             100, "RdBu" if climate else "magma_r"),
        Band("records", counts, "", f"Observations of the index {whose}"),
    ]  # fmt: skip
    if found.error is not None:
        bands.append(
            Band("expected_error", spread(found.error.values), "", found.error.how, 0, 1, "magma")
        )
    return tuple(bands)


def _records(bundle: Bundle, question: Question) -> tuple[Floats, Floats, int]:
    """Places of the observations that are shown, and how many are not since theirs is hidden or unknown."""
    from prom3e_index.bundle.filters import Filter

    if question.taxon is None:
        every, rows = bundle.rows, bundle.eligible(Filter(where=open_place(bundle)))
        rows = bundle.live if rows is None else rows
    else:
        found = bundle.eligible(Filter(taxon=question.taxon))
        every, rows = 0 if found is None else len(found), question.rows
    lat, lon = places_of(bundle, np.asarray(rows, np.int64))
    return lat, lon, int(every) - len(rows)
