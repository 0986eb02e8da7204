"""Recordings for tests: noise with chirps at known places, whatever the length, rate and format."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import soundfile


def chirp(rate: int, seconds: float = 3.0, low: float = 2000, high: float = 6000) -> np.ndarray:
    """A call that rises and is struck five times a second."""
    t = np.arange(round(seconds * rate)) / rate
    sweep = np.sin(2 * np.pi * (low * t + (high - low) * t**2 / (2 * seconds)))
    return (0.5 * sweep * (np.sin(2 * np.pi * 5 * t) > 0)).astype(np.float32)


def noise(rate: int, seconds: float, seed: int = 0, level: float = 0.003) -> np.ndarray:
    """Wind."""
    drawn = np.random.default_rng(seed).normal(size=round(seconds * rate))
    return (level * drawn).astype(np.float32)


def with_calls(wave: np.ndarray, rate: int, calls: Mapping[float, np.ndarray]) -> np.ndarray:
    """The same with calls at some seconds."""
    out = wave.copy()
    for at, call in calls.items():
        begin = round(at * rate)
        out[begin : begin + len(call)] += call
    return out


def write(path: Path, wave: np.ndarray, rate: int) -> Path:
    """A file in the format of its ending; `.m4a` and `.webm` through FFmpeg."""
    codec = {".m4a": "aac", ".mkv": "aac", ".webm": "libopus", ".aac": "aac"}.get(path.suffix)
    if codec is None:
        soundfile.write(path, wave, rate)
        return path
    import av

    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=rate, layout="mono")
        for at in range(0, len(wave), 1024):
            part = np.ascontiguousarray(wave[None, at : at + 1024], np.float32)
            frame = av.AudioFrame.from_ndarray(part, "fltp", "mono")
            frame.sample_rate, frame.pts = rate, at
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path
