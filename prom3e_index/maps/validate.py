"""A map judged by records: average precision, Boyce, AUC beside distance alone, by spatial blocks and at random."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import InputError
from prom3e_index.maps.assess import (
    auc,
    average_precision,
    block_corner,
    block_of,
    boyce,
    distance_scores,
    folds_of,
)
from prom3e_index.maps.occurrences import Occurrences, occurrences_of, read_occurrences
from prom3e_index.maps.places_of import places_of
from prom3e_index.maps.question import prototype, taxon_rows
from prom3e_index.maps.run import Mapped
from prom3e_index.maps.surface import hybrid_scores

if TYPE_CHECKING:
    from prom3e_index.search.run import Bundle

Floats = NDArray[np.float64]
OWN = "own"
"""In place of a table: the index's own observations, by folds."""
BLOCK_DEG = 5.0
FOLDS = 5
LEAST = 5
"""Presences below which nothing is judged."""
_MOST_LAND = 10_000
_PART = 500_000


@dataclass(frozen=True, eq=False)
class Places:
    """Places at which a map is judged.

    Attributes:
        latitude: (k,) longitude alike.
        presence: (k,) whether the taxon was seen there.
        cell: (k,) number of the place's cell among those inside the mask.
        own: (k,) which of the taxon's rows in the index it is, −1 for places of another table.
    """

    latitude: Floats
    longitude: Floats
    presence: NDArray[np.bool_]
    cell: NDArray[np.int64]
    own: NDArray[np.int64]


def validated(
    bundle: Bundle,
    mapped: Mapped,
    records: str | Path,
    taxon: str | None = None,
    seed: int = 0,
    table: Mapping[str, Any] | None = None,
    held: Occurrences | None = None,
    found: Occurrences | None = None,
) -> dict[str, Any]:
    """Judge a map by records of its taxon that it has not seen.

    The background is the target group: all other records of the table, unevenly collected as the presences are; land
    drawn evenly is the second. Where the map is of the index's observations, each fold is judged by a map without those
    in its blocks. Distance alone knows the index's observations outside them.

    Args:
        bundle: The index.
        mapped: The map.
        records: A table or an index with records, or `own`.
        taxon: Whose records are presences; the map's own where it names one.
        seed: Of folds and draws.
        table: How a table is read; options of `read_occurrences`.
        held: The index's own records, where they were read already.
        found: What `records` holds, where it has been read already.

    Returns:
        Figures as plain values; `folds` has every block with its fold.

    Raises:
        InputError: No taxon is named, too few records lie on the map, or a record is one of the index's.
    """
    name = taxon or mapped.question.taxon
    if name is None:
        raise InputError(
            "--validate needs to know whose records are presences: give --validate-taxon NAME."
        )
    rows = mapped.question.rows
    if mapped.question.taxon != name or not len(rows):
        rows = taxon_rows(bundle, name)
    places, left_out, source = _places(
        bundle, mapped, records, name, rows, found, table or {}, held
    )
    if places.presence.sum() < LEAST:
        raise InputError(
            f"{int(places.presence.sum())} records of {name!r} in {source} lie on the map; at least {LEAST} are needed "
            "to judge it."
        )
    if places.presence.all():
        raise InputError(
            f"{source} has records of {name!r} alone on the map; other taxa are needed as background."
        )
    scores = mapped.scores[places.cell].astype(np.float64)
    land = _land(mapped, seed)
    train = places_of(bundle, rows)
    blocks = block_of(places.latitude, places.longitude, BLOCK_DEG)
    by_block = folds_of(blocks, places.presence, FOLDS, seed)
    spatial = np.array([by_block[int(b)] for b in blocks])
    rng = np.random.default_rng(seed)
    random = rng.permutation(np.arange(len(blocks)) % FOLDS)
    in_blocks = block_of(*train, BLOCK_DEG)
    train_spatial = np.array([by_block.get(int(b), -1) for b in in_blocks], np.int64)
    train_random = rng.permutation(np.arange(len(in_blocks)) % FOLDS)
    if (places.own >= 0).any():  # the rows that are judged are those that would be known
        at = places.own >= 0
        train_random[places.own[at]] = random[at]
    judged_by = _by_folds(bundle, mapped, places, scores, spatial, train, train_spatial)
    scores = judged_by.pop("scores")
    known = np.isfinite(scores)
    by_chance = _by_folds(bundle, mapped, places, scores, random, train, train_random)
    curve = boyce(scores[places.presence & known], mapped.scores, seed)
    on_land = np.r_[np.ones(places.presence.sum(), bool), np.zeros(len(land), bool)]
    judged = np.r_[np.nan_to_num(scores[places.presence], nan=-1.0), mapped.scores[land]]
    return {
        "taxon": name,
        "records": source,
        "presences": int(places.presence.sum()),
        "background_records": int((~places.presence).sum()),
        "left_out": left_out,
        "background": "target group: the other records of the table; beside it land drawn evenly from the mapped cells",
        "extent": mapped.grid.region.name,
        "cells_of_the_extent": len(mapped.scores),
        "partitioning": f"spatial blocks of {BLOCK_DEG:g} degrees in {FOLDS} folds; random folds beside them",
        "average_precision": average_precision(places.presence[known], scores[known]),
        "average_precision_by_chance": float(places.presence[known].mean()),
        "boyce": {
            "index": curve.index, "low": curve.low, "high": curve.high, "interval": "90 %, presences drawn again",
            "at": curve.at, "ratio": curve.ratio,
            "warning": f"fewer than 30 presences ({int(places.presence.sum())}): the index says little" if curve.few
            else None,
        },
        "auc_against_land": {"map": auc(on_land, judged), "distance_alone": _on_land(mapped, places, train, land),
                             "cells_drawn": len(land)},
        "auc_by_blocks": judged_by,
        "auc_by_random_folds": {
            **{k: v for k, v in by_chance.items() if k != "scores"},
            "warning": "a random split: near records stand on both sides, so it flatters",
        },
        "folds": [
            {"south": block_corner(b, BLOCK_DEG)[0], "west": block_corner(b, BLOCK_DEG)[1], "degrees": BLOCK_DEG,
             "fold": f, "presences": int(places.presence[blocks == b].sum()), "records": int((blocks == b).sum())}
            for b, f in sorted(by_block.items())
        ],
    }  # fmt: skip


