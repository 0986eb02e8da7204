"""Photos, tiles and recordings that no camera or recorder writes: each is refused with a reason or read, in bounded memory."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import rasterio
import soundfile
from PIL import Image

from prom3e_index import Bundle
from prom3e_index.errors import MediaError
from prom3e_index.indexer.build import build
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.media.audio import AudioSpec
from prom3e_index.media.images import open_rgb
from prom3e_index.media.sound_files import HIGHEST_HZ, LONGEST_DAYS, LOWEST_HZ, MAX_CHANNELS
from prom3e_index.media.worker import decode

SIDE = {"side": 64}
SPEC = vars(AudioSpec())
SOUNDS = {
    "audio": SPEC, "heard": SPEC, "length": {}, "duration": {}, "playable": {}, "spectrogram": {"seconds": 1.0},
    "levels": {"start_s": 0.0, "seconds": 1.0, "width": 32, "height": 32}, "spans": {**SPEC, "spans": [[0.0, 1.0]]},
}  # fmt: skip
"""Each kind of decoding that opens a recording, and what it is given."""


def wav(path: Path, channels: int, rate: int, samples: int = 4000) -> Path:
    """A WAV of 8 bits whose header says so many channels and samples per second; the samples are there."""
    body = bytes(range(1, 251)) * (samples * min(channels, 200) // 250 + 1)
    body = body[: len(body) // channels * channels or channels].ljust(channels, b"\x01")
    form = struct.pack(
        "<HHIIHH", 1, channels, rate, rate * channels & 0xFFFFFFFF, channels & 0xFFFF, 8
    )
    path.write_bytes(
        b"RIFF" + struct.pack("<I", 36 + len(body)) + b"WAVEfmt " + struct.pack("<I", 16) + form + b"data"
        + struct.pack("<I", len(body)) + body
    )  # fmt: skip
    return path


def flac_of(path: Path, samples: int) -> Path:
    """A FLAC whose header states so many samples at 8,000 Hz; a second of them is there."""
    soundfile.write(path, np.sin(np.arange(8000) / 9) / 2, 8000)
    raw = bytearray(path.read_bytes())
    told = int.from_bytes(raw[18:26], "big") >> 36 << 36 | samples
    raw[18:26] = told.to_bytes(8, "big")
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize("kind", SOUNDS)
@pytest.mark.parametrize(
    ("channels", "rate", "said"),
    [
        (65_535, 8000, "no channels, or more"), (1000, 8000, "1,000 channels"), (MAX_CHANNELS + 1, 8000, f"{MAX_CHANNELS + 1} channels"),
        (1, 1, "1 samples per second"), (1, LOWEST_HZ - 1, f"{LOWEST_HZ - 1} samples per second"),
        (1, HIGHEST_HZ + 1, f"{HIGHEST_HZ + 1:,} samples per second"), (2, 2**31 - 1, "2,147,483,647 samples per second"),
    ],
)  # fmt: skip
def test_headers_of_sound_that_no_recorder_writes(tmp_path, kind, channels, rate, said):
    with pytest.raises(MediaError, match=said):
        decode(kind, wav(tmp_path / "x.wav", channels, rate), SOUNDS[kind])


@pytest.mark.parametrize(
    ("channels", "rate"), [(MAX_CHANNELS, 8000), (1, LOWEST_HZ), (1, 500_000), (2, HIGHEST_HZ)]
)
def test_headers_that_recorders_write_are_read(tmp_path, channels, rate):
    path = wav(tmp_path / "x.wav", channels, rate, 2 * rate if rate < 10_000 else rate // 2)
    for kind in ("audio", "length", "levels"):
        assert np.isfinite(decode(kind, path, SOUNDS[kind])[0]).all()
    assert decode("length", path, {})[0][1] == rate


def test_a_length_that_no_recorder_reaches(tmp_path):
    """A build makes a row of every window that a header states."""
    day = 86_400 * 8000
    with pytest.raises(MediaError, match=f"more than {LONGEST_DAYS}"):
        decode("duration", flac_of(tmp_path / "x.flac", (LONGEST_DAYS + 1) * day), {})
    seconds = decode("duration", flac_of(tmp_path / "y.flac", 2 * day), {})[0][0]
    assert seconds == 2 * 86_400


def test_a_row_loses_a_sound_that_is_none_with_the_reason(tmp_path):
    """As of any file that cannot be read: the observation stays, and what it lost is told."""
    table = tmp_path / "t.csv"
    wav(tmp_path / "odd.wav", 65_535, 8000)
    soundfile.write(tmp_path / "right.wav", np.sin(np.arange(16_000) / 9) / 2, 16_000)
    table.write_text("id,latitude,longitude,audio\na,1,2,odd.wav\nb,3,4,right.wav\n")
    build(BuildConfig(table=str(table), out=tmp_path / "i.p3i", model="mini"))
    with Bundle.open(tmp_path / "i.p3i") as bundle:
        lost = bundle.sql(
            "SELECT o.id, l.modality, l.reason FROM lost l JOIN observations o USING (row)"
        )
        has = dict(bundle.sql("SELECT id, has_audio FROM observations"))
    assert has == {"a": False, "b": True}
    assert [(id, modality) for id, modality, _ in lost] == [("a", "audio")]
    assert "1 to 64 are read" in lost[0][2]


def test_such_an_upload_is_refused_in_words_and_the_next_one_is_taken(served, tmp_path):
    for channels, rate in ((65_535, 8000), (1, 1), (1, 2**31 - 1)):
        got = served.put(wav(tmp_path / f"{channels}-{rate}.wav", channels, rate), "audio/wav")
        assert got.status_code == 422 and got.json()["type"] == "/problems/media"
        assert "1 to 64 are read" in got.text or f"{rate:,} samples per second" in got.text
    assert served.put(wav(tmp_path / "right.wav", 1, 8000, 8000), "audio/wav").status_code == 201
    assert not served.faults


# Pictures


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(
    path: Path, side: int, depth: int, colour: int, *more: bytes, lines: int | None = None
) -> Path:
    """A PNG of one value: `side` × `side` as its header says, of which there are so many lines."""
    channels = {0: 1, 2: 3, 6: 4}[colour]
    line = b"\0" + b"\x30\x39" * ((min(side, 20_000) * depth * channels + 15) // 16)
    line = line[: 1 + (min(side, 20_000) * depth * channels + 7) // 8]
    packing = zlib.compressobj(1)
    body = (
        b"".join(packing.compress(line) for _ in range(side if lines is None else lines))
        + packing.flush()
    )
    head = struct.pack(">IIBBBBB", side, side, depth, colour, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + b"".join(more) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )  # fmt: skip
    return path


def tiff(path: Path, bits: int, samples: int) -> Path:
    """A TIFF of 8 × 8 pixels whose header states so many bits and samples of each."""
    body = zlib.compress(bytes(8 * 8 * samples * bits // 8))
    tags = [
        (256, 8),
        (257, 8),
        (258, bits),
        (259, 8),
        (262, 1),
        (273, 8),
        (277, samples),
        (278, 8),
        (279, len(body)),
    ]
    body += b"\0" * (len(body) % 2)
    entries = b"".join(struct.pack("<HHIHH", t, 3, 1, v, 0) for t, v in tags)
    path.write_bytes(
        b"II*\0" + struct.pack("<I", 8 + len(body)) + body + struct.pack("<H", len(tags)) + entries + bytes(4)
    )  # fmt: skip
    return path


def peak_mb(path: Path, **spec: object) -> tuple[int, str]:
    """Most memory of a process that decodes a picture, and what came of it."""
    code = (
        "import json, sys; from pathlib import Path; from prom3e_index.media.worker import decode\n"
        "try: said = str(decode('thumbnail', Path(sys.argv[1]), json.loads(sys.argv[2]))[0].shape)\n"
        "except Exception as e: said = str(e)\n"
        "peak = next(l for l in open('/proc/self/status') if l.startswith('VmHWM'))\n"
        "print(int(peak.split()[1]) >> 10, said)"
    )
    out = subprocess.run(
        [sys.executable, "-c", code, os.fspath(path), json.dumps(spec)],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    size, _, said = out.stdout.strip().partition(" ")
    return int(size), said


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read of /proc")
def test_a_grey_picture_of_sixteen_bits_is_not_held_as_numbers(tmp_path):
    """A few kilobytes that become 49 million pixels: 2 bytes each as they are, 3 as RGB, some of them twice."""
    pixels = 7000**2
    peak, said = peak_mb(png(tmp_path / "x.png", 7000, 16, 0), **SIDE)
    assert said == "(64, 64, 3)"
    assert peak < 100 + 10 * pixels / 2**20


@pytest.mark.parametrize("top", [300, 1023, 4095, 60_000, 65_535])
def test_grey_of_more_bits_is_scaled_as_before(tmp_path, top):
    """The table of all values gives what each value gives alone."""
    values = np.linspace(0, top, 64 * 64).astype(np.uint16).reshape(64, 64)
    Image.fromarray(values).save(tmp_path / "x.png")
    full = 65_535 if top // 257 >= 16 else next(t for t in (255, 1023, 4095, 8191) if top <= t)
    right = np.round(values.astype(np.float64) * 255 / full).astype(np.uint8)
    assert (np.asarray(open_rgb(tmp_path / "x.png"))[..., 0] == right).all()


def test_pictures_that_say_what_is_not_so(tmp_path):
    bomb = chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(64 << 20), 9))
    cases = {
        png(tmp_path / "declared.png", 2**31 - 1, 8, 2, lines=1): "pixels",
        png(tmp_path / "wide.png", 13_000, 8, 2, lines=1): "13000 × 13000 pixels, more than 150,000,000",
        png(tmp_path / "deep.png", 16, 255, 2): "damaged",
        png(tmp_path / "profile.png", 16, 8, 2, bomb): "too large",
        tiff(tmp_path / "bits.tif", 255, 1): "damaged", tiff(tmp_path / "wide.tif", 64, 1): "damaged",
        tiff(tmp_path / "samples.tif", 8, 60_000): "damaged",
    }  # fmt: skip
    drawing = tmp_path / "x.svg"
    drawing.write_text('<svg xmlns="http://www.w3.org/2000/svg">' + "<g>" * 100_000)
    for path, said in {**cases, drawing: "SVG drawing"}.items():
        with pytest.raises(MediaError, match=said) as e:
            decode("thumbnail", path, SIDE)
        assert "use an image" not in str(e.value)  # it was given as one


def test_a_tile_of_more_values_than_a_place_has(tmp_path):
    path, form = tmp_path / "x.tif", {"dtype": "float64", "compress": "deflate", "sparse_ok": True}
    with rasterio.open(path, "w", "GTiff", 6000, 6000, 13, **form):
        pass
    with pytest.raises(MediaError, match=r"3\.5 GB of values in 13 bands"):
        decode("thumbnail", path, {**SIDE, "tile": True})


@pytest.mark.parametrize("ending", ["gif", "webp", "png", "tif"])
def test_of_thousands_of_pictures_the_first_is_seen(tmp_path, ending):
    first = Image.new("RGB", (16, 16), (250, 20, 30))
    rest = [Image.new("RGB", (16, 16), (0, i % 250, i // 250)) for i in range(2000)]
    first.save(tmp_path / f"x.{ending}", save_all=True, append_images=rest)
    shown = decode("thumbnail", tmp_path / f"x.{ending}", SIDE)[0]
    assert abs(shown.astype(int).mean((0, 1)) - (250, 20, 30)).max() < 12
