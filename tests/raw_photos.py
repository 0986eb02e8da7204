"""Camera raws made by code: a DNG whose thumbnail shows something else than its sensor saw."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 10: 8}


def write_dng(path: Path, rgb: np.ndarray, thumbnail: tuple[int, int, int], orientation: int = 1) -> Path:  # fmt: skip
    """A DNG of a (h, w, 3) picture in 0..1, linear, as an RGGB sensor sees it, with a 16 × 16 thumbnail of one colour."""
    h, w, _ = rgb.shape
    mosaic = np.empty((h, w), np.uint16)
    for y, x, channel in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)):
        mosaic[y::2, x::2] = np.round(rgb[y::2, x::2, channel] * 60_000).astype(np.uint16)
    small = bytes(thumbnail) * 256
    body = bytearray(b"II*\0" + struct.pack("<I", 8))
    thumbnail_at, raw_at, sub_at = 4096, 8192, 2048
    matrix = [v for row in np.linalg.inv(np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722],
              [0.0193, 0.1192, 0.9505]])) for v in row]  # fmt: skip
    main = {
        254: (4, [1]), 256: (4, [16]), 257: (4, [16]), 258: (3, [8, 8, 8]), 259: (3, [1]), 262: (3, [2]),
        271: (2, b"Invented\0"), 272: (2, b"Camera\0"), 273: (4, [thumbnail_at]), 274: (3, [orientation]), 277: (3, [3]),
        278: (4, [16]), 279: (4, [len(small)]), 284: (3, [1]), 330: (4, [sub_at]), 50706: (1, [1, 4, 0, 0]),
        50707: (1, [1, 1, 0, 0]), 50708: (2, b"Invented Camera\0"), 50721: (10, matrix), 50728: (5, [1.0, 1.0, 1.0]),
        50778: (3, [21]),
    }  # fmt: skip
    raw = {
        254: (4, [0]), 256: (4, [w]), 257: (4, [h]), 258: (3, [16]), 259: (3, [1]), 262: (3, [32803]), 273: (4, [raw_at]),
        277: (3, [1]), 278: (4, [h]), 279: (4, [2 * w * h]), 284: (3, [1]), 33421: (3, [2, 2]), 33422: (1, [0, 1, 1, 2]),
        50714: (3, [0]), 50717: (4, [60_000]),
    }  # fmt: skip
    body += _directory(main, 8)
    body = body.ljust(sub_at, b"\0") + _directory(raw, sub_at)
    body = body.ljust(thumbnail_at, b"\0") + small
    body = body.ljust(raw_at, b"\0") + mosaic.tobytes()
    path.write_bytes(bytes(body))
    return path


def _directory(tags: dict, at: int) -> bytes:
    entries, more = bytearray(struct.pack("<H", len(tags))), bytearray()
    start = at + 2 + 12 * len(tags) + 4
    for tag, (kind, values) in sorted(tags.items()):
        if kind in (5, 10):
            parts = [p for v in values for p in (round(v * 10_000), 10_000)]
            data = struct.pack(f"<{len(parts)}{'i' if kind == 10 else 'I'}", *parts)
        else:
            data = bytes(values) if kind in (1, 2) else struct.pack(f"<{len(values)}{'H' if kind == 3 else 'I'}", *values)  # fmt: skip
        count = len(data) // _SIZES[kind]
        if len(data) > 4:
            entries += struct.pack("<HHII", tag, kind, count, start + len(more))
            more += data + b"\0" * (len(data) % 2)
        else:
            entries += struct.pack("<HHI", tag, kind, count) + data.ljust(4, b"\0")
    return bytes(entries + struct.pack("<I", 0) + more)
