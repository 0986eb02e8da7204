"""Answers to many queries as the rows of one file: a line a hit, under the query's name."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from prom3e_index.bundle.taxa import quoted
from prom3e_index.search.run import Bundle
from prom3e_index.show.escapes import cells, csv_lines, json_text, plain
from prom3e_index.show.export import hit_columns

FORMATS = ("parquet", "jsonl", "csv")
_KINDS = {
    "rank": "int64", "score": "float64", "completed": "bool", "p_right": "float64", "row": "int64",
    "observed": "strings", "notes": "strings",
}  # fmt: skip
_SAID = {"confidence": "string", "species_set": "strings", "notes": "strings", "error": "string"}


def columns_of(bundle: Bundle) -> dict[str, str]:
    """Columns of the file and their kinds, the same for every query: `query`, a hit's, what is said of the answer.

    These are `target`, `confidence` in words, `species_set`, `notes` and `error`.

    A query that was refused has one row with its reason in `error`; one without hits a row without a rank.
    """
    held = [c for c in hit_columns(bundle) if c in bundle.columns]
    names = ", ".join(map(quoted, held)) or "NULL AS nothing"
    with bundle.tables_of(np.zeros(0, np.int64)) as cursor:
        reader = cursor.sql(f"SELECT {names} FROM observations LIMIT 0").to_arrow_reader(1)
        stored = {f.name: _kind(f.type) for f in reader.schema}
    own = {c: _KINDS.get(c) or stored.get(c, "string") for c in hit_columns(bundle)}
    return {"query": "string", **own, "target": "string", **_SAID}


def _kind(kind: Any) -> str:
    import pyarrow as pa

    if pa.types.is_boolean(kind):
        return "bool"
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "float64"
    return "int64" if pa.types.is_integer(kind) else "string"


def csv_head(columns: Mapping[str, str]) -> list[str]:
    """The first line of CSV."""
    return cells(columns)


def write_lines(
    to: IO[str], format: str, columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Write rows as CSV or JSON lines, without a head."""
    if format == "csv":
        csv_lines(to).writerows(cells(r.get(c) for c in columns) for r in rows)
    else:
        to.writelines(json_text({c: r[c] for c in columns if c in r}) + "\n" for r in rows)


def part_written(
    path: Path, format: str, columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Write the rows of a part, whole or not at all; see `parts_joined`."""
    new = path.with_name(path.name + ".new")
    if format == "parquet":
        from pyarrow import parquet

        parquet.write_table(table_of(columns, rows), new)
    else:
        with new.open("w", encoding="utf-8", newline="") as f:
            write_lines(f, format, columns, rows)
            f.flush()
            os.fsync(f.fileno())
    new.replace(path)


def parts_joined(parts: Sequence[Path], format: str, columns: Mapping[str, str], out: Path) -> None:
    """One file of all parts, in their order."""
    if format == "parquet":
        from pyarrow import parquet

        with parquet.ParquetWriter(out, _schema(columns)) as writer:
            for part in parts:
                writer.write_table(parquet.read_table(part, schema=_schema(columns)))
        return
    with out.open("wb") as to:
        if format == "csv":
            to.write((",".join(csv_head(columns)) + "\n").encode())
        for part in parts:
            with part.open("rb") as f:
                shutil.copyfileobj(f, to)


def _schema(columns: Mapping[str, str]) -> Any:
    import pyarrow as pa

    kinds = {
        "string": pa.string(), "int64": pa.int64(), "float64": pa.float64(), "bool": pa.bool_(),
        "strings": pa.list_(pa.string()),
    }  # fmt: skip
    return pa.schema([(name, kinds[kind]) for name, kind in columns.items()])


def table_of(columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> Any:
    """Rows as an Arrow table with the columns and kinds of `columns_of`, or some of them."""
    import pyarrow as pa

    schema = _schema(columns)
    arrays = [
        pa.array(list(_values(kind, (r.get(name) for r in rows))), schema.field(name).type)
        for name, kind in columns.items()
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _values(kind: str, values: Iterator[Any]) -> Iterator[Any]:
    for value in map(plain, values):
        if value is None or kind in ("strings", "int64", "bool"):
            yield value
        elif kind == "float64":
            yield float(value)
        else:
            yield value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
