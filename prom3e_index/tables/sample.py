"""The first rows of a table, read ahead to learn how its columns are written, and not read twice."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

from prom3e_index.tables.cells import Cells, python_texts
from prom3e_index.tables.source import Source

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 10_000
"""At least so many are looked at, where the table has them."""
_BATCH = 4096


class Sample:
    """The first rows of a source.

    Attributes:
        whole: Whether they are all it has.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._rest = source.batches(_BATCH)
        self._batches: list[pa.RecordBatch] = []
        rows = 0
        self.whole = True
        for batch in self._rest:
            self._batches.append(batch)
            rows += batch.num_rows
            if rows >= ROWS:
                self.whole = False
                break
        self._cells = [Cells(b) for b in self._batches]
        self._used = False

    def texts(self, column: str) -> list[str]:
        """The cells of a column that are not empty."""
        return [t for t in self.column(column) if t is not None]

    def column(self, column: str) -> list[str | None]:
        """The cells of a column, cleaned, None where empty."""
        return [t for c in self._cells for t in python_texts(c.text(column))]

    def everything(self, column: str) -> Iterator[str | None]:
        """The cells of a column of the whole table, which is read once more for it."""
        for batch in self._source.batches(_BATCH):
            yield from python_texts(Cells(batch).text(column))
        self._used = True  # one connection reads one thing at a time: what was ahead is gone

    def batches(self, rows: int) -> Iterator[pa.RecordBatch]:
        """All rows of the source from the start; those that were read ahead are not read again."""
        if rows == _BATCH and not self._used:
            self._used = True
            batches, self._batches, self._cells = self._batches, [], []
            return chain(batches, self._rest)
        return self._source.batches(rows)
