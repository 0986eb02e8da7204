"""What a client shows to be let in, and how often it may ask."""

from __future__ import annotations

import hmac
import math
import secrets
import time
from collections.abc import Callable

from starlette.datastructures import Headers

from prom3e_index.server.problems import Problem

_ONCE_S = 120.0
_CLIENTS = 4096
_BURST_S = 10


class Tickets:
    """What shows that a client may ask: the token itself, a cookie made of it, or a word that works once.

    Args:
        token: The token.
        port: Of the server: cookies are shared by all ports of a name.
        clock: For tests.
    """

    def __init__(self, token: str, port: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._token, self._clock = token.encode(), clock
        self.name = f"p3i-{port}"
        self._worth = hmac.new(self._token, b"cookie", "sha256").hexdigest()
        self._once: dict[bytes, float] = {}

    @property
    def cookie(self) -> str:
        """The header that sets the cookie; it cannot be turned back into the token."""
        return f"{self.name}={self._worth}; HttpOnly; SameSite=Strict; Path=/"

    def once(self) -> str:
        """A word that lets one browser in within two minutes: program arguments can be read by others."""
        word = secrets.token_urlsafe(32)
        self._once[word.encode()] = self._clock() + _ONCE_S
        return word

    def takes(self, given: str) -> bool:
        """Whether a word of an address lets in."""
        word = given.encode()
        found = [w for w in self._once if hmac.compare_digest(w, word)]
        if found:
            return self._once.pop(found[0]) >= self._clock()
        return hmac.compare_digest(word, self._token)

    def known(self, headers: Headers) -> bool:
        """Whether a request shows token or cookie."""
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return hmac.compare_digest(given.strip().encode(), self._token)
        pairs = (part.strip().partition("=") for part in headers.get("cookie", "").split(";"))
        worth = next((value for name, _, value in pairs if name == self.name), "")
        return hmac.compare_digest(worth.encode(), self._worth.encode())


class Rate:
    """Requests that each client may make: so many a second, ten seconds' worth at once.

    Args:
        per_second: Requests.
        clock: For tests.
    """

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second, self._clock = per_second, clock
        self._most = max(1.0, per_second * _BURST_S)
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, client: str) -> None:
        """Count a request.

        Raises:
            Problem: 429, there were too many.
        """
        now = self._clock()
        left, at = self._left.pop(client, (self._most, now))
        left = min(self._most, left + (now - at) * self._per_second)
        self._left[client] = (left - 1 if left >= 1 else left, now)
        if len(self._left) > _CLIENTS:
            del self._left[next(iter(self._left))]
        if left < 1:
            wait = math.ceil((1 - left) / self._per_second)
            raise Problem(
                429, "rate", "Too many requests", f"Ask again in {wait} s.",
                headers={"Retry-After": str(wait)},
            )  # fmt: skip
