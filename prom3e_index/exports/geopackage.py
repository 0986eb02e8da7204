"""GeoPackage: one layer of points, with a spatial index, as QGIS, ArcGIS and R open it."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prom3e_index.errors import InputError
from prom3e_index.exports.extra import needs
from prom3e_index.exports.geoparquet import free_names
from prom3e_index.exports.points import places, points
from prom3e_index.show.escapes import json_text
from prom3e_index.show.files import replacing

if TYPE_CHECKING:
    import pyarrow as pa

LAYER = "observations"
_GEOMETRY = "geom"
_FULL_BYTES = 1 << 16
"""Less is no room for a further page of a database and its journal."""
_OWN = (_GEOMETRY, "fid")
"""Columns that every layer has."""


def write_geopackage(
    schema: pa.Schema, batches: Iterable[pa.RecordBatch], path: Path, tags: Mapping[str, Any]
) -> None:
    """Write a layer `observations` with a point for each row that has a place; other rows have no geometry.

    Lists and records become JSON text, decimals floating point: a GeoPackage has no others.

    Args:
        schema: Of the batches.
        batches: With columns `longitude` and `latitude` in degrees, which stay.
        path: The file.
        tags: What the file says of itself.

    Raises:
        InputError: The extra `gis` is not installed, or GDAL cannot write the file.
    """
    needs("pyogrio")
    import pyarrow as pa
    from pyogrio import write_arrow
    from pyogrio.errors import DataLayerError, DataSourceError, FeatureError

    names = free_names(schema.names, _OWN)
    kinds = [_kind(f.type) for f in schema]
    whole = pa.schema(
        [
            *(pa.field(n, k) for n, k in zip(names, kinds, strict=True)),
            pa.field(_GEOMETRY, pa.binary()),
        ]
    )

    def layer() -> Iterator[pa.RecordBatch]:
        for batch in batches:
            columns = [_simple(c, k) for c, k in zip(batch.columns, kinds, strict=True)]
            shapes = points(*places(batch))
            yield pa.RecordBatch.from_arrays([*columns, shapes], schema=whole)

    texts = {"PROM3E": json_text(tags)}
    if tags.get("licence"):
        texts["LICENCE"] = str(tags["licence"])
    with replacing(path) as new:
        if new == path:
            raise InputError(f"{path} is no file; a GeoPackage is written to a file.")
        made = new.with_suffix(".gpkg")  # GDAL warns of other endings
        try:
            write_arrow(
                pa.RecordBatchReader.from_batches(whole, layer()),
                str(made),
                layer=LAYER,
                driver="GPKG",
                geometry_name=_GEOMETRY,
                geometry_type="Point",
                crs="EPSG:4326",
                layer_metadata=texts,
                dataset_options={"VERSION": "1.4"},
                layer_options={"GEOMETRY_NAME": _GEOMETRY, "FID": "fid", "SPATIAL_INDEX": "YES"},
            )
            made.replace(new)
        except (DataSourceError, DataLayerError, FeatureError) as e:
            if shutil.disk_usage(made.parent).free < _FULL_BYTES:  # GDAL says no reason
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from e
            raise InputError(f"{path} cannot be written: {e}.") from e
        finally:
            made.unlink(missing_ok=True)


def _kind(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    if pa.types.is_boolean(kind) or pa.types.is_date32(kind):
        return kind
    if pa.types.is_timestamp(kind):
        return pa.timestamp("ms", kind.tz)
    if pa.types.is_integer(kind):
        return pa.float64() if pa.types.is_uint64(kind) else pa.int64()
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return pa.float64()
    return pa.string()


def _simple(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """A column in a type that a layer has."""
    import pyarrow as pa

    if not pa.types.is_string(kind):
        return column.cast(kind, safe=False)
    if not pa.types.is_nested(column.type) and not pa.types.is_binary(column.type):
        return column.cast(kind)
    return pa.array([None if v is None else json_text(v) for v in column.to_pylist()], kind)
