"""Spans of a recording: how long it is, and what the sound tower reads of some seconds within it.

A span is read where it lies, so a day-long file needs the memory of a few minutes. Values are those of the whole
file: the resampling filter gets the samples beside the span, in the phase that it has there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import MediaError
from prom3e_index.media.audio import AudioSpec, fusion_views, log_mel, resample
from prom3e_index.media.files import check_file
from prom3e_index.media.pool import Task
from prom3e_index.media.sound_files import opened_track
from prom3e_index.media.wav import UNCOUNTED, open_sound

Span = tuple[float, float]
"""First and last second."""
Floats = NDArray[np.float32]

LONGEST_S = 600.0
"""Seconds of one span that are read at once; a longer one is refused."""
MOST_SAMPLES = 24_000_000
"""Samples of a file that are held at once, 96 MB: 150 s of the fastest bat recorders, 8 minutes at 48 kHz."""
_BESIDE = 64
"""Samples beside a span that the resampling filter reaches; its half width is 7 for upsampling."""
_LEAST_S = 0.25
"""A span that the file ends in is heard when this much of it is there, or all that was asked for."""
_PREROLL_S = 1.0
"""A decoder that was sent to a place is right from the second packet on."""
_SEEKABLE = ("mov", "matroska", "flac", "wav", "caf", "aiff")
"""Containers that say where each packet belongs in time; of others the packets before the span are decoded too."""

SILENT, ENDED, BROKEN = np.float32(np.nan), np.float32(np.inf), np.float32(-np.inf)


def refusal(view: Floats) -> str | None:
    """Why a span gave no features, by the first number of what `span_features` says of it; None if it gave them."""
    first = view.reshape(-1)[0]
    if np.isfinite(first):
        return None
    if np.isnan(first):
        return "is silent: every sample is zero"
    return "ends before this span" if first > 0 else "holds samples that are not numbers"


def whole_views(features: NDArray[Any]) -> NDArray[Any]:
    """Features as the tower takes them, (w, 4, frames, mels): the one view of a short span is all four."""
    if features.ndim != 4 or features.shape[1] != 1:
        return features
    return np.broadcast_to(features, (len(features), 4, *features.shape[2:]))


def media_task(modality: str, path: Path, spec: dict[str, Any], span: Sequence[Any] | None) -> Task:
    """What a decode process is asked for: a file, or one span of a recording, up to a window where its end is None."""
    if span is None or modality != "audio":
        return Task(modality, path, spec)
    start, end = span
    whole = (float(start), float(start + spec["window_s"] if end is None else end))
    return Task("spans", path, {**spec, "spans": [whole]})


def heard_of(seconds: float, note: str | None, spec: AudioSpec) -> str | None:
    """What to say of a recording that is heard as a whole: what its decoding said, and how little a long one tells."""
    if seconds <= 3 * spec.window_s or spec.every_window:
        return note
    said = (
        f"{seconds:.0f} s long, heard as a whole and in three crops of {spec.window_s} s; a call in it is found by its "
        "span, as @7:00-7:10 after the file's name"
    )
    return said if note is None else f"{note}; {said}"


def duration_and_note(path: Path) -> tuple[float, str | None]:
    """Length of a recording in seconds, from its headers or counted where they do not say; and what to say of these.

    Raises:
        MediaError: No sound file.
    """
    import soundfile

    check_file(path)
    try:
        with open_sound(path) as (f, note):
            if 0 < f.frames < UNCOUNTED:
                return float(f.frames / f.samplerate), note
            frames = sum(len(b) for b in f.blocks(1 << 16, always_2d=True))
            return float(frames / f.samplerate), note
    except (soundfile.LibsndfileError, soundfile.SoundFileRuntimeError):
        return _ffmpeg_duration_s(path), None


def _ffmpeg_duration_s(path: Path) -> float:
    with opened_track(path) as (container, stream):
        if container.format.name.startswith(_SEEKABLE):
            if stream.duration:
                return float(stream.duration * stream.time_base)
            if container.duration:
                return float(container.duration / 1_000_000)
        return sum(
            float((packet.duration or 0) * (packet.time_base or 0))
            for packet in container.demux(stream)
        )


def span_features(path: Path, spec: AudioSpec, spans: Sequence[Span]) -> Floats:
    """What the sound tower reads of some spans, which are read together and lie near each other.

    Args:
        path: The recording.
        spec: See `fusion_views`; `every_window` is of no use here.
        spans: In ascending order of their starts.

    Returns:
        (spans, views, frames, mels) float32. One view where no span is longer than the window, for its four are equal;
        a span that gives no features holds a number that `refusal` reads.

    Raises:
        MediaError: No sound file, or a span that is too long.
    """
    long = max(end - start for start, end in spans)
    if long > LONGEST_S:
        raise MediaError(
            f"{path}: a span of {long:g} s is longer than the {LONGEST_S:g} s that are read at once; give shorter ones"
        )
    first, last = spans[0][0], max(end for _, end in spans)
    views = 1 if long <= spec.window_s else 4
    frames = spec.window // spec.hop + 1
    out = np.empty((len(spans), views, frames, spec.mels), np.float32)
    wave, rate, begins = read_span(path, first, last, spec.sample_rate_hz)
    g = math.gcd(rate, spec.sample_rate_hz)
    offset = begins * (spec.sample_rate_hz // g) // (rate // g)
    heard = resample(wave, rate, spec.sample_rate_hz)
    for i, (start, end) in enumerate(spans):
        low, high = (round(at * spec.sample_rate_hz) - offset for at in (start, end))
        raw = wave[max(0, round(start * rate) - begins) : max(0, round(end * rate) - begins)]
        part = heard[max(0, low) : max(0, high)]
        if len(part) < min(_LEAST_S * spec.sample_rate_hz, high - low):
            out[i] = ENDED
        elif not np.isfinite(raw).all():
            out[i] = BROKEN
        elif not raw.any():
            out[i] = SILENT
        else:
            out[i] = fusion_views(part, spec)[0][:views]
    return out


def energy(path: Path, seconds: float, start_s: float = 0.0) -> Floats:
    """Log-mel energy of some seconds of a recording, to be looked at: (frames, mels) decibels, float32."""
    spec = AudioSpec()
    wave, rate, begins = read_span(path, start_s, start_s + seconds, spec.sample_rate_hz)
    wave = wave[max(0, round(start_s * rate) - begins) :][: round(seconds * rate)]
    if not len(wave):
        raise MediaError(f"{path} holds no samples at {start_s:g} s")
    wave = resample(wave, rate, spec.sample_rate_hz)
    return log_mel(wave if len(wave) > spec.n_fft else np.pad(wave, (0, spec.n_fft)), spec)


def read_span(path: Path, start_s: float, end_s: float, to_hz: int) -> tuple[Floats, int, int]:
    """Samples from `start_s` to `end_s`, mean over channels, and some beside them for a resampling to `to_hz`.

    Returns:
        (samples,) float32, fewer where the file ends; their rate in Hz; and the number in the file of the first,
        which is a sample of the resampled file too.

    Raises:
        MediaError: No sound file, or one of which a span of this length would not fit the memory.
    """
    import soundfile

    check_file(path)
    try:
        with open_sound(path) as (f, _):
            rate = int(f.samplerate)
            first, last = _samples(path, start_s, end_s, rate, to_hz)
            if 0 < f.frames <= first:
                return np.zeros(0, np.float32), rate, first
            f.seek(first)
            parts = [
                block.mean(axis=1, dtype=np.float32)
                for block in f.blocks(1 << 16, frames=last - first, dtype="float32", always_2d=True)
            ]
            return _joined(parts), rate, first
    except (soundfile.LibsndfileError, soundfile.SoundFileRuntimeError):
        return _ffmpeg_span(path, start_s, end_s, to_hz)


def _samples(path: Path, start_s: float, end_s: float, rate: int, to_hz: int) -> tuple[int, int]:
    """Numbers of the first sample read and of the one after the last."""
    down = rate // math.gcd(rate, to_hz)
    first = max(0, (round(start_s * rate) - _BESIDE * max(1, rate // to_hz)) // down * down)
    last = round(end_s * rate) + _BESIDE * max(1, rate // to_hz)
    if last - first > MOST_SAMPLES + down:
        raise MediaError(
            f"{path}: {end_s - start_s:g} s at {rate} Hz are more than {MOST_SAMPLES:,} samples; give shorter spans"
        )
    return first, last


def _joined(parts: list[Floats]) -> Floats:
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def _ffmpeg_span(path: Path, start_s: float, end_s: float, to_hz: int) -> tuple[Floats, int, int]:
    with opened_track(path) as (container, stream):
        rate = int(stream.rate)
        first, last = _samples(path, start_s, end_s, rate, to_hz)
        parts = []
        for at, part in _placed(container, stream, rate, first):
            if at + len(part) > first:
                parts.append(part[max(0, first - at) : max(0, last - at)])
            if at + len(part) >= last:
                break
        return _joined(parts), rate, first


def _placed(container: Any, stream: Any, rate: int, first: int) -> Iterator[tuple[int, Floats]]:
    """Decoded samples with the number in the file of the first of each part, from before `first` on.

    In Matroska, whose times are milliseconds, that number is up to half a millisecond off.
    """
    import av

    begin = 0
    moved = container.format.name.startswith(_SEEKABLE) and first > _PREROLL_S * rate
    resampler = av.AudioResampler(format="fltp")
    if moved:
        begin = int(next(container.decode(stream)).pts or 0)  # not every file begins at time 0
        to = begin + int((first / rate - _PREROLL_S) / stream.time_base)
        container.seek(to, stream=stream, backward=True)
    at: int | None = None
    for frame in container.decode(stream):
        if at is None:
            at = 0
            if moved and frame.pts is not None:
                at = round(float((frame.pts - begin) * frame.time_base) * rate)
        for planar in resampler.resample(frame):
            part = planar.to_ndarray().mean(axis=0, dtype=np.float32)
            yield at, part
            at += len(part)
