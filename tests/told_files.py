"""Photos and recordings that say where, when and of what they are; made by code."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from PIL import Image


def told_photo(path: Path, *, place: Any = None, taken: str | None = None, exif: dict[int, Any] | None = None,
               xmp: str | None = None, seed: int = 0) -> Path:  # fmt: skip
    """A photo with EXIF: `place` in degrees or a GPS directory, `taken` as EXIF writes it, `exif` more tags."""
    notes = Image.Exif()
    for tag, value in (exif or {}).items():
        notes[tag] = value
    if taken is not None:
        notes.get_ifd(0x8769)[36867] = taken
    if isinstance(place, dict):
        notes.get_ifd(0x8825).update(place)
    elif place is not None:
        lat, lon = place
        notes.get_ifd(0x8825).update({
            1: "N" if lat >= 0 else "S", 2: (abs(lat), 0.0, 0.0), 3: "E" if lon >= 0 else "W",
            4: (float(int(abs(lon))), (abs(lon) - int(abs(lon))) * 60, 0.0),
        })  # fmt: skip
    pixels = np.random.default_rng(seed).integers(0, 255, (32, 32, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    more = {} if xmp is None else {"xmp": xmp.encode()}
    Image.fromarray(pixels).save(path, exif=notes, **more)
    return path


def told_wav(path: Path, *chunks: tuple[bytes, bytes], seed: int = 0) -> Path:
    """A recording of half a second with chunks after its samples."""
    wave = np.random.default_rng(seed).uniform(-0.5, 0.5, 8000)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wave, 16_000, format="WAV")
    raw = path.read_bytes()
    for name, body in chunks:
        raw += name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
    path.write_bytes(raw[:4] + struct.pack("<I", len(raw) - 8) + raw[8:])
    return path


def guano(**notes: str) -> tuple[bytes, bytes]:
    """A GUANO chunk; `_` in a name stands for a blank."""
    lines = ["GUANO|Version: 1.0", *(f"{k.replace('_', ' ')}: {v}" for k, v in notes.items())]
    return b"guan", "\n".join(lines).encode()


def comment(text: str) -> tuple[bytes, bytes]:
    """An AudioMoth's comment, as a LIST chunk."""
    body = text.encode() + b"\0" * (2 - len(text) % 2)
    return b"LIST", b"INFO" + b"ICMT" + struct.pack("<I", len(body)) + body


def bext(day: str, time: str, originator: str = "") -> tuple[bytes, bytes]:
    """A Broadcast Wave chunk."""
    return b"bext", bytes(256) + originator.encode().ljust(32, b"\0") + bytes(32) + f"{day}{time}".encode() + bytes(264)  # fmt: skip


def wamd(**notes: str) -> tuple[bytes, bytes]:
    """Wildlife Acoustics' chunk."""
    numbers = {"model": 1, "timestamp": 5, "gps": 6, "manual": 12}
    parts = [struct.pack("<HIH", 0, 2, 1)]
    parts += [struct.pack("<HI", numbers[k], len(v.encode())) + v.encode() for k, v in notes.items()]  # fmt: skip
    return b"wamd", b"".join(parts)
