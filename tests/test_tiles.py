"""A satellite tile becomes the picture that its values mean, or an error that says why not: never black, and white only where it is."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import shared
from PIL import Image

from prom3e_index.errors import MediaError
from prom3e_index.media.images import ImageSpec, image_pixels, open_rgb, open_tile

RNG = np.random.default_rng(3)
TRUTH = RNG.integers(40, 6000, (12, 20, 30))
"""Reflectance × 10,000 of 12 bands, some brighter than white."""


def write(path, layers, tags=None, band_tags=None, scales=None, offsets=None, **options):
    import rasterio

    bands, rows, columns = layers.shape
    with rasterio.open(
        path, "w", driver="GTiff", width=columns, height=rows, count=bands, dtype=layers.dtype, **options
    ) as tif:  # fmt: skip
        tif.write(layers)
        tif.update_tags(**(tags or {}))
        for band, values in (band_tags or {}).items():
            tif.update_tags(band, **values)
        if scales is not None:
            tif.scales = (scales,) * bands
        if offsets is not None:
            tif.offsets = (offsets,) * bands
    return path


def picture(digital):
    """The stated scaling, by hand: red, green, blue (rows, columns, 3), 3,000 as 255."""
    return (
        np.clip(np.asarray(digital, float) * 255 / 3000, 0, 255)
        .round()
        .transpose(1, 2, 0)
        .astype(np.uint8)
    )


def near(image, expected):
    """Equal but for the rounding of halves in single precision."""
    return np.abs(np.asarray(image).astype(int) - expected.astype(int)).max() <= 1


def test_sentinel_stack_becomes_rgb_with_the_stated_scaling():
    import rasterio

    path = next(shared("data/satellite").glob("*.tif"))
    with rasterio.open(path) as tif:
        expected = picture(tif.read((4, 3, 2)))

    assert np.array_equal(np.asarray(open_tile(path)), expected)


@pytest.mark.parametrize("kind", ["uint16", "int16", "uint32", "int32", "float32", "float64"])
def test_digital_numbers_of_every_type_give_one_picture(tmp_path, kind):
    stack = write(tmp_path / "s.tif", TRUTH.astype(kind))
    three = write(tmp_path / "t.tif", TRUTH[[3, 2, 1]].astype(kind))
    four = write(tmp_path / "f.tif", TRUTH[[3, 2, 1, 7]].astype(kind))

    for path in (stack, three, four):
        assert near(open_tile(path), picture(TRUTH[[3, 2, 1]])), path.name


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_a_stack_of_reflectance_gives_the_picture_of_its_digital_numbers(tmp_path, kind):
    path = write(tmp_path / "s.tif", (TRUTH / 10_000).astype(kind))
    assert near(open_tile(path), picture(TRUTH[[3, 2, 1]]))
    saturated = (TRUTH / 10_000).astype(kind)
    saturated[:, 0, 0] = 65_535
    assert near(
        open_tile(write(tmp_path / "o.tif", saturated)).crop((0, 1, 30, 20)),
        picture(TRUTH[[3, 2, 1], 1:]),
    )


def test_a_stated_offset_is_taken_off(tmp_path):
    raw = (TRUTH + 1000).astype(np.uint16)
    expected = picture(TRUTH[[3, 2, 1]])
    every = {i: {"BOA_ADD_OFFSET": "-1000"} for i in range(1, 13)}
    for name, more in {
        "whole": {"tags": {"BOA_ADD_OFFSET": "-1000"}}, "bands": {"band_tags": every},
        "top": {"tags": {"RADIO_ADD_OFFSET": "-1000"}}, "baseline": {"tags": {"PROCESSING_BASELINE": "05.09"}},
        "number": {"tags": {"processing_baseline": "N0400"}}, "scaled": {"scales": 1e-4, "offsets": -0.1},
        "plain": {"offsets": -1000.0},
    }.items():  # fmt: skip
        assert near(open_tile(write(tmp_path / f"{name}.tif", raw, **more)), expected), name
    harmonised = write(
        tmp_path / "h.tif", TRUTH.astype(np.uint16), tags={"PROCESSING_BASELINE": "05.09"}
    )
    old = write(tmp_path / "old.tif", raw, tags={"PROCESSING_BASELINE": "02.14"})
    assert near(open_tile(harmonised), expected)
    assert near(open_tile(old), picture(TRUTH[[3, 2, 1]] + 1000))


def test_pixels_without_a_value_are_black_and_do_not_decide(tmp_path):
    for kind, missing, options in (
        ("float32", np.nan, {}), ("float32", np.inf, {}), ("float32", -9999, {"nodata": -9999}),
        ("int16", -300, {}), ("uint16", 65_535, {"nodata": 65_535}),
    ):  # fmt: skip
        digital = TRUTH.astype(kind)
        digital[:, :10] = missing
        expected = picture(TRUTH[[3, 2, 1]])
        expected[:10] = 0
        assert near(open_tile(write(tmp_path / "n.tif", digital, **options)), expected), (
            kind,
            missing,
        )
    reflectance = (TRUTH / 1e4).astype(np.float32)
    reflectance[:, 5:] = np.nan
    assert near(
        open_tile(write(tmp_path / "r.tif", reflectance)).crop((0, 0, 30, 5)),
        picture(TRUTH[[3, 2, 1], :5]),
    )


def test_what_would_be_black_white_or_a_guess_is_refused(tmp_path):
    part = RNG.random((12, 20, 30))
    refused = {
        "three bands of floats 0..1": (part[:3].astype(np.float32), "float32 values up to .*black"),
        "three bands of floats 0..255": ((part[:3] * 255).astype(np.float32), "float32 values up to .*black"),
        "a stack of floats 0..100": ((part * 100).astype(np.float32), "float32 values up to .*black"),
        "bytes in 16 bits": ((part[:3] * 255).astype(np.uint16), "uint16 values up to .*black"),
        "a stack below 1 %": ((part * 90).astype(np.uint16), "uint16 values up to .*black"),
        "all 16 bits": ((part[:3] * 65_535).astype(np.uint16), "beyond any reflectance"),
        "not a number": (np.full((12, 20, 30), np.nan, np.float32), "values in 0% of its pixels"),
        "below nothing": (-TRUTH.astype(np.int16), "black"),
        "nought": (np.zeros((12, 20, 30), np.uint16), "black"),
        "one value": (np.full((12, 20, 30), 1234, np.uint16), r"one colour throughout \(105, 105, 105\)"),
        "one value of bytes": (np.full((3, 20, 30), 77, np.uint8), r"one colour throughout \(77, 77, 77\)"),
        "one reflectance": (np.full((12, 20, 30), 0.1, np.float32), "one colour throughout"),
        "complex": (TRUTH[:3].astype(np.complex64), "3 bands of complex64"),
        "two bands": (TRUTH[:2].astype(np.uint16), "2 bands of uint16"),
    }  # fmt: skip
    for name, (layers, words) in refused.items():
        path = write(tmp_path / "x.tif", layers)
        with pytest.raises(MediaError, match=words):
            image_pixels(path, ImageSpec(), tile=True)
            pytest.fail(name)
    few = TRUTH.astype(np.float32)
    few[:, 1:] = np.nan
    with pytest.raises(MediaError, match="values in 5% of its pixels"):
        open_tile(write(tmp_path / "few.tif", few))
    Image.new("RGB", (30, 20), (9, 9, 9)).save(tmp_path / "flat.png")
    with pytest.raises(MediaError, match="one colour"):
        open_tile(tmp_path / "flat.png")
    assert open_rgb(tmp_path / "flat.png").getpixel((0, 0)) == (9, 9, 9)


def test_snow_is_white_and_no_tile_of_one_value(tmp_path):
    """Brighter than white throughout, but of many values."""
    snow = RNG.integers(8900, 9800, (12, 20, 30), np.uint16)
    assert open_tile(write(tmp_path / "snow.tif", snow)).getextrema() == ((255, 255),) * 3


def test_a_real_tile_of_snow_is_white():
    assert open_tile(shared("data/satellite/patch_25630.tif")).getextrema() == ((255, 255),) * 3


def test_eight_bit_pictures_stay_as_they_are(tmp_path):
    bytes_ = RNG.integers(0, 255, (4, 20, 30), np.uint8)
    for bands in (1, 3, 4):
        path = write(tmp_path / "b.tif", bytes_[:bands])
        expected = bytes_[[0, 0, 0] if bands == 1 else [0, 1, 2]].transpose(1, 2, 0)
        assert np.array_equal(np.asarray(open_tile(path)), expected)
    stack = RNG.integers(0, 255, (12, 20, 30), np.uint8)
    assert np.array_equal(
        np.asarray(open_tile(write(tmp_path / "s.tif", stack))), stack[[3, 2, 1]].transpose(1, 2, 0)
    )


def sixteen_bit_png(path, values):
    """Grey (rows, columns) or RGB (rows, columns, 3) in a PNG of 16 bits a channel; Pillow writes no such RGB."""
    import struct
    import zlib

    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    rows, columns = values.shape[:2]
    head = struct.pack(">IIBBBBB", columns, rows, 16, 2 if values.ndim == 3 else 0, 0, 0, 0)
    body = b"".join(b"\0" + line.astype(">u2").tobytes() for line in values)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(body))
        + chunk(b"IEND", b"")
    )
    return path


def test_sixteen_bit_pictures_keep_their_colours_or_say_that_they_would_be_black(tmp_path):
    colours = RNG.integers(0, 255, (20, 30, 3))
    grey = colours[..., 0]
    for values, expected in (
        (colours * 257, colours), (grey * 257, np.dstack([grey] * 3)), (grey, np.dstack([grey] * 3)),
        (grey * 16, np.dstack([np.round(grey * 16 * 255 / 4095).astype(int)] * 3)),
        (grey * 4, np.dstack([np.round(grey * 4 * 255 / 1023).astype(int)] * 3)),
    ):  # fmt: skip
        assert np.array_equal(
            np.asarray(open_rgb(sixteen_bit_png(tmp_path / "d.png", values))), expected
        )
    for tile in (False, True):
        with pytest.raises(MediaError, match="16-bit colours up to .* black as a picture"):
            image_pixels(
                sixteen_bit_png(tmp_path / "dim.png", colours * 12), ImageSpec(), tile=tile
            )
    Image.fromarray(RNG.random((20, 30)).astype(np.float32)).save(tmp_path / "f.tif")
    with pytest.raises(MediaError, match="floating-point values"):
        open_rgb(tmp_path / "f.tif")
    Image.fromarray(RNG.integers(0, 1 << 20, (20, 30)).astype(np.int32)).save(tmp_path / "i.tif")
    with pytest.raises(MediaError, match="more than 16 bits"):
        open_rgb(tmp_path / "i.tif")
