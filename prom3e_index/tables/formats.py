"""The formats that a table may have: how each is recognised, opened, and which files it is read from."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from prom3e_index.tables import camtrap, dwca, folders, imagefolder, insights, open_data, taxabench
from prom3e_index.tables.archives import is_zip
from prom3e_index.tables.databases import open_duckdb, open_parquet
from prom3e_index.tables.encoding import is_text
from prom3e_index.tables.json_tables import open_json
from prom3e_index.tables.looks import Look
from prom3e_index.tables.meta_xml import read_meta
from prom3e_index.tables.source import Source
from prom3e_index.tables.text import open_text
from prom3e_index.tables.zips import open_zip


@dataclass(frozen=True)
class Format:
    """A format of observation tables.

    Attributes:
        name: As `--format` takes it and a source says it.
        found: Whether what was looked at is of it; asked in the order of `KNOWN`.
        open: Opens it; gets the name after `PATH::` where there is one. None for formats of embeddings.
        files: Every file that reading it opens, in a fixed order; photos and recordings are none of them.
        listed: Names of files that rows are made of, in order, where a folder is looked through for them.
        encoded: Opens it as text of a given encoding; None where the format says its own.
        parts: What a name after `PATH::` chooses; None where there is nothing to choose.
    """

    name: str
    found: Callable[[Look], bool]
    open: Callable[[Path, str | None], Source] | None = None
    files: Callable[[Path], list[Path]] = lambda path: [path]
    listed: Callable[[Path], list[str]] = lambda path: []
    encoded: Callable[[Path, str], Source] | None = None
    parts: str | None = None


def _package(look: Look) -> bool:
    names = look.bare
    if look.folder or look.zipped:
        whole = {"deployments.csv", "observations.csv"} <= set(names) and bool(
            {"media.csv", "multimedia.csv"} & set(names)
        )
        return whole or (
            camtrap.PACKAGE in names and any(n.startswith("observations.csv") for n in names)
        )
    return look.path.name.lower() == camtrap.PACKAGE and look.text.startswith("{")


def _insights(look: Look) -> bool:
    if look.folder or look.zipped:
        kinds = {insights.table_kind(n) for n in look.bare}
        return "deployments" in kinds and bool({"images", "sequences"} & kinds)
    return _delimited(look) and (
        look.columns >= insights.IMAGES_COLUMNS or look.columns >= insights.SEQUENCES_COLUMNS
    )


def _open_data(look: Look) -> bool:
    return look.folder and all(
        {n, n + ".gz"} & set(look.bare) for n in ("observations.csv", "photos.csv")
    )


def _tar(look: Look) -> bool:
    import tarfile

    return not look.folder and (
        look.inner[257:262] == b"ustar" or (not _delimited(look) and tarfile.is_tarfile(look.path))
    )


def _json(look: Look) -> bool:
    return (
        not (look.folder or look.zipped)
        and re.match(r'\x1e?\s*(?:\{\s*["}]|\[\s*[\[{"\]\d])', look.text) is not None
    )


def _delimited(look: Look) -> bool:
    """Whether it is a text file, for all that its first bytes tell."""
    return not (look.folder or look.zipped or _json(look)) and (is_text(look.inner))


def _multinat(look: Look) -> bool:
    if not look.head.startswith(b"PAR1"):
        return False
    from pyarrow import parquet

    try:
        schema = parquet.read_schema(look.path)
    except Exception:
        return False  # damaged: the reader says so
    from prom3e_index.tables.embeddings import MULTINAT_COLUMNS

    return sum(name in schema.names for name in MULTINAT_COLUMNS) >= 2 and all(
        str(schema.field(n).type).startswith(("list", "fixed_size_list"))
        for n in schema.names
        if n in MULTINAT_COLUMNS
    )


def _archive_files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    core, extensions = read_meta(path)
    return [path / "meta.xml", *(p for t in (core, *extensions) for p in t.paths)]


def _package_files(path: Path) -> list[Path]:
    if path.is_file() and path.name.lower() != camtrap.PACKAGE:
        return [path]
    folder = path if path.is_dir() else path.parent
    stated = [folder / camtrap.PACKAGE] if (folder / camtrap.PACKAGE).is_file() else []
    return [*stated, *(p for files in camtrap.package_files(path).values() for p in files)]


def _insights_files(path: Path) -> list[Path]:
    if path.is_file() and is_zip(path):
        return [path]
    return [p for files in insights.insights_files(path).values() for p in files]


def _duckdb_files(path: Path) -> list[Path]:
    log = path.with_name(path.name + ".wal")
    return [path, log] if log.is_file() else [path]


def _taxabench_files(path: Path) -> list[Path]:
    climate = path / "bioclim_elevation_scaled.npy"
    return [path / "test_df.csv", *([climate] if climate.is_file() else [])]


def _taxabench_names(path: Path) -> list[str]:
    return [
        f"{name}/{p.name}"
        for name in taxabench.TAXABENCH_MEDIA
        if (path / name).is_dir()
        for p in sorted((path / name).iterdir())
    ]


def _open_gbif(path: Path, encoding: str | None = None) -> Source:
    return open_zip(path, encoding) if is_zip(path) else open_text(path, "gbif", encoding)


KNOWN: tuple[Format, ...] = (
    Format("dwca", lambda look: "meta.xml" in look.bare or _tar(look), lambda p, _: dwca.open_archive(p),
           _archive_files),
    Format("camtrap-dp", _package, camtrap.open_camtrap, _package_files),
    Format("wildlife-insights", _insights, insights.open_insights, _insights_files),
    Format("taxabench", lambda look: look.folder and "test_df.csv" in look.bare,
           lambda p, _: taxabench.open_taxabench(p), _taxabench_files, _taxabench_names),
    Format("inaturalist-open-data", _open_data, lambda p, _: open_data.open_inaturalist_open_data(p),
           lambda p: list(open_data.open_data_files(p).values())),
    Format("imagefolder", lambda look: look.folder and imagefolder.is_imagefolder(look), imagefolder.open_imagefolder,
           imagefolder.metadata_files, folders.listing),
    Format("media-folder", lambda look: look.folder and folders.holds_media(look.path), folders.open_folder,
           lambda p: [], folders.listing),
    Format("npz", lambda look: look.zipped and any(n.endswith(".npy") for n in look.names)),
    Format("multinat", _multinat),
    Format("npy", lambda look: look.head.startswith(b"\x93NUMPY")),
    Format("parquet", lambda look: look.head.startswith(b"PAR1"), lambda p, _: open_parquet(p)),
    Format("duckdb", lambda look: look.head[8:12] == b"DUCK", open_duckdb, _duckdb_files, parts="table"),
    Format("jsonl", lambda look: False, open_json),
    Format("json", _json, open_json),
    Format("inaturalist", lambda look: _delimited(look) and look.columns >= {"observed_on_string", "quality_grade"},
           lambda p, _: open_text(p, "inaturalist"), encoded=lambda p, e: open_text(p, "inaturalist", e)),
    Format("gbif", lambda look: look.zipped or (_delimited(look) and "gbifid" in look.columns),
           lambda p, _: _open_gbif(p), encoded=lambda p, e: _open_gbif(p, e)),
    Format("tsv", lambda look: _delimited(look) and look.delimiter == "\t", lambda p, _: open_text(p, "tsv"),
           encoded=lambda p, e: open_text(p, "tsv", e)),
    Format("csv", _delimited, lambda p, _: open_text(p, "csv"), encoded=lambda p, e: open_text(p, "csv", e)),
)  # fmt: skip
"""Every format, in the order in which they are asked."""
FORMATS: tuple[str, ...] = tuple(f.name for f in KNOWN)
BY_NAME = {f.name: f for f in KNOWN}
EMBEDDINGS: tuple[str, ...] = tuple(f.name for f in KNOWN if f.open is None)
"""Formats that hold embeddings instead of media."""
