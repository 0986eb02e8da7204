"""Observations: all that may be told of one, and more like it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from fastapi.responses import RedirectResponse
from pydantic import BaseModel

from prom3e_index.server.asking import Given, Group, K, Like, Modality, SearchBody
from prom3e_index.server.dependencies import BundleAt, TheBundle, TheService
from prom3e_index.server.hit_said import API, Links
from prom3e_index.server.kept_media import check_row
from prom3e_index.server.released import observation_said, row_of_id
from prom3e_index.server.routes.searches import searched

router = APIRouter(prefix=API, tags=["observations"])
Row = Annotated[int, Path(ge=0, lt=1 << 40, description="Of the index.")]


class Observation(BaseModel):
    """An observation, with every column that may leave the index."""

    row: int
    id: str
    observed: list[str]
    completed_modalities: list[str]
    scientific_name: str | None
    common_name: str | None
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
    license_said: str
    media_licenses: dict[str, str]
    rights_holder: str | None
    source: str | None
    span: dict[str, float | None] | None
    fields: dict[str, Any]
    links: Links


@router.get("/observations", response_model=Observation, summary="An observation by its id")
async def by_id(
    service: TheService, bundle: TheBundle, id: Annotated[str, Query(min_length=1, max_length=300)]
) -> dict[str, Any]:
    """The observation that has an id, as the table had it."""
    row = await service.work(row_of_id, bundle, id)
    found: dict[str, Any] = await service.work(observation_said, bundle, row)
    return found


@router.get("/observations/{row}", response_model=Observation, summary="An observation")
async def by_row(row: Row, service: TheService, bundle: BundleAt) -> dict[str, Any]:
    """All that may be told of an observation."""
    found: dict[str, Any] = await service.work(observation_said, bundle, row)
    return found


@router.get(
    "/observations/{row}/similar",
    status_code=303,
    response_class=RedirectResponse,
    summary="More like this",
)
async def similar(
    row: Row,
    service: TheService,
    bundle: BundleAt,
    by: Annotated[
        list[Modality], Query(max_length=6, description="By what was observed of it.")
    ] = [],  # noqa: B006
    target: Modality | None = None,
    k: Annotated[int, Query(ge=1, le=1000)] = K,
    group_by: Group | None = None,
) -> RedirectResponse:
    """Observations like one of the index, by all that was observed of it or by some; leads to the search."""
    await service.work(check_row, bundle, row)
    body = SearchBody(
        query=Given(like=[Like(row=row, by=by or None)]), target=target, k=k, group_by=group_by,
        generation=bundle.generation,
    )  # fmt: skip
    stored, _ = await searched(service, body)
    return RedirectResponse(f"{API}/searches/{stored.id}", 303)
