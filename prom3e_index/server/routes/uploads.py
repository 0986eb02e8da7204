"""Files to ask with: sent as they are, one in a request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from prom3e_index.server.dependencies import TheService
from prom3e_index.server.uploads import Upload

router = APIRouter(prefix="/api/v1/uploads", tags=["uploads"])
UploadId = Annotated[
    str, Path(pattern="^sha256-[0-9a-f]{64}$", description="Of an upload: the hash of the file.")
]


@dataclass
class Place:
    """Where a file says that it was made.

    Attributes:
        latitude: Degrees.
        longitude: Degrees.
        uncertainty_m: Radius, metres.
    """

    latitude: float
    longitude: float
    uncertainty_m: float | None = None


@dataclass
class Found:
    """What a file tells of its observation; nothing of it is asked with unless a query gives it.

    Attributes:
        place: Where.
        date: When, ISO 8601.
        name: Of a species, as it is written.
    """

    place: Place | None
    date: str | None
    name: str | None


@dataclass
class Sent:
    """A file that was sent.

    Attributes:
        upload: Its id, to ask with.
        modality: image, sat or audio.
        bytes: Its size.
        expires: When it goes unless it is used.
        found: What it tells of its observation.
        links: Where it can be seen and heard.
        seconds: Length of a recording.
        sample_rate: Of a recording, Hz.
        width: Of a photo as it is shown, pixels.
        height: Of it, pixels.
    """

    upload: str
    modality: str
    bytes: int
    expires: str
    found: Found
    links: dict[str, str | None]
    seconds: float | None = None
    sample_rate: int | None = None
    width: int | None = None
    height: int | None = None


_FILE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            kind: {"schema": {"type": "string", "format": "binary"}}
            for kind in ("image/*", "audio/*", "video/*", "application/octet-stream")
        },
    }
}


@router.put("", status_code=201, openapi_extra=_FILE)
async def put_upload(
    request: Request,
    response: Response,
    service: TheService,
    modality: Annotated[
        Literal["image", "sat", "audio"] | None,
        Query(description="What it is, where the content does not tell: a tile saved as PNG."),
    ] = None,
) -> Sent:
    """Send a photo, a satellite tile or a recording. The same file again is the same upload."""
    length = request.headers.get("content-length")
    upload = await service.uploads.receive(
        request.stream(),
        request.headers.get("content-type", "").partition(";")[0].strip().lower(),
        int(length) if length is not None and length.isdecimal() else None,
        modality,
    )
    service.metrics.uploads.inc(upload.bytes)
    response.headers["Location"] = f"/api/v1/uploads/{upload.id}"
    return _sent(upload)


@router.get("/{id}")
async def get_upload(id: UploadId, service: TheService) -> Sent:
    """What was sent."""
    return _sent(service.uploads.get(id))


@router.delete("/{id}", status_code=204)
async def delete_upload(id: UploadId, service: TheService) -> None:
    """Take a file back before its time."""
    service.uploads.remove(id)


def _sent(upload: Upload) -> Sent:
    here, sound = f"/api/v1/uploads/{upload.id}", upload.modality == "audio"
    f = upload.facts
    known = f.latitude is not None and f.longitude is not None
    place = Place(f.latitude, f.longitude, f.uncertainty_m) if known else None  # type: ignore[arg-type]
    width, height = upload.pixels or (None, None)
    return Sent(
        upload.id,
        upload.modality,
        upload.bytes,
        datetime.fromtimestamp(upload.until, UTC).isoformat(timespec="seconds"),
        Found(place, f.when, f.species),
        {
            "self": here,
            "thumbnail": None if sound else f"{here}/thumbnail",
            "spectrogram": f"{here}/spectrogram" if sound else None,
            "audio": f"{here}/audio" if sound else None,
        },
        upload.seconds,
        upload.sample_rate_hz,
        width,
        height,
    )
