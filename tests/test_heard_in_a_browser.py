"""Recordings for a browser: copies without tags, spans, calls of bats slowed down, spectrograms with an even kHz axis."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
from recordings import chirp, noise, write

from prom3e_index.errors import MediaError
from prom3e_index.media.listening import FLOOR_DB, bare, levels, playable, track, wav
from prom3e_index.media.pool import DecodePool, Task


def sine(hz: float, rate: int, seconds: float, peak: float = 0.5) -> np.ndarray:
    return (peak * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(
        np.float32
    )


def read(data: bytes) -> tuple[np.ndarray, int]:
    return soundfile.read(io.BytesIO(data), dtype="float32")


def loudest_hz(wave: np.ndarray, rate: int) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(wave))) * rate / len(wave))


@pytest.mark.parametrize(
    ("ending", "begins"),
    [(".wav", b"RIFF"), (".flac", b"fLaC"), (".ogg", b"OggS"), (".webm", b"\x1a\x45\xdf\xa3")],
)
def test_what_browsers_play_is_copied_sample_by_sample(tmp_path, ending, begins):
    path = write(tmp_path / f"a{ending}", chirp(48_000, 1.5), 48_000)
    copy = playable(path)
    again = tmp_path / f"again{ending}"
    again.write_bytes(copy)

    assert copy.startswith(begins)
    if ending != ".webm":  # libsndfile reads no Matroska
        got, stands = soundfile.read(again)[0], soundfile.read(path)[0]
        np.testing.assert_array_equal(got, stands[: len(got)])
        assert len(stands) - len(got) <= (256 if ending == ".ogg" else 0)  # of its last packet
    assert track(again)[0] == pytest.approx(track(path)[0], abs=0.03)


def test_a_copy_has_no_tags(tmp_path):
    path = tmp_path / "a.flac"
    with soundfile.SoundFile(path, "w", 8000, 1) as f:
        f.title, f.comment = "nest at 46.8123, 7.1234", "47.1N"
        f.write(chirp(8000, 1.0, 500, 900))
    assert b"46.8123" in path.read_bytes()
    copy = bare(path)

    assert copy is not None
    assert b"46.8123" not in copy
    assert b"47.1N" not in copy


def test_what_browsers_do_not_play_becomes_wav(tmp_path):
    path = tmp_path / "a.aiff"
    wave = chirp(44_100, 1.0)
    soundfile.write(path, np.stack([wave, 0.5 * wave], 1), 44_100, subtype="PCM_24")
    got, rate = read(playable(path))

    assert rate == 44_100
    np.testing.assert_allclose(got, 0.75 * wave, atol=1 / 32_000)


@pytest.mark.parametrize(("start", "end"), [(0.0, 0.5), (0.7, 1.2), (1.2, None), (1.4, 9.0)])
def test_a_span_is_the_samples_of_its_seconds(tmp_path, start, end):
    wave = noise(16_000, 1.5, level=0.2)
    path = write(tmp_path / "a.wav", wave, 16_000)
    got, rate = read(playable(path, start, end))
    stands = soundfile.read(path, dtype="float32")[0]

    assert rate == 16_000
    last = len(wave) if end is None else min(len(wave), round(end * 16_000))
    np.testing.assert_allclose(got, stands[round(start * 16_000) : last], atol=1 / 32_000)


@pytest.mark.parametrize(
    ("rate", "hz", "speed", "heard"),
    [(384_000, 50_000, 0.1, 38_400), (192_000, 40_000, 0.5, 96_000), (384_000, 9_000, 1.0, 48_000),
     (16_000, 3_000, 0.1, 8_000)],
)  # fmt: skip
def test_slower_is_lower_and_longer_at_a_rate_that_browsers_play(tmp_path, rate, hz, speed, heard):
    path = write(tmp_path / "bat.wav", sine(hz, rate, 0.2), rate)
    got, at = read(playable(path, speed=speed))

    assert at == heard
    assert len(got) / at == pytest.approx(0.2 / speed, rel=0.01)
    assert loudest_hz(got, at) == pytest.approx(hz * speed, rel=0.01)


def test_a_span_that_holds_nothing_and_one_that_is_too_long_are_refused(tmp_path, monkeypatch):
    path = write(tmp_path / "a.wav", chirp(8000, 1.0, 500, 900), 8000)
    with pytest.raises(MediaError, match="no samples at 5 s"):
        playable(path, 5.0, 6.0)
    monkeypatch.setattr("prom3e_index.media.listening.MOST_SAMPLES", 1000)
    with pytest.raises(MediaError, match="more than 1,000 samples"):
        playable(path, 0.0, 0.5)


@pytest.mark.parametrize("rate", [22_050, 48_000, 256_000])
@pytest.mark.parametrize("part", [0.1, 0.45, 0.9])
def test_a_tone_stands_in_the_row_of_its_frequency_at_its_level(tmp_path, rate, part):
    hz = part * rate / 2
    path = write(tmp_path / "a.wav", sine(hz, rate, 1.0), rate)
    drawn = levels(path, 0.0, 1.0, 200, 64)

    assert drawn.shape == (64, 200)
    row = 63 - drawn[:, 100].argmax()
    assert row == pytest.approx(64 * part, abs=1)
    assert drawn.max() == pytest.approx(20 * np.log10(0.5), abs=1.6)  # less at most by a bin's edge


def test_a_call_stands_in_the_columns_of_its_seconds_and_the_axis_may_be_cut(tmp_path):
    wave = np.zeros(48_000 * 4, np.float32)
    wave[48_000:72_000] = sine(3_000, 48_000, 0.5)
    path = write(tmp_path / "a.wav", wave, 48_000)
    drawn = levels(path, 0.5, 2.0, 400, 100, high_hz=6_000)
    columns = np.flatnonzero(drawn[49:51].max(0) > -12)

    assert columns[0] == pytest.approx(100, abs=2)
    assert columns[-1] == pytest.approx(199, abs=2)
    assert drawn.min() == FLOOR_DB


def test_a_short_sound_fills_the_picture(tmp_path):
    path = write(tmp_path / "a.wav", sine(2_000, 8_000, 0.01), 8_000)
    drawn = levels(path, 0.0, 10.0, 300, 32)

    assert drawn.shape == (32, 300)
    assert (drawn.max(0) > -30).all()


def test_decode_processes_make_them(tmp_path):
    path = write(tmp_path / "a.wav", sine(1_000, 8_000, 0.5), 8_000)
    with DecodePool(1) as pool:
        seconds, rate = pool.submit(Task("length", path, {})).result()
        copy = pool.submit(Task("playable", path, {"start_s": 0.1, "end_s": 0.2})).result()
        spec = {"start_s": 0.0, "seconds": 0.5, "width": 20, "height": 16}
        drawn = pool.submit(Task("levels", path, spec)).result()

    assert (seconds, rate) == (0.5, 8_000)
    assert copy.tobytes() == playable(path, 0.1, 0.2)
    np.testing.assert_array_equal(drawn, levels(path, 0.0, 0.5, 20, 16))


@pytest.mark.parametrize("text", [b"#EXTM3U\n/etc/passwd\n", b"<html>", b"\0" * 40])
def test_what_is_no_sound_is_refused(tmp_path, text):
    path = tmp_path / "a.mp3"
    path.write_bytes(text)
    with pytest.raises(MediaError):
        playable(path)


def test_a_written_wav_is_read_back():
    wave = np.array([0, 0.5, -1.5, 1.0], np.float32)
    got, rate = read(wav(wave, 8_000))
    assert rate == 8_000
    np.testing.assert_allclose(got, [0, 0.5, -1, 1], atol=1e-4)
