"""Files that were lost while encoding: noted with their reason before their rows are marked, many at a time."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

LOST = 3
"""State of a row whose file was lost."""
FILE = "lost.jsonl"
_ROWS, _SECONDS = 4096, 5.0
_BATCH = 65_536


class Told(Protocol):
    """What is told of files that are lost, wholly or in part."""

    def add(self, rows: NDArray[np.int64], reason: str) -> None:
        """The file of some rows is lost."""
        ...

    def note(self, rows: NDArray[np.int64], reason: str) -> None:
        """A part of some rows' file is lost."""
        ...

    def write(self) -> None:
        """No more will be told for a while."""
        ...


class Losses:
    """Losses of one modality; rows and time until they are written are bounded.

    What a crash takes is found lost once more by the next run, since its rows are not marked yet.
    """

    def __init__(
        self, work: Path, modality: str, state: NDArray[np.uint8], media: Path | None = None
    ) -> None:
        self._path, self._modality, self._state = work / FILE, modality, state
        self._media = None if media is None else str(media).rstrip("/") + "/"
        self._waiting: list[tuple[NDArray[np.int64], str]] = []
        self._rows = 0
        self._since = 0.0

    def add(self, rows: NDArray[np.int64], reason: str) -> None:
        """Note that the file of some rows is lost."""
        if not self._waiting:
            self._since = time.monotonic()
        self._waiting.append((rows, self._short(reason)))
        self._rows += len(rows)
        if self._rows >= _ROWS or time.monotonic() - self._since > _SECONDS:
            self.write()

    def note(self, rows: NDArray[np.int64], reason: str) -> None:
        """Note at once that a part of some rows' file is lost; what is left of it will be encoded."""
        self.write()
        self._append([(rows, self._short(reason))])

    def write(self) -> None:
        """Have the notes reach the disk, then mark their rows."""
        if not self._waiting:
            return
        self._append(self._waiting)
        for rows, _ in self._waiting:
            self._state[rows] = LOST
        if isinstance(self._state, np.memmap):
            self._state.flush()
        self._waiting.clear()
        self._rows = 0

    def _short(self, reason: str) -> str:
        return reason if self._media is None else reason.replace(self._media, "")

    def _append(self, notes: list[tuple[NDArray[np.int64], str]]) -> None:
        with self._path.open("a", encoding="utf-8") as f:
            f.write("\n")  # ends a line that a crash cut off
            for rows, reason in notes:
                note = {"modality": self._modality, "seqs": rows.tolist(), "reason": reason}
                f.write(json.dumps(note) + "\n")
            f.flush()
            os.fsync(f.fileno())


def looked_at(path: Path) -> tuple[int, str | None]:
    """The state of the file at a path, and why there is none, without reading it.

    The state differs where another file is at the path, or the file was written to: it is made of the file's number,
    length and times, that of its last change of any kind among them. It is 0 where it cannot be told.
    """
    try:
        s = path.stat()
    except OSError as e:
        gone = e.errno in (errno.ENOENT, errno.ENOTDIR)
        return 0, f"{path} does not exist" if gone else None  # what else is wrong the decoder says
    parts = (s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns)
    return int.from_bytes(blake2b(repr(parts).encode(), digest_size=8).digest(), "big") | 1, None


def read_lost(work: Path) -> Iterator[tuple[int, str, str]]:
    """Notes as (seq, modality, reason).

    A line cut off by a crash is passed over: its rows were not marked yet.
    """
    path = work / FILE
    if not path.is_file():
        return
    with path.open(encoding="utf-8") as f:
        for line in f:
            try:
                note = json.loads(line)
            except json.JSONDecodeError:
                continue
            for seq in note["seqs"]:
                yield int(seq), str(note["modality"]), str(note["reason"])


def lost_tables(work: Path) -> Iterator[Any]:
    """The notes as Arrow tables of `seq`, `modality`, `reason`, some 65,536 rows each."""
    import pyarrow as pa

    rows: list[tuple[int, str, str]] = []

    def table() -> Any:
        seqs, modalities, reasons = zip(*rows, strict=True)
        return pa.table(
            {"seq": pa.array(seqs, pa.int64()), "modality": modalities, "reason": reasons}
        )

    for row in read_lost(work):
        rows.append(row)
        if len(rows) == _BATCH:
            yield table()
            rows.clear()
    if rows:
        yield table()
