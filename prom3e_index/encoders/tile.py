"""Satellite tiles: the vision tower of a transformers CLIP folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from prom3e_index.encoders.clip_files import clip_vision_tower
from prom3e_index.encoders.protocol import unit_rows
from prom3e_index.media.images import ImageSpec, normalise_pixels
from prom3e_index.models.weights import fingerprint, network_settings


class ClipTile:
    """The satellite tower `MVRL/ecosat`; takes (224, 224, 3) uint8."""

    modality = "sat"
    batch_size = 32

    def __init__(self, folder: Path, spec: ImageSpec, device: str = "cpu") -> None:
        tower, sizes, settings, path = clip_vision_tower(folder)
        self.spec, self.device = spec, device
        self.width = sizes.output
        self.fingerprint = fingerprint("clip-vision", path, network_settings(settings), vars(spec))
        self._tower = tower.to(device)

    def encode(self, batch: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Embed squashed and cropped tiles; see `Encoder.encode`."""
        pixels = torch.from_numpy(normalise_pixels(np.stack(list(batch)), self.spec))
        with torch.inference_mode():
            return unit_rows(self._tower(pixels.to(self.device)).cpu().numpy())
