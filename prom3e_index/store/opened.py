"""A store, opened: the questions of an index folder, answered by a vector store."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.calibration import why_uncalibrated
from prom3e_index.bundle.filters import Filter
from prom3e_index.bundle.made_by import MadeBy
from prom3e_index.bundle.media_folders import MediaFolders
from prom3e_index.confidence.calibrated import Calibration
from prom3e_index.confidence.stored import from_dict
from prom3e_index.errors import BundleError, InputError, ModelError, StoreError
from prom3e_index.models.folder import Model, built_in
from prom3e_index.search.run import Bundle
from prom3e_index.store.address import Address, parse
from prom3e_index.store.engine import Engine
from prom3e_index.store.expression import Known, expression
from prom3e_index.store.grouping import StoreGrouping
from prom3e_index.store.head import Head, folder_needed, read_head
from prom3e_index.store.known import HeadMetadata, Summary
from prom3e_index.store.literals import EVERYTHING, every
from prom3e_index.store.matching import Matching
from prom3e_index.store.nearest import Nearest
from prom3e_index.store.row_values import StoreRows
from prom3e_index.store.rows import columns_of
from prom3e_index.store.whole import RowsLostError, refuse_short

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
_NO_ROWS = np.zeros(0, np.int64)


class StoreBundle(StoreRows, Bundle):
    """One generation of a store, opened for searching; a `Bundle` in every respect that a search knows.

        with StoreBundle.open("milvus://127.0.0.1:19530/birds") as bundle:
            answer = bundle.search(Query(image="heron.jpg", k=5))

    What needs all rows at once, as SQL over the observations or another ε than the index's, is refused in a sentence.

    Attributes:
        address: Of the store.
        head: What is known of it.
        engine: The connection.
        named: The collection that its head is in; another one for each generation.
    """

    def __init__(
        self,
        engine: Engine,
        head: Head,
        named: str,
        media: Path | None = None,
        model: str | None = None,
        hub: str | Path | None = None,
    ) -> None:
        MadeBy.__init__(self, Path(engine.address.name), _manifest(head), model, hub)
        self.engine, self.head, self.named, self.address = engine, head, named, engine.address
        self.rows, self.places = head.rows, head.places
        self.segments = []
        self._last, self._lock = OrderedDict(), threading.Lock()
        self._closed = False
        self._media = [MediaFolders(e, self.path, media, alien=True) for e in head.media]
        self.summary = Summary(head.summary, head.rows)
        types = {n: head.columns[n]["type"] if n in head.columns else "BOOLEAN" for n in head.order}
        self._types = types = types | {"row": "BIGINT"}
        self._told = HeadMetadata(types, self.summary, str(self.address), head.manifest)
        self.metadata = self._told  # type: ignore[assignment]  # asked as a folder's is
        self.grouping = StoreGrouping(self)
        self._search = Nearest(self)

    @classmethod
    def open(  # type: ignore[override]  # a store has no device of its own
        cls,
        path: str | Path | Address,
        *,
        media: str | Path | None = None,
        model: str | Path | None = None,
        hub: str | Path | None = None,
        timeout_s: float = 20.0,
    ) -> Self:
        """Open a store at the generation that is current, once its rows are counted.

        Args:
            path: Its address, `milvus://HOST:PORT/NAME`.
            media: Folder where the observations' files are, as seen from here.
            model: Where the model that made it is on this machine.
            hub: Where its local copy of hub repositories is.
            timeout_s: Seconds to wait for the server.

        Raises:
            InputError: No address, or pymilvus is not installed.
            StoreError: Out of reach, no store of this name, or a damaged one.
            RowsLostError: One that has not all of its rows.
        """
        address = path if isinstance(path, Address) else parse(str(path))
        engine = Engine(address, timeout_s)
        name = engine.current(address.name)
        if name is None:
            engine.close()
            raise StoreError(
                f"{address} holds no index: nothing was pushed there, or not to its end. "
                f"`prom3e-index push INDEX --store {address}` does."
            )
        moved = None if media is None else Path(media)
        try:
            made_by = None if model is None else str(model)
            head, name = _whole(engine, name)
            return cls(engine, head, name, moved, made_by, hub)
        except BaseException:
            engine.close()
            raise

    def newest(self, searched: bool = False) -> str | None:
        """The collection that the head of the current generation is in; not `named` once something was pushed.

        Args:
            searched: Whether to see too that this generation, if it is the current one, has its rows still: a server
                that begins again knows its collections before they are loaded, and may have lost some. Where nothing
                is current any more, that is seen in any case.

        Raises:
            StoreError: The store is out of reach.
            RowsLostError: It has not all of its rows.
        """
        newest = self.engine.current(self.address.name)
        if newest is None or (searched and newest == self.named):
            refuse_short(self.engine, self.head)
        return newest

    def model(
        self, name: str | None = None, hub: str | Path | None = None, device: str = "cpu"
    ) -> Model:
        """See `MadeBy.model`: a built-in one by its name, any other where a user says that it is.

        Raises:
            ModelError: The store was made by a model that is not built in, and none is named.
        """
        known = str(self.manifest["model"]["name"])
        if name is None and self._named[0] is None and known not in built_in():
            raise ModelError(
                f"{self.address} was made by the model {known} of the machine that filled it, and a store opens no "
                "folder of this one. Say where the model is here: --model FOLDER."
            )
        return super().model(name, hub, device)

    def close(self) -> None:
        """Let go of the connection; nothing is answered then."""
        from prom3e_index.search.warm import end_warm

        if not self._closed:
            self._closed = True
            self.metadata.close()
            self.engine.close()
            end_warm(self)

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    @property
    def targets(self) -> list[str]:
        """Modalities that can be searched for."""
        return list(self.head.collections)

    def collection(self, target: str) -> str:
        """The collection of a target.

        Raises:
            InputError: The store was pushed without it.
        """
        if target not in self.head.collections:
            raise InputError(
                f"{self.address} was pushed without {target}; it has {', '.join(self.targets)}."
            )
        return self.head.collections[target]

    @property
    def any_collection(self) -> str:
        """A collection to ask for rows and filters: all have the same fields."""
        return next(iter(self.head.collections.values()))

    def where(self, *parts: str) -> str:
        """The expression of rows of this generation that satisfy others."""
        return every([self.head.visible, *(p for p in parts if p != EVERYTHING)])

    def count(self, *parts: str) -> int:
        """How many rows of this generation satisfy expressions."""
        return self.engine.count(self.any_collection, self.where(*parts))

    @property
    def identity(self) -> list[str | int]:
        """See `BundleFolder.identity`; a store has its address, and its head's name for a checksum."""
        return [str(self.address), self.named, self.generation]

    @property
    def columns(self) -> list[str]:
        """Columns of the observations."""
        return list(self._types)

    @property
    def live(self) -> Ints:
        """Refused: the row numbers of a whole store are not listed."""
        raise self._refused("A list of all rows")

    @property
    def present(self) -> NDArray[np.bool_]:
        """Refused, as `live`."""
        raise self._refused("What all rows have")

    def vectors(self, target: str) -> Any:
        """Refused, as `live`."""
        raise self._refused("All vectors at once")

    def embeddings(self, modality: str) -> Any:
        """Refused: they are needed for another ε than the index's, and to be trained on."""
        raise self._refused("Another ε than the index's, or another space that needs one,")

    def sql(self, query: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Refused: a store has no tables."""
        raise self._refused("SQL over all observations")

    def reader(self, query: str, rows: int = 4096) -> Any:
        """Refused, as `sql`."""
        raise self._refused("SQL over all observations")

    def segment_of(self, row: int) -> Any:
        """Refused: a store has no segments."""
        raise self._refused("A segment of rows")

    def _refused(self, what: str) -> InputError:
        if self._closed:
            raise BundleError(f"{self.address} was closed; open it again.")
        return folder_needed(what, self.address, self.manifest)

    @property
    def firsts(self) -> list[int]:
        """First row of each part with `statistics`."""
        return self.head.firsts

    @cached_property
    def statistics(self) -> list[dict[str, Any]]:
        """See `search.uncertainty`."""
        return self.head.statistics

    @cached_property
    def _calibration(self) -> tuple[Calibration | None, str]:
        if self.head.calibration is None:
            return None, why_uncalibrated(self.manifest)
        try:
            return from_dict(self.head.calibration, self.modalities, "index"), ""
        except ValueError as e:
            return None, f"the calibration of {self.address} is damaged: {e}; push the index again"

    @cached_property
    def known(self) -> Known:
        """What filters are compiled with."""
        return Known(
            self._told.typed,
            columns_of(self.head.columns, self.modalities),
            self.modalities,
            self.count,
            self._near,
        )

    def _near(self, where: str) -> tuple[Ints, NDArray[np.float64], NDArray[np.float64]]:
        found = [
            (r["row"], r["latitude"], r["longitude"])
            for part in self.each(where, ["latitude", "longitude"])
            for r in part
        ]
        rows, latitudes, longitudes = zip(*found, strict=True) if found else ((), (), ())
        return np.array(rows, np.int64), np.array(latitudes, float), np.array(longitudes, float)

    def each(self, where: str, fields: Sequence[str]) -> Iterator[list[dict[str, Any]]]:
        """Fields of all rows of this generation that satisfy an expression, in parts."""
        for part in self.engine.every(self.any_collection, self.where(where), fields):
            self._told.go_on()
            yield part

    def eligible(self, f: Filter) -> Matching | None:  # type: ignore[override]  # an expression for row numbers
        """The rows that satisfy a filter; None when there is no filter."""
        if not f:
            return None
        where = expression(f, self.known)
        return Matching(where, self.count(where))

    def all_of(self, rows: Any, mixed: bool = False) -> Any:
        """Eligible rows as `matching` gives them; rows are not mixed anew."""
        if mixed:
            raise self._refused("Another ε than the index's, or another space that needs one,")
        return self.matching(rows)

    def matching(self, rows: Any) -> Matching:
        """Eligible rows as `eligible` gives them; all of the generation when None."""
        return Matching(EVERYTHING, self.rows) if rows is None else rows

    def nearest(
        self, target: str, queries: Floats, k: int, rows: Any = None, *, exactly: bool = False
    ) -> tuple[Floats, Ints, str]:
        """As `BundleFolder.nearest`; `rows` are those of `eligible`."""
        return self._search(target, queries, k, self.matching(rows), exactly)

    def finds_best(self, target: str, k: int, rows: Any, exactly: bool) -> bool:
        """Whether a search of k rows finds the very best."""
        return exactly or self.head.searched.name == "flat"


def _whole(engine: Engine, name: str) -> tuple[Head, str]:
    """The head that an alias was found to stand for, or has been moved to meanwhile, once its rows are counted."""
    while True:
        head = read_head(engine, name)
        try:
            refuse_short(engine, head)
            return head, name
        except RowsLostError:
            newest = engine.current(engine.address.name)
            if newest in (None, name):
                raise
            name = str(newest)


def _manifest(head: Head) -> dict[str, Any]:
    """What the manifest of a folder would say; of places on this machine a store tells none."""
    model = {k: v for k, v in head.manifest["model"].items() if k != "hub"}
    made_by = Path(str(model["name"]))
    if made_by.parent.name == "builtin" and made_by.name in built_in():
        model["name"] = made_by.name  # of a program that was installed elsewhere
    certified = {"certificate": head.certificate} if head.certificate else {}
    return {**head.manifest, "model": model, **certified}
