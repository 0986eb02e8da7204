"""An MVAE's folder in the published layout: `config.json` and weights, read strictly and written."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from prom3e_index.models.weights import (
    open_network,
    read_json,
    read_state,
    weights_file,
    write_state,
)
from prom3e_index.mvae.network import MVAE, MVAEConfig


def read_mvae(folder: Path) -> MVAE:
    """Read an MVAE in the published layout: `config.json` and `model.safetensors`.

    `pytorch_model.bin` and a single Lightning `*.ckpt` beside the config are read too.
    """
    config = MVAEConfig.from_dict(read_json(folder / "config.json"))
    checkpoints = tuple(p.name for p in sorted(folder.glob("*.ckpt")))
    path = weights_file(folder, ("model.safetensors", "pytorch_model.bin", *checkpoints))
    return open_network(lambda: MVAE(config), read_state(path), path)


def write_mvae(model: MVAE, folder: Path, *, half: bool = False) -> None:
    """Write an MVAE in the published layout."""
    config: MVAEConfig = model.config
    folder.mkdir(parents=True, exist_ok=True)
    values = asdict(config)
    if config.input_dims is None:
        del values["input_dims"]  # the published layout has no such key
    (folder / "config.json").write_text(json.dumps(values, indent=2) + "\n")
    write_state(dict(model.state_dict()), folder / "model.safetensors", half=half)
