"""The formats that a table may have: how each is recognised, opened, and which files it is read from."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from prom3e_index.errors import TableError
from prom3e_index.tables import (
    camtrap,
    dwca,
    folders,
    imagefolder,
    insights,
    open_data,
    spatial,
    taxabench,
)
from prom3e_index.tables.archives import is_zip
from prom3e_index.tables.arrow_files import is_arrow, open_arrow
from prom3e_index.tables.beside import open_beside, table_of
from prom3e_index.tables.coco import is_coco, open_coco
from prom3e_index.tables.databases import open_duckdb, open_parquet
from prom3e_index.tables.encoding import is_text
from prom3e_index.tables.geojson import open_geojson
from prom3e_index.tables.json_tables import open_json
from prom3e_index.tables.looks import Look
from prom3e_index.tables.parts import is_parts, open_parts, part_files
from prom3e_index.tables.sheets import open_sheet
from prom3e_index.tables.source import Source, check_encoding
from prom3e_index.tables.sqlite_tables import open_sqlite, sqlite_files
from prom3e_index.tables.text import open_text
from prom3e_index.tables.zips import open_zip, table_names


@dataclass(frozen=True)
class Format:
    """A format of observation tables.

    Attributes:
        name: As `--format` takes it and a source says it.
        found: Whether what was looked at is of it; asked in the order of `KNOWN`.
        open: Opens it; gets the name after `PATH::` and the encoding, where they are given. None for formats of
            embeddings.
        files: Every file that reading it opens, in a fixed order; photos and recordings are none of them.
        listed: Names of files that rows are made of, in order, where a folder is looked through for them.
        parts: What a name after `PATH::` chooses; None where there is nothing to choose.
        encoded: Whether it is text whose encoding a user may name; other formats say their own.
    """

    name: str
    found: Callable[[Look], bool]
    open: Callable[[Path, str | None, str | None], Source] | None = None
    files: Callable[[Path], list[Path]] = lambda path: [path]
    listed: Callable[[Path], list[str]] = lambda path: []
    parts: str | None = None
    encoded: bool = False


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


def _archive(look: Look) -> bool:
    return (
        "meta.xml" in look.bare
        or (look.folder and set(dwca.UNPACKED) <= set(look.bare))
        or _tar(look)
    )


_TARS = (b"ustar\x0000", b"ustar  \0")
"""In a tar's first header; five letters alone also stand in words, as in mustard."""


def _tar(look: Look) -> bool:
    import tarfile

    return not look.folder and (
        look.inner[257:265] in _TARS or (not _delimited(look) and tarfile.is_tarfile(look.path))
    )


_FEATURE = re.compile(r'"type"\s*:\s*"Feature(?:Collection)?"')


def _json(look: Look) -> bool:
    opens = r'\x1e?\s*(?:\{\s*["}]|\[\s*[\[{"\]\d])'
    return not (look.folder or look.zipped) and re.match(opens, look.text) is not None


def _geojson(look: Look) -> bool:
    return _json(look) and _FEATURE.search(look.text[:4096]) is not None


def _lines(look: Look) -> bool:
    first, _, second = look.text.partition("\n")
    return _json(look) and first.rstrip().endswith("}") and second.lstrip().startswith("{")


def _xlsx(look: Look) -> bool:
    return look.zipped and any(n.lower().startswith("xl/workbook.") for n in look.names)


def _ods(look: Look) -> bool:
    return look.zipped and b"application/vnd.oasis.opendocument.spreadsheet" in look.head[:200]


def _xls(look: Look) -> bool:
    return look.head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")


def _sqlite(look: Look) -> bool:
    return look.head.startswith(b"SQLite format 3\0")


def _duckdb(look: Look) -> bool:
    """Whether a file has DuckDB's letters and a version after them, of eight bytes most of which are zero."""
    return look.head[8:12] == b"DUCK" and b"\0" in look.head[12:20]


def _zip_of_others(look: Look) -> bool:
    """A zip that holds more than one text table."""
    if not look.zipped:
        return False
    names = table_names(look)
    return bool(names) and not (
        len(names) == 1 and names[0].lower().endswith((".csv", ".tsv", ".txt"))
    )


def _opened(file: Path, encoding: str | None = None) -> Source:
    """Open one file that is a table by itself."""
    look = Look(file)
    kind = next((f for f in KNOWN if f.found(look)), None)
    if kind is None or kind.open is None or (look.zipped and kind.name not in ("xlsx", "ods")):
        raise TableError(f"{file.name} is no table of observations; unpack it and name what is.")
    if not kind.encoded:
        check_encoding(f"{file.name} ({kind.name})", encoding)
    return kind.open(file, None, encoding)


def _open_folder(path: Path, encoding: str | None) -> Source:
    """A folder of media: the table that names them, where there is one, else a row for each."""
    table = table_of(Look(path), _opened)
    if table is None:
        check_encoding(f"{path}, a folder of media without a table,", encoding)
        return folders.open_folder(path)
    return open_beside(path, table, lambda file: _opened(file, encoding))


def _folder_files(path: Path) -> list[Path]:
    table = table_of(Look(path), _opened)
    return [] if table is None else [table]


def _open_in_zip(path: Path, member: str | None, encoding: str | None) -> Source:
    def opening(file: Path) -> Source:
        return open_parts(file, None, encoding) if file.is_dir() else _opened(file, encoding)

    return open_zip(path, member, opening)


