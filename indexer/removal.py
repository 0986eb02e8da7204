"""What a removal would take away: the rows meant by a predicate or by ids, and how much of the index they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.filters import Filter
from prom3e_index.bundle.manifest import read_manifest
from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.bundle.segment_views import observation_cells
from prom3e_index.errors import InputError
from prom3e_index.indexer.beside import real_path
from prom3e_index.indexer.generation import there
from prom3e_index.search.filtered import empty_columns

Ints = NDArray[np.int64]
MUCH = 0.1
"""Share of an index that is not removed without a question."""
SHOWN = 5


@dataclass(frozen=True)
class Removal:
    """Rows that are meant, before anything is done.

    Attributes:
        generation, created: Of the index that was looked at; every build is generation 1.
        rows: Their numbers, ascending.
        observations: Observations that they belong to.
        of_rows, of_observations: What the index holds.
        first: Id and name of the first few.
        unknown: Ids that were given and that no observation has.
        empty: What is to be said of a predicate without rows: which of its columns have no value at all.
    """

    generation: int
    created: str
    rows: Ints
    observations: int
    of_rows: int
    of_observations: int
    first: tuple[tuple[str, str | None], ...]
    unknown: tuple[str, ...]
    empty: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        """Of the index's rows, 0..1."""
        return len(self.rows) / self.of_rows if self.of_rows else 0.0


def ids_of(given: Iterable[str] | str | Path) -> list[str]:
    """Ids as they are given, or of a file with one a line; each once there.

    Raises:
        InputError: The file cannot be read as lines of UTF-8.
    """
    if not isinstance(given, str | Path):
        return [str(i) for i in given]
    try:
        text = Path(given).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as e:
        raise InputError(
            f"ids is {str(given)!r:.80}, which cannot be read as lines of UTF-8 ({e}); name a file with one id a line, "
            "or in Python a list of ids."
        ) from e
    return [i for i in dict.fromkeys(line.rstrip("\r") for line in text.split("\n")) if i]


def removal(index: Path, where: Filter | None, ids: Sequence[str] | None) -> Removal:
    """What `change.remove` would remove; nothing is changed, and no other writer is kept waiting.

    Raises:
        InputError: Neither a filter nor ids, or what is no predicate.
    """
    index = real_path(index)
    manifest = read_manifest(index, check=False)
    with BundleFolder(index, there(index, manifest)) as bundle:
        return selected(bundle, where, ids)


def selected(bundle: BundleFolder, where: Filter | None, ids: Sequence[str] | None) -> Removal:
    """The rows of an open index that satisfy a filter, or belong to the observations of some ids."""
    unknown: list[str] = []
    if ids is not None:
        rows = rows_of(bundle, ids)
    else:
        found = bundle.eligible(where or Filter())
        if found is None:
            raise InputError("Say what to remove: --where PREDICATE or --ids FILE.")
        rows = found
    names = _names_at(bundle, rows)
    if ids is not None:
        held = {name for both in names for name in both}
        unknown = [i for i in ids if i not in held]
    counts = bundle.manifest.get("counts", {})
    return Removal(
        generation=int(bundle.manifest["generation"]),
        created=str(bundle.manifest.get("created", "")),
        rows=rows,
        observations=len({observation for _, observation in names}),
        of_rows=bundle.rows,
        of_observations=int(counts.get("observations", bundle.rows)),
        first=_first(bundle, rows[:SHOWN]),
        unknown=tuple(unknown),
        empty=tuple(empty_columns(bundle, where.where))
        if not len(rows) and where and where.where
        else (),
    )


def rows_of(bundle: BundleFolder, ids: Sequence[str]) -> Ints:
    """Rows, ascending, of some observations, or with some ids."""
    if bundle.grouping is not None:
        return np.asarray(bundle.grouping.rows_with(ids), np.int64)
    found = bundle.sql(
        f"SELECT row FROM (SELECT row, {observation_cells(bundle.columns)} FROM observations) "
        "WHERE id IN (SELECT unnest(?::VARCHAR[])) OR observation IN (SELECT unnest(?::VARCHAR[])) ORDER BY row",
        [list(ids), list(ids)],
    )
    return np.array([r[0] for r in found], np.int64)


def _names_at(bundle: BundleFolder, rows: Ints) -> list[tuple[Any, ...]]:
    """Id of each of some rows, and of its observation."""
    return bundle.sql(
        f"SELECT id, observation FROM (SELECT row, {observation_cells(bundle.columns)} FROM observations) "
        "WHERE row IN (SELECT unnest(?::BIGINT[]))",
        [rows.tolist()],
    )


def _first(bundle: BundleFolder, rows: Ints) -> tuple[tuple[str, str | None], ...]:
    names = [f'"{c}"' for c in ("scientific_name", "common_name") if c in bundle.columns]
    found = bundle.sql(
        f"SELECT id, coalesce({', '.join([*names, 'NULL::VARCHAR'])}) FROM observations "
        "WHERE row IN (SELECT unnest(?::BIGINT[])) ORDER BY row",
        [rows.tolist()],
    )
    return tuple((str(key), None if name is None else str(name)) for key, name in found)
