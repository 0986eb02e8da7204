"""A map judged by a published range: average precision over the places of a file, as SINR's benchmarks have it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import InputError, near_names
from prom3e_index.maps.assess import average_precision

if TYPE_CHECKING:
    from prom3e_index.maps.run import Mapped

Floats = NDArray[np.float64]
PLACES, PRESENT, JUDGED = "locs", "taxa_presence", "taxa_locs"
_MOST_BYTES = 1 << 30


@dataclass(frozen=True, eq=False)
class Range:
    """Where a taxon is and is not.

    Attributes:
        latitude: (k,) longitude alike.
        presence: (k,) whether it is there.
    """

    latitude: Floats
    longitude: Floats
    presence: NDArray[np.bool_]


def read_range(path: Path, taxon: str) -> Range:
    """Read the range of one taxon from a JSON file of ranges.

    Args:
        path: `locs` has a longitude and a latitude of each place, `taxa_presence` for each taxon the numbers of the
            places where it is (the layout of SINR's `iucn_res_5.json`); where `taxa_locs` is there, for each taxon the
            numbers of the places that it is judged at, else all are.
        taxon: Its key there: in SINR's files a number of iNaturalist.

    Raises:
        InputError: Another layout, a pickled file, or a taxon that it does not have.

    Source: SINR (Cole et al. 2023), `eval.py`: places that are not listed are absences.
    """
    if path.suffix == ".npy":
        raise InputError(
            f"{path.name} holds pickled Python objects, which can run a program when they are read, so it is not read. "
            "If it comes from who you trust, convert it once to JSON: docs/maps.md has the lines."
        )
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(f"{path.name} has more than 1 GB; that is no file of ranges.")
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as e:
        raise InputError(f"{path} cannot be read as JSON of ranges: {e}") from e
    if not isinstance(found, dict) or not isinstance(found.get(PRESENT), dict):
        raise InputError(
            f"{path.name} has not the parts {PLACES!r} and {PRESENT!r} of a file of ranges."
        )
    if taxon not in found[PRESENT]:
        near = near_names(taxon, list(found[PRESENT]))
        raise InputError(
            f"{path.name} has no range of {taxon!r}{near}. It names {len(found[PRESENT]):,} taxa by its own keys; "
            "--truth-taxon KEY says which."
        )
    try:
        places = np.array(found.get(PLACES), np.float64).reshape(-1, 2)
    except (ValueError, TypeError) as e:
        raise InputError(
            f"{PLACES!r} of {path.name} has not two numbers for each place: {e}"
        ) from e
    lon, lat = places.T
    if not np.isfinite(places).all() or (np.abs(lat) > 90).any() or (np.abs(lon) > 360).any():
        raise InputError(
            f"{PLACES!r} of {path.name} has places that are none: longitude comes first."
        )
    there = _numbers(found[PRESENT][taxon], len(places), PRESENT, path)
    judged = (
        (found.get(JUDGED) or {}).get(taxon) if isinstance(found.get(JUDGED, {}), dict) else None
    )
    at = np.arange(len(places)) if judged is None else _numbers(judged, len(places), JUDGED, path)
    return Range(lat[at], lon[at], np.isin(at, there))


def _numbers(some: Any, places: int, part: str, path: Path) -> NDArray[np.int64]:
    """Numbers of places, checked."""
    if not isinstance(some, list) or not all(type(i) is int and 0 <= i < places for i in some):
        raise InputError(
            f"{part!r} of {path.name} has something else than numbers of its {places:,} places."
        )
    return np.unique(np.array(some, np.int64))


def judged_by_range(mapped: Mapped, path: Path, key: str | None = None) -> dict[str, Any]:
    """Judge a map by a published range; places outside of the map are left out and counted.

    Args:
        mapped: The map.
        path: See `read_range`.
        key: The taxon's key in the file; the map's own taxon when None.

    Returns:
        Figures as plain values.

    Raises:
        InputError: No taxon is named, the file is none of ranges, or the map has not both presences and absences.
    """
    name = key or mapped.question.taxon
    if name is None:
        raise InputError("--truth needs to know whose range is meant: give --truth-taxon KEY.")
    found = read_range(path, name)
    cell = mapped.grid.cell_of(found.latitude, found.longitude)
    inside = cell >= 0
    inside[inside] = mapped.mask.inside[cell[inside]]
    number = (np.cumsum(mapped.mask.inside) - 1)[cell[inside]]
    presence = found.presence[inside]
    if presence.all() or not presence.any():
        raise InputError(
            f"Of {len(cell):,} places of {path.name} {len(presence):,} lie on the map, {int(presence.sum()):,} of them "
            f"in the range of {name!r}; both such and others are needed. Map a larger region."
        )
    return {
        "file": path.name,
        "taxon": name,
        "places": len(presence),
        "in_range": int(presence.sum()),
        "places_outside_the_map": int((~inside).sum()),
        "average_precision": average_precision(presence, mapped.scores[number]),
        "average_precision_by_chance": float(presence.mean()),
        "how": "average precision over all places of the file on the map, as SINR's benchmarks; one taxon, no mean",
    }
