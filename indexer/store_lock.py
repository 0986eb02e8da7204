"""One writer of a store at a time.

Milvus has no locks, but of two that make a collection of one name with different fields one is refused. A writer makes
such a collection, with a field that names it, and takes it away when it is done.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from prom3e_index.errors import StoreError
from prom3e_index.store.engine import Engine
from prom3e_index.store.kinds import Fields

_BY = re.compile(
    r"by__(?P<host>\w+)__(?P<process>\d+)__(?P<since>\d+)__(?P<action>\w+?)__(?P<token>\w+)"
)


def lock_name(store: str) -> str:
    """The collection that a writer makes."""
    return f"{store}__writer"


@contextmanager
def writing(engine: Engine, action: str, break_lock: bool = False) -> Iterator[None]:
    """Be the only writer of a store.

    Args:
        engine: The connection.
        action: What is done, for whoever else wants to write meanwhile.
        break_lock: Take another that says it is at work for dead.

    Raises:
        StoreError: Another writer is at work; says which and since when.
    """
    name = lock_name(engine.address.name)
    host = re.sub(r"\W|__+", "_", socket.gethostname()).strip("_") or "unnamed"
    own = f"by__{host}__{os.getpid()}__{int(time.time())}__{action}__{secrets.token_hex(4)}"
    holder = _holder(engine, name)
    if holder is not None and (break_lock or _is_dead(holder, host)):
        engine.drop([name])
    with suppress(StoreError):  # another's is there: read back below
        engine.create(name, Fields(2, {own: "INT64"}), None)
    holder = _holder(engine, name)
    if holder != own:
        raise StoreError(_said(engine, holder))
    try:
        yield
    finally:
        with suppress(StoreError):
            if _holder(engine, name) == own:
                engine.drop([name])


def _holder(engine: Engine, name: str) -> str | None:
    if name not in engine.names(name):
        return None
    return next((f for f in engine.field_names(name) if f.startswith("by__")), "")


def _is_dead(holder: str, host: str) -> bool:
    """Whether a writer was a process of this machine that is no more."""
    found = _BY.fullmatch(holder)
    if found is None or found["host"] != host:
        return False
    try:
        os.kill(int(found["process"]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _said(engine: Engine, holder: str | None) -> str:
    found = _BY.fullmatch(holder or "")
    if found is None:
        return f"{engine.address} cannot be locked for writing; try again."
    since = time.strftime("%Y-%m-%d %H:%M", time.localtime(int(found["since"])))
    return (
        f"{engine.address} is being written by {found['action']} of process {found['process']} on {found['host']} "
        f"since {since}. Wait for it; if it is no more: "
        f"`prom3e-index push INDEX --break-lock --store {engine.address}`."
    )
