"""Photos and tiles on the way into their towers: scaled on the processor, or on the card that runs the tower."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prom3e_index.encoders.forward import Forward, Rows, gathered
from prom3e_index.encoders.protocol import unit_rows
from prom3e_index.media.images import ImageSpec, normalise_pixels
from prom3e_index.models.device import is_card


def picture_batch(device: str) -> int:
    """Pictures per call that suit a device."""
    return 256 if is_card(device) else 32


def scaled_pixels(pixels: Tensor, spec: ImageSpec) -> Tensor:
    """`media.images.normalise_pixels` of a tensor, on its device, to the bit."""
    mean, deviation = (
        torch.tensor(v, dtype=torch.float32, device=pixels.device) for v in (spec.mean, spec.std)
    )
    return ((pixels.float() / 255 - mean) / deviation).permute(0, 3, 1, 2).contiguous()


def picture_forward(
    tower: Callable[[Tensor], Tensor], spec: ImageSpec, device: str, precision: str = "float32"
) -> Forward:
    """A picture tower on a device; a card is given bytes, a quarter of what numbers would take, and scales them."""
    network = tower.to(device)  # type: ignore[attr-defined]
    if not is_card(device):
        return Forward(network, device, precision)
    return Forward(lambda p: network(scaled_pixels(p, spec)), device, precision)


def begun_pictures(
    forward: Forward, batch: Sequence[NDArray[np.uint8]], spec: ImageSpec, device: str
) -> Rows:
    """Begin to embed pictures (h, w, 3): unit rows."""
    pixels = gathered(batch, device)
    if not is_card(device):
        pixels = torch.from_numpy(normalise_pixels(pixels.numpy(), spec))
    rows = forward.begin(pixels)
    return lambda: unit_rows(rows())
