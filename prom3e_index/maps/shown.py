"""Maps for a page about an index: of the species that it knows best, and of questions that a page asks."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import InputError
from prom3e_index.grid.grid import Grid
from prom3e_index.grid.masks import PLANET, mask_of
from prom3e_index.grid.region import Region, box_around
from prom3e_index.maps.allowed import refuse_too_fine
from prom3e_index.maps.extrapolation import SHARE
from prom3e_index.maps.files import licences_of
from prom3e_index.maps.occurrences import Occurrences
from prom3e_index.maps.places_of import places_of
from prom3e_index.maps.question import question_of, taxon_rows
from prom3e_index.maps.run import MapConfig, Mapped, make_map, of_planet
from prom3e_index.maps.spaces import USUAL, maps_space
from prom3e_index.maps.validate import OWN, validated
from prom3e_index.search.meaning import MEANINGLESS, means_nothing
from prom3e_index.search.query import Query
from prom3e_index.show.grid_map import GridMap
from prom3e_index.show.ranges_section import Judged, Range, Ranges

if TYPE_CHECKING:
    from prom3e_index.models.folder import Model
    from prom3e_index.search.run import Bundle

Show = Callable[..., None]
SIZES_DEG = (0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0)
MOST_CELLS = 5_000
"""Of a map: each is encoded at four places, some 7 seconds in all."""
_MOST_TRIED = 20_000
_AROUND = 0.1
"""Share of the region's width that lies around the observations."""
NAMED = 4
"""Species that are mapped by name."""
LEAST_PLACES = 3
"""Cells in which a species was recorded, below which it is not mapped by name."""
MOST_JUDGED = 100_000
"""Rows of an index, above which maps of a page are not judged."""


@dataclass(frozen=True, eq=False)
class Asked:
    """A question of a page.

    Attributes:
        query: What is asked with.
        how: `photo` or `sound`.
        name: Of the species that is asked for, where the index tells it.
        words: What is asked with.
        options: Of a command that asks so; empty where a reader could not.
        picture: As a `data:` address; `rights`, whose it is.
    """

    query: Query
    how: str
    name: str | None
    words: str
    options: str = ""
    picture: str | None = None
    rights: str = ""


@dataclass(frozen=True, eq=False)
class Frame:
    """Where a page's maps lie: region and cells, as `map` takes them."""

    region: str
    cells: str
    grid: Grid

    @property
    def words(self) -> str:
        """The cells."""
        return f"{self.cells.removesuffix('deg')}°"


def frame_of(bundle: Bundle, found: Occurrences, finest: float = 0.0) -> Frame:
    """The finest cells over a box around the index's observations of which there are not too many.

    Args:
        bundle: The index.
        found: Its records.
        finest: Degrees that cells have at least.

    Raises:
        InputError: No observation has a place that is told, or no cell lies on land.
    """
    known = np.isfinite(found.latitude) & ~found.hidden
    if not known.any():
        raise InputError("No observation has a place that is told.")
    lat, lon = found.latitude[known], found.longitude[known]
    west, south, east, north = Region.of(box_around(lat, lon)).bounds
    wide = max(east - west, north - south)
    step = 1 if wide > 4 else 0.1
    region = box_around(lat, lon, max(step, _AROUND * wide), step)
    kind, why = PLANET if of_planet(bundle) else "land", None
    for size in SIZES_DEG:
        if size < finest - 1e-9:
            continue
        grid = Grid.of(region, f"{size:g}deg")
        if len(grid) > _MOST_TRIED:
            continue
        try:
            inside = int(mask_of(grid, kind).inside.sum())
        except InputError as e:
            why = e
            continue
        if inside <= MOST_CELLS:
            return Frame(region, f"{size:g}deg", grid)
    raise why or InputError(f"No cells of {SIZES_DEG[-1]:g} degrees or less fit {region}.")


