"""Shards: completed rows with their vectors as Parquet, the thing between an encoder's cluster and what is searched.

    SHARDS/
      shards.json              written last: the set is whole exactly when it is there
      shards/0000000.parquet … rows in the order of their numbers, at most 4,096 in each (8,192 where a card completed)
      rejected.parquet, lost.parquet   what was refused, and what rows are there without
      plan.json, orders/, pieces/, rows/   of the work: what it belongs to, what was to be encoded, what came of it

A shard has the columns of `observations` of an index, and of each modality `embedding_M`, what the encoder gave, null
where the row does not have it, and `vector_M`, the gallery row [g, h, bias]; both `list<float>`, their values those of
half precision. A column of the table that has such a name is `source_…` of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from prom3e_index.errors import InputError
from prom3e_index.indexer.cluster.job import FORMAT, NOTE, Job
from prom3e_index.indexer.cluster.storage import Storage, finished, read_ahead, told_plan

SHARDS = "shards.json"
Halves = NDArray[np.float16]
Ints = NDArray[np.int64]
_AHEAD = 4
_NEEDED = (
    "plan",
    "rows",
    "shards",
    "columns",
    "renamed",
    "counts",
    "history",
    "modalities",
    "source",
    "model",
)


def shard_name(shard: int) -> str:
    """Where a shard is kept."""
    return f"shards/{shard:07d}.parquet"


def own_columns(modalities: Sequence[str]) -> list[str]:
    """Names that a shard's own columns have, and those of items while a shard is made."""
    return [f"{what}_{m}" for what in ("embedding", "vector", "item") for m in modalities]


def beside_names(names: Sequence[str], modalities: Sequence[str]) -> list[str]:
    """Names of an index's columns in a shard; one that a shard has itself is `source_…` of it."""
    taken = {n.lower() for n in (*own_columns(modalities), *names)}
    out = []
    for name in names:
        shown = name
        if name.lower() in own_columns(modalities):
            while shown.lower() in taken:
                shown = f"source_{shown}"
            taken.add(shown.lower())
        out.append(shown)
    return out


def split_rows(
    rows: pa.Table, modalities: Sequence[str]
) -> tuple[dict[str, NDArray[np.int64]], pa.Table]:
    """The items that rows are made of, -1 where there is none, and the columns that stand beside their vectors."""
    names = [f"item_{m}" for m in modalities]
    items = {
        m: rows.column(n).fill_null(-1).to_numpy() for m, n in zip(modalities, names, strict=True)
    }
    return items, rows.drop_columns(names)


def write_shard(
    job: Job,
    shard: int,
    beside: pa.Table,
    modalities: Sequence[str],
    stored: Sequence[Halves],
    has: NDArray[np.bool_],
    made: Sequence[Halves],
    sigma_l1: NDArray[np.float32],
) -> None:
    """Write a shard.

    Args:
        job: Whose place and plan it belongs to.
        shard: Its number.
        beside: (n) rows, the columns of `observations`.
        modalities: m names.
        stored: Of each modality (n, d).
        has: (n, m).
        made: Of each modality gallery vectors (n, w).
        sigma_l1: (n,), in place of the column of that name.
    """
    at = beside.column_names.index("sigma_l1")
    table = beside.set_column(at, "sigma_l1", pa.array(sigma_l1))
    wide = []
    for i, m in enumerate(modalities):
        table = table.append_column(f"embedding_{m}", _lists(stored[i], has[:, i]))
        table = table.append_column(f"vector_{m}", _lists(made[i], np.ones(len(has), bool)))
        wide += [f"embedding_{m}.list.element", f"vector_{m}.list.element"]
    first = int(beside.column("row")[0].as_py())
    about = {"format": FORMAT, "plan": job.plan, "shard": shard, "first": first, "rows": len(table)}
    # By bytes of one place together: of a half precision number in single precision two of four are nearly empty.
    plain = [f.name for f in beside.schema if not pa.types.is_nested(f.type)]
    options = {"use_dictionary": plain, "use_byte_stream_split": wide, "write_statistics": plain}
    job.storage.put_table(shard_name(shard), table, about, **options)


def _lists(values: Halves, has: NDArray[np.bool_]) -> pa.ListArray:
    width = values.shape[1]
    offsets = np.concatenate([[0], np.cumsum(has) * width]).astype(np.int32)
    flat = pa.array(values[has].astype(np.float32).ravel())
    mask = None if has.all() else pa.array(~has)
    return pa.ListArray.from_arrays(pa.array(offsets), flat, mask=mask)


def dense(column: pa.ChunkedArray, width: int) -> Halves:
    """A column of vectors as (n, width), zeros where a row has none; the numbers are exact in half precision."""
    out = np.zeros((len(column), width), np.float16)
    at = 0
    for chunk in column.chunks:
        rows = np.flatnonzero(chunk.is_valid().to_numpy(zero_copy_only=False)) + at
        out[rows] = chunk.flatten().to_numpy().reshape(len(rows), width)
        at += len(chunk)
    return out


