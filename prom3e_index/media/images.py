"""Photos and satellite tiles to the 8-bit RGB squares that the vision towers read.

The order of operations is the published one: RGB (alpha dropped, EXIF rotation not applied),
squash to `resize`² with Pillow's bilinear filter, centre crop. Normalisation follows in the encoder.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import MediaError
from prom3e_index.media.files import check_file

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 150_000_000
"""Larger images are refused before decoding: 450 MB of RGB, beyond any camera in use."""

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "TGA", "PPM", "JPEG2000")
_RED_GREEN_BLUE = (4, 3, 2)
"""1-based bands of a Sentinel-2 stack (B1, B2, B3, B4, …) that make red, green and blue."""

REFLECTANCE_WHITE = 3000.0
"""Digital number (reflectance × 10,000) shown as 255: 0.3, bright soil; brighter is clipped."""


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
    """Decode a photo to 8-bit RGB; of an animation the first frame, 16-bit grey scaled to 8.

    Raises:
        MediaError: Not an image of a known format, truncated, empty, or larger than `MAX_PIXELS`.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    check_file(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=_FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise MediaError(
                        f"{path} has {image.width} × {image.height} pixels, "
                        f"more than {MAX_PIXELS:,}; shrink it first"
                    )
                image.load()
                turned = ImageOps.exif_transpose(image) if exif_transpose else image
                if turned.mode.startswith("I"):  # Pillow would clip 16-bit grey at 255
                    values = np.asarray(turned, dtype=np.float32)
                    scale = 257.0 if values.max() > 255 else 1.0
                    grey = np.clip(values / scale, 0, 255).round().astype(np.uint8)
                    turned = Image.fromarray(grey)
                return turned.convert("RGB")
    except MediaError:
        raise
    except UnidentifiedImageError as e:
        raise MediaError(f"{path} is no image of a known format ({', '.join(_FORMATS)})") from e
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as e:
        raise MediaError(
            f"{path} cannot be decoded: {str(e).splitlines()[0] if str(e) else e!r}"
        ) from e


def open_tile(path: Path, *, exif_transpose: bool = False) -> Image:
    """Decode a satellite tile to 8-bit RGB: an ordinary image, or a multi-band GeoTIFF.

    A GeoTIFF with at least 10 bands is taken as a Sentinel-2 stack in band order (B1, B2, …): bands
    4, 3, 2 are red, green, blue; reflectance × 10,000 is scaled so that `REFLECTANCE_WHITE` is 255.
    16-bit tiles of 3 or 4 bands are taken as RGB with the same scaling.
    """
    head = check_file(path)
    if head[:4] not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return open_rgb(path, exif_transpose=exif_transpose)
    import rasterio
    from PIL import Image
    from rasterio.errors import RasterioError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tiles without georeference are fine here
            with rasterio.open(path, driver="GTiff") as tile:
                bands, kind = tile.count, tile.dtypes[0]
                if tile.width * tile.height > MAX_PIXELS:
                    raise MediaError(f"{path} has {tile.width} × {tile.height} pixels, too many")
                if kind == "uint8" and bands <= 4:
                    return open_rgb(path, exif_transpose=exif_transpose)
                if bands < 3 or 4 < bands < 10:
                    raise MediaError(
                        f"{path} has {bands} bands of {kind}; needed: RGB, or a Sentinel-2 stack "
                        "of at least 10 bands in band order"
                    )
                order = _RED_GREEN_BLUE if bands >= 10 else (1, 2, 3)
                values = tile.read(order).astype(np.float32)
    except RasterioError as e:
        raise MediaError(f"{path} cannot be decoded: {str(e).splitlines()[0]}") from e
    white = 255.0 if kind == "uint8" else REFLECTANCE_WHITE
    scaled = np.clip(np.nan_to_num(values) * (255.0 / white), 0, 255)
    return Image.fromarray(scaled.round().astype(np.uint8).transpose(1, 2, 0))


def image_pixels(path: Path, spec: ImageSpec, *, tile: bool = False) -> NDArray[np.uint8]:
    """Decode, squash and crop a photo (or satellite tile).

    Returns:
        (crop, crop, 3) uint8, RGB.
    """
    from PIL import Image

    opened = (open_tile if tile else open_rgb)(path, exif_transpose=spec.exif_transpose)
    squashed = opened.resize((spec.resize, spec.resize), Image.Resampling.BILINEAR)
    edge = int(round((spec.resize - spec.crop) / 2.0))
    return np.asarray(squashed)[edge : edge + spec.crop, edge : edge + spec.crop].copy()


def normalise_pixels(pixels: NDArray[np.uint8], spec: ImageSpec) -> NDArray[np.float32]:
    """Scale (n, h, w, 3) uint8 to (n, 3, h, w) float32 with the model's mean and deviation."""
    mean = np.asarray(spec.mean, np.float32)
    std = np.asarray(spec.std, np.float32)
    scaled = (pixels.astype(np.float32) / np.float32(255) - mean) / std
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))
