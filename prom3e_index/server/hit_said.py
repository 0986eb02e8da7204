"""A hit as JSON: what is known of the observation, whose it is, and where its picture and sound are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel, Field

from prom3e_index.licences import code_of, licence_columns, url_of
from prom3e_index.schema import MEDIA
from prom3e_index.search.answered import Hit
from prom3e_index.search.run import Bundle
from prom3e_index.server.kept_media import Why, shown_of, unshown
from prom3e_index.show.escapes import on_earth, plain
from prom3e_index.show.maps import cell_of

API = "/api/v1"
_THUMBNAIL, _LARGE = 320, 1024
RESERVED = "all rights reserved"
"""What an empty cell means in a column of licences of photos or sounds."""


class Links(BaseModel):
    """Addresses; null where there is nothing."""

    self: str
    thumbnail: str | None = None
    image: str | None = None
    sat: str | None = None
    audio: str | None = None
    spectrogram: str | None = None
    similar: str


class HitSaid(BaseModel):
    """An observation that was found."""

    rank: int
    row: int
    id: str
    observation: str | None
    score: float
    completed: bool
    observed: list[str]
    completed_modalities: list[str]
    p_right: float | None
    scientific_name: str | None
    common_name: str | None
    species: str | None
    family: str | None
    latitude: float | None
    longitude: float | None
    coordinate_uncertainty_m: float | None
    obscured: bool
    generalised: str | None
    cell: list[float] | None
    event_date: str | None
    license: str | None
    license_code: str
    license_url: str | None
    media_licenses: dict[str, str]
    rights_holder: str | None
    source: str | None
    span: dict[str, float | None] | None
    links: Links
    unshown: Why | None = Field(
        description="Why nothing is to be seen or heard, where a photo, tile or sound was observed: "
        "`unnamed` the index names no file, `obscured` a tile would tell the place, `remote` an address on the web, "
        "`outside` the folders of media, `moved`, `unreadable` when the index was built."
    )


def hits_said(bundle: Bundle, hits: Sequence[Hit], generation: int) -> list[dict[str, Any]]:
    """Hits of an answer, as `HitSaid` has them."""
    files = shown_of(bundle, [h.row for h in hits])
    rights = media_licences(bundle, [h.row for h in hits])
    why = unshown(bundle, [h.row for h in hits if not files[h.row]])
    return [
        _said(bundle, h, files[h.row], rights.get(h.row, {}), generation)
        | {"unshown": why.get(h.row)}
        for h in hits
    ]


def _said(
    bundle: Bundle, h: Hit, files: Iterable[str], rights: dict[str, str], generation: int
) -> dict[str, Any]:
    f = plain(h.fields)
    place = place_said(f)
    return {
        "rank": h.rank,
        "row": h.row,
        "id": str(f["id"]),
        "observation": f.get("observation"),
        "score": plain(h.score),
        "completed": h.completed,
        "observed": list(h.observed),
        "completed_modalities": [m for m in bundle.modalities if m not in h.observed],
        "p_right": plain(h.p_right),
        "scientific_name": f.get("scientific_name"),
        "common_name": f.get("common_name"),
        "species": f.get("taxon_species") or f.get("species"),
        "family": f.get("family"),
        **place,
        "event_date": f.get("event_date"),
        "license": f.get("license"),
        "license_code": code_of(f.get("license")),
        "license_url": url_of(f.get("license")),
        "media_licenses": rights,
        "rights_holder": f.get("rights_holder"),
        "source": f.get("source"),
        "span": span_said(f),
        "links": links_of(h.row, files, span_said(f), generation),
    }


def place_said(f: dict[str, Any]) -> dict[str, Any]:
    """Where an observation is; of an obscured place the cell that stands for it: west, south, east, north."""
    here = on_earth(f.get("longitude"), f.get("latitude"))
    latitude, longitude = (f["latitude"], f["longitude"]) if here else (None, None)
    hidden = bool(f.get("obscured"))
    cell = None
    if here and hidden:
        south, west, north, east = cell_of(f["latitude"], f["longitude"], f.get("place_level"))
        cell = [round(v, 6) for v in (west, south, east, north)]
    return {
        "latitude": latitude,
        "longitude": longitude,
        "coordinate_uncertainty_m": f.get("coordinate_uncertainty_m"),
        "obscured": hidden,
        "generalised": f.get("place_level"),
        "cell": cell,
    }


def span_said(f: dict[str, Any]) -> dict[str, float | None] | None:
    """Where in its recording a row was heard."""
    return None if f.get("start_s") is None else {"from": f["start_s"], "to": f.get("end_s")}


def links_of(
    row: int, files: Iterable[str], span: dict[str, float | None] | None, generation: int
) -> dict[str, str | None]:
    """Where an observation, its pictures and its sound are to be had."""
    files = set(files)
    media, of = f"{API}/media/{row}", f"generation={generation}"
    seconds = "" if span is None else f"&from={span['from']:g}"
    seconds += "" if span is None or span["to"] is None else f"&to={span['to']:g}"
    shown = next((m for m in ("image", "sat") if m in files), None)
    return {
        "self": f"{API}/observations/{row}?{of}",
        "thumbnail": f"{media}/{shown}?size={_THUMBNAIL}&{of}" if shown else None,
        "image": f"{media}/image?size={_LARGE}&{of}" if "image" in files else None,
        "sat": f"{media}/sat?size={_LARGE}&{of}" if "sat" in files else None,
        "audio": f"{media}/audio?{of}" if "audio" in files else None,
        "spectrogram": f"{media}/spectrogram?{of}{seconds}" if "audio" in files else None,
        "similar": f"{API}/observations/{row}/similar?{of}",
    }


def media_licences(bundle: Bundle, rows: list[int]) -> dict[int, dict[str, str]]:
    """Licences that photos and sounds have of their own, as the table states them, by row and modality."""
    columns = {m: names for m, names in licence_columns(bundle.columns).items() if m in MEDIA}
    if not columns or not rows:
        return {}
    wanted = list(dict.fromkeys(n for names in columns.values() for n in names))
    held = bundle.values(np.array(rows, np.int64), wanted)
    out: dict[int, dict[str, str]] = {}
    for row, cells in held.items():
        for modality, names in columns.items():
            stated = next((str(cells[n]) for n in names if cells.get(n)), RESERVED)
            out.setdefault(row, {})[modality] = stated
    return out
