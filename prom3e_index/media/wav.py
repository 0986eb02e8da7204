"""WAV files whose header does not tell how long they are: a recorder that lost power, a copy that broke off."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from prom3e_index.media.sound_files import check_sound

UNCOUNTED = 1 << 48
"""More samples than that libsndfile states where it does not know how many there are."""
_MOST_CHUNKS = 256
_UNKNOWN = 0xFFFF_FFFF
_KNOWN = (
    b"LIST", b"bext", b"guan", b"id3 ", b"ID3 ", b"iXML", b"fact", b"cue ", b"smpl", b"wamd", b"JUNK", b"PAD ", b"_PMX",
)  # fmt: skip
"""Chunks that may follow the samples; where one does, a length of 0 means what it says."""


@contextmanager
def open_sound(path: Path) -> Iterator[tuple[Any, str | None]]:
    """A `soundfile.SoundFile`, and what to say of its header; a WAV whose header says length 0 is read to its end.

    Raises:
        soundfile.LibsndfileError: libsndfile does not read it.
        MediaError: It says what no recorder writes; see `check_sound`.
    """
    import soundfile

    with path.open("rb") as f:
        mended, note = _mended(f)
        if mended is None:
            opened = soundfile.SoundFile(path)
        else:
            opened = soundfile.SoundFile(mended)
        with opened as sound:
            known = sound.frames if 0 < sound.frames < UNCOUNTED else 0
            rate = sound.samplerate
            check_sound(path, sound.channels, rate, known / rate if rate > 0 else None)
            yield sound, note


def _mended(f: BinaryIO) -> tuple[BinaryIO | None, str | None]:
    """The file with a true header where its own says that no samples follow though they do; and what to say."""
    head = f.read(12)
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return None, None
    end = f.seek(0, io.SEEK_END)
    at = 12
    for _ in range(_MOST_CHUNKS):
        f.seek(at)
        name = f.read(8)
        if len(name) < 8:
            break
        size = int(struct.unpack("<I", name[4:])[0])
        if name[:4] == b"data":
            there = end - at - 8
            if size == 0 and there > 0 and f.read(4) not in _KNOWN:
                f.seek(0)
                start = bytearray(f.read(at + 8))
                start[4:8] = struct.pack("<I", min(end - 8, _UNKNOWN - 1))
                start[at + 4 : at + 8] = struct.pack("<I", min(there, _UNKNOWN - 1))
                note = "its header says length 0: read to the end of the file"
                return _Patched(f, bytes(start), end), note
            if there < size < _UNKNOWN - 65_536 and there > 0:
                return None, f"it ends before its header says: {there / size:.0%} of the sound is there"  # fmt: skip
            break
        at += 8 + size + size % 2
    return None, None


class _Patched(io.RawIOBase, BinaryIO):
    """A file with other first bytes."""

    def __init__(self, f: BinaryIO, start: bytes, end: int) -> None:
        self._f, self._start, self._end, self._at = f, start, end, 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a byte."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._end}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        """Where it is."""
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer from here; give how many bytes there were."""
        view = memoryview(buffer).cast("B")
        self._f.seek(self._at)
        read = bytearray(self._f.read(len(view)))
        if self._at < len(self._start):
            own = self._start[self._at : self._at + len(read)]
            read[: len(own)] = own
        view[: len(read)] = read
        self._at += len(read)
        return len(read)
