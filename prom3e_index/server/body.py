"""The body of a request: counted and timed while it comes; and a client that leaves ends what it asked for."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from prom3e_index.server.problems import Problem

_DRAINED = 128 << 20
_DRAIN_S = 10.0


class Body:
    """What an app receives of a request, within limits.

    Args:
        receive: Of the server.
        headers: Of the request.
        most: Bytes.
        seconds: Time from the first byte that is asked for to the last.
    """

    def __init__(self, receive: Receive, headers: Headers, most: int, seconds: float) -> None:
        self._receive, self._headers, self._most, self._seconds = receive, headers, most, seconds
        self._size = 0
        self._until: float | None = None
        self._whole = asyncio.Event()
        self._gone = asyncio.Event()

    async def given_to(self, app: ASGIApp, scope: Scope, send: Send) -> None:
        """Let an app answer; it is cancelled where the client leaves before the answer begins.

        Raises:
            Problem: 408 or 413, of the body.
        """
        length = self._headers.get("content-length", "0")
        if length.isdecimal() and int(length) > self._most:
            raise too_large(self._most)
        first = None if has_body(self._headers) else await self._next()
        begun = False

        async def taken() -> Message:
            nonlocal first
            message, first = first, None
            return message or await self._next()

        async def out(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        answering = asyncio.ensure_future(app(scope, taken, out))
        watching = asyncio.ensure_future(self._watch())
        try:
            await asyncio.wait({answering, watching}, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done() and not begun:
                answering.cancel()
                await asyncio.wait({answering})
                if answering.cancelled():
                    return
            await answering
        finally:
            watching.cancel()
            if not answering.done():
                answering.cancel()
                await asyncio.wait({answering})

    async def drained(self, status: int) -> bool:
        """Read past what is still to come, so that the client reads what is wrong; whether nothing is left.

        A client that would be cut off while it sends may never read the answer. One that asks first is told at once.
        """
        if self._whole.is_set() or not has_body(self._headers):
            return True
        if status == 408 or "expect" in self._headers:
            return False
        size = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_S):
                while size < _DRAINED:
                    message = await self._receive()
                    size += len(message.get("body", b""))
                    if not message.get("more_body", False):
                        return True
        return False

    async def _next(self) -> Message:
        if self._whole.is_set():
            await self._gone.wait()
            return {"type": "http.disconnect"}
        loop = asyncio.get_running_loop()
        if self._until is None:
            self._until = loop.time() + self._seconds
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError:
            raise Problem(
                408, "too-slow", "The body came too slowly",
                f"The body did not come within {self._seconds:g} s. Send it again, or a smaller one.",
            ) from None  # fmt: skip
        if message["type"] == "http.disconnect":
            self._gone.set()
            self._whole.set()
            return message
        self._size += len(message.get("body", b""))
        if self._size > self._most:
            raise too_large(self._most)
        if not message.get("more_body", False):
            self._whole.set()
        return message

    async def _watch(self) -> None:
        """Wait until the client leaves; the body is read by the app alone."""
        await self._whole.wait()
        while not self._gone.is_set():
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._gone.set()


def has_body(headers: Headers) -> bool:
    """Whether a request brings a body."""
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


def too_large(most: int) -> Problem:
    """413: more than `most` bytes."""
    return Problem(
        413,
        "too-large",
        "The body is too large",
        f"At most {most / 2**20:g} MB are taken here. Send less.",
    )
