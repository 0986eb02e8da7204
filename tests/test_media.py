"""Decoding: awkward files, one by one, and processes that die."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import shared
from PIL import Image

from prom3e_index.errors import MediaError
from prom3e_index.media import images
from prom3e_index.media.audio import AudioSpec, audio_features, log_mel, read_mono, resample
from prom3e_index.media.images import ImageSpec, image_pixels, open_rgb
from prom3e_index.media.pool import DecodePool, Task


def test_awkward_photos():
    folder = shared("data/awkward/photos")
    bad = {"african_elephants_truncated_file.jpg": "truncated", "broken_data_stream.png": "decoded"}
    for path in sorted(folder.iterdir()):
        if path.name in bad:
            with pytest.raises(MediaError, match=bad[path.name]):
                image_pixels(path, ImageSpec())
        else:
            assert image_pixels(path, ImageSpec()).shape == (224, 224, 3)


def test_colour_modes_agree_on_the_same_picture(tmp_path):
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 255, (40, 50), np.uint8)
    Image.fromarray(grey).save(tmp_path / "8.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "16.png")
    rgba = np.dstack([grey, grey, grey, rng.integers(0, 255, grey.shape, np.uint8)])
    Image.fromarray(rgba).save(tmp_path / "alpha.png")
    frames = [Image.fromarray(grey), Image.fromarray(255 - grey)]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    Image.fromarray(grey).save(tmp_path / "mislabelled.jpg", "PNG")
    expected = np.dstack([grey] * 3)

    for name in ("8.png", "16.png", "alpha.png", "moving.gif", "mislabelled.jpg"):
        assert np.array_equal(np.asarray(open_rgb(tmp_path / name)), expected), name


def test_bad_pictures_say_why(tmp_path, monkeypatch):
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "lfs.jpg").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    (tmp_path / "text.jpg").write_text("hello, I am a text file " * 10)
    soundfile.write(tmp_path / "sound.wav", np.zeros(100) + 0.1, 8000)
    Image.new("RGB", (300, 300)).save(tmp_path / "big.png")
    monkeypatch.setattr(images, "MAX_PIXELS", 300 * 299)
    for name, words in {
        "empty.jpg": "empty", "lfs.jpg": "git-LFS", "text.jpg": "no image", "sound.wav": "no image",
        "big.png": "300 × 300 pixels", "absent.jpg": "does not exist",
    }.items():  # fmt: skip
        with pytest.raises(MediaError, match=words):
            image_pixels(tmp_path / name, ImageSpec())
    with pytest.raises(MediaError, match="is no file"):
        image_pixels(tmp_path, ImageSpec())


def test_awkward_recordings():
    folder = shared("data/awkward/audio")
    bad = {"20220104_183000.WAV": "empty", "file000000.wav": "git-LFS"}
    same = []
    for path in sorted(folder.iterdir()):
        if path.name in bad:
            with pytest.raises(MediaError, match=bad[path.name]):
                read_mono(path)
        elif path.stem == "21100_36_48":
            wave, rate = read_mono(path)
            same.append(resample(wave, rate, 16_000)[8000:60_000])
    for wave in same[1:]:
        lag = np.argmax(np.correlate(wave, same[0][4000:20_000], "valid"))
        part = wave[lag : lag + 16_000]
        assert np.corrcoef(part, same[0][4000:20_000])[0, 1] > 0.8


@pytest.mark.parametrize("rate, channels", [(8000, 1), (192_000, 1), (44_100, 2), (48_000, 7)])
def test_rates_and_channels(tmp_path, rate, channels):
    """A tone stays a tone of the same pitch and strength at 48 kHz."""
    t = np.arange(rate) / rate
    wave = np.repeat(0.5 * np.sin(2 * np.pi * 1000 * t)[:, None], channels, 1)
    soundfile.write(tmp_path / "a.wav", wave, rate, subtype="FLOAT")
    out = resample(*read_mono(tmp_path / "a.wav"), 48_000)
    spectrum = np.abs(np.fft.rfft(out))

    assert len(out) == 48_000
    assert np.argmax(spectrum) == 1000
    assert np.sqrt((out[1000:-1000] ** 2).mean()) == pytest.approx(0.5 / np.sqrt(2), rel=0.02)


def test_resampling_equals_the_sum_it_stands_for():
    """Each output sample as the windowed-sinc sum over all inputs, computed directly."""
    rng = np.random.default_rng(0)
    wave = rng.normal(size=300).astype(np.float32)
    for rate, to in (
        (44_100, 48_000),
        (22_050, 48_000),
        (96_000, 48_000),
        (48_000, 16_000),
        (11_025, 48_000),
    ):
        g = np.gcd(rate, to)
        a, b = rate // g, to // g
        cut = min(a, b) * 0.99
        n = int(np.ceil(b * len(wave) / a))
        t = (np.arange(n)[:, None] / b - np.arange(300)[None] / a) * cut
        window = np.where(np.abs(t) < 6, np.cos(np.clip(t, -6, 6) * np.pi / 12) ** 2, 0)
        expected = (np.sinc(t) * window * cut / a) @ wave

        assert np.abs(resample(wave, rate, to) - expected).max() < 1e-5


def test_bad_recordings_say_why(tmp_path):
    soundfile.write(tmp_path / "silent.wav", np.zeros(1000), 8000)
    soundfile.write(tmp_path / "nan.wav", np.array([0.1, np.nan, 0.2]), 8000, subtype="FLOAT")
    soundfile.write(tmp_path / "none.wav", np.zeros(0), 8000)
    (tmp_path / "text.mp3").write_text("not a sound at all " * 50)
    Image.new("RGB", (30, 30)).save(tmp_path / "photo.wav", "PNG")
    for name, words in {
        "silent.wav": "silent", "nan.wav": "not numbers", "none.wav": "no samples",
        "text.mp3": "no sound file", "photo.wav": "no sound|no samples",
    }.items():  # fmt: skip
        with pytest.raises(MediaError, match=words):
            audio_features(tmp_path / name, AudioSpec())


def test_m4a_is_decoded(tmp_path):
    import av

    rate = 44_100
    t = np.arange(2 * rate) / rate
    tone = (0.5 * np.sin(2 * np.pi * 1000 * t)).astype(np.float32)
    with av.open(str(tmp_path / "a.m4a"), "w") as out:
        stream = out.add_stream("aac", rate=rate, layout="mono")
        for at in range(0, len(tone), 1024):
            frame = av.AudioFrame.from_ndarray(tone[None, at : at + 1024].copy(), "fltp", "mono")
            frame.sample_rate = rate
            for packet in stream.encode(frame):
                out.mux(packet)
        for packet in stream.encode(None):
            out.mux(packet)
    wave, got = read_mono(tmp_path / "a.m4a")

    assert got == rate
    assert np.argmax(np.abs(np.fft.rfft(wave[4000 : 4000 + rate]))) == 1000


def test_log_mel_equals_transformers():
    from transformers import ClapFeatureExtractor

    extractor = ClapFeatureExtractor(frequency_min=50, frequency_max=14_000)
    wave = np.random.default_rng(0).normal(size=100_000).astype(np.float32)
    expected = extractor._np_extract_fbank_features(wave, extractor.mel_filters)

    assert np.abs(log_mel(wave, AudioSpec()) - expected).max() < 1e-3


def test_a_process_that_dies_or_hangs_costs_one_file(tmp_path):
    script = tmp_path / "decoder.py"
    script.write_text(
        textwrap.dedent("""
        import json, os, sys, time
        for line in sys.stdin:
            path = json.loads(line)["path"]
            if "crash" in path: os.kill(os.getpid(), 11)
            if "hang" in path: time.sleep(60)
            if "lie" in path: sys.stdout.write('{"shape": [99999999999], "dtype": "<f4"}\\n'); sys.stdout.flush(); continue
            sys.stdout.buffer.write(b'{"shape": [2], "dtype": "|u1"}\\n' + bytes([1, 2])); sys.stdout.buffer.flush()
    """)
    )
    names = ["a", "crash", "b", "hang", "c", "lie", "d"]
    with DecodePool(2, timeout_s=1.5, command=[sys.executable, str(script)]) as pool:
        results = dict(pool.map([(n, Task("image", Path(n), {})) for n in names], ahead=2))

    assert list(results) == names
    for name in "abcd":
        assert np.array_equal(results[name], [1, 2])
    assert "crashed (exit code -11)" in str(results["crash"])
    assert "longer than 1.5 s" in str(results["hang"])
    assert "nonsense" in str(results["lie"])
