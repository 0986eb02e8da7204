"""GeoPackage, Shapefile, FlatGeobuf, KML, GPX and file geodatabases, by pyogrio; GeoParquet by Arrow."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from prom3e_index.errors import TableError, near_names
from prom3e_index.schema import MEDIA
from prom3e_index.tables.aliases import match_columns
from prom3e_index.tables.archives import unpack
from prom3e_index.tables.arrow_files import undamaged
from prom3e_index.tables.looks import Look
from prom3e_index.tables.places_of import PIP, PLACE, Geometries, said_crs, with_places
from prom3e_index.tables.source import Source, unique_names

if TYPE_CHECKING:
    import pyarrow as pa

_SHAPE_PARTS = (".shp", ".dbf", ".shx", ".prj", ".cpg")
_CUT = {
    "scientific": "scientificName", "vernacular": "vernacularName", "decimallat": "decimalLatitude",
    "decimallon": "decimalLongitude", "individual": "individualCount", "identified": "identifiedBy",
    "rightshold": "rightsHolder", "basisofrec": "basisOfRecord", "common_nam": "common_name",
    "observatio": "observation_id", "specificep": "specificEpithet", "datasetnam": "datasetName",
}  # fmt: skip
"""Shapefiles cut column names at ten letters."""
_DEVICE = {
    "kml": frozenset(
        "id altitudeMode tessellate extrude visibility drawOrder icon snippet".split()
    ),
    "gpx": frozenset(
        "magvar geoidheight fix sat hdop vdop pdop ageofdgpsdata dgpsid link1_href link1_text link1_type link2_href "
        "link2_text link2_type".split()
    ),
}
"""What the format says of drawing and of satellites in view, under names that mean other things in a table."""
_TIMES = {"kml": "timestamp", "gpx": "time"}


def _pyogrio() -> Any:
    try:
        import pyogrio
    except ImportError as e:
        raise TableError(f"To read GeoPackage, Shapefile, FlatGeobuf, KML and GPX: {PIP}") from e
    return pyogrio


def spatial_kind(look: Look) -> str | None:
    """`geopackage`, `shapefile`, `flatgeobuf`, `kml`, `gpx` or `filegdb`, by content; None for anything else."""
    name = look.path.name.lower()
    if look.folder:
        if name.endswith(".gdb") and any(n.endswith(".gdbtable") for n in look.names):
            return "filegdb"
        return "shapefile" if _shapes(look.names) else None
    if look.zipped:
        if name.endswith(".kmz") or {n.lower() for n in look.names} == {"doc.kml"}:
            return "kml"
        return "shapefile" if _shapes(look.names) else None
    head = look.head
    if head.startswith(b"SQLite format 3\0"):
        return (
            "geopackage"
            if head[68:72] in (b"GPKG", b"GP10", b"GP11") or name.endswith(".gpkg")
            else None
        )
    if head.startswith(b"\0\0\x27\x0a") and name.endswith(".shp"):
        return "shapefile"
    if head.startswith(b"fgb\x03fgb"):
        return "flatgeobuf"
    text = look.text[:4096]
    if text.startswith("<") and "OGRVRT" not in text:
        return next((k for k in ("kml", "gpx") if f"<{k}" in text), None)
    return None


def _shapes(names: list[str]) -> list[str]:
    return [n for n in names if n.lower().endswith(".shp")]


def shape_files(path: Path) -> list[Path]:
    """The files of a shapefile, or of the shapefiles in a folder."""
    if path.is_dir():
        shapes = [path / n for n in _shapes(sorted(p.name for p in path.iterdir()))]
    elif path.suffix.lower() == ".shp":
        shapes = [path]
    else:
        return [path]
    return sorted(
        p
        for s in shapes
        for p in s.parent.iterdir()
        if p.stem == s.stem and p.suffix.lower() in _SHAPE_PARTS
    )


def open_spatial(path: Path, kind: str, layer: str | None) -> Source:
    """A row for each feature, in the order of the file, its place in WGS84.

    Args:
        path: The file or folder.
        kind: As `spatial_kind` says.
        layer: Which layer; the only one, else the one named `observations` or `occurrences`, when None.

    Raises:
        TableError: There are several layers and none is named, the one named is none or is a view.
    """
    pyogrio = _pyogrio()
    keep: list[Any] = []
    file = path
    if path.is_file() and Look(path).zipped:
        temporary = tempfile.TemporaryDirectory(prefix="prom3e-")
        keep.append(temporary)
        ends = (".kml",) if kind == "kml" else _SHAPE_PARTS
        file = unpack(path, Path(temporary.name), wanted=lambda n: n.lower().endswith(ends))
        if kind == "kml":
            file = next(iter(sorted(file.glob("*.kml"))), file)
    if "!" in str(file) or str(file).startswith("/vsi"):
        raise TableError(
            f"{path} has '!' in its name, which the reader takes for an archive; rename it."
        )
    views = _views(file) if kind == "geopackage" else set()
    shapes = (
        {p.stem: p for p in sorted(file.iterdir()) if p.suffix.lower() == ".shp"}
        if kind == "shapefile" and file.is_dir()
        else {}
    )
    with undamaged(f"{path} ({kind})"):
        layers = list(shapes) or [str(n) for n, _ in pyogrio.list_layers(file)]
        chosen = _choose(path, [n for n in layers if n not in views], views, layer, kind)
        given: tuple[Path, str | None] = (shapes[chosen], None) if shapes else (file, chosen)
        info = pyogrio.read_info(given[0], layer=given[1])
    said: list[str] = []
    if len(layers) > 1:
        others = ", ".join(n for n in layers if n != chosen)
        said.append(f"Layer {chosen!r} is read, not {others}; to read another name PATH::LAYER.")
    return _features(path, kind, given, info, said, keep)


def _choose(path: Path, layers: list[str], views: set[str], wanted: str | None, kind: str) -> str:
    if wanted in views:
        raise TableError(
            f"{path}: {wanted!r} is a view; views are not run. Store it as a layer first."
        )
    usual = "waypoints" if kind == "gpx" else "observations"
    wanted = wanted or (layers[0] if len(layers) == 1 else None)
    wanted = wanted or next(
        (n for n in layers if n.lower() in (usual, "occurrences", "occurrence")), None
    )
    if wanted not in layers:
        near = near_names(wanted, layers) if wanted else ""
        raise TableError(
            f"{path} has the layers {', '.join(layers) or '(none)'}{f', not {wanted!r}' if wanted else ''}{near}; "
            "name one as PATH::LAYER."
        )
    return str(wanted)


def _views(path: Path) -> set[str]:
    """Names in a GeoPackage that are no stored tables."""
    try:
        with closing(
            sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1", uri=True)
        ) as con:
            found = con.execute("SELECT name FROM sqlite_master WHERE type = 'view'").fetchall()
    except (sqlite3.Error, UnicodeError) as e:
        raise TableError(f"{path} cannot be read as a GeoPackage: {e}.") from e
    return {str(n) for (n,) in found}


def _features(
    path: Path,
    kind: str,
    given: tuple[Path, str | None],
    info: dict[str, Any],
    said: list[str],
    keep: list[Any],
) -> Source:
    from pyogrio.raw import open_arrow

    fields = [str(f) for f in info["fields"] if str(f) not in _DEVICE.get(kind, ())]
    whole = {
        f: _CUT[f.lower()]
        for f in fields
        if kind == "shapefile" and f.lower() in _CUT and len(f) == 10
    }
    whole = {f: n for f, n in whole.items() if n not in fields}
    if whole:
        cut = ", ".join(f"{f} → {n}" for f, n in whole.items())
        said.append(f"Column names that the format cut at ten letters are read as whole: {cut}.")
    names = unique_names("eventDate" if f == _TIMES.get(kind) else whole.get(f, f) for f in fields)
    own = {n.lower() for n in names} >= {p.lower() for p in PLACE}
    shaped = bool(info["geometry_type"])
    geometries = Geometries(info["crs"], said)
    if shaped and not own:
        said_crs(geometries)
    elif shaped:
        said.append(
            "The table has decimalLatitude and decimalLongitude itself, so its geometries are not used."
        )

    def read(rows: int) -> Iterator[pa.RecordBatch]:
        geometries.begin()
        count = 0
        with undamaged(f"{path} ({kind})"):
            with open_arrow(
                given[0],
                layer=given[1],
                batch_size=rows,
                columns=fields,
                use_pyarrow=True,
                read_geometry=shaped and not own,
            ) as (meta, reader):
                column = (meta["geometry_name"] or "wkb_geometry") if shaped and not own else None
                for batch in reader:
                    batch.validate(full=True)
                    count += batch.num_rows
                    yield with_places(
                        _renamed(batch, fields, names, column), column, geometries, own
                    )
        facts["rows"] = count
        geometries.finish()

    columns = [*names, *(PLACE if shaped and not own else ())]
    facts: dict[str, Any] = {
        "rows": int(info["features"]),
        "crs": str(info["crs"] or "")[:200],
        "layer": given[1],
    }
    base = path if path.is_dir() else path.parent
    origin = {p: "geometry" for p in PLACE if shaped and not own}
    source = Source(kind, columns, base, read, facts, said, origin=origin, keep=keep)
    if kind == "shapefile":
        _media_above(source)
    return source


def _media_above(source: Source) -> None:
    """Let media paths start above the folder of a shapefile where they do: its files often have one of their own."""
    found = match_columns(source.columns, {})
    media = [c for m in MEDIA for c in found.get(m, ())[:1]]
    first = next(source.batches(20), None) if media else None
    names = [str(v) for c in media if first is not None for v in first.column(c).to_pylist() if v]
    above = source.media.absolute().parent
    here = any((source.media / n).is_file() for n in names)
    if not here and any((above / n).is_file() for n in names):
        source.media = above
        source.said.append(f"Media paths start from {above}, the folder above the shapefile.")


def _renamed(
    batch: pa.RecordBatch, fields: list[str], names: list[str], column: str | None
) -> pa.RecordBatch:
    """The columns in the order of the table, the geometry at the end."""
    import pyarrow as pa

    at = {n: i for i, n in enumerate(batch.schema.names)}
    arrays = [batch.column(at[f]) for f in fields]
    if column is None:
        return pa.RecordBatch.from_arrays(arrays, names=names)
    return pa.RecordBatch.from_arrays([*arrays, batch.column(at[column])], names=[*names, column])


def geoparquet_columns(path: Path) -> tuple[str, Any] | None:
    """The geometry column of a GeoParquet file and its reference system; None where it is plain Parquet."""
    from pyarrow import parquet

    try:
        stated = (parquet.read_schema(path).metadata or {}).get(b"geo")
        found = json.loads(stated) if stated else None
        if not isinstance(found, dict):
            return None
        primary = str(found.get("primary_column") or "geometry")
        column = found.get("columns", {}).get(primary, {})
        if str(column.get("encoding", "WKB")).upper() != "WKB":
            return None
        crs = column.get("crs", "OGC:CRS84")
    except Exception:
        return None  # damaged: the reader says so
    if isinstance(crs, dict):
        known = crs.get("id") if isinstance(crs.get("id"), dict) else None
        crs = f"{known.get('authority')}:{known.get('code')}" if known else crs
    return primary, crs


def open_geoparquet(path: Path) -> Source:
    """A row for each row of a GeoParquet file, its place in WGS84."""
    from pyarrow import parquet

    found = geoparquet_columns(path)
    if found is None:
        raise TableError(f"{path} is no GeoParquet file with geometries in WKB.")
    column, crs = found
    file = parquet.ParquetFile(path)
    names = [n for n in file.schema_arrow.names if n != column]
    own = {n.lower() for n in names} >= {p.lower() for p in PLACE}
    said: list[str] = []
    geometries = Geometries(crs, said)
    if not own:
        said_crs(geometries)

    def read(rows: int) -> Iterator[pa.RecordBatch]:
        geometries.begin()
        with undamaged(f"{path} (geoparquet)"):
            for batch in file.iter_batches(batch_size=rows):
                yield with_places(batch, column, geometries, own)
        geometries.finish()

    facts = {"rows": file.metadata.num_rows, "crs": str(crs or "")[:200]}
    columns = [*names, *(() if own else PLACE)]
    origin = {p: column for p in PLACE if not own}
    return Source("geoparquet", columns, path.parent, read, facts, said, origin=origin, keep=[file])
