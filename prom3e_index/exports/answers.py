"""An answer's hits as tables, map layers and a Darwin Core Archive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from prom3e_index.bundle.media_folders import is_remote
from prom3e_index.exports.attribution import Attribution
from prom3e_index.exports.rows import BATCH, Rows
from prom3e_index.exports.write import TABLES, Exported, beside, write_rows
from prom3e_index.search.answered import Answer
from prom3e_index.search.run import Bundle
from prom3e_index.show.export import csv_text, geojson, hit_columns, records, write_parquet
from prom3e_index.show.files import write_text
from prom3e_index.show.query_rows import columns_of, table_of

if TYPE_CHECKING:
    import pyarrow as pa

FORMATS = ("gpkg", "geoparquet", "h3", "dwca", "csv", "geojson", "parquet")
"""What an answer is written in here; `cli.render` writes the others."""


def write_hits(answer: Answer, bundle: Bundle, path: Path, format: str) -> Exported:
    """Write the hits of an answer, best first, and beside them whose they are.

    A table or layer has a row a hit, with rank, score and whether the target was completed, at the place that was
    observed; a hit without one has no geometry. A layer names local files as seen from the index's folder of media. An
    archive and a table of cells have the hits' observations as they were observed: what is completed of them is no
    occurrence, and a score no identification.

    Args:
        answer: What was found.
        bundle: The index that answered.
        path: The file.
        format: One of `FORMATS`.

    Raises:
        InputError: A path that cannot be written to, or a format whose package is not installed.
    """
    rows = Rows(bundle, np.array([h.row for h in answer.hits], np.int64))
    if format in ("dwca", "h3"):
        return write_rows(rows, path, format)
    of_hits = hit_columns(bundle)
    found = records(answer.hits, answer.notes)
    attribution = Attribution.of(rows, path.name)
    with beside(path, attribution) as others:
        if format == "csv":
            write_text(path, csv_text(found, of_hits))
        elif format == "geojson":
            write_text(path, geojson(found, licence=attribution.licence) + "\n")
        elif format == "parquet":
            write_parquet(found, of_hits, path)
        else:
            kinds = {name: kind for name, kind in columns_of(bundle).items() if name in of_hits}
            for record in found:
                record["media"] = _from_the_index(bundle, record)

            def batches() -> Iterator[pa.RecordBatch]:
                for at in range(0, len(found), BATCH):
                    yield from table_of(kinds, found[at : at + BATCH]).to_batches()

            TABLES[format](table_of(kinds, []).schema, batches(), path, attribution.tags())
    return Exported.of(len(found), path, format, attribution.licence, others)


def _from_the_index(bundle: Bundle, record: Mapping[str, Any]) -> str | None:
    """A hit's file without the folders above that of its index's media, which tell of this machine alone."""
    file = record.get("media")
    if file is None or is_remote(file):
        return file
    media, path = bundle.media_of(int(record["row"])), Path(file)
    return path.relative_to(media).as_posix() if path.is_relative_to(media) else path.name
