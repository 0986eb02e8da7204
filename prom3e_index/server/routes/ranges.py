"""The map of a search: where what was asked for may live."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from prom3e_index.server.addressed import box_of
from prom3e_index.server.asking import SearchBody, query_of, read
from prom3e_index.server.dependencies import TheSearch, TheService
from prom3e_index.server.hit_said import API
from prom3e_index.server.ranges import range_map
from prom3e_index.server.sentences import Sentence

router = APIRouter(prefix=API, tags=["maps"])
CELLS = 4000


class Finest(BaseModel):
    """The finest cells that the index's policy allows for what was asked, and why."""

    level: str
    why: str


class RangeSaid(BaseModel):
    """Cells of land, each as `columns` says."""

    columns: list[str]
    cells: list[list[float | None]]
    side_deg: float
    asked: str
    taxon: str | None
    extrapolated_above: float = Field(description="Of `extrapolation`: cells above it are flagged.")
    means: dict[str, str]
    finest: Finest
    facts: dict[str, Any]
    sentences: list[str]
    said: list[Sentence] = Field(description="The same by code and values.")


@router.get("/searches/{id}/range", response_model=RangeSaid, summary="Where it may live")
async def range_of(
    stored: TheSearch,
    service: TheService,
    bbox: Annotated[str | None, Query(max_length=100, description="west,south,east,north")] = None,
    cells: Annotated[int, Query(ge=100, le=20_000, description="At most.")] = CELLS,
) -> dict[str, Any]:
    """How alike places are to what was asked for, by cell; as fine as the policy of the index allows."""
    box = None if bbox is None else read("bbox", lambda: box_of(bbox))
    settings = service.settings
    query = query_of(
        SearchBody.model_validate(stored.asked), service.uploads.get, k_most=settings.k_most,
        expert=settings.expert, rows=stored.bundle.rows,
    )  # fmt: skip
    query = replace(query, device=settings.device)
    return await service.work_long(range_map, stored.bundle, query, box, cells)
