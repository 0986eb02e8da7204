"""A text file as numbered lines in UTF-8; a bad line costs no other."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from prom3e_index.tables.compressed import plain
from prom3e_index.tables.encoding import Encoding, read_line, read_whole, settle

BLOCK = 4 << 20
LONGEST_LINE = 16 << 20
_NAMED = 5


@dataclass
class Tally:
    """Lines that something happened to: all are counted, the first few are named."""

    count: int = 0
    first: list[int] = field(default_factory=list)

    def add(self, line: int) -> None:
        """Count one line."""
        self.count += 1
        if len(self.first) < _NAMED:
            self.first.append(line)

    def __str__(self) -> str:
        """`7`, `3 and 7`, or `3, 7, 9, 12, 15 and 12 more`."""
        named = [f"{n:,}" for n in self.first]
        if self.count > len(named):
            named.append(f"{self.count - len(named):,} more")
        return " and ".join(x for x in (", ".join(named[:-1]), named[-1]) if x)


@dataclass(frozen=True)
class Block:
    """Whole lines of a file.

    Attributes:
        data: Their bytes in UTF-8, line ends as they are.
        first: Number of the first line, from 1.
        last: Whether the file ends here.
    """

    data: bytes
    first: int
    last: bool


class Lines:
    """The lines of one text file, read from the start.

    Attributes:
        encoding: Of the file; settled by the first line that is not ASCII.
        count: Lines read so far.
        odd: Lines that are not in the file's encoding and were read one by one.
        long: Lines longer than `LONGEST_LINE`, which are left out.
    """

    def __init__(self, path: Path, encoding: Encoding) -> None:
        self.path, self.encoding = path, encoding
        self.count = 0
        self.odd, self.long = Tally(), Tally()

    def blocks(self, size: int = BLOCK) -> Iterator[Block]:
        """The lines, in blocks of about `size` bytes.

        Raises:
            TableError: The file cannot be read.
        """
        with plain(self.path) as f:
            waiting: Block | None = None
            for data in self._whole(f, size):
                if waiting is not None:
                    yield waiting
                lines = line_count(data)
                waiting = Block(self._text(data), self.count + 1, False)
                self.count += lines
            if waiting is None:
                waiting = Block(b"", 1, False)
            yield Block(waiting.data, waiting.first, True)

    def _whole(self, f: IO[bytes], size: int) -> Iterator[bytes]:
        """Bytes of whole lines; of an encoding that is no extension of ASCII in UTF-8."""
        decoder = None
        if self.encoding.wide:
            decoder = codecs.getincrementaldecoder(self.encoding.python)("replace")
        rest, more, dropping, started = b"", True, False, False
        while more:
            data = f.read(size)
            more = bool(data)
            if decoder is not None:
                data = decoder.decode(data, not more).encode("utf-8", "replace")
            if data and not started:
                data, started = data.removeprefix(codecs.BOM_UTF8), True
            if dropping:
                ends = [p for p in (data.find(b"\n"), data.find(b"\r")) if p >= 0]
                if not ends and more:
                    continue
                self.count += 1
                data, dropping = data[min(ends, default=len(data)) + 1 :], False
            data = rest + data
            # A CR at the end may be half of a line end.
            cut = max(data.rfind(b"\n"), data.rfind(b"\r", 0, -1)) + 1 if more else len(data)
            rest = data[cut:]
            if len(rest) > LONGEST_LINE:
                self.long.add(self.count + line_count(data[:cut]) + 1)
                rest, dropping = b"", True
            if cut:
                yield data[:cut]

    def _text(self, data: bytes) -> bytes:
        """Lines in UTF-8; those that are not what the file is are read one by one."""
        if b"\0" in data:
            data = data.replace(b"\0", b"")
        if self.encoding.wide or data.isascii():
            return data
        if not self.encoding.settled:
            self.encoding = settle(data)
        whole = read_whole(data, self.encoding)
        if whole is not None:
            return whole
        out = []
        for i, line in enumerate(data.splitlines(keepends=True)):
            text, odd = read_line(line, self.encoding)
            if odd:
                self.odd.add(self.count + 1 + i)
            out.append(text.encode("utf-8", "replace"))
        return b"".join(out)


def line_count(data: bytes) -> int:
    """How many lines, the last of which may have no end."""
    ends = data.count(b"\n")
    if b"\r" in data:
        ends += data.count(b"\r") - data.count(b"\r\n")
    return ends + (not data.endswith((b"\n", b"\r")) if data else 0)
