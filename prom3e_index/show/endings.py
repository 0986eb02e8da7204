"""Which format a file is written in: what is asked for, or what its ending says, and never one against the other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prom3e_index.errors import InputError, near_names

MEANT = {
    ".json": ("json", "geojson"), ".geojson": ("geojson",), ".jsonl": ("jsonl",), ".ndjson": ("jsonl",),
    ".csv": ("csv",), ".parquet": ("parquet", "geoparquet", "h3"), ".pq": ("parquet", "geoparquet", "h3"),
    ".geoparquet": ("geoparquet",), ".h3.parquet": ("h3",), ".gpkg": ("gpkg",), ".zip": ("dwca",), ".npz": ("npz",),
    ".html": ("html",), ".htm": ("html",),
}  # fmt: skip
"""Endings and the formats they stand for, the usual one first; of two parts where a name may end so."""
FOREIGN = (
    ".tsv", ".xlsx", ".xls", ".ods", ".arrow", ".feather", ".npy", ".shp", ".kml", ".gpx", ".duckdb", ".db",
    ".sqlite", ".pdf", ".docx", ".png", ".jpg", ".jpeg", ".tif", ".wav", ".mp3", ".gz", ".bz2", ".xz",
    ".zst", ".p3i",
)  # fmt: skip
"""Endings of what is not written here."""


def format_of(
    format: str | None, path: Path | None, known: Sequence[str], usual: str | None
) -> str:
    """The format of an output.

    Args:
        format: What is asked for; the ending decides when None.
        path: The file; None for the screen. What is no file, as `/dev/stdout` or a pipe, has no ending.
        known: Formats that can be written.
        usual: Of the screen, and of a file without an ending; must be said when None.

    Raises:
        InputError: Another format, an ending that says none, or one that says another than is asked for.
    """
    if format is not None and format not in known:
        raise InputError(
            f"Unknown format {format!r}; known: {', '.join(known)}{near_names(format, list(known))}."
        )
    ending = "" if path is None or _no_file(path) else _ending(path)
    meant = MEANT.get(ending, ())
    if format is not None:
        if (meant and format not in meant) or ending in FOREIGN:
            own = next((e for e, formats in MEANT.items() if formats[0] == format), ".txt")
            raise InputError(
                f"--format {format} is not what {_short(path)} says; leave --format out, or let the name end in {own}."
            )
        return format
    said = [f for f in meant if f in known]
    if said:
        return said[0]
    if ending in ("", ".txt") and usual is not None:
        return usual
    raise InputError(
        f"{_short(path)} does not say in which format it is written; let it end in "
        f"{', '.join(e for e, formats in MEANT.items() if formats[0] in known)}, or give --format."
    )


def told(path: Path, kind: str) -> Path:
    """Refuse an output of one kind whose ending says another.

    Args:
        path: The file, or the folder where `kind` is empty.
        kind: What is written, as `npz`; empty for a folder.

    Returns:
        The path.

    Raises:
        InputError: Says what would stand in it.
    """
    ending = _ending(path)
    if (ending in MEANT or ending in FOREIGN) and kind not in MEANT.get(ending, ()):
        written = f"an .{kind} file" if kind else "a folder"
        raise InputError(
            f"{_short(path)} would be {written}, which its ending does not say; give another --output."
        )
    return path


def not_the_table(path: Path | None, manifest: dict[str, Any]) -> None:
    """Refuse to write over the table that an index was built from.

    Args:
        path: The output; None for the screen.
        manifest: Of the index.

    Raises:
        InputError: It is that table, where it was then or in the folder of its media.
    """
    if path is None or not path.is_file():
        return
    source = manifest["source"]
    table = Path(str(source["table"]).partition("::")[0])
    for given in (table, Path(source["media"]) / table.name):
        if given.is_file() and given.samefile(path):
            raise InputError(
                f"{_short(path)} is the table that the index was built from; give another --output."
            )


def _ending(path: Path) -> str:
    """What a name ends in, in lower case: both parts where formats are told by them, else the last."""
    two = "".join(path.suffixes[-2:]).lower()
    return two if two in MEANT else path.suffix.lower()


def _no_file(path: Path) -> bool:
    try:
        return path.exists() and not path.is_file()
    except OSError:
        return False  # said when it is written to


def _short(path: Path | None) -> str:
    return f"{path}" if len(f"{path}") < 200 else f"…{str(path)[-80:]}"
