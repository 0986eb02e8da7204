"""What a file of embeddings says of its observations, read by the same rules as any table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from prom3e_index.tables.aliases import match_columns
from prom3e_index.tables.embeddings import open_embeddings
from prom3e_index.tables.normalise import Rules
from prom3e_index.tables.observations import Layout

if TYPE_CHECKING:
    import pyarrow as pa


class EmbeddedObservations:
    """The observations of a file of embeddings; see `Observations`, whose attributes and batches it has.

    Names, dates, places and empty cells mean what they mean in a table. Nothing has to be fetched or encoded, so
    remote addresses of media are kept.

    Args:
        path: The file.
        format: One of `EMBEDDINGS`.
        modalities: The model's, in order.
        width: d of the model.
        columns: Column → field, where the names alone do not tell.
        media: Folder that relative media paths start from; the file's when None.
        allow_outside: Accept media paths outside that folder.

    Raises:
        TableError, ShapeError: See `open_embeddings`.
        InputError: A mapped column does not exist.
    """

    embedded = True

    def __init__(
        self,
        path: Path,
        format: str,
        modalities: tuple[str, ...],
        width: int,
        columns: Mapping[str, str] | None = None,
        media: Path | None = None,
        allow_outside: bool = False,
    ) -> None:
        self._file = open_embeddings(path, format, modalities, width)
        given = dict(columns or {})
        own = self._file.id_column
        if own is not None and "id" not in given.values():
            given[own] = "id"
        found = match_columns(self._file.columns, given)
        self.media = media if media is not None else path.parent
        self._layout = Layout(
            self._file.columns, Rules(found, self.media, allow_outside, encoded=True)
        )
        self.format, self.columns, self.fields = format, self._file.columns, found
        self.extra, self.schema = self._layout.extra, self._layout.schema
        self.rejected: list[tuple[int | None, str]] = []
        self.facts: dict[str, object] = {}
        self.citations: list[str] = []
        self.said: list[str] = self._layout.said
        self.origin: dict[str, str] = {}
        self.unused: dict[str, str] = {}

    def batches(self, rows: int = 4096) -> Iterator[pa.RecordBatch]:
        """Read what is said of the rows, in their order; embeddings are not read."""
        import pyarrow as pa

        at = 0
        for cells in self._file.cells(rows):
            n = len(next(iter(cells.values())))
            yield self._layout.batch(pa.RecordBatch.from_pydict(cells), at)
            at += n
