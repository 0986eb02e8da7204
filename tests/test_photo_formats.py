"""Photos as phones, cameras and downloads leave them: the whole picture, the right way up, or what the file is instead."""

from __future__ import annotations

import json
import sys
import zipfile

import numpy as np
import pytest
import soundfile
from PIL import Image, features
from raw_photos import write_dng

from prom3e_index.errors import MediaError
from prom3e_index.media import images
from prom3e_index.media.formats import family
from prom3e_index.media.images import open_rgb
from prom3e_index.media.pool import DecodePool, Task


def picture() -> np.ndarray:
    """96 × 64, four corners of four colours."""
    out = np.zeros((64, 96, 3), np.uint8)
    out[:32, :48], out[:32, 48:] = (200, 30, 30), (30, 200, 30)
    out[32:, :48], out[32:, 48:] = (30, 30, 200), (200, 200, 30)
    return out


def corners(image: Image.Image) -> list[str]:
    """What colour each corner has: left above, right above, left below, right below."""
    known = {(True, False, False): "red", (False, True, False): "green", (False, False, True): "blue", (True, True, False): "yellow"}  # fmt: skip
    w, h = image.size
    at = [(8, 8), (w - 8, 8), (8, h - 8), (w - 8, h - 8)]
    return [known.get(tuple(v > 110 for v in image.getpixel(p)), "none") for p in at]


UPRIGHT = ["red", "green", "blue", "yellow"]
TURNED = ["blue", "red", "yellow", "green"]
"""The same with orientation 6: turned a quarter clockwise."""


