"""A zip around a table, such as GBIF's simple download, a zipped spreadsheet or the parts of one table."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from prom3e_index.errors import TableError, near_names
from prom3e_index.tables.archives import unpack
from prom3e_index.tables.camtrap import beside, said_inside, zipped_media
from prom3e_index.tables.looks import Look
from prom3e_index.tables.source import Source

if TYPE_CHECKING:
    import pyarrow as pa

TABLE_ENDINGS = tuple(
    ".csv .tsv .txt .tab .csv.gz .tsv.gz .txt.gz .parquet .json .jsonl .ndjson .geojson .geojsonl .xlsx .xlsm .xls "
    ".ods .gpkg .fgb .arrow .feather .duckdb .db .sqlite .sqlite3 .ddb .kml .gpx".split()
)
_PAPERS = (
    "citations.txt",
    "citation.txt",
    "rights.txt",
    "readme.txt",
    "license.txt",
    "licence.txt",
    "metadata.json",
)


def table_names(look: Look) -> list[str]:
    """Members of a zip that are tables by their ending."""
    return [
        n
        for n in look.names
        if n.lower().endswith(TABLE_ENDINGS) and PurePosixPath(n).name.lower() not in _PAPERS
    ]


def open_zip(path: Path, member: str | None, opening: Callable[[Path], Source]) -> Source:
    """Open a table in a zip: `member`, else `occurrence`, else the only one, else all as parts of one table.

    Args:
        path: The zip.
        member: A name in it, where the user gave one.
        opening: Opens an unpacked file or folder.

    Raises:
        TableError: There is no table, no such member, or several different tables.
    """
    look = Look(path)
    names = table_names(look)
    if not names:
        media = zipped_media(path)
        if media:
            raise TableError(
                f"{path} is a zip of {media:,} photos and recordings without a table; unpack it and name its folder."
            )
        raise TableError(
            f"{path} holds no table (.csv, .tsv, .txt, .parquet, .json, .xlsx, .ods, .gpkg)."
        )
    if member is not None and member not in names:
        raise TableError(
            f"{path} holds {', '.join(names[:12])}, not {member!r}{near_names(member, names)}."
        )
    usual = [
        n
        for n in names
        if PurePosixPath(n).name.lower().partition(".")[0] in ("occurrence", "occurrences")
    ]
    wanted = [member] if member is not None else usual[:1] or names
    keep = tempfile.TemporaryDirectory(prefix="prom3e-")
    chosen = set(wanted)
    folder = unpack(path, Path(keep.name), wanted=chosen.__contains__, flat=False)
    files = [folder / n for n in wanted]
    filled = [f for f in files if f.stat().st_size]
    if not filled:
        raise TableError(f"{path}: every table in it is empty (0 bytes).")
    try:
        source = opening(filled[0] if len(filled) == 1 else folder)
    except TableError as e:
        raise TableError(e.typed.replace(str(folder), str(path))) from e
    source.media, source.keep = path.parent, [*source.keep, keep]
    own = []
    if len(wanted) < len(names):
        others = [n for n in names if n not in chosen]
        own.append(
            f"{wanted[0]} is read, not {', '.join(others[:8])}; to read another name PATH::MEMBER."
        )
    inside = zipped_media(path)
    if inside:
        source.media = beside(path)
        own.append(said_inside(inside, path, source.media))
    _also_said(source, own)
    return source


def _also_said(source: Source, own: list[str]) -> None:
    """Say this too, also once the table is read, when what it says of itself is complete."""
    plain = source.read

    def read(rows: int) -> Iterator[pa.RecordBatch]:
        yield from plain(rows)
        source.said.extend(s for s in own if s not in source.said)

    source.said.extend(own)
    source.read = read
