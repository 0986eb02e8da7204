"""Satellite tiles: transformers' CLIP vision tower."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from prom3e_index.encoders.protocol import unit_rows
from prom3e_index.media.images import ImageSpec, normalise_pixels
from prom3e_index.models.weights import (
    fingerprint,
    load_strictly,
    network_settings,
    read_json,
    read_state,
    weights_file,
)


class ClipTile:
    """The satellite tower `MVRL/ecosat`; takes (224, 224, 3) uint8."""

    modality = "sat"
    batch_size = 32

    def __init__(self, folder: Path, spec: ImageSpec, device: str = "cpu") -> None:
        from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

        settings = read_json(folder / "config.json")
        path = weights_file(folder, ("model.safetensors", "pytorch_model.bin"))
        model = CLIPVisionModelWithProjection(CLIPVisionConfig(**network_settings(settings)))
        state = {k: v for k, v in read_state(path).items() if not k.endswith("position_ids")}
        load_strictly(model, state, path)
        self.spec, self.device = spec, device
        self.width = int(model.config.projection_dim)
        self.fingerprint = fingerprint("clip-vision", path, network_settings(settings), vars(spec))
        self._model = model.eval().requires_grad_(False).to(device)

    def encode(self, batch: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Embed squashed and cropped tiles; see `Encoder.encode`."""
        pixels = torch.from_numpy(normalise_pixels(np.stack(list(batch)), self.spec))
        with torch.inference_mode():
            return unit_rows(
                self._model(pixel_values=pixels.to(self.device)).image_embeds.cpu().numpy()
            )
