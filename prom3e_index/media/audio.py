"""Recordings to the log-mel features that the CLAP audio tower reads.

Follows the published chain: mean over channels, windowed-sinc resampling to 48 kHz, repeat and pad
to 10 s, 64 log-mel bands, four views ("fusion"). Computed here with numpy because it runs
in every decode worker, where importing torch and transformers would cost 1 GB each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import MediaError
from prom3e_index.media.files import check_file
from prom3e_index.media.sound_files import opened_track
from prom3e_index.media.wav import open_sound

MAX_SECONDS = 600
"""Longer recordings are read up to here; a day-long file must not fill the memory."""
_FRAMES = 128
"""Frames that are transformed together: with their spectra they stay in the cache; 1,000 take twice as long."""
_BLOCK = 1 << 18
"""Samples of each channel that are read at once."""


@dataclass(frozen=True)
class AudioSpec:
    """How a recording becomes the network's input (values of clap-htsat-fused).

    Attributes:
        sample_rate_hz: Rate that the features are computed at.
        window_s: Seconds that the network sees.
        n_fft: Samples of a spectrum.
        hop: Samples between spectra.
        mels: Mel bands.
        low_hz: Lowest frequency.
        high_hz: Highest frequency.
        seed: Positions of the three crops of a longer clip are drawn from this seed, per file.
        every_window: Embed each window of a longer clip and average, instead of the published crops.
    """

    sample_rate_hz: int = 48_000
    window_s: int = 10
    n_fft: int = 1024
    hop: int = 480
    mels: int = 64
    low_hz: float = 50.0
    high_hz: float = 14_000.0
    seed: int = 0
    every_window: bool = False

    @property
    def window(self) -> int:
        """Samples that the network sees."""
        return self.window_s * self.sample_rate_hz


def read_mono(path: Path) -> tuple[NDArray[np.float32], int]:
    """Decode a recording, mean over channels, up to `MAX_SECONDS`; `audio_features_and_note` says when it is longer.

    WAV, FLAC, MP3, OGG, Opus and others through libsndfile; m4a/AAC and the rest through FFmpeg.

    Returns:
        (samples,) float32 in -1..1, and the sample rate in Hz.

    Raises:
        MediaError: Not a sound file, empty, silent throughout, or with values that are not numbers.
    """
    wave, rate, _ = _read(path)
    return wave, rate


def _read(path: Path) -> tuple[NDArray[np.float32], int, list[str]]:
    """As `read_mono`, and what is to be said: that the file goes on beyond what was read, that its header is wrong."""
    import soundfile

    check_file(path)
    notes: list[str] = []
    try:
        with open_sound(path) as (f, note):
            rate = int(f.samplerate)
            blocks = f.blocks(
                blocksize=min(rate, _BLOCK),
                frames=MAX_SECONDS * rate,
                dtype="float32",
                always_2d=True,
            )
            mono = [block.mean(axis=1, dtype=np.float32) for block in blocks]
            more = len(f.read(1)) > 0
            notes += [] if note is None else [note]
    except (soundfile.LibsndfileError, soundfile.SoundFileRuntimeError):
        mono, rate, more = _read_with_ffmpeg(path)
    if more:
        notes.append(f"longer than {MAX_SECONDS} s: only the first {MAX_SECONDS} s are read")
    wave = np.concatenate(mono) if mono else np.zeros(0, np.float32)
    if wave.size == 0:
        raise MediaError(f"{path} holds no samples")
    if not np.isfinite(wave).all():
        raise MediaError(f"{path} holds samples that are not numbers (NaN or infinite)")
    if not wave.any():
        raise MediaError(f"{path} is silent: every sample is zero")
    return wave, rate, notes


def _read_with_ffmpeg(path: Path) -> tuple[list[NDArray[np.float32]], int, bool]:
    import av

    with opened_track(path) as (container, track):
        rate = int(track.rate)
        mono: list[NDArray[np.float32]] = []
        room = MAX_SECONDS * rate
        resampler = av.AudioResampler(format="fltp")
        for frame in container.decode(track):
            for planar in resampler.resample(frame):
                part = planar.to_ndarray().mean(axis=0, dtype=np.float32)
                if part.size > room:
                    return [*mono, part[:room]], rate, True
                mono.append(part)
                room -= part.size
    return mono, rate, False


def resample(wave: NDArray[np.float32], rate_hz: int, to_hz: int) -> NDArray[np.float32]:
    """Resample with a Hann-windowed sinc, 6 zero crossings, rolloff 0.99.

    The published chain's resampler (torchaudio's default) as one polyphase filter; agrees with it
    to float32 rounding. `scipy.signal` has such filters too, but each process waits half a second for it.

    Returns:
        (ceil(samples · to_hz / rate_hz),) float32.
    """
    if rate_hz == to_hz or not wave.size:
        return wave
    g = math.gcd(rate_hz, to_hz)
    down, up = rate_hz // g, to_hz // g
    taps = _taps(down, up)
    reach = taps.shape[1] // 2
    length = math.ceil(up * len(wave) / down)
    periods = -(-length // up)
    after = max(0, periods * down + reach + 1 - len(wave))
    near = np.lib.stride_tricks.sliding_window_view(np.pad(wave, (reach, after)), taps.shape[1])
    out = np.empty((periods, up), np.float32)
    for phase in range(up):
        some = near[phase * down // up :: down][:periods]
        out[:, phase] = np.einsum("pt,t->p", some, taps[phase])  # by `@` sums depend on how many
    return out.reshape(-1)[:length]


@lru_cache(maxsize=4)
def _taps(down: int, up: int) -> NDArray[np.float32]:
    """The filter of each output of a period, (up, 2 · reach + 1), around the sample at or before it."""
    cutoff = min(down, up) * 0.99
    reach = math.ceil(6 * down / cutoff)
    beyond = (np.arange(up) * down % up)[:, None] / up  # of that sample, in samples
    t = np.clip((np.arange(-reach, reach + 1) - beyond) * (cutoff / down), -6, 6)
    taps = np.sinc(t) * np.cos(t * math.pi / 12) ** 2 * (cutoff / down)
    return np.asarray(taps, np.float32)


@lru_cache(maxsize=4)
def _mel_filters(spec: AudioSpec) -> NDArray[np.float64]:
    """Triangular HTK mel filters without area normalisation, (n_fft / 2 + 1, mels)."""

    def mel(hz: float) -> float:
        return 2595.0 * math.log10(1.0 + hz / 700.0)

    edges_mel = np.linspace(mel(spec.low_hz), mel(spec.high_hz), spec.mels + 2)
    edges = 700.0 * (10.0 ** (edges_mel / 2595.0) - 1.0)
    bins = np.linspace(0, spec.sample_rate_hz // 2, spec.n_fft // 2 + 1)
    rising = (bins[:, None] - edges[None, :-2]) / np.diff(edges)[:-1]
    falling = (edges[None, 2:] - bins[:, None]) / np.diff(edges)[1:]
    return np.asarray(np.maximum(0.0, np.minimum(rising, falling)))


def log_mel(wave: NDArray[np.float32], spec: AudioSpec) -> NDArray[np.float32]:
    """Compute log-mel frames in decibels, (1 + samples // hop, mels) float32.

    Power spectra of centred, reflected, Hann-windowed frames; floor 1e-10.
    """
    half = spec.n_fft // 2
    padded = np.pad(wave.astype(np.float64), half, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, spec.n_fft)[:: spec.hop]
    window = np.hanning(spec.n_fft + 1)[:-1]
    filters = _mel_filters(spec)
    out = np.empty((len(frames), spec.mels), np.float32)
    for start in range(0, len(frames), _FRAMES):
        spectrum = np.fft.rfft(frames[start : start + _FRAMES] * window, axis=1)
        power = spectrum.real**2 + spectrum.imag**2
        out[start : start + _FRAMES] = 10.0 * np.log10(np.maximum(power @ filters, 1e-10))
    return out


def _repeat_and_pad(wave: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    repeated = np.tile(wave, max(1, length // len(wave)))[:length]
    return np.pad(repeated, (0, length - len(repeated)))


def _shrink(mel: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
    """Interpolate (t, mels) linearly to (frames, mels), half-pixel centres, edges clamped."""
    at = np.clip((np.arange(frames) + 0.5) * len(mel) / frames - 0.5, 0, len(mel) - 1)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, len(mel) - 1)
    part = (at - low).astype(np.float32)[:, None]
    return np.asarray(mel[low] * (1 - part) + mel[high] * part, np.float32)


def fusion_views(wave: NDArray[np.float32], spec: AudioSpec) -> tuple[NDArray[np.float32], bool]:
    """Compute the four views of a recording at the model's rate.

    Up to one window: four times the same frames. Longer: the whole shrunk, and three crops, one in
    each third, at places drawn from `spec.seed` (the published code draws them unseeded).

    Returns:
        (4, frames, mels) float32, and the flag the network is given. It is True for short clips as
        well: published, one clip at a time, the processor always sets it.
    """
    frames = spec.window // spec.hop + 1
    if len(wave) <= spec.window:
        mel = log_mel(_repeat_and_pad(wave, spec.window), spec)
        return np.stack([mel] * 4), True
    mel = log_mel(wave, spec)
    if len(mel) == frames:
        return np.stack([mel] * 4), True
    thirds = np.array_split(np.arange(len(mel) - frames + 1), 3)
    draw = np.random.RandomState(spec.seed)
    starts = [int(draw.choice(third if len(third) else np.array([0]))) for third in thirds]
    return np.stack([_shrink(mel, frames), *(mel[s : s + frames] for s in starts)]), True


def audio_features(path: Path, spec: AudioSpec) -> NDArray[np.float32]:
    """Decode a recording and compute its features.

    Returns:
        (w, 4, frames, mels) float32; w = 1, or with `every_window` one per window (the rest of a
        clip, when at least a second, is a window of its own, repeated and padded).
    """
    return audio_features_and_note(path, spec)[0]


def audio_features_and_note(path: Path, spec: AudioSpec) -> tuple[NDArray[np.float32], str | None]:
    """As `audio_features`, and what to say of a recording that is longer than `MAX_SECONDS` or has a wrong header."""
    wave, rate, notes = _read(path)
    note = "; ".join(notes) or None
    wave = resample(wave, rate, spec.sample_rate_hz)
    if not spec.every_window or len(wave) <= spec.window:
        return fusion_views(wave, spec)[0][None], note
    parts = [wave[i : i + spec.window] for i in range(0, len(wave), spec.window)]
    parts = [p for p in parts if len(p) >= spec.sample_rate_hz]
    return np.stack([fusion_views(p, spec)[0] for p in parts]), note
