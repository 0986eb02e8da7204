"""What a store is not filled from, or changed by: something else than it holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prom3e_index.errors import InputError
from prom3e_index.store.address import Address, parse
from prom3e_index.store.engine import Engine
from prom3e_index.store.head import Head, read_head


def current(engine: Engine) -> Head | None:
    """The head that readers open now; None where there is none."""
    name = engine.current(engine.address.name)
    return None if name is None else read_head(engine, name)


def refuse_another(address: Address, old: Head, made: Mapping[str, Any]) -> None:
    """Refuse to fill a store from something else than it holds.

    Args:
        address: Of the store.
        old: What it holds.
        made: See `Source.made`.

    Raises:
        InputError: It holds another index or other shards, or one of an index and shards where the other is pushed.
    """
    theirs = old.manifest
    shards: list[Any] = [m.get("shards") for m in (theirs, made)]
    built = [m["history"][0].get("created") for m in (theirs, made)]
    word = "INDEX" if shards[1] is None else "SHARDS"
    instead = (
        f"Push it under another name, or take the place of that one: `prom3e-index push {word} --replace --store "
        f"{address}`."
    )
    if shards == [None, None]:
        if built[0] != built[1]:
            raise InputError(
                f"{address} holds another index, built {built[0]}; this one was built {built[1]}. {instead}"
            )
        return
    if None not in shards:
        told = ("plan", "created", "number")
        one, other = ({k: s[k] for k in told} for s in shards)
        if one != other:
            raise InputError(
                f"{address} was filled from the shards {shards[0]['place']}, written {one['created']} (plan "
                f"{one['plan'][:12]}); these were written {other['created']} (plan {other['plan'][:12]}). {instead}"
            )
        return
    what = [
        f"an index built {b}" if s is None else f"the shards {s['place']}, written {s['created']}"
        for b, s in zip(built, shards, strict=True)
    ]
    raise InputError(
        f"{address} was filled from {what[0]}, this is {what[1]}: whether their rows are the same cannot be told. "
        f"{instead}"
    )


def refuse_without_folder(store: str) -> None:
    """Refuse to follow a change of an index with a store that was filled from shards.

    Raises:
        InputError: It was; says what to do.
    """
    engine = Engine(parse(store))
    try:
        old = current(engine)
    finally:
        engine.close()
    shards = None if old is None else old.manifest.get("shards")
    if shards is not None:
        raise InputError(
            f"{store} was filled from the shards {shards['place']} and follows no index: make one of them, "
            f"`prom3e-index build TABLE --engine ray --shards {shards['place']}`, which encodes nothing again, push it "
            f"in their place, `prom3e-index push INDEX --replace --store {store}`, and then change it. Nothing was "
            "changed."
        )
