"""What is done with an index from Python, as `remove`, `restore` and `export` do it on the command line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prom3e_index.errors import InputError
from prom3e_index.indexer.options import AnyPath
from prom3e_index.indexer.outcome import Outcome
from prom3e_index.indexer.plan import silent
from prom3e_index.indexer.table_calls import INDEX, Progress

if TYPE_CHECKING:
    from prom3e_index.bundle.filters import Filter
    from prom3e_index.search.run import Bundle


def remove(
    index: AnyPath = INDEX,
    *,
    where: str | Filter | None = None,
    ids: Iterable[str] | AnyPath | None = None,
    dry_run: bool = False,
    yes: bool = False,
    progress: Progress = silent,
) -> Outcome:
    """Remove observations from what is found; `restore` puts them back until the index is compacted.

    Args:
        index: The index folder.
        where: SQL predicate over the observations, or a `Filter`.
        ids: Of the observations, or the path of a file with one a line.
        dry_run: Only say how many rows would be removed.
        yes: Remove more than a tenth of the index.
        progress: Told of each stage.

    Returns:
        How many rows were removed, and which ids no observation has.

    Raises:
        InputError: Neither or both of `where` and `ids`, what is no predicate, or more than a tenth without `yes`.
    """
    from prom3e_index.bundle.filters import Filter
    from prom3e_index.indexer.change import remove as run
    from prom3e_index.indexer.removal import MUCH, ids_of, removal

    if (where is None) == (ids is None):
        raise InputError("Say what to remove: either where, a predicate, or ids.")
    chosen = where if isinstance(where, Filter) else Filter(where=where)
    wanted = None if ids is None else ids_of(ids)
    found = removal(Path(index), chosen, wanted)
    if not dry_run and found.share > MUCH and not yes:
        raise InputError(
            f"{len(found.rows):,} of {found.of_rows:,} rows would be removed from {index}, more than a tenth; nothing "
            "was changed. Look first with --dry-run; say --yes to remove them."
        )
    manifest: dict[str, Any]
    if dry_run:
        from prom3e_index.bundle.manifest import read_manifest

        manifest, count = read_manifest(Path(index), check=False), len(found.rows)
    else:
        done = run(Path(index), chosen, wanted, progress, found)
        manifest, count = done.manifest, done.removed
    notes = [f"undo: restore(at={found.generation})"] if count and not dry_run else []
    return Outcome(
        "remove",
        Path(index),
        manifest,
        removed=count,
        unknown=found.unknown,
        notes=tuple(notes),
        changed=bool(notes),
    )


def restore(index: AnyPath = INDEX, *, at: int, progress: Progress = silent) -> Outcome:
    """Make the index what it was in an earlier generation, until it is compacted; nothing is encoded again.

    Args:
        index: The index folder.
        at: The generation; `Bundle.open(index).manifest["history"]` lists them.
        progress: Told of each stage.

    Returns:
        How many rows are back, and how many are gone.

    Raises:
        BundleError: There is no such generation.
        InputError: It is the present one.
    """
    from prom3e_index.indexer.restore import restore as run

    done = run(Path(index), at, progress)
    before = int(done.manifest["generation"]) - 1
    return Outcome(
        "restore",
        Path(index),
        done.manifest,
        restored=done.back,
        removed=done.gone,
        notes=(f"undo: restore(at={before})",),
    )


def export(
    output: AnyPath,
    index: AnyPath | Bundle = INDEX,
    *,
    what: str = "metadata",
    format: str | None = None,
) -> int:
    """Write the observations, or the encoder embeddings, for other software; give the number of rows.

    Args:
        output: The file to write.
        index: The index folder, or an opened index.
        what: 'metadata' or 'embeddings'.
        format: 'parquet', 'csv' or 'geojson'; told by the file's ending when None, and never another than it says.
            Embeddings are parquet.

    Raises:
        InputError: Another format or content, or a path that cannot be written to.
    """
    from prom3e_index.search.run import Bundle
    from prom3e_index.show.export import write_export

    if isinstance(index, str | Path):
        with Bundle.open(index) as opened:
            return export(output, opened, what=what, format=format)
    return write_export(index, Path(output), what, format)
