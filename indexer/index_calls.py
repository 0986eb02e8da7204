"""What is done with an index from Python, as `export` does it on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from prom3e_index.errors import InputError
from prom3e_index.indexer.options import AnyPath
from prom3e_index.indexer.table_calls import INDEX

if TYPE_CHECKING:
    from prom3e_index.search.run import Bundle


def export(
    output: AnyPath,
    index: AnyPath | Bundle = INDEX,
    *,
    what: str = "metadata",
    format: str | None = None,
) -> int:
    """Write the observations, or the encoder embeddings, for other software; give the number of rows.

    Args:
        output: The file to write.
        index: The index folder, or an opened index.
        what: 'metadata' or 'embeddings'.
        format: 'parquet', 'csv' or 'geojson'; told by the file's ending when None. Embeddings are parquet.

    Raises:
        InputError: Another format or content, or a path that cannot be written to.
    """
    from prom3e_index.search.run import Bundle
    from prom3e_index.show.export import export_embeddings, export_metadata

    if isinstance(index, str | Path):
        with Bundle.open(index) as opened:
            return export(output, opened, what=what, format=format)
    path = Path(output)
    kind = format or path.suffix.lower().lstrip(".")
    if what == "embeddings":
        if kind != "parquet":
            raise InputError(f"Embeddings are exported as parquet, not {kind!r}.")
        return export_embeddings(index, path)
    if what != "metadata":
        raise InputError(f"what is {what!r}; known: metadata, embeddings.")
    return export_metadata(index, path, kind)