def best_known(found: Occurrences, grid: Grid, most: int = NAMED) -> list[tuple[str, int]]:
    """Species with the most cells in which they were recorded, and how many each; the first by name of equal ones.

    Records count whose places are told.
    """
    known = np.flatnonzero(np.isfinite(found.latitude) & ~found.hidden & (found.species >= 0))
    cell = grid.cell_of(found.latitude[known], found.longitude[known])
    pairs = np.unique(np.stack([found.species[known][cell >= 0], cell[cell >= 0]], 1), axis=0)
    codes, count = np.unique(pairs[:, 0], return_counts=True)
    ranked = sorted(
        (-n, found.names[c]) for n, c in zip(count.tolist(), codes.tolist(), strict=True)
    )
    return [(name, -n) for n, name in ranked[:most] if -n >= LEAST_PLACES]


def range_maps(
    bundle: Bundle,
    found: Occurrences,
    asked: Sequence[Asked],
    like: Query,
    index: str,
    show: Show = lambda *a: None,
) -> Ranges:
    """Maps of the species that an index knows best, and of some questions.

    Args:
        bundle: The index.
        found: Its records.
        asked: Questions of the page; those that name no species are not judged.
        like: Model, hub and device of all.
        index: Its path in a command, quoted.
        show: Told of progress.

    Raises:
        MismatchError, ModelError, NotCachedError: The model is not there, or not the index's.
    """
    if means_nothing(bundle):
        return Ranges(
            why=f"No map is made: {MEANINGLESS}. A map from records alone needs no model of the index:",
            remedy=f"prom3e-index map --records {index} --taxon {shlex.quote(_first(bundle, found))}",
        )
    model = bundle.model(like.model, like.hub, like.device)
    if "loc" not in model.modalities:
        return Ranges(why=f"No map is made: the model {model.name} does not know places.")
    try:
        frame = frame_of(bundle, found)
    except InputError as e:
        return Ranges(why=f"No map is made: {e}")
    named = best_known(found, frame.grid)
    if not named and not asked:
        return Ranges(
            why=f"No map is made: no species was recorded in {LEAST_PLACES} cells of {frame.words}, with a place "
            "that is told."
        )  # fmt: skip
    with TemporaryDirectory() as cache:
        mapper = _Mapper(bundle, model, found, like, index, frame, Path(cache))
        out = []
        for i, (name, cells) in enumerate(named):
            out.append(mapper.by_name(name, cells))
            show("ranges", i + 1, len(named) + len(asked))
        for i, one in enumerate(asked):
            out.append(mapper.by_question(one))
            show("ranges", len(named) + i + 1, len(named) + len(asked))
    rule = (
        f"By name: the {len(named)} species that were recorded in the most cells of {frame.words}, each the mean of "
        "its observations. "
        if named
        else f"No species was recorded in {LEAST_PLACES} cells of {frame.words}, so none is mapped by name. "
    )
    if asked:
        rule += "By photo or sound: questions of this page."
    return Ranges(tuple(out), rule, mapper.beyond, lines="".join(mapper.lines.values()))


def _first(bundle: Bundle, found: Occurrences) -> str:
    """A species that could be mapped."""
    try:
        named = best_known(found, frame_of(bundle, found).grid, 1)
    except InputError:
        named = []
    return named[0][0] if named else "NAME"


