"""What a store is filled from: an index folder, or shards without one. A push knows no other difference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.manifest import NAME
from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.confidence.stored import to_dict
from prom3e_index.errors import BundleError, InputError
from prom3e_index.indexer import push_check
from prom3e_index.indexer.plan import Progress
from prom3e_index.store.head import Askers, Head, trimmed

if TYPE_CHECKING:
    import pyarrow as pa

Ints = NDArray[np.int64]
Filled = tuple["pa.Table", dict[str, NDArray[np.float16]]]
"""Columns of some observations, and by target their gallery vectors (n, width)."""
ASKERS = 256
"""Rows of each modality whose embeddings a store keeps, so that it can be certified whatever targets it has."""


@dataclass(frozen=True)
class Difference:
    """Rows by which two generations of a source differ.

    Attributes:
        added, removed: Their numbers, ascending.
        before: The earlier generation, opened.
    """

    added: Ints
    removed: Ints
    before: Source


class Source(Protocol):
    """Rows with everything that a store keeps of them.

    Attributes:
        made: What tells it from another: `history`, `generation`, `created`, `rows`, `fingerprints`; `shards`.
        modalities: Names, in the model's order.
        rows: How many there are.
        places: Row numbers given so far.
        live: (rows,) row numbers, ascending.
        width: Of a gallery vector.
        types: Column → DuckDB's type, in the order of the observations.
        columns: Of the observations, in their order.
        firsts: First row of each part with `statistics`.
    """

    made: dict[str, Any]
    modalities: tuple[str, ...]
    rows: int
    places: int
    live: Ints
    width: int
    types: dict[str, str]
    columns: list[str]
    firsts: list[int]

    @property
    def present(self) -> NDArray[np.bool_]:
        """(places, m) which modalities each row has."""
        ...

    @property
    def manifest(self) -> dict[str, Any]:
        """As an index's."""
        ...

    @property
    def statistics(self) -> list[dict[str, Any]]:
        """See `search.uncertainty`."""
        ...

    @property
    def calibration(self) -> Any:
        """JSON of it; None where the manifest says why."""
        ...

    def tables(self, rows: Ints) -> Iterator[pa.Table]:
        """Observations of some rows, ascending, `push_check.ROWS` at most in each."""
        ...

    def filled(self, rows: Ints, targets: Sequence[str]) -> Iterator[Filled]:
        """As `tables`, with gallery vectors."""
        ...

    def embeddings(self, modality: str, rows: Ints) -> NDArray[np.float16]:
        """(n, d) what the encoder gave of some rows, in their order."""
        ...

    def difference(self, old: Head) -> Difference | None:
        """What it has otherwise than a store that holds it; None where the store has to be filled anew."""
        ...

    def is_in(self, old: Head) -> bool:
        """Whether a store tells the same of it, rows apart."""
        ...

    def check(self) -> None:
        """Refuse what cannot be pushed to its end."""
        ...

    def close(self) -> None:
        """Let go of files."""
        ...


class FolderSource:
    """An index folder, see `Source`.

    Args:
        bundle: The index, opened.
    """

    def __init__(self, bundle: BundleFolder) -> None:
        self._bundle = bundle
        self.made = self.manifest = bundle.manifest
        self.modalities, self.rows, self.places = bundle.modalities, bundle.rows, bundle.places
        self.columns, self.firsts, self.live = bundle.columns, bundle.firsts, bundle.live
        self.width = int(bundle.vectors(bundle.modalities[0]).shape[1])
        self.types = bundle.column_types

    @property
    def present(self) -> NDArray[np.bool_]:
        """See `Source`."""
        return self._bundle.present

    @property
    def statistics(self) -> list[dict[str, Any]]:
        """See `Source`."""
        return self._bundle.statistics

    @cached_property
    def calibration(self) -> Any:
        """See `Source`."""
        made = self._bundle.calibration
        return None if made is None else to_dict(made)

    def tables(self, rows: Ints) -> Iterator[pa.Table]:
        """See `Source`."""
        return push_check.blocks(self._bundle, rows)

    def filled(self, rows: Ints, targets: Sequence[str]) -> Iterator[Filled]:
        """See `Source`."""
        for table in self.tables(rows):
            numbers = table.column("row").to_numpy()
            yield table, {t: np.asarray(self._bundle.vectors(t)[numbers]) for t in targets}

    def embeddings(self, modality: str, rows: Ints) -> NDArray[np.float16]:
        """See `Source`."""
        return np.asarray(self._bundle.embeddings(modality)[rows], np.float16)

    def difference(self, old: Head) -> Difference | None:
        """See `Source`. Row numbers last until an index is compacted, and generations are kept as long."""
        was, now = int(old.manifest["generation"]), self.manifest
        if int(now.get("oldest", 1)) > was:
            return None
        try:
            before = BundleFolder.open(self._bundle.path, at=was)
        except BundleError:
            return None
        if before.manifest["created"] != old.manifest["created"] or before.rows != old.rows:
            before.close()
            return None
        added = np.setdiff1d(self.live, before.live, assume_unique=True)
        removed = np.setdiff1d(before.live, self.live, assume_unique=True)
        return Difference(added, removed, FolderSource(before))

    def is_in(self, old: Head) -> bool:
        """See `Source`."""
        return old.manifest == trimmed(self.manifest)

    def check(self) -> None:
        """See `Source`: an index is checked when it is opened."""

    def close(self) -> None:
        """See `Source`."""
        self._bundle.close()


def open_source(
    place: str | Path,
    progress: Progress,
    model: str | None = None,
    hub: str | Path | None = None,
) -> Source:
    """An index folder or shards, whichever is there.

    Args:
        place: A path, or the address of shards.
        progress: Told of what is made of shards.
        model: Where the model that made shards is now, if it has moved.
        hub: Where its copy of the hub is now.

    Raises:
        BundleError: A path where neither is, or a damaged index.
        InputError: Shards that are damaged, unfinished, or of another version; a model named for an index.
    """
    from prom3e_index.indexer.cluster.job import NOTE
    from prom3e_index.indexer.cluster.shards import SHARDS, open_shards
    from prom3e_index.indexer.cluster.shards_source import ShardsSource
    from prom3e_index.indexer.cluster.storage import is_address

    folder = Path(place)
    of_shards = not (folder / NAME).exists() and any((folder / n).exists() for n in (SHARDS, NOTE))
    if is_address(str(place)) or of_shards:
        return ShardsSource(open_shards(str(place)), progress, model, hub)
    if model is not None or hub is not None:
        raise InputError(
            f"{place} is no shards, and an index is pushed without its model: leave {str(model or hub)!r} out."
        )
    return FolderSource(BundleFolder.open(folder))


def drawn_askers(source: Source) -> Askers:
    """What a store's certificate asks with: embeddings of some rows of each modality, in mixed order."""
    rng = np.random.default_rng(5)
    live = source.live
    present = source.present[live]
    out = {}
    for g, modality in enumerate(source.modalities):
        having = live[present[:, g]]
        rows = rng.choice(having, min(ASKERS, len(having)), replace=False)
        if len(rows):
            out[modality] = source.embeddings(modality, rows)
    return out
