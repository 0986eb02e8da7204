"""Small pictures for reports: thumbnails, spectrograms, maps; each as a `data:` address."""

from __future__ import annotations

import atexit
import base64
import io
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import MediaError
from prom3e_index.media.pool import DecodePool, Task

if TYPE_CHECKING:
    from PIL.Image import Image

_HEAT = np.array([[13, 8, 36], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]], float)
_SPECTROGRAM_S = 10
_MAP = (360, 720)


def data_address(image: Image, kind: str = "JPEG") -> str:
    """An image as the text of a `data:` address."""
    out = io.BytesIO()
    image.save(out, kind, **({"quality": 82} if kind == "JPEG" else {}))
    return f"data:image/{kind.lower()};base64,{base64.b64encode(out.getvalue()).decode()}"


@cache
def _decoder() -> DecodePool:
    """The decode process of all pictures; files come from others, and one may crash or hang its reader."""
    pool = DecodePool(1, timeout_s=60)
    atexit.register(pool.close)
    return pool


def _decoded(kind: str, path: Path, **spec: Any) -> NDArray[Any]:
    result = _decoder().submit(Task(kind, path, spec)).result()
    if isinstance(result, MediaError):
        raise result
    return result


def thumbnail(path: Path, side: int = 240, *, tile: bool = False) -> str:
    """A photo or satellite tile, at most `side` pixels wide and high."""
    from PIL import Image

    return data_address(Image.fromarray(_decoded("thumbnail", path, side=side, tile=tile)))


def spectrogram(path: Path, start_s: float = 0.0, width: int = 240, height: int = 150) -> str:
    """Ten seconds of a recording as log-mel energy, low notes at the bottom."""
    from PIL import Image

    mel = _decoded("spectrogram", path, seconds=_SPECTROGRAM_S, start_s=start_s).T[::-1]
    top = float(mel.max())
    colour = coloured((mel - (top - 70)) / 70)
    return data_address(Image.fromarray(colour).resize((width, height)), "PNG")


def coloured(levels: NDArray[Any]) -> NDArray[np.uint8]:
    """Levels of 0 to 1 from dark to bright, (…, 3) uint8; what lies beyond is taken for these."""
    level = np.clip(levels, 0, 1) * (len(_HEAT) - 1)
    low = np.minimum(level.astype(int), len(_HEAT) - 2)
    part = (level - low)[..., None]
    return np.asarray(_HEAT[low] * (1 - part) + _HEAT[low + 1] * part, np.float64).astype(np.uint8)


def picture(path: str | None, start_s: float | None = None) -> str | None:
    """A thumbnail, or a spectrogram from a second on, by the file's kind; None when no file can be shown.

    The file is decoded in a process of its own, with limits of time and memory.
    """
    if path is None:
        return None
    file = Path(path)
    try:
        if file.suffix.lower() in (".wav", ".flac", ".mp3", ".ogg", ".m4a", ".opus"):
            return spectrogram(file, start_s or 0.0)
        return thumbnail(file, tile=file.suffix.lower() in (".tif", ".tiff"))
    except MediaError:
        return None


def land_map(file: Path) -> str | None:
    """A climate raster (`.npy`: rows, columns, bands) as a pale background map; NaN is sea.

    Returns:
        The picture, or None where the file is no such raster.
    """
    from PIL import Image

    try:
        raster = np.lib.format.open_memmap(file, mode="r")
    except (ValueError, TypeError, OSError, EOFError, OverflowError, MemoryError):
        return None
    if raster.ndim != 3 or raster.dtype.kind != "f" or 0 in raster.shape:
        return None
    rows, columns = (max(1, n // m) for n, m in zip(raster.shape, _MAP, strict=False))
    first = np.asarray(raster[::rows, ::columns, 0], float)  # the copy is small
    sea = ~np.isfinite(first)
    height = np.clip((np.nan_to_num(first) + 2) / 4, 0, 1)[..., None]
    land = np.array([214, 222, 196]) * (1 - height) + np.array([178, 160, 130]) * height
    colour = np.where(sea[..., None], np.array([220, 232, 240]), land).astype(np.uint8)
    return data_address(Image.fromarray(colour).resize(_MAP[::-1]), "PNG")
