"""Serving until a signal comes: one process, one event loop, an orderly end."""

from __future__ import annotations

import asyncio
import logging
import secrets
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from prom3e_index.errors import InputError, Prom3eError
from prom3e_index.server.app import make_app
from prom3e_index.server.service import Service
from prom3e_index.server.settings import Settings

DRAIN_S = 6
"""Seconds that running requests have when the server ends; with what else is to be ended it takes less than ten."""
END_S = 9.0
"""Seconds after which a server that has not ended is ended: a library may hold a thread, and with it all."""
SWITCH_S = 0.0002
"""How soon a thread that computes lets the one that reads and writes HTTP go on; by Python's 5 ms, of which a request
needs several, a refusal would wait for tens."""
_HEAD_S = 20.0
"""Seconds that the head of a request may take."""
_IDLE_S = 30
_CONNECTIONS = 1000
_OPEN = 800
"""Connections from which on each further one closes another that asks nothing."""
_STALLED_S = 60.0
"""Seconds for which a client may read nothing of its answer."""
_BACKLOG = 512
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def serve(
    settings: Settings,
    say: Callable[[str], None],
    *,
    started: Callable[[str, str | None], None] = lambda address, once: None,
    leave: Callable[[signal.Signals], None] | None = None,
    debug: bool = False,
) -> None:
    """Serve an index until SIGINT or SIGTERM; what runs then has six seconds to be answered.

    Args:
        settings: How.
        say: Takes lines of the log.
        started: Called once requests are answered, with the address of the page, and with the same and a word that
            lets one browser in.
        leave: Ends the process at once; called with a second signal, and where a thread does not end in its time.
        debug: Log the traceback of what nobody foresaw.

    Raises:
        InputError: The address is taken, or is none of this machine.
        BundleError: The index cannot be opened.
    """

    def failed(e: BaseException) -> None:
        if debug:
            say("".join(traceback.format_exception(e)))
        else:
            say(str(e) if isinstance(e, Prom3eError) else f"unexpected {type(e).__name__}: {e}")

    listening = listen(settings)
    settings = replace(settings, port=listening.getsockname()[1])
    try:
        service = Service(settings, failed)
    except BaseException:
        listening.close()
        raise
    switched = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_S)
    try:
        app = make_app(service, settings, log=say, failed=failed)

        def up() -> None:
            token = "" if settings.token is None else f"?token={settings.token}"
            tickets = app.state.tickets
            once = None if tickets is None else f"{settings.address}?token={tickets.once()}"
            started(f"{settings.address}{token}", once)

        server = Server(app, service, up, leave)
        server.run(sockets=[listening])
    finally:
        service.close()
        listening.close()
        sys.setswitchinterval(switched)
    if leave is not None and any(
        t.name.startswith(("find", "work")) for t in threading.enumerate()
    ):
        leave(signal.SIGTERM)  # a search that cannot be stopped would hold the program


def new_token() -> str:
    """A token that nobody guesses: 256 bits."""
    return secrets.token_urlsafe(32)


def read_token(path: Path) -> str:
    """The token of a file, which is made where there is none.

    Raises:
        InputError: It cannot be read, or others may read it.
    """
    try:
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(new_token() + "\n", encoding="ascii")
        if path.stat().st_mode & 0o077:
            raise InputError(
                f"--token-file {path} can be read by other users of this machine. Take their rights away, as with "
                f"`chmod 600 {path.name}`."
            )
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as e:
        raise InputError(f"--token-file {path} cannot be read: {e}.") from e


def listen(settings: Settings) -> socket.socket:
    """A socket on the address of the settings.

    Raises:
        InputError: It is taken, or none of this machine.
    """
    host = "127.0.0.1" if settings.host == "localhost" else settings.host.strip("[]")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # named by its protocol, for asyncio lets small packets of TCP alone go at once: 40 ms of each answer
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, settings.port))
        listening.listen(_BACKLOG)
        return listening
    except (OSError, OverflowError) as e:
        listening.close()
        raise InputError(
            f"{host}:{settings.port} cannot be listened on: {getattr(e, 'strerror', None) or e}. Choose another with "
            "--port or --host; --port 0 takes a free one."
        ) from e


class Server(uvicorn.Server):
    """uvicorn's, ended by the first signal in order and by the second at once.

    Args:
        app: What answers.
        service: What is told that the end comes.
        up: Called when requests are answered.
        leave: Called with the second signal.
    """

    def __init__(
        self,
        app: FastAPI,
        service: Service,
        up: Callable[[], None],
        leave: Callable[[signal.Signals], None] | None,
    ) -> None:
        logging.getLogger("uvicorn").setLevel(logging.CRITICAL + 1)  # the log is ours
        super().__init__(
            uvicorn.Config(
                app,
                http=Protocol,
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=_IDLE_S,
                timeout_graceful_shutdown=DRAIN_S,
                limit_concurrency=_CONNECTIONS,
                backlog=_BACKLOG,
            )
        )
        self._service, self._up, self._leave = service, up, leave

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, then say so."""
        await super().startup(sockets)
        if self.started:
            self._up()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End in order, or else after some seconds."""
        if self._leave is not None:
            late = threading.Timer(END_S, self._gone, (signal.SIGTERM,))
            late.daemon = True
            late.start()
        await super().shutdown(sockets)

    def _gone(self, number: int) -> None:
        assert self._leave is not None
        self._service.remove_files()
        self._leave(signal.Signals(number))

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Answer signals while the server runs; they are not raised again: a server ends by them."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._signalled) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _signalled(self, number: int, _: Any) -> None:
        if self.should_exit:
            self.force_exit = True
            if self._leave is not None:
                self._gone(number)
        self._service.ending = self.should_exit = True


class Protocol(H11Protocol):
    """uvicorn's HTTP/1.1, which closes connections that do not say in time what they want, or do not read.

    Of too many those go first that ask nothing for the longest: whoever opens many keeps nobody else out.
    """

    _head: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None
    _quiet_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the head of a request."""
        super().connection_made(transport)
        self._wait()
        self._quiet_since = self.loop.time()
        if len(self.connections) >= _OPEN:
            quiet = [c for c in self.connections if isinstance(c, Protocol) and c.quiet]
            if quiet:
                min(quiet, key=lambda c: c._quiet_since)._close()

    @property
    def quiet(self) -> bool:
        """Whether it is open, and nothing that was asked here is being answered."""
        answered = self.cycle is None or self.cycle.response_complete
        return answered and not self.transport.is_closing()

    def pause_writing(self) -> None:
        """Wait until the client reads on, and no longer than it may take."""
        super().pause_writing()
        if self._stalled is None:
            self._stalled = self.loop.call_later(_STALLED_S, self._abort)

    def resume_writing(self) -> None:
        """Write on."""
        super().resume_writing()
        self._unstall()

    def on_response_complete(self) -> None:
        """Note when the connection became quiet."""
        self._quiet_since = self.loop.time()
        super().on_response_complete()

    def data_received(self, data: bytes) -> None:
        """Read on; a next request has its own time."""
        if self._head is None and (self.cycle is None or self.cycle.response_complete):
            self._wait()
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop()
        self._unstall()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._head = self.loop.call_later(_HEAD_S, self._close)

    def _stop(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _close(self) -> None:
        self._head = None
        if not self.transport.is_closing():
            self.transport.close()

    def _unstall(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _abort(self) -> None:
        """Close what is not read, without waiting for it."""
        self._stalled = None
        self.transport.abort()
