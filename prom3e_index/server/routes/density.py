"""How many observations there are where."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel

from prom3e_index.server.addressed import FilterParameters
from prom3e_index.server.densities import DEEPEST, density
from prom3e_index.server.dependencies import TheBundle, TheService
from prom3e_index.server.hit_said import API
from prom3e_index.server.problems import not_found

router = APIRouter(prefix=API, tags=["maps"])
Zoom = Annotated[int, Path(ge=0, le=DEEPEST)]
Tile = Annotated[int, Path(ge=0, lt=1 << DEEPEST)]


class Density(BaseModel):
    """Cells with counts, each as `columns` says."""

    columns: list[str]
    cells: list[list[float]]
    step_deg: float
    sampled: bool
    hidden: int


@router.get("/density/{z}/{x}/{y}", response_model=Density, summary="Counts by cell")
async def counts(
    z: Zoom, x: Tile, y: Tile, service: TheService, bundle: TheBundle, given: Annotated[FilterParameters, Query()]
) -> dict[str, Any]:  # fmt: skip
    """Observations by cell of a tile: tile 0/0/0 is the world, 360 by 180 degrees, y from the north; 64 by 32 cells."""
    if x >= 2**z or y >= 2**z:
        raise not_found(f"Zoom {z} has tiles 0 to {2**z - 1}.", "x" if x >= 2**z else "y")
    return await service.work(density, bundle, z, x, y, given.only().filter())
