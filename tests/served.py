"""A server of the tiny world's index, on a port of its own, for tests to ask."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

TOKEN = "t0ken-of-the-tests-and-of-nothing-else"


@dataclass
class Served:
    """A server that runs.

    Attributes:
        url: Of its root, without a slash at the end.
        client: Asks with the token.
        service: Behind it.
        log: Its lines.
        faults: What nobody foresaw.
    """

    url: str
    client: httpx.Client
    service: Any
    log: list[str]
    faults: list[BaseException]

    def put(self, path: Path, type: str, **params: str) -> httpx.Response:
        """Send a file."""
        return self.client.put(
            "/api/v1/uploads",
            content=path.read_bytes(),
            headers={"content-type": type},
            params=params,
        )

    def ask(self, query: dict[str, Any], **more: Any) -> httpx.Response:
        """Ask a search."""
        return self.client.post("/api/v1/searches", json={"query": query, **more})


@contextmanager
def serving(index: Path, warm: bool = True, **given: Any) -> Iterator[Served]:
    """Serve an index from a thread of this process until the end of the block.

    Args:
        index: The index.
        warm: Wait until the model is loaded.
        **given: Of `Settings`.
    """
    from prom3e_index.server.app import make_app
    from prom3e_index.server.run import Server, listen
    from prom3e_index.server.service import Service
    from prom3e_index.server.settings import Settings

    settings = Settings(index, **{"port": 0, "token": TOKEN, "metrics": True, **given})
    listening = listen(settings)
    settings = replace(settings, port=listening.getsockname()[1])
    log: list[str] = []
    faults: list[BaseException] = []
    up = threading.Event()
    service = Service(settings, faults.append)
    app = make_app(service, settings, log=log.append, failed=faults.append)
    server = Server(app, service, up.set, None)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        assert up.wait(60)
        url = f"http://127.0.0.1:{settings.port}"
        headers = {"authorization": f"Bearer {settings.token}"} if settings.token else {}
        with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
            while warm and client.get("/readyz").status_code != 200:
                assert not faults, faults
                threading.Event().wait(0.05)
            yield Served(url, client, service, log, faults)
    finally:
        server.should_exit = True
        thread.join(60)


@pytest.fixture(scope="session")
def served(bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The tiny world, served as `prom3e-index serve` does by default; nothing may change the index."""
    index = tmp_path_factory.mktemp("served") / "index.p3i"
    shutil.copytree(bundle_path, index)
    with serving(index) as server:
        yield server
