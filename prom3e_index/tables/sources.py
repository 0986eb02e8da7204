"""Opening a table of any known format, recognised by content."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from prom3e_index.errors import TableError, near_names
from prom3e_index.tables.formats import BY_NAME, EMBEDDINGS, FORMATS, KNOWN, Format
from prom3e_index.tables.looks import Look
from prom3e_index.tables.piped import is_piped, settled
from prom3e_index.tables.source import Source, check_encoding, readable
from prom3e_index.tables.unread import refuse

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["EMBEDDINGS", "FORMATS", "format_of", "open_source", "recognise"]


def recognise(path: Path) -> str:
    """Name the format of a file or folder by its content.

    Raises:
        TableError: It does not exist, is empty, or is no known format.
    """
    look = Look(settled(path))
    refuse(look)
    found = next((f.name for f in KNOWN if f.found(look)), None)
    if found is None:
        holds = ", ".join(look.names[:8]) or "nothing"
        if look.folder:
            raise TableError(
                f"{path} is a folder without photos, recordings or a known table; it holds {holds}."
            )
        raise TableError(f"{path} is a binary file of no known format.")
    return found


def format_of(path: Path, format: str | None) -> Format:
    """The format that a user named, else the one that is recognised.

    Raises:
        TableError: There is no such format, or nothing is recognised.
    """
    name = format or recognise(path)
    if name not in BY_NAME:
        raise TableError(
            f"Unknown table format {name!r}{near_names(name, FORMATS)}; known: {', '.join(FORMATS)}."
        )
    return BY_NAME[name]


def open_source(
    path: Path, format: str | None, table: str | None = None, encoding: str | None = None
) -> Source:
    """Open a table that holds media paths (not embeddings).

    Args:
        path: A file or folder.
        format: One of `FORMATS`; recognised when None.
        table: What is named after `PATH::`.
        encoding: Of a text file; told by its bytes when None.
    """
    kind = format_of(path, format)
    if kind.open is None:
        raise TableError(f"{path} holds embeddings ({kind.name}), not observations with media.")
    if table and kind.parts is None:
        raise TableError(f"{path} ({kind.name}) is one table; name it without ::{table}.")
    if not kind.encoded:
        check_encoding(f"{path} ({kind.name})", encoding)
    file = settled(path)
    with readable(f"{path} ({kind.name})"):
        source = kind.open(file, table, encoding)
    if is_piped(path):
        _of_pipe(source, path, file)
    return source


def _of_pipe(source: Source, path: Path, copy: Path) -> None:
    """Media of a table that came through a pipe lie under the working folder."""
    sentence = f"{path} was copied to a temporary file ({copy.stat().st_size:,} bytes)."
    plain = source.read

    def read(rows: int) -> Iterator[pa.RecordBatch]:
        yield from plain(rows)
        source.said.insert(0, sentence)

    source.media, source.read = Path(), read
    source.said.insert(0, sentence)
