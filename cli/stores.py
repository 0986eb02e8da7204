"""What commands share that ask or change a vector store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prom3e_index.cli.options import DEFAULT_INDEX

if TYPE_CHECKING:
    from prom3e_index.search.run import Bundle
    from prom3e_index.store.head import Head

Store = Annotated[
    str | None,
    typer.Option(
        "--store",
        help="A vector store instead of an index folder: milvus://HOST:PORT/NAME, filled by `push`.",
    ),
]
AlsoStore = Annotated[
    str | None,
    typer.Option(
        "--store",
        help="Also bring the change into this vector store, milvus://HOST:PORT/NAME, that the index was pushed to.",
    ),
]
BreakLock = Annotated[
    bool,
    typer.Option(
        "--break-lock",
        help="Take a writer for dead that the store says is at work there, on another machine.",
    ),
]


def _is_named(index: Path) -> bool:
    """Whether --index is given, and otherwise than the environment or the default would have it."""
    import os

    return index not in (DEFAULT_INDEX, Path(os.environ.get("PROM3E_INDEX") or DEFAULT_INDEX))


def named_once(given: str | Path | None, index: Path) -> str | Path:
    """The index of a command that takes it as an argument, or as --index.

    Raises:
        InputError: Both are named, and are not the same.
    """
    from prom3e_index.errors import InputError

    if given is None:
        return index
    if _is_named(index) and index != Path(given):
        raise InputError(f"The index is given twice, {given} and --index {index}; leave one out.")
    return given


def one_of(index: Path, store: str | None) -> str | Path:
    """What a command opens: the store where one is named, else the index.

    Raises:
        InputError: Both are named.
    """
    from prom3e_index.errors import InputError
    from prom3e_index.store.address import parse

    if store is None:
        return index
    parse(store)
    if _is_named(index):
        raise InputError(f"--index {index} and --store {store} are both given; leave one out.")
    return store


def rows_named(bundle: Bundle, ids: dict[str, list[str]]) -> dict[str, tuple[int, ...]]:
    """Rows of the observations that options name by id, in the order of the names."""
    from prom3e_index.errors import InputError
    from prom3e_index.indexer.removal import rows_of

    out: dict[str, tuple[int, ...]] = {}
    for option, named in ids.items():
        rows: list[int] = []
        for name in named:
            found = rows_of(bundle, [name]).tolist()
            if not found:
                raise InputError(
                    f"--{option}: no observation of the index has the id {name!r:.60}."
                )
            rows += found
        out[option] = tuple(dict.fromkeys(rows))
    return out


def also(store: str | None) -> str:
    """What a command that goes on from another one has at its end, so that the same store follows."""
    from prom3e_index.show.escapes import in_command

    return f" --store {in_command(store)}" if store else ""


def follows(index: Path, store: str | None) -> None:
    """Make sure that a store can follow a change of an index, where one is named, before anything is changed.

    Raises:
        InputError: It holds another index or none, or was filled from shards.
        StoreError: It cannot be reached, or has lost rows.
    """
    from prom3e_index.indexer.push_refused import refuse_unfollowing

    if store is not None:
        refuse_unfollowing(store, index)


def numbered(head: Head) -> str:
    """The generation of a store, which counts what was written there, apart from that of the index it is of."""
    own = f"the store's own generation {head.generation}"
    return (
        own
        if head.manifest.get("shards")
        else f"{own}, of the index's {head.manifest['generation']}"
    )


def bring(index: Path, store: str | None, changed: bool) -> None:
    """Bring a change of an index into a store, where one is named; say what came of it.

    Raises:
        StoreError: It could not be brought there; says that the index has it, and how to go on.
    """
    from prom3e_index.cli.screen import progress, say
    from prom3e_index.errors import StoreError
    from prom3e_index.indexer.push import push
    from prom3e_index.show.escapes import in_command

    if store is None:
        return
    try:
        with progress() as show:
            done = push(index, store, show)
    except StoreError as e:
        has = f" {index} has the change; bring it into the store: prom3e-index push {in_command(index)}{also(store)}"
        raise StoreError(f"{e.typed}{has if changed else ''}") from e
    say(f"{store}: {numbered(done.head)}, {done.head.rows:,} rows")