def _places(
    bundle: Bundle,
    mapped: Mapped,
    records: str | Path,
    taxon: str,
    rows: NDArray[np.int64],
    found: Occurrences | None,
    table: Mapping[str, Any],
    held: Occurrences | None,
) -> tuple[Places, dict[str, int], str]:
    """The records that lie on the map, and why others do not."""
    own = str(records) == OWN
    held = occurrences_of(bundle) if held is None else held
    if found is None:
        found = held if own else read_occurrences(records, **table)
    presence = found.of_taxon(taxon)
    place = np.isfinite(found.latitude) & ~found.hidden
    if not own:
        _refuse_shared(found, presence, held, taxon, bundle)
    inside = np.cumsum(mapped.mask.inside) - 1
    cell = mapped.grid.cell_of(found.latitude, found.longitude)
    mapped_there = place & (cell >= 0)
    mapped_there[mapped_there] = mapped.mask.inside[cell[mapped_there]]
    numbers = np.full(len(found), -1, np.int64)
    if own:
        numbers = _own_rows(bundle, rows, found, presence & mapped_there)
    kept = mapped_there
    left_out = {
        "place hidden or unknown": int((~place).sum()),
        "outside the map": int((place & ~mapped_there).sum()),
    }
    return (
        Places(found.latitude[kept], found.longitude[kept], presence[kept], inside[cell[kept]], numbers[kept]),
        left_out,
        "the index's own observations" if own else Path(records).name,
    )  # fmt: skip


