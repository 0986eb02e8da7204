"""Observation tables of every convention, read in batches of one typed relation."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prom3e_index.errors import InputError, TableError, near_names
from prom3e_index.schema import FIELDS
from prom3e_index.tables.aliases import match_columns
from prom3e_index.tables.normalise import Rules
from prom3e_index.tables.sources import EMBEDDINGS, FORMATS, open_source, recognise
from prom3e_index.tables.text import Source

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["EMBEDDINGS", "FORMATS", "Observations", "read_observations", "recognise"]


class Observations:
    """An observation table, read once in batches; the whole is never in memory.

    Attributes:
        format: How it was read, one of `FORMATS`.
        columns: The source's columns.
        fields: Field → source columns it is read from.
        media: Folder that relative media paths start from.
        extra: Source columns that are kept as metadata, by their name in the batches.
        rejected: Filled while reading: (line, reason) of lines that could not be split into columns.
    """

    def __init__(self, source: Source, rules: Rules, names: tuple[str, ...] | None) -> None:
        self._source, self._rules = source, rules
        self.format, self.columns, self.fields = source.format, source.columns, rules.columns
        self.media = rules.media
        used = {c for columns in rules.columns.values() for c in columns[:1]}
        used -= {c for c in rules.columns.get("obscured", ())}
        self.extra: dict[str, str] = {}
        taken = {f.lower() for f in FIELDS} | {"row", "row_in", "problems", "completed", "sigma_l1"}
        for column in source.columns:
            if column in used or (names is not None and column not in names):
                continue
            name = column
            while name.lower() in taken or name.lower().startswith("has_"):
                name = f"source_{name}"
            taken.add(name.lower())
            self.extra[name] = column
        self.rejected: list[tuple[int, str]] = []

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema of the batches: `row_in`, the fields, the metadata columns, `problems`."""
        import pyarrow as pa

        kinds = {
            "VARCHAR": pa.string(),
            "DOUBLE": pa.float64(),
            "BOOLEAN": pa.bool_(),
            "DATE": pa.date32(),
            "FLOAT[]": pa.list_(pa.float32()),
        }
        return pa.schema(
            [
                ("row_in", pa.int64()),
                *((f, kinds[k]) for f, k in FIELDS.items()),
                *((name, pa.string()) for name in self.extra),
                (
                    "problems",
                    pa.list_(pa.struct([("modality", pa.string()), ("reason", pa.string())])),
                ),
            ]
        )

    def batches(self, rows: int = 4096) -> Iterator[pa.RecordBatch]:
        """Read the table from the start, in its order.

        Rows are numbered by `row_in` from 0 in the order of the table. `problems` names what a row
        lost while it was read; files are not opened here.

        Raises:
            TableError: The table is damaged.
        """
        import pyarrow as pa

        source = self._source
        schema = self.schema
        at = 0
        try:
            reader = source.connection.sql(source.query, params=source.params).to_arrow_reader(rows)
            for raw in reader:
                columns = {
                    name: raw.column(i).to_pylist() for i, name in enumerate(raw.schema.names)
                }
                out: dict[str, list[Any]] = {name: [] for name in schema.names}
                for i in range(raw.num_rows):
                    row = {name: cells[i] for name, cells in columns.items()}
                    if source.complete:
                        source.complete(row)
                    observation, problems = self._rules.observation(row)
                    out["row_in"].append(at + i)
                    for name, value in observation.items():
                        out[name].append(value)
                    for name, column in self.extra.items():
                        out[name].append(_text(row.get(column)))
                    out["problems"].append([{"modality": m, "reason": r} for m, r in problems])
                yield pa.RecordBatch.from_pydict(out, schema=schema)
                at += raw.num_rows
        except TableError:
            raise
        except Exception as e:
            if type(e).__module__.startswith(("duckdb", "_duckdb", "pyarrow")):
                first = str(e).splitlines()[0]
                raise TableError(f"The table ({source.format}) cannot be read on: {first}") from e
            raise
        self.rejected = list(source.rejected())


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list | dict | tuple):
        return json.dumps(value, default=str)
    return str(value)


def read_observations(
    path: str | Path,
    columns: Mapping[str, str] | None = None,
    *,
    format: str | None = None,
    keep: tuple[str, ...] | None = None,
    media: str | Path | None = None,
    allow_outside: bool = False,
) -> Observations:
    """Open an observation table.

    Args:
        path: A file or folder; `PATH::TABLE` names a table of a DuckDB file.
        columns: Column → field, where the names alone do not tell.
        format: One of `FORMATS`; recognised by content when None.
        keep: Metadata columns to keep; all when None.
        media: Folder that relative media paths start from; the table's own when None.
        allow_outside: Accept media paths outside that folder.

    Returns:
        The table; `batches()` reads it.

    Raises:
        TableError: Unreadable, of no known format, or without any column that could be searched.
        InputError: A mapped or kept column does not exist; names the nearest.
    """
    file, _, table = str(path).partition("::")
    source = open_source(Path(file), format, table or None)
    found = match_columns(source.columns, columns or {})
    for name in keep or ():
        if name not in source.columns:
            raise InputError(f"The table has no column {name!r}{near_names(name, source.columns)}.")
    searchable = (
        "image",
        "sat",
        "audio",
        "latitude",
        "latlon",
        "scientific_name",
        "text",
        "env",
        "genus",
    )
    if not any(f in found for f in searchable):
        near = near_names("image", source.columns) or near_names("latitude", source.columns)
        raise TableError(
            f"{file} ({source.format}) has no column for a photo, tile, recording, place, climate or name "
            f"among {', '.join(source.columns[:12])}{near}. Name one: --map COLUMN=image."
        )
    base = Path(media) if media is not None else source.media
    if not base.is_dir():
        raise InputError(f"The media folder {base} does not exist.")
    return Observations(source, Rules(found, base, allow_outside), keep)
