"""The climate of a hit beside that of what was asked."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from prom3e_index.server.climates import Climate, compared
from prom3e_index.server.dependencies import TheSearch, TheService
from prom3e_index.server.hit_said import API

router = APIRouter(prefix=API, tags=["searches"])


class Compared(BaseModel):
    """Two climates, in standard deviations from the mean of the model's raster."""

    variables: list[str] = Field(description="`elevation` and WorldClim's `bio_1` to `bio_19`.")
    hit: Climate
    query: Climate


@router.get(
    "/searches/{id}/climate", response_model=Compared, summary="A hit's climate beside the query's"
)
async def climate_of(
    stored: TheSearch,
    service: TheService,
    row: Annotated[int, Query(ge=0, lt=1 << 40, description="Of the index.")],
) -> dict[str, Any]:
    """The climate of an observation and of what was asked, as far as the index can tell them."""
    found: dict[str, Any] = await service.work_long(
        compared, stored.bundle, row, stored.asked["query"]
    )
    return found
