"""The page's own files: read once, told apart by their content, and nothing else of the disk."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from fastapi import APIRouter, Request, Response

from prom3e_index.server.problems import not_found

TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "mjs": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "json": "application/json",
    "geojson": "application/geo+json",
    "svg": "image/svg+xml",
    "png": "image/png",
    "ico": "image/x-icon",
    "webmanifest": "application/manifest+json",
    "txt": "text/plain; charset=utf-8",
    "md": "text/plain; charset=utf-8",
    "": "text/plain; charset=utf-8",
}
"""By ending: what a machine's own tables say differs from one to the next."""
NO_PAGE = b"This server answers programs: see /openapi.json. Its page is not installed.\n"
_PACKED = ".gz"
_PACKABLE = frozenset(TYPES[e] for e in ("html", "js", "css", "json", "geojson", "svg", "txt"))


@dataclass(frozen=True)
class File:
    """A file of the page.

    Attributes:
        body: As it is.
        packed: By gzip, where the installation has it so; else text is packed when it is first asked for so.
        type: Content type.
        tag: Hash of the content.
    """

    body: bytes
    packed: bytes | None
    type: str
    tag: str


def page_files() -> dict[str, File]:
    """The files of the page by their names below `/static/`; `index.html` is the page itself."""
    held = dict(_below(files("prom3e_index.server") / "static", ""))
    out = {}
    for name, body in held.items():
        if name.endswith(_PACKED):
            if name.removesuffix(_PACKED) not in held:  # shipped packed alone
                plain = gzip.decompress(body)
                out[name.removesuffix(_PACKED)] = _file(name.removesuffix(_PACKED), plain, body)
            continue
        out[name] = _file(name, body, held.get(name + _PACKED))
    return out


def _file(name: str, body: bytes, packed: bytes | None) -> File:
    _, dot, ending = name.rpartition("/")[2].rpartition(".")
    type_ = TYPES.get(ending.lower() if dot else "", "application/octet-stream")
    return File(body, packed, type_, hashlib.sha256(body).hexdigest()[:20])


def _below(folder: Traversable, start: str) -> list[tuple[str, bytes]]:
    out: list[tuple[str, bytes]] = []
    if not folder.is_dir():
        return out
    for entry in sorted(folder.iterdir(), key=lambda e: e.name):
        if entry.is_dir():
            out += _below(entry, f"{start}{entry.name}/")
        else:
            out.append((f"{start}{entry.name}", entry.read_bytes()))
    return out


def page_router() -> APIRouter:
    """`/` and `/static/…`."""
    router, held = APIRouter(include_in_schema=False), page_files()

    @router.get("/")
    def page(request: Request) -> Response:
        if "index.html" not in held:
            return Response(NO_PAGE, media_type=TYPES["txt"])
        return _sent(held["index.html"], request)

    @router.get("/static/{name:path}")
    def static(name: str, request: Request) -> Response:
        if name not in held:
            raise not_found("No such file of the page.")
        return _sent(held[name], request)

    return router


@lru_cache(64)
def _gzip(body: bytes) -> bytes:
    """A file of the page made small, once."""
    return gzip.compress(body, 6, mtime=0)


def _sent(file: File, request: Request) -> Response:
    asked_for = request.query_params.get("v") == file.tag or file.tag in request.url.path
    headers = {
        "etag": f'"{file.tag}"',
        "cache-control": "private, max-age=31536000, immutable" if asked_for else "no-cache",
        "vary": "accept-encoding",
    }
    known = request.headers.get("if-none-match", "")
    if file.tag in known:
        return Response(status_code=304, headers=headers)
    body = file.body
    if file.type in _PACKABLE and "gzip" in request.headers.get("accept-encoding", ""):
        body, headers["content-encoding"] = file.packed or _gzip(file.body), "gzip"
    return Response(body, headers={**headers, "content-type": file.type})
