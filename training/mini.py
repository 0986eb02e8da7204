"""Train the `mini` model on the demo world: stage 1, then stage 2, then the mixing weights.

    prom3e-index world train --observations 6000 --seed 1001
    prom3e-index world val --observations 1500 --seed 1002
    python -m prom3e_index.training.mini train val prom3e_index/models/mini

Same classes as the published encoders, 512-d embeddings, tiny inside. Figures go to stderr and are
kept in `training/LOG.md`.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prom3e_index.encoders.place import ClimateNet, LocationNet
from prom3e_index.model import Model
from prom3e_index.mvae import MVAEConfig
from prom3e_index.training.align import AlignConfig, align
from prom3e_index.training.losses import masked_infonce, symmetric_supcon
from prom3e_index.training.mvae import MVAETrainConfig, train_mvae
from prom3e_index.training.tune import tune
from prom3e_index.training.world_data import WorldData, read_world
from prom3e_index.weights import write_mvae, write_state

WIDTH = 512
OPEN_CLIP: dict[str, Any] = {
    "embed_dim": WIDTH,
    "vision_cfg": {
        "image_size": 224,
        "layers": 3,
        "width": 128,
        "patch_size": 32,
        "head_width": 32,
    },
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 48, "heads": 2, "layers": 2},
}
SAT: dict[str, Any] = {
    "hidden_size": 96,
    "intermediate_size": 192,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "image_size": 224,
    "patch_size": 32,
    "projection_dim": WIDTH,
    "hidden_act": "quick_gelu",
}
AUDIO: dict[str, Any] = {
    "depths": [2, 2, 2],
    "num_attention_heads": [2, 2, 4],
    "num_hidden_layers": 3,
    "hidden_size": 128,
    "patch_embeds_hidden_size": 32,
    "patch_size": 8,
    "patch_stride": [8, 8],
    "window_size": 4,
    "spec_size": 256,
    "num_mel_bins": 64,
    "enable_fusion": True,
    "projection_dim": WIDTH,
    "hidden_dropout_prob": 0.0,
    "aff_block_r": 4,
    "num_classes": 1,
}
LOC: dict[str, Any] = {"scales": 3, "frequencies": 64, "hidden": 128, "sigma": (0.5, 2.0, 8.0)}
ENV: dict[str, Any] = {"num_inputs": 20, "num_filts": WIDTH, "depth": 1, "num_classes": 0}
MVAE = MVAEConfig(input_dim=WIDTH, embed_dim=128, depth=1, heads=4, mlp_dim=256)
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


def log(text: str) -> None:
    """Write a line with the time of day to stderr."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stderr.flush()


def network_input(pixels: np.ndarray[Any, Any], train: bool) -> Tensor:
    """(n, 256, 256, 3) uint8 to (n, 3, 224, 224) float32: centre crop, or random crop and flip."""
    top, left = (int(v) for v in np.random.randint(0, 33, 2)) if train else (16, 16)
    x = torch.from_numpy(pixels[:, top : top + 224, left : left + 224].copy()).permute(0, 3, 1, 2)
    if train and np.random.random() < 0.5:
        x = x.flip(-1)
    return (x.float() / 255 - MEAN) / STD


def cached(embed: Any, count: int, size: int = 64) -> Tensor:
    """Embed items 0..count in batches: (count, 512) unit rows."""
    with torch.inference_mode():
        parts = [
            F.normalize(embed(torch.arange(i, min(i + size, count))), dim=-1)
            for i in range(0, count, size)
        ]
    return torch.cat(parts).clone()


class Mini:
    """The five networks under training, and how each reads a world."""

    def __init__(self) -> None:
        import open_clip
        from transformers import (
            ClapAudioConfig,
            ClapAudioModelWithProjection,
            CLIPVisionConfig,
            CLIPVisionModelWithProjection,
        )

        torch.manual_seed(0)
        np.random.seed(0)
        vision, text = (
            open_clip.CLIPVisionCfg(**OPEN_CLIP["vision_cfg"]),
            open_clip.CLIPTextCfg(**OPEN_CLIP["text_cfg"]),
        )
        self.clip: Any = open_clip.CLIP(WIDTH, vision, text)
        self.tokenize = open_clip.SimpleTokenizer(context_length=77)
        self.sat: Any = CLIPVisionModelWithProjection(CLIPVisionConfig(**SAT))
        self.audio: Any = ClapAudioModelWithProjection(ClapAudioConfig(**AUDIO))
        self.loc: Any = LocationNet(LOC["scales"], LOC["frequencies"], LOC["hidden"], WIDTH)
        for i, sigma in enumerate(LOC["sigma"]):
            getattr(self.loc, f"LocEnc{i}").capsule[0].b.normal_(0, sigma)
        self.env: Any = ClimateNet(20, WIDTH, ENV["depth"])
        first: Any = self.env.feats[0]
        nn.init.zeros_(first.bias)

    def image_rows(self, d: WorldData, at: Tensor, train: bool = False) -> Any:
        """Embed photos number `at`."""
        return self.clip.encode_image(network_input(d.pixels[at.numpy()], train))

    def tile_rows(self, d: WorldData, at: Tensor, train: bool = False) -> Any:
        """Embed tiles number `at`."""
        return self.sat(pixel_values=network_input(d.tiles[at.numpy()], train)).image_embeds

    def sound_rows(self, d: WorldData, at: Tensor, train: bool = False) -> Any:
        """Embed recordings number `at`; in training rolled in time, as a clip may start anywhere."""
        mel = torch.from_numpy(d.sounds[at.numpy()].astype(np.float32))
        if train:
            mel = mel.roll(int(np.random.randint(0, mel.shape[1])), 1)
            mel = mel + 3 * torch.randn(len(mel), 1, 1)
        views = mel[:, None].expand(-1, 4, -1, -1).contiguous()
        longer = torch.ones(len(mel), 1, dtype=torch.bool)
        return self.audio(input_features=views, is_longer=longer).audio_embeds


