"""Who may ask: decided before any route sees the request, on what cannot be forged from another site.

Pure ASGI. A request passes, in this order: its path is plain, its `Host` is one of ours, it comes from our own page or
from a program, it shows the token, its body is of a type and size that is taken and comes in time. See `docs/serve.md`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from prom3e_index.errors import Prom3eError, StoreError
from prom3e_index.server.body import Body, has_body
from prom3e_index.server.problems import MEDIA_TYPE, Problem, disk_full, is_full, of_error, over
from prom3e_index.server.ranged import HEAD
from prom3e_index.server.settings import MEGABYTE, Settings
from prom3e_index.server.tickets import Rate, Tickets
from prom3e_index.server.uploads import TYPES

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
    "connect-src 'self'; worker-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(self), microphone=(self)",
    "cache-control": "no-store",
}
"""What every response has, unless its route says otherwise."""
UPLOADS, SEARCHES = "/api/v1/uploads", "/api/v1/searches"
_OPEN = ("/healthz", "/readyz")
_UNCOUNTED = ("/static/", "/healthz", "/readyz", "/metrics")
_JSON_MOST = MEGABYTE
_JSON_S = 60.0


@dataclass
class Request:
    """What the guard reads of a request.

    Attributes:
        method: Of HTTP.
        path: Decoded once, as the routes see it.
        headers: Lower-case names.
        client: Address that it comes from.
        status: Of the response, once it began.
    """

    method: str
    path: str
    headers: Headers
    client: str
    status: int = 0
    began: float = field(default_factory=time.perf_counter)


class Guard:
    """Lets through what may pass.

    Args:
        app: What answers.
        settings: Names, limits.
        tickets: What a client must show; None lets all in.
        folders: Folders that no text may tell; asked for when an error is told.
        log: Takes a line for each request; None keeps no log.
        seen: Called with each request when it is answered, and its seconds.
        failed: Called with what no route foresaw.
        room: Raises a problem where there is no room for a further search: a refusal costs least before it is read.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        tickets: Tickets | None,
        folders: Callable[[], Iterable[Any]] = tuple,
        log: Callable[[str], None] | None = None,
        seen: Callable[[Scope, int, float], None] | None = None,
        failed: Callable[[BaseException], None] | None = None,
        room: Callable[[], None] = lambda: None,
    ) -> None:
        self._app, self._settings, self._folders = app, settings, folders
        self._log, self._seen, self._failed, self._room = log, seen, failed, room
        self._hosts = settings.hosts
        self._tickets = tickets
        self._rate = Rate(settings.rate) if settings.rate else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let it through."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # there are no web sockets
            await send({"type": "websocket.close", "code": 1008})
            return
        client = scope.get("client")
        request = Request(
            scope["method"], scope["path"], Headers(scope=scope), client[0] if client else "-"
        )
        begun = False
        body = Body(receive, request.headers, *self._limits(request))

        async def out(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun, request.status = True, message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if not await body.drained(request.status):
                    headers["connection"] = "close"
            await send(message)

        # each address that is read is asked for its headers too: the server leaves the body out
        asked = {**scope, "method": "GET", HEAD: True} if request.method == "HEAD" else scope
        try:
            if await self._greet(request, scope, out):
                return
            self._check(request, scope)
            if request.method == "POST" and request.path == SEARCHES:
                self._room()
            await body.given_to(self._app, asked, out)
        except asyncio.CancelledError:  # the server ends, and the time of what runs is over
            if begun:
                raise
            await send_problem(over(), request.method, out)
        except ClientDisconnect:
            return  # before its body was there: nobody reads an answer
        except Exception as e:
            problem = self._problem(e)
            if begun:  # too late to say anything else: the connection is cut
                raise
            await send_problem(problem, request.method, out)
        finally:
            self._note(request, {**asked, "method": request.method})

    def _problem(self, e: Exception) -> Problem:
        if isinstance(e, Problem):
            return e
        if isinstance(e, StoreError) and self._failed is not None:
            self._failed(e)
        if isinstance(e, Prom3eError):
            return of_error(e, tuple(self._folders()))
        if self._failed is not None:
            self._failed(e)
        if is_full(e):
            return disk_full()
        return Problem(
            500,
            "fault",
            "A fault of the server",
            "This is a fault of the program; its log says where.",
        )

    def _check(self, request: Request, scope: Scope) -> None:
        """Refuse what may not pass.

        Raises:
            Problem: Why not.
        """
        _plain(request.path)
        self._host(request)
        self._site(request)
        if request.path in _OPEN:
            return
        if self._tickets is not None and not self._tickets.known(request.headers):
            raise Problem(
                401, "token", "The token is missing or wrong",
                "Open the address that the program printed when it was started, or send `Authorization: Bearer TOKEN`.",
                headers={"WWW-Authenticate": 'Bearer realm="prom3e-index"'},
            )  # fmt: skip
        if self._rate is not None and not request.path.startswith(_UNCOUNTED):
            self._rate.take(request.client)
        _content(request)

    def _host(self, request: Request) -> None:
        given = request.headers.getlist("host")
        if len(given) != 1 or given[0].lower() not in self._hosts:
            raise Problem(
                421, "host", "Not a name of this server",
                "The server answers under the names it was started with; --allow-host NAME adds one.",
            )  # fmt: skip

    def _site(self, request: Request) -> None:
        """Refuse what another site has a browser ask; a link to the page may come from anywhere."""
        headers = request.headers
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        foreign = site not in (None, "same-origin", "none")
        if origin is not None:
            scheme, _, host = origin.partition("://")
            foreign |= scheme not in ("http", "https") or host.lower() != headers["host"].lower()
        link = (
            request.method == "GET"
            and request.path == "/"
            and headers.get("sec-fetch-mode") == "navigate"
            and headers.get("sec-fetch-dest") == "document"
        )
        if foreign and not link:
            raise Problem(
                403,
                "cross-site",
                "Asked by another site",
                "Pages of other sites may not ask this server.",
            )

    async def _greet(self, request: Request, scope: Scope, send: Send) -> bool:
        """Take the token from the address of the page into a cookie; whether that was asked for."""
        if request.method != "GET" or request.path != "/" or b"token=" not in scope["query_string"]:
            return False
        self._host(request)
        if self._tickets is not None:
            given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
            if not self._tickets.takes(given):
                raise Problem(
                    401, "token", "The token is missing or wrong",
                    "The address is of an earlier start, or was used before. Open the one that the program printed.",
                )  # fmt: skip
        headers = [(b"location", b"/"), (b"content-length", b"0")]
        if self._tickets is not None:
            headers.append((b"set-cookie", self._tickets.cookie.encode()))
        await send({"type": "http.response.start", "status": 303, "headers": headers})
        await send({"type": "http.response.body", "body": b""})
        return True

    def _limits(self, request: Request) -> tuple[int, float]:
        """Bytes and seconds that the body of a request may have."""
        if request.path == UPLOADS:
            most = self._settings.max_upload
            return most, _JSON_S + most / MEGABYTE
        return _JSON_MOST, _JSON_S

    def _note(self, request: Request, scope: Scope) -> None:
        seconds = time.perf_counter() - request.began
        if self._seen is not None:
            self._seen(scope, request.status, seconds)
        quiet = request.status < 400 and request.path.startswith(_UNCOUNTED)
        if self._log is not None and not quiet:
            # the path is of our own words, row numbers and ids; what was asked stands in query and body
            path = request.path[:200].encode("unicode_escape").decode("ascii")
            self._log(
                f"{request.client} {request.method[:10]} {path} {request.status or 'gone'} {1000 * seconds:.0f} ms"
            )


async def send_problem(problem: Problem, method: str, send: Send) -> None:
    """Answer with a problem."""
    body = problem.body()
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    headers += [(k.lower().encode(), v.encode("latin-1")) for k, v in problem.headers.items()]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})


