"""Photos and satellite tiles to the 8-bit RGB squares that the vision towers read.

The order of operations is the published one: RGB (alpha dropped, EXIF rotation not applied),
squash to `resize`² with Pillow's bilinear filter, centre crop. Normalisation follows in the encoder.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import MediaError
from prom3e_index.media.files import MAX_PIXELS, check_file
from prom3e_index.media.formats import family, instead

if TYPE_CHECKING:
    from PIL.Image import Image

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "TGA", "PPM", "JPEG2000")
_READ = "JPEG, PNG, WebP, GIF, TIFF, HEIC, AVIF, JPEG 2000, BMP, TGA, PPM, camera raws, a frame of a video"
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_DARK = 16
"""Of 255: a 16-bit picture whose brightest channel stays below is black to the eye and to the encoder."""


@dataclass(frozen=True)
class ImageSpec:
    """How an image becomes the network's input.

    Attributes:
        resize: Side in pixels of the squashed square.
        crop: Side in pixels of the centre crop.
        mean: Per-channel mean, RGB in 0..1.
        std: Per-channel standard deviation.
        exif_transpose: Turn upright by the EXIF orientation first (the published code does not).
    """

    resize: int = 256
    crop: int = 224
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    exif_transpose: bool = False


def open_rgb(path: Path, *, exif_transpose: bool = False) -> Image:
    """Decode a photo to 8-bit RGB; of an animation or pages the first, of a video a frame, 16-bit channels scaled to 8.

    HEIC is always upright: its turn is a part of the format. A camera's raw is developed in full, never its
    thumbnail; see `media.raw`. The format is told by content, whatever the name's ending.

    Raises:
        MediaError: Not an image of a known format, truncated, empty, larger than `MAX_PIXELS`, or with
            values that would show as nothing but black or white: floating-point ones, 32-bit ones beyond
            65,535, 16-bit colours that reach only the darkest of 8 bits.
    """
    return open_rgb_and_note(path, exif_transpose=exif_transpose)[0]


def open_rgb_and_note(path: Path, *, exif_transpose: bool = False) -> tuple[Image, str | None]:
    """As `open_rgb`, and what to say of a file of which only a part is seen."""
    kind = family(path, check_file(path))
    if kind == "raw":
        from prom3e_index.media.raw import develop

        return develop(path, upright=exif_transpose), None
    if kind == "video":
        from prom3e_index.media.video import one_frame

        return one_frame(path, upright=exif_transpose)
    return _open_with_pillow(path, kind, exif_transpose), None


def _open_with_pillow(path: Path, kind: str, exif_transpose: bool) -> Image:
    from PIL import Image, ImageOps, UnidentifiedImageError

    formats: tuple[str, ...] = _FORMATS
    if kind == "heif":
        import pillow_heif

        pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
        formats = ("HEIF",)
    elif kind == "avif":
        formats = ("AVIF",)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=formats) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise MediaError(
                        f"{path} has {image.width} × {image.height} pixels, "
                        f"more than {MAX_PIXELS:,}; shrink it first"
                    )
                deep = any(";16" in _raw_mode(part[3]) for part in image.tile)
                image.load()
                turned = ImageOps.exif_transpose(image) if exif_transpose else image
                if turned.mode == "F":
                    raise MediaError(f"{path} holds floating-point values; save it with 8 bits")
                if turned.mode.startswith("I"):  # Pillow would clip 16-bit grey at 255
                    turned, deep = _eight_bits(np.asarray(turned), path), False
                rgb = turned.convert("RGB")
                brightest = int(np.asarray(rgb).max()) if deep else 255
                if brightest < _DARK:
                    raise MediaError(
                        f"{path} has 16-bit colours up to {256 * brightest + 255:,} at most, black as a "
                        "picture; stretch them to 0..65,535, or save it with 8 bits"
                    )
                return rgb
    except MediaError:
        raise
    except UnidentifiedImageError as e:
        what = instead(path, "image")
        if what and kind == "other":
            raise MediaError(f"{path} is no image: {what}") from e
        raise MediaError(
            f"{path} is no image of a known format ({_READ}), or damaged from its first bytes on; "
            "save it as JPEG or PNG"
        ) from e
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as e:
        raise MediaError(
            f"{path} cannot be decoded: {str(e).splitlines()[0] if str(e) else e!r}"
        ) from e


def _raw_mode(arguments: object) -> str:
    """How the file holds its channels, from what Pillow passes to a decoder."""
    first = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return first if isinstance(first, str) else ""


def _eight_bits(values: NDArray[np.integer[Any]], path: Path) -> Image:
    """Grey of more than 8 bits as 8-bit, its whole range as 255.

    Where that would be black the values fill 8, 10 or 12 bits, as sensors give them: then those are 255.
    """
    from PIL import Image

    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65_535:
        raise MediaError(
            f"{path} holds values from {low:,} to {high:,}, more than 16 bits; save it with 8 bits"
        )
    top = 65_535 if high // 257 >= _DARK else next(t for t in (255, 1023, 4095, 8191) if high <= t)
    shown = np.round(np.arange(high + 1) * (255.0 / top)).astype(np.uint8)
    return Image.fromarray(
        shown[values]
    )  # a table of all values: a large picture is held once, not as numbers


def open_tile(path: Path, *, exif_transpose: bool = False) -> Image:
    """Decode a satellite tile to 8-bit RGB: an ordinary image, or a GeoTIFF of more; see `media.tiles`.

    Raises:
        MediaError: As `open_rgb`; or values whose scale cannot be told; or one colour throughout.
    """
    head = check_file(path)
    if head[:4] in _TIFF:
        from prom3e_index.media.tiles import read_geotiff

        image = read_geotiff(path)
        if image is not None:
            return image
    image = open_rgb(path, exif_transpose=exif_transpose)
    colour = image.getextrema()
    if all(low == high for low, high in colour):  # type: ignore[misc]
        shown = ", ".join(str(low) for low, _ in colour)  # type: ignore[misc]
        raise MediaError(f"{path} has one colour throughout ({shown}): nothing to see")
    return image


def image_pixels(path: Path, spec: ImageSpec, *, tile: bool = False) -> NDArray[np.uint8]:
    """Decode, squash and crop a photo (or satellite tile).

    Returns:
        (crop, crop, 3) uint8, RGB.
    """
    return image_pixels_and_note(path, spec, tile=tile)[0]


def image_pixels_and_note(
    path: Path, spec: ImageSpec, *, tile: bool = False
) -> tuple[NDArray[np.uint8], str | None]:
    """As `image_pixels`, and what to say of a file of which only a part is seen."""
    from PIL import Image

    if tile:
        opened, note = open_tile(path, exif_transpose=spec.exif_transpose), None
    else:
        opened, note = open_rgb_and_note(path, exif_transpose=spec.exif_transpose)
    squashed = opened.resize((spec.resize, spec.resize), Image.Resampling.BILINEAR)
    edge = int(round((spec.resize - spec.crop) / 2.0))
    return np.asarray(squashed)[edge : edge + spec.crop, edge : edge + spec.crop].copy(), note


def thumbnail_pixels(path: Path, side: int, *, tile: bool = False) -> NDArray[np.uint8]:
    """Decode a photo or satellite tile to be looked at, upright: (h, w, 3) uint8, at most `side` each way."""
    image = (open_tile if tile else open_rgb)(path, exif_transpose=True)
    image.thumbnail((side, side))
    return np.array(image)


def normalise_pixels(pixels: NDArray[np.uint8], spec: ImageSpec) -> NDArray[np.float32]:
    """Scale (n, h, w, 3) uint8 to (n, 3, h, w) float32 with the model's mean and deviation."""
    mean = np.asarray(spec.mean, np.float32)
    std = np.asarray(spec.std, np.float32)
    scaled = (pixels.astype(np.float32) / np.float32(255) - mean) / std
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))
