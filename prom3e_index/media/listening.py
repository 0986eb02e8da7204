"""Recordings to be heard and looked at in a browser: copies that it plays, without tags, and spectrograms in kHz."""

from __future__ import annotations

import io
import math
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import MediaError
from prom3e_index.media.audio import resample
from prom3e_index.media.sound_files import opened_track
from prom3e_index.media.spans import MOST_SAMPLES, duration_and_note, read_span
from prom3e_index.media.wav import open_sound

Floats = NDArray[np.float32]
COPIED_BYTES = 256 << 20
"""The largest file that is copied whole; of larger ones spans are heard."""
FLOOR_DB = -140.0
"""Decibels of silence: below what any recorder writes."""
_LOWEST_HZ, _HIGHEST_HZ, _USUAL_HZ = 8_000, 96_000, 48_000
"""Sample rates that every browser plays, and the one that others become."""
_PLAYED = {
    "wav": ("wav", {"pcm_s16le", "pcm_u8"}),
    "mp3": ("mp3", {"mp3", "mp3float"}),
    "ogg": ("ogg", {"vorbis", "opus"}),
    "flac": ("flac", {"flac"}),
    "mov": ("ipod", {"aac"}),
    "aac": ("adts", {"aac"}),
    "matroska": ("webm", {"opus", "vorbis"}),
}
"""Containers that browsers play, by the beginning of FFmpeg's name: how they are written again, and which codecs."""


def track(path: Path) -> tuple[float, int]:
    """Length of a recording in seconds, and its sample rate in Hz.

    Raises:
        MediaError: No sound file.
    """
    import soundfile

    seconds, _ = duration_and_note(path)
    try:
        with open_sound(path) as (f, _):
            return seconds, int(f.samplerate)
    except (soundfile.LibsndfileError, soundfile.SoundFileRuntimeError):
        with opened_track(path) as (_, stream):
            return seconds, int(stream.rate)


def playable(
    path: Path, start_s: float | None = None, end_s: float | None = None, speed: float = 1.0
) -> bytes:
    """A recording as a file that browsers play, without what is said of it in tags.

    The whole of it in its own form where browsers know that, sample by sample as it was; else WAV of 16 bits, mean over
    channels. So are spans, and what is played slower: there the same samples are played at a lower rate, so that the
    calls of bats come down to where they are heard.

    Args:
        path: The file.
        start_s: First second; the beginning when None.
        end_s: Last second; the end when None.
        speed: 1 as it was; 0.1 makes a second ten, and 50 kHz 5 kHz.

    Raises:
        MediaError: No sound file, a span that holds nothing, or more samples than are held at once.
    """
    seconds, rate = track(path)
    whole = start_s is None and end_s is None and speed == 1
    if whole and rate <= _HIGHEST_HZ and path.stat().st_size <= COPIED_BYTES:
        copy = bare(path)
        if copy is not None:
            return copy
    wave = _samples(path, start_s or 0.0, seconds if end_s is None else min(end_s, seconds), rate)
    heard = max(1, round(rate * speed))
    if heard > _HIGHEST_HZ:
        wave, heard = resample(wave, heard, _USUAL_HZ), _USUAL_HZ
    elif heard < _LOWEST_HZ:
        more = math.ceil(_LOWEST_HZ / heard)
        wave, heard = resample(wave, 1, more), heard * more
    return wav(wave, heard)


def wav(wave: Floats, rate_hz: int) -> bytes:
    """Samples of −1 to 1 as a WAV file of 16 bits, one channel; what lies beyond is cut."""
    body = np.round(np.clip(wave, -1, 1) * 32767).astype("<i2").tobytes()
    form = struct.pack("<HHIIHH", 1, 1, rate_hz, 2 * rate_hz, 2, 16)
    size = struct.pack("<I", 36 + len(body))
    return b"".join(
        [b"RIFF", size, b"WAVEfmt ", struct.pack("<I", 16), form, b"data", struct.pack("<I", len(body)), body]
    )  # fmt: skip


