"""Observations and embeddings as plain tables: Parquet, CSV, GeoJSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from prom3e_index.exports.geoparquet import write_groups
from prom3e_index.exports.rows import Rows
from prom3e_index.show.escapes import cells, csv_lines, feature, json_text
from prom3e_index.show.files import replacing

if TYPE_CHECKING:
    import pyarrow as pa


def write_parquet(
    schema: pa.Schema, batches: Iterable[pa.RecordBatch], path: Path, tags: Mapping[str, Any]
) -> None:
    """Write a Parquet table; it says of itself the `tags` under the key `prom3e`."""
    from pyarrow import parquet

    whole = schema.with_metadata({**(schema.metadata or {}), b"prom3e": json_text(tags).encode()})
    with replacing(path) as new, parquet.ParquetWriter(new, whole) as writer:
        write_groups(writer.write_table, batches, whole)


def write_csv(
    schema: pa.Schema, batches: Iterable[pa.RecordBatch], path: Path, tags: Mapping[str, Any]
) -> None:
    """Write CSV with a header; cells that a spreadsheet would run are quoted by `'`. It has no room for `tags`."""
    with replacing(path) as new, new.open("w", encoding="utf-8", newline="") as f:
        lines = csv_lines(f)
        lines.writerow(cells(schema.names))
        for batch in batches:
            columns = (column.to_pylist() for column in batch.columns)
            lines.writerows(cells(row) for row in zip(*columns, strict=True))


def write_geojson(
    schema: pa.Schema, batches: Iterable[pa.RecordBatch], path: Path, tags: Mapping[str, Any]
) -> None:
    """Write a GeoJSON FeatureCollection (RFC 7946), a feature a line; the licence of the whole is its `license`."""
    with (
        replacing(path) as new,
        new.open("w", encoding="utf-8") as f,
        _collection(f, tags.get("licence")) as add,
    ):
        for batch in batches:
            for record in batch.to_pylist():
                add(record)


@contextmanager
def _collection(f: IO[str], licence: Any) -> Iterator[Any]:
    """A FeatureCollection being written, a feature a line: a function that adds a record."""
    stated = f'"license": {json_text(licence)}, ' if licence else ""
    f.write(f'{{"type": "FeatureCollection", {stated}"features": [')
    first = True

    def add(record: dict[str, Any]) -> None:
        nonlocal first
        f.write(("\n" if first else ",\n") + json_text(feature(record)))
        first = False

    yield add
    f.write("\n]}\n")


def write_embeddings(chosen: Rows, path: Path, rows: int = 2048) -> None:
    """Write ids and encoder embeddings to Parquet: a list column per modality, null where absent."""
    import pyarrow as pa
    from pyarrow import parquet

    bundle = chosen.bundle
    fields = [("id", pa.string()), *((m, pa.list_(pa.float32())) for m in bundle.modalities)]
    schema = pa.schema(fields)
    at = 0
    with replacing(path) as new, parquet.ParquetWriter(new, schema) as writer:
        for batch in chosen.only({"row", "id"}).batches(rows):
            part = chosen.numbers[at : at + batch.num_rows]
            at += batch.num_rows
            columns: list[Any] = [batch.column(batch.schema.names.index("id")).cast(pa.string())]
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
