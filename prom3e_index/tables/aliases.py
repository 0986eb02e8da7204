"""Which columns mean which field; names are compared without case, blanks, signs, units and prefixes, first wins."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from prom3e_index.errors import InputError, near_names
from prom3e_index.policy.columns import private
from prom3e_index.schema import CLIMATE_NAMES, MAPPABLE, RANKS
from prom3e_index.tables.cells import Joined
from prom3e_index.tables.conventions import Convention, convention

ALIASES: dict[str, tuple[str, ...]] = {
    "id": ("occurrenceid", "gbifid", "id", "uuid", "observationuuid", "observationid", "coreid", "recordid"),
    "image": ("image", "imagepath", "photo", "photopath", "picture", "imagefile", "photofile", "imageurl",
              "photourl"),
    "sat": ("sat", "satellite", "satimage", "satelliteimage", "satpath", "saturl", "tile"),
    "audio": ("audio", "sound", "audiopath", "soundpath", "recording", "song", "audiofile", "soundfile",
              "soundfiles", "wav", "wavfile", "soundurl", "audiourl"),
    "latitude": ("decimallatitude", "latitude", "lat", "declat", "locationlat", "gpslatitude",
                 "latitud", "latitudine", "breitengrad", "breedtegraad", "breddegrad", "breddgrad"),
    "longitude": ("decimallongitude", "longitude", "lon", "lng", "long", "declong", "locationlong", "gpslongitude",
                  "longitud", "longitudine", "langengrad", "laengengrad", "lengtegraad", "lengdegrad", "langdgrad"),
    "coordinate_uncertainty_m": ("coordinateuncertaintyinmeters", "coordinateuncertaintym", "publicpositionalaccuracy",
                                 "positionalaccuracy"),
    "obscured": ("coordinatesobscured", "obscured", "geoprivacy", "taxongeoprivacy", "informationwithheld",
                 "datageneralizations"),
    "event_date": ("eventdate", "observedon", "observationdate", "dateobserved", "date", "obsdt", "datetimeoriginal",
                   "datetime", "timestamp", "timeobservedat", "recordingdate", "collectiondate", "datecollected",
                   "fecha", "fechaobservacion", "observationsdatum"),
    "verbatim_date": ("verbatimeventdate", "verbatimdate", "observedonstring"),
    **{rank: (rank, f"taxon{rank}name") for rank in RANKS},
    "epithet": ("specificepithet", "speciesepithet"),
    "infraspecific": ("infraspecificepithet", "subspeciesepithet"),
    "scientific_name": ("scientificname", "sciname", "species", "taxonspeciesname", "taxonname", "canonicalname",
                        "taxoncanonicalname", "individualtaxoncanonicalname", "speciesname", "latinname",
                        "wissenschaftlichername", "nomscientifique", "nombrecientifico", "nomecientifico",
                        "nomescientifico", "wetenschappelijkenaam", "vetenskapligtnamn", "vitenskapelignavn",
                        "latinskenavn", "latinspecies", "lateinischername", "name"),
    "common_name": ("vernacularname", "commonname", "common", "taxonpreferredcommonname", "preferredcommonname",
                    "comname", "englishname", "deutschername", "nomvernaculaire", "nomcommun", "nombrecomun",
                    "nomecomum", "nederlandsenaam", "svensktnamn", "norsknavn"),
    "text": ("text",),
    "license": ("license", "licence", "licensecode", "licencecode", "usageterms"),
    "rights_holder": ("rightsholder", "recordedby", "username", "userlogin", "recordist", "photographer", "author",
                      "recorder", "creator"),
    "source": ("source", "datasetname", "datasetkey"),
    "observation": (),
    "institution": ("institutioncode", "datasetname", "datasetkey", "publisher", "institution", "source"),
    "start_s": ("starts", "startseconds"),
    "end_s": ("ends", "endseconds"),
    "status": ("occurrencestatus", "presence", "presenceabsence", "speciesobserved", "presencia", "presenca",
               "prasenz", "vorkommen", "nachweis"),
    "count": ("individualcount", "observationcount", "howmany", "count", "anzahl", "aantal", "antal", "antall",
              "cantidad", "effectif", "abundance", "abundanz", "abundancia", "abondance", "abundantie", "individuen",
              "individuenzahl", "anzahlindividuen", "individuals", "nindividuals", "numberofindividuals",
              "noofindividuals", "nombredindividus", "nombreindividus", "nbindividus", "numerodeindividuos",
              "numeroindividuos", "nindividuos", "quantidade", "quantite", "antalindivider", "liczba", "pocet",
              "lukumaara", "organismquantity", "totalcount"),
    "datum": ("geodeticdatum", "datum", "verbatimsrs", "srs", "epsg", "crs"),
    "utm_zone": ("utmzone", "zone", "huso", "fuso", "fuseau", "zonautm", "utmzona", "zona"),
    "media_kind": (),
}  # fmt: skip
"""Field → plain names of its columns. Fields that are none of `FIELDS` serve one that is."""

LATLON = ("latlon", "latlong", "coordinates", "coords", "location", "geopoint", "position", "geolocation", "gps",
          "mgrs", "geometry", "geom", "wkt", "verbatimcoordinates", "footprintwkt", "koordinaten", "coordonnees",
          "coordenadas", "coordinaten", "koordinater", "coordinate", "latlng", "gpscoordinates", "gpskoordinaten",
          "координаты", "坐标")  # fmt: skip
"""Single columns that may hold a place, read after the columns of two; of others than `PLACE_NAMES` most cells must."""

PLACE_NAMES = frozenset(LATLON) - {
    "location",
    "position",
    "geolocation",
    "geometry",
    "geom",
    "geopoint",
}
"""Those whose name says that they hold places: a cell that is none is a loss."""

DATE_PARTS = ("year", "month", "day")
DATE_SPANS = (("eventstart", "eventend"), ("startdate", "enddate"), ("begandate", "endeddate"),
              ("startdatum", "slutdatum"), ("startdatum", "enddatum"), ("anfangsdatum", "enddatum"),
              ("datumvon", "datumbis"), ("datedebut", "datefin"), ("fechainicio", "fechafin"),
              ("datainicio", "datafim"))  # fmt: skip
"""First and last day, where no column holds the date itself."""

PLACE_PAIRS = (
    ("decimallatitude", ("decimallongitude",)),
    ("latitude", ("longitude",)),
    ("lat", ("lon", "lng", "long")),
    ("declat", ("declong",)),
    ("locationlat", ("locationlong",)),
    ("gpslatitude", ("gpslongitude",)),
    ("latitud", ("longitud",)),
    ("latitudine", ("longitudine",)),
    ("breitengrad", ("langengrad", "laengengrad")),
    ("breedtegraad", ("lengtegraad",)),
    ("breddegrad", ("lengdegrad",)),
    ("breddgrad", ("langdgrad",)),
    ("verbatimlatitude", ("verbatimlongitude",)),
)
"""Latitude with the longitudes of the same naming; a place takes both from one pair."""

GRIDS = (
    ("utmeasting", "utmnorthing"),
    ("easting", "northing"),
    ("utme", "utmn"),
    ("utmx", "utmy"),
)

_BRACKETED = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
_PREFIX = re.compile(r"\A[a-z]{2,9}:(?=[^\W\d_])")
_SIGNS = re.compile(r"[\W_]+")
_MEDIA = ("image", "audio", "media")
_TOGETHER = {"env", "latitude", "longitude", "grid", "date_parts", "date_span", "day_of_year"}
"""Fields whose columns belong together by their places."""


def plain(name: str) -> str:
    """A column's name as it is compared: `Start (s)` as `start`, `dwc:decimalLatitude` as `decimallatitude`.

    Accents do not count: `Espèce` is `espece`.
    """
    text = name.strip().strip("\ufeff").lower()
    if not text.isascii():
        marked = unicodedata.normalize("NFKD", text)
        text = unicodedata.normalize(
            "NFC", "".join(c for c in marked if not "\u0300" <= c <= "\u036f")
        )
    if "://" in text:  # a term's address
        text = re.split(r"[/#]", text.rstrip("/#"))[-1]
    text = _PREFIX.sub("", text)
    return _SIGNS.sub("", _BRACKETED.sub(" ", text)) or _SIGNS.sub("", text) or text


@dataclass(frozen=True)
class Matched:
    """The columns of a table by field.

    Attributes:
        fields: Field → columns in order of preference; fields without a column are left out. `env` has all 20 or is
            absent; `latitude` and `longitude` are pairs, position by position.
        singles: Columns that may hold a whole place.
        convention: The export that the table is, where it is a known one.
        by: Plain name → column.
    """

    fields: dict[str, tuple[str, ...]]
    singles: tuple[str, ...] = ()
    convention: Convention | None = None
    by: dict[str, str] = field(default_factory=dict)


def match_columns(columns: Sequence[str], given: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """The columns of each field by their names alone; see `match`. A single column is a place by its name."""
    found = match(columns, given)
    singles = tuple(c for c in found.singles if plain(c) in ("latlon", "location"))
    if singles and "latitude" not in found.fields:
        return {**found.fields, "latlon": singles}
    return found.fields


def match(columns: Sequence[str], given: Mapping[str, str]) -> Matched:
    """Find the columns of each field.

    Args:
        columns: The table's column names.
        given: `--map` entries, column → field; they replace the names of that field.

    Raises:
        InputError: A mapped column or field does not exist; names the nearest.
    """
    by = {plain(c): c for c in reversed(columns)}
    known = convention(by)
    names = {**ALIASES, **(known.fields if known else {})}
    left = set(known.leave) if known else set()
    found: dict[str, tuple[str, ...]] = {}
    for name, wanted in names.items():
        own = known is not None and name in known.fields
        have = (_column(w, by) for w in wanted if own or w not in left)
        found[name] = tuple(dict.fromkeys(c for c in have if c is not None))
    for climate in CLIMATE_NAMES:
        if all(n in by for n in climate):
            found["env"] = tuple(by[n] for n in climate)
            break
    _pair_places(found, by)
    grid = next((g for g in GRIDS if all(n in by for n in g)), None)
    if grid is not None:
        found["grid"] = tuple(by[n] for n in grid)
    if all(p in by for p in DATE_PARTS):
        found["date_parts"] = tuple(by[p] for p in DATE_PARTS)
    if "year" in by and "startdayofyear" in by:
        found["day_of_year"] = (by["year"], by["startdayofyear"])
    if not found.get("date_span"):
        begun = [s for s in DATE_SPANS if s[0] in by]
        span = next((s for s in begun if s[1] in by), begun[0] if begun else ())
        found["date_span"] = tuple(by[s] for s in span if s in by)
    singles = [by[n] for n in LATLON if n in by and n not in left]
    found["other_media"] = tuple(
        c
        for f in ("image", "audio")
        if known is None or f not in known.fields
        for c in found[f][1:]
    )
    _map(found, columns, by, given)
    taken = {c for cs in found.values() for c in cs}
    return Matched(
        {name: cs for name, cs in found.items() if cs},
        tuple(c for c in singles if c not in taken),
        known,
        by,
    )


def _map(
    found: dict[str, tuple[str, ...]],
    columns: Sequence[str],
    by: Mapping[str, str],
    given: Mapping[str, str],
) -> None:
    """Let the user's columns replace those of their fields."""
    lower = {c.lower(): c for c in reversed(columns)}
    mapped: set[str] = set()
    for column, name in given.items():
        own = lower.get(column.lower()) or by.get(plain(column))
        if own is None:
            raise InputError(
                f"The table has no column {column!r}{near_names(column, list(columns))}."
            )
        if private(own):
            raise InputError(
                f"{own!r} holds places that their source hides; no field is read of it. Map the public place."
            )
        name = _field_named(name)
        if name not in MAPPABLE:
            raise InputError(
                f"There is no field {name!r}{near_names(name, MAPPABLE)}. "
                f"Fields: {', '.join(MAPPABLE)}."
            )
        for other in found.keys() - _TOGETHER:  # what a column is said to be, it is alone
            found[other] = tuple(c for c in found[other] if c != own)
        if name in _MEDIA and name in mapped:  # several photos of a row, a column each
            found[name] = (*found[name], own)
            found["each_medium"] = tuple(
                dict.fromkeys((*found.get("each_medium", ()), *found[name]))
            )
        else:
            found[name] = (own,)
        mapped.add(name)
    if {"latitude", "longitude"} & {_field_named(name) for name in given.values()}:
        for side in ("latitude", "longitude"):
            found[side] = found.get(side, ())[:1]


def _field_named(name: str) -> str:
    """The field that a user means: by its own name, or as the trade's tables call it (`scientificName`)."""
    known = (f for f, names in ALIASES.items() if f in MAPPABLE and plain(name) in names)
    return name if name in MAPPABLE else next(known, name)


def _column(wanted: str, by: Mapping[str, str]) -> str | None:
    """The column of a plain name, or the columns of a name made of several; None where one is missing."""
    for between in ("/", " "):
        parts = wanted.split(between)
        if len(parts) > 1:
            own = [by[p] for p in parts if p in by]
            return Joined(own, between) if len(own) == len(parts) else None
    return by.get(wanted)


def _pair_places(found: dict[str, tuple[str, ...]], by: Mapping[str, str]) -> None:
    """Put latitudes and longitudes of one naming side by side."""
    pairs = [
        (by[a], next(by[b] for b in others if b in by))
        for a, others in PLACE_PAIRS
        if a in by and any(b in by for b in others)
    ]
    sides = (found["latitude"], found["longitude"])
    if not pairs and all(sides):
        pairs = [(sides[0][0], sides[1][0])]
    if pairs:
        found["latitude"] = tuple(a for a, _ in pairs)
        found["longitude"] = tuple(b for _, b in pairs)
