"""The application: routes behind the guard, errors as problems, its description at `/openapi.json`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import Scope

from prom3e_index import __version__
from prom3e_index.errors import Prom3eError, StoreError
from prom3e_index.server.guard import Guard
from prom3e_index.server.parameters import known_parameters
from prom3e_index.server.problems import MEDIA_TYPE, Problem, of_error, of_status
from prom3e_index.server.routes import ogc
from prom3e_index.server.service import Service
from prom3e_index.server.settings import Settings
from prom3e_index.server.static import page_router
from prom3e_index.server.tickets import Tickets

ROUTES = (
    "health", "index", "taxa", "uploads", "uploaded", "searches", "facets", "climates", "maps", "ranges", "exports",
    "observations", "media", "marks", "density", "ogc",
)  # fmt: skip
"""Modules of `routes`, each with a `router`."""
PROBLEM = {
    "description": "What went wrong (RFC 9457).",
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
_SAID = {
    400: "The body cannot be read: JSON in UTF-8 is needed, not deeply nested, no number of thousands of digits.",
    404: "There is no such address; /openapi.json names those that there are.",
    405: "This address is not asked in this way; /openapi.json names the methods of each.",
}
"""What is said where the framework gives no more than a status."""
_SCHEMA = {
    "type": "object",
    "title": "Problem",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "description": "What kind it is, a relative address."},
        "title": {"type": "string", "description": "The kind in words."},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What was wrong this time, and what to do."},
        "parameter": {"type": "string", "description": "Of which part of the request."},
        "near": {"type": "array", "items": {"type": "string"}, "description": "What may be meant."},
        "code": {
            "type": "string",
            "description": "Which sentence `detail` is, where that is known.",
        },
        "values": {"type": "object", "description": "What stands in it, by name."},
    },
}


def make_app(
    service: Service,
    settings: Settings,
    *,
    log: Callable[[str], None] | None = None,
    failed: Callable[[BaseException], None] | None = None,
) -> FastAPI:
    """The application of a service.

    Args:
        service: What answers.
        settings: How.
        log: Takes a line for each request, without anything that was asked.
        failed: Called with what nobody foresaw.

    Returns:
        It; `app.state.tickets` makes words that let one browser in, or is None without a token.
    """

    @asynccontextmanager
    async def lives(_: FastAPI) -> AsyncIterator[None]:
        await service.begin()
        try:
            yield
        finally:
            await service.end()

    app = FastAPI(
        title="prom3e-index",
        version=__version__,
        summary="Search ecological observations by photo, sound, place, tile, climate or name.",
        openapi_url=None,  # its address is a route as others are
        docs_url=None,  # their pages load scripts of other sites
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        redirect_slashes=False,  # no redirect is made of what a client says
        lifespan=lives,
        dependencies=[Depends(known_parameters)],
        responses={"4XX": PROBLEM, "5XX": PROBLEM},
    )
    tickets = Tickets(settings.token, settings.port) if settings.token is not None else None
    app.state.service, app.state.settings, app.state.tickets = service, settings, tickets
    for name in ROUTES:
        app.include_router(import_module(f"prom3e_index.server.routes.{name}").router)
    app.include_router(page_router())

    @app.get("/openapi.json", include_in_schema=False)
    async def description() -> Response:
        """What this application is, as OpenAPI 3.1."""
        return JSONResponse(app.openapi())

    _tell_problems(app, service, failed)
    app.add_middleware(
        Guard, settings=settings, tickets=tickets, folders=lambda: service.folders, log=log,
        seen=_count(service), failed=failed, room=service.room,
    )  # fmt: skip
    _describe(app)
    return app


def _tell_problems(
    app: FastAPI, service: Service, failed: Callable[[BaseException], None] | None
) -> None:
    def sent(problem: Problem) -> Response:
        return Response(problem.body(), problem.status, problem.headers, media_type=MEDIA_TYPE)

    @app.exception_handler(Problem)
    async def problem(request: Request, e: Problem) -> Response:
        return sent(_as_ogc(request, e, of_path=e.parameter in request.path_params))

    @app.exception_handler(Prom3eError)
    async def error(request: Request, e: Prom3eError) -> Response:
        if isinstance(e, StoreError) and failed is not None:
            failed(e)
        return sent(_as_ogc(request, of_error(e, service.folders)))

    @app.exception_handler(HTTPException)
    async def http(_: Request, e: HTTPException) -> Response:
        if isinstance(e.__cause__, Problem):  # of the body, as that it is too large
            return sent(e.__cause__)
        told = of_status(e.status_code, _SAID.get(e.status_code, ""))
        told.headers |= dict(e.headers or {})
        return sent(told)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, e: RequestValidationError) -> Response:
        first = e.errors()[0] if e.errors() else {"loc": (), "msg": "wrong"}
        where = [str(part) for part in first["loc"][1:]]
        told = Problem(
            422, "request", "The request is not as it must be", f"{first['msg']}.",
            ".".join(where) or None,
        )  # fmt: skip
        return sent(_as_ogc(request, told, of_path=first["loc"][:1] == ("path",)))


def _as_ogc(request: Request, problem: Problem, of_path: bool = False) -> Problem:
    """OGC API Features has 400 for a parameter that is none, and 404 for an address that is none."""
    if problem.status == 422 and request.scope["path"].startswith(ogc.router.prefix):
        problem.status = 404 if of_path else 400
    return problem


def _describe(app: FastAPI) -> None:
    """Let the description hold what problems look like, and no form of errors that is never sent."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = make()
            schemas = made.setdefault("components", {}).setdefault("schemas", {})
            schemas["Problem"] = _SCHEMA
            for methods in made["paths"].values():
                for operation in methods.values():
                    operation["responses"].pop("422", None)
            for name in ("HTTPValidationError", "ValidationError"):
                schemas.pop(name, None)
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _count(service: Service) -> Callable[[Scope, int, float], None]:
    def seen(scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "other")
        service.metrics.requests.labels(scope["method"][:10], route, status or 499).inc()
        service.metrics.seconds.labels(route).observe(seconds)

    return seen
