"""Rows written as files that the server imports, of every target one at a time: see `store.bulk`.

A part of the rows is one file a target, imported whole or not at all; the next part is begun when all files of the one
before are in. So what is there begins with the first row, and a push that is broken off goes on target by target.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from prom3e_index.indexer.cluster.storage import Storage, is_address
from prom3e_index.indexer.plan import Progress
from prom3e_index.indexer.push_source import Source
from prom3e_index.store.bulk import Imports, file_table, schema_of
from prom3e_index.store.engine import Engine
from prom3e_index.store.rows import Writer, fields_of

Ints = NDArray[np.int64]
FILE_BYTES = 256 << 20
"""Of the vectors of one file: about what the server keeps together."""


@dataclass(frozen=True)
class Place:
    """Where files are written that a server imports.

    Attributes:
        here: A folder or an address, as seen from here.
        there: The same as the server sees it: a path, or a key in its bucket.
    """

    here: str
    there: str


def place_of(here: str, there: str | None) -> Place:
    """A place by its name here, and its name for the server where that is another."""
    if there is None:
        far = is_address(here)
        there = urlsplit(here).path.strip("/") if far else str(Path(here).absolute())
    return Place(here, there.rstrip("/"))


def _under(place: str, file: str) -> str:
    return f"{place}/{file}" if place else file


class Bulk:
    """Fills collections by files.

    Args:
        engine: The connection.
        place: Where files go.
        timeout_s: Seconds that the files of one part may take.

    Raises:
        InputError: Nothing here imports files.
    """

    def __init__(self, engine: Engine, place: Place, timeout_s: float) -> None:
        self._imports = Imports(engine, timeout_s)
        self._engine, self._place = engine, place
        self._storage = Storage(place.here)
        self._folder = f"prom3e-{engine.address.name}"

    def close(self) -> None:
        """Let go of the connection."""
        self._imports.close()

    def settle(self, names: Iterable[str]) -> None:
        """Wait for what an earlier push has begun in collections."""
        for name in names:
            self._imports.settle(name)

    def fill(
        self,
        source: Source,
        firsts: Mapping[str, int],
        names: Mapping[str, str],
        writer: Writer,
        born: int,
        progress: Progress,
    ) -> int:
        """Write rows.

        Args:
            source: Whose.
            firsts: Target → row number from which on its rows are written.
            names: Target → collection.
            writer: Makes their fields.
            born: Generation that they are seen from on.
            progress: Told of each file.

        Returns:
            How many rows, of the target with most of them.

        Raises:
            StoreError: A file cannot be imported; files are taken away.
        """
        every = source.live[source.live >= min(firsts.values())]
        size = max(1, FILE_BYTES // (4 * source.width))
        self._storage.clear(self._folder)
        running: dict[int, str] = {}
        written: list[str] = []
        try:
            for at in range(0, len(every), size):
                progress("push", at, len(every))
                part = every[at : at + size]
                files = self._write(source, part, firsts, writer, born)
                written += files.values()
                self._imports.wait(running)
                while len(written) > len(files):  # those before are in
                    self._storage.remove(written.pop(0))
                running = {}
                for t, file in files.items():
                    path = _under(self._place.there, file)
                    running[self._imports.start(names[t], path)] = f"{path} into {names[t]}"
            self._imports.wait(running)
        finally:
            for file in written:
                self._storage.remove(file)
            self._storage.remove_folder(self._folder)
        progress("push", len(every), len(every))
        return len(every)

    def _write(
        self, source: Source, part: Ints, firsts: Mapping[str, int], writer: Writer, born: int
    ) -> dict[str, str]:
        """Write a file for each target that has some of the rows; give their names."""
        schema = schema_of(fields_of(source.modalities, source.width))
        wanted = {t: first for t, first in firsts.items() if part[-1] >= first}
        files = {t: f"{self._folder}/{t}-{int(part[0]):012d}.parquet" for t in wanted}
        with ExitStack() as stack:
            write: dict[str, Callable[[Any], None]] = {}
            for t, file in files.items():
                sink = stack.enter_context(self._storage.written(file))
                write[t] = stack.enter_context(pq.ParquetWriter(sink, schema)).write_table
            for table, vectors in source.filled(part, list(wanted)):
                scalars = writer.scalars(table, born)
                numbers = table.column("row").to_numpy()
                for t, first in wanted.items():
                    at = int(np.searchsorted(numbers, first))
                    if at < len(numbers):
                        write[t](file_table(schema, scalars[at:], vectors[t][at:]))
        return files
