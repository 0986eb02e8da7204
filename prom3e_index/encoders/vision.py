"""Photos, names and satellite tiles: open_clip's ViT and transformers' CLIP vision tower."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from prom3e_index.encoders.protocol import unit_rows
from prom3e_index.errors import ModelError
from prom3e_index.media.images import ImageSpec, normalise_pixels
from prom3e_index.models.weights import (
    fingerprint,
    load_strictly,
    read_json,
    read_state,
    weights_file,
)

OPEN_CLIP_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")


def open_clip_network(folder: Path) -> tuple[Any, dict[str, Any]]:
    """The open_clip network that a folder's configuration describes, with random weights."""
    import open_clip

    config = read_json(folder / "open_clip_config.json").get("model_cfg")
    if not isinstance(config, dict):
        raise ModelError(f"{folder / 'open_clip_config.json'} has no `model_cfg`.")
    vision = open_clip.CLIPVisionCfg(**config["vision_cfg"])
    text = open_clip.CLIPTextCfg(**config["text_cfg"])
    quick = bool(config.get("quick_gelu", False))
    return open_clip.CLIP(config["embed_dim"], vision, text, quick_gelu=quick), config


def open_clip_model(folder: Path) -> tuple[Any, dict[str, Any], Path]:
    """Build an open_clip model from a folder in the published layout, weights loaded strictly."""
    model, config = open_clip_network(folder)
    path = weights_file(folder, OPEN_CLIP_FILES)
    load_strictly(model, read_state(path), path)
    return model.eval().requires_grad_(False), config, path


class OpenClipImage:
    """The photo tower of `MVRL/taxabind-vit-b-16` (BioCLIP's, patched); takes (224, 224, 3) uint8."""

    modality = "image"
    batch_size = 32

    def __init__(self, folder: Path, spec: ImageSpec, device: str = "cpu") -> None:
        model, config, path = open_clip_model(folder)
        self.spec, self.device = spec, device
        self.width = int(config["embed_dim"])
        self.fingerprint = fingerprint("open_clip-image", path, config, vars(spec))
        self._tower = model.visual.to(device)

    def encode(self, batch: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Embed squashed and cropped photos; see `Encoder.encode`."""
        pixels = torch.from_numpy(normalise_pixels(np.stack(list(batch)), self.spec))
        with torch.inference_mode():
            return unit_rows(self._tower(pixels.to(self.device)).float().cpu().numpy())


class OpenClipText:
    """The name tower of `MVRL/taxabind-vit-b-16`; takes bare names, no prompt around them."""

    modality = "text"
    batch_size = 256

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        import open_clip

        model, config, path = open_clip_model(folder)
        self.device = device
        self.width = int(config["embed_dim"])
        self.fingerprint = fingerprint("open_clip-text", path, config)
        model.visual = torch.nn.Identity()
        self._model = model.to(device)
        length = config["text_cfg"].get("context_length", 77)
        self._tokenize = open_clip.SimpleTokenizer(context_length=length)

    def tokens(self, batch: Sequence[str]) -> torch.Tensor:
        """Token ids, (n, context) int64."""
        ids: torch.Tensor = self._tokenize(list(batch))
        return ids

    def encode(self, batch: Sequence[str]) -> NDArray[np.float32]:
        """Embed names; see `Encoder.encode`."""
        with torch.inference_mode():
            out = self._model.encode_text(self.tokens(batch).to(self.device))
        return unit_rows(out.float().cpu().numpy())


class ClipTile:
    """The satellite tower `MVRL/ecosat`; takes (224, 224, 3) uint8."""

    modality = "sat"
    batch_size = 32

    def __init__(self, folder: Path, spec: ImageSpec, device: str = "cpu") -> None:
        from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

        settings = read_json(folder / "config.json")
        path = weights_file(folder, ("model.safetensors", "pytorch_model.bin"))
        model = CLIPVisionModelWithProjection(CLIPVisionConfig(**_plain(settings)))
        state = {k: v for k, v in read_state(path).items() if not k.endswith("position_ids")}
        load_strictly(model, state, path)
        self.spec, self.device = spec, device
        self.width = int(model.config.projection_dim)
        self.fingerprint = fingerprint("clip-vision", path, _plain(settings), vars(spec))
        self._model = model.eval().requires_grad_(False).to(device)

    def encode(self, batch: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Embed squashed and cropped tiles; see `Encoder.encode`."""
        pixels = torch.from_numpy(normalise_pixels(np.stack(list(batch)), self.spec))
        with torch.inference_mode():
            return unit_rows(
                self._model(pixel_values=pixels.to(self.device)).image_embeds.cpu().numpy()
            )


def _plain(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings that describe the network, without names and versions."""
    drop = {
        "_name_or_path",
        "architectures",
        "torch_dtype",
        "dtype",
        "transformers_version",
        "model_type",
    }
    return {k: v for k, v in settings.items() if k not in drop}
