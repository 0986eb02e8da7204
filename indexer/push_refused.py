"""What a store is not filled from, or changed by: something else than it holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prom3e_index.bundle.manifest import read_manifest
from prom3e_index.errors import InputError, StoreError
from prom3e_index.store.address import Address, parse
from prom3e_index.store.engine import Engine
from prom3e_index.store.head import Head, newest_generation, push_anew, read_head
from prom3e_index.store.whole import refuse_short

_UNCHANGED = "Nothing was changed."


def current(engine: Engine) -> Head | None:
    """The head that readers open now; None where there is none."""
    name = engine.current(engine.address.name)
    return None if name is None else read_head(engine, name)


def replaced(engine: Engine) -> tuple[Head | None, int]:
    """What a push takes the place of, whatever it is.

    Returns:
        Its head, None where there is none or it cannot be read; and its generation, or the highest that was begun.

    Raises:
        StoreError: The store cannot be reached.
    """
    try:
        old = current(engine)
    except StoreError:
        old = None
    return old, newest_generation(engine) if old is None else old.generation


def is_another(address: Address, old: Head, made: Mapping[str, Any]) -> bool:
    """Whether a store holds something else; see `refuse_another`."""
    try:
        refuse_another(address, old, made)
    except InputError:
        return True
    return False


def refuse_another(address: Address, old: Head, made: Mapping[str, Any]) -> None:
    """Refuse to fill a store from something else than it holds.

    Args:
        address: Of the store.
        old: What it holds.
        made: See `Source.made`.

    Raises:
        InputError: It holds another index or other shards, one of an index and shards where the other is pushed, or
            what another copy of the index has become.
    """
    shards: list[Any] = [m.get("shards") for m in (old.manifest, made)]
    instead = (
        f"Push it under another name, or take the place of that one: {push_anew(address, made)}."
    )
    if shards == [None, None]:
        otherwise = _otherwise(old, made, "this one")
        if otherwise:
            raise InputError(f"{address} {otherwise}. {instead}")
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
        f"an index built {m['history'][0].get('created')}"
        if s is None
        else f"the shards {s['place']}, written {s['created']}"
        for m, s in zip((old.manifest, made), shards, strict=True)
    ]
    raise InputError(
        f"{address} was filled from {what[0]}, this is {what[1]}: whether their rows are the same cannot be told. "
        f"{instead}"
    )


def _otherwise(old: Head, made: Mapping[str, Any], name: str) -> str:
    """How a store's index is none that this one has become of, as `holds …`; empty where this one has."""
    theirs, mine = old.manifest["history"], made["history"]
    built = [h[0].get("created") for h in (theirs, mine)]
    if built[0] != built[1]:
        return f"holds another index, built {built[0]}; {name} was built {built[1]}"
    last = theirs[-1]
    if any(h.items() <= last.items() for h in mine):  # `compact` takes commands out of earlier ones
        return ""
    return (
        f"holds what another copy of this index has become, generation {last.get('generation')} by "
        f"{last.get('action')} on {last.get('created')}; {name} never was that, its last is generation "
        f"{mine[-1].get('generation')} by {mine[-1].get('action')} on {mine[-1].get('created')}"
    )


def refuse_unfollowing(store: str, index: str | Path) -> None:
    """Refuse to change an index together with a store that cannot follow it, before anything is changed.

    Raises:
        InputError: The store holds another index, was filled from shards, or holds nothing; says what to do.
        StoreError: It cannot be reached or read, or has lost rows.
    """
    made = read_manifest(Path(index), check=False)
    engine = Engine(parse(store))
    try:
        old = current(engine)
        if old is None:
            raise InputError(
                f"{store} holds no index; `prom3e-index push INDEX --store {store}` fills it first. {_UNCHANGED}"
            )
        shards = old.manifest.get("shards")
        if shards is not None:
            raise InputError(
                f"{store} was filled from the shards {shards['place']} and follows no index: make one of them, "
                f"`prom3e-index build TABLE --engine ray --shards {shards['place']}`, which encodes nothing again, "
                f"push it in their place, `prom3e-index push INDEX --replace --store {store}`, and then change it. "
                f"{_UNCHANGED}"
            )
        otherwise = _otherwise(old, made, str(index))
        if otherwise:
            raise InputError(
                f"{store} {otherwise}. Name the store that it was pushed to, or leave the store out and push it under "
                f"a name of its own: `prom3e-index push INDEX --store milvus://HOST:PORT/NAME`. {_UNCHANGED}"
            )
        try:
            refuse_short(engine, old)
        except StoreError as e:
            raise StoreError(f"{e.typed} {_UNCHANGED}") from e
    finally:
        engine.close()
