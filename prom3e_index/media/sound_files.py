"""What a sound file may say of itself, and the sound track of a file that FFmpeg opens.

The bounds hold wherever a recording is opened: by builds, queries, and for a page. A header beyond them is damaged or
made to be so; a row whose recording has one loses it, with the sentence.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prom3e_index.errors import MediaError
from prom3e_index.media.files import check_file
from prom3e_index.media.formats import instead, is_text

MAX_CHANNELS = 64
"""The largest arrays of microphones that are recorded into one file."""
LOWEST_HZ, HIGHEST_HZ = 100, 2_000_000
"""Samples per second. Below, nothing is left that the encoder hears, from 50 Hz on; above are no hydrophones."""
LONGEST_DAYS = 31
"""A recorder's file is a day long, rarely some; of each second a build could make a row."""
_DAY_S = 86_400


def check_sound(path: Path, channels: int, rate_hz: float, seconds: float | None = None) -> None:
    """Refuse a recording whose header says what no recorder writes.

    Args:
        path: The file, for the sentence.
        channels: Of it.
        rate_hz: Samples per second of each.
        seconds: How long it is; None where the header does not say.

    Raises:
        MediaError: No or more channels than `MAX_CHANNELS`, another rate than `LOWEST_HZ` to `HIGHEST_HZ`, or longer
            than `LONGEST_DAYS`.
    """
    if not 0 < channels <= MAX_CHANNELS:
        has = (
            f"{channels:,} channels" if channels else "no channels, or more than any decoder reads"
        )
        raise MediaError(
            f"{path} states {has}; 1 to {MAX_CHANNELS} are read: save the channels that matter"
        )
    if rate_hz <= 0:
        raise MediaError(f"{path} states no sample rate")
    if not LOWEST_HZ <= rate_hz <= HIGHEST_HZ:
        raise MediaError(
            f"{path} states {rate_hz:,.0f} samples per second; {LOWEST_HZ} to {HIGHEST_HZ:,} are read: its header is "
            "damaged, or it is no sound; save it anew"
        )
    if seconds is not None and seconds > LONGEST_DAYS * _DAY_S:
        raise MediaError(
            f"{path} states a length of {seconds / _DAY_S:,.0f} days, more than {LONGEST_DAYS}: its header is "
            "damaged; save it anew, or cut it"
        )


@contextmanager
def opened_track(path: Path) -> Iterator[tuple[Any, Any]]:
    """FFmpeg's container and first sound track of a file; its errors are ours within.

    Raises:
        MediaError: There is none, it cannot be decoded, or `check_sound` refuses it.
    """
    import av

    if is_text(check_file(path)):  # a playlist would have FFmpeg read other files
        raise MediaError(f"{path} is no sound file: {instead(path)}")
    try:
        with av.open(str(path), mode="r", options={"protocol_whitelist": "file"}) as container:
            if not container.streams.audio:
                what = instead(path)
                raise MediaError(f"{path} has no sound track{f': {what}' if what else ''}")
            track = container.streams.audio[0]
            long = container.duration / av.time_base if container.duration else None
            check_sound(path, int(track.channels or 0), float(track.rate or 0), long)
            yield container, track
    except MediaError:
        raise
    except (av.FFmpegError, OSError, ValueError) as e:
        way = instead(path, "audio") or "save it as WAV, FLAC or MP3"
        raise MediaError(f"{path} is no sound file that can be decoded ({e}): {way}") from e
