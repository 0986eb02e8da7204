"""Spans of recordings: read where they lie, with the values of the whole file; written as people write them."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
from recordings import chirp, noise, with_calls, write

from prom3e_index.errors import InputError, MediaError
from prom3e_index.media import spans
from prom3e_index.media.audio import AudioSpec, fusion_views, read_mono, resample
from prom3e_index.media.spans import duration_and_note, read_span, refusal, span_features
from prom3e_index.search.spans import clock_text, media_fragment, span_text, split_span

SPEC = AudioSpec()


@pytest.mark.parametrize(
    ("ending", "rate"),
    [
        ("wav", 48_000),
        ("wav", 22_050),
        ("wav", 250_000),
        ("flac", 44_100),
        ("ogg", 16_000),
        ("mp3", 22_050),
        ("m4a", 16_000),
        ("aac", 44_100),
        ("webm", 48_000),
    ],
)
def test_a_span_has_the_values_of_the_whole_file(tmp_path, ending, rate):
    """Stereo where the format has it; also across borders, at the beginning and at the end."""
    wave = with_calls(noise(rate, 14, level=0.05), rate, {4: chirp(rate)})
    if ending in ("wav", "flac", "ogg", "mp3"):
        wave = np.stack([wave, 0.5 * wave[::-1]], axis=1)
    path = write(tmp_path / f"a.{ending}", wave, rate)
    whole, _ = read_mono(path)
    heard = resample(whole, rate, 48_000)

    assert duration_and_note(path)[0] == pytest.approx(len(whole) / rate, abs=0.07)
    off = round(0.0006 * rate) if ending == "webm" else 0  # its times are milliseconds
    for start, end in ((0, 10), (3.123, 13.123), (4, 14), (6.5, 7)):
        samples, got, first = read_span(path, start, end, 48_000)
        assert got == rate and first <= start * rate < first + len(samples)
        near = [
            np.abs(whole[first + k : first + k + len(samples)][:1000] - samples[:1000]).max()
            for k in range(-min(off, first), off + 1)
        ]
        assert min(near) < 1e-6, (start, end)
        if not off:
            (view,) = span_features(path, SPEC, [(start, end)])
            part = heard[round(start * 48_000) : round(end * 48_000)]
            assert np.abs(view[0] - fusion_views(part, SPEC)[0][0]).max() < 0.1  # dB


def test_spans_read_together_are_those_read_alone(tmp_path):
    path = write(tmp_path / "a.flac", noise(22_050, 40), 22_050)
    asked = [(0, 10), (5, 15), (12.5, 13), (30, 40)]
    together = span_features(path, SPEC, asked)
    assert together.shape == (4, 1, 1001, 64)
    for span, view in zip(asked, together, strict=True):
        assert np.array_equal(span_features(path, SPEC, [span])[0], view)


def test_a_span_longer_than_the_window_is_heard_by_the_published_crops(tmp_path):
    path = write(tmp_path / "a.wav", noise(48_000, 40), 48_000)
    whole, _ = read_mono(path)
    (view,) = span_features(path, SPEC, [(5, 35)])
    assert np.array_equal(view, fusion_views(whole[5 * 48_000 : 35 * 48_000], SPEC)[0])


def test_what_a_span_does_not_hold_is_said(tmp_path):
    wave = noise(16_000, 30)
    wave[: 12 * 16_000] = 0
    wave[25 * 16_000] = np.nan
    soundfile.write(tmp_path / "a.wav", wave, 16_000, subtype="FLOAT")
    views = span_features(tmp_path / "a.wav", SPEC, [(0, 10), (5, 15), (20, 30), (40, 50)])
    said = [refusal(v) for v in views]

    assert said[0].startswith("is silent") and said[1] is None
    assert "not numbers" in said[2] and said[3] == "ends before this span"
    with pytest.raises(MediaError, match="longer than the 600 s"):
        span_features(tmp_path / "a.wav", SPEC, [(0, 700)])


def test_a_span_that_would_not_fit_the_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(spans, "MOST_SAMPLES", 100_000)
    path = write(tmp_path / "a.wav", noise(16_000, 20), 16_000)
    with pytest.raises(MediaError, match="more than 100,000 samples"):
        read_span(path, 0, 10, 48_000)
    assert len(read_span(path, 0, 5, 48_000)[0]) > 5 * 16_000


@pytest.mark.parametrize(
    ("written", "span"),
    [
        ("a.wav", None),
        ("a.wav@7:00-7:10", (420, 430)),
        ("a.wav@420-430", (420, 430)),
        ("a.wav@7:00", (420, None)),
        ("a.wav@1:02:03-1:02:13", (3723, 3733)),
        ("a.wav@0.5-2.25", (0.5, 2.25)),
        ("a.wav@ 7:00 – 7:10", (420, 430)),
        ("me@home.wav", None),
        ("me@home.wav@0-1", (0, 1)),
        ("a@5", (5, None)),
    ],
)
def test_spans_as_they_are_written(written, span):
    path, found = split_span(written)
    assert found == span
    assert str(path) == (written if span is None else written.rpartition("@")[0])


def test_a_file_with_an_at_is_itself(tmp_path):
    path = tmp_path / "site@7-8"
    path.touch()
    assert split_span(path) == (path, None)
    assert split_span(f"{path}@1-2") == (path, (1, 2))


def test_a_span_that_ends_before_it_begins_is_refused():
    with pytest.raises(InputError, match=r"7:10–7:00 ends before it begins"):
        split_span("a.wav@7:10-7:00")


def test_seconds_as_clocks_and_fragments():
    assert [clock_text(s) for s in (0, 9.5, 420, 3723.25)] == [
        "0:00",
        "0:09.5",
        "7:00",
        "1:02:03.25",
    ]
    assert span_text(420, 430) == "7:00–7:10" and span_text(3, None) == "0:03"
    assert media_fragment(420.0, 430.0) == "t=420,430" and media_fragment(None, None) is None
    assert media_fragment(0.5, None) == "t=0.5"
