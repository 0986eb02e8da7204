"""Satellite tiles in GeoTIFFs of many bands or of more than 8 bits, as 8-bit RGB.

Bands: at least 10 are a Sentinel-2 stack in band order (B1, B2, …), of which 4, 3, 2 are red, green and
blue; 3 or 4 are RGB. Values: reflectance × 10,000, where `WHITE` shows as 255; or reflectance itself
(0..1) in a stack of floating-point bands or where the bands state a scale. Sentinel-2 products since
baseline 04.00 add 1,000 to each value, which is taken off where the file's tags state it. A scale that
cannot be told is an error: a guess would make a black or white picture that the encoder believes.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import MediaError
from prom3e_index.media.files import MAX_PIXELS

if TYPE_CHECKING:
    from PIL.Image import Image

WHITE = 3000.0
"""Digital number (reflectance × 10,000) shown as 255: 0.3, bright soil; brighter is clipped."""

MOST_BYTES = 1 << 30
"""Values of a tile, of all its bands: they may lie in one piece, which is read whole."""
_STACK = (4, 3, 2)
_STACK_BANDS = 10
_PER_REFLECTANCE = 10_000.0
_BASELINE_OFFSET = -1000.0
_LEAST_DIGITAL = 100.0
"""A stack whose visible bands stay below 1 % of reflectance shows as black."""
_LEAST_KNOWN = 0.1
_BYTE, _BEYOND = 255.0, 20_000.0
"""RGB in 16 bits up to here is an 8-bit picture in disguise; beyond the other, no reflectance is so high."""


def read_geotiff(path: Path) -> Image | None:
    """A GeoTIFF as RGB; None where it is an ordinary 8-bit picture.

    Pixels without a value (NaN, infinite, the file's own nodata) are black.

    Raises:
        MediaError: Damaged, too large, other bands, hardly any value, or values whose scale cannot be told.
    """
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
                size = tile.width * tile.height * bands * np.dtype(kind).itemsize
                if size > MOST_BYTES:
                    raise MediaError(
                        f"{path} holds {size / 2**30:,.1f} GB of values in {bands:,} bands, more than "
                        f"{MOST_BYTES >> 30}; cut it to the place of the observation"
                    )
                if kind == "uint8" and bands <= 4:
                    return None
                if bands < 3 or 4 < bands < _STACK_BANDS or "complex" in kind:
                    raise MediaError(
                        f"{path} has {bands} bands of {kind}; needed: RGB, or a Sentinel-2 stack "
                        "of at least 10 bands in band order"
                    )
                stack = bands >= _STACK_BANDS
                order = _STACK if stack else (1, 2, 3)
                layers = tile.read(order, masked=True)
                values = layers.data.astype(np.float32)
                values[np.ma.getmaskarray(layers)] = np.nan
                del layers
                values[np.isinf(values)] = np.nan
                known = 1 - float(np.isnan(values).mean())
                if known < _LEAST_KNOWN:
                    raise MediaError(f"{path} has values in {known:.0%} of its pixels only")
                if kind == "uint8":
                    white = _BYTE
                else:
                    values = _digital(values, tile, order, stack, path)
                    white = WHITE
    except RasterioError as e:
        raise MediaError(f"{path} cannot be decoded: {str(e).splitlines()[0]}") from e
    flat = bool((np.nanmin(values, (1, 2)) == np.nanmax(values, (1, 2))).all())
    scaled = np.nan_to_num(values, copy=False)
    scaled *= np.float32(255.0 / white)
    np.clip(scaled, 0, 255, out=scaled).round(out=scaled)
    if flat:
        shown = ", ".join(f"{layer.max():g}" for layer in scaled)
        raise MediaError(f"{path} has one colour throughout ({shown}): nothing to see")
    return Image.fromarray(scaled.astype(np.uint8).transpose(1, 2, 0))  # snow is white, as it is


def _digital(
    values: NDArray[np.float32], tile: Any, order: tuple[int, ...], stack: bool, path: Path
) -> NDArray[np.float32]:
    """Values as reflectance × 10,000, without the offset that the file states; an error where nobody knows."""
    kind = str(tile.dtypes[0])
    scale = np.array([tile.scales[i - 1] for i in order], np.float32)[:, None, None]
    offset = np.array([tile.offsets[i - 1] for i in order], np.float32)[:, None, None]
    stated = bool((scale != 1).any())
    values = values * scale + offset
    highest = _brightest(values)
    reflectance = highest <= 2 and (stated or (stack and kind.startswith("float")))
    if reflectance:
        values, highest = values * np.float32(_PER_REFLECTANCE), highest * _PER_REFLECTANCE
    elif not offset.any():
        added = _stated_offset(tile, order, values)
        values, highest = values + added, highest + float(added.max())
    least = _LEAST_DIGITAL if stack else _BYTE
    if highest <= least or (not reflectance and kind.startswith("float") and highest <= _BYTE):
        raise MediaError(
            f"{path} has {kind} values up to {highest:.4g} at most, black on the scale of reflectance × 10,000; "
            "save RGB with 8 bits, or write reflectance × 10,000"
        )
    if not stack and highest > _BEYOND:
        raise MediaError(
            f"{path} has {kind} values up to {highest:,.0f}, beyond any reflectance × 10,000; save RGB "
            "with 8 bits"
        )
    return values


def _brightest(values: NDArray[np.float32]) -> float:
    """What all but the brightest hundredth stay below, so that no single saturated pixel decides."""
    step = max(1, max(values.shape[1:]) // 1024)
    known = values[:, ::step, ::step]
    known = known[np.isfinite(known)]
    return float(np.percentile(known, 99)) if known.size else 0.0


def _stated_offset(
    tile: Any, order: tuple[int, ...], values: NDArray[np.float32]
) -> NDArray[np.float32]:
    """What the tags say is to be added to digital numbers, for each band (3, 1, 1); 0 where they say nothing.

    `BOA_ADD_OFFSET` and `RADIO_ADD_OFFSET` are Sentinel-2's own names. A processing baseline alone does not
    tell, since archives take the offset off: it counts where no value lies below it.
    """
    out = np.zeros((len(order), 1, 1), np.float32)
    whole = {k.upper(): v for k, v in tile.tags().items()}
    for i, band in enumerate(order):
        tags = whole | {k.upper(): v for k, v in tile.tags(band).items()}
        for key in ("BOA_ADD_OFFSET", "RADIO_ADD_OFFSET"):
            if (number := _number(tags.get(key))) is not None:
                out[i] = number
                break
        else:
            baseline = _number(str(tags.get("PROCESSING_BASELINE", "")).lstrip("Nn0"))
            least = np.nanmin(np.where(values[i] > 0, values[i], np.inf))
            raw = least >= 0.9 * -_BASELINE_OFFSET
            if baseline is not None and (4 <= baseline < 100 or baseline >= 400) and raw:
                out[i] = _BASELINE_OFFSET
    return out


def _number(text: Any) -> float | None:
    try:
        return float(text)
    except (TypeError, ValueError):
        return None
