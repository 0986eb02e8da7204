"""Writing hits and whole bundles in formats that other software reads."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from prom3e_index.errors import InputError
from prom3e_index.search.run import Bundle

FORMATS = ("parquet", "csv", "geojson")


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, str | int | float | bool | list | dict):
        return value
    return str(value)


def geojson(records: Iterable[dict[str, Any]]) -> str:
    """A GeoJSON FeatureCollection (RFC 7946: longitude first); records without place have no geometry."""
    features = []
    for record in records:
        values = {k: _plain(v) for k, v in record.items()}
        latitude, longitude = values.pop("latitude", None), values.pop("longitude", None)
        place = None
        if latitude is not None and longitude is not None:
            place = {"type": "Point", "coordinates": [longitude, latitude]}
        features.append({"type": "Feature", "geometry": place, "properties": values})
    return json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False)


def csv_text(records: Iterable[dict[str, Any]]) -> str:
    """CSV with a header; lists are joined by `|`. Cells that a spreadsheet would run are quoted by `'`."""
    rows = [{k: _cell(v) for k, v in r.items()} for r in records]
    if not rows:
        return ""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        return "|".join(str(v) for v in value)
    if isinstance(value, str) and value[:1] in ("=", "+", "@", "\t", "\r"):
        return "'" + value
    return _plain(value)


def write_parquet(records: list[dict[str, Any]], path: Path) -> None:
    """Write records as Parquet."""
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(
        pa.Table.from_pylist([{k: _plain(v) for k, v in r.items()} for r in records]), path
    )


def export_metadata(bundle: Bundle, path: Path, format: str) -> int:
    """Write the observations table; give its rows. GeoJSON is written row by row."""
    if format not in FORMATS:
        raise InputError(f"Unknown format {format!r}; known: {', '.join(FORMATS)}.")
    records = _observations(bundle)
    if format == "geojson":
        with path.open("w", encoding="utf-8") as f:
            f.write('{"type": "FeatureCollection", "features": [')
            for i, record in enumerate(records):
                feature = json.loads(geojson([record]))["features"][0]
                f.write(("," if i else "") + "\n" + json.dumps(feature, ensure_ascii=False))
            f.write("\n]}\n")
        return bundle.rows
    import pyarrow as pa
    from pyarrow import csv as arrow_csv
    from pyarrow import parquet

    writer: Any = None
    with bundle.reader("SELECT * FROM observations ORDER BY row") as reader:
        for batch in reader:
            table = pa.Table.from_batches([batch])
            if writer is None:
                writer = (
                    parquet.ParquetWriter(path, table.schema)
                    if format == "parquet"
                    else arrow_csv.CSVWriter(path, table.schema)
                )
            writer.write_table(table)
    if writer is not None:
        writer.close()
    return bundle.rows


def export_embeddings(bundle: Bundle, path: Path, rows: int = 2048) -> int:
    """Write ids and encoder embeddings to Parquet: a list column per modality, null where absent."""
    import pyarrow as pa
    from pyarrow import parquet

    fields = [("id", pa.string()), *((m, pa.list_(pa.float32())) for m in bundle.modalities)]
    schema = pa.schema(fields)
    ids = [str(r[0]) for r in bundle.sql("SELECT id FROM observations ORDER BY row")]
    with parquet.ParquetWriter(path, schema) as writer:
        for at in range(0, bundle.rows, rows):
            part = bundle.live[at : at + rows]
            columns: list[Any] = [pa.array(ids[at : at + rows])]
            for i, m in enumerate(bundle.modalities):
                values = np.asarray(bundle.embeddings(m)[part], np.float32)
                has = bundle.present[part, i]
                columns.append(
                    pa.array(
                        [v if h else None for v, h in zip(values, has, strict=True)],
                        pa.list_(pa.float32()),
                    )
                )
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))
    return bundle.rows


def _observations(bundle: Bundle) -> Iterator[dict[str, Any]]:
    with bundle.reader("SELECT * FROM observations ORDER BY row") as reader:
        for batch in reader:
            yield from batch.to_pylist()
