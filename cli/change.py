"""`prom3e-index add`, `update`, `compact`, `rebuild`, `relocate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prom3e_index.cli.options import (
    DEFAULT_INDEX,
    Device,
    Hub,
    Index,
    MovedModel,
    RowOptions,
    config_from,
    grouped,
)
from prom3e_index.cli.render import write_certificate, write_state
from prom3e_index.cli.screen import progress, say
from prom3e_index.cli.stores import AlsoStore, also, bring, follows
from prom3e_index.cli.undo import say_ended, say_way_back
from prom3e_index.cli.wish import Kind, Latency, Memory, Recall, wishes

if TYPE_CHECKING:
    from prom3e_index.indexer.work import BuildConfig

Table = Annotated[
    str,
    typer.Argument(
        help="Table, archive or folder of observations, or embeddings (.npz, .parquet, .npy); - is stdin."
    ),
]

ReplacePolicy = Annotated[
    bool,
    typer.Option(
        "--replace-policy",
        help="Let --policy take the place of another policy of the index, for rows that come from now on.",
    ),
]


@grouped
def add(
    table: Table,
    index: Index = DEFAULT_INDEX,
    model: MovedModel = None,
    hub: Hub = None,
    *,
    options: RowOptions,
    replace_policy: ReplacePolicy = False,
    store: AlsoStore = None,
    device: Device = "cpu",
) -> None:
    """Add the observations of a table that the index does not hold; only they are encoded.

    They are encoded as the index was: its model, its windows, photos turned or not. A table without ids is refused.
    """
    own = {"model": model, "hub": hub, "device": device, "replace_policy": replace_policy}
    _take(False, index, config_from(table, index, options, **own), store)


@grouped
def update(
    table: Table,
    index: Index = DEFAULT_INDEX,
    model: MovedModel = None,
    hub: Hub = None,
    *,
    options: RowOptions,
    replace_policy: ReplacePolicy = False,
    store: AlsoStore = None,
    device: Device = "cpu",
) -> None:
    """Replace the observations that have the ids of a table's rows; the ids stay.

    They are encoded as the index was: its model, its windows, photos turned or not.
    """
    own = {"model": model, "hub": hub, "device": device, "replace_policy": replace_policy}
    _take(True, index, config_from(table, index, options, **own), store)


def _take(update: bool, index: Path, config: BuildConfig, store: str | None) -> None:
    from prom3e_index.bundle.opened import BundleFolder
    from prom3e_index.cli.understood import write_understood
    from prom3e_index.indexer.change import add as run
    from prom3e_index.search.meaning import MEANINGLESS, means_nothing
    from prom3e_index.show.escapes import in_command

    follows(index, store)
    with progress() as show:
        done = run(index, config, show, update, write_understood)
    rows = f" in {done.added:,} rows" if done.added > done.observations else ""
    said = [f"{done.observations:,} {'written anew' if update else 'added'}{rows}"]
    if not update:
        said.append(f"{done.known:,} were there already")
    lost = f"; {done.lost:,} files or values lost" if done.added else ""
    say(f"{', '.join(said)}, {done.rejected:,} rejected{lost}")
    take = (
        f"prom3e-index update {in_command(config.table)} --index {in_command(index)}{also(store)}"
    )
    if done.incomplete:
        say(
            f"{done.incomplete:,} of those that were there already have lost a file that is there now; to take it: "
            f"{take}"
        )
    elif done.known and not update:
        say(f"those stay as they are; what the table has otherwise of them: {take}")
    for sentence in done.said:
        say(sentence)
    for reason in done.reasons:
        say(f"  {reason}")
    if (done.rejected or done.lost) and done.added:
        name = done.manifest["segments"][-1]["name"]
        refused = f"{index / name / 'rejected.parquet'}; " if done.rejected else ""
        say(f"reasons: {refused}prom3e-index info --lost --index {in_command(index)}")
    if means_nothing(BundleFolder(index, done.manifest)):
        say(f"warning: {MEANINGLESS}", err=True)
    write_state(index, done.manifest)
    if done.removed:
        say_way_back(index, int(done.manifest["generation"]) - 1, store)
    bring(index, store, bool(done.added))


def compact(
    index: Index = DEFAULT_INDEX,
    model: MovedModel = None,
    hub: Hub = None,
    device: Device = "cpu",
) -> None:
    """Write the index anew without its removed rows; they leave every file, earlier generations go for good."""
    from prom3e_index.bundle.manifest import read_manifest
    from prom3e_index.indexer.compact import compact as run

    before = read_manifest(index, check=False)
    with progress() as show:
        manifest = run(index, show, model=model, hub=hub, device=device)
    write_state(index, manifest)
    say_ended(before)


def relocate(
    media: Annotated[
        Path | None,
        typer.Option(
            "--media", help="The folder that the paths of photos and recordings start from now."
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="The folder that the index's model is in now."),
    ] = None,
    hub: Hub = None,
    index: Index = DEFAULT_INDEX,
) -> None:
    """Note in the index where its media or its model have moved; nothing is encoded again.

    An index that is moved together with them finds them by itself.
    """
    from prom3e_index.errors import InputError
    from prom3e_index.indexer.relocate import relocate as run
    from prom3e_index.indexer.relocate import relocate_model

    if media is None and model is None and hub is None:
        raise InputError("Say what has moved: --media FOLDER, --model FOLDER or --hub DIR.")
    with progress() as show:
        if model is not None or hub is not None:
            manifest = relocate_model(index, model, hub, show)
        if media is not None:
            done = run(index, media, show)
            manifest = done.manifest
    if media is not None:
        say(f"of {done.looked_at:,} files looked for {done.there:,} are in {media.resolve()}")
    if model is not None or hub is not None:
        say(f"model: {manifest['model']['name']}")
    write_state(index, manifest)


def rebuild(
    index: Index = DEFAULT_INDEX,
    model: MovedModel = None,
    hub: Hub = None,
    target_recall: Recall = None,
    memory: Memory = None,
    latency: Latency = None,
    kind: Kind = None,
    accept_removed_rows: Annotated[
        bool,
        typer.Option(
            "--accept-removed-rows",
            help="Go on where it cannot be read which rows were removed; they come back.",
        ),
    ] = False,
    device: Device = "cpu",
) -> None:
    """Restore damaged search files and vectors from what is stored, or choose another kind of index.

    What is not given stays as the index was built. Removed rows and earlier generations go, as with `compact`.
    """
    from prom3e_index.bundle.manifest import read_manifest
    from prom3e_index.indexer.compact import compact as run

    chosen = wishes(target_recall, memory, latency, kind)
    before = read_manifest(index, check=False)
    with progress() as show:
        manifest = run(index, show, chosen, "rebuild", accept_removed_rows, model, hub, device)
    write_state(index, manifest)
    say_ended(before)
    write_certificate(manifest)