def _own_rows(
    bundle: Bundle, rows: NDArray[np.int64], found: Occurrences, presence: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """For each presence the first of the taxon's rows at its very place; −1 for others."""
    lat, lon = places_of(bundle, rows)
    at = {place: i for i, place in reversed(list(enumerate(zip(lat, lon, strict=True))))}
    out = np.full(len(found), -1, np.int64)
    for i in np.flatnonzero(presence):
        out[i] = at.get((found.latitude[i], found.longitude[i]), -1)
    return out


def _refuse_shared(
    found: Occurrences, presence: NDArray[np.bool_], known: Occurrences, taxon: str, bundle: Bundle
) -> None:
    """Refuse records of the taxon that stand in the index too: same place to five decimals and same day."""
    try:
        theirs = known.of_taxon(taxon)
    except InputError:
        return

    def marks(some: Occurrences, which: NDArray[np.bool_]) -> dict[tuple[float, float, int], int]:
        return {
            (round(float(some.latitude[i]), 5), round(float(some.longitude[i]), 5), int(some.day[i])): int(i)
            for i in np.flatnonzero(which & np.isfinite(some.latitude))
        }  # fmt: skip

    held, asked = marks(known, theirs), marks(found, presence)
    both = sorted(held.keys() & asked.keys(), key=lambda k: asked[k])
    if both:
        first = both[0]
        raise InputError(
            f"{len(both):,} records of {taxon!r} stand in {found.source} and in the index {bundle.path.name} too: "
            f"record {asked[first] + 1:,} of the table is observation {held[first] + 1:,} of the index, at the same "
            "place on the same day. Judge by records that the index does not have, or by --validate own."
        )


def _land(mapped: Mapped, seed: int) -> NDArray[np.int64]:
    """Cells inside the mask, drawn evenly by area."""
    rng = np.random.default_rng(seed)
    cells = mapped.mask.cells
    parts = [mapped.grid.areas_km2(cells[at : at + _PART]) for at in range(0, len(cells), _PART)]
    area = np.concatenate(parts)
    size = min(_MOST_LAND, len(area))
    return np.sort(rng.choice(len(area), size, replace=False, p=area / area.sum()))


def _on_land(
    mapped: Mapped, places: Places, train: tuple[Floats, Floats], land: NDArray[np.int64]
) -> float:
    """AUC of distance alone against land; NaN where the index knows no presence besides those judged."""
    if not len(train[0]) or (places.own >= 0).any():
        return float("nan")
    lat, lon = mapped.grid.centres(mapped.mask.cells[land])
    seen = places.presence
    near = distance_scores(
        *train, np.r_[places.latitude[seen], lat], np.r_[places.longitude[seen], lon]
    )
    return auc(np.r_[np.ones(seen.sum(), bool), np.zeros(len(lat), bool)], near)


def _by_folds(
    bundle: Bundle,
    mapped: Mapped,
    places: Places,
    scores: Floats,
    fold: NDArray[np.int64],
    train: tuple[Floats, Floats],
    train_fold: NDArray[np.int64],
) -> dict[str, Any]:
    """AUC of the map and of distance alone, fold by fold, each without what lies in the fold.

    `scores` are those by which each place was judged, NaN in a fold that nothing could be judged in.
    """
    of_taxon = not mapped.question.visible
    own, null, used = [], [], 0
    held = np.full(len(scores), np.nan) if of_taxon else scores
    judged_by = _without(bundle, mapped, places, fold, train_fold) if of_taxon else {}
    for i in range(FOLDS):
        test = fold == i
        truth = places.presence[test]
        if truth.all() or not truth.any():
            continue
        known = train_fold != i
        judged = scores[test]
        if of_taxon:
            if i not in judged_by:
                continue
            held[test] = judged = judged_by[i]
        used += 1
        own.append(auc(truth, judged))
        if known.any():
            there = places.latitude[test], places.longitude[test]
            near = distance_scores(train[0][known], train[1][known], *there)
            null.append(auc(truth, near))
    return {
        "map": float(np.mean(own)) if own else float("nan"),
        "distance_alone": float(np.mean(null)) if null else float("nan"),
        "folds": used,
        "each_fold": own,
        "scores": held,
    }


def _without(
    bundle: Bundle,
    mapped: Mapped,
    places: Places,
    fold: NDArray[np.int64],
    train_fold: NDArray[np.int64],
) -> dict[int, Floats]:
    """Scores of the places of each fold by a map without the taxon's observations in it; cells are read once."""
    folds = [i for i in range(FOLDS) if (train_fold != i).any()]
    if not folds:
        return {}
    weights = mapped.question.weights
    vectors = np.stack(
        [prototype(bundle, mapped.question.rows[train_fold != i], weights) for i in folds]
    )
    cells, back = np.unique(places.cell, return_inverse=True)
    found = np.empty((len(folds), len(cells)), np.float64)
    for part in mapped.gallery.of(cells):
        found[:, part.at] = hybrid_scores(part, vectors, weights.epsilon)
    return {i: found[j][back[fold == i]] for j, i in enumerate(folds)}
