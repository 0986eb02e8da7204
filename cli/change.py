"""`prom3e-index add`, `update`, `remove`, `compact`, `rebuild`, `relocate`, `history`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prom3e_index.cli.options import (
    DEFAULT_INDEX,
    Device,
    Hub,
    Index,
    Kind,
    Latency,
    Memory,
    Recall,
    RowOptions,
    Where,
    config_from,
    grouped,
    wishes,
)
from prom3e_index.cli.render import write_certificate, write_state
from prom3e_index.cli.screen import plural, progress, say

if TYPE_CHECKING:
    from prom3e_index.indexer.work import BuildConfig

Table = Annotated[
    str, typer.Argument(help="Table, archive or folder of observations, or embeddings.")
]


@grouped
def add(
    table: Table,
    index: Index = DEFAULT_INDEX,
    hub: Hub = None,
    *,
    options: RowOptions,
    device: Device = "cpu",
) -> None:
    """Add the observations of a table that the index does not hold; only they are encoded."""
    _take(False, index, config_from(table, index, options, hub=hub, device=device))


@grouped
def update(
    table: Table,
    index: Index = DEFAULT_INDEX,
    hub: Hub = None,
    *,
    options: RowOptions,
    device: Device = "cpu",
) -> None:
    """Replace the observations that have the ids of a table's rows; the ids stay."""
    _take(True, index, config_from(table, index, options, hub=hub, device=device))


def _take(update: bool, index: Path, config: BuildConfig) -> None:
    from prom3e_index.bundle.opened import BundleFolder
    from prom3e_index.cli.understood import write_understood
    from prom3e_index.indexer.change import add as run
    from prom3e_index.search.meaning import MEANINGLESS, means_nothing

    with progress() as show:
        done = run(index, config, show, update, write_understood)
    rows = f" in {done.added:,} rows" if done.added > done.observations else ""
    said = [f"{done.observations:,} {'written anew' if update else 'added'}{rows}"]
    if not update:
        said.append(f"{done.known:,} were there already")
    lost = f"; {done.lost:,} files or values lost" if done.added else ""
    say(f"{', '.join(said)}, {done.rejected:,} rejected{lost}")
    for sentence in done.said:
        say(sentence)
    for reason in done.reasons:
        say(f"  {reason}")
    if (done.rejected or done.lost) and done.added:
        name = done.manifest["segments"][-1]["name"]
        refused = f"{index / name / 'rejected.parquet'}; " if done.rejected else ""
        say(f"reasons: {refused}prom3e-index info --lost --index {index}")
    if means_nothing(BundleFolder(index, done.manifest)):
        say(f"warning: {MEANINGLESS}", err=True)
    write_state(index, done.manifest)


def remove(
    index: Index = DEFAULT_INDEX,
    where: Where = None,
    ids: Annotated[Path | None, typer.Option(help="A text file with one id per line.")] = None,
) -> None:
    """Remove observations from what is found; `compact` takes them out of the files.

    Without --where or --ids nothing is removed. Ids that no observation has are said, and exit code 1.
    """
    from prom3e_index.bundle.filters import Filter
    from prom3e_index.errors import InputError
    from prom3e_index.indexer.change import remove as run

    if (where is None) == (ids is None):
        raise InputError("Say what to remove: either --where PREDICATE or --ids FILE.")
    wanted = None if ids is None else _lines(ids)
    with progress() as show:
        done = run(index, Filter(where=where), wanted, show)
    rows = (
        f"rows of {plural(done.observations, 'observation')} "
        if done.removed > done.observations
        else ""
    )
    say(f"{done.removed:,} {rows}removed" if done.removed else "nothing to remove")
    write_state(index, done.manifest)
    if done.unknown:
        shown = ", ".join(repr(i[:80]) for i in done.unknown[:5])
        say(f"{len(done.unknown):,} ids are not in the index: {shown}", err=True)
        raise typer.Exit(1)


def _lines(path: Path) -> list[str]:
    from prom3e_index.errors import InputError

    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as e:
        raise InputError(f"{path} cannot be read as lines of UTF-8: {e}.") from e
    ids = list(dict.fromkeys(line.rstrip("\r") for line in text.split("\n")))
    return [i for i in ids if i]


def compact(index: Index = DEFAULT_INDEX) -> None:
    """Write the index anew without its removed rows; they leave every file, earlier generations go."""
    from prom3e_index.indexer.compact import compact as run

    with progress() as show:
        manifest = run(index, show)
    write_state(index, manifest)


def relocate(
    media: Annotated[
        Path, typer.Option("--media", help="The folder that the media paths start from now.")
    ],
    index: Index = DEFAULT_INDEX,
) -> None:
    """Note in the index that its photos, recordings and tiles have moved; nothing is encoded again.

    An index that is moved together with them finds them by itself.
    """
    from prom3e_index.indexer.relocate import relocate as run

    with progress() as show:
        done = run(index, media, show)
    say(f"of {done.looked_at:,} files looked for {done.there:,} are in {media.resolve()}")
    write_state(index, done.manifest)


def rebuild(
    index: Index = DEFAULT_INDEX,
    target_recall: Recall = None,
    memory: Memory = None,
    latency: Latency = None,
    kind: Kind = None,
    accept_removed_rows: Annotated[
        bool,
        typer.Option(
            "--accept-removed-rows",
            help="Go on where it cannot be read which rows were removed: they come back.",
        ),
    ] = False,
) -> None:
    """Restore damaged FAISS files and vectors from what is stored, or choose another kind of index.

    What is not given stays as the index was built. Removed rows and earlier generations go, as with `compact`.
    """
    from prom3e_index.indexer.compact import compact as run

    chosen = wishes(target_recall, memory, latency, kind)
    with progress() as show:
        manifest = run(index, show, chosen, "rebuild", accept_removed_rows)
    write_state(index, manifest)
    write_certificate(manifest)


def history(index: Index = DEFAULT_INDEX) -> None:
    """Say what changed in each generation, and which can still be looked at with --at."""
    from prom3e_index.bundle.manifest import read_manifest

    manifest = read_manifest(index)
    for entry in manifest["history"]:
        there = manifest.get("oldest", 1) <= entry["generation"]
        say(
            f"{entry['generation']:>5}  {entry['created']}  {entry['action']:8s} "
            f"+{entry['added']:,} −{entry['removed']:,}{'' if there else '  (compacted away)'}"
        )
