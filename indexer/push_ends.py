"""The two ends of a push: how far one that was broken off had come, and the head that lets readers have it."""

from __future__ import annotations

import hashlib

from prom3e_index.indexer.push_source import Source
from prom3e_index.store.engine import Engine
from prom3e_index.store.head import Askers, Head, head_name, write_head


def begun_to(engine: Engine, name: str, source: Source, timeout_s: float) -> int:
    """Row number up to which a push that was broken off had written all rows of a collection."""
    engine.release(name)  # what was imported since it was loaded is not seen
    engine.ready([name], timeout_s, written=False)
    live = source.live
    low, high = 0, len(live)
    while low < high:  # rows are written in their order, so what is there begins with the first
        middle = (low + high + 1) // 2
        bound = int(live[middle - 1])
        if engine.count(name, f"row <= {bound}", strong=True) >= middle:
            low = middle
        else:
            high = middle - 1
    engine.release(name)
    return 0 if not low else int(live[low - 1]) + 1


def publish(engine: Engine, head: Head, old: Head | None, askers: Askers) -> None:
    """Write a head with its askers, let readers have it, and take away what no reader of it or the one before needs."""
    store = engine.address.name
    token = hashlib.blake2b(
        repr(sorted(head.collections.items())).encode(), digest_size=3
    ).hexdigest()
    name = head_name(store, head.generation, token)
    before = engine.current(store)
    write_head(engine, name, head, askers)
    engine.point(store, name)
    kept = {name, before, *head.collections.values(), *(old.collections.values() if old else ())}
    stale = [n for n in engine.names(f"{store}__") if n not in kept and not n.endswith("__writer")]
    engine.drop(stale)
