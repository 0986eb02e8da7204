"""What routes ask for, as FastAPI injects it.

All of them are coroutines, though they wait for nothing: a plain function would go to a thread and back for each
request.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Path, Query, Request

from prom3e_index.search.run import Bundle
from prom3e_index.server.service import Service
from prom3e_index.server.stored import Stored


async def get_service(request: Request) -> Service:
    """The service of the app."""
    service = request.app.state.service
    assert isinstance(service, Service)  # `make_app` sets it
    return service


TheService = Annotated[Service, Depends(get_service)]


async def get_bundle(service: TheService) -> AsyncIterator[Bundle]:
    """The index as it is now, open until the request is answered."""
    with service.bundle_at(None) as bundle:
        yield bundle


TheBundle = Annotated[Bundle, Depends(get_bundle)]


async def get_stored(
    service: TheService,
    id: Annotated[str, Path(max_length=32, pattern="^[A-Za-z0-9_-]+$", description="Of a search.")],
) -> Stored:
    """The search that the address names."""
    return service.stored(id)


TheSearch = Annotated[Stored, Depends(get_stored)]


async def bundle_of(stored: TheSearch) -> Bundle:
    """The generation of the index that answered a search."""
    return stored.bundle


BundleOf = Annotated[Bundle, Depends(bundle_of)]


async def get_bundle_at(
    service: TheService,
    generation: Annotated[
        int | None,
        Query(
            ge=0, lt=1 << 40, description="Of the index that gave the row; the current one without."
        ),
    ] = None,
) -> AsyncIterator[Bundle]:
    """The index as it was when it gave a row number, open until the request is answered."""
    with service.bundle_at(generation) as bundle:
        yield bundle


BundleAt = Annotated[Bundle, Depends(get_bundle_at)]