class _Mapper:
    """Makes the maps of one page; cells are embedded once for all of them."""

    def __init__(
        self, bundle: Bundle, model: Model, found: Occurrences, like: Query, index: str, frame: Frame,
        cache: Path,
    ) -> None:  # fmt: skip
        self._bundle, self._found, self._like, self._index = bundle, found, like, index
        self._model, self._frame, self._cache = model, frame, cache
        self.beyond: dict[str, Any] = {}
        self.lines: dict[str, str] = {}

    def by_name(self, name: str, cells: int) -> Range:
        """A map of a taxon's observations."""
        query = Query(space=USUAL, model=self._like.model, hub=self._like.hub, device=self._like.device)  # fmt: skip
        words = f"The mean of its observations, which lie in {cells:,} cells."
        asked = Asked(query, "name", name, words, f"--taxon {shlex.quote(name)}")
        return self._made(asked, name, name)

    def by_question(self, asked: Asked) -> Range:
        """A map of a question."""
        query = replace(asked.query, target="loc", space=maps_space(self._model))
        return self._made(replace(asked, query=query), None, asked.name or f"a {asked.how}")

    def _made(self, asked: Asked, taxon: str | None, title: str) -> Range:
        try:
            frame = self._allowed(asked.query, taxon)
            config = MapConfig(frame.region, frame.cells, expected_error=False, cache=self._cache)
            mapped = make_map(self._bundle, asked.query, config, taxon)
        except InputError as e:
            return Range(title, asked.how, asked.words, "", refused=str(e))
        judged, why = self._judged(mapped, asked.name)
        words = [asked.options, f"--region={frame.region}", f"--grid {frame.cells}"]
        if judged is not None:
            words.append("--validate own")
            words += [] if taxon else [f"--validate-taxon {shlex.quote(judged.taxon)}"]
        if self._like.model is not None:
            words.append(f"--model {shlex.quote(self._like.model)}")
        earth = not of_planet(self._bundle)
        drawing = GridMap(mapped.grid, mapped.mask.inside, f"coast-{frame.cells}", earth)
        self.lines.setdefault(frame.cells, drawing.lines())
        lat, lon, hidden = self._records(asked.name)
        known = mapped.band("extrapolation").cells()
        hatched = mapped.grid.raster(known >= SHARE)
        cells = f"{frame.words}, {len(mapped.scores):,} cells"
        if np.isfinite(known).any():
            label = "map of how far each cell lies from the index's observations, in per cent"
            what = (
                f"{mapped.band('extrapolation').words}. Hatched: {mapped.facts['extrapolated_is']}."
            )
            panel = drawing.drawn(known, 0, 100, label, "magma_r", hatched=hatched)
            self.beyond.setdefault(cells, (panel, what))
        label = f"map of where {title} may live, asked by {asked.how}: percentile of the similarity; no probability"
        return Range(
            title, asked.how, asked.words,
            f"prom3e-index map -i {self._index} {' '.join(words)}" if asked.options else "",
            drawing.drawn(mapped.band("percentile").cells(), 0, 100, label, "YlGnBu", dots=drawing.points(lat, lon),
                          hatched=hatched),
            similarity=tuple(mapped.facts["similarity"].values()), cells=cells,
            beyond=_number(mapped.facts["extrapolated_share"]), places=len(lat), hidden=hidden, judged=judged,
            unjudged=why, picture=asked.picture, rights=asked.rights, licences=licences_of(self._bundle, mapped) or "",
        )  # fmt: skip

    def _allowed(self, query: Query, taxon: str | None) -> Frame:
        """The page's cells, or larger ones where the policy says so.

        Raises:
            InputError: No map may be made.
        """
        allowed = question_of(self._bundle, self._model, query, taxon).allowed
        for size in (None, *SIZES_DEG):
            frame = self._frame if size is None else frame_of(self._bundle, self._found, size)
            try:
                refuse_too_fine(frame.grid, allowed)
            except InputError:
                if size == SIZES_DEG[-1] or allowed.level.name == "withhold":
                    raise
                continue
            return frame
        raise AssertionError("the last size is tried")

    def _records(self, name: str | None) -> tuple[NDArray[Any], NDArray[Any], int]:
        """Places of a taxon's records, and how many are not told."""
        from prom3e_index.bundle.filters import Filter

        if name is None:
            return np.zeros(0), np.zeros(0), 0
        rows = taxon_rows(self._bundle, name)
        every = self._bundle.eligible(Filter(taxon=name))
        return *places_of(self._bundle, rows), (0 if every is None else len(every)) - len(rows)

    def _judged(self, mapped: Mapped, name: str | None) -> tuple[Judged | None, str]:
        if name is None:
            return None, "it is not known which species was asked for."
        if len(self._bundle) > MOST_JUDGED:
            return (
                None,
                f"the index has more than {MOST_JUDGED:,} rows; `map --validate own` judges it.",
            )
        try:
            made = validated(self._bundle, mapped, OWN, name, held=self._found)
        except InputError as e:
            return None, str(e)
        blocks = made["auc_by_blocks"]
        return Judged(name, made["presences"], made["background_records"], _number(blocks["map"]),
                      _number(blocks["distance_alone"]), blocks["folds"]), ""  # fmt: skip


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
