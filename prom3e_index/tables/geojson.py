"""GeoJSON, as one collection or one feature a line, without a geometry library."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prom3e_index.tables.json_records import Cells, flat
from prom3e_index.tables.json_stream import Shape, shape_of
from prom3e_index.tables.json_tables import from_records
from prom3e_index.tables.places_of import PLACE, Geometries, said_crs
from prom3e_index.tables.source import Source

if TYPE_CHECKING:
    import pyarrow as pa


def open_geojson(path: Path) -> Source:
    """A row for each feature of a GeoJSON file, in its order; its place is that of its geometry, in WGS84.

    Raises:
        TableError: No valid JSON, no feature, or an unknown reference system.
    """
    shape = shape_of(path)
    said: list[str] = []
    crs = _crs(shape)
    origin: dict[str, str] = {}
    geometries = Geometries(crs, said)
    if crs != "OGC:CRS84":
        said_crs(geometries)

    def cells(feature: dict[str, Any]) -> Cells:
        properties = feature.get("properties") if feature.get("type") == "Feature" else feature
        out = flat(properties, origin) if isinstance(properties, dict) else {}
        if feature.get("id") is not None and not any(k.lower() == "id" for k in out):
            out["id"] = str(feature["id"])
        if all(p not in out for p in PLACE):
            origin.update(dict.fromkeys(PLACE, "geometry"))
            place = geometries.geojson([feature.get("geometry")])[0]
            for name, value in zip(PLACE, place, strict=True):
                out[name] = repr(value) if isinstance(value, float) else value
        return out

    source = from_records(path, "geojson", shape, cells, said, origin)
    plain = source.read

    def read(rows: int) -> Iterator[pa.RecordBatch]:
        geometries.begin()
        yield from plain(rows)
        geometries.finish()

    source.read = read
    source.facts["crs"] = str(crs)
    return source


def _crs(shape: Shape) -> Any:
    """The reference system of a collection: WGS84 unless it says otherwise, as files before RFC 7946 do."""
    stated = shape.around.get("crs")
    properties = stated.get("properties") if isinstance(stated, dict) else None
    name = properties.get("name") if isinstance(properties, dict) else None
    if not isinstance(name, str) or name.upper().endswith("CRS84"):
        return "OGC:CRS84"
    return name