@dataclass(frozen=True)
class Shards:
    """A whole set of shards.

    Attributes:
        place: Path or address.
        note: What `shards.json` says: `rows`, `shards`, `plan`, `columns`, and what a manifest says before its rows.
    """

    place: str
    note: dict[str, Any]

    @cached_property
    def firsts(self) -> Ints:
        """Row number of each shard's first row, and the number of rows at the end; every shard is looked into.

        Raises:
            InputError: One is not there, damaged or of another plan, or they do not follow one another.
        """
        number, rows = int(self.note["shards"]), int(self.note["rows"])
        held = finished(Storage(self.place), "shards", self.note["plan"], "shard")
        lacking = next((s for s in range(number) if s not in held), None)
        if lacking is not None:
            raise InputError(_not_there(self.place, shard_name(lacking)))
        firsts = [0]
        for shard in range(number):
            if int(held[shard]["first"]) != firsts[-1]:
                raise InputError(
                    f"{self.place}/{shard_name(shard)} begins with row {held[shard]['first']}, the shards before it "
                    f"have {firsts[-1]:,} rows. Take it away, and run the command that wrote it again."
                )
            firsts.append(firsts[-1] + int(held[shard]["rows"]))
        if firsts[-1] != rows:
            raise InputError(
                f"The shards of {self.place} have {firsts[-1]:,} rows, {SHARDS} says {rows:,}; run the command that "
                "wrote them again."
            )
        return np.array(firsts, np.int64)

    def table(self, shard: int, columns: Sequence[str] | None = None) -> pa.Table:
        """A shard, all columns or some.

        Raises:
            InputError: It is not there, damaged, or of another plan.
        """
        return _table(Storage(self.place), shard, self.note["plan"], columns)

    def tables(self, columns: Sequence[str] | None = None, first: int = 0) -> Iterator[pa.Table]:
        """Shards from number `first` on, in order, read some ahead."""
        storage = Storage(self.place)
        yield from _tables(storage, range(first, self.note["shards"]), self.note["plan"], columns)

    def rows(
        self, numbers: Ints, columns: Sequence[str], ahead: int = _AHEAD
    ) -> Iterator[pa.Table]:
        """Some rows by their numbers, ascending: a table of each shard that has any, `ahead` of them read at a time."""
        shards, starts = np.unique(
            np.searchsorted(self.firsts, numbers, side="right") - 1, return_index=True
        )
        parts = np.split(numbers, starts[1:]) if len(numbers) else []

        def read(i: int) -> pa.Table:
            shard = int(shards[i])
            table = self.table(shard, columns)
            at = parts[i] - self.firsts[shard]
            whole = len(at) == at[-1] - at[0] + 1
            return table.slice(int(at[0]), len(at)) if whole else table.take(pa.array(at))

        yield from read_ahead(read, range(len(parts)), ahead)


def open_shards(place: str) -> Shards:
    """Shards at a path or an address.

    Raises:
        InputError: There are none, they are not whole, or of another version.
    """
    storage = Storage(place)
    note = storage.note(SHARDS)
    if note is None:
        begun = storage.has(NOTE)
        if storage.has(SHARDS):
            raise InputError(
                f"{place}/{SHARDS} is damaged; run the command that wrote it again: no shard is made anew."
            )
        raise InputError(
            f"{place} holds no whole set of shards: {SHARDS} is not there"
            + ("; the command that writes them goes on when it is run again." if begun else ".")
        )
    if note.get("format") != FORMAT:
        raise InputError(
            f"{place} has shards of format {note.get('format')}, this version reads {FORMAT}."
        )
    lacking = next((k for k in _NEEDED if k not in note), None)
    if lacking is not None:
        raise InputError(
            f"{place}/{SHARDS} says nothing of {lacking}: it is damaged, or was written by an earlier version. Take it "
            "away, and run the command that wrote it again: no shard is made anew."
        )
    return Shards(storage.place, note)


def is_whole(place: str) -> bool:
    """Whether a place holds a set of shards that was finished, and as many files as it says."""
    storage = Storage(place)
    note = storage.note(SHARDS)
    return note is not None and len(storage.names("shards")) >= int(note.get("shards", 0))


def _not_there(place: str, name: str) -> str:
    return (
        f"{place}/{name} is not there; run the command that wrote it again: it alone is made anew."
    )


def _table(storage: Storage, shard: int, plan: str, columns: Sequence[str] | None) -> pa.Table:
    name = shard_name(shard)
    try:
        file, about = storage.open_table(name)
    except FileNotFoundError as e:
        raise InputError(_not_there(storage.place, name)) from e
    with file:
        told_plan(about, plan, f"{storage.place}/{name}")
        try:
            return file.read(None if columns is None else list(columns))
        except (OSError, pa.ArrowException) as e:
            raise InputError(
                f"{storage.place}/{name} is damaged: {e}. Take it away, and run the command that wrote it again: it "
                "alone is made anew."
            ) from e


def _tables(
    storage: Storage, shards: range, plan: str, columns: Sequence[str] | None
) -> Iterator[pa.Table]:
    return read_ahead(lambda s: _table(storage, s, plan, columns), shards, _AHEAD)


def read_shards(job: Job, shards: int, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """The shards of a job in order, read some ahead."""
    yield from _tables(job.storage, range(shards), job.plan, columns)


def whole_shards(job: Job) -> set[int]:
    """Shards that are there, each looked into; see `storage.finished`."""
    return set(finished(job.storage, "shards", job.plan, "shard"))
