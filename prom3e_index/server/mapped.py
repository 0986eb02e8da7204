"""Hits on a map: GeoJSON of all that were ranked, in their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prom3e_index.licences import code_of, roll_up
from prom3e_index.search.answered import Hit
from prom3e_index.server.hit_said import place_said
from prom3e_index.show.escapes import plain

Box = tuple[float, float, float, float]


def collection(hits: Sequence[Hit]) -> dict[str, Any]:
    """The hits as a FeatureCollection, a feature each; those without a place have no geometry.

    An obscured place is the cell that stands for it, not a point.
    """
    features = [_feature(h) for h in hits]
    boxes = [b for f in features if (b := box_of(f["geometry"])) is not None]
    out: dict[str, Any] = {"type": "FeatureCollection"}
    licence = roll_up(code_of(h.fields.get("license")) for h in hits)
    if licence is not None:
        out["license"] = licence
    if boxes:
        west, south = min(b[0] for b in boxes), min(b[1] for b in boxes)
        out["bbox"] = [west, south, max(b[2] for b in boxes), max(b[3] for b in boxes)]
    out["without_place"] = sum(f["geometry"] is None for f in features)
    out["features"] = features
    return out


def _feature(h: Hit) -> dict[str, Any]:
    f = plain(h.fields)
    place = place_said(f)
    return {
        "type": "Feature",
        "id": h.row,
        "geometry": geometry(place),
        "properties": {
            "rank": h.rank,
            "row": h.row,
            "id": str(f["id"]),
            "score": plain(h.score),
            "completed": h.completed,
            "scientific_name": f.get("scientific_name"),
            "common_name": f.get("common_name"),
            "obscured": place["obscured"],
            "coordinate_uncertainty_m": place["coordinate_uncertainty_m"],
            "event_date": f.get("event_date"),
            "license": f.get("license"),
            "rights_holder": f.get("rights_holder"),
        },
    }


def geometry(place: dict[str, Any]) -> dict[str, Any] | None:
    """A place as GeoJSON: a point, or of an obscured one its cell; None without a place."""
    if place["latitude"] is None:
        return None
    if place["cell"] is None:
        return {"type": "Point", "coordinates": [place["longitude"], place["latitude"]]}
    west, south, east, north = place["cell"]
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def box_of(shape: dict[str, Any] | None) -> Box | None:
    """West, south, east, north of such a geometry."""
    if shape is None:
        return None
    if shape["type"] == "Point":
        x, y = shape["coordinates"]
        return x, y, x, y
    ring = shape["coordinates"][0]
    return ring[0][0], ring[0][1], ring[2][0], ring[2][1]
