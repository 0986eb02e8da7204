"""The audio tower of a LAION-CLAP checkpoint, through laion_clap's own network code.

Importing the package normally builds three text tokenizers from the hub. The network's modules need none
of that, so they are imported beside the package's own start-up code, from its folder.
"""

from __future__ import annotations

import sys
import types
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from prom3e_index.errors import ModelError
from prom3e_index.models.weights import State, load_strictly

_SIZES = {96: "tiny", 128: "base", 256: "large"}
"""HTSAT variants by the width of their first layer."""


def _network_code() -> Any:
    """Import `laion_clap.clap_module.htsat` without running the package's start-up code."""
    spec = find_spec("laion_clap")
    if spec is None or spec.origin is None:
        raise ModelError(
            "The package laion-clap is not installed (`pip install laion-clap`, Python < 3.13)."
        )
    folder = Path(spec.origin).parent
    for name, path in (("laion_clap", folder), ("laion_clap.clap_module", folder / "clap_module")):
        if name not in sys.modules:
            bare = types.ModuleType(name)
            bare.__path__ = [str(path)]
            sys.modules[name] = bare
    try:
        from laion_clap.clap_module import htsat
    finally:
        for name in ("laion_clap", "laion_clap.clap_module"):
            if getattr(sys.modules.get(name), "__file__", None) is None:
                sys.modules.pop(name, None)
    return htsat


def read_checkpoint(path: Path) -> State:
    """Read a LAION checkpoint's tensors; its other content may be numpy numbers, nothing else."""
    scalar = getattr(getattr(np, "core", None), "multiarray", np)
    scalar = getattr(scalar, "scalar", None)
    allowed: list[Any] = [
        np.dtype,
        *{type(np.dtype(t)) for t in (np.float32, np.float64, np.int64)},
    ]
    allowed += [scalar] if scalar is not None else []
    try:
        with torch.serialization.safe_globals(allowed):
            state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as e:
        raise ModelError(
            f"{path} cannot be read as a LAION-CLAP checkpoint: {e}".splitlines()[0]
        ) from e
    state = state.get("state_dict", state)
    plain = {k.removeprefix("module."): v for k, v in state.items()}
    return {k: v for k, v in plain.items() if k.startswith(("audio_branch.", "audio_projection."))}


class _Tower(nn.Module):
    """HTSAT and the two-layer projection; reads the features of `media.audio`, (n, 4, frames, mels)."""

    def __init__(self, branch: nn.Module, width_in: int, width: int) -> None:
        super().__init__()
        self.audio_branch = branch
        self.audio_projection = nn.Sequential(
            nn.Linear(width_in, width), nn.ReLU(), nn.Linear(width, width)
        )

    def forward(self, features: Tensor) -> Tensor:
        fields = {"mel_fusion": features, "longer": torch.ones(len(features), 1, dtype=torch.bool)}
        out: Tensor = self.audio_projection(
            self.audio_branch(fields, device=features.device)["embedding"]
        )
        return out


def audio_tower(path: Path) -> tuple[nn.Module, dict[str, Any]]:
    """Build the audio tower that a checkpoint holds; sizes and fusion are read off its tensors.

    Raises:
        ModelError: Not such a checkpoint, or tensors that do not fit.
    """
    state = read_checkpoint(path)
    try:
        first = int(state["audio_branch.patch_embed.proj.weight"].shape[0])
        width, width_in = (int(v) for v in state["audio_projection.0.weight"].shape)
        classes = int(state["audio_branch.tscam_conv.weight"].shape[0])
    except KeyError as e:
        raise ModelError(f"{path} is no LAION-CLAP checkpoint: it lacks {e}.") from e
    if first not in _SIZES or not any("fusion_model" in k or "mel_conv2d" in k for k in state):
        raise ModelError(
            f"{path}: HTSAT of width {first} without fusion is not known; a fusion checkpoint is needed."
        )
    settings = types.SimpleNamespace(
        model_name=_SIZES[first],
        audio_length=1024,
        clip_samples=480_000,
        mel_bins=64,
        sample_rate=48_000,
        window_size=1024,
        hop_size=480,
        fmin=50,
        fmax=14_000,
        class_num=classes,
    )
    htsat = _network_code()
    branch = htsat.create_htsat_model(settings, enable_fusion=True, fusion_type="aff_2d")
    tower = _Tower(branch, width_in, width)
    own = tower.state_dict()
    for key in [
        k
        for k in own
        if k.endswith(("relative_position_index", "num_batches_tracked", "attn_mask"))
    ]:
        state.setdefault(key, own[key])
    load_strictly(tower, state, path)
    return tower.eval().requires_grad_(False), {"projection_dim": width, "size": _SIZES[first]}
