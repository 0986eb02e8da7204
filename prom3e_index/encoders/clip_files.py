"""Folders in open_clip's and transformers' published layouts: their towers, with weights, read strictly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from prom3e_index.encoders.clip import (
    NameTower,
    PictureTower,
    Sizes,
    clip_vision_sizes,
    from_transformers,
    open_clip_sizes,
)
from prom3e_index.models.weights import (
    check_fits,
    hollow,
    open_network,
    read_json,
    read_state,
    weights_file,
)

OPEN_CLIP_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")


class _Pair(NameTower):
    """What an open_clip file holds: both towers and the scale of their training."""

    def __init__(self, vision: Sizes, text: Sizes) -> None:
        super().__init__(text)
        self.visual = PictureTower(vision)
        self.logit_scale = nn.Parameter(torch.empty(()))


def open_clip_tower(folder: Path, part: str) -> tuple[nn.Module, dict[str, Any], Path]:
    """The tower for `image` or `text` of an open_clip folder, its `model_cfg` and its weights' file.

    The file has to fit as a whole; only the tower's own tensors are read from the disk.
    """
    vision, text, config = open_clip_sizes(folder)
    path = weights_file(folder, OPEN_CLIP_FILES)

    def needed(name: str) -> bool:
        return name.startswith("visual.") == (part == "image") and name != "logit_scale"

    state = read_state(path, needed)
    with hollow():
        pair = _Pair(vision, text)
    check_fits(pair, state, path)
    own = {k.removeprefix("visual."): v for k, v in state.items() if needed(k)}
    build = (lambda: PictureTower(vision)) if part == "image" else (lambda: NameTower(text))
    return open_network(build, own, path), config, path


def clip_vision_tower(folder: Path) -> tuple[PictureTower, Sizes, dict[str, Any], Path]:
    """The tower of a `CLIPVisionModelWithProjection` folder, its sizes, settings and weights' file."""
    settings = read_json(folder / "config.json")
    sizes = clip_vision_sizes(folder, settings)
    path = weights_file(folder, ("model.safetensors", "pytorch_model.bin"))
    net = open_network(lambda: PictureTower(sizes), from_transformers(read_state(path)), path)
    return net, sizes, settings, path


def open_clip_network(folder: Path) -> tuple[Any, dict[str, Any]]:
    """Both towers as open_clip's own network with random weights, to be trained."""
    _, _, config = open_clip_sizes(folder)  # refuses what is not known before open_clip sees it
    import open_clip

    vision = open_clip.CLIPVisionCfg(**config["vision_cfg"])
    text = open_clip.CLIPTextCfg(**config["text_cfg"])
    quick = bool(config.get("quick_gelu", False))
    return open_clip.CLIP(config["embed_dim"], vision, text, quick_gelu=quick), config
