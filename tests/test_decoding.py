"""Decode processes bear many open files, long paths, liars; what they leave unread is said."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from prom3e_index.errors import InputError, MediaError
from prom3e_index.media import audio
from prom3e_index.media.audio import AudioSpec, audio_features_and_note, read_mono
from prom3e_index.media.pool import DecodePool, Task

SQUARE = {"resize": 32, "crop": 32}


pytestmark = pytest.mark.usefixtures("own_decoders")


def decode(*tasks: Task, command: list[str] | None = None, timeout_s: float = 60):
    with DecodePool(1, timeout_s, command) as pool:
        return [result for _, result in pool.map([(t, t) for t in tasks])]


def test_files_decode_when_the_process_holds_more_than_1024_descriptors(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2048:
        pytest.skip("the system lets no process hold so many")
    pixels = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    resource.setrlimit(resource.RLIMIT_NOFILE, (2048, hard))
    held = []
    try:
        held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
        (result,) = decode(Task("image", tmp_path / "a.png", SQUARE))
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert np.array_equal(result, pixels)


def test_no_room_for_a_process_is_said_and_loses_no_file(tmp_path):
    with DecodePool(1, command=[str(tmp_path / "no-such-program")]) as pool:
        with pytest.raises(InputError, match="No decode process can be started: No such file"):
            list(pool.map([(0, Task("image", tmp_path / "a.png", SQUARE))]))


@pytest.mark.parametrize("letter", ["a", "é", "鳥"])
def test_paths_of_any_length_are_said_not_to_exist(tmp_path, letter):
    deep = tmp_path.joinpath(*[letter * 60] * (3500 // (61 * len(letter.encode()))))
    longer = tmp_path.joinpath(*[letter * 60] * 100)
    wide = tmp_path / (letter * 300)
    Image.new("RGB", (8, 8)).save(tmp_path / "after.png")
    results = decode(
        *(Task("image", p / "a.jpg", SQUARE) for p in (deep, longer, wide)), Task("image", tmp_path / "after.png", SQUARE)
    )  # fmt: skip

    for result in results[:3]:
        assert isinstance(result, MediaError)
        assert "does not exist" in str(result) or "File name too long" in str(result), str(result)[
            -90:
        ]
        assert len(str(result)) < 4096
    assert results[3].shape == (32, 32, 3)


def test_answers_that_are_nonsense_cost_one_file(tmp_path):
    """Shapes and types that no decoder sends; after each the next file is read."""
    lies = {
        "huge": '{"shape": [99999999999], "dtype": "<f4"}', "wraps": '{"shape": [4294967296, 4294967296], "dtype": "<f8"}',
        "negative": '{"shape": [-1, -8], "dtype": "|u1"}', "object": '{"shape": [1], "dtype": "|O"}',
        "keys": '{"shape": [1]}', "list": "[1, 2]", "type": '{"shape": [1], "dtype": "zz"}', "text": "hello",
        "shape": '{"shape": "ab", "dtype": "|u1"}', "null": "null", "endless": "x" * 300_000,
    }  # fmt: skip
    script = tmp_path / "decoder.py"
    script.write_text(
        textwrap.dedent(f"""
        import json, sys
        lies = {lies!r}
        for line in sys.stdin:
            name = json.loads(line)["path"]
            if name in lies: sys.stdout.write(lies[name] + "\\n"); sys.stdout.flush(); continue
            sys.stdout.buffer.write(b'{{"shape": [2], "dtype": "|u1"}}\\n' + bytes([1, 2])); sys.stdout.buffer.flush()
    """)
    )
    names = [n for lie in lies for n in (lie, "good")]
    results = decode(
        *(Task("image", Path(n), {}) for n in names), command=[sys.executable, str(script)]
    )

    for name, result in zip(names, results, strict=True):
        if name == "good":
            assert np.array_equal(result, [1, 2])
        else:
            assert "nonsense" in str(result), name


def test_a_recording_longer_than_is_read_says_so(tmp_path, monkeypatch):
    rate = 1000
    wave = np.random.default_rng(0).normal(size=4 * rate).astype(np.float32) * 0.1
    monkeypatch.setattr(audio, "MAX_SECONDS", 3)
    for samples, longer in (
        (3 * rate - 1, False),
        (3 * rate, False),
        (3 * rate + 1, True),
        (4 * rate, True),
    ):
        soundfile.write(tmp_path / "a.wav", wave[:samples], rate, subtype="FLOAT")
        features, note = audio_features_and_note(tmp_path / "a.wav", AudioSpec())
        assert note == ("longer than 3 s: only the first 3 s are read" if longer else None)
        soundfile.write(tmp_path / "b.wav", wave[: min(samples, 3 * rate)], rate, subtype="FLOAT")
        assert np.array_equal(features, audio_features_and_note(tmp_path / "b.wav", AudioSpec())[0])


def test_ffmpeg_stops_at_the_same_sample(tmp_path, monkeypatch):
    import av

    rate = 8000
    tone = (0.3 * np.sin(np.arange(4 * rate) / 7)).astype(np.float32)
    with av.open(str(tmp_path / "a.m4a"), "w") as out:
        stream = out.add_stream("aac", rate=rate, layout="mono")
        for at in range(0, len(tone), 1024):
            frame = av.AudioFrame.from_ndarray(tone[None, at : at + 1024].copy(), "fltp", "mono")
            frame.sample_rate = rate
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    whole, _ = read_mono(tmp_path / "a.m4a")
    monkeypatch.setattr(audio, "MAX_SECONDS", 3)
    part, _ = read_mono(tmp_path / "a.m4a")

    assert len(part) == 3 * rate and np.array_equal(part, whole[: 3 * rate])
    assert audio_features_and_note(tmp_path / "a.m4a", AudioSpec())[1] is not None


def test_a_build_lists_recordings_read_in_part(tmp_path, monkeypatch):
    """The row keeps its sound; what was not read of it is lost, and listed with the other losses."""
    from prom3e_index.indexer import embed
    from prom3e_index.indexer.build import build
    from prom3e_index.indexer.work import BuildConfig
    from prom3e_index.search.run import Bundle

    short_of_breath = (
        "from prom3e_index.media import audio, worker; audio.MAX_SECONDS = 3; worker.main()"
    )
    command = [sys.executable, "-c", short_of_breath]
    monkeypatch.setattr(embed, "DecodePool", lambda n, timeout_s: DecodePool(n, timeout_s, command))
    wave = np.random.default_rng(0).normal(size=4000).astype(np.float32) * 0.1
    soundfile.write(tmp_path / "long.wav", wave, 1000)
    soundfile.write(tmp_path / "short.wav", wave[:2000], 1000)
    (tmp_path / "t.csv").write_text("id,audio\nlong,long.wav\nshort,short.wav\n")
    build(BuildConfig(table=str(tmp_path / "t.csv"), out=tmp_path / "i", model="mini"))
    bundle = Bundle.open(tmp_path / "i")

    assert bundle.sql("SELECT has_audio FROM observations") == [(True,), (True,)]
    assert bundle.sql("SELECT row, modality, reason FROM lost") == [
        (0, "audio", "long.wav: longer than 3 s: only the first 3 s are read")
    ]


def test_pictures_of_a_report_are_decoded_elsewhere(tmp_path):
    """In a process that may not read images or sounds itself, the same pictures come out."""
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (300, 480, 3), np.uint8)).save(tmp_path / "a.png")
    soundfile.write(tmp_path / "a.wav", rng.normal(size=8000) * 0.1, 8000)
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8\xff" + bytes(100))
    script = """
        import base64, io, sys
        from PIL import Image
        import prom3e_index.media.images as images, prom3e_index.media.audio as audio
        def refuse(*_, **__): raise SystemExit("decoded in this process")
        images.open_rgb = images.open_tile = audio.read_mono = audio._read = refuse
        from prom3e_index.show.pictures import picture
        for name in ("a.png", "a.wav", "bad.jpg", "absent.tif"):
            shown = picture(f"{sys.argv[1]}/{name}")
            print(Image.open(io.BytesIO(base64.b64decode(shown.split(",")[1]))).size if shown else None)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)], capture_output=True, text=True, timeout=120
    )  # fmt: skip

    assert done.stdout.splitlines() == ["(240, 150)", "(240, 150)", "None", "None"], done.stderr