def _plain(path: str) -> None:
    """Refuse paths that only an attack has; routes take nothing but words and numbers anyway."""
    parts = path.split("/")
    odd = any(not c.isprintable() or c == "\\" for c in path)
    if odd or not path.startswith("/") or ".." in parts or "." in parts or "" in parts[1:-1]:
        raise Problem(404, "not-found", "Not here", "No such page.")


def _content(request: Request) -> None:
    """Refuse bodies of types that a form of another site could send, or that nothing here reads."""
    headers = request.headers
    if "transfer-encoding" in headers and "content-length" in headers:
        raise Problem(
            400, "two-lengths", "Two lengths of one body",
            "The request has both Content-Length and Transfer-Encoding; a proxy may take it for two. Send one.",
            headers={"Connection": "close"},
        )  # fmt: skip
    given = headers.get("content-type", "").partition(";")[0].strip().lower()
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem(415, "encoding", "Packed bodies are not taken", "Send the body as it is.")
    if request.path == UPLOADS and request.method == "PUT":
        if not given.startswith(TYPES):
            raise Problem(
                415, "content-type", "Not a type of a photo or recording",
                f"The content type is {given[:60]!r}; send the file itself with its type, as image/jpeg or audio/wav.",
            )  # fmt: skip
    elif (has_body(headers) or request.method == "POST") and given != "application/json":
        raise Problem(
            415, "content-type", "Not JSON",
            f"The content type is {given[:60]!r}; it must be application/json.",
        )  # fmt: skip