def stage_one(m: Mini, d: WorldData) -> None:
    """Train photo and name towers together, freeze them, align the rest to the photos."""
    names = sorted({t for t in d.text if t})
    tokens = m.tokenize(names)
    label = torch.tensor([names.index(t) if t else -1 for t in d.text])
    image = torch.from_numpy(d.image)
    species = torch.from_numpy(d.species)
    rows = ((image >= 0) & (label >= 0)).nonzero()[:, 0]
    m.clip.train()

    def text_of(batch: Tensor) -> Any:
        unique, back = label[batch].unique(return_inverse=True)
        return m.clip.encode_text(tokens[unique])[back]

    log(f"stage 1 image + text: {len(rows)} rows, {len(names)} names")
    align(
        m.clip.parameters(),
        lambda b: m.image_rows(d, image[b], True),
        text_of,
        rows,
        label,
        symmetric_supcon,
        AlignConfig(16, 128, 1e-3),
        log,
    )
    m.clip.eval().requires_grad_(False)
    anchors = cached(lambda at: m.image_rows(d, at), len(d.pixels))

    def anchor(batch: Tensor) -> Tensor:
        return anchors[image[batch]]

    place, climate = torch.from_numpy(d.place), torch.from_numpy(d.climate)
    generator = torch.Generator().manual_seed(1)

    def with_random_places(embed: Any, pool: Tensor) -> Any:
        def loss(a: Tensor, b: Tensor, scale: Tensor, lab: Tensor) -> Tensor:
            extra = pool[torch.randint(0, len(pool), (len(a),), generator=generator)]
            return masked_infonce(a, b, scale, lab, F.normalize(embed(extra), dim=-1))

        return loss

    rows = ((image >= 0) & ~place.isnan().any(1)).nonzero()[:, 0]
    log(f"stage 1 location: {len(rows)} rows")
    uniform = torch.stack(
        [
            torch.rand(50_000, generator=generator).mul(2).sub(1).asin().rad2deg(),
            torch.rand(50_000, generator=generator).mul(360).sub(180),
        ],
        1,
    )
    align(
        m.loc.parameters(),
        lambda b: m.loc(place[b]),
        anchor,
        rows,
        species,
        with_random_places(m.loc, uniform),
        AlignConfig(40, 256, 1e-3),
        log,
    )
    rows = ((image >= 0) & ~climate.isnan().any(1)).nonzero()[:, 0]
    log(f"stage 1 climate: {len(rows)} rows")
    align(
        m.env.parameters(),
        lambda b: m.env(climate[b]),
        anchor,
        rows,
        species,
        with_random_places(m.env, climate[rows]),
        AlignConfig(40, 256, 1e-3),
        log,
    )
    sat = torch.from_numpy(d.sat)
    rows = ((image >= 0) & (sat >= 0)).nonzero()[:, 0]
    log(f"stage 1 satellite: {len(rows)} rows")
    align(
        m.sat.parameters(),
        lambda b: m.tile_rows(d, sat[b], True),
        anchor,
        rows,
        species,
        symmetric_supcon,
        AlignConfig(16, 128, 1e-3),
        log,
    )
    audio = torch.from_numpy(d.audio)
    rows = ((image >= 0) & (audio >= 0)).nonzero()[:, 0]
    log(f"stage 1 audio: {len(rows)} rows")
    m.audio.train()
    align(
        m.audio.parameters(),
        lambda b: m.sound_rows(d, audio[b], True),
        anchor,
        rows,
        species,
        symmetric_supcon,
        AlignConfig(14, 64, 1e-3),
        log,
    )
    for net in (m.sat, m.audio, m.loc, m.env):
        net.eval().requires_grad_(False)


