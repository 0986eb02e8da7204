"""The species of rows as numbers: of any two rows of an index, whatever their segments, equal for equal species.

A segment keeps them as `species.npy`, so that two hundred rows cost no question to a database; for segments of earlier
versions they are made of the table.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.taxa import NAMED_BY, SPECIES, quoted, species_of_row
from prom3e_index.confidence.signals import UNKNOWN

if TYPE_CHECKING:
    from prom3e_index.bundle.opened import BundleFolder

FILE = "species.npy"
Ints = NDArray[np.int64]
_BLOCK = 16_384
"""Rows that are looked at at a time, until one says enough."""


def code_of(species: str | None) -> int:
    """The number of a species by its name, from 0 to 2⁶³ − 1; −1 for none. Two names share one by a chance of 2⁻⁶³."""
    if species is None:
        return UNKNOWN
    return int.from_bytes(hashlib.blake2b(species.encode(), digest_size=8).digest(), "big") >> 1


def codes_of(names: Any) -> Ints:
    """(n,) codes of an Arrow column of names."""
    held = names.combine_chunks().dictionary_encode()
    known = np.array([code_of(n) for n in held.dictionary.to_pylist()] + [UNKNOWN], np.int64)
    return np.asarray(known[held.indices.fill_null(-1).to_numpy().astype(np.int64)])


def species_codes(bundle: BundleFolder, rows: Ints | None = None) -> Ints:
    """The species codes of some rows, in any shape; of all places when None. −1 where the species is not known."""
    if rows is None:
        return np.concatenate([_of_segment(bundle, i) for i in range(len(bundle.segments))])
    flat = np.asarray(rows, np.int64).reshape(-1)
    out = np.full(len(flat), UNKNOWN, np.int64)
    for segment in bundle.segments:
        here = np.flatnonzero((flat >= segment.first) & (flat < segment.first + segment.rows))
        if not len(here):
            continue
        if segment.species is not None:
            out[here] = segment.species[flat[here] - segment.first]
        else:
            some, at = np.unique(flat[here], return_inverse=True)
            out[here] = _of_table(bundle, some)[1][at.reshape(-1)]
    return out.reshape(np.shape(rows))


def has_other(bundle: BundleFolder, rows: Ints, species: int) -> bool:
    """Whether any of some rows is of a known species other than the one of a code."""
    for at in range(0, len(rows), _BLOCK):
        codes = species_codes(bundle, rows[at : at + _BLOCK])
        if ((codes != UNKNOWN) & (codes != species)).any():
            return True
    return False


def _of_segment(bundle: BundleFolder, number: int) -> Ints:
    segment = bundle.segments[number]
    if segment.species is not None:
        return np.asarray(segment.species)
    rows, codes = _of_table(bundle, None)
    out = np.full(bundle.places, UNKNOWN, np.int64)
    out[rows] = codes
    return out[segment.first : segment.first + segment.rows]


def _of_table(bundle: BundleFolder, rows: Ints | None) -> tuple[Ints, Ints]:
    """Row numbers, ascending, and their codes, from the table; of all rows when None."""
    import pyarrow as pa

    columns = [c for c in (SPECIES, *NAMED_BY) if c in bundle.columns]
    if not columns:
        every = np.arange(bundle.places) if rows is None else rows
        return every, np.full(len(every), UNKNOWN, np.int64)
    cells = ", ".join(map(quoted, columns))
    where = "" if rows is None else f" WHERE row IN ({', '.join(map(str, rows.tolist()))})"
    with bundle.reader(f"SELECT row, {cells} FROM every{where} ORDER BY row", 65_536) as batches:
        table = pa.Table.from_batches(list(batches), batches.schema)
    made: dict[tuple[str | None, ...], int] = {}
    codes = []
    for given in zip(*(table.column(c).to_pylist() for c in columns), strict=True):
        if given not in made:
            made[given] = code_of(species_of_row(dict(zip(columns, given, strict=True))))
        codes.append(made[given])
    return table.column("row").to_numpy().astype(np.int64), np.array(codes, np.int64)
