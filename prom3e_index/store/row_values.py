"""What a search reads of single rows, fetched from a store by their numbers: as `bundle.rows_read` of a folder."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.located import Located
from prom3e_index.bundle.media_folders import MediaFolders
from prom3e_index.errors import InputError, StoreError
from prom3e_index.store.engine import Engine
from prom3e_index.store.head import Head
from prom3e_index.store.known import fill, table_connection
from prom3e_index.store.literals import every, listed
from prom3e_index.store.located import located
from prom3e_index.store.matching import Matching
from prom3e_index.store.rows import cell
from prom3e_index.store.whole import lost

if TYPE_CHECKING:
    from prom3e_index.store.opened import StoreBundle

Ints = NDArray[np.int64]
_IDS = 1024
_KEPT = 2048
"""Rows that are kept as they were read: an answer and what is shown of its hits ask for the same ones."""


class RowsGoneError(StoreError):
    """Rows of an earlier generation, which the store does not keep any more."""


class StoreRows:
    """Rows of one generation of a store."""

    engine: Engine
    head: Head
    modalities: tuple[str, ...]
    _media: list[MediaFolders]
    _types: dict[str, str]
    _last: OrderedDict[int, dict[str, Any]]
    _lock: threading.Lock
    if TYPE_CHECKING:
        address: Any
        manifest: dict[str, Any]

        @property
        def any_collection(self) -> str:
            """See `StoreBundle`."""

        @property
        def columns(self) -> list[str]:
            """See `StoreBundle`."""

        matching: Callable[[Any], Matching]
        collection: Callable[[str], str]
        newest: Callable[[], str | None]
        named: str
        where: Callable[..., str]
        each: Callable[[str, Sequence[str]], Iterator[list[dict[str, Any]]]]
        _refused: Callable[[str], InputError]

    @property
    def name(self) -> str:
        """What the store is called."""
        return str(self.address.name)

    @property
    def generation(self) -> int:
        """Its number in the store: another one after each push that changed something."""
        return self.head.generation

    @property
    def column_types(self) -> dict[str, str]:
        """Columns of the observations, with DuckDB's types."""
        return dict(self._types)

    def numbers(self, rows: Any) -> Ints:
        """Row numbers, ascending, of eligible rows as `eligible` gives them; of all when None."""
        found = [r["row"] for part in self.each(self.matching(rows).where, []) for r in part]
        return np.sort(np.array(found, np.int64))

    def page(self, rows: Any, offset: int, limit: int) -> Ints:
        """Some of the numbers that `numbers` gives; those before them are read too."""
        found: list[int] = []
        for part in self.each(
            self.matching(rows).where, []
        ):  # in the order of rows, see `Engine.every`
            found += sorted(int(r["row"]) for r in part)
            if len(found) >= offset + limit:
                break
        return np.array(found[offset : offset + limit], np.int64)

    def with_ids(self, ids: Sequence[str]) -> list[tuple[int, str]]:
        """Rows that have one of some ids, with it, by row number."""
        out = []
        for at in range(0, len(ids), _IDS):
            asked = f"id in {listed(list(ids[at : at + _IDS]))}"
            out += [(int(r["row"]), str(r["id"])) for p in self.each(asked, ["id"]) for r in p]
        return sorted(out)

    def located(
        self, rows: Any, box: tuple[float, float, float, float]
    ) -> AbstractContextManager[Located]:
        """Eligible rows in a box of degrees, west, south, east, north, to be counted; see `located`."""
        return located(cast("StoreBundle", self), self.matching(rows), box)

    @contextmanager
    def tables_of(self, rows: Ints) -> Iterator[Any]:
        """A cursor of DuckDB over tables `observations` and `every` that hold some rows, fetched for it."""
        con = table_connection(self._types)
        try:
            if len(rows):
                held = self.values(np.unique(rows), self.columns)
                fill(con, self._types, list(held.values()))
            yield con
        finally:
            con.close()

    def among(self, rows: Any, some: Ints) -> NDArray[np.bool_]:
        """Which of some rows are among eligible ones."""
        where = self.where(self.matching(rows).where)
        held: set[int] = set()
        name = self.any_collection
        for at in range(0, len(some), 4096):
            part = [int(r) for r in some[at : at + 4096]]
            asked = every([f"row in {part}", where])
            found = self.engine.fetch(name, asked, ["row"], len(part))
            held |= {int(r["row"]) for r in found}
        return np.array([int(r) in held for r in some], bool)

    def fetched(
        self, rows: Ints, fields: Sequence[str], target: str | None = None
    ) -> list[dict[str, Any]]:
        """Fields of some rows, in their order.

        Raises:
            RowsGoneError: One is not there any more, for the store has changed.
            RowsLostError: One is not there, though the store has not changed.
        """
        name = self.any_collection if target is None else self.collection(target)
        numbers = list(dict.fromkeys(int(r) for r in rows))
        held = self.engine.rows(name, numbers, fields)
        lacking = next((n for n in numbers if n not in held), None)
        if lacking is not None:
            if self.newest() == self.named:
                raise lost(self.engine, self.head, name, lacking)
            raise RowsGoneError(
                f"{self.address} has no row {lacking} any more: it has changed since it was opened; open it again."
            )
        return [held[int(r)] for r in rows]

    def _read(self, rows: Ints) -> list[dict[str, Any]]:
        """Columns of some rows and what each has, in their order; the last are kept: a generation stays as it is."""
        numbers = list(dict.fromkeys(rows.tolist()))
        with self._lock:
            known = {n: self._last[n] for n in numbers if n in self._last}
        lacking = np.array([n for n in numbers if n not in known], np.int64)
        if len(lacking):
            fields = ["columns", *(f"has_{i}" for i in range(len(self.modalities)))]
            read = dict(zip(lacking.tolist(), self.fetched(lacking, fields), strict=True))
            known |= read
            with self._lock:
                self._last |= read
                while len(self._last) > _KEPT:
                    self._last.popitem(last=False)
        return [known[n] for n in rows.tolist()]

    def values(self, rows: Ints, columns: Sequence[str]) -> dict[int, dict[str, Any]]:
        """Columns of some rows, by row number."""
        has = {f"has_{m}": f"has_{i}" for i, m in enumerate(self.modalities)}
        keys = {c: self.head.columns.get(c) for c in columns}
        out: dict[int, dict[str, Any]] = {}
        for row, found in zip(rows.tolist(), self._read(rows), strict=True):
            held = found["columns"]
            out[row] = {
                c: row if c == "row" else found[has[c]] if c in has else
                None if (entry := keys[c]) is None else cell(held.get(entry["key"]), entry["type"])
                for c in columns
            }  # fmt: skip
        return out

    def observed(self, rows: Ints) -> NDArray[np.bool_]:
        """(n, m) which modalities each of some rows has."""
        fields = [f"has_{i}" for i in range(len(self.modalities))]
        held = [[r[f] for f in fields] for r in self._read(rows)]
        return np.array(held, bool).reshape(len(rows), len(fields))

    def folders_of(self, row: int) -> MediaFolders:
        """Where the files of a row may be."""
        return self._media[self._part(row)]

    @property
    def media_known(self) -> list[Path]:
        """The folders that media paths start from."""
        return [Path(e["media"]) for e in self.head.media]

    def file_of(self, row: int, cell: str) -> str:
        """Where the file is that a row names."""
        return self._media[self._part(row)].file(cell)

    def media_of(self, row: int) -> Path:
        """The folder that a row's media paths start from, as it was when it was pushed."""
        return Path(self.head.media[self._part(row)]["media"])

    def _part(self, row: int) -> int:
        return bisect_right([e["first"] for e in self.head.media], row) - 1

    def gallery_parts(
        self, target: str, rows: Ints
    ) -> Iterator[tuple[Ints, NDArray[np.float16], Ints]]:
        """As of a folder: all rows stand in one array, in their order."""
        if len(rows):
            found = self.fetched(rows, ["vector"], target)
            here = np.arange(len(rows))
            yield here, np.array([r["vector"] for r in found], np.float16), here

    def embedding(self, modality: str, row: int) -> NDArray[np.float16]:
        """(d,) what the encoder gave of a row: the target block of its gallery vector, where no ε is mixed into it."""
        if float(self.manifest.get("epsilon", {}).get(modality, 0.0)):
            raise self._refused(
                f"To ask with the {modality} of a row, into which the index mixed its ε,"
            )
        ((_, vectors, _),) = self.gallery_parts(modality, np.array([row], np.int64))
        return vectors[0, : int(self.manifest["width"])]

    def species(self, rows: Ints) -> Ints:
        """The species codes of some rows, in any shape."""
        flat = np.asarray(rows, np.int64).reshape(-1)
        found = self.fetched(flat, ["species"]) if len(flat) else []
        return np.array([r["species"] for r in found], np.int64).reshape(np.shape(rows))

    def has_other_species(self, rows: Any, species: int) -> bool:
        """Whether any eligible row is of a known species other than the one of a code."""
        where = self.where(self.matching(rows).where, f"species >= 0 and species != {int(species)}")
        return bool(self.engine.fetch(self.any_collection, where, ["row"], 1))
