"""Photos: the vision tower of an open_clip folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prom3e_index.encoders.clip_files import open_clip_tower
from prom3e_index.encoders.forward import Rows, photo_precision
from prom3e_index.encoders.pictures import begun_pictures, picture_batch, picture_forward
from prom3e_index.media.images import ImageSpec
from prom3e_index.models.weights import fingerprint


class OpenClipImage:
    """The photo tower of `MVRL/taxabind-vit-b-16` (BioCLIP's, patched); takes (224, 224, 3) uint8."""

    modality = "image"

    def __init__(self, folder: Path, spec: ImageSpec, device: str = "cpu") -> None:
        tower, config, path = open_clip_tower(folder, "image")
        self.spec, self.device = spec, device
        self.width = int(config["embed_dim"])
        self.fingerprint = fingerprint("open_clip-image", path, config, vars(spec))
        self.batch_size = picture_batch(device)
        self.forward = picture_forward(tower, spec, device, photo_precision(device))

    def encode(self, batch: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Embed squashed and cropped photos; see `Encoder.encode`."""
        return self.begin(batch)()

    def begin(self, batch: Sequence[NDArray[np.uint8]]) -> Rows:
        """Begin to embed; see `Encoder.begin`."""
        return begun_pictures(self.forward, batch, self.spec, self.device)