@pytest.mark.parametrize("name", ["a.HEIC", "a.heif", "renamed.JPG"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_heic_is_read_upright_whatever_its_name(tmp_path, name, orientation):
    import pillow_heif

    exif = Image.Exif()
    exif[0x0112] = orientation
    pillow_heif.from_pillow(Image.fromarray(picture())).save(tmp_path / name, exif=exif.tobytes())
    for transpose in (False, True):
        image = open_rgb(tmp_path / name, exif_transpose=transpose)
        assert corners(image) == (UPRIGHT if orientation == 1 else TURNED)


def test_heic_is_decoded_in_a_process_of_its_own(tmp_path):
    import pillow_heif

    pillow_heif.from_pillow(Image.fromarray(picture())).save(tmp_path / "a.heic")
    with DecodePool(1) as pool:
        spec = {"resize": 96, "crop": 96}
        pixels = pool.submit(Task("image", tmp_path / "a.heic", spec)).result()
    assert corners(Image.fromarray(pixels)) == UPRIGHT


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
def test_avif_and_the_formats_of_before(tmp_path):
    image = Image.fromarray(picture())
    image.save(tmp_path / "a.avif", quality=95)
    image.save(tmp_path / "a.webp", quality=95)
    image.save(tmp_path / "a.jp2")
    image.save(tmp_path / "pages.tif", save_all=True, append_images=[Image.new("RGB", (96, 64))])
    image.save(tmp_path / "two.mpo", save_all=True, append_images=[Image.new("RGB", (96, 64))])
    image.convert("CMYK").save(tmp_path / "cmyk.jpg", quality=95)
    image.quantize(4).save(tmp_path / "palette.png", transparency=0)
    image.convert("L").save(tmp_path / "grey.png")

    for path in sorted(tmp_path.iterdir()):
        if path.name != "grey.png":
            assert corners(open_rgb(path)) == UPRIGHT, path.name
            assert np.abs(np.asarray(open_rgb(path), int) - picture()).mean() < 12, path.name


@pytest.mark.parametrize("name", ["a.dng", "a.tif"])
def test_a_raw_photo_is_the_sensors_picture_not_its_thumbnail(tmp_path, name):
    pytest.importorskip("rawpy")
    linear = (picture() / 255.0) ** 2.2
    for orientation in (1, 6):
        path = write_dng(tmp_path / name, linear, (255, 0, 255), orientation)
        assert family(path, path.read_bytes()[:512]) == "raw"
        assert open_rgb(path).size == (96, 64) and corners(open_rgb(path)) == UPRIGHT
        turned = open_rgb(path, exif_transpose=True)
        assert corners(turned) == (UPRIGHT if orientation == 1 else TURNED)


def test_a_large_raw_is_halved_and_shows_the_same(tmp_path):
    pytest.importorskip("rawpy")
    large = np.kron((picture() / 255.0) ** 2.2, np.ones((17, 17, 1)))
    image = open_rgb(write_dng(tmp_path / "a.dng", large, (255, 0, 255)))

    assert image.size == (96 * 17 // 2, 64 * 17 // 2) and corners(image) == UPRIGHT


def test_without_rawpy_a_raw_photo_is_no_thumbnail_but_a_pip_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rawpy", None)
    path = write_dng(tmp_path / "a.dng", picture() / 255.0, (255, 0, 255))
    with pytest.raises(MediaError, match=r"pip install 'prom3e-index\[formats\]'"):
        open_rgb(path)


def test_a_plain_tiff_is_no_raw_and_damaged_ones_are_named(tmp_path):
    Image.fromarray(picture()).save(tmp_path / "a.tif")
    path = write_dng(tmp_path / "a.dng", picture() / 255.0, (255, 0, 255))
    whole = path.read_bytes()
    (tmp_path / "loop.tif").write_bytes(whole[:4] + b"\x08\0\0\0" + b"\0\0" + b"\x08\0\0\0")
    (tmp_path / "cut.dng").write_bytes(whole[:9000])

    assert family(tmp_path / "a.tif", (tmp_path / "a.tif").read_bytes()[:512]) == "other"
    for name in ("loop.tif", "cut.dng"):
        with pytest.raises(MediaError):
            open_rgb(tmp_path / name)


def test_size_is_bounded_before_decoding(tmp_path, monkeypatch):
    import pillow_heif

    from prom3e_index.media import raw

    pillow_heif.from_pillow(Image.fromarray(picture())).save(tmp_path / "a.heic")
    write_dng(tmp_path / "a.dng", picture() / 255.0, (255, 0, 255))
    for module in (images, raw):
        monkeypatch.setattr(module, "MAX_PIXELS", 96 * 64 - 1)
    for name in ("a.heic", "a.dng"):
        with pytest.raises(MediaError, match="96 × 64 pixels"):
            open_rgb(tmp_path / name)


def test_what_is_no_photo_is_named_with_the_way_out(tmp_path):
    texts = {
        "page.jpg": ("<!DOCTYPE html><html><body>Log in</body>", "an HTML page; the download failed"),
        "denied.jpg": ('<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "a server's error message"),
        "bird.svg": ('<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing; save it as JPEG or PNG"),
        "IMG_1.jpg.json": (json.dumps({"title": "IMG_1.jpg", "photoTakenTime": {}}), "Google Takeout's notes on a photo"),
        "annex.jpg": ("/annex/objects/SHA256E-s1--a.jpg\n", "a git-annex pointer.*git annex get"),
        "words.jpg": ("a table of birds " * 9, "a text"), "list.jpg": ("#EXTM3U\nfile:///etc/passwd\n", "a playlist"),
        "secret.jpg": ("-----BEGIN PGP MESSAGE-----\n", "an encrypted file"),
    }  # fmt: skip
    blobs = {
        "scan.jpg": (b"%PDF-1.7 \xe2", "a PDF; save its picture as JPEG"), "zeros.jpg": (bytes(900), "nothing but zeros"),
        "new.jxl": (b"\xff\x0a\x01\x02", "a JPEG XL picture"), "._IMG.jpg": (b"\0\5\x16\7\0\2", "macOS's notes"),
        "x.icloud": (b"bplist00\xd3\1", "iCloud leaves"), "old.doc": (b"\xd0\xcf\x11\xe0" + bytes(99), "an old Office file"),
        "layers.psd": (b"8BPS\0\1" + bytes(60), "a Photoshop file"), "lib.jpg": (b"SQLite format 3\0", "an SQLite database"),
        "locked.xlsx": (b"\xd0\xcf\x11\xe0" + "EncryptedPackage".encode("utf-16-le"), "locked with a password"),
        "cut.zip": (b"PK\3\4", "a damaged zip"),
    }  # fmt: skip
    for name, (text, _) in texts.items():
        (tmp_path / name).write_text(text)
    for name, (blob, _) in blobs.items():
        (tmp_path / name).write_bytes(blob)
    with zipfile.ZipFile(tmp_path / "report.jpg", "w") as z:
        z.writestr("[Content_Types].xml", "")
        z.writestr("word/document.xml", "")
    soundfile.write(tmp_path / "song.jpg", np.zeros(100) + 0.1, 8000, format="WAV")
    said = {**texts, **blobs, "report.jpg": ("", "a Word file"), "song.jpg": ("", "a WAV recording; use an audio column")}  # fmt: skip

    for name, (_, words) in said.items():
        with pytest.raises(MediaError, match=words):
            open_rgb(tmp_path / name)
