"""Photos and sounds on a page show and sound as they do, and say nothing of where they were made; rights stand beside."""

from __future__ import annotations

import base64
import re

import av
import numpy as np
import pytest
import soundfile
from PIL import Image
from recordings import noise, write

from prom3e_index.search.answered import Hit
from prom3e_index.show.answer_section import hit_figure
from prom3e_index.show.sounds import Sounds, bare

RATE = 8_000
PLACE = "48.2123456"


def tagged(path, form: str, codec: str) -> None:
    """Half a second of noise, with the place in its tags."""
    if codec == "vorbis":  # which libsndfile writes
        with soundfile.SoundFile(path, "w", RATE, 1, "VORBIS", format="OGG") as f:
            f.title, f.comment = f"at {PLACE}", f"GPS {PLACE}"
            f.write(noise(RATE, 0.5))
        return
    sound = (noise(RATE, 0.5) * 20_000).astype(np.int16)
    with av.open(str(path), "w", format=form) as to:
        to.metadata["title"] = f"at {PLACE}"
        to.metadata["comment"] = f"GPS {PLACE}"
        stream = to.add_stream(codec, rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(sound[None, :], format="s16", layout="mono")
        frame.sample_rate = RATE
        to.mux(stream.encode(frame))
        to.mux(stream.encode(None))


def samples(source) -> np.ndarray:
    with av.open(source) as read:
        return np.concatenate([f.to_ndarray().reshape(-1) for f in read.decode(audio=0)])


@pytest.mark.parametrize("name, form, codec", [
    ("a.wav", "wav", "pcm_s16le"), ("a.flac", "flac", "flac"), ("a.mp3", "mp3", "libmp3lame"), ("a.m4a", "ipod", "aac"), ("a.ogg", "ogg", "vorbis"), ("a.opus", "ogg", "libopus"),
])  # fmt: skip
def test_a_sound_loses_its_tags_and_nothing_else(tmp_path, name, form, codec):
    import io

    path = tmp_path / name
    tagged(path, form, codec)
    assert PLACE.encode() in path.read_bytes()
    made = bare(path)
    assert made is not None and PLACE.encode() not in made
    assert np.array_equal(samples(io.BytesIO(made)), samples(str(path)))


def test_guano_is_left_out(tmp_path):
    import guano

    path = tmp_path / "bat.wav"
    write(path, noise(RATE, 0.5), RATE)
    told = guano.GuanoFile(str(path))
    told["Loc Position"] = (48.2123456, 16.37)
    told["Loc Accuracy"] = 3
    told.write(make_backup=False)
    assert b"guan" in path.read_bytes() and b"48.21" in path.read_bytes()
    made = bare(path)
    assert made is not None and b"guan" not in made and b"48.21" not in made


def test_what_cannot_be_bared_is_linked(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"RIFF" + bytes(60))
    page = Sounds(tmp_path / "page.html")
    assert bare(tmp_path / "a.wav") is None
    assert (
        page.player(str(tmp_path / "a.wav"))
        == "<audio controls preload='none' src='a.wav'></audio>"
    )


def hit(file, heard=False, **fields):
    return Hit(
        1, 0, 0.5, False, ("audio" if heard else "image",), str(file), {"id": "a", **fields}, heard
    )


def test_a_photo_on_a_page_has_no_exif_and_shows_whose_it_is(tmp_path):
    image = Image.new("RGB", (64, 64), (10, 200, 30))
    exif = image.getexif()
    exif[0x010E] = f"taken at {PLACE}"
    exif.get_ifd(0x8825)[2] = (48.0, 12.0, 44.444)
    image.save(tmp_path / "p.jpg", exif=exif)
    assert PLACE.encode() in (tmp_path / "p.jpg").read_bytes()
    figure = hit_figure(
        hit(tmp_path / "p.jpg", license="CC BY 4.0", rights_holder="Ann"),
        Sounds(tmp_path / "page.html"),
    )
    assert "CC BY 4.0 · Ann" in figure
    shown = base64.b64decode(re.search(r"base64,([^']+)'", figure)[1])
    assert PLACE.encode() not in shown and b"Exif" not in shown
    assert "no licence stated" in hit_figure(
        hit(tmp_path / "p.jpg"), Sounds(tmp_path / "page.html")
    )


def test_a_sound_on_a_page_shows_whose_it_is(tmp_path):
    tagged(tmp_path / "a.wav", "wav", "pcm_s16le")
    figure = hit_figure(
        hit(tmp_path / "a.wav", True, license="CC0", rights_holder="Bob"),
        Sounds(tmp_path / "page.html"),
    )
    assert "CC0 · Bob" in figure and "<audio" in figure
    heard = base64.b64decode(re.search(r"data:audio/wav;base64,([^']+)'", figure)[1])
    assert PLACE.encode() not in heard
