"""How a server is set up; `prom3e-index serve` makes it of its options."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path

from prom3e_index.errors import InputError

MEGABYTE = 1 << 20
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
"""Names under which this machine asks itself."""
_NAME = re.compile(
    r"(\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?)*)(?::(\d{1,5}))?"
)
_RATE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*/\s*(s|min|h)\s*")
_SECONDS = {"s": 1, "min": 60, "h": 3600}
_SHORTEST_TOKEN = 16


@dataclass(frozen=True)
class Settings:
    """How a server is set up.

    Attributes:
        index: The index: a folder, or the address of a vector store.
        host: Address that it listens on.
        port: Its port.
        allow_hosts: Further names, with or without a port, by which it may be asked.
        token: What a client must show; None lets every program of this machine in.
        max_upload: Bytes of one upload.
        uploads_total: Bytes of all uploads together.
        upload_seconds: How long an upload is kept after it was last used.
        queue: Searches that may wait; further ones are told to come again.
        deadline_s: Seconds that a search may take.
        k_most: Hits that a search may ask for.
        originals: Whether files may be had as they are, beside re-encoded ones.
        marks: File that marks are kept in; None keeps none.
        basemap: A .pmtiles file that the page draws below the hits.
        expert: Whether `exact`, `space`, δ, γ and ε may be asked for.
        rate: Requests that one client may make in a second; None for any number.
        metrics: Whether `/metrics` is there.
        device: Where networks run.
        media: Folder where the observations' files are now.
        model: The index's model, where it is now.
        hub: Folder of copies of hub repositories.
        workers: Decode processes.
        threads: Threads of a network; when None one where rows are found, and the cores that are left where queries
            are embedded.
    """

    index: str | Path
    host: str = "127.0.0.1"
    port: int = 8765
    allow_hosts: tuple[str, ...] = ()
    token: str | None = None
    max_upload: int = 50 * MEGABYTE
    uploads_total: int = 1024 * MEGABYTE
    upload_seconds: float = 3600.0
    queue: int = 64
    deadline_s: float = 30.0
    k_most: int = 1000
    originals: bool = False
    marks: Path | None = None
    basemap: Path | None = None
    expert: bool = False
    rate: float | None = None
    metrics: bool = False
    device: str = "cpu"
    media: Path | None = None
    model: str | None = None
    hub: Path | None = None
    workers: int = 2
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.token is not None and len(self.token) < _SHORTEST_TOKEN:
            raise InputError(
                f"The token has {len(self.token)} characters; it must have {_SHORTEST_TOKEN} or more."
            )
        if self.token is None and not self.local:
            raise InputError(
                f"Without a token only this machine's own addresses are served, and --host is {self.host}: whoever "
                "reaches it could ask the index. `serve --no-token` goes with --host 127.0.0.1."
            )
        if not self.local and not self.allow_hosts:
            raise InputError(
                f"--host {self.host} can be reached by other machines; also say by which name they ask, as "
                "--allow-host lab.example. Requests under other names are refused."
            )
        for name in self.allow_hosts:
            if not _NAME.fullmatch(name.lower()):
                raise InputError(
                    f"--allow-host is {name!r:.80}; it must be a name or an address, as lab.example or "
                    "lab.example:8080, without http:// and without a path."
                )

    @property
    def local(self) -> bool:
        """Whether only this machine can reach the server."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return False

    @property
    def hosts(self) -> frozenset[str]:
        """Every `Host` that is answered, in lower case."""
        out = {f"{name}:{self.port}" for name in LOOPBACK}
        if self.local and self.host not in ("localhost", "::1"):
            out.add(f"{self.host}:{self.port}")
        if self.port == 80:
            out |= set(LOOPBACK)
        for given in self.allow_hosts:
            found = _NAME.fullmatch(given.lower())
            assert found is not None  # checked when it was made
            out |= {given.lower()} if found[2] else {given.lower(), f"{given.lower()}:{self.port}"}
        return frozenset(out)

    @property
    def address(self) -> str:
        """Where a browser on this machine finds the page, or one elsewhere under the first allowed name."""
        if not self.local:
            name = self.allow_hosts[0].lower()
            return f"http://{name if ':' in name.rpartition(']')[2] else f'{name}:{self.port}'}/"
        host = "[::1]" if self.host == "::1" else self.host
        return f"http://{host}:{self.port}/"


def parse_rate(text: str) -> float:
    """Read `5/s`, `100/min` as requests in a second.

    Raises:
        InputError: It is no such text, or 0.
    """
    found = _RATE.fullmatch(text)
    if found is None or not float(found[1]):
        raise InputError(
            f"--rate is {text!r:.60}; it must be requests in a time, as 5/s or 100/min."
        )
    return float(found[1]) / _SECONDS[found[2]]
