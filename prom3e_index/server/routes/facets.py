"""Facets of a ranking."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel

from prom3e_index.errors import near_names
from prom3e_index.server.counted import FACETS, facets
from prom3e_index.server.dependencies import TheSearch, TheService
from prom3e_index.server.hit_said import API
from prom3e_index.server.problems import Problem

router = APIRouter(prefix=API, tags=["searches"])
USUAL = "species,genus,family,month,year,license,kind"


class Value(BaseModel):
    """A value, and how many hits have it."""

    value: str
    count: int


class Facet(BaseModel):
    """The values of a column: those told, how many others there are, and how many hits have none."""

    values: list[Value]
    others: int
    without: int


class Facets(BaseModel):
    """Facets of the hits that were ranked, not of the whole index."""

    window: int
    facets: dict[str, Facet]


@router.get("/searches/{id}/facets", response_model=Facets, summary="Facets of the ranked hits")
async def facets_of(
    stored: TheSearch,
    service: TheService,
    by: Annotated[
        str, Query(max_length=300, description=f"Of {', '.join(FACETS)}, between commas.")
    ] = USUAL,
) -> dict[str, Any]:
    """How many of the ranked hits have each value."""
    names = list(dict.fromkeys(n.strip() for n in by.split(",") if n.strip()))
    unknown = next((n for n in names if n not in FACETS), None)
    if unknown is not None or not names:
        near = near_names(unknown or "", list(FACETS))
        raise Problem(
            422, "input", "No such facet", f"by is {by!r:.80}; known: {', '.join(FACETS)}{near}.", "by",
            near.removeprefix("; nearest: ").split(", ") if near else (),
        )  # fmt: skip
    found = await service.work(facets, stored.bundle, stored.answer.hits, names)
    return {"window": len(stored.answer.hits), "facets": found}
