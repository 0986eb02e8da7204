"""Writing hits and whole bundles in formats that other software reads.

Every file is whole or not there, also when it holds no row: it has its columns then.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from prom3e_index.errors import InputError, near_names
from prom3e_index.schema import MEDIA, SHOWN
from prom3e_index.search.answered import Hit
from prom3e_index.search.meaning import MEANINGLESS, means_nothing
from prom3e_index.search.run import Bundle
from prom3e_index.show.endings import format_of, not_the_table
from prom3e_index.show.escapes import cells, csv_lines, feature, json_text, plain
from prom3e_index.show.files import replacing

FORMATS = ("parquet", "csv", "geojson")
"""Of the observations."""
CONTENTS = {"metadata": FORMATS, "embeddings": ("parquet",)}
"""What of an index is written, and in which formats."""
_NUMBERS = ("score", "p_right")
"""Columns of a hit that are numbers, also where no hit has one."""
_ALL = "SELECT * FROM observations ORDER BY row"


def hit_columns(bundle: Bundle) -> list[str]:
    """Columns of a hit's record, in order; also those of an answer without hits."""
    own = [c for c in SHOWN if c in bundle.columns and c not in MEDIA and c != "id"]
    warned = ["warning"] if means_nothing(bundle) else []
    return [
        "rank",
        "id",
        "score",
        "completed",
        "p_right",
        *own,
        "media",
        "media_fragment",
        "observed",
        "row",
        *warned,
    ]


def records(hits: Iterable[Hit], notes: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Hits as flat records that JSON can say; of an answer that means nothing each says so in `warning`."""
    warned = {"warning": MEANINGLESS} if MEANINGLESS in notes else {}
    return [{**plain(h.to_dict()), **warned} for h in hits]


def geojson(found: Iterable[dict[str, Any]], *, ascii_only: bool = False) -> str:
    """A GeoJSON FeatureCollection (RFC 7946: longitude first); records without place have no geometry."""
    features = [feature(r) for r in found]
    return json_text({"type": "FeatureCollection", "features": features}, ascii_only=ascii_only)


def csv_text(found: Iterable[dict[str, Any]], columns: Sequence[str]) -> str:
    """CSV with a header; lists are joined by `|`. Cells that a spreadsheet would run are quoted by `'`."""
    out = io.StringIO()
    writer = csv_lines(out)
    writer.writerow(cells(columns))
    writer.writerows(cells(r.get(c) for c in columns) for r in found)
    return out.getvalue()


def write_parquet(found: Sequence[dict[str, Any]], columns: Sequence[str], path: Path) -> None:
    """Write records as Parquet; a column of several kinds of values, or of none and not of `_NUMBERS`, is text."""
    import pyarrow as pa
    from pyarrow import parquet

    def array(name: str, values: list[Any]) -> Any:
        try:
            made = pa.array(values)
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            made = pa.array([None if v is None else str(v) for v in values])
        empty = pa.float64() if name in _NUMBERS else pa.string()
        return made.cast(empty) if pa.types.is_null(made.type) else made

    arrays = [array(c, [r.get(c) for r in found]) for c in columns]
    table = pa.Table.from_arrays(arrays, names=list(columns))
    with replacing(path) as new, parquet.ParquetWriter(new, table.schema) as writer:
        writer.write_table(
            table
        )  # parquet.write_table removes what cannot be written, also a device or a pipe


def write_export(bundle: Bundle, path: Path, what: str, format: str | None) -> int:
    """Write what `CONTENTS` has of an index; give its rows.

    Args:
        bundle: The index.
        path: The file.
        what: The content.
        format: As `endings.format_of` reads it and the file's ending.

    Raises:
        InputError: Another content or format, an ending that says another, or a path that cannot be written to.
    """
    if what not in CONTENTS:
        raise InputError(
            f"what is {what!r}; known: {', '.join(CONTENTS)}{near_names(what, list(CONTENTS))}."
        )
    kind = format_of(format, path, CONTENTS[what], None)
    not_the_table(path, bundle.manifest)
    if what == "embeddings":
        return export_embeddings(bundle, path)
    return export_metadata(bundle, path, kind)


def export_metadata(bundle: Bundle, path: Path, format: str) -> int:
    """Write the observations table, batch by batch; give its rows.

    Raises:
        InputError: Another format than `FORMATS`, or a path that cannot be written to.
    """
    if format not in FORMATS:
        raise InputError(
            f"Unknown format {format!r}; known: {', '.join(FORMATS)}{near_names(format, FORMATS)}."
        )
    with replacing(path) as new, bundle.reader(_ALL) as reader:
        if format == "parquet":
            from pyarrow import parquet

            with parquet.ParquetWriter(new, reader.schema) as writer:
                for batch in reader:
                    writer.write_batch(batch)
        elif format == "csv":
            with new.open("w", encoding="utf-8", newline="") as f:
                lines = csv_lines(f)
                lines.writerow(cells(reader.schema.names))
                for batch in reader:
                    lines.writerows(cells(row) for row in zip(*_columns(batch), strict=True))
        else:
            with new.open("w", encoding="utf-8") as f, _collection(f) as add:
                for batch in reader:
                    for record in batch.to_pylist():
                        add(record)
    return bundle.rows


def _columns(batch: Any) -> Iterator[list[Any]]:
    return (column.to_pylist() for column in batch.columns)


@contextmanager
def _collection(f: IO[str]) -> Iterator[Any]:
    """A FeatureCollection being written, a feature a line: a function that adds a record."""
    f.write('{"type": "FeatureCollection", "features": [')
    first = True

    def add(record: dict[str, Any]) -> None:
        nonlocal first
        f.write(("\n" if first else ",\n") + json_text(feature(record)))
        first = False

    yield add
    f.write("\n]}\n")


def export_embeddings(bundle: Bundle, path: Path, rows: int = 2048) -> int:
    """Write ids and encoder embeddings to Parquet: a list column per modality, null where absent."""
    import pyarrow as pa
    from pyarrow import parquet

    fields = [("id", pa.string()), *((m, pa.list_(pa.float32())) for m in bundle.modalities)]
    schema = pa.schema(fields)
    ids = [str(r[0]) for r in bundle.sql("SELECT id FROM observations ORDER BY row")]
    with replacing(path) as new, parquet.ParquetWriter(new, schema) as writer:
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
