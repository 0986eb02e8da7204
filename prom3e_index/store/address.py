"""Where a store is: `milvus://HOST:PORT/NAME`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from prom3e_index.errors import InputError

PORT = 19530
_SERVER = re.compile(
    r"milvus://(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:]+\])(?::(?P<port>[0-9]{1,5}))?/(?P<name>[^/]*)"
)
_LITE = re.compile(r"milvus-lite://(?P<path>.+\.db)/(?P<name>[^/]*)")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,59}")


@dataclass(frozen=True)
class Address:
    """A store by its server and its name there.

    Attributes:
        uri: What the client connects to.
        name: Of the store: an alias on the server.
        text: As it was written.
        lite: Whether it is a file of Milvus Lite: for trials on one machine, exact search only.
    """

    uri: str
    name: str
    text: str
    lite: bool = False

    def __str__(self) -> str:
        return self.text


def is_address(text: object) -> bool:
    """Whether a text is meant as the address of a store, and not as a path."""
    return str(text).startswith(("milvus://", "milvus-lite://"))


def parse(text: str) -> Address:
    """Read the address of a store.

    Raises:
        InputError: No address; says how one is written.
    """
    server, lite = _SERVER.fullmatch(text), _LITE.fullmatch(text)
    found = server or lite
    if found is None:
        raise InputError(
            f"A store is milvus://HOST:PORT/NAME, as milvus://127.0.0.1:{PORT}/birds; not {text!r:.120}."
        )
    name = found["name"]
    if not _NAME.fullmatch(name) or "__" in name:
        raise InputError(
            f"The store {text!r:.120} has the name {name!r:.60}; a name is a letter and up to 59 letters, digits and "
            "single _, as in milvus://127.0.0.1:19530/birds."
        )
    if server is not None:
        port = int(server["port"] or PORT)
        if not 0 < port < 65536:
            raise InputError(
                f"The store {text!r:.120} has the port {port}; ports go from 1 to 65535."
            )
        return Address(f"http://{server['host']}:{port}", name, text)
    assert lite is not None
    return Address(str(Path(lite["path"])), name, text, lite=True)
