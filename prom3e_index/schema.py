"""The modalities and the fields of an observation: each name, order, alias and unit stands here once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from prom3e_index.errors import InputError, near_names


@dataclass(frozen=True)
class Modality:
    """One way of describing an observation.

    Attributes:
        name: The name used everywhere in the program.
        aliases: Other names accepted on input.
        field: The column of a normalised observation that it is read from.
        given_as: What a user passes for it, with units, for help texts and errors.
    """

    name: str
    aliases: tuple[str, ...]
    field: str
    given_as: str


KNOWN: tuple[Modality, ...] = (
    Modality("image", ("photo", "picture"), "image", "a photo file"),
    Modality(
        "sat", ("satellite", "tile"), "sat", "a satellite tile, RGB image or Sentinel-2 GeoTIFF"
    ),
    Modality("loc", ("location", "place"), "loc", "LATITUDE,LONGITUDE in degrees"),
    Modality(
        "env", ("climate", "environment"), "env", "20 climate values, scaled as the model's raster"
    ),
    Modality("text", ("name", "taxon"), "text", "a taxonomic name"),
    Modality("audio", ("sound", "song", "recording"), "audio", "a sound file"),
)
"""The published six, in the published order. A model folder may declare others after them."""

NAMES: tuple[str, ...] = tuple(m.name for m in KNOWN)
MEDIA: tuple[str, ...] = ("image", "sat", "audio")
"""Modalities read from files."""

_ALIAS = {alias: m.name for m in KNOWN for alias in (m.name, *m.aliases)}

RANKS: tuple[str, ...] = ("kingdom", "phylum", "class", "order", "family", "genus", "species")
"""Taxon ranks, highest first; `species` holds the epithet's binomial as the table gives it."""

CLIMATE_COLUMNS: tuple[str, ...] = ("elevation", *(f"bio_{i}" for i in range(1, 20)))
"""The climate values of an observation, in the order of the published encoder."""

CLIMATE_NAMES: tuple[tuple[str, ...], ...] = (
    tuple(c.replace("_", "") for c in CLIMATE_COLUMNS),
    ("elevation", *(f"bio{i:02d}" for i in range(1, 20))),
    tuple(f"env{i}" for i in range(20)),
)
"""How tables name them, as names are compared: in small letters without signs."""

MOST_SCALED = 50.0
"""A climate value beyond this, either way, is not scaled. The wettest cell of WorldClim is 13 deviations from the
mean; of raw values, temperature seasonality or annual precipitation are beyond it nearly everywhere."""

FIELDS: dict[str, str] = {
    "id": "VARCHAR",
    "image": "VARCHAR",
    "sat": "VARCHAR",
    "audio": "VARCHAR",
    "latitude": "DOUBLE",
    "longitude": "DOUBLE",
    "coordinate_uncertainty_m": "DOUBLE",
    "obscured": "BOOLEAN",
    "event_date": "VARCHAR",
    "event_start": "DATE",
    "event_end": "DATE",
    **{rank: "VARCHAR" for rank in RANKS},
    "scientific_name": "VARCHAR",
    "common_name": "VARCHAR",
    "text": "VARCHAR",
    "license": "VARCHAR",
    "rights_holder": "VARCHAR",
    "source": "VARCHAR",
    "env": "FLOAT[]",
    "observation": "VARCHAR",
    "start_s": "DOUBLE",
    "end_s": "DOUBLE",
}
"""Columns of a normalised observation and their DuckDB types; every other column is kept as metadata.

`observation` is the id of the observation that a row belongs to: its own `id`, or that of the first of several rows,
which are further photos or sounds or windows of a recording. `start_s` and `end_s` are seconds within the recording.
"""

MAPPABLE: tuple[str, ...] = (*(f for f in FIELDS if f != "env"), "media")
"""Fields that a column can be said to be; of `media` the ending says whether it is a photo or a recording."""

Space = Literal["hybrid", "encoder", "reconstructed", "hidden"]
SPACES: tuple[Space, ...] = ("hybrid", "encoder", "reconstructed", "hidden")
"""Where a query and a gallery may be compared; see `search/score.py`."""

SHOWN = (
    "id",
    "observation",
    "start_s",
    "end_s",
    "scientific_name",
    "common_name",
    "latitude",
    "longitude",
    "coordinate_uncertainty_m",
    "obscured",
    "place_level",
    "event_date",
    "license",
    "rights_holder",
    "source",
    "sigma_l1",
    *MEDIA,
    "family",
    "species",
    "taxon_species",
)
"""Columns that a hit shows; they are also stored to be read by row number."""
RECORDS = 16_384
"""Rows in each batch of those records."""


def modality_name(name: str, known: Iterable[str] = NAMES) -> str:
    """Resolve a modality's name or alias (`sound` → `audio`), case-insensitively.

    Raises:
        InputError: The name is unknown; the message lists the known ones.
    """
    known = tuple(known)
    key = name.strip().lower()
    key = key if key in known else _ALIAS.get(key, key)
    if key not in known:
        raise InputError(
            f"Unknown modality {name!r}; the model has {', '.join(known)}{near_names(name, known)}."
        )
    return key


def parse_modalities(text: str, known: Iterable[str] = NAMES) -> tuple[str, ...]:
    """Read `image,loc` or `image+loc` into names, in the order given, without repeats."""
    names = [
        modality_name(part, known) for part in text.replace("+", ",").split(",") if part.strip()
    ]
    if not names:
        raise InputError(f"No modality in {text!r}; give at least one of {', '.join(known)}.")
    return tuple(dict.fromkeys(names))


def set_key(names: Iterable[str], order: Iterable[str] = NAMES) -> str:
    """Name a visible set, `image+loc`, in the model's modality order."""
    wanted = set(names)
    return "+".join(n for n in order if n in wanted)


def quoted(name: str) -> str:
    """A column name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
