"""At most one hit of each value of a column, the best.

`species` is the species of a row however the table names it; see `taxa`. A row without a value is a group of its own.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.bundle.taxa import NAMED_BY, SPECIES, quoted, species_of_row
from prom3e_index.errors import InputError, near_names
from prom3e_index.search.query import Query

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Found = tuple[Floats, Ints, str]
PER_GROUP = 4
"""Rows that are taken first for each group that is wanted."""

OBSERVATION = "observation"
"""What answers are grouped by where an observation has several rows; `id` gives each row by itself."""

_kept: WeakKeyDictionary[BundleFolder, dict[str, NDArray[np.int32]]] = WeakKeyDictionary()
_observing: WeakKeyDictionary[BundleFolder, dict[str, NDArray[np.bool_]]] = WeakKeyDictionary()
_lock = threading.Lock()


def check_column(bundle: BundleFolder, column: str) -> None:
    """Refuse to group by what is not there.

    Raises:
        InputError: No such column; names the nearest.
    """
    if column == "species" and any(c in bundle.columns for c in NAMED_BY):
        return
    if column not in bundle.columns:
        raise InputError(
            f"The observations have no column {column!r}{near_names(column, bundle.columns)}."
        )


def usual_group(bundle: BundleFolder, query: Query) -> Query:
    """The query grouped by observations, where it says nothing else and some have several rows.

    Raises:
        InputError: It groups by what is no column.
    """
    if query.group_by is not None:
        check_column(bundle, query.group_by)
        return query
    return replace(query, group_by=OBSERVATION) if bundle.several else query


def eligible_observations(bundle: BundleFolder, rows: Ints | None) -> int:
    """How many observations some rows belong to; all of the index when None."""
    if not bundle.several:
        return bundle.rows if rows is None else len(rows)
    if rows is None:
        return int(bundle.manifest["counts"]["observations"])
    if bundle.grouping is not None:
        return int(bundle.grouping.observations(rows))
    return _groups(group_codes(bundle, OBSERVATION)[rows])


def observation_codes(bundle: BundleFolder, rows: Ints) -> Ints:
    """(n,) a number for the observation of each of some rows: equal for rows of one."""
    if bundle.grouping is not None:
        return np.asarray(bundle.grouping.codes(rows), np.int64)
    return group_codes(bundle, OBSERVATION)[rows].astype(np.int64)


def rows_of_same(bundle: BundleFolder, rows: Ints) -> Ints:
    """Ascending, some rows with all others of their observations, removed ones too."""
    if bundle.grouping is not None:
        return np.asarray(bundle.grouping.rows_of_same(rows), np.int64)
    codes = group_codes(bundle, OBSERVATION)
    own = np.unique(codes[rows])
    return np.union1d(rows, np.flatnonzero(np.isin(codes, own[own >= 0])))


def best_of_groups(
    bundle: BundleFolder,
    take: Callable[[int], Found],
    column: str,
    wanted: int,
    eligible: Ints,
    target: str,
) -> Found:
    """The best row of each value, best first.

    Where an observation has eligible rows that observe the target, its others do not answer: a window of its recording
    would be shown as completed beside the very photo. Grouped by `id`, every row does.

    Args:
        bundle: Whose column it is.
        take: Gives the k best rows.
        column: `species`, or a column of the observations.
        wanted: Groups, at most.
        eligible: Row numbers that `take` takes from, ascending.
        target: Modality searched for.
    """
    if bundle.grouping is not None:
        best: Found = bundle.grouping.best(take, column, wanted, eligible, target)
        return best
    whole = bundle.several and column != "id"

    def answering(rows: Ints) -> Ints:
        """Where in some rows those are that answer."""
        if not whole:
            return np.arange(len(rows))
        lacks = ~bundle.present[rows, bundle.modalities.index(target)]
        if not lacks.any():
            return np.arange(len(rows))
        observing = _observing_of(bundle, target, eligible)
        return np.flatnonzero(~(lacks & observing[group_codes(bundle, OBSERVATION)[rows]]))

    k = PER_GROUP * wanted
    scores, found, path = take(k)
    kept = answering(found)
    keep = kept[_first_of_each(_values(bundle, found[kept], column))]
    if len(keep) < wanted and k < len(eligible):
        codes = group_codes(bundle, column)
        wanted = min(wanted, _groups(codes[eligible[answering(eligible)]]))
        while len(keep) < wanted and k < len(eligible):
            k *= 16
            scores, found, path = take(k)
            kept = answering(found)
            keep = kept[_first_of_codes(codes[found[kept]])]
    chosen = keep[:wanted]
    return scores[chosen], found[chosen], path


def _groups(codes: NDArray[np.int32]) -> int:
    """How many groups some rows are of; those without a value are one each."""
    known = codes[codes >= 0]
    return int(np.count_nonzero(np.bincount(known))) + len(codes) - len(known)


def _observing_of(bundle: BundleFolder, target: str, eligible: Ints) -> NDArray[np.bool_]:
    """By code, whether an eligible row of the observation observes the target; False at the end, for rows of none."""
    every = eligible is bundle.live
    with _lock:
        kept = _observing.get(bundle, {}).get(target)
    if every and kept is not None:
        return kept
    codes = group_codes(bundle, OBSERVATION)
    observing = np.zeros(int(codes.max(initial=-1)) + 2, bool)
    observing[codes[eligible[bundle.present[eligible, bundle.modalities.index(target)]]]] = True
    observing[-1] = False
    if every:
        with _lock:
            _observing.setdefault(bundle, {})[target] = observing
    return observing


def _first_of_each(values: list[Any]) -> Ints:
    """Where each value stands first; None always does."""
    seen: set[Any] = set()
    keep = []
    for i, value in enumerate(values):
        number = isinstance(value, float) and math.isnan(value)
        same = ("no number",) if number else value
        if value is None or same not in seen:
            seen.add(same)
            keep.append(i)
    return np.array(keep, np.int64)


def _first_of_codes(codes: NDArray[np.int32]) -> Ints:
    """Where each code stands first; a negative one always does."""
    first = np.full(int(codes.max(initial=-1)) + 1, len(codes), np.int64)
    known = np.flatnonzero(codes >= 0)
    first[codes[known][::-1]] = known[::-1]
    return np.sort(np.concatenate([first[first < len(codes)], np.flatnonzero(codes < 0)]))


def _values(bundle: BundleFolder, rows: Ints, column: str) -> list[Any]:
    """The value of each row, in the order of the rows."""
    if column == "species":
        return species_names(bundle, rows)
    by_row = bundle.values(rows, [column])
    return [by_row[r][column] for r in rows.tolist()]


def species_names(bundle: BundleFolder, rows: Ints) -> list[str | None]:
    """The species of each row as the index spells it, in the order of the rows; None where it is not known."""
    columns = _species_columns(bundle)
    if columns:  # of rows that were written without it the parts are asked for
        by_row = bundle.values(rows, columns)
        unknown = [r for r in rows.tolist() if by_row[r][SPECIES] is None]
    else:
        by_row, unknown = {}, rows.tolist()
    parts = [c for c in NAMED_BY if c in bundle.columns]
    named = bundle.values(np.array(unknown, np.int64), parts) if unknown and parts else {}
    return [species_of_row({**by_row.get(r, {}), **named.get(r, {})}) for r in rows.tolist()]


def _species_columns(bundle: BundleFolder) -> list[str]:
    return [SPECIES] if SPECIES in bundle.columns else []


def group_codes(bundle: BundleFolder, column: str) -> NDArray[np.int32]:
    """(places,) a number for each value of a column, −1 where there is none.

    Those of observations are kept, and the last other column's.
    """
    with _lock:
        kept = _kept.get(bundle, {}).get(column)
    if kept is not None:
        return kept
    codes = np.full(bundle.places, -1, np.int32)
    if column == "species":
        columns = _species_columns(bundle) + [c for c in NAMED_BY if c in bundle.columns]
        rows, combination, parts = _coded(bundle, columns)
        numbers: dict[str, int] = {}
        code = np.full(len(parts), -1, np.int32)
        for i, part in enumerate(parts):
            name = species_of_row(dict(zip(columns, part, strict=True)))
            if name is not None:
                code[i] = numbers.setdefault(name, len(numbers))
        codes[rows] = code[combination] if len(parts) else -1
    else:
        rows, (column_codes,), _ = _encoded(bundle, [column])
        codes[rows] = column_codes
    with _lock:
        held = _kept.setdefault(bundle, {})
        for other in held.keys() - {OBSERVATION}:
            del held[other]
        held[column] = codes
    return codes


def _encoded(
    bundle: BundleFolder, columns: list[str]
) -> tuple[Ints, list[NDArray[np.int64]], list[Any]]:
    """Row numbers; by column a number for each row's value, −1 where there is none; and the values as Arrow arrays."""
    import pyarrow as pa

    names = ", ".join(quoted(c) for c in ("row", *columns))
    with bundle.reader(f"SELECT {names} FROM observations", 65_536) as batches:
        table = pa.Table.from_batches(list(batches), batches.schema)
    made = [table.column(c).combine_chunks().dictionary_encode() for c in columns]
    codes = [m.indices.fill_null(-1).to_numpy().astype(np.int64) for m in made]
    return table.column("row").to_numpy().astype(np.int64), codes, [m.dictionary for m in made]


def _coded(
    bundle: BundleFolder, columns: list[str]
) -> tuple[Ints, NDArray[np.int64], list[tuple[Any, ...]]]:
    """Row numbers, the number of each one's combination of values, and those combinations."""
    rows, encoded, dictionaries = _encoded(bundle, columns)
    code = np.zeros(len(rows), np.int64)
    combinations: list[tuple[Any, ...]] = [()]
    for column, dictionary in zip(encoded, dictionaries, strict=True):
        values = [*dictionary.to_pylist(), None]
        held, code = np.unique(
            code * len(values) + np.where(column < 0, len(values) - 1, column), return_inverse=True
        )
        combinations = [
            (*combinations[h // len(values)], values[h % len(values)]) for h in held.tolist()
        ]
    return rows, code, combinations
