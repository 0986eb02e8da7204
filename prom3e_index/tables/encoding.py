"""The encoding of a text file: said by its first bytes or its user, or guessed from its lines that are not ASCII."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from pathlib import Path

from prom3e_index.errors import InputError, TableError
from prom3e_index.tables.codepages import EASTERN, guess
from prom3e_index.tables.compressed import plain

_SNIFF = 16 << 20
_SAMPLE = 64 << 10
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WIDE = ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "utf-7", "hz")
_CONTROLS = bytes((*range(8), *range(14, 27), *range(28, 32)))
_MOST_CONTROLS = 0.01
"""Share of control characters in text: a broken export holds a zero byte now and then."""
_SEQUENCE = re.compile(rb"[\xc2-\xf4][\x80-\xbf]")
_SHARE_UTF8, _SHARE_BY_CHANCE = 0.25, 0.4
"""Lines that are valid UTF-8, of those that are not ASCII, in a file that is UTF-8 with some lines of another
encoding. Of Western text hardly any is valid by chance, of Chinese cells of one character one in six."""


@dataclass(frozen=True)
class Encoding:
    """How the bytes of a text file are read.

    Attributes:
        name: As a user knows it: `UTF-8`, `Windows-1252`, `GBK`.
        python: Name of the codec.
        settled: Whether it is known; until then all lines were ASCII.
        guessed: Whether it was told by statistics.
        other: Codec of the lines that are not in it.
    """

    name: str
    python: str
    settled: bool = True
    guessed: bool = False
    other: str = "cp1252"

    @property
    def wide(self) -> bool:
        """Whether its bytes of ASCII characters are not those of ASCII."""
        return self.python in _WIDE


def named(name: str) -> Encoding:
    """An encoding by the name that a user or file gives.

    Raises:
        InputError: Python knows none of that name.
    """
    try:
        found = codecs.lookup(name.strip())
        "a".encode(found.name)
    except (LookupError, UnicodeError, ValueError) as e:
        raise InputError(
            f"There is no encoding {name!r}; known: utf-8, utf-16, windows-1252, gbk, big5, shift_jis, "
            "windows-1251, mac-roman and others that Python knows."
        ) from e
    python = {"iso8859-1": "cp1252", "ascii": "utf-8", "utf-8-sig": "utf-8"}.get(
        found.name, found.name
    )
    return Encoding(name.strip(), python)


def find_encoding(path: Path, given: str | None = None) -> Encoding:
    """The encoding of a text file, compressed or not.

    Args:
        path: The file.
        given: What a user or an archive says; a byte order mark says more.

    Raises:
        TableError: The file is binary.
        InputError: There is no encoding of the given name.
    """
    with plain(path) as f:
        data = f.read(1 << 16)
        for mark, name in _MARKS:
            if data.startswith(mark):
                return Encoding(name.upper(), name)
        if given is not None:
            return named(given)
        wide = _without_mark(data)
        if wide is not None:
            return Encoding(wide.upper(), wide, guessed=True)
        if not is_text(data):
            raise TableError(f"{path} is a binary file of no known format.")
        sample: list[bytes] = []
        held = seen = 0
        while data and held < _SAMPLE and seen < _SNIFF:
            seen += len(data)
            if not data.isascii():
                data += f.readline(1 << 16)  # the last line of the piece is whole
                for line in _strange(data):
                    sample.append(line)
                    held += len(line)
            data = f.read(1 << 20)
    return settle(b"".join(sample)) if sample else Encoding("UTF-8", "utf-8", settled=False)


def settle(data: bytes) -> Encoding:
    """The encoding of lines of which some are not ASCII."""
    lines = _strange(data)
    if not lines:
        return Encoding("UTF-8", "utf-8", settled=False)
    others = []
    for line in lines:
        try:
            line.decode("utf-8")
        except UnicodeDecodeError:
            others.append(line)
    if not others:
        return Encoding("UTF-8", "utf-8")
    name, python = guess(b"".join(others)[:_SAMPLE])
    share = _SHARE_BY_CHANCE if python in EASTERN else _SHARE_UTF8
    if len(lines) - len(others) >= max(1.0, share * len(lines)):
        return Encoding("UTF-8", "utf-8", other=python)
    return Encoding(name, python, guessed=True)


def _strange(data: bytes) -> list[bytes]:
    """The lines that are not ASCII, with their ends."""
    return [line for line in data.splitlines(keepends=True) if not line.isascii()]


def is_text(data: bytes) -> bool:
    """Whether the first bytes of a file are text, for all that they tell."""
    marked = any(data.startswith(mark) for mark, _ in _MARKS)
    head = data[:4096]
    controls = len(head) - len(head.translate(None, _CONTROLS))
    return (
        marked or controls <= max(2, _MOST_CONTROLS * len(head)) or _without_mark(data) is not None
    )


def _without_mark(data: bytes) -> str | None:
    """UTF-16 that has no byte order mark: every second byte of its ASCII letters is 0."""
    head = data[: 1 << 12]
    if len(head) < 4 or b"\0" not in head:
        return None
    half = len(head) // 2
    even, odd = head[::2].count(0), head[1::2].count(0)
    if odd >= 0.3 * half and even <= 0.02 * half:
        return "utf-16-le"
    if even >= 0.3 * half and odd <= 0.02 * half:
        return "utf-16-be"
    return None


def read_whole(data: bytes, encoding: Encoding) -> bytes | None:
    """Lines in UTF-8; None where some of them are not in their file's encoding."""
    try:
        if encoding.python == "utf-8":
            data.decode("utf-8")
            return data
        if encoding.guessed and _SEQUENCE.search(data):
            return None  # perhaps some lines are UTF-8
        return data.decode(encoding.python).encode("utf-8")
    except UnicodeError:
        return None


def read_line(line: bytes, encoding: Encoding) -> tuple[str, bool]:
    """One line, and whether it is in another encoding than its file."""
    if line.isascii():
        return line.decode("ascii"), False
    if encoding.guessed and encoding.python in SINGLE and _SEQUENCE.search(line):
        try:
            return line.decode("utf-8"), True
        except UnicodeDecodeError:
            pass
    try:
        return line.decode(encoding.python), False
    except UnicodeError:
        pass
    if encoding.python == "utf-8":
        if encoding.other != "cp1252" and not _SEQUENCE.search(line):
            try:
                return line.decode(encoding.other), True
            except UnicodeError:
                pass
        return line.decode("utf-8", "prom3e-byte"), True
    return line.decode(encoding.python, "replace"), True


SINGLE = ("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "mac-roman", "koi8-r")


def _byte(e: UnicodeError) -> tuple[str, int]:
    """A byte that is no UTF-8 as Windows-1252 has it."""
    if not isinstance(e, UnicodeDecodeError):
        raise e
    return e.object[e.start : e.start + 1].decode("cp1252", "replace"), e.start + 1


codecs.register_error("prom3e-byte", _byte)
