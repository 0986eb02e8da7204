"""Recordings: transformers' CLAP audio tower (`MVRL/ecosound`) and LAION-CLAP checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prom3e_index.encoders.forward import Forward, Rows
from prom3e_index.encoders.protocol import unit_rows
from prom3e_index.errors import ModelError
from prom3e_index.media.audio import AudioSpec
from prom3e_index.models.device import is_card
from prom3e_index.models.weights import (
    fingerprint,
    network_settings,
    open_network,
    read_json,
    read_state,
    weights_file,
    whole_number,
)

_SIZES = {
    "window_size": (1, 1 << 8, 8),
    "num_mel_bins": (1, 1 << 10, 64),
    "spec_size": (1, 1 << 12, 256),
    "patch_size": (1, 1 << 8, 4),
    "num_classes": (0, 1 << 16, 527),
    "hidden_size": (1, 1 << 16, 768),
    "projection_dim": (1, 1 << 16, 512),
    "patch_embed_input_channels": (1, 64, 1),
    "patch_embeds_hidden_size": (1, 1 << 13, 96),
    "aff_block_r": (1, 1 << 8, 4),
    "num_hidden_layers": (1, 16, 4),
}
_LISTS = {"patch_stride": 1 << 8, "depths": 64, "num_attention_heads": 1 << 10}
_SWITCHES = ("enable_fusion", "flatten_patch_embeds", "enable_patch_layer_norm", "qkv_bias")
_SHARES = {
    "hidden_dropout_prob": 1.0,
    "attention_probs_dropout_prob": 1.0,
    "drop_path_rate": 1.0,
    "mlp_ratio": 64.0,
    "layer_norm_eps": 1.0,
    "initializer_factor": 1e3,
}
_ACTIVATIONS = ("gelu", "relu")
_FUSIONS = (None, "aff_2d", "daf_2d", "iaff_2d")
_FIXED = ("relative_position_index", "num_batches_tracked")


def clap_settings(settings: dict[str, Any], where: Path) -> dict[str, Any]:
    """What transformers' `ClapAudioConfig` is given of a `config.json`: known settings, within bounds.

    Other keys, which that class has for text and for generation, are passed over.

    Raises:
        ModelError: A setting out of bounds or of another type; one that names code from elsewhere.
    """
    given = network_settings(settings)
    out: dict[str, Any] = {}
    for key, (low, high, usual) in _SIZES.items():
        if key in given:
            out[key] = whole_number(given, key, low, high, where, usual)
    for key, high in _LISTS.items():
        if key in given:
            values = given[key] if isinstance(given[key], list) else [given[key]]
            if len(values) > _SIZES["num_hidden_layers"][1]:
                raise ModelError(f"{where}: {key} has {len(values)} numbers.")
            numbers = [whole_number({key: v}, key, 1, high, where) for v in values]
            out[key] = numbers if isinstance(given[key], list) else numbers[0]
    for key in _SWITCHES:
        if not isinstance(given.get(key, False), bool):
            raise ModelError(f"{where}: {key} is {given[key]!r}; true or false is needed.")
    for key, most in _SHARES.items():
        value = given.get(key, 0)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
            raise ModelError(f"{where}: {key} is {value!r}; it lies between 0 and {most:g}.")
    for key in ("hidden_act", "projection_hidden_act"):
        if given.get(key, "gelu") not in _ACTIVATIONS:
            raise ModelError(f"{where}: {key} is {given[key]!r}; known: {', '.join(_ACTIVATIONS)}.")
    if given.get("fusion_type") not in _FUSIONS:
        raise ModelError(
            f"{where}: fusion_type is {given['fusion_type']!r}; known: null, aff_2d, daf_2d, iaff_2d."
        )
    kept = (*_SWITCHES, *_SHARES, "hidden_act", "projection_hidden_act", "fusion_type")
    return out | {k: given[k] for k in kept if k in given}


class ClapAudio:
    """The published audio tower; takes features (w, 4, frames, mels), averages the w windows."""

    modality = "audio"

    def __init__(self, folder: Path, spec: AudioSpec, device: str = "cpu") -> None:
        settings = read_json(folder / "config.json")
        known = clap_settings(settings, folder / "config.json")
        path = weights_file(folder, ("model.safetensors", "pytorch_model.bin"))
        from transformers import ClapAudioConfig, ClapAudioModelWithProjection

        try:
            config = ClapAudioConfig(**known)
            model = open_network(
                lambda: ClapAudioModelWithProjection(config), read_state(path), path, _FIXED
            )
        except ModelError:
            raise
        except (ValueError, TypeError, RuntimeError, IndexError, ZeroDivisionError) as e:
            reason = " ".join(str(e).split())[:200]
            raise ModelError(
                f"{folder / 'config.json'} describes no CLAP audio tower: {reason}"
            ) from e
        self.spec, self.device = spec, device
        self.width = int(model.config.projection_dim)
        self.fingerprint = fingerprint("clap-audio", path, network_settings(settings), vars(spec))
        network: Any = model.to(device)

        def embedded(features: Tensor) -> Tensor:
            longer = torch.ones(len(features), 1, dtype=torch.bool, device=features.device)
            out: Tensor = network(input_features=features, is_longer=longer).audio_embeds
            return out

        self.batch_size = _batch(device)
        self.forward = Forward(embedded, device)

    def encode(self, batch: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Embed recordings; see `Encoder.encode`."""
        return self.begin(batch)()

    def begin(self, batch: Sequence[NDArray[np.float32]]) -> Rows:
        """Begin to embed; see `Encoder.begin`."""
        return _begun(self.forward, batch, self.batch_size)


def _batch(device: str) -> int:
    """Windows of recordings per pass that suit a device."""
    return 64 if is_card(device) else 8


def _begun(forward: Forward, batch: Sequence[NDArray[np.float32]], size: int) -> Rows:
    """Begin to embed the windows of recordings, `size` in one pass; gives each recording's average."""
    windows = torch.from_numpy(np.concatenate(list(batch)))
    parts = [forward.begin(part) for part in windows.split(size)]
    counts = [len(b) for b in batch]
    return lambda: average_windows(unit_rows(np.concatenate([rows() for rows in parts])), counts)


def average_windows(rows: NDArray[np.float32], counts: list[int]) -> NDArray[np.float32]:
    """Average consecutive unit rows, `counts[i]` of them for item i, and normalise: (len(counts), d)."""
    starts = np.cumsum([0, *counts[:-1]])
    return unit_rows(np.add.reduceat(rows, starts, axis=0))


class LaionAudio:
    """The audio tower of a LAION-CLAP checkpoint (`*.pt`), without its text tower or the hub."""

    modality = "audio"

    def __init__(self, path: Path, spec: AudioSpec, device: str = "cpu") -> None:
        from prom3e_index.encoders.laion import audio_tower

        model, settings = audio_tower(path)
        self.spec, self.device = spec, device
        self.width = int(settings["projection_dim"])
        self.fingerprint = fingerprint("laion-clap", path, settings, vars(spec))
        self.batch_size = _batch(device)
        self.forward = Forward(model.to(device), device)

    def encode(self, batch: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Embed recordings; see `Encoder.encode`."""
        return self.begin(batch)()

    def begin(self, batch: Sequence[NDArray[np.float32]]) -> Rows:
        """Begin to embed; see `Encoder.begin`."""
        return _begun(self.forward, batch, self.batch_size)
