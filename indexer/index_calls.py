"""What is done with an index from Python, as `remove`, `restore` and `export` do it on the command line."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prom3e_index.errors import InputError
from prom3e_index.indexer.options import AnyPath
from prom3e_index.indexer.outcome import Outcome
from prom3e_index.indexer.plan import silent
from prom3e_index.indexer.table_calls import INDEX, Progress

if TYPE_CHECKING:
    from prom3e_index.bundle.filters import Filter
    from prom3e_index.exports.write import Exported
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
    output: AnyPath | None = None,
    index: AnyPath | Bundle = INDEX,
    *,
    what: str = "metadata",
    format: str | None = None,
    where: str | Filter | None = None,
    near: tuple[float, float, float] | str | None = None,
    bbox: tuple[float, float, float, float] | str | None = None,
    taxon: str | None = None,
    since: date | str | None = None,
    until: date | str | None = None,
    licence_allow: str | Iterable[str] | None = None,
    resolution: int = 5,
    title: str | None = None,
    publisher: str | None = None,
    contact: str | None = None,
    check: bool = False,
) -> Exported:
    """Write the observations, or the encoder embeddings, for other software; give the number of rows.

    Beside the file go its holders, citation and data sets; see `beside` of what is given back.

    Args:
        output: The file to write; None with `check` alone.
        index: The index folder, or an opened index.
        what: 'metadata' or 'embeddings'.
        format: 'parquet', 'csv', 'geojson', 'gpkg', 'geoparquet', 'h3' or 'dwca'; told by the file's ending when
            None, and never another than it says. Embeddings are parquet.
        where: SQL predicate over the observations, or a `Filter`, which has the following options too.
        near: Latitude, longitude in degrees, radius in kilometres; or a text as "48.2,16.3,50km".
        bbox: West, south, east, north in degrees.
        taxon: A whole name at any rank.
        since: First day.
        until: Last day.
        licence_allow: Licences that are allowed, as "cc0,by,by-nc".
        resolution: Of the cells of an h3 table, 0 to 15.
        title: Of a Darwin Core Archive.
        publisher: Person or organisation that answers for it.
        contact: Their mail address.
        check: Refuse what GBIF would flag, and write nothing then.

    Returns:
        The number of rows, or of an h3 table's cells, with `licence`, `notes` and the files `beside`.

    Raises:
        InputError: Another format or content, a path that cannot be written to, a format whose package is not
            installed; with `check` a fault, all of which are named.
    """
    from prom3e_index.bundle.filters import Filter
    from prom3e_index.exports.check import refuse_faults
    from prom3e_index.exports.eml import About
    from prom3e_index.exports.write import Exported, write_export
    from prom3e_index.search.run import Bundle

    more = {
        "near": near, "bbox": bbox, "taxon": taxon, "since": since, "until": until, "licence_allow": licence_allow,
    }  # fmt: skip
    if isinstance(where, Filter) and any(v is not None for v in more.values()):
        raise InputError(
            "where is a Filter, which says near, bbox, taxon and the others too; give them there."
        )
    allowed = (
        licence_allow
        if licence_allow is None or isinstance(licence_allow, str)
        else tuple(licence_allow)
    )
    chosen = (
        where
        if isinstance(where, Filter)
        else Filter(where, near, bbox, taxon, since, until, licence_allow=allowed)
    )
    if output is None and not check:
        raise InputError("Name a file to write: output.")
    bundle = Bundle.open(index) if isinstance(index, str | Path) else index
    try:
        if check:
            rows = refuse_faults(bundle, chosen)
        if output is None:
            return Exported.of(rows, Path(), "", None)
        return write_export(
            bundle, Path(output), what=what, format=format, chosen=chosen, resolution=resolution,
            about=About(title, publisher, contact),
        )  # fmt: skip
    finally:
        if bundle is not index:
            bundle.close()
