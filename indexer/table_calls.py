"""Indexing tables from Python: each function has the name, the options and the values of its command.

Nothing is printed: what came of it is told by what is given back, and how far it is by `progress(stage, done, total)`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from prom3e_index.indexer.options import (
    AnyPath,
    BuildOptions,
    LookOptions,
    RowOptions,
    config_of,
    takes,
)
from prom3e_index.indexer.outcome import Outcome, with_first
from prom3e_index.indexer.plan import silent

if TYPE_CHECKING:
    from prom3e_index.indexer.understood import Understood

Progress = Callable[[str, int, int | None], None]
INDEX = "index.p3i"


@takes(LookOptions)
def look(
    table: AnyPath,
    *,
    urls: AnyPath | None = None,
    progress: Progress = silent,
    **options: Unpack[LookOptions],
) -> Understood:
    """Say what would be understood of a table: format, fields, what rows have, what is lost and why.

    Nothing is encoded and nothing is written but `urls`. Files are only looked for, not read.

    Args:
        table: Table, archive or folder of observations; `FILE::TABLE` names one of several within.
        urls: Where to write the addresses of remote media, one a line.
        progress: Told how many rows are read.
        **options: See there.

    Returns:
        What was understood, with `rows`, `kept`, `refused`, `losses`, and per field its columns and losses.

    Raises:
        InputError: An unknown option or value; with `strict`, a table of which something is lost.
        TableError: The table cannot be read.
    """
    from prom3e_index.indexer.look import look as run
    from prom3e_index.indexer.understood import refuse_losses

    config = config_of(table, INDEX, options)
    found = run(config, None if urls is None else Path(urls), progress)
    if config.strict:
        refuse_losses(found)
    return found


@takes(BuildOptions)
def build(
    table: AnyPath,
    index: AnyPath = INDEX,
    model: AnyPath | None = None,
    *,
    progress: Progress = silent,
    **options: Unpack[BuildOptions],
) -> Outcome:
    """Encode observations, complete what they lack, and index them.

    Interrupted, the same call goes on where it stopped. Every row is indexed or refused with its reason.

    Args:
        table: Table, archive or folder of observations, or embeddings; `FILE::TABLE` names one of several within.
        index: The index folder to make.
        model: taxabind, mini, or a model folder; the one that fits when None.
        progress: Told of each stage.
        **options: See there.

    Returns:
        What became of the rows.

    Raises:
        InputError: An unknown option or value, the index exists, or nothing is left to index.
        TableError: The table cannot be read.
        ModelError, NotCachedError: The model cannot be loaded.
    """
    from prom3e_index.indexer.build import build as run
    from prom3e_index.indexer.expand import said_of
    from prom3e_index.search.meaning import MEANINGLESS

    heard: list[Understood] = []
    name = None if model is None else str(model)
    config = config_of(table, index, options, model=name)
    manifest = run(config, progress, heard.append)
    counts = manifest["counts"]
    nothing = MEANINGLESS if manifest.get("planet") is False else None
    said = said_of(manifest["source"]["expanded"], manifest["windows"])
    said += [f"unmet: {sentence}" for sentence in manifest["certificate"]["unmet"]]
    return Outcome(
        "build",
        Path(index),
        manifest,
        rows_in=counts["rows_in"],
        indexed=counts["rows_indexed"],
        refused=counts["rows_rejected"],
        lost=counts["files_lost"],
        notes=with_first(said, nothing),
        understood=next(iter(heard), None),
    )


@takes(RowOptions)
def add(
    table: AnyPath,
    index: AnyPath = INDEX,
    model: AnyPath | None = None,
    *,
    replace_policy: bool = False,
    progress: Progress = silent,
    **options: Unpack[RowOptions],
) -> Outcome:
    """Add the observations of a table that the index does not hold; only they are encoded.

    Args:
        table: Table, archive or folder of observations, or embeddings.
        index: The index folder.
        model: Where the index's model is now, if it has moved.
        replace_policy: Let `policy` take the place of another policy of the index, for rows that come from now on.
        progress: Told of each stage.
        **options: See there.

    Returns:
        What became of the rows.

    Raises:
        InputError: The table has no ids, the index has another policy, or an unknown option or value.
        TableError: The table cannot be read.
        MismatchError: The index's model has changed since.
    """
    return _taken(False, table, index, model, replace_policy, progress, options)


@takes(RowOptions)
def update(
    table: AnyPath,
    index: AnyPath = INDEX,
    model: AnyPath | None = None,
    *,
    replace_policy: bool = False,
    progress: Progress = silent,
    **options: Unpack[RowOptions],
) -> Outcome:
    """Replace the observations that have the ids of a table's rows; the ids stay.

    Args:
        table: Table, archive or folder of observations, or embeddings.
        index: The index folder.
        model: Where the index's model is now, if it has moved.
        replace_policy: Let `policy` take the place of another policy of the index, for rows that come from now on.
        progress: Told of each stage.
        **options: See there.

    Returns:
        What became of the rows; rows with ids that the index does not hold are refused.

    Raises:
        InputError: The table has no ids, the index has another policy, or an unknown option or value.
        TableError: The table cannot be read.
        MismatchError: The index's model has changed since.
    """
    return _taken(True, table, index, model, replace_policy, progress, options)


def _taken(
    replacing: bool,
    table: AnyPath,
    index: AnyPath,
    model: AnyPath | None,
    replace_policy: bool,
    progress: Progress,
    options: RowOptions,
) -> Outcome:
    from prom3e_index.bundle.opened import BundleFolder
    from prom3e_index.indexer.change import add as run
    from prom3e_index.search.meaning import MEANINGLESS, means_nothing

    heard: list[Understood] = []
    name = None if model is None else str(model)
    config = config_of(table, index, options, model=name, replace_policy=replace_policy)
    done = run(Path(index), config, progress, replacing, heard.append)
    with BundleFolder(Path(index), done.manifest) as bundle:
        nothing = MEANINGLESS if means_nothing(bundle) else None
    incomplete = []
    if done.incomplete:
        incomplete.append(
            f"{done.incomplete:,} of those that were there already lack a file that the index had lost; where it can "
            "be read now, `update` takes it"
        )
    return Outcome(
        "update" if replacing else "add",
        Path(index),
        done.manifest,
        rows_in=done.observations + done.known + done.rejected,
        indexed=done.observations,
        known=done.known,
        refused=done.rejected,
        lost=done.lost,
        removed=done.removed,
        notes=with_first([*incomplete, *done.said, *done.reasons], nothing),
        understood=next(iter(heard), None),
        changed=bool(done.added),
    )
