"""Opening a table of any known format as one DuckDB query of raw cells, recognised by content."""

from __future__ import annotations

import gzip
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from prom3e_index.errors import TableError
from prom3e_index.tables.archives import is_zip, unpack
from prom3e_index.tables.databases import open_duckdb, open_parquet
from prom3e_index.tables.layouts import open_archive, open_inaturalist_open_data, open_taxabench
from prom3e_index.tables.source import Source, readable
from prom3e_index.tables.text import header, open_text

FORMATS = (
    "csv",
    "tsv",
    "parquet",
    "duckdb",
    "inaturalist",
    "inaturalist-open-data",
    "gbif",
    "dwca",
    "taxabench",
    "npz",
    "multinat",
    "npy",
)
EMBEDDINGS = ("npz", "multinat", "npy")
"""Formats that hold embeddings instead of media."""


def recognise(path: Path) -> str:
    """Name the format of a file or folder by its content.

    Raises:
        TableError: It does not exist, is empty, or is no known format.
    """
    if path.is_dir():
        if (path / "meta.xml").is_file():
            return "dwca"
        if (path / "test_df.csv").is_file():
            return "taxabench"
        if any((path / n).is_file() for n in ("observations.csv.gz", "observations.csv")) and any(
            (path / n).is_file() for n in ("photos.csv.gz", "photos.csv")
        ):
            return "inaturalist-open-data"
        raise TableError(
            f"{path} is a folder without meta.xml, test_df.csv or photos.csv; name a file."
        )
    if not path.is_file():
        raise TableError(f"{path} does not exist.")
    with path.open("rb") as f:
        head = f.read(16)
    if not head:
        raise TableError(f"{path} is empty (0 bytes).")
    if head.startswith(b"PAR1"):
        return "multinat" if _is_multinat(path) else "parquet"
    if head[8:12] == b"DUCK":
        return "duckdb"
    if head.startswith(b"\x93NUMPY"):
        return "npy"
    if is_zip(path):
        try:
            with zipfile.ZipFile(path) as z:
                names = z.namelist()
        except zipfile.BadZipFile as e:
            raise TableError(f"{path} is a damaged zip file: {e}.") from e
        if any(n.endswith(".npy") for n in names):
            return "npz"
        return "dwca" if any(n.rpartition("/")[2] == "meta.xml" for n in names) else "gbif"
    if head.startswith(b"\x1f\x8b"):
        with gzip.open(path, "rb") as g:
            try:
                inner = g.read(512)
            except (OSError, EOFError) as e:
                raise TableError(f"{path} is a damaged gzip file: {e}.") from e
        if inner[257:262] == b"ustar":
            return "dwca"
    elif head[:6] in (b"BZh91A", b"\xfd7zXZ\0") or tarfile.is_tarfile(path):
        return "dwca"
    names, delimiter, _ = header(path)
    lower = {n.lower() for n in names}
    if {"observed_on_string", "quality_grade"} <= lower:
        return "inaturalist"
    if "gbifid" in lower:
        return "gbif"
    return "tsv" if delimiter == "\t" else "csv"


def open_source(path: Path, format: str | None, table: str | None = None) -> Source:
    """Open a table that holds media paths (not embeddings)."""
    kind = format or recognise(path)
    if kind not in FORMATS:
        raise TableError(f"Unknown format {kind!r}; known: {', '.join(FORMATS)}.")
    openers: dict[str, Callable[[Path], Source]] = {
        "parquet": open_parquet,
        "dwca": open_archive,
        "taxabench": open_taxabench,
        "inaturalist-open-data": open_inaturalist_open_data,
    }
    if kind in EMBEDDINGS:
        raise TableError(f"{path} holds embeddings ({kind}), not observations with media.")
    with readable(f"{path} ({kind})"):
        if kind == "duckdb":
            return open_duckdb(path, table)
        if kind in openers:
            return openers[kind](path)
        if kind == "gbif" and is_zip(path):
            return _open_zipped(path)
        return open_text(path, kind)


def _open_zipped(path: Path) -> Source:
    """A zip around one table (GBIF's simple download)."""
    keep = tempfile.TemporaryDirectory(prefix="prom3e-")
    folder = unpack(path, Path(keep.name))
    tables = sorted(folder.iterdir(), key=lambda p: p.stat().st_size, reverse=True)
    tables = [
        t for t in tables if t.stat().st_size > 0 and t.name not in ("citations.txt", "rights.txt")
    ]
    if not tables:
        raise TableError(f"{path} holds no table (.csv, .tsv, .txt).")
    named = [t for t in tables if t.stem in ("occurrence", "occurrences")]
    source = open_text((named or tables)[0], "gbif")
    source.media, source.keep = path.parent, [*source.keep, keep]
    return source


def _is_multinat(path: Path) -> bool:
    from pyarrow import parquet

    try:
        schema = parquet.read_schema(path)
    except Exception:
        return False  # damaged: the reader says so
    from prom3e_index.tables.embeddings import MULTINAT_COLUMNS

    return sum(name in schema.names for name in MULTINAT_COLUMNS) >= 2 and all(
        str(schema.field(n).type).startswith(("list", "fixed_size_list"))
        for n in schema.names
        if n in MULTINAT_COLUMNS
    )
