"""Photos, tiles and sounds of observations, by row number alone, drawn or written anew."""

from __future__ import annotations

from typing import IO, Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel

from prom3e_index.server.dependencies import BundleAt, TheService
from prom3e_index.server.hit_said import API
from prom3e_index.server.kept_media import file_of, obscured
from prom3e_index.server.problems import Problem, not_found
from prom3e_index.server.ranged import ranged

router = APIRouter(prefix=API, tags=["media"])
Row = Annotated[int, Path(ge=0, lt=1 << 40, description="Of the index.")]
Size = Annotated[Literal["320", "1024"], Query(description="Pixels of the longer side, at most.")]
From = Annotated[float | None, Query(alias="from", ge=0, le=1_000_000, description="First second.")]
To = Annotated[float | None, Query(ge=0, le=1_000_000, description="Last second.")]
Speed = Annotated[
    float, Query(ge=0.1, le=1, description="0.1 makes 50 kHz 5 kHz, and a second ten.")
]
Width = Annotated[int, Query(ge=16, le=2048, description="Pixels.")]
Height = Annotated[int, Query(ge=16, le=512, description="Pixels.")]
High = Annotated[
    float | None, Query(ge=100, le=1_000_000, description="Upper end of the axis, Hz.")
]
LONGEST_S = 60.0
"""Seconds of one spectrogram."""
USUAL_S = 10.0


def sent(*types: str) -> dict[int | str, dict[str, Any]]:
    """What a route that sends files is described by."""
    files: dict[str, Any] = {t: {"schema": {"type": "string", "format": "binary"}} for t in types}
    return {200: {"description": "The file.", "content": files}}


JPEG, PNG = sent("image/jpeg"), sent("image/png")
SOUND = {**sent("audio/*"), 206: {"description": "A part of it.", "content": {"audio/*": {}}}}


class Axes(BaseModel):
    """What a spectrogram shows."""

    f_min: float
    f_max: float
    begin: Annotated[float, Query(alias="from")]
    seconds: float
    duration: float
    sample_rate: int
    width: int
    height: int
    db_range: list[float]

    model_config = {"populate_by_name": True}


async def picture(service: Any, request: Request, path: Any, size: str, tile: bool) -> Response:
    """A photo or tile, drawn anew."""
    file, name = await service.derived.thumbnail(path, int(size), tile)
    return ranged(request, file, "image/jpeg", name)


async def sound(
    service: Any, request: Request, path: Any, begin: float | None, end: float | None, speed: float
) -> Response:
    """A recording or a span of it as browsers play it."""
    if end is not None and end <= (begin or 0.0):
        raise Problem(
            422, "input", "A span that ends before it begins",
            f"The span goes from {begin or 0:g} s to {end:g} s.", "to",
        )  # fmt: skip
    file, name = await service.derived.sound(path, begin, end, speed)
    return ranged(request, file, sound_type(file), name)


def shown_seconds(begin: float | None, end: float | None) -> tuple[float, float]:
    """First second and how many of a spectrogram.

    Raises:
        Problem: It ends before it begins, or is too long to be looked at.
    """
    first = begin or 0.0
    seconds = USUAL_S if end is None else end - first
    if not 0 < seconds <= LONGEST_S:
        raise Problem(
            422, "input", "No such span",
            f"The span goes from {first:g} s to {first + seconds:g} s; up to {LONGEST_S:g} s are drawn at once.", "to",
        )  # fmt: skip
    return first, seconds


async def drawing(
    begin: From = None,
    to: To = None,
    width: Width = 512,
    height: Height = 192,
    f_max: High = None,
) -> tuple[float, float, int, int, float | None]:
    """What of a spectrogram is asked for: first second, how many, pixels across and up, Hz."""
    return *shown_seconds(begin, to), width, height, f_max


Drawing = Annotated[tuple[float, float, int, int, float | None], Depends(drawing)]