def _open_gbif(path: Path, member: str | None, encoding: str | None) -> Source:
    if is_zip(path):
        return _open_in_zip(path, member, encoding)
    if member is not None:
        raise TableError(f"{path} (gbif) is one table; name it without ::{member}.")
    return open_text(path, "gbif", encoding)


def _delimited(look: Look) -> bool:
    """Whether it is a text file, for all that its first bytes tell."""
    other = look.folder or look.zipped or _xls(look) or _json(look) or look.parquet
    return not other and is_text(look.inner)


def _multinat(look: Look) -> bool:
    if not look.parquet:
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
    core, extensions = dwca.archive_tables(path)
    stated = [path / "meta.xml"] if (path / "meta.xml").is_file() else []
    return [*stated, *(p for t in (core, *extensions) for p in t.paths)]


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


def _spatial(kind: str) -> Format:
    """A format that pyogrio reads."""
    return Format(
        kind,
        lambda look: spatial.spatial_kind(look) == kind,
        lambda path, layer, _: spatial.open_spatial(path, kind, layer),
        spatial.shape_files if kind == "shapefile" else _all_files,
        parts="layer",
    )


def _all_files(path: Path) -> list[Path]:
    """A file, or what lies in a folder that is one database."""
    return sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]


def _alone(opening: Callable[[Path], Source]) -> Callable[[Path, str | None, str | None], Source]:
    """Opens what is one table that says its own encoding."""
    return lambda path, part, encoding: opening(path)


def _parted(
    opening: Callable[[Path, str | None], Source],
) -> Callable[[Path, str | None, str | None], Source]:
    """Opens one of the tables of what says its own encoding."""
    return lambda path, part, encoding: opening(path, part)


def _encoded(
    opening: Callable[[Path, str | None], Source],
) -> Callable[[Path, str | None, str | None], Source]:
    """Opens what is one table as text of an encoding."""
    return lambda path, part, encoding: opening(path, encoding)


def _text(name: str, found: Callable[[Look], bool]) -> Format:
    """A format of delimited text."""
    return Format(name, found, _encoded(lambda p, e: open_text(p, name, e)), encoded=True)


KNOWN: tuple[Format, ...] = (
    Format("dwca", _archive, _alone(dwca.open_archive), _archive_files),
    Format("camtrap-dp", _package, _encoded(camtrap.open_camtrap), _package_files, encoded=True),
    Format("wildlife-insights", _insights, _encoded(insights.open_insights), _insights_files, encoded=True),
    Format("taxabench", lambda look: look.folder and "test_df.csv" in look.bare, _alone(taxabench.open_taxabench),
           _taxabench_files, _taxabench_names),
    Format("inaturalist-open-data", _open_data, _alone(open_data.open_inaturalist_open_data),
           lambda p: list(open_data.open_data_files(p).values())),
    Format("imagefolder", lambda look: look.folder and imagefolder.is_imagefolder(look),
           _alone(imagefolder.open_imagefolder), imagefolder.metadata_files, folders.listing),
    *map(_spatial, ("filegdb", "shapefile", "geopackage", "flatgeobuf", "kml", "gpx")),
    Format("media-folder", lambda look: look.folder and folders.holds_media(look.path), _encoded(_open_folder),
           _folder_files, folders.listing, encoded=True),
    Format("parts", is_parts, open_parts, lambda p: [p / n for n in part_files(p)], parts="file", encoded=True),
    Format("npz", lambda look: look.zipped and any(n.endswith(".npy") for n in look.names)),
    Format("multinat", _multinat),
    Format("npy", lambda look: look.head.startswith(b"\x93NUMPY")),
    Format("geoparquet", lambda look: look.parquet and bool(spatial.geoparquet_columns(look.path)),
           _alone(spatial.open_geoparquet)),
    Format("parquet", lambda look: look.parquet, _alone(open_parquet)),
    Format("arrow", is_arrow, _alone(open_arrow)),
    Format("duckdb", _duckdb, _parted(open_duckdb), _duckdb_files, parts="table"),
    Format("sqlite", _sqlite, _parted(open_sqlite), sqlite_files, parts="table"),
    Format("xlsx", _xlsx, _parted(open_sheet), parts="sheet"),
    Format("ods", _ods, _parted(open_sheet), parts="sheet"),
    Format("xls", _xls, _parted(open_sheet), parts="sheet"),
    Format("zip", _zip_of_others, _open_in_zip, parts="member", encoded=True),
    Format("coco", lambda look: _json(look) and is_coco(look), _alone(open_coco)),
    Format("geojson", _geojson, _alone(open_geojson)),
    Format("jsonl", _lines, _alone(open_json)),
    Format("json", _json, _alone(open_json)),
    _text("inaturalist", lambda look: _delimited(look) and look.columns >= {"observed_on_string", "quality_grade"}),
    Format("gbif", lambda look: look.zipped or (_delimited(look) and "gbifid" in look.columns), _open_gbif,
           parts="member", encoded=True),
    _text("tsv", lambda look: _delimited(look) and look.delimiter == "\t"),
    _text("csv", _delimited),
)  # fmt: skip
"""Every format, in the order in which they are asked."""
FORMATS: tuple[str, ...] = tuple(f.name for f in KNOWN)
BY_NAME = {f.name: f for f in KNOWN}
EMBEDDINGS: tuple[str, ...] = tuple(f.name for f in KNOWN if f.open is None)
"""Formats that hold embeddings instead of media."""
