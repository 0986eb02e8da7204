"""GeoParquet 1.1: a Parquet table that is a map layer, read by GIS, DuckDB and pandas alike.

Source: https://geoparquet.org/releases/v1.1.0/. Points are well-known binary in longitude and latitude; no `crs` means
OGC:CRS84, which they are. `bbox` covers each row, so that a reader takes only the parts of a file that it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prom3e_index.exports.points import places, points
from prom3e_index.show.escapes import json_text
from prom3e_index.show.files import replacing

if TYPE_CHECKING:
    import pyarrow as pa

GEOMETRY, BBOX = "geometry", "bbox"
_GROUP = 65_536
"""Rows of a row group, which a reader skips or takes as a whole."""
_SIDES = ("xmin", "ymin", "xmax", "ymax")


def free_names(columns: Iterable[str], taken: Iterable[str]) -> list[str]:
    """Names for columns beside some that are `taken`, case apart: `geometry` becomes `source_geometry`."""
    seen = {t.lower() for t in taken}
    out = []
    for column in columns:
        name = column
        while name.lower() in seen:
            name = f"source_{name}"
        seen.add(name.lower())
        out.append(name)
    return out


def write_geoparquet(
    schema: pa.Schema, batches: Iterable[pa.RecordBatch], path: Path, tags: Mapping[str, Any]
) -> None:
    """Write a table with a point for each row that has a place; other rows have no geometry.

    Args:
        schema: Of the batches.
        batches: With columns `longitude` and `latitude` in degrees, which stay.
        path: The file.
        tags: What the file says of itself, under the key `prom3e`; `bbox` of them is that of all points.
    """
    import pyarrow as pa
    from pyarrow import parquet

    box = pa.struct([pa.field(side, pa.float64()) for side in _SIDES])
    named = free_names(schema.names, (GEOMETRY, BBOX))
    fields = [f.with_name(n) for f, n in zip(schema, named, strict=True)]
    said = {"geo": json_text(_geo(tags.get("bbox"))), "prom3e": json_text(tags)}
    whole = pa.schema([*fields, pa.field(GEOMETRY, pa.binary()), pa.field(BBOX, box)], said)

    def with_points(batch: pa.RecordBatch) -> pa.RecordBatch:
        x, y = places(batch)
        shapes = points(x, y)
        sides = [pa.array(v, pa.float64(), from_pandas=True) for v in (x, y, x, y)]
        boxes = pa.StructArray.from_arrays(sides, fields=list(box), mask=shapes.is_null())
        return pa.RecordBatch.from_arrays([*batch.columns, shapes, boxes], schema=whole)

    with replacing(path) as new, parquet.ParquetWriter(new, whole, compression="zstd") as writer:
        write_groups(writer.write_table, map(with_points, batches), whole)


def write_groups(
    write: Callable[[pa.Table], None], batches: Iterable[pa.RecordBatch], schema: pa.Schema
) -> None:
    """Write batches as row groups of `_GROUP` rows, so that a reader can skip and a file stays small."""
    import pyarrow as pa

    waiting: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        waiting.append(batch)
        rows += batch.num_rows
        if rows >= _GROUP:
            write(pa.Table.from_batches(waiting, schema))
            waiting, rows = [], 0
    if waiting:
        write(pa.Table.from_batches(waiting, schema))


def _geo(box: list[float] | None) -> dict[str, Any]:
    column: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": ["Point"],
        "covering": {"bbox": {side: [BBOX, side] for side in _SIDES}},
    }
    if box is not None:
        column["bbox"] = box
    return {"version": "1.1.0", "primary_column": GEOMETRY, "columns": {GEOMETRY: column}}
