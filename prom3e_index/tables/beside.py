"""A folder of media with one table that names them: the table is read, not the bare files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from prom3e_index.errors import TableError
from prom3e_index.schema import MEDIA
from prom3e_index.tables.aliases import match_columns
from prom3e_index.tables.folders import walk
from prom3e_index.tables.kinds import folded, kind_of
from prom3e_index.tables.looks import Look
from prom3e_index.tables.source import Source
from prom3e_index.tables.zips import table_names

if TYPE_CHECKING:
    import pyarrow as pa

_MOST_TABLES = 12
_SAMPLE = 50
Opening = Callable[[Path], Source]


def table_of(look: Look, opening: Opening) -> Path | None:
    """The one table in a folder whose media cells name files of the folder; None where there is none or several.

    Args:
        look: At the folder.
        opening: Opens a file as a table, or raises `TableError`.
    """
    if not look.folder:
        return None
    names = table_names(look)
    if not names or len(names) > _MOST_TABLES:
        return None
    files = {_last(p) for p in walk(look.path).files if kind_of(p)}
    found = [look.path / n for n in names if files and _names_media(look.path / n, files, opening)]
    return found[0] if len(found) == 1 else None


def _names_media(path: Path, files: set[str], opening: Opening) -> bool:
    try:
        source = opening(path)
        first = next(source.batches(_SAMPLE), None)
    except TableError:
        return False
    return first is not None and bool(_named(source, first) & files)


def _named(source: Source, batch: pa.RecordBatch) -> set[str]:
    """Last parts of the paths in the media cells of a batch, whatever their case."""
    found = match_columns(source.columns, {})
    columns = {c for m in MEDIA for c in found.get(m, ())} & set(batch.schema.names)
    out: set[str] = set()
    for column in columns:
        for cell in batch.column(batch.schema.get_field_index(column)).to_pylist():
            out |= {_last(str(p)) for p in (cell if isinstance(cell, list) else [cell]) if p}
    return out


def _last(path: str) -> str:
    return folded(path.replace("\\", "/").rpartition("/")[2])


def open_beside(folder: Path, table: Path, opening: Opening) -> Source:
    """The rows of a table in a folder of media; media that it does not name are counted."""
    source = opening(table)
    plain = source.read
    own = [
        f"{table.name} in the folder names its media, so it is read, a row for each of its rows."
    ]

    def read(rows: int) -> Iterator[pa.RecordBatch]:
        named: set[str] = set()
        for batch in plain(rows):
            named |= _named(source, batch)
            yield batch
        media = [p for p in walk(folder).files if kind_of(p)]
        left = sum(_last(p) not in named for p in media)
        source.said[:] = [s for s in source.said if s not in own and not s.endswith(_LEFT)]
        source.said[:0] = own
        if left:
            source.said.append(f"{left:,} of {len(media):,} media in the folder{_LEFT}")

    source.said[:0] = own
    source.read = read
    return source


_LEFT = " are named by no row of the table and give no row."
