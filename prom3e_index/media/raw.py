"""Cameras' raw photos (DNG, NEF, CR2, CR3, ARW, ORF, RW2, RAF, …), developed with LibRaw."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from prom3e_index.errors import MediaError
from prom3e_index.media.files import MAX_PIXELS

if TYPE_CHECKING:
    from PIL.Image import Image

NEEDS = "pip install 'prom3e-index[formats]'"
_HALVED = 1024
"""From this shorter side on, each 2 × 2 block of the sensor is one pixel: no interpolation, and a seventh of the time;
the encoders read 256 pixels."""


def develop(path: Path, *, upright: bool = False) -> Image:
    """The whole picture of a raw photo as 8-bit sRGB, with the camera's white balance; never its thumbnail.

    Args:
        path: The file.
        upright: Turn it as the camera says it was held; else as the sensor has it.

    Raises:
        MediaError: LibRaw is not installed, does not know the camera, or the file is damaged or too large.
    """
    from PIL import Image

    try:
        import rawpy
    except ImportError as e:
        raise MediaError(
            f"{path} is a camera's raw photo, of which only the thumbnail could be read without: {NEEDS}"
        ) from e
    try:
        with rawpy.imread(str(path)) as raw:
            sizes = raw.sizes
            if sizes.raw_width * sizes.raw_height > MAX_PIXELS:
                raise MediaError(
                    f"{path} has {sizes.raw_width} × {sizes.raw_height} pixels, more than {MAX_PIXELS:,}"
                )
            rgb = raw.postprocess(
                use_camera_wb=True,
                output_bps=8,
                half_size=min(sizes.width, sizes.height) >= _HALVED,
                user_flip=None if upright else 0,
            )
    except rawpy.LibRawError as e:
        reason = e.args[0] if e.args else e
        reason = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise MediaError(
            f"{path} is a camera's raw photo that LibRaw cannot develop ({reason}); save it as JPEG"
        ) from e
    return Image.fromarray(rgb)
