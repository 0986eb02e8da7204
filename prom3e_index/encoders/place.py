"""Places: GeoCLIP's location encoder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from prom3e_index.encoders.forward import Forward, Rows
from prom3e_index.encoders.protocol import unit_rows
from prom3e_index.errors import ModelError
from prom3e_index.models.weights import (
    fingerprint,
    open_network,
    read_json,
    read_state,
    weights_file,
)

_EQUAL_EARTH = (1.340264, -0.081106, 0.000893, 0.003796)
_EQUAL_EARTH_SCALE = 66.50336


def equal_earth(latlon_deg: Tensor) -> Tensor:
    """Project (n, 2) latitude, longitude in degrees as GeoCLIP does, (n, 2).

    Source: Equal Earth (Šavrič et al. 2018), scaled as the published weights expect.
    """
    a1, a2, a3, a4 = _EQUAL_EARTH
    latitude, longitude = torch.deg2rad(latlon_deg).unbind(1)
    root3 = math.sqrt(3.0)
    theta = torch.asin(root3 / 2 * torch.sin(latitude))
    denominator = 3 * (9 * a4 * theta**8 + 7 * a3 * theta**6 + 3 * a2 * theta**2 + a1)
    x = 2 * root3 * longitude * torch.cos(theta) / denominator
    y = a4 * theta**9 + a3 * theta**7 + a2 * theta**3 + a1 * theta
    return torch.stack((x, y), dim=1) * _EQUAL_EARTH_SCALE / 180


class _Fourier(nn.Module):
    def __init__(self, frequencies: int) -> None:
        super().__init__()
        self.register_buffer("b", torch.zeros(frequencies, 2))

    def forward(self, x: Tensor) -> Tensor:
        angle = 2 * math.pi * x @ self.b.T  # type: ignore[operator]
        return torch.cat((torch.cos(angle), torch.sin(angle)), dim=-1)


class _Capsule(nn.Module):
    def __init__(self, frequencies: int, hidden: int, width: int) -> None:
        super().__init__()
        self.capsule = nn.Sequential(
            _Fourier(frequencies),
            nn.Linear(2 * frequencies, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
        )
        self.head = nn.Sequential(nn.Linear(hidden, width))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.capsule(x))
        return out


class LocationNet(nn.Module):
    """GeoCLIP's location network with any widths; parameter names are the published ones.

    Not geoclip's own class: that one fixes its widths and pulls in the image backbone's packages.
    """

    def __init__(self, scales: int, frequencies: int, hidden: int, width: int) -> None:
        super().__init__()
        self.scales = scales
        for i in range(scales):
            self.add_module(f"LocEnc{i}", _Capsule(frequencies, hidden, width))

    def forward(self, latlon_deg: Tensor) -> Tensor:
        """Embed (n, 2) latitude, longitude in degrees: (n, d), not normalised."""
        x = equal_earth(latlon_deg)
        total = self.get_submodule("LocEnc0")(x)
        for i in range(1, self.scales):
            total = total + self.get_submodule(f"LocEnc{i}")(x)
        return total  # type: ignore[no-any-return]


class GeoClipLocation:
    """The location encoder, `MVRL/ecogeo` or geoclip's own weights; takes (latitude, longitude)."""

    modality = "loc"
    batch_size = 4096

    def __init__(self, source: Path, device: str = "cpu") -> None:
        path = source if source.is_file() else weights_file(source)
        state = read_state(path)
        try:
            frequencies = state["LocEnc0.capsule.0.b"].shape[0]
            width, hidden = state["LocEnc0.head.0.weight"].shape
        except KeyError as e:
            raise ModelError(f"{path} is no GeoCLIP location encoder: it lacks {e}.") from e
        scales = len({k.split(".")[0] for k in state})
        if source.is_dir() and (source / "config.json").is_file():
            stated = read_json(source / "config.json").get("dim", width)
            if stated != width:
                raise ModelError(
                    f"{source}: config.json says dim {stated}, the weights have {width}."
                )
        net = open_network(lambda: LocationNet(scales, frequencies, hidden, width), state, path)
        self.device, self.width = device, int(width)
        self.fingerprint = fingerprint("geoclip-location", path)
        self.forward = Forward(net.to(device), device)

    def encode(self, batch: Sequence[Sequence[float]] | NDArray[Any]) -> NDArray[np.float32]:
        """Embed (n, 2) latitude, longitude in degrees; see `Encoder.encode`."""
        return self.begin(batch)()

    def begin(self, batch: Sequence[Sequence[float]] | NDArray[Any]) -> Rows:
        """Begin to embed; see `Encoder.begin`."""
        rows = self.forward.begin(torch.as_tensor(np.asarray(batch, np.float32).reshape(-1, 2)))
        return lambda: unit_rows(rows())
