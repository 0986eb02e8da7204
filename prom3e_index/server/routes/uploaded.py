"""What was sent, to be looked at and heard; as of observations, drawn or written anew."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from prom3e_index.server.dependencies import TheService
from prom3e_index.server.hit_said import API
from prom3e_index.server.problems import not_found
from prom3e_index.server.ranged import ranged
from prom3e_index.server.routes.media import (
    JPEG,
    PNG,
    SOUND,
    Axes,
    Drawing,
    From,
    Size,
    Speed,
    To,
    picture,
    sound,
)
from prom3e_index.server.uploads import Upload

router = APIRouter(prefix=f"{API}/uploads", tags=["uploads"])
UploadId = Annotated[str, Path(pattern="^sha256-[0-9a-f]{64}$", description="Of an upload.")]


def _sound(service: TheService, id: str) -> Upload:
    found = service.uploads.get(id)
    if found.modality != "audio":
        raise not_found("The file is a picture; it has no sound.", "id")
    return found


@router.get(
    "/{id}/thumbnail",
    response_class=Response,
    responses=JPEG,
    summary="What was sent, as a picture",
)
async def thumbnail(
    id: UploadId, request: Request, service: TheService, size: Size = "320"
) -> Response:
    """A photo or tile that was sent."""
    found = service.uploads.get(id)
    if found.modality == "audio":
        raise not_found("The file is a recording; its spectrogram is at /spectrogram.", "id")
    return await picture(service, request, found.path, size, found.modality == "sat")


@router.get(
    "/{id}/audio", response_class=Response, responses=SOUND, summary="What was sent, to be heard"
)
async def audio(
    id: UploadId,
    request: Request,
    service: TheService,
    begin: From = None,
    to: To = None,
    speed: Speed = 1.0,
) -> Response:
    """A recording that was sent, whole or some seconds of it; with `Range`."""
    return await sound(service, request, _sound(service, id).path, begin, to, speed)


@router.get("/{id}/spectrogram", response_class=Response, responses=PNG, summary="Its spectrogram")
async def spectrogram(
    id: UploadId,
    request: Request,
    service: TheService,
    asked: Drawing,
) -> Response:
    """Some seconds of a recording that was sent."""
    path = _sound(service, id).path
    file, name = await service.derived.spectrogram(path, *asked)
    return ranged(request, file, "image/png", name)


@router.get("/{id}/spectrogram.json", response_model=Axes, summary="Its axes")
async def axes(
    id: UploadId,
    service: TheService,
    asked: Drawing,
) -> dict[str, Any]:
    """What that spectrogram shows."""
    path = _sound(service, id).path
    found: dict[str, Any] = await service.derived.axes(path, *asked)
    return found
