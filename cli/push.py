"""`prom3e-index push`."""

from __future__ import annotations

from typing import Annotated

import typer

from prom3e_index.cli.options import DEFAULT_INDEX, Hub, Index, MovedModel
from prom3e_index.cli.screen import progress, say
from prom3e_index.cli.stores import BreakLock, named_once, numbered


def push(
    folder: Annotated[
        str | None,
        typer.Argument(
            metavar="[INDEX|SHARDS]",
            help="The index, as --index; or shards that encode or build --engine ray left, a folder or s3:// address.",
        ),
    ] = None,
    index: Index = DEFAULT_INDEX,
    store: Annotated[
        str,
        typer.Option("--store", help="Where it goes: milvus://HOST:PORT/NAME, a Milvus server."),
    ] = ...,  # type: ignore[assignment]  # so that Typer asks for it
    target: Annotated[
        list[str],
        typer.Option(
            "--target",
            "-t",
            help="What can be searched for there, as image. Each takes memory of the server.",
        ),
    ] = [],  # noqa: B006 - Typer copies it
    kind: Annotated[
        str | None,
        typer.Option(
            help="How rows are found: flat scores all, ivf looks through lists, hnsw follows a graph."
        ),
    ] = None,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace",
            help="Take the place of what is there: another index, or this one, written anew.",
        ),
    ] = False,
    bulk: Annotated[
        str | None,
        typer.Option(
            "--bulk",
            help="Folder or s3:// address that the server imports files from: rows go there as files, those of a "
            "change are sent.",
        ),
    ] = None,
    bulk_as: Annotated[
        str | None,
        typer.Option(
            "--bulk-as",
            help="The place of --bulk as the server sees it: a path, or a key in its bucket.",
        ),
    ] = None,
    break_lock: BreakLock = False,
    model: MovedModel = None,
    hub: Hub = None,
    timeout: Annotated[
        float, typer.Option(min=1.0, help="Seconds that the server may take to index and load.")
    ] = 600.0,
) -> None:
    """Push an index, or shards without one, into a vector store, where `query --store` and `serve --store` ask it.

    Readers see it once all of it is there and was compared. A push that was broken off goes on where it stopped.
    """
    from prom3e_index.errors import InputError
    from prom3e_index.indexer.push import push as run

    place = named_once(folder, index)
    if bulk_as is not None and bulk is None:
        raise InputError(f"--bulk-as {bulk_as} goes with --bulk.")
    with progress() as show:
        done = run(
            place,
            store,
            show,
            targets=target or None,
            kind=kind,
            replace_other=replace,
            break_lock=break_lock,
            timeout_s=timeout,
            model=model,
            hub=hub,
            bulk=bulk,
            bulk_as=bulk_as,
        )
    if not done.changed:
        say(f"{store} holds this already, {done.head.rows:,} rows: nothing was written")
        return
    there = f", {done.there:,} of them were there already" if done.there else ""
    say(f"{done.head.rows:,} rows for {', '.join(done.head.collections)} in {store}{there}")
    say(
        f"{numbered(done.head)}, found by {done.head.kind['name']}; ask it: prom3e-index query --photo FILE "
        f"--store {store}"
    )
