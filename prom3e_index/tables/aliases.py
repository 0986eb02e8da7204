"""Which columns of which conventions mean which field; matched case-insensitively, first wins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from prom3e_index.errors import InputError, near_names
from prom3e_index.schema import CLIMATE_COLUMNS, FIELDS, RANKS

ALIASES: dict[str, tuple[str, ...]] = {
    "id": ("occurrenceid", "gbifid", "id", "uuid", "observation_uuid", "observation_id", "coreid"),
    "image": ("image", "image_path", "photo", "photo_path", "picture", "image_url"),
    "sat": ("sat", "satellite", "sat_image", "satellite_image", "sat_path", "sat_url", "tile"),
    "audio": ("audio", "sound", "audio_path", "sound_path", "recording", "song", "sound_url"),
    "latitude": ("decimallatitude", "latitude", "lat"),
    "longitude": ("decimallongitude", "longitude", "lon", "lng", "long"),
    "coordinate_uncertainty_m": (
        "coordinateuncertaintyinmeters",
        "coordinate_uncertainty_m",
        "public_positional_accuracy",
        "positional_accuracy",
    ),
    "obscured": (
        "coordinates_obscured",
        "obscured",
        "geoprivacy",
        "taxon_geoprivacy",
        "informationwithheld",
    ),
    "event_date": ("eventdate", "event_date", "observed_on", "date"),
    **{rank: (rank, f"taxon_{rank}_name") for rank in RANKS},
    "scientific_name": (
        "scientificname",
        "scientific_name",
        "species",
        "taxon_species_name",
        "taxon.name",
        "name",
    ),
    "common_name": ("vernacularname", "common_name", "common", "taxon.preferred_common_name"),
    "text": ("text",),
    "license": ("license", "licence", "license_code"),
    "rights_holder": (
        "rightsholder",
        "rights_holder",
        "recordedby",
        "user_name",
        "user_login",
        "user.login",
    ),
    "source": ("source", "datasetname", "dataset_name", "datasetkey"),
}

LATLON = ("location", "latlon")
"""A single column that holds `latitude,longitude`; used where the two columns are absent."""

DATE_PARTS = ("year", "month", "day")
DATE_SPAN = ("event_start", "event_end")
"""First and last day, where no column holds the date itself."""

_PLACES = (
    ("decimallatitude", ("decimallongitude",)),
    ("latitude", ("longitude",)),
    ("lat", ("lon", "lng", "long")),
)
"""Latitude with the longitudes of the same naming; a place takes both from one pair."""

_CLIMATE_NAMES = (
    tuple(CLIMATE_COLUMNS),
    ("elevation", *(f"bio{i}" for i in range(1, 20))),
    ("elevation", *(f"bio{i:02d}" for i in range(1, 20))),
    tuple(f"env_{i}" for i in range(20)),
)


def match_columns(columns: Sequence[str], given: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Find the columns of each field.

    Args:
        columns: The table's column names.
        given: `--map` entries, column → field; they replace the aliases of that field.

    Returns:
        Field → its columns in order of preference; fields without a column are left out. `env` has
        all 20 or is absent; `latitude` and `longitude` are pairs, position by position.

    Raises:
        InputError: A mapped column or field does not exist; names the nearest.
    """
    lower = {c.lower(): c for c in reversed(columns)}
    found: dict[str, tuple[str, ...]] = {}
    for field, names in ALIASES.items():
        have = tuple(lower[n] for n in names if n in lower)
        if have:
            found[field] = have
    for names in _CLIMATE_NAMES:
        if all(n in lower for n in names):
            found["env"] = tuple(lower[n] for n in names)
            break
    for name in LATLON:
        if name in lower and "latitude" not in found:
            found["latlon"] = (lower[name],)
    _pair_places(found, lower)
    if all(p in lower for p in DATE_PARTS):
        found["date_parts"] = tuple(lower[p] for p in DATE_PARTS)
    if all(p in lower for p in DATE_SPAN):
        found["date_span"] = tuple(lower[p] for p in DATE_SPAN)
    for column, field in given.items():
        if column.lower() not in lower:
            raise InputError(
                f"The table has no column {column!r}{near_names(column, list(columns))}."
            )
        if field not in FIELDS or field == "env":
            known = [f for f in FIELDS if f != "env"]
            raise InputError(
                f"There is no field {field!r}{near_names(field, known)}. "
                f"Fields: {', '.join(known)}."
            )
        found[field] = (lower[column.lower()],)
    if {"latitude", "longitude"} & set(given.values()):
        for field in ("latitude", "longitude"):
            found[field] = found.get(field, ())[:1]
    return {field: names for field, names in found.items() if names}


def _pair_places(found: dict[str, tuple[str, ...]], lower: Mapping[str, str]) -> None:
    """Put latitudes and longitudes of one naming side by side."""
    if not ("latitude" in found and "longitude" in found):
        return
    pairs = [
        (lower[a], next(lower[b] for b in others if b in lower))
        for a, others in _PLACES
        if a in lower and any(b in lower for b in others)
    ] or [(found["latitude"][0], found["longitude"][0])]
    found["latitude"] = tuple(a for a, _ in pairs)
    found["longitude"] = tuple(b for _, b in pairs)