def embeddings(m: Mini, d: WorldData) -> tuple[Tensor, Tensor]:
    """Embed a whole world: (n, 6, 512) unit rows and presence (n, 6)."""
    n = len(d.text)
    x, present = torch.zeros(n, 6, WIDTH), torch.zeros(n, 6, dtype=torch.bool)

    def put(column: int, index: Tensor, rows: Tensor) -> None:
        has = index >= 0
        x[has, column], present[has, column] = rows[index[has]], True

    names = sorted({t for t in d.text if t})
    tokens = m.tokenize(names)
    put(0, torch.from_numpy(d.image), cached(lambda a: m.image_rows(d, a), len(d.pixels)))
    put(1, torch.from_numpy(d.sat), cached(lambda a: m.tile_rows(d, a), len(d.tiles)))
    put(
        4,
        torch.tensor([names.index(t) if t else -1 for t in d.text]),
        cached(lambda a: m.clip.encode_text(tokens[a]), len(names)),
    )
    put(5, torch.from_numpy(d.audio), cached(lambda a: m.sound_rows(d, a), len(d.sounds)))
    for column, values, net in ((2, d.place, m.loc), (3, d.climate, m.env)):
        given = torch.from_numpy(values)
        index = torch.where(given.isnan().any(1), -1, torch.arange(n))
        put(column, index, cached(lambda a, v=given, f=net: f(v[a].nan_to_num()), n, 1024))
    return x, present


def write(m: Mini, folder: Path) -> None:
    """Write the encoders in the published layouts, half precision."""
    clip = folder / "taxabind-vit-b-16"
    write_state(dict(m.clip.state_dict()), clip / "open_clip_model.safetensors", half=True)
    (clip / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": OPEN_CLIP}, indent=1) + "\n"
    )
    for name, net, config in (
        ("ecosat", m.sat, SAT),
        ("ecosound", m.audio, AUDIO),
        (
            "ecogeo",
            m.loc,
            {
                "dim": WIDTH,
                "encoded_size": LOC["frequencies"],
                "input_size": 2,
                "sigma": LOC["sigma"],
            },
        ),
        ("ecoclim", m.env, ENV),
    ):
        write_state(dict(net.state_dict()), folder / name / "model.safetensors", half=True)
        (folder / name / "config.json").write_text(json.dumps(config, indent=1) + "\n")


TOML = """name = "mini"
summary = "A tiny model that knows only the demo world: its invented species, places and songs. It \
shows how the program works; on real observations its answers mean nothing."
width = 512

[encoder.image]
kind = "open_clip-image"
source = "taxabind-vit-b-16"

[encoder.text]
kind = "open_clip-text"
source = "taxabind-vit-b-16"

[encoder.sat]
kind = "clip-vision"
source = "ecosat"

[encoder.audio]
kind = "clap-audio"
source = "ecosound"

[encoder.loc]
kind = "geoclip-location"
source = "ecogeo"

[encoder.env]
kind = "sinr"
source = "ecoclim"

[mvae]
source = "prom3e"
modalities = ["image", "sat", "loc", "env", "text", "audio"]
decode = "expectation"
nodes = 2
hidden = "mean"  # μ; on validation better than σ or both, see training/LOG.md

[weights.default]
delta = 0.5
gamma = 0.25
epsilon = 0.0

[weights.directions]  # chosen on validation observations
"""


def write_toml(out: Path, directions: dict[str, dict[str, float]]) -> None:
    """Write `model.toml` with the tuned weights."""
    lines = [
        f'"{k}" = {{ delta = {v["delta"]}, gamma = {v["gamma"]} }}\n' for k, v in directions.items()
    ]
    (out / "model.toml").write_text(TOML + "".join(lines))


def tune_on(
    out: Path, x: np.ndarray[Any, Any], present: np.ndarray[Any, Any], species: np.ndarray[Any, Any]
) -> dict[str, dict[str, float]]:
    """Tune the weights of the model folder `out` and log recall@1 of every direction."""
    write_toml(out, {})
    found = tune(Model.open(out), x, present, species)
    for key, v in found.items():
        log(
            f"{key:14s} R@1 encoder {v['encoder']:.3f} reconstructed {v['reconstructed']:.3f} "
            f"hybrid {v['recall']:.3f} (δ {v['delta']}, γ {v['gamma']}, {v['queries']:.0f} queries)"
        )
    for name in ("encoder", "reconstructed", "recall"):
        log(
            f"mean of {len(found)} directions, {name}: {np.mean([v[name] for v in found.values()]):.4f}"
        )
    return found


def main(train: Path, val: Path, out: Path) -> None:
    """Train everything, tune the mixing weights on `val`, and write the model folder."""
    torch.set_num_threads(2)
    started = time.monotonic()
    log("reading worlds")
    d, v = read_world(train), read_world(val)
    m = Mini()
    stage_one(m, d)
    write(m, out)
    log("embedding both worlds")
    x, present = embeddings(m, d)
    vx, v_present = embeddings(m, v)
    log("stage 2")
    config = MVAETrainConfig(epochs=60, batch_size=512, lr=1e-3, one_visible=0.8, more_visible=0.3)
    model = train_mvae(MVAE, x, present, config, log)
    write_mvae(model, out / "prom3e", half=True)
    write_toml(out, tune_on(out, vx.numpy(), v_present.numpy(), v.species))
    log(f"done in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main(*(Path(a) for a in sys.argv[1:4]))
