"""Climates: SINR's residual network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from prom3e_index.encoders.forward import Forward, Rows
from prom3e_index.encoders.protocol import unit_rows
from prom3e_index.errors import ModelError, ShapeError
from prom3e_index.models.weights import (
    fingerprint,
    open_network,
    read_json,
    read_state,
    weights_file,
    whole_number,
)


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.w1 = nn.Linear(width, width)
        self.w2 = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.relu(self.w2(torch.relu(self.w1(x))))


class ClimateNet(nn.Module):
    """SINR's residual network; parameter names are the published ones, dropout left out."""

    def __init__(self, inputs: int, width: int, depth: int) -> None:
        super().__init__()
        blocks = [_Residual(width) for _ in range(depth)]
        self.feats = nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), *blocks)

    def forward(self, x: Tensor) -> Tensor:
        """Embed (n, inputs) climate values: (n, d), each value ≥ 0."""
        out: Tensor = self.feats(x)
        return out


def climate_sizes(config: dict[str, Any], where: Path) -> tuple[int, int, int]:
    """Inputs, width and depth that a `config.json` states, within bounds."""
    return (
        whole_number(config, "num_inputs", 1, 1 << 12, where),
        whole_number(config, "num_filts", 1, 1 << 14, where),
        whole_number(config, "depth", 0, 256, where),
    )


class SinrClimate:
    """The climate encoder `MVRL/ecoclim`; takes (n, 20) z-scored values, elevation first."""

    modality = "env"
    batch_size = 4096

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        config = read_json(folder / "config.json")
        where = folder / "config.json"
        self.inputs, self.width, depth = climate_sizes(config, where)
        if config.get("num_classes", 0):
            raise ModelError(f"{folder}: num_classes {config['num_classes']}, an encoder has 0.")
        path = weights_file(folder)
        net = open_network(
            lambda: ClimateNet(self.inputs, self.width, depth), read_state(path), path
        )
        self.device = device
        self.fingerprint = fingerprint("sinr", path, {k: config[k] for k in ("depth", "num_filts")})
        self.forward = Forward(net.to(device), device)

    def encode(self, batch: Sequence[Sequence[float]] | NDArray[Any]) -> NDArray[np.float32]:
        """Embed (n, inputs) climate values; see `Encoder.encode`."""
        return self.begin(batch)()

    def begin(self, batch: Sequence[Sequence[float]] | NDArray[Any]) -> Rows:
        """Begin to embed; see `Encoder.begin`."""
        values = np.asarray(batch, np.float32)
        if values.ndim != 2 or values.shape[1] != self.inputs:
            raise ShapeError(
                f"Climate values are {values.shape}, the encoder takes (n, {self.inputs})."
            )
        rows = self.forward.begin(torch.from_numpy(values))
        return lambda: unit_rows(rows())
