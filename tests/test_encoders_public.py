"""Our encoders beside the public libraries themselves, on small random models written in the published layouts."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from scipy.io import wavfile

from prom3e_index.media.audio import AudioSpec, audio_features
from prom3e_index.media.images import ImageSpec, image_pixels

MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def unit(x):
    x = np.asarray(x, np.float64)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def worst(a, b):
    return float(np.abs(np.asarray(a, np.float64) - b).max())


def write(folder, config, state, name="model.safetensors"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ("open_clip_config.json" if "open_clip" in name else "config.json")).write_text(
        json.dumps(config)
    )
    save_file(
        {k: v.contiguous() for k, v in state.items()}, folder / name, metadata={"format": "pt"}
    )
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Three pictures of different shapes, losslessly stored."""
    rng, folder, out = np.random.default_rng(3), tmp_path_factory.mktemp("photos"), []
    for i, (high, wide) in enumerate([(300, 500), (256, 256), (611, 247)]):
        smooth = Image.fromarray(rng.integers(0, 255, (9, 11, 3), np.uint8)).resize(
            (wide, high), Image.Resampling.BICUBIC
        )
        smooth.save(folder / f"{i}.png")
        out.append(folder / f"{i}.png")
    return out


def pixels_of(path):
    """The published transform by torchvision: resize to 256 × 256, centre crop, ImageNet's mean and deviation."""
    from torchvision import transforms as T

    steps = T.Compose(
        [T.Resize((256, 256)), T.CenterCrop(224), T.ToTensor(), T.Normalize(MEAN, STD)]
    )
    return steps(Image.open(path).convert("RGB"))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A tiny open_clip network and its folder."""
    import open_clip

    config = {
        "embed_dim": 32,
        "vision_cfg": {"image_size": 224, "layers": 2, "width": 64, "patch_size": 32},
        "text_cfg": {
            "context_length": 77,
            "vocab_size": 49408,
            "width": 16,
            "heads": 2,
            "layers": 2,
        },
    }
    torch.manual_seed(1)
    model = open_clip.CLIP(
        32,
        open_clip.CLIPVisionCfg(**config["vision_cfg"]),
        open_clip.CLIPTextCfg(**config["text_cfg"]),
    ).eval()
    for p in model.parameters():
        p.data += 0.02 * torch.randn_like(p)
    folder = write(
        tmp_path_factory.mktemp("clip"),
        {"model_cfg": config},
        model.state_dict(),
        "open_clip_model.safetensors",
    )
    return model, folder


def test_photos_as_open_clip_sees_them(clip, photos):
    from prom3e_index.encoders.photo import OpenClipImage

    reference, folder = clip
    encoder = OpenClipImage(folder, ImageSpec())
    with torch.inference_mode():
        wanted = unit(reference.encode_image(torch.stack([pixels_of(p) for p in photos])))
    found = encoder.encode([image_pixels(p, ImageSpec()) for p in photos])

    assert worst(found, wanted) < 2e-5
    assert worst(found[:1], wanted[1:2]) > 1e-3


def test_names_as_open_clip_reads_them(clip):
    import open_clip

    from prom3e_index.encoders.name import OpenClipText

    reference, folder = clip
    names = [
        "Animalia Chordata Aves Passeriformes Corvidae Pica hudsonia",
        "Puma concolor",
        "x" * 400,
        "Ménétriesia",
    ]
    with torch.inference_mode():
        wanted = unit(reference.encode_text(open_clip.SimpleTokenizer(context_length=77)(names)))

    assert worst(OpenClipText(folder).encode(names), wanted) < 2e-5


def test_tiles_as_transformers_sees_them(tmp_path, photos):
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    from prom3e_index.encoders.tile import ClipTile

    config = CLIPVisionConfig(hidden_size=48, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
                              image_size=224, patch_size=32, projection_dim=32, hidden_act="quick_gelu")  # fmt: skip
    torch.manual_seed(2)
    reference = CLIPVisionModelWithProjection(config).eval()
    for p in reference.parameters():
        p.data += 0.02 * torch.randn_like(p)
    state = {k: v for k, v in reference.state_dict().items() if not k.endswith("position_ids")}
    encoder = ClipTile(write(tmp_path, config.to_dict(), state), ImageSpec())
    with torch.inference_mode():
        wanted = unit(
            reference(pixel_values=torch.stack([pixels_of(p) for p in photos])).image_embeds
        )

    assert (
        worst(encoder.encode([image_pixels(p, ImageSpec(), tile=True) for p in photos]), wanted)
        < 2e-5
    )


def test_recordings_as_transformers_hears_them(tmp_path):
    """Features by the library's own extractor, recordings of up to ten seconds: nothing there is drawn at random."""
    from transformers import ClapAudioConfig, ClapAudioModelWithProjection, ClapFeatureExtractor

    from prom3e_index.encoders.sound import ClapAudio

    config = ClapAudioConfig(
        depths=[1, 1, 1, 1], num_attention_heads=[1, 2, 2, 4], patch_embeds_hidden_size=16, hidden_size=128, num_mel_bins=64,
        spec_size=256, window_size=8, projection_dim=32, enable_fusion=True, fusion_type="aff_2d", num_hidden_layers=4,
    )  # fmt: skip
    torch.manual_seed(3)
    reference = ClapAudioModelWithProjection(config).eval()
    extract = ClapFeatureExtractor(feature_size=64, sampling_rate=48_000, hop_length=480, max_length_s=10, fft_window_size=1024,
                                   frequency_min=50, frequency_max=14_000, truncation="fusion", padding="repeatpad")  # fmt: skip
    encoder = ClapAudio(
        write(tmp_path / "m", config.to_dict(), reference.state_dict()), AudioSpec()
    )
    rng, time = np.random.default_rng(5), np.arange(480_000) / 48_000
    for seconds in (0.4, 3.3, 10.0):
        wave = np.sin(2 * np.pi * (900 + 500 * time) * time) * np.hanning(
            len(time)
        ) + 0.05 * rng.normal(size=len(time))
        wave = (wave[: int(seconds * 48_000)] * 9000).astype(np.int16)
        wavfile.write(tmp_path / "a.wav", 48_000, wave)
        given = extract(
            (wave / 32768).astype(np.float64), sampling_rate=48_000, return_tensors="pt"
        )
        with torch.inference_mode():
            wanted = unit(reference(input_features=given["input_features"].float(),
                                    is_longer=torch.ones(1, 1, dtype=torch.bool)).audio_embeds)  # fmt: skip
        features = audio_features(tmp_path / "a.wav", AudioSpec())

        assert worst(features[0], given["input_features"][0].double().numpy()) < 5e-3, seconds
        assert worst(encoder.encode([features]), wanted) < 1e-4, seconds


