"""An answer's hits as map layers and as a Darwin Core Archive."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from prom3e_index.exports.attribution import Attribution
from prom3e_index.exports.rows import BATCH, Rows
from prom3e_index.exports.write import TABLES, Exported, write_beside, write_rows
from prom3e_index.search.answered import Answer
from prom3e_index.search.run import Bundle
from prom3e_index.show.export import hit_columns, records
from prom3e_index.show.query_rows import columns_of, table_of

if TYPE_CHECKING:
    import pyarrow as pa

FORMATS = ("gpkg", "geoparquet", "dwca")
"""What an answer is written in here; `cli.render` writes the others."""


def write_hits(answer: Answer, bundle: Bundle, path: Path, format: str) -> Exported:
    """Write the hits of an answer, best first, and beside them whose they are.

    A layer has a row a hit, with rank, score and whether the target was completed, at the place that was observed; a
    hit without one has no geometry. An archive has the hits' observations as they were observed: what is completed of
    them is no occurrence, and a score no identification.

    Args:
        answer: What was found.
        bundle: The index that answered.
        path: The file.
        format: One of `FORMATS`.

    Raises:
        InputError: A path that cannot be written to, or a format whose package is not installed.
    """
    rows = Rows(bundle, np.array([h.row for h in answer.hits], np.int64))
    if format == "dwca":
        return write_rows(rows, path, format)
    of_hits = hit_columns(bundle)
    kinds = {name: kind for name, kind in columns_of(bundle).items() if name in of_hits}
    found = records(answer.hits, answer.notes)

    def batches() -> Iterator[pa.RecordBatch]:
        for at in range(0, len(found), BATCH):
            yield from table_of(kinds, found[at : at + BATCH]).to_batches()

    attribution = Attribution.of(rows, path.name)
    TABLES[format](table_of(kinds, []).schema, batches(), path, attribution.tags())
    beside = write_beside(path, attribution)
    return Exported.of(len(found), path, format, attribution.licence, beside)
