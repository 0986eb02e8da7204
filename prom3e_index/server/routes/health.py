"""Whether the server lives, whether it is ready, what it counts, and which it is."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Response

from prom3e_index import __version__
from prom3e_index.server.dependencies import TheService
from prom3e_index.server.metrics import TYPE
from prom3e_index.server.problems import Problem, not_found

router = APIRouter()


@dataclass
class State:
    """How the server is.

    Attributes:
        status: A word.
    """

    status: str


@dataclass
class Version:
    """Which program answers.

    Attributes:
        name: Of the program.
        version: Its version.
        generation: Of the index.
    """

    name: str
    version: str
    generation: int


@router.get("/healthz")
async def healthz() -> State:
    """Whether the server lives."""
    return State("alive")


@router.get("/readyz")
async def readyz(service: TheService) -> State:
    """Whether a search would be answered at once: the model is loaded, the line is not full."""
    why = service.unready()
    if why:
        raise Problem(503, "unready", "Not ready", f"{why}.", headers={"Retry-After": "2"})
    return State("ready")


@router.get("/version")
@router.get("/api/v1/version", include_in_schema=False)
async def version(service: TheService) -> Version:
    """Which program answers, and which generation of the index."""
    return Version("prom3e-index", __version__, service.generation)


@router.get("/metrics", include_in_schema=False)
async def metrics(service: TheService) -> Response:
    """What the server counts, as Prometheus reads it; with `serve --metrics`."""
    if not service.settings.metrics:
        raise not_found(
            "The server has them where it is started by `prom3e-index serve --metrics`."
        )
    return Response(service.metrics.text(), headers={"content-type": TYPE})
