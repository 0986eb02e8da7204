"""Embeddings of one piece as a file: what became of each item. Written by a worker, read by others and by the build."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from prom3e_index.bundle.filters import quoted
from prom3e_index.errors import InputError, MismatchError
from prom3e_index.indexer.cluster.job import Job
from prom3e_index.indexer.cluster.storage import finished, read_ahead, told_plan
from prom3e_index.indexer.losses import LOST, Losses
from prom3e_index.indexer.new_array import save_array
from prom3e_index.indexer.store import ABSENT, ENCODED, PENDING

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

Ints = NDArray[np.int64]
_HELD = 1 << 28
"""Bytes of embeddings that a worker keeps, since names are shared by rows far apart."""
_AHEAD = 16
_ROWS = 1 << 20


def name_of(modality: str, piece: int) -> str:
    """Where a piece is kept."""
    return f"pieces/{modality}/{piece:07d}.parquet"


@dataclass
class Piece:
    """What becomes of the items of one piece; the store and the ledger of `encode_items` and `decoded`.

    Attributes:
        modality: Its name.
        number: Which piece of it.
        count: Items.
        width: Of an embedding.
    """

    modality: str
    number: int
    count: int
    width: int
    reasons: dict[int, str] = field(default_factory=dict)
    notes: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.values = np.zeros((self.count, self.width), np.float16)
        self.state = np.zeros(self.count, np.uint8)

    def put(self, rows: list[Ints], embeddings: NDArray[np.float32]) -> None:
        """Keep embeddings of items, by their places in the piece."""
        every = np.concatenate(rows)
        self.values[every] = np.repeat(embeddings, [len(r) for r in rows], axis=0)
        self.state[every] = ENCODED

    def add(self, rows: Ints, reason: str) -> None:
        """Items are lost."""
        self.state[rows] = LOST
        self.reasons |= {int(row): reason for row in rows}

    def note(self, rows: Ints, reason: str) -> None:
        """A part of items is lost."""
        self.notes |= {int(row): reason for row in rows}

    def write(self) -> None:
        """Nothing is held back."""

    def save(self, job: Job, about: dict[str, Any]) -> None:
        """Write the file; `about` says how it was encoded."""
        if (self.state == PENDING).any():
            missing = int((self.state == PENDING).sum())
            raise AssertionError(
                f"{missing} items of {self.modality} {self.number} came to nothing"
            )
        width = 2 * self.width
        data = pa.py_buffer(np.ascontiguousarray(self.values))
        held = pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), self.count, [None, data])
        every = range(self.count)
        reasons, notes = ([d.get(i) for i in every] for d in (self.reasons, self.notes))
        text = pa.string()
        columns = [pa.array(self.state), held, pa.array(reasons, text), pa.array(notes, text)]
        table = pa.Table.from_arrays(columns, names=["state", "embedding", "reason", "note"])
        told = {"plan": job.plan, "modality": self.modality, "piece": self.number, **about}
        job.storage.put_table(
            name_of(self.modality, self.number), table, told, use_dictionary=False
        )


def read_piece(job: Job, modality: str, piece: int, columns: list[str]) -> tuple[pa.Table, dict[str, Any]]:  # fmt: skip
    """Columns of a piece, and what it tells of itself.

    Raises:
        InputError: It is damaged, of another plan, or of another length.
    """
    name = name_of(modality, piece)
    file, about = job.storage.open_table(name)
    with file:
        told_plan(about, job.plan, f"{job.place}/{name}")
        table = file.read(columns)
    size = job.items[modality]
    if len(table) != min(size, job.counts[modality] - piece * size):
        raise InputError(
            f"{job.place}/{name} has {len(table):,} items; take it away and run the same command again."
        )
    return table, about


class Pieces:
    """Embeddings of any items, from the files of their pieces; some files are kept."""

    def __init__(self, job: Job, width: int) -> None:
        self._job, self._width, self._bytes = job, width, 0
        self._held: OrderedDict[tuple[str, int], NDArray[np.float16]] = OrderedDict()

    def rows(self, modality: str, items: Ints) -> NDArray[np.float16]:
        """Embeddings (k, d) of items, zeros where one is lost or -1."""
        out = np.zeros((len(items), self._width), np.float16)
        if modality not in self._job.items:
            return out
        piece = items // self._job.items[modality]
        for number in np.unique(piece[items >= 0]):
            mine = piece == number
            out[mine] = self._piece(modality, int(number))[items[mine] % self._job.items[modality]]
        return out

    def _piece(self, modality: str, piece: int) -> NDArray[np.float16]:
        key = (modality, piece)
        if key in self._held:
            self._held.move_to_end(key)
            return self._held[key]
        table, _ = read_piece(self._job, modality, piece, ["embedding"])
        values = _values(table.column(0), self._width)
        self._held[key] = values
        self._bytes += values.nbytes
        while self._bytes > _HELD and len(self._held) > 1:
            self._bytes -= self._held.popitem(last=False)[1].nbytes
        return values


def _values(column: pa.ChunkedArray, width: int) -> NDArray[np.float16]:
    parts = [
        np.frombuffer(c.buffers()[1], np.float16).reshape(-1, width)[c.offset : c.offset + len(c)]
        for c in column.chunks
    ]
    return np.concatenate([np.zeros((0, width), np.float16), *parts])


def whole_pieces(job: Job, modality: str) -> set[int]:
    """Pieces that are there, each looked into; see `storage.finished`."""
    return set(finished(job.storage, f"pieces/{modality}", job.plan, "piece"))


def gather(
    con: duckdb.DuckDBPyConnection, job: Job, modality: str, work: Path, n: int, fingerprint: str
) -> tuple[str, int]:
    """Leave in a work folder the state of each of n rows and what was lost, from all pieces of a modality.

    Returns:
        The precision at which it was encoded, and how many items were made again in single precision.

    Raises:
        MismatchError: A worker's encoder was not the one whose fingerprint is given.
    """
    state = np.full(job.counts[modality], PENDING, np.uint8)
    told: list[tuple[int, bool, str]] = []
    precisions: dict[str, int] = {}
    columns = ["state", "reason", "note"]
    parts = read_ahead(
        lambda p: read_piece(job, modality, p, columns), range(job.pieces(modality)), _AHEAD
    )
    for piece, (table, about) in enumerate(parts):
        if about["fingerprint"] != fingerprint:
            raise MismatchError(
                f"The encoder of {modality} on a worker ({about['fingerprint']}) is not the one here ({fingerprint}). "
                "Have the same model on every machine, and run the same command again with --restart."
            )
        first = piece * job.items[modality]
        state[first : first + len(table)] = table.column("state").to_numpy()
        precisions[about["precision"]] = precisions.get(about["precision"], 0) + about["again"]
        for name, whole in (("note", False), ("reason", True)):
            texts = table.column(name)
            if texts.null_count < len(texts):
                numbered = enumerate(texts.to_pylist(), first)
                told += [(i, whole, text) for i, text in numbered if text is not None]
    if len(precisions) != 1:
        raise MismatchError(
            f"Pieces of {modality} were encoded in {' and '.join(sorted(precisions))}: have one kind of device, and "
            "encode them anew: --restart."
        )
    rows = np.full(n, ABSENT, np.uint8)
    source = f"SELECT seq, item FROM {quoted(f'rows_{modality}')}"
    for batch in con.cursor().sql(source).to_arrow_reader(_ROWS):
        seq, item = (np.asarray(batch.column(i).to_numpy(), np.int64) for i in (0, 1))
        rows[seq] = state[item]
    _tell(con, modality, work, rows, told)
    save_array(work / "embeddings" / f"{modality}.state.npy", rows)
    return next(iter(precisions.items()))


def _tell(
    con: duckdb.DuckDBPyConnection,
    modality: str,
    work: Path,
    state: NDArray[np.uint8],
    told: list[tuple[int, bool, str]],
) -> None:
    """Note for each item that is lost, wholly or in part, its rows."""
    if not told:
        return
    item, whole, reason = zip(*told, strict=True)
    nth = range(len(told))
    columns = {"item": pa.array(item, pa.int64()), "whole": whole, "reason": reason, "nth": nth}
    con.register("told", pa.table(columns))
    query = (
        "SELECT any_value(whole), any_value(reason), list(seq ORDER BY seq) FROM told "
        f"JOIN {quoted(f'rows_{modality}')} USING (item) GROUP BY nth ORDER BY nth"
    )
    losses = Losses(work, modality, state)
    for lost, text, seqs in con.execute(query).fetchall():
        (losses.add if lost else losses.note)(np.asarray(seqs, np.int64), str(text))
    losses.write()
    con.unregister("told")
