"""Taxa of the index, as somebody types a name."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel

from prom3e_index.server.dependencies import TheBundle, TheService
from prom3e_index.server.hit_said import API
from prom3e_index.server.known_names import completed

router = APIRouter(prefix=API, tags=["index"])


class Taxon(BaseModel):
    """A taxon of the index."""

    name: str
    rank: str
    common: str | None
    rows: int
    near: bool


@router.get("/taxa", response_model=list[Taxon], summary="Taxa by the beginning of a name")
async def taxa(
    service: TheService,
    bundle: TheBundle,
    q: Annotated[
        str,
        Query(
            min_length=1,
            max_length=100,
            pattern=r"\S",
            description="Scientific or common, any rank.",
        ),
    ],
    limit: Annotated[int, Query(ge=1, le=50)] = 10,
) -> list[dict[str, Any]]:
    """Taxa whose names begin so, those of most observations first; where none does, the nearest, marked so."""
    found, near = await service.work(completed, bundle, q, limit)
    return [{**t, "near": near} for t in found]
