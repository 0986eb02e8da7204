"""A ranking as a file for other software."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response

from prom3e_index.licences import url_of
from prom3e_index.server.dependencies import TheSearch, TheService
from prom3e_index.server.exporting import TYPES, Format, chosen_hits, exported
from prom3e_index.server.hit_said import API

router = APIRouter(prefix=API, tags=["searches"])
_FILES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A file, or a zip of it and what stands beside it.",
        "content": {t.partition(";")[0]: {"schema": {"type": "string", "format": "binary"}} for t in TYPES.values()},
    }
}  # fmt: skip


@router.get(
    "/searches/{id}/export",
    response_class=Response,
    responses=_FILES,
    summary="A ranking as a file",
)
async def export(
    stored: TheSearch,
    service: TheService,
    request: Request,
    format: Format = "csv",
    rows: Annotated[
        Literal["all", "marked"], Query(description="All hits, or those marked.")
    ] = "all",
    alone: Annotated[
        bool, Query(description="Only the table, without holders and citation.")
    ] = False,
) -> Response:
    """The ranked hits, best first, with licence and holder of each; a link of the licence of the whole."""
    marked = None
    if rows == "marked" and service.marks is not None:
        marked = await service.work(service.marks.relevant, stored.bundle)
    hits = chosen_hits(stored, rows, marked)
    base = str(request.base_url).rstrip("/")
    file = await service.work_long(
        exported, stored, hits, format, alone, base, service.uploads.folder
    )
    headers = {"Content-Disposition": f'attachment; filename="{file.name}"'}
    licence = url_of(file.licence) if file.licence else None
    if licence:
        headers["Link"] = f'<{licence}>; rel="license"'
    return Response(file.body, media_type=file.type, headers=headers)
