"""An open_clip folder in the published layout: its network, its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prom3e_index.errors import ModelError
from prom3e_index.models.weights import load_strictly, read_json, read_state, weights_file

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
