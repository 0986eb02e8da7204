"""One JSON record of the trade's interfaces as flat cells: nested names joined by dots, media as lists of paths.

Source: answers of the iNaturalist API (v1, v2), GBIF occurrence search, Xeno-canto API (v2, v3), eBird API 2.0.
"""

from __future__ import annotations

import json
import re
from typing import Any

from prom3e_index.schema import RANKS
from prom3e_index.tables.kinds import kind_of

DEEPEST = 6
"""Objects nested deeper are kept as JSON text."""
_LINKS = (
    "identifier", "accessURI", "original_url", "file_url", "url", "medium_url", "href", "src", "path", "file",
    "file_path", "filePath", "file_name", "fileName", "filename", "uri",
)  # fmt: skip
_MEDIA_KEYS = (
    "photos", "observation_photos", "sounds", "observation_sounds", "media", "multimedia", "images", "recordings",
    "audio", "image", "videos",
)  # fmt: skip
_OF_TAXA = ("ancestors", "default_photo", "children", "taxon_photos")
"""What an iNaturalist taxon has besides its name: its lineage is read, its picture is not of the observation."""
_PAIR = re.compile(r"\s*-?\d+(?:\.\d+)?\s*,\s*-?\d+(?:\.\d+)?\s*\Z")
_SQUARE = re.compile(r"/square(?=\.\w+(?:\?|$))")
Cells = dict[str, Any]


def flat(record: dict[str, Any], origin: dict[str, str] | None = None) -> Cells:
    """The cells of one record: text, or a list of paths under `image` and `audio`.

    Args:
        record: The record.
        origin: Gets the keys that cells of other names are made of.
    """
    record, origin = dict(record), {} if origin is None else origin
    media: dict[str, list[str]] = {"image": [], "audio": []}
    for key in _MEDIA_KEYS:
        listed = record.get(key)
        if isinstance(listed, list) and ((paths := _paths(key, listed)) or not listed):
            for kind, path in paths:
                if path not in media[kind]:
                    media[kind].append(path)
                origin.setdefault(kind, key)
            del record[key]
    taxon = record.get("taxon")
    if isinstance(taxon, dict):
        record["taxon"] = {k: v for k, v in taxon.items() if k not in _OF_TAXA}
        for rank, name in _lineage(taxon).items():
            record.setdefault(rank, name)
            origin.setdefault(rank, "taxon")
    out: Cells = {}
    _flatten(record, "", out, 0)
    _place(record, out, origin)
    for kind, found in media.items():
        if found:
            out[kind] = found
    return out


def _flatten(value: dict[str, Any], prefix: str, out: Cells, depth: int) -> None:
    for key, cell in value.items():
        name = prefix + str(key)
        if isinstance(cell, dict) and cell and depth < DEEPEST:
            _flatten(cell, name + ".", out, depth + 1)
        else:
            out.setdefault(name, _text(cell))


def _text(cell: Any) -> str | None:
    if cell is None or cell == [] or cell == {}:
        return None
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool | list | dict):
        return json.dumps(cell, ensure_ascii=False)
    return str(cell)


def _paths(key: str, items: list[Any]) -> list[tuple[str, str]]:
    """(`image` or `audio`, path) of each medium of a list; empty where the list is of something else."""
    found: list[tuple[str, str]] = []
    for item in items:
        stated = ""
        if isinstance(item, dict):
            inner = item.get("photo") or item.get("sound") or item
            if not isinstance(inner, dict):
                continue
            link = next(
                (inner[n] for n in _LINKS if isinstance(inner.get(n), str) and inner[n].strip()),
                None,
            )
            stated = " ".join(
                str(inner.get(n) or "") for n in ("type", "format", "mimetype", "file_content_type")
            )
        else:
            link = item if isinstance(item, str) and kind_of(item.partition("?")[0]) else None
        if link is None:
            continue
        link = _SQUARE.sub("/medium", link.strip())
        kind = kind_of(link.partition("?")[0])
        sound = (
            "sound" in stated.lower()
            or "audio" in stated.lower()
            or "sound" in key
            or key in ("audio", "recordings")
        )
        found.append(
            ("audio" if sound or (kind == "audio" and not stated.strip()) else "image", link)
        )
    return found


def _lineage(taxon: dict[str, Any]) -> dict[str, str]:
    """Ranks of an iNaturalist taxon and its ancestors."""
    found: dict[str, str] = {}
    above = taxon.get("ancestors")
    for t in [*(above if isinstance(above, list) else []), taxon]:
        if isinstance(t, dict) and t.get("rank") in RANKS and isinstance(t.get("name"), str):
            found[str(t["rank"])] = t["name"]
    return found


def _place(record: dict[str, Any], out: Cells, origin: dict[str, str]) -> None:
    """Latitude and longitude of an iNaturalist observation, from its `location` or its GeoJSON point."""
    text, geometry = record.get("location"), record.get("geojson")
    at: list[Any] = []
    key = "location"
    if isinstance(text, str) and _PAIR.match(text):
        at = text.replace(" ", "").split(",")
    elif isinstance(geometry, dict) and geometry.get("type", "Point") == "Point":
        key, at = "geojson", geometry.get("coordinates") or []
        at = at[1::-1] if isinstance(at, list) else []
    if len(at) == 2 and not any(out.get(n) for n in ("latitude", "decimalLatitude")):
        out["decimalLatitude"], out["decimalLongitude"] = _text(at[0]), _text(at[1])
        origin.update(dict.fromkeys(("decimalLatitude", "decimalLongitude"), key))
