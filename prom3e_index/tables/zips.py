"""A zip around one table, such as GBIF's simple download."""

from __future__ import annotations

import tempfile
from pathlib import Path

from prom3e_index.errors import TableError
from prom3e_index.tables.archives import unpack
from prom3e_index.tables.source import Source
from prom3e_index.tables.text import open_text

_NO_TABLES = ("citations.txt", "rights.txt")


def open_zip(path: Path, encoding: str | None = None) -> Source:
    """Open the table in a zip: `occurrence` where there is one, else the largest."""
    keep = tempfile.TemporaryDirectory(prefix="prom3e-")
    folder = unpack(path, Path(keep.name))
    tables = sorted(folder.iterdir(), key=lambda p: p.stat().st_size, reverse=True)
    tables = [t for t in tables if t.stat().st_size > 0 and t.name not in _NO_TABLES]
    if not tables:
        raise TableError(f"{path} holds no table (.csv, .tsv, .txt).")
    named = [t for t in tables if t.stem in ("occurrence", "occurrences")]
    source = open_text((named or tables)[0], "gbif", encoding)
    source.media, source.keep = path.parent, [*source.keep, keep]
    return source
