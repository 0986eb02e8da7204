"""OGC API Features, core and GeoJSON: what QGIS and other map programs connect to."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel

from prom3e_index.search.filtered import days, extent
from prom3e_index.search.run import Bundle
from prom3e_index.server.addressed import FilterParameters
from prom3e_index.server.asking import Only
from prom3e_index.server.dependencies import TheBundle, TheService
from prom3e_index.server.features import Page, answer_page, index_page
from prom3e_index.server.problems import not_found
from prom3e_index.server.released import feature, observation_said
from prom3e_index.server.service import Service
from prom3e_index.server.stored import Stored
from prom3e_index.show.escapes import json_text

router = APIRouter(prefix="/ogc", tags=["ogc"])
GEOJSON, CRS84 = "application/geo+json", "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
CLASSES = tuple(
    f"http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/{name}" for name in ("core", "oas30", "geojson")
)  # fmt: skip
MOST = 1000
"""Features of a page."""
OBSERVATIONS, SEARCH = "observations", "search-"
_FEATURES: dict[int | str, dict[str, Any]] = {
    200: {"description": "GeoJSON.", "content": {GEOJSON: {"schema": {"type": "object"}}}}
}
Collection = Annotated[
    str, Path(max_length=40, pattern="^(observations|search-[A-Za-z0-9_-]{1,32})$")
]


class Link(BaseModel):
    """A link."""

    href: str
    rel: str
    type: str
    title: str | None = None


class Landing(BaseModel):
    """Where one begins."""

    title: str
    description: str
    links: list[Link]


class Conformance(BaseModel):
    """What is conformed to."""

    conformsTo: list[str]


class CollectionSaid(BaseModel):
    """A collection of features."""

    id: str
    title: str
    description: str
    itemType: str
    crs: list[str]
    extent: dict[str, Any]
    links: list[Link]


class Collections(BaseModel):
    """All collections."""

    collections: list[CollectionSaid]
    links: list[Link]


def _link(
    request: Request, path: str, rel: str, type: str = "application/json", title: str | None = None
) -> dict[str, Any]:
    return {
        "href": f"{str(request.base_url).rstrip('/')}{path}",
        "rel": rel,
        "type": type,
        "title": title,
    }


@router.get("", response_model=Landing, summary="Landing page")
async def landing(request: Request, bundle: TheBundle) -> dict[str, Any]:
    """Where a map program begins."""
    return {
        "title": bundle.name,
        "description": f"{len(bundle):,} observations, generation {bundle.generation}",
        "links": [
            _link(request, "/ogc", "self"),
            _link(request, "/openapi.json", "service-desc", "application/vnd.oai.openapi+json;version=3.1"),
            _link(request, "/ogc/conformance", "conformance"),
            _link(request, "/ogc/collections", "data"),
        ],
    }  # fmt: skip


@router.get("/conformance", response_model=Conformance, summary="What is conformed to")
async def conformance() -> dict[str, Any]:
    """The classes of OGC API Features."""
    return {"conformsTo": list(CLASSES)}


@router.get("/collections", response_model=Collections, summary="Collections")
async def collections(request: Request, service: TheService, bundle: TheBundle) -> dict[str, Any]:
    """All observations; a search is a collection too, `search-ID`, as long as it is kept."""
    return {
        "collections": [await service.work(_observations, request, bundle)],
        "links": [_link(request, "/ogc/collections", "self")],
    }


@router.get("/collections/{collection}", response_model=CollectionSaid, summary="A collection")
async def one(
    collection: Collection, request: Request, service: TheService, bundle: TheBundle
) -> dict[str, Any]:
    """What a collection is."""
    if collection == OBSERVATIONS:
        return await service.work(_observations, request, bundle)
    stored = service.stored(collection.removeprefix(SEARCH))
    return await service.work(_search, request, stored)


@router.get(
    "/collections/{collection}/items",
    response_class=Response,
    responses=_FEATURES,
    summary="Features",
)
async def items(
    collection: Collection,
    request: Request,
    service: TheService,
    bundle: TheBundle,
    bbox: Annotated[str | None, Query(max_length=120, description="west,south,east,north")] = None,
    datetime: Annotated[str | None, Query(max_length=60, description="2024-01-01/..")] = None,
    taxon: Annotated[str | None, Query(min_length=1, max_length=200, pattern=r"\S")] = None,
    limit: Annotated[
        int, Query(ge=1, lt=1 << 40, description=f"Of more than {MOST:,}, {MOST:,} are given.")
    ] = 100,
    offset: Annotated[int, Query(ge=0, le=100_000)] = 0,
) -> Response:
    """Observations by row number, or the hits of a search best first; an obscured place is its cell."""
    only = FilterParameters(taxon=taxon, bbox=bbox, datetime=datetime).only()
    limit = min(limit, MOST)  # the standard wants no error of more than there may be
    page = await _page(service, bundle, collection, only, limit, offset)
    here = f"/ogc/collections/{collection}"
    links = [_link(request, f"{here}/items", "self", GEOJSON), _link(request, here, "collection")]
    if offset + page.returned < page.matched and page.returned:
        following = request.url.include_query_params(offset=offset + limit, limit=limit)
        links.append(_link(request, f"{following.path}?{following.query}", "next", GEOJSON))
    text = await service.work(lambda: json_text({**page.said(), "links": links}))
    return Response(text, media_type=GEOJSON)


@router.get(
    "/collections/{collection}/items/{row}",
    response_class=Response,
    responses=_FEATURES,
    summary="A feature",
)
async def item(
    collection: Collection,
    row: Annotated[int, Path(ge=0, lt=1 << 40)],
    service: TheService,
    bundle: TheBundle,
) -> Response:
    """One observation."""
    if collection != OBSERVATIONS:
        stored = service.stored(collection.removeprefix(SEARCH))
        if all(h.row != row for h in stored.answer.hits):
            raise not_found(f"Row {row} is no hit of this search.", "row")
        bundle = stored.bundle
    found = await service.work(observation_said, bundle, row)
    return Response(json_text(feature(found)), media_type=GEOJSON)


async def _page(
    service: Service, bundle: Bundle, collection: str, only: Only, limit: int, offset: int
) -> Page:
    chosen = only.filter()
    if collection == OBSERVATIONS:
        return await service.work(index_page, bundle, chosen, limit, offset)
    stored = service.stored(collection.removeprefix(SEARCH))
    return await service.work(answer_page, stored, chosen, limit, offset)


def _observations(request: Request, bundle: Bundle) -> dict[str, Any]:
    return _said(request, bundle, OBSERVATIONS, bundle.name, f"{bundle.rows:,} rows")


def _search(request: Request, stored: Stored) -> dict[str, Any]:
    q = stored.answer.query
    title = f"{' + '.join(q['given'])} → {q['target']}"
    return _said(
        request,
        stored.bundle,
        f"{SEARCH}{stored.id}",
        title,
        f"{len(stored.answer):,} hits, best first",
    )


def _said(request: Request, bundle: Bundle, id: str, title: str, words: str) -> dict[str, Any]:
    lies = extent(bundle)
    known = days(bundle)
    interval = [None, None] if known is None else [f"{known[0]}T00:00:00Z", f"{known[1]}T23:59:59Z"]
    here = f"/ogc/collections/{id}"
    return {
        "id": id,
        "title": title,
        "description": words,
        "itemType": "feature",
        "crs": [CRS84],
        "extent": {
            "spatial": {"bbox": [list(lies or (-180, -90, 180, 90))], "crs": CRS84},
            "temporal": {"interval": [interval]},
        },
        "links": [_link(request, here, "self"), _link(request, f"{here}/items", "items", GEOJSON)],
    }
