"""The index as a whole, the outline of its world, and the map that lies below."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from prom3e_index.server.dependencies import TheBundle, TheService
from prom3e_index.server.described import index_said
from prom3e_index.server.hit_said import API
from prom3e_index.server.outlined import as_text, outline_of
from prom3e_index.server.problems import not_found
from prom3e_index.server.ranged import fresh, ranged
from prom3e_index.server.sentences import Sentence

router = APIRouter(tags=["index"])
_JSON: dict[int | str, dict[str, Any]] = {
    200: {"description": "A FeatureCollection.", "content": {"application/geo+json": {"schema": {"type": "object"}}}}
}  # fmt: skip
_TILES: dict[int | str, dict[str, Any]] = {
    code: {"description": what, "content": {"application/vnd.pmtiles": {}}}
    for code, what in ((200, "The file."), (206, "A part of it."))
}


class ModelSaid(BaseModel):
    """The model of an index."""

    name: str
    sigma_spearman: float | None


class ModalitySaid(BaseModel):
    """A modality, how many rows have it, and which types of files are taken for it."""

    name: str
    word: str
    rows: int
    accepts: list[str]


class Column(BaseModel):
    """A column, and its type in DuckDB's words."""

    name: str
    type: str


class Licence(BaseModel):
    """A licence, and how many rows have it."""

    license: str
    rows: int
    url: str | None


class IndexSaid(BaseModel):
    """What an index is; null is what was not counted, since the index is large.

    The certificate, what a search was measured to find of the exact answer, is null until it is measured, for a vector
    store by `prom3e-index certify --store`; a note says so where a search is not exact. The generation of a vector
    store is its own, not that of the index which was pushed there.
    """

    name: str
    rows: int
    observations: int
    generation: int
    created: str | None
    outline: Literal["earth", "planet"]
    model: ModelSaid
    modalities: list[ModalitySaid]
    targets: list[str]
    columns: list[Column]
    facets: list[str]
    bbox: list[float] | None
    dates: list[str] | None
    licences: list[Licence] | None
    obscured: int | None
    policy: bool
    certificate: dict[str, Any] | None
    calibrated: bool
    notes: list[str]
    said: list[Sentence] = Field(description="The notes by code and values.")
    limits: dict[str, float]
    allows: dict[str, bool]


@router.get(f"{API}/index", response_model=IndexSaid, summary="The index")
async def index(service: TheService, bundle: TheBundle) -> dict[str, Any]:
    """What the index holds, what can be asked, and within which limits."""
    return await service.work_long(index_said, bundle, service.settings, service.marks is not None)


@router.get(
    f"{API}/outline.json", response_class=Response, responses=_JSON, summary="Where the land is"
)
async def outline(service: TheService, bundle: TheBundle, request: Request) -> Response:
    """The land of the world that the index is of: the Earth's, or the invented planet's."""
    world = outline_of(bundle)
    headers = {"ETag": f'"outline-{world}"', "Cache-Control": "private, max-age=86400"}
    if fresh(request, f"outline-{world}"):
        return Response(status_code=304, headers=headers)
    text = await service.work_long(as_text, world)
    return Response(text, media_type="application/geo+json", headers=headers)


@router.get("/basemap.pmtiles", response_class=Response, responses=_TILES, summary="The map below")
async def basemap(service: TheService, request: Request) -> Response:
    """The file of `serve --basemap`, in parts."""
    path = service.settings.basemap
    if path is None:
        raise not_found(
            "The server has them where it is started by `prom3e-index serve --basemap`."
        )
    try:
        file = path.open("rb")
        stat = path.stat()
    except OSError as e:
        raise not_found(f"{path.name} is not there any more.") from e
    return ranged(
        request, file, "application/vnd.pmtiles", f"{stat.st_size:x}-{stat.st_mtime_ns:x}"
    )
