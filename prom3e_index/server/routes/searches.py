"""Searches: asked once, then read as often as wanted."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from prom3e_index.search.query import Query
from prom3e_index.server.dependencies import TheSearch, TheService
from prom3e_index.server.stored import Stored

router = APIRouter(prefix="/api/v1/searches", tags=["searches"])


@router.post("", status_code=201)
async def post_search(
    body: dict[str, Any], response: Response, service: TheService
) -> dict[str, Any]:
    """Ask; the answer is kept for a quarter of an hour."""
    given = body.get("query", {})
    media: dict[str, Any] = {
        m: service.uploads.get(str(given[m]["upload"])).path
        for m in ("image", "audio", "sat")
        if m in given
    }
    query = Query(
        **media,
        text=given.get("text"),
        location=given.get("location"),
        target=body.get("target"),
        k=min(int(body.get("k", 24)), service.settings.k_most),
    )
    stored = await service.search(query, given, body.get("generation"))
    response.headers["Location"] = f"/api/v1/searches/{stored.id}"
    return _said(stored)


@router.get("/{id}")
async def get_search(stored: TheSearch) -> dict[str, Any]:
    """A search that was asked."""
    return _said(stored)


def _said(stored: Stored) -> dict[str, Any]:
    return {
        "id": stored.id,
        "generation": stored.generation,
        "query": stored.asked,
        "numberMatched": stored.answer.search["eligible"],
        "hits": [{"rank": h.rank, "row": h.row, "score": h.score} for h in stored.answer.hits],
    }
