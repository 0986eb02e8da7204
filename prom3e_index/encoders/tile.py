"""Satellite tiles: the vision tower of a transformers CLIP folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prom3e_index.encoders.clip_files import clip_vision_tower
from prom3e_index.encoders.forward import Rows
from prom3e_index.encoders.pictures import begun_pictures, picture_batch, picture_forward
from prom3e_index.media.images import ImageSpec
from prom3e_index.models.weights import fingerprint, network_settings


class ClipTile:
    """The satellite tower `MVRL/ecosat`; takes (224, 224, 3) uint8."""

    modality = "sat"

    def __init__(self, folder: Path, spec: ImageSpec, device: str = "cpu") -> None:
        tower, sizes, settings, path = clip_vision_tower(folder)
        self.spec, self.device = spec, device
        self.width = sizes.output
        self.fingerprint = fingerprint("clip-vision", path, network_settings(settings), vars(spec))
        self.batch_size = picture_batch(device)
        self.forward = picture_forward(tower, spec, device)

    def encode(self, batch: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Embed squashed and cropped tiles; see `Encoder.encode`."""
        return self.begin(batch)()

    def begin(self, batch: Sequence[NDArray[np.uint8]]) -> Rows:
        """Begin to embed; see `Encoder.begin`."""
        return begun_pictures(self.forward, batch, self.spec, self.device)
