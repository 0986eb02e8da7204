"""What a user marked as relevant or not: a file of JSON lines beside the index, to which lines are only added.

The last line of an observation counts. Observations are known by their ids, so marks outlive a rebuilt index.
"""

from __future__ import annotations

import json
import os
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from stat import S_ISREG
from typing import Any, BinaryIO, Literal

from prom3e_index.errors import InputError
from prom3e_index.search.run import Bundle
from prom3e_index.server.problems import Problem

Mark = Literal["relevant", "irrelevant"]
MARKS: tuple[Mark, ...] = ("relevant", "irrelevant")
MOST_BYTES = 64 << 20
"""The largest file of marks: about 300,000 lines."""
_LINE, _TAIL = 4096, 256


@dataclass(frozen=True)
class Marked:
    """An observation that is marked.

    Attributes:
        id: Of the observation.
        row: When it was marked.
        mark: relevant or irrelevant.
        at: When, ISO 8601.
        by: Who, as they said.
        search: In which search.
        generation: Of the index.
    """

    id: str
    row: int
    mark: Mark
    at: str
    by: str | None = None
    search: str | None = None
    generation: int | None = None


class Marks:
    """A file of marks.

    Args:
        path: Made by the first mark.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._read = _Read()

    def every(self) -> dict[str, Marked]:
        """The marks by id, in the order in which observations were first marked.

        Raises:
            InputError: The file cannot be read, or is no file of marks.
        """
        with self._lock:
            return dict(self._held()[0])

    def read_ahead(self) -> None:
        """Read the file before anybody asks; what is wrong with it is told when they do."""
        with suppress(InputError), self._lock:
            self._held()

    @property
    def unread(self) -> int:
        """Lines that are no marks, as one that a crash cut off; they are left out."""
        with self._lock:
            return self._held()[1]

    def relevant(self, bundle: Bundle) -> list[int]:
        """Rows of an index that are marked as relevant."""
        rows = rows_of(bundle, [m.id for m in self.every().values() if m.mark == "relevant"])
        return list(rows.values())

    def add(self, marked: list[Marked]) -> None:
        """Mark some observations.

        Raises:
            InputError: The file cannot be written.
            Problem: It is full.
        """
        self._append([{k: v for k, v in vars(m).items() if v is not None} for m in marked])

    def remove(self, ids: list[str], by: str | None = None) -> None:
        """Take the marks of some observations away, by lines that say so."""
        known = self.every()
        gone = {"mark": None, "at": now(), **({"by": by} if by else {})}
        self._append([{"id": i, "row": known[i].row, **gone} for i in ids if i in known])

    def _append(self, lines: list[dict[str, Any]]) -> None:
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()
        self.every()  # nothing is added to what is no file of marks
        with self._lock:
            try:
                size = self.path.stat().st_size if self.path.exists() else 0
                if size + len(text) > MOST_BYTES:
                    raise Problem(
                        507, "marks-full", "The file of marks is full",
                        f"{self.path.name} has {size / 2**20:.0f} MB; {MOST_BYTES >> 20} MB are the most. "
                        "Move it away, and a new one is begun.",
                    )  # fmt: skip
                if text:
                    descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
                    with os.fdopen(descriptor, "ab") as f:
                        f.write((b"\n" if self._broken(size) else b"") + text)
            except OSError as e:
                raise InputError(
                    f"Marks cannot be written to {self.path.name}: {e.strerror}. Give another file: --marks FILE."
                ) from e

    def _broken(self, size: int) -> bool:
        """Whether the last line of the file was cut off: the next one begins anew."""
        if not size:
            return False
        with self.path.open("rb") as f:
            f.seek(-1, os.SEEK_END)
            return f.read(1) != b"\n"

    def _held(self) -> tuple[dict[str, Marked], int]:
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            self._read = _Read()
            return self._read.marks, 0
        except OSError as e:
            raise InputError(f"{self.path.name} cannot be read: {e.strerror}.") from e
        if not S_ISREG(stat.st_mode):  # a pipe or a device has no end
            raise InputError(f"{self.path.name} is no plain file. Give another --marks FILE.")
        state = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        if self._read.state != state:
            if stat.st_size > MOST_BYTES:
                raise InputError(
                    f"{self.path.name} has {stat.st_size >> 20} MB; a file of marks has at most {MOST_BYTES >> 20}."
                )
            self._read_on(state)
        return self._read.marks, self._read.unread

    def _read_on(self, state: tuple[int, int, int]) -> None:
        """Read what was added since; the whole file where what was read is no longer how it begins."""
        known, self._read = self._read, _Read()  # where this fails, all is read anew
        with self.path.open("rb") as f:
            read = known if known.begins(f, state) else _Read()
            f.seek(read.end)
            broken = 0
            for line in f:
                said, whole = _line_of(line), line.endswith(b"\n")
                if said is None and whole and not read.end:
                    raise InputError(
                        f"{self.path.name} is no file of marks: its first line is none. Give another --marks FILE."
                    )
                if whole:
                    read.end, read.tail = read.end + len(line), line[-_TAIL:]
                    read.lost += said is None
                else:  # read again when the file has changed
                    broken = int(said is None)
                if said is not None and said["mark"] is None:
                    read.marks.pop(said["id"], None)
                elif said is not None:
                    read.marks[said["id"]] = Marked(**said)
        read.state, read.unread = state, read.lost + broken
        self._read = read


@dataclass
class _Read:
    """What was read of a file of marks.

    Attributes:
        state: Of the file: inode, time, size.
        marks: By id.
        unread: Lines that are none.
        end: Where the last line ends that was read whole.
        tail: The bytes before it.
        lost: Lines that are none, before `end`.
    """

    state: tuple[int, int, int] | None = None
    marks: dict[str, Marked] = field(default_factory=dict)
    unread: int = 0
    end: int = 0
    tail: bytes = b""
    lost: int = 0

    def begins(self, f: BinaryIO, state: tuple[int, int, int]) -> bool:
        """Whether a file begins with what was read: the same one, with the same bytes before `end`."""
        if self.state is None or self.state[0] != state[0] or state[2] < self.end:
            return False
        f.seek(self.end - len(self.tail))
        return f.read(len(self.tail)) == self.tail


def _line_of(line: bytes) -> dict[str, Any] | None:
    try:
        said = json.loads(line) if len(line) <= _LINE else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or said.get("mark", "") not in (*MARKS, None):
        return None
    if not isinstance(said.get("id"), str) or not isinstance(said.get("row"), int):
        return None
    texts = {k: said.get(k) for k in ("at", "by", "search")}
    if not all(v is None or isinstance(v, str) for v in texts.values()):
        return None
    generation = said.get("generation")
    return {
        "id": said["id"], "row": said["row"], "mark": said["mark"], "at": texts["at"] or "", "by": texts["by"],
        "search": texts["search"], "generation": generation if isinstance(generation, int) else None,
    }  # fmt: skip


def rows_of(bundle: Bundle, ids: list[str]) -> dict[str, int]:
    """Rows of an index by their ids; those that it has not are left out."""
    if not ids:
        return {}
    rows = {id: row for row, id in reversed(bundle.with_ids(ids))}
    return {i: rows[i] for i in ids if i in rows}


def now() -> str:
    """The moment, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")
