"""What a search reads of single rows, of whichever segment they are; a vector store overrides each of these."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle import species_codes
from prom3e_index.bundle.located import Located, located
from prom3e_index.bundle.media_folders import MediaFolders
from prom3e_index.bundle.taxa import quoted

if TYPE_CHECKING:
    from prom3e_index.bundle.opened import BundleFolder
    from prom3e_index.bundle.segment import Segment

Ints = NDArray[np.int64]


class RowsRead:
    """Rows of an opened index by their numbers."""

    segments: list[Segment]
    path: Path
    manifest: dict[str, Any]
    modalities: tuple[str, ...]
    if TYPE_CHECKING:

        @property
        def live(self) -> Ints:
            """See `BundleFolder`."""

        def sql(self, query: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
            """See `BundleFolder`."""

    summary: Any = None
    """What a store knows of all its rows; None where the tables can be asked, see `search.filtered`."""
    grouping: Any = None
    """How a store tells observations and groups; None where columns can be read whole, see `search.groups`."""

    @property
    def name(self) -> str:
        """What the index is called."""
        return self.path.resolve().name

    @property
    def targets(self) -> list[str]:
        """Modalities that can be searched for."""
        return list(self.modalities)

    @property
    def generation(self) -> int:
        """Its number: another one after each change."""
        return int(self.manifest["generation"])

    @property
    def column_types(self) -> dict[str, str]:
        """Columns of the observations, with DuckDB's types."""
        return {str(r[0]): str(r[1]) for r in self.sql("DESCRIBE observations")}

    def segment_of(self, row: int) -> tuple[Segment, int]:
        """The segment that holds a row, and the row's place there."""
        segment = self.segments[bisect_right(self.segments, row, key=lambda s: s.first) - 1]
        return segment, row - segment.first

    def all_of(self, rows: Ints | None, mixed: bool = False) -> Ints:
        """Eligible rows, of all that are not removed when None; `mixed` where they are to be mixed with another ε."""
        return self.live if rows is None else rows

    def numbers(self, rows: Any) -> Ints:
        """Row numbers, ascending, of eligible rows as `eligible` gives them; of all that are not removed when None."""
        return self.live if rows is None else np.asarray(rows, np.int64)

    def page(self, rows: Any, offset: int, limit: int) -> Ints:
        """Some of the numbers that `numbers` gives."""
        return self.numbers(rows)[offset : offset + limit]

    def with_ids(self, ids: Sequence[str]) -> list[tuple[int, str]]:
        """Rows that have one of some ids, with it, by row number."""
        query = "SELECT row, id FROM observations WHERE id IN (SELECT unnest(?::VARCHAR[])) ORDER BY row"
        return [(int(r), str(i)) for r, i in self.sql(query, [list(ids)])]

    def located(
        self, rows: Ints | None, box: tuple[float, float, float, float]
    ) -> AbstractContextManager[Located]:
        """Eligible rows in a box of degrees, west, south, east, north, to be counted; see `located`."""
        return located(cast("BundleFolder", self), rows)

    @contextmanager
    def tables_of(self, rows: Ints) -> Iterator[Any]:
        """A cursor of DuckDB over tables `observations` and `every` that hold at least some rows."""
        cursor = cast("BundleFolder", self).metadata.cursor()
        try:
            yield cursor
        finally:
            cursor.close()

    def among(self, rows: Ints | None, some: Ints) -> NDArray[np.bool_]:
        """Which of some rows are among eligible ones, ascending; among all that are not removed when None."""
        every = self.live if rows is None else rows
        at = np.searchsorted(every, some)  # not `isin`, which reads all of them
        held = np.zeros(len(some), bool)
        inside = at < len(every)
        held[inside] = every[at[inside]] == some[inside]
        return held

    def values(self, rows: Ints, columns: Sequence[str]) -> dict[int, dict[str, Any]]:
        """Columns of some rows, by row number: from the records where they stand there, else from the tables."""
        out: dict[int, dict[str, Any]] = {}
        others: list[int] = []
        by_segment: dict[int, tuple[Segment, list[int]]] = {}
        for row in rows.tolist():
            segment, place = self.segment_of(row)
            by_segment.setdefault(segment.first, (segment, []))[1].append(place)
        for segment, places in by_segment.values():
            numbers = [segment.first + place for place in places]
            held = segment.records(places, columns)
            if held is None:
                others += numbers
            else:
                out |= zip(numbers, held, strict=True)
        if others:
            selected = ", ".join(quoted(c) for c in ("row", *columns))
            found = self.sql(
                f"SELECT {selected} FROM every WHERE row IN (SELECT unnest(?))", [others]
            )
            out |= {r[0]: dict(zip(columns, r[1:], strict=True)) for r in found}
        return out

    def observed(self, rows: Ints) -> NDArray[np.bool_]:
        """(n, m) which modalities each of some rows has."""
        found = [segment.present[place] for segment, place in map(self.segment_of, rows.tolist())]
        return np.array(found, bool).reshape(len(rows), -1)

    def folders_of(self, row: int) -> MediaFolders:
        """Where the files of a row may be."""
        return self.segment_of(row)[0].folders

    @property
    def media_known(self) -> list[Path]:
        """The folders that media paths start from."""
        return [s.media for s in self.segments]

    def file_of(self, row: int, cell: str) -> str:
        """Where the file is that a row names."""
        return self.segment_of(row)[0].folders.file(cell)

    def media_of(self, row: int) -> Path:
        """The folder that a row's media paths start from, as it was last known."""
        return self.segment_of(row)[0].media

    def gallery_parts(
        self, target: str, rows: Ints
    ) -> Iterator[tuple[Ints, NDArray[np.float16], Ints]]:
        """Where gallery vectors of some rows stand: their places in `rows`, an array of vectors, and where in it."""
        for segment in self.segments:
            here = np.flatnonzero((rows >= segment.first) & (rows < segment.first + segment.rows))
            if len(here):
                yield here, segment.gallery(target).vectors, rows[here] - segment.first

    def embedding(self, modality: str, row: int) -> NDArray[np.float16]:
        """(d,) what the encoder gave of a row; zeros where it lacks the modality."""
        segment, place = self.segment_of(row)
        return np.asarray(segment.embeddings(modality)[place])

    def species(self, rows: Ints) -> Ints:
        """The species codes of some rows, in any shape; see `species_codes`."""
        return species_codes.species_codes(cast("BundleFolder", self), rows)

    def has_other_species(self, rows: Ints | None, species: int) -> bool:
        """Whether any eligible row, or any at all when None, is of a known species other than the one of a code."""
        return species_codes.has_other(
            cast("BundleFolder", self), self.live if rows is None else rows, species
        )

    def finds_best(self, target: str, k: int, rows: Ints | None, exactly: bool) -> bool:
        """Whether a search of k rows finds the very best, over all segments, so that one of more begins with them."""
        every = self.live if rows is None else rows
        ends = np.searchsorted(every, [s.first + s.rows for s in self.segments])
        held = np.diff(ends, prepend=0)
        return all(
            segment.gallery(target).is_exact(k, int(n), exactly)
            for segment, n in zip(self.segments, held, strict=True)
            if n
        )
