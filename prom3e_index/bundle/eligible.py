"""The rows that satisfy a filter, and what is said of the filter itself."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.filters import Filter, lookups
from prom3e_index.bundle.licensed import licensed_rows
from prom3e_index.bundle.predicate import bounded, check_predicate, cut
from prom3e_index.errors import BundleError, InputError

if TYPE_CHECKING:
    import duckdb

Ints = NDArray[np.int64]
_REMEMBERED = 256


def eligible_rows(
    con: duckdb.DuckDBPyConnection,
    f: Filter,
    columns: list[str],
    sorted_tables: Collection[str],
    places: int,
    removed: NDArray[np.bool_] | None,
    checked: set[str],
) -> Ints | None:
    """Rows that satisfy a filter, ascending, without removed ones; None when there is no filter.

    Places and taxa are looked up in tables sorted for them; other parts scan their columns.

    Args:
        con: A cursor of its own.
        f: The filter.
        columns: Columns of the observations.
        sorted_tables: See `lookups`.
        places: Row numbers given so far.
        removed: (places,) which rows were removed; None when none was.
        checked: Predicates that were found to be one, of these very tables; grows.

    Raises:
        InputError: A part that is none, a predicate that names what is not there, or one that takes too long.
        BundleError: The metadata name rows that the index has not.
    """
    if not f:
        return None
    if f.observed is not None and f"has_{f.observed}" not in columns:
        raise InputError(f"No observation can have {f.observed!r}: the index does not know it.")
    out: Ints | None = None
    parts = list(zip(_parts(f), lookups(f, columns, sorted_tables), strict=True))
    for part, (query, params) in reversed(
        parts
    ):  # a predicate stands in the last, and is checked first
        ours = f.where is None or out is not None
        with bounded(con, part, watched=not ours):
            if f.where is not None and not ours and f.where not in checked:
                check_predicate(con, f.where)
                if len(checked) < _REMEMBERED:
                    checked.add(f.where)
            found = np.asarray(con.execute(query, params).fetchnumpy()["row"], np.int64)
        if len(found) and not 0 <= int(found.min()) <= int(found.max()) < places:
            raise BundleError(
                f"The metadata name rows {found.min()} to {found.max()}, the index has 0 to {places - 1}. "
                "Restore it from a copy, or build it again."
            )
        out = found if out is None else _both(out, found, places)
    if f.licence_allow is not None:
        found = licensed_rows(con, f.licence_allow, columns)
        out = np.sort(found) if out is None else _both(out, found, places)
    assert out is not None
    if (np.diff(out) <= 0).any():
        out = np.unique(out)
    return out if removed is None else out[~removed[out]]


def _parts(f: Filter) -> list[str]:
    """What each of a filter's `lookups` is of, for errors."""
    out = []
    if f.near is not None or f.bbox is not None:
        out.append("--near" if f.bbox is None else "--bbox" if f.near is None else "--near, --bbox")
    if f.taxon is not None:
        out.append(f"--taxon {cut(f.taxon)}")
    rest = [f"--where {cut(f.where)}"] if f.where is not None else []
    rest += ["--from"] if f.since is not None else []
    rest += ["--to"] if f.until is not None else []
    rest += ["--observed-only"] if f.observed is not None else []
    return [*out, ", ".join(rest)] if rest else out


def _both(one: Ints, other: Ints, places: int) -> Ints:
    """Rows in both, ascending; `other` may come in any order."""
    held = np.zeros(places, bool)
    held[one] = True
    return np.sort(other[held[other]])
