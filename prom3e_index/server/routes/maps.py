"""A ranking on a map: GeoJSON for a map that draws it, and a picture for one that cannot."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response

from prom3e_index.server.addressed import box_of
from prom3e_index.server.asking import read
from prom3e_index.server.dependencies import TheSearch, TheService
from prom3e_index.server.drawn_map import DARK, LIGHT, drawn
from prom3e_index.server.hit_said import API
from prom3e_index.server.mapped import collection
from prom3e_index.server.outlined import coast_of
from prom3e_index.show.escapes import json_text

router = APIRouter(tags=["maps"])
GEOJSON = "application/geo+json"
_FEATURES: dict[int | str, dict[str, Any]] = {
    200: {"description": "A FeatureCollection (RFC 7946).", "content": {GEOJSON: {"schema": {"type": "object"}}}}
}  # fmt: skip
_SVG: dict[int | str, dict[str, Any]] = {
    200: {"description": "A picture.", "content": {"image/svg+xml": {"schema": {"type": "string"}}}}
}
Box = Annotated[str | None, Query(max_length=100, description="west,south,east,north")]


@router.get(
    f"{API}/searches/{{id}}/map",
    response_class=Response,
    responses=_FEATURES,
    summary="All ranked hits as GeoJSON",
)
async def hits_on_a_map(stored: TheSearch, service: TheService) -> Response:
    """Every ranked hit, in order; an obscured place is its cell, a hit without a place has no geometry."""
    text = await service.work(lambda: json_text(collection(stored.answer.hits)))
    return Response(text, media_type=GEOJSON, headers=_unchanging(f"{stored.id}-map"))


@router.get("/map.svg", response_class=Response, responses=_SVG, summary="A map as a picture")
async def svg(
    service: TheService,
    search: Annotated[str | None, Query(max_length=32, pattern="^[A-Za-z0-9_-]+$")] = None,
    bbox: Box = None,
    width: Annotated[int, Query(ge=100, le=4000)] = 720,
    height: Annotated[int, Query(ge=100, le=4000)] = 360,
    palette: Annotated[
        Literal["light", "dark"], Query(description="Of the page around it.")
    ] = "light",
) -> Response:
    """The hits of a search on a map that needs nothing but a browser; the whole Earth, or the planet, without one.

    Degrees are even: longitude runs from west to east over the width, latitude from north to south over the height.
    """
    box = None if bbox is None else read("bbox", lambda: box_of(bbox))
    stored = None if search is None else service.stored(search)
    bundle = service.bundle if stored is None else stored.bundle
    hits = () if stored is None else stored.answer.hits
    place = None if stored is None else stored.asked["query"].get("location")
    colours = DARK if palette == "dark" else LIGHT
    asked = place and (place[0], place[1])
    text = await service.work(
        lambda: drawn(hits, coast_of(bundle), box, width, height, asked, colours)
    )
    return Response(
        text, media_type="image/svg+xml", headers={"Cache-Control": "private, max-age=60"}
    )


def _unchanging(of: str) -> dict[str, str]:
    return {"ETag": f'"{of}"', "Cache-Control": "private, max-age=900"}
