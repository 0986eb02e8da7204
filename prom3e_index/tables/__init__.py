"""Observation tables of every convention, read in batches of one typed relation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from prom3e_index.errors import InputError, TableError, near_names
from prom3e_index.schema import MOST_SCALED
from prom3e_index.tables.aliases import match
from prom3e_index.tables.cells import NUMBER
from prom3e_index.tables.content import content, source_files
from prom3e_index.tables.dates import read_days
from prom3e_index.tables.day_order import order_named
from prom3e_index.tables.normalise import Rules, not_scaled, number
from prom3e_index.tables.observations import Observations
from prom3e_index.tables.piped import is_piped, settled
from prom3e_index.tables.sample import Sample
from prom3e_index.tables.sniff import sniff
from prom3e_index.tables.sources import EMBEDDINGS, FORMATS, open_source, recognise

__all__ = [
    "EMBEDDINGS",
    "FORMATS",
    "Observations",
    "content",
    "read_observations",
    "is_piped",
    "recognise",
    "settled",
    "source_files",
]

SEARCHABLE = (
    "image", "sat", "audio", "media", "latitude", "latlon", "grid", "scientific_name", "common_name", "text", "env",
    "genus",
)  # fmt: skip
"""A table has a column of at least one of these."""


def read_observations(
    path: str | Path,
    columns: Mapping[str, str] | None = None,
    *,
    format: str | None = None,
    keep: tuple[str, ...] | None = None,
    media: str | Path | None = None,
    allow_outside: bool = False,
    encoding: str | None = None,
    date_order: str | None = None,
    keep_missing: bool = False,
) -> Observations:
    """Open an observation table.

    Args:
        path: A file or folder; `PATH::TABLE` names a table of a DuckDB file. `-`, `/dev/stdin` or a named pipe is
            copied to a temporary file first.
        columns: Column → field, where the names alone do not tell.
        format: One of `FORMATS`; recognised by content when None.
        keep: Metadata columns to keep; all when None.
        media: Folder that relative media paths start from; the table's own when None.
        allow_outside: Accept media paths outside that folder.
        encoding: Of a text file, such as `windows-1252` or `gbk`; told by its bytes when None.
        date_order: `dmy` or `mdy`, what comes first in dates of numbers; seen in the column when None.
        keep_missing: Keep the path of a medium that has no file, for its reader to say so; else the row has lost it.

    Returns:
        The table; `batches()` reads it.

    Raises:
        TableError: Unreadable, of no known format, or without any column that could be searched.
        InputError: A mapped or kept column does not exist; names the nearest. No such order of dates.
    """
    order = order_named(date_order)
    file, _, table = str(path).partition("::")
    source = open_source(Path(file), format, table or None, encoding)
    matched = match(source.columns, columns or {})
    if matched.convention is not None and matched.convention.refused is not None:
        raise TableError(f"{file} is a {matched.convention.name}: {matched.convention.refused}.")
    for name in keep or ():
        if name not in source.columns:
            raise InputError(f"The table has no column {name!r}{near_names(name, source.columns)}.")
    base = Path(media) if media is not None else source.media
    if not base.is_dir():
        raise InputError(f"The media folder {base} does not exist.")
    sample = Sample(source)
    check = Rules({}, base, allow_outside).media_path
    found = sniff(matched, source.columns, sample, check)
    if not any(f in found.fields for f in SEARCHABLE):
        data = [c for c in source.columns if re.fullmatch(NUMBER, c) or read_days(c)[0]]
        if len(data) > 1:
            raise TableError(
                f"{file} ({source.format}) has no line with the names of its columns: its first line holds "
                f"{', '.join(data[:4])}. Put one above it, such as id,species,latitude,longitude."
            )
        near = near_names("image", source.columns) or near_names("latitude", source.columns)
        if taxa := next((s for s in found.said if "are named like taxa" in s), ""):
            raise TableError(f"{file} ({source.format}): {taxa}.")
        raise TableError(
            f"{file} ({source.format}) has no column for a photo, tile, recording, place, climate or name "
            f"among {', '.join(source.columns[:12])}{near}. Name one: {_advice(found.unused)}."
        )
    raw = _raw_climate(sample, found.fields.get("env", ()))
    rules = Rules(
        found.fields,
        base,
        allow_outside,
        raw_climate=raw,
        sample=sample,
        date_order=order,
        keep_missing=keep_missing,
    )
    if matched.convention is not None:
        found.said.insert(0, f"The columns are those of {matched.convention.name}")
        beside = matched.convention.beside
        if beside is not None and (Path(file).parent / beside).is_file():
            found.said.insert(
                1,
                f"{beside} beside it has the places: name the folder {Path(file).parent} to read all tables",
            )
    spans, heard = {"start_s", "end_s"}, {"audio", "media"}
    if spans & found.fields.keys() and not heard & found.fields.keys():
        found.said.append(
            "There are spans of a recording, and no column names the recording: none of them is heard. Add a column "
            "'sound' with its file"
        )
    return Observations(source, rules, keep, sample, found)


def _advice(unused: Mapping[str, str]) -> str:
    """What a user may write, of the columns that look like fields."""
    ways = [f"--map '{column}={name}'" for column, name in list(unused.items())[:3]]
    return " ".join(ways) or "--map COLUMN=image"


def _raw_climate(sample: Sample, names: tuple[str, ...]) -> str | None:
    """Why a table's climate columns are not scaled: more than one in ten of its first rows says so.

    Of a table in degrees and millimetres a row or two may look scaled; none of it is.
    """
    known = beyond = 0
    first: str | None = None
    for cells in zip(*(sample.column(n) for n in names), strict=True):
        values: list[tuple[str, float]] = []
        for name, cell in zip(names, cells, strict=True):
            try:
                values.append((name, number(cell)))
            except ValueError:
                continue
        known += bool(values)
        far = next(((n, v) for n, v in values if abs(v) > MOST_SCALED), None)
        beyond += far is not None
        first = first or (not_scaled(*far) if far else None)
    return first if beyond > known / 10 else None
