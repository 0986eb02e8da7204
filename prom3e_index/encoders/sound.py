"""Recordings: transformers' CLAP audio tower (`MVRL/ecosound`) and LAION-CLAP checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from prom3e_index.encoders.protocol import unit_rows
from prom3e_index.media.audio import AudioSpec
from prom3e_index.models.weights import (
    fingerprint,
    load_strictly,
    network_settings,
    read_json,
    read_state,
    weights_file,
)


class ClapAudio:
    """The published audio tower; takes features (w, 4, frames, mels), averages the w windows."""

    modality = "audio"
    batch_size = 8

    def __init__(self, folder: Path, spec: AudioSpec, device: str = "cpu") -> None:
        from transformers import ClapAudioConfig, ClapAudioModelWithProjection

        settings = read_json(folder / "config.json")
        path = weights_file(folder, ("model.safetensors", "pytorch_model.bin"))
        model = ClapAudioModelWithProjection(ClapAudioConfig(**network_settings(settings)))
        state = read_state(path)
        own = model.state_dict()
        for key in [
            k for k in own if k.endswith(("relative_position_index", "num_batches_tracked"))
        ]:
            state.setdefault(
                key, own[key]
            )  # buffers that some writers leave out; fixed by the sizes
        load_strictly(model, state, path)
        self.spec, self.device = spec, device
        self.width = int(model.config.projection_dim)
        self.fingerprint = fingerprint("clap-audio", path, network_settings(settings), vars(spec))
        self._model = model.eval().requires_grad_(False).to(device)

    def encode(self, batch: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Embed recordings; see `Encoder.encode`."""
        windows = torch.from_numpy(np.concatenate(list(batch)))
        with torch.inference_mode():
            out = torch.cat(
                [
                    self._model(
                        input_features=part.to(self.device),
                        is_longer=torch.ones(len(part), 1, dtype=torch.bool, device=self.device),
                    ).audio_embeds.cpu()
                    for part in windows.split(self.batch_size)
                ]
            ).numpy()
        return average_windows(unit_rows(out), [len(b) for b in batch])


def average_windows(rows: NDArray[np.float32], counts: list[int]) -> NDArray[np.float32]:
    """Average consecutive unit rows, `counts[i]` of them for item i, and normalise: (len(counts), d)."""
    starts = np.cumsum([0, *counts[:-1]])
    return unit_rows(np.add.reduceat(rows, starts, axis=0))


class LaionAudio:
    """The audio tower of a LAION-CLAP checkpoint (`*.pt`), without its text tower or the hub."""

    modality = "audio"
    batch_size = 8

    def __init__(self, path: Path, spec: AudioSpec, device: str = "cpu") -> None:
        from prom3e_index.encoders.laion import audio_tower

        model, settings = audio_tower(path)
        self.spec, self.device = spec, device
        self.width = int(settings["projection_dim"])
        self.fingerprint = fingerprint("laion-clap", path, settings, vars(spec))
        self._model = model.to(device)

    def encode(self, batch: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Embed recordings; see `Encoder.encode`."""
        windows = torch.from_numpy(np.concatenate(list(batch)))
        with torch.inference_mode():
            out = torch.cat(
                [self._model(p.to(self.device)).cpu() for p in windows.split(self.batch_size)]
            )
        return average_windows(unit_rows(out.numpy()), [len(b) for b in batch])
