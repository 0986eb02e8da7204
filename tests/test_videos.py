"""A video in a column of photos gives its middle frame, in a column of recordings its sound; both bounded, both said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from prom3e_index.errors import MediaError
from prom3e_index.media import video
from prom3e_index.media.audio import read_mono
from prom3e_index.media.images import open_rgb, open_rgb_and_note
from prom3e_index.media.pool import DecodePool, Task

RATE = 10


def write_video(path: Path, levels: list[int], sound: bool = False, codec: str = "mpeg4") -> Path:
    """Frames of 64 × 48, left half of a level, right half black; with a tone of 1 kHz when asked."""
    import av

    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=RATE, width=64, height=48, pix_fmt="yuvj420p" if codec == "mjpeg" else "yuv420p")  # fmt: skip
        stream.gop_size = 5
        tone = out.add_stream("aac", rate=44_100, layout="mono") if sound else None
        for level in levels:
            pixels = np.zeros((48, 64, 3), np.uint8)
            pixels[:, :32] = level
            out.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        out.mux(stream.encode(None))
        if tone is not None:
            wave = (0.5 * np.sin(2 * np.pi * 1000 * np.arange(44_100) / 44_100)).astype(np.float32)
            for at in range(0, len(wave), 1024):
                frame = av.AudioFrame.from_ndarray(wave[None, at : at + 1024].copy(), "fltp", "mono")  # fmt: skip
                frame.sample_rate = 44_100
                out.mux(tone.encode(frame))
            out.mux(tone.encode(None))
    return path


def level_of(image) -> int:
    return int(np.asarray(image)[:, 4:28].mean())


@pytest.mark.parametrize("name, codec", [
    ("a.mp4", "mpeg4"), ("a.mov", "mpeg4"), ("A.AVI", "mjpeg"), ("a.mkv", "mpeg4"), ("a.3gp", "mpeg4"), ("a.ts", "mpeg2video"),
    ("a.mpg", "mpeg2video"), ("a.webm", "libvpx"), ("a.wmv", "wmv2"),
])  # fmt: skip
def test_the_middle_frame_is_the_photo(tmp_path, name, codec):
    levels = [60 + 8 * i for i in range(20)]
    path = write_video(tmp_path / name, levels, codec=codec)
    path = path.rename(tmp_path / "renamed.jpg")  # the content tells
    image, note = open_rgb_and_note(path)

    assert image.size == (64, 48)
    away = {"ts": 3, "pg": 10}.get(
        name[-2:], 1
    )  # MPEG streams know their length and places roughly
    assert abs(level_of(image) - levels[10]) <= 8 * away + 2
    assert "of its pictures the one at" in note


def test_a_black_middle_is_passed_over(tmp_path):
    after = write_video(tmp_path / "after.mp4", [200] * 5 + [0] * 12 + [120] * 3)
    before = write_video(tmp_path / "before.mp4", [0] * 2 + [90] * 6 + [0] * 12)
    never = write_video(tmp_path / "never.mp4", [0] * 10)
    one = write_video(tmp_path / "one.mp4", [150])

    assert abs(level_of(open_rgb(after)) - 120) <= 10
    assert abs(level_of(open_rgb(before)) - 90) <= 10
    assert level_of(open_rgb(never)) < 10
    assert abs(level_of(open_rgb(one)) - 150) <= 10


def test_search_and_size_are_bounded(tmp_path, monkeypatch):
    path = write_video(tmp_path / "late.mp4", [0] * 30 + [200] * 5)
    assert level_of(open_rgb(path)) > 180
    monkeypatch.setattr(video, "MOST_FRAMES", 5)
    assert level_of(open_rgb(path)) < 10
    monkeypatch.setattr(video, "MAX_PIXELS", 64 * 48 - 1)
    with pytest.raises(MediaError, match="64 × 48 pixels"):
        open_rgb(path)


def test_its_sound_is_heard_and_what_lacks_is_said(tmp_path):
    loud = write_video(tmp_path / "loud.mp4", [100] * 10, sound=True)
    mute = write_video(tmp_path / "mute.mp4", [100] * 10)
    wave, rate = read_mono(loud)

    assert rate == 44_100 and np.argmax(np.abs(np.fft.rfft(wave[4000:34_000]))) == round(1000 / 44_100 * 30_000)  # fmt: skip
    with pytest.raises(MediaError, match="no sound track"):
        read_mono(mute)
    (tmp_path / "cut.mp4").write_bytes(loud.read_bytes()[:900])
    with pytest.raises(MediaError, match="a video that cannot be decoded"):
        open_rgb(tmp_path / "cut.mp4")


def test_sound_alone_is_no_photo(tmp_path):
    import av

    with av.open(str(tmp_path / "a.m4a"), "w") as out:
        stream = out.add_stream("aac", rate=44_100, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 44_100
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    with pytest.raises(MediaError, match="holds sound and no pictures; use an audio column"):
        open_rgb(tmp_path / "a.m4a")


def test_a_video_that_holds_a_playlist_reads_no_other_file(tmp_path):
    write_video(tmp_path / "real.mp4", [100] * 10, sound=True)
    for text in ("ffconcat version 1.0\nfile real.mp4\n", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nreal.mp4\n#EXT-X-ENDLIST\n"):  # fmt: skip
        (tmp_path / "list.mp4").write_text(text)
        for read in (open_rgb, read_mono):
            with pytest.raises(MediaError, match="a playlist"):
                read(tmp_path / "list.mp4")


def test_the_worker_says_which_frame_it_saw(tmp_path):
    path = write_video(tmp_path / "a.mp4", [100] * 20)
    with DecodePool(1) as pool:
        pixels = pool.submit(Task("image", path, {"resize": 32, "crop": 32})).result()

        assert pixels.shape == (32, 32, 3) and "a video of 2.0 s" in pool.notes[path]
