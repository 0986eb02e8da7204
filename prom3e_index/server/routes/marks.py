"""Marks: which observations a user found relevant or not."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from prom3e_index.search.run import Bundle
from prom3e_index.server.asking import Part, Row
from prom3e_index.server.dependencies import TheBundle, TheService
from prom3e_index.server.hit_said import API
from prom3e_index.server.kept_media import check_rows
from prom3e_index.server.marks import Mark, Marked, Marks, now, rows_of
from prom3e_index.server.problems import not_found
from prom3e_index.server.service import Service

router = APIRouter(prefix=API, tags=["marks"])
Who = Annotated[str | None, Field(max_length=100)]


class MarkSaid(BaseModel):
    """An observation that is marked; `row` is null where the index no longer has it."""

    id: str
    row: int | None
    mark: Mark
    at: str
    by: str | None
    search: str | None
    generation: int | None


class MarksSaid(BaseModel):
    """Marks; `unread` lines of the file are none and were left out."""

    numberMatched: int
    unread: int
    numberReturned: int
    marks: list[MarkSaid]


class NewMark(Part):
    """Rows to be marked."""

    rows: Annotated[list[Row], Field(min_length=1, max_length=1000)]
    mark: Mark
    by: Who = None
    search: Annotated[str | None, Field(max_length=32, pattern="^[A-Za-z0-9_-]+$")] = None


class Count(BaseModel):
    """How many."""

    count: int


def _marks(service: Service) -> Marks:
    if service.marks is None:
        raise not_found(
            "No marks are kept: the server was started by `prom3e-index serve --no-marks`."
        )
    return service.marks


def _said(marks: Marks, bundle: Bundle, limit: int, offset: int) -> dict[str, Any]:
    every = list(marks.every().values())
    shown = every[offset : offset + limit]
    rows = rows_of(bundle, [m.id for m in shown])
    return {
        "numberMatched": len(every),
        "unread": marks.unread,
        "numberReturned": len(shown),
        "marks": [{**vars(m), "row": rows.get(m.id)} for m in shown],
    }


def _add(marks: Marks, bundle: Bundle, new: NewMark) -> dict[str, int]:
    rows = list(dict.fromkeys(new.rows))
    check_rows(bundle, rows)
    found = bundle.values(np.array(rows, np.int64), ["id"])
    ids = {row: str(held["id"]) for row, held in found.items()}
    marks.add(
        [Marked(ids[r], r, new.mark, now(), new.by, new.search, bundle.generation) for r in rows]
    )
    return {"count": len(rows)}


def _remove(marks: Marks, bundle: Bundle, rows: list[int], by: str | None) -> dict[str, int]:
    known = marks.every()
    ids = list(known) if not rows else [
        i for i, r in rows_of(bundle, list(known)).items() if r in set(rows)
    ]  # fmt: skip
    marks.remove(ids, by)
    return {"count": len(ids)}


@router.get("/marks", response_model=MarksSaid, summary="What is marked")
async def marked(
    service: TheService,
    bundle: TheBundle,
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> dict[str, Any]:
    """The observations that are marked."""
    return await service.work(_said, _marks(service), bundle, limit, offset)


@router.post("/marks", response_model=Count, status_code=201, summary="Mark")
async def mark(service: TheService, bundle: TheBundle, new: NewMark) -> dict[str, int]:
    """Mark observations as relevant or not; the last mark of each counts."""
    return await service.work(_add, _marks(service), bundle, new)


@router.delete("/marks", response_model=Count, summary="Take marks away")
async def unmark(
    service: TheService,
    bundle: TheBundle,
    row: Annotated[
        list[Row], Query(max_length=1000, description="Rows; without any, all marks.")
    ] = [],  # noqa: B006
    by: Annotated[str | None, Query(max_length=100)] = None,
) -> dict[str, int]:
    """Take the marks of some rows away, or all."""
    return await service.work(_remove, _marks(service), bundle, row, by)
