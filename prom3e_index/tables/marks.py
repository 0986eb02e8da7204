"""Where the marks of delimited text stand: ends of lines, delimiters and quotes of a block, counted at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]


class MarkedLines:
    """The lines of a block by their numbers: where they begin and end, and what marks they hold.

    Attributes:
        start, end, next: Where each line begins, where its text ends and where the next one begins.
        delimiters, quotes: How many a line has.
        cells: How many cells a line has when its quotes are strict.
        strict: Whether its quotes are those of RFC 4180, all within the line.
        blank: Whether it holds nothing but delimiters.
    """

    def __init__(self, data: bytes, delimiter: str, quote: str) -> None:
        if data and not data.endswith((b"\n", b"\r")):
            data += b"\n"
        self.data = data
        a = np.frombuffer(data, np.uint8)
        if b"\r" in data:
            cr = np.flatnonzero(a == 13)
            alone = cr[a[np.minimum(cr + 1, len(a) - 1)] != 10]
            lf = np.flatnonzero(a == 10)
            ends = np.sort(np.concatenate([lf, alone]))
            self.end = ends - ((a[ends] == 10) & (ends > 0) & (a[ends - 1] == 13))
        else:
            ends = self.end = np.flatnonzero(a == 10)
        self.next = ends + 1
        self.start = np.concatenate([[0], self.next[:-1]]) if len(ends) else ends
        marks = np.flatnonzero(a == ord(delimiter))
        before = np.searchsorted(marks, self.start)
        self.delimiters = np.searchsorted(marks, self.end) - before
        self.blank = self.end - self.start == self.delimiters
        self.cells = self.delimiters + 1
        self.quotes = np.zeros(len(ends), np.int64)
        self.strict = np.ones(len(ends), bool)
        at = np.flatnonzero(a == ord(quote)) if quote else ends[:0]
        if len(at):
            self._weigh_quotes(a, at, marks, ord(delimiter))

    def _weigh_quotes(self, a: Bytes, at: Places, marks: Places, delimiter: int) -> None:
        """Count quotes, tell which lines are strict, and leave delimiters inside quotes out of `cells`."""
        first = np.searchsorted(at, self.start)
        self.quotes = np.searchsorted(at, self.end) - first
        lines = np.arange(len(self.start))
        line = np.repeat(lines, self.quotes)
        rank = np.arange(len(at)) - first[line]
        opens = rank % 2 == 0
        left = a[np.maximum(at - 1, 0)]
        right = a[np.minimum(at + 1, len(a) - 1)]
        mark = a[at[0]]
        good = np.where(
            opens,
            (at == self.start[line]) | (left == delimiter) | ((left == mark) & (rank > 0)),
            (at + 1 == self.end[line]) | (right == delimiter) | (right == mark),
        )
        bad = np.bincount(line[~good], minlength=len(self.start)) > 0
        self.strict = ~bad & (self.quotes % 2 == 0)
        of = np.repeat(lines, self.delimiters)
        so_far = np.cumsum(a == mark, dtype=np.int32)[marks]
        inside = (so_far - first[of]) % 2 == 1
        if inside.any():
            self.cells = self.cells - np.bincount(of[inside], minlength=len(self.start))

    def equal(self, line: bytes) -> list[int]:
        """The lines that are exactly this one."""
        out: list[int] = []
        at = self.data.find(line) if line else -1
        while at >= 0:
            i = int(np.searchsorted(self.start, at, "right")) - 1
            if self.start[i] == at and self.end[i] == at + len(line):
                out.append(i)
            at = self.data.find(line, at + len(line))
        return out

    def text(self, i: int) -> str:
        """One line without its end."""
        return self.data[self.start[i] : self.end[i]].decode("utf-8")

    def ahead(self, i: int, most: int) -> tuple[str, bool]:
        """A line and what follows it, at most so many bytes of it, and whether that is all."""
        begin = int(self.start[i])
        cut = self.data[begin : begin + most]
        return cut.decode("utf-8", "ignore"), begin + most >= len(self.data)

    def line_at(self, i: int, window: str, end: int) -> int:
        """The line of a place in what `ahead` gave."""
        at = int(self.start[i]) + len(window[:end].encode("utf-8"))
        return int(np.searchsorted(self.next, at, "right"))


def without_lines(data: bytes, skip: int) -> tuple[bytes, int]:
    """Text without its first lines, and how many those were."""
    at = done = 0
    while done < skip and at < len(data):
        ends = [p for p in (data.find(b"\n", at), data.find(b"\r", at)) if p >= 0]
        end = min(ends, default=len(data))
        at = end + (2 if data[end : end + 2] == b"\r\n" else 1)
        done += 1
    return data[at:], done
