"""WAV files whose header is wrong about their length: what is there is read, and that the header is wrong is said."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import soundfile

from prom3e_index.errors import MediaError
from prom3e_index.media.audio import AudioSpec, audio_features_and_note, read_mono


@pytest.fixture
def song(tmp_path):
    wave = np.random.default_rng(0).uniform(-0.5, 0.5, 8000)
    soundfile.write(tmp_path / "a.wav", wave, 8000, subtype="PCM_16")
    return tmp_path / "a.wav"


def with_length(path, data: int, riff: int | None = None):
    """The file with another length in its header."""
    raw = bytearray(path.read_bytes())
    at = raw.index(b"data")
    raw[at + 4 : at + 8] = struct.pack("<I", data)
    if riff is not None:
        raw[4:8] = struct.pack("<I", riff)
    out = path.with_name("changed.wav")
    out.write_bytes(raw)
    return out


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_U8", "FLOAT", "ULAW"])
@pytest.mark.parametrize("riff", [None, 0])
def test_a_length_of_zero_is_read_to_the_end_and_said(tmp_path, subtype, riff):
    wave = np.random.default_rng(1).uniform(-0.5, 0.5, (6000, 2))
    soundfile.write(tmp_path / "a.wav", wave, 16_000, subtype=subtype)
    expected, _ = read_mono(tmp_path / "a.wav")
    got, rate = read_mono(changed := with_length(tmp_path / "a.wav", 0, riff))

    assert rate == 16_000 and np.array_equal(got[: len(expected)], expected)
    assert len(got) - len(expected) <= 64  # a chunk that the writer put after the samples
    assert "header says length 0" in audio_features_and_note(changed, AudioSpec())[1]


def test_endless_lengths_and_cut_files_are_read(song):
    expected, _ = read_mono(song)
    endless = with_length(song, 0xFFFF_FFFF, 0xFFFF_FFFF)
    assert np.array_equal(read_mono(endless)[0], expected)
    assert audio_features_and_note(endless, AudioSpec())[1] is None  # streams are written so
    cut = song.with_name("cut.wav")
    cut.write_bytes(song.read_bytes()[: 44 + 8000])

    assert np.array_equal(read_mono(cut)[0], expected[:4000])
    assert "it ends before its header says: 50% of the sound" in audio_features_and_note(cut, AudioSpec())[1]  # fmt: skip
    assert audio_features_and_note(song, AudioSpec())[1] is None


def test_a_file_of_a_header_only_holds_no_samples(song):
    for size in (0, 16_000):
        path = with_length(song, size)
        path.write_bytes(path.read_bytes()[:44])
        with pytest.raises(MediaError, match="holds no samples"):
            read_mono(path)


def test_notes_after_no_samples_are_no_sound(song):
    raw = bytearray(with_length(song, 0).read_bytes()[:44])
    raw += b"LIST" + struct.pack("<I", 12) + b"INFOICMT" + struct.pack("<I", 0)
    song.write_bytes(raw)
    with pytest.raises(MediaError, match="holds no samples"):
        read_mono(song)


@pytest.mark.parametrize("format, subtype", [
    ("RF64", "PCM_16"), ("W64", "PCM_24"), ("WAV", "IMA_ADPCM"), ("WAV", "MS_ADPCM"), ("WAVEX", "FLOAT"), ("AIFF", "PCM_16"),
    ("CAF", "ALAC_16"), ("FLAC", "PCM_24"), ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III"),
])  # fmt: skip
def test_other_containers_stay_as_they_were(tmp_path, format, subtype):
    wave = 0.5 * np.sin(np.arange(16_000) / 16_000 * 2 * np.pi * 500)
    soundfile.write(tmp_path / "a.wav", wave, 16_000, format=format, subtype=subtype)
    got, rate = read_mono(tmp_path / "a.wav")

    assert rate == 16_000 and abs(len(got) - 16_000) <= 2400
    assert np.argmax(np.abs(np.fft.rfft(got[2000:12_000]))) == pytest.approx(312, abs=1)


@pytest.mark.parametrize("content, words", [
    (b"<!doctype html><html>", "an HTML page"), (b"%PDF-1.4\xe2\xe3", "a PDF"), (b"\x89PNG\r\n\x1a\n\0\0", "a PNG picture"),
    (b"Selection\tView\tChannel\n1\tSpectrogram\n", "a text"), (bytes(500), "nothing but zeros"), (b"WAAC" + b"\1\xff" * 99, "WAC"),
])  # fmt: skip
def test_what_is_no_recording_is_named(tmp_path, content, words):
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(MediaError, match=words):
        read_mono(tmp_path / "a.wav")
