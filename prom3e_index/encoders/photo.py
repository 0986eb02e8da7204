"""Photos: the vision tower of an open_clip folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from prom3e_index.encoders.clip_files import open_clip_tower
from prom3e_index.encoders.protocol import unit_rows
from prom3e_index.media.images import ImageSpec, normalise_pixels
from prom3e_index.models.weights import fingerprint


class OpenClipImage:
    """The photo tower of `MVRL/taxabind-vit-b-16` (BioCLIP's, patched); takes (224, 224, 3) uint8."""

    modality = "image"
    batch_size = 32

    def __init__(self, folder: Path, spec: ImageSpec, device: str = "cpu") -> None:
        tower, config, path = open_clip_tower(folder, "image")
        self.spec, self.device = spec, device
        self.width = int(config["embed_dim"])
        self.fingerprint = fingerprint("open_clip-image", path, config, vars(spec))
        self._tower = tower.to(device)

    def encode(self, batch: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Embed squashed and cropped photos; see `Encoder.encode`."""
        pixels = torch.from_numpy(normalise_pixels(np.stack(list(batch)), self.spec))
        with torch.inference_mode():
            return unit_rows(self._tower(pixels.to(self.device)).float().cpu().numpy())