def sound_type(file: IO[bytes]) -> str:
    """The content type of a sound that was written here, by how it begins."""
    head = file.read(12)
    file.seek(0)
    kinds = {
        b"RIFF": "audio/wav", b"fLaC": "audio/flac", b"OggS": "audio/ogg", b"\x1a\x45\xdf\xa3": "audio/webm",
        b"ID3": "audio/mpeg",
    }  # fmt: skip
    found = next((kind for begin, kind in kinds.items() if head.startswith(begin)), None)
    if found is None and head[4:8] == b"ftyp":
        return "audio/mp4"
    if found is None and head[:1] == b"\xff":
        return "audio/aac" if head[1] & 0xF6 == 0xF0 else "audio/mpeg"
    return found or "application/octet-stream"


@router.get("/media/{row}/audio", response_class=Response, responses=SOUND, summary="A sound")
async def audio(
    row: Row,
    request: Request,
    service: TheService,
    bundle: BundleAt,
    begin: From = None,
    to: To = None,
    speed: Speed = 1.0,
) -> Response:
    """The recording of an observation without its tags, whole or some seconds of it; with `Range`."""
    path = await service.work(file_of, bundle, row, "audio")
    return await sound(service, request, path, begin, to, speed)


@router.get(
    "/media/{row}/spectrogram", response_class=Response, responses=PNG, summary="A spectrogram"
)
async def spectrogram(
    row: Row,
    request: Request,
    service: TheService,
    bundle: BundleAt,
    asked: Drawing,
) -> Response:
    """Some seconds of a recording: time across, frequency upward on an even axis, 70 dB of level as colours."""
    path = await service.work(file_of, bundle, row, "audio")
    file, name = await service.derived.spectrogram(path, *asked)
    return ranged(request, file, "image/png", name)


@router.get(
    "/media/{row}/spectrogram.json", response_model=Axes, summary="The axes of a spectrogram"
)
async def axes(
    row: Row,
    service: TheService,
    bundle: BundleAt,
    asked: Drawing,
) -> dict[str, Any]:
    """What the spectrogram of the same parameters shows: seconds, Hz, decibels of a full-scale sine."""
    path = await service.work(file_of, bundle, row, "audio")
    found: dict[str, Any] = await service.derived.axes(path, *asked)
    return found


@router.get(
    "/media/{row}/original",
    response_class=Response,
    responses=sent("application/octet-stream"),
    summary="A file as it is",
)
async def original(
    row: Row,
    request: Request,
    service: TheService,
    bundle: BundleAt,
    modality: Literal["image", "audio"] = "image",
) -> Response:
    """A file as it was indexed, to be saved; with `serve --originals`, and never of an obscured place."""
    if not service.settings.originals:
        raise not_found(
            "The server has them where it is started by `prom3e-index serve --originals`."
        )
    path = await service.work(file_of, bundle, row, modality)
    if await service.work(obscured, bundle, row):
        raise not_found("The place of this observation is obscured, and its file may tell it.")
    stat = path.stat()
    return ranged(
        request, path.open("rb"), "application/octet-stream", f"{stat.st_ino:x}-{stat.st_mtime_ns:x}",
        Content_Disposition="attachment", Content_Security_Policy="sandbox; default-src 'none'",
    )  # fmt: skip


@router.get("/media/{row}/image", response_class=Response, responses=JPEG, summary="A photo")
async def image(
    row: Row, request: Request, service: TheService, bundle: BundleAt, size: Size = "320"
) -> Response:
    """The photo of an observation, drawn anew and upright."""
    path = await service.work(file_of, bundle, row, "image")
    return await picture(service, request, path, size, False)


@router.get("/media/{row}/sat", response_class=Response, responses=JPEG, summary="A satellite tile")
async def tile(
    row: Row, request: Request, service: TheService, bundle: BundleAt, size: Size = "320"
) -> Response:
    """The satellite tile of an observation, drawn anew; none of an obscured place."""
    path = await service.work(file_of, bundle, row, "sat")
    return await picture(service, request, path, size, True)
