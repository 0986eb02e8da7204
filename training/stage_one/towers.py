"""The networks that stage 1 trains: opened from, and written to, folders in the published layouts.

A folder with weights is a start; one with only its configuration gives random weights from the seed.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from prom3e_index.encoders.climate import ClimateNet, climate_sizes
from prom3e_index.encoders.clip import CLIP_VISION_SETTINGS, clip_vision_sizes
from prom3e_index.encoders.clip_files import OPEN_CLIP_FILES, open_clip_network
from prom3e_index.encoders.place import LocationNet
from prom3e_index.errors import InputError, ModelError
from prom3e_index.media.audio import AudioSpec
from prom3e_index.media.images import ImageSpec
from prom3e_index.models.hub_cache import PACKAGED, geoclip_weights
from prom3e_index.models.weights import (
    load_strictly,
    network_settings,
    read_json,
    read_state,
    write_state,
)
from prom3e_index.training.stage_one import augment
from prom3e_index.training.stage_one.observations import SQUARE, MediaCache, Progress, Rows

Inputs = Callable[[Tensor, torch.Generator | None], Any]


@dataclass
class Tower:
    """A network under training.

    Attributes:
        network: What is trained and written.
        embed: Inputs of some rows, on the network's device, to embeddings (b, d), not normalised.
        inputs: Row numbers (b,) to inputs on the host; augmented when given a generator. Called in a thread.
        able: (n,) bool, rows it can embed.
        write: Writes the network to a folder in its published layout.
        random_inputs: Inputs of random places (count), for extra negatives; None where there are none.
    """

    network: nn.Module
    embed: Callable[[Any], Tensor]
    inputs: Inputs
    able: Tensor
    write: Callable[[Path, bool], None]
    random_inputs: Callable[[int, torch.Generator], Tensor] | None = None


def open_tower(modality: str, init: str, rows: Rows, cache: Path, show: Progress) -> Tower:
    """Open the network of a modality with its training inputs.

    Args:
        modality: `sat`, `audio`, `loc` or `env`; photos and names: `open_pair`.
        init: A folder in the published layout, with weights or without; `package:geoclip` for places.
        rows: The observations.
        cache: Folder for decoded media.
        show: Progress of decoding.

    Raises:
        InputError: The table has nothing of that modality.
        ModelError: The folder is not such a network.
    """
    makers: dict[str, Callable[[str, Rows, Path, Progress], Tower]] = {
        "sat": _sat,
        "audio": _audio,
        "loc": _loc,
        "env": _env,
    }
    if modality not in makers:
        raise InputError(f"No encoder for {modality!r} can be trained; known: {', '.join(makers)}.")
    return _usable(modality, makers[modality](init, rows, cache, show))


def _weights(folder: Path, names: tuple[str, ...]) -> Path | None:
    return next((folder / n for n in names if (folder / n).is_file()), None)


def _load(network: nn.Module, path: Path | None) -> None:
    if path is not None:
        state = {k: v for k, v in read_state(path).items() if not k.endswith("position_ids")}
        for key, value in network.state_dict().items():
            if key.endswith(("relative_position_index", "num_batches_tracked")):
                state.setdefault(key, value)  # fixed by the sizes; some writers leave them out
        load_strictly(network, state, path)


def _writer(
    network: nn.Module, config_file: Path, name: str = "model.safetensors"
) -> Callable[[Path, bool], None]:
    def write(folder: Path, half: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_state(dict(network.state_dict()), folder / name, half=half)
        if config_file.resolve() != (folder / config_file.name).resolve():
            shutil.copyfile(config_file, folder / config_file.name)

    return write


def open_pair(init: str, rows: Rows, cache: Path, show: Progress) -> tuple[Tower, Tower]:
    """Photo and name towers of one open_clip network, to be trained together."""
    import open_clip

    folder = Path(init)
    model, settings = open_clip_network(folder)
    _load(model, _weights(folder, OPEN_CLIP_FILES))
    write = _writer(model, folder / "open_clip_config.json", OPEN_CLIP_FILES[0])
    media = MediaCache(cache, rows, "image", SQUARE, show)
    photo = Tower(
        model,
        lambda x: model.encode_image(augment.network_input(x, ImageSpec())),
        lambda at, g: augment.crops(media.rows(at), ImageSpec(), g),
        torch.from_numpy(media.index >= 0),
        write,
    )
    length = settings["text_cfg"].get("context_length", 77)
    names = sorted({t for t in rows.text if t})
    number = {t: i for i, t in enumerate(names)}
    label = torch.tensor([number.get(t, -1) for t in rows.text])
    tokens = open_clip.SimpleTokenizer(context_length=length)(names or [""])

    def embed(given: tuple[Tensor, Tensor]) -> Tensor:
        unique, back = given
        return model.encode_text(unique)[back]  # type: ignore[no-any-return]

    def inputs(at: Tensor, g: torch.Generator | None) -> tuple[Tensor, Tensor]:
        unique, back = label[at].unique(return_inverse=True)
        return tokens[unique], back

    return _usable("image", photo), _usable("text", Tower(model, embed, inputs, label >= 0, write))


def _usable(modality: str, tower: Tower) -> Tower:
    able = int(tower.able.sum())
    if able < 2:
        raise InputError(f"The table has {able} rows with {modality}; 2 are needed.")
    return tower


def _sat(init: str, rows: Rows, cache: Path, show: Progress) -> Tower:
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    config = Path(init) / "config.json"
    settings = network_settings(read_json(config))
    clip_vision_sizes(Path(init), settings)  # refuses what is out of bounds
    known = {k: settings[k] for k in CLIP_VISION_SETTINGS if k in settings}
    net: Any = CLIPVisionModelWithProjection(CLIPVisionConfig(**known))
    _load(net, _weights(Path(init), ("model.safetensors", "pytorch_model.bin")))
    media = MediaCache(cache, rows, "sat", SQUARE, show)
    return Tower(
        net,
        lambda x: net(pixel_values=augment.network_input(x, ImageSpec())).image_embeds,
        lambda at, g: augment.crops(media.rows(at), ImageSpec(), g),
        torch.from_numpy(media.index >= 0),
        _writer(net, config),
    )


def _audio(init: str, rows: Rows, cache: Path, show: Progress) -> Tower:
    from transformers import ClapAudioConfig, ClapAudioModelWithProjection

    from prom3e_index.encoders.sound import clap_settings

    config = Path(init) / "config.json"
    net: Any = ClapAudioModelWithProjection(
        ClapAudioConfig(**clap_settings(read_json(config), config))
    )
    _load(net, _weights(Path(init), ("model.safetensors", "pytorch_model.bin")))
    media = MediaCache(cache, rows, "audio", AudioSpec(), show)

    def embed(x: Tensor) -> Tensor:
        longer = torch.ones(len(x), 1, dtype=torch.bool, device=x.device)
        return net(input_features=x, is_longer=longer).audio_embeds  # type: ignore[no-any-return]

    return Tower(
        net,
        embed,
        lambda at, g: augment.sound(media.rows(at), g),
        torch.from_numpy(media.index >= 0),
        _writer(net, config),
    )


def random_places(count: int, g: torch.Generator) -> Tensor:
    """Places uniform on the sphere, (count, 2) latitude, longitude in degrees."""
    latitude = torch.rand(count, generator=g).mul(2).sub(1).asin().rad2deg()
    return torch.stack([latitude, torch.rand(count, generator=g).mul(360).sub(180)], dim=1)


def _loc(init: str, rows: Rows, cache: Path, show: Progress) -> Tower:
    weights: Path | None
    config: dict[str, Any]
    if init == PACKAGED:
        weights = geoclip_weights()
        config = {"dim": 512, "encoded_size": 256, "input_size": 2, "sigma": [1, 16, 256]}
    else:
        config = read_json(Path(init) / "config.json")
        weights = _weights(Path(init), ("model.safetensors",))
    try:
        sigma, width = config["sigma"], int(config["dim"])
        frequencies = int(config["encoded_size"])
    except KeyError as e:
        raise ModelError(f"{init}: config.json of a location encoder lacks {e}.") from e
    state = read_state(weights) if weights else {}
    hidden = int(config.get("hidden", 1024))
    if state:
        hidden = int(state["LocEnc0.head.0.weight"].shape[1])
    net = LocationNet(len(sigma), frequencies, hidden, width)
    for i, scale in enumerate(sigma):
        frequency: Any = net.get_submodule(f"LocEnc{i}.capsule.0")
        frequency.b.normal_(0, float(scale))
    if weights:
        load_strictly(net, state, weights)
    place = torch.from_numpy(rows.place)

    def write(folder: Path, half: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_state(dict(net.state_dict()), folder / "model.safetensors", half=half)
        known = {k: config[k] for k in ("dim", "encoded_size", "input_size", "sigma")}
        (folder / "config.json").write_text(json.dumps(known, indent=1) + "\n")

    return Tower(
        net,
        net.forward,
        lambda at, g: place[at],
        ~place.isnan().any(1),
        write,
        random_places,
    )


def _env(init: str, rows: Rows, cache: Path, show: Progress) -> Tower:
    config = Path(init) / "config.json"
    settings = read_json(config)
    inputs, width, depth = climate_sizes(settings, config)
    if rows.climate.shape[1] != inputs:
        raise InputError(
            f"The table has {rows.climate.shape[1]} climate values a row, {config} takes {inputs}."
        )
    net = ClimateNet(inputs, width, depth)
    _load(net, _weights(Path(init), ("model.safetensors",)))
    climate = torch.from_numpy(rows.climate)
    able = ~climate.isnan().any(1)
    known = climate[able]

    def cells(count: int, g: torch.Generator) -> Tensor:
        return known[torch.randint(0, len(known), (count,), generator=g)]

    return Tower(net, net.forward, lambda at, g: climate[at], able, _writer(net, config), cells)
