"""A file, or the part of it that a player or a map asks for (RFC 9110, section 14)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import IO

from fastapi import Request
from fastapi.responses import Response, StreamingResponse

from prom3e_index.server.problems import Problem

_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")
_CHUNK = 1 << 18
HEAD = "prom3e.head"
"""In the scope of a request that wants headers alone, which routes see as a GET."""


def ranged(request: Request, file: IO[bytes], type: str, etag: str, **headers: str) -> Response:
    """The bytes of an open file that a request asks for; it is closed afterwards.

    One range is answered with 206; several, or a form that is none, with the whole, as the standard allows.

    Args:
        request: With `Range`, `If-Range` and `If-None-Match`.
        file: What is sent.
        type: Its content type.
        etag: What tells it from any other, without quotes.
        **headers: Further ones; `_` stands for `-`.

    Raises:
        Problem: 416, the range begins after the end.
    """
    named = f'"{etag}"'
    told = {
        "ETag": named,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, max-age=31536000, immutable",
    }
    told |= {k.replace("_", "-"): v for k, v in headers.items()}
    if fresh(request, etag):
        file.close()
        return Response(status_code=304, headers=told)
    size = os.fstat(file.fileno()).st_size
    wanted = request.headers.get("range", "")
    if request.headers.get("if-range", named) != named:
        wanted = ""
    first, last, status = 0, size - 1, 200
    found = _RANGE.fullmatch(wanted.strip())
    if found and (found[1] or found[2]):
        if found[1]:
            first, last = int(found[1]), min(int(found[2] or last), last)
        else:
            first = max(0, size - int(found[2]))
        if (
            first >= size
            or (found[1] and found[2] and int(found[2]) < int(found[1]))
            or last < first
        ):
            file.close()
            raise Problem(
                416, "range", "Not in the file", f"The file has {size:,} bytes.",
                headers={"Content-Range": f"bytes */{size}"},
            )  # fmt: skip
        status = 206
        told["Content-Range"] = f"bytes {first}-{last}/{size}"
    told["Content-Length"] = str(last - first + 1)
    if HEAD in request.scope:
        file.close()
        return Response(status_code=status, headers=told, media_type=type)
    return StreamingResponse(_parts(file, first, last), status, told, type)


def fresh(request: Request, etag: str) -> bool:
    """Whether a client has it already."""
    given = request.headers.get("if-none-match", "")
    return given.strip() == "*" or f'"{etag}"' in (
        t.strip().removeprefix("W/") for t in given.split(",")
    )


def _parts(file: IO[bytes], first: int, last: int) -> Iterator[bytes]:
    with file:
        file.seek(first)
        left = last - first + 1
        while left > 0 and (part := file.read(min(_CHUNK, left))):
            left -= len(part)
            yield part