def levels(
    path: Path,
    start_s: float,
    seconds: float,
    width: int,
    height: int,
    high_hz: float | None = None,
) -> Floats:
    """A spectrogram with an even axis of frequency, to be looked at.

    Args:
        path: The recording.
        start_s: First second.
        seconds: How long; less where the file ends, and the picture is as wide.
        width: Columns, even in time; each the loudest of its moments.
        height: Rows, even in frequency, the highest first; each the loudest of its bands.
        high_hz: Upper end; half the sample rate when None, and at most that.

    Returns:
        (height, width) float32, decibels: a sine that fills the range is at 0.

    Raises:
        MediaError: No sound file, or nothing at that second.
    """
    whole, rate = track(path)
    wave = _samples(path, start_s, min(start_s + seconds, whole), rate)
    top = min(high_hz or rate / 2, rate / 2)
    n_fft = 1 << max(9, math.ceil(math.log2(2 * height * rate / 2 / top)))
    n_fft = min(n_fft, 1 << 14)
    hop = max(1, min(n_fft // 2, len(wave) // width))
    padded = np.pad(wave, (n_fft // 2, n_fft // 2))
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop]
    window = np.hanning(n_fft + 1)[:-1].astype(np.float32)
    last = max(2, round(top / rate * n_fft))
    rows = np.arange(height) * last // height
    column = np.minimum(np.arange(len(frames)) * width // len(frames), width - 1)
    out = np.zeros((width, height))
    for at in range(0, len(frames), 1024):  # bounds the memory of fast recorders
        power = np.abs(np.fft.rfft(frames[at : at + 1024] * window, axis=1)) ** 2
        loudest = np.maximum.reduceat(power[:, 1 : last + 1], rows, axis=1)
        np.maximum.at(out, column[at : at + 1024], loudest)
    if len(frames) < width:
        out = out[column[np.arange(width) * len(frames) // width]]
    full = (window.sum() / 2) ** 2
    decibels = 10 * np.log10(np.maximum(out / full, 10 ** (FLOOR_DB / 10)))
    return np.asarray(decibels.T[::-1], np.float32)


def _samples(path: Path, start_s: float, end_s: float, rate: int) -> Floats:
    """The samples of a span, mean over channels."""
    if (end_s - start_s) * rate > MOST_SAMPLES:
        raise MediaError(
            f"{path}: {end_s - start_s:,.0f} s at {rate:,} Hz are more than {MOST_SAMPLES:,} samples; ask for a "
            "span"
        )
    wave, _, first = read_span(path, start_s, max(end_s, start_s), rate)
    wave = wave[max(0, round(start_s * rate) - first) : max(0, round(end_s * rate) - first)]
    if not len(wave):
        raise MediaError(f"{path} holds no samples at {start_s:g} s")
    return np.nan_to_num(wave, nan=0.0, posinf=1.0, neginf=-1.0)


def bare(path: Path) -> bytes | None:
    """A recording as its file has it, the same samples in the same form, without what is said of it.

    Args:
        path: The file.

    Returns:
        A file's bytes without tags and pictures; None where browsers do not play its form, or it cannot be written
        again.
    """
    import av

    out = io.BytesIO()
    with opened_track(path) as (source, stream):
        name = source.format.name
        form = next((f for begin, f in _PLAYED.items() if name.startswith(begin)), None)
        if form is None or stream.codec_context.name not in form[1]:
            return None
        try:
            with av.open(out, "w", format=form[0], options={"fflags": "+bitexact"}) as to:
                copy = to.add_stream_from_template(stream)
                for packet in source.demux(stream):
                    if packet.dts is not None:
                        packet.stream = copy
                        to.mux(packet)
        except (av.FFmpegError, ValueError, OverflowError):
            return None
    return out.getvalue()
