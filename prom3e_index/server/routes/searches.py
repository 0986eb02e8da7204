"""Searches: asked once, ranked once, and kept for list, map, facets and export."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import RedirectResponse

from prom3e_index.server.addressed import SearchParameters
from prom3e_index.server.answering import PAGE, AnswerSaid, answer_said
from prom3e_index.server.asking import SearchBody, query_of
from prom3e_index.server.dependencies import TheSearch, TheService
from prom3e_index.server.hit_said import API
from prom3e_index.server.known_names import check_taxon
from prom3e_index.server.problems import without_folders
from prom3e_index.server.sentences import coded
from prom3e_index.server.service import Service
from prom3e_index.server.stored import Stored

router = APIRouter(prefix=API, tags=["searches"])
Limit = Annotated[int, Query(ge=1, le=100)]
Offset = Annotated[int, Query(ge=0, le=1000)]
_JSON = "application/json"


async def searched(
    service: Service, body: SearchBody, said: Callable[[Stored], Any] = lambda _: None
) -> tuple[Stored, Any]:
    """Answer what is asked; the answer, and what `said` makes of it.

    Raises:
        Problem: It cannot be asked, or not now.
        Prom3eError: It cannot be answered.
    """
    settings, taxon = service.settings, body.filter.taxon
    if taxon is not None:
        await service.work(check_taxon, service.bundle, taxon)
    query = query_of(
        body,
        service.uploads.get,
        k_most=settings.k_most,
        expert=settings.expert,
        rows=service.bundle.rows,
    )
    return await service.search(query, body.said(), body.generation, said)


def page_of(service: Service, limit: int, offset: int, stored: Stored) -> bytes:
    """A page of a search as JSON, in which no folder of this machine is told."""
    said: dict[str, Any] = answer_said(stored, service.generation, limit, offset)
    folders = service.folders
    for name in ("notes", "sentences", "leftOut"):
        said[name] = [without_folders(text, folders) for text in said[name]]
    reasons = []
    for name in ("confidence", "species_set"):
        if (why := said[name]["reason"]) is not None:
            reasons.append(without_folders(why, folders))
            said[name] = {**said[name], "reason": reasons[-1]}
    said["said"] = coded([*said["notes"], *said["leftOut"], *reasons])
    return json.dumps(said, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


@router.post("/searches", status_code=201, response_model=AnswerSaid, summary="Search")
async def ask(
    body: SearchBody,
    service: TheService,
    limit: Limit = PAGE,
    offset: Offset = 0,
) -> Response:
    """Rank observations by any of: files that were sent, a place, a climate, names, observations."""
    stored, text = await searched(service, body, partial(page_of, service, limit, offset))
    return Response(text, 201, {"Location": f"{API}/searches/{stored.id}"}, _JSON)


@router.get(
    "/searches", status_code=303, response_class=RedirectResponse, summary="Search by an address"
)
async def asked_by_address(
    service: TheService, given: Annotated[SearchParameters, Query()]
) -> RedirectResponse:
    """The same of what needs no file: leads to the search that was made."""
    stored, _ = await searched(service, given.body())
    return RedirectResponse(f"{API}/searches/{stored.id}", 303)


@router.get("/searches/{id}", response_model=AnswerSaid, summary="A page of hits")
async def page(
    stored: TheSearch, service: TheService, limit: Limit = PAGE, offset: Offset = 0
) -> Response:
    """A part of a ranking, best first, and what is to be known of it."""
    return Response(await service.work(page_of, service, limit, offset, stored), media_type=_JSON)