def test_places_as_geoclip_sees_them():
    from geoclip.model.location_encoder import LocationEncoder

    from prom3e_index.encoders.place import GeoClipLocation
    from prom3e_index.models.hub_cache import geoclip_weights

    places = np.array(
        [(46.8, -121.7), (-33.5, 151.2), (0, 0), (89.9, 179.9), (-78, -180)], np.float32
    )
    with torch.inference_mode():
        wanted = unit(LocationEncoder().eval()(torch.from_numpy(places)))

    assert worst(GeoClipLocation(geoclip_weights()).encode(places), wanted) < 2e-5


def test_climates_by_hand(tmp_path):
    """SINR's residual network written out in numpy, float64."""
    from prom3e_index.encoders.climate import SinrClimate

    rng, width, depth = np.random.default_rng(8), 24, 3
    state = {
        "feats.0.weight": rng.normal(size=(width, 20)) / 4,
        "feats.0.bias": rng.normal(size=width) / 4,
    }
    for b in range(depth):
        for w in ("w1", "w2"):
            state[f"feats.{2 + b}.{w}.weight"] = rng.normal(size=(width, width)) / 4
            state[f"feats.{2 + b}.{w}.bias"] = rng.normal(size=width) / 4
    config = {"num_inputs": 20, "num_filts": width, "depth": depth, "num_classes": 0}
    folder = write(
        tmp_path, config, {k: torch.tensor(v, dtype=torch.float32) for k, v in state.items()}
    )
    values = rng.normal(size=(5, 20))

    def relu_layer(x, at):
        return np.maximum(x @ state[f"{at}.weight"].T + state[f"{at}.bias"], 0)

    x = relu_layer(values, "feats.0")
    for b in range(depth):
        x = x + relu_layer(relu_layer(x, f"feats.{2 + b}.w1"), f"feats.{2 + b}.w2")

    assert worst(SinrClimate(folder).encode(values), unit(x)) < 1e-5
