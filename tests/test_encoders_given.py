"""The encoders against the outputs of the public libraries, to the stated tolerances."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from prom3e_index.errors import ModelError, NotCachedError, ShapeError
from prom3e_index.media.audio import AudioSpec, audio_features, fusion_views, read_mono, resample
from prom3e_index.media.climate import ClimateRaster
from prom3e_index.media.images import ImageSpec, image_pixels, normalise_pixels
from prom3e_index.models.folder import Model


@pytest.fixture(scope="module")
def given(encoders_given):
    return np.load(encoders_given / "expected.npz"), json.loads(
        (encoders_given / "tolerances.json").read_text()
    )


@pytest.fixture(scope="module")
def model(hub):
    return Model.open("taxabind", hub=hub)


def worst(a, b):
    return float(np.abs(np.asarray(a, float) - np.asarray(b, float)).max())


@pytest.mark.parametrize("modality", ["image", "sat"])
def test_pictures(given, model, encoders_given, modality):
    expected, tolerance = given
    spec = model.image_spec(modality)
    paths = [encoders_given / "media" / str(f) for f in expected[f"{modality}_files"]]
    pixels = [image_pixels(p, spec, tile=modality == "sat") for p in paths]

    assert (
        worst(
            normalise_pixels(np.stack(pixels), spec)[:, :, ::16, ::16],
            expected[f"{modality}_pixels_every16"],
        )
        < 1e-6
    )
    rows = model.encoder(modality).encode(pixels)
    assert worst(rows, expected[f"{modality}_unit"]) < tolerance[modality]
    # The tiles are 256 × 256 already, so that only photos tell the filters apart.
    for trap in ("clip_mean_std", "resize_224_only", "bicubic" if modality == "image" else "gelu"):
        assert worst(rows, expected[f"{modality}_trap_{trap}_unit"]) > tolerance[modality]


def test_exif_rotation_only_on_request(given, encoders_given, hub):
    expected, tolerance = given
    turned = Model.open("taxabind", hub=hub, exif_transpose=True)
    paths = [encoders_given / "media" / str(f) for f in expected["image_files"]]
    rows = turned.encoder("image").encode([image_pixels(p, turned.image_spec()) for p in paths])

    assert worst(rows, expected["image_exif_turned_unit"]) < tolerance["image"]
    assert (
        turned.encoder("image").fingerprint
        != Model.open("taxabind", hub=hub).encoder("image").fingerprint
    )


def test_names(given, model):
    expected, tolerance = given
    strings = [str(s) for s in expected["text_strings"]]
    encoder = model.encoder("text")

    assert np.array_equal(encoder.tokens(strings).numpy(), expected["text_tokens"])
    assert worst(encoder.encode(strings), expected["text_unit"]) < tolerance["text"]


def test_recordings(given, model, encoders_given):
    expected, tolerance = given
    for i, name in enumerate(expected["audio_files"]):
        path = encoders_given / "media" / str(name)
        wave = resample(*read_mono(path), 48_000)
        assert len(wave) == expected["audio_samples_48k"][i]
        some = wave[::97][:4096]
        assert worst(some, expected["audio_wave48k_every97_first4096"][i][: len(some)]) < 1e-5
        row = model.encoder("audio").encode([audio_features(path, AudioSpec())])[0]
        long = bool(expected["audio_longer_than_10s"][i])
        limit = tolerance["audio_longer_than_10s" if long else "audio_up_to_10s"]
        assert worst(row, expected["audio_unit"][i]) < limit


def test_crops_follow_the_seed(given, model, encoders_given):
    expected, tolerance = given
    path = (
        encoders_given / "media" / str(expected["audio_files"][int(expected["audio_long_index"])])
    )
    for i, seed in enumerate(expected["audio_long_seeds"][:4]):
        features = audio_features(path, AudioSpec(seed=int(seed)))
        row = model.encoder("audio").encode([features])[0]
        assert (
            worst(row, expected["audio_long_by_seed_unit"][i]) < tolerance["audio_longer_than_10s"]
        )


def test_every_window_is_embedded_and_averaged(given, model, encoders_given):
    expected, _ = given
    path = (
        encoders_given / "media" / str(expected["audio_files"][int(expected["audio_long_index"])])
    )
    spec = replace(AudioSpec(), every_window=True)
    wave = resample(*read_mono(path), 48_000)
    windows = [fusion_views(wave[i : i + 480_000], spec)[0] for i in range(0, len(wave), 480_000)]
    encoder = model.encoder("audio")
    each = np.concatenate([encoder.encode([w[None]]) for w in windows])
    mean = each.mean(0) / np.linalg.norm(each.mean(0))

    assert len(windows) == 2
    assert worst(encoder.encode([audio_features(path, spec)])[0], mean) < 1e-5


def test_places(given, model, encoders_given):
    from prom3e_index.encoders.place import GeoClipLocation
    from prom3e_index.models.hub_cache import geoclip_weights

    expected, tolerance = given
    places = expected["coord_latlon"]
    for key, encoder in {
        "loc_recipe": model.encoder("loc"),
        "loc_geoclip": GeoClipLocation(geoclip_weights()),
        "loc_dim64": GeoClipLocation(encoders_given / "extra/ecogeo-dim64"),
    }.items():
        rows = encoder.encode(places)
        assert worst(rows, expected[f"{key}_unit"]) < tolerance[key]
    assert worst(rows, encoder.encode(places[:, ::-1])) > 0.01


def test_climates(given, model, encoders_given):
    expected, tolerance = given
    raster = ClimateRaster.open(encoders_given / "bioclim_elevation_scaled.npy", 20)
    latitude, longitude = expected["coord_latlon"].T
    values, _ = raster.lookup(latitude, longitude)

    assert np.array_equal(np.stack(raster.cell(latitude, longitude), 1), expected["env_row_col"])
    assert worst(values, expected["env_features"]) <= tolerance["env_features"]
    assert worst(model.encoder("env").encode(values), expected["env_unit"]) < tolerance["env"]
    with pytest.raises(ShapeError, match=r"\(1, 19\).*\(n, 20\)"):
        model.encoder("env").encode(values[:1, :19])


@pytest.mark.parametrize("mask", ["0", "4", "5", "12", "30", "012345"])
def test_prom3e_in_half_precision_files(given, model, mask):
    import torch

    expected, tolerance = given
    x = torch.from_numpy(expected["prom3e_input"])
    present = torch.zeros(x.shape[:2], dtype=torch.bool)
    present[:, [int(c) for c in mask]] = True
    p = model.mvae.posterior(x, present)

    assert worst(p.mean, expected[f"prom3e_{mask}_mu"]) < tolerance["prom3e_mu"]
    decoded = model.mvae.reconstruct(p, how="mean")
    assert (
        worst(decoded, expected[f"prom3e_{mask}_decoded_at_mean"])
        < tolerance["prom3e_decoded_at_mean"]
    )


@pytest.mark.parametrize("modality", ["image", "sat", "loc", "env", "text", "audio"])
def test_contract_of_every_encoder(modality):
    """Unit float32 rows in the order given, the same alone and in a batch."""
    rng = np.random.default_rng(0)
    model = Model.open("mini")
    items = {
        "image": [rng.integers(0, 255, (224, 224, 3), np.uint8) for _ in range(3)],
        "loc": [(10.0, 20.0), (-90.0, 180.0), (0.0, 0.0)],
        "env": rng.normal(size=(3, 20)),
        "text": ["Fictanimalia", "Inventata Ulmavata", "a"],
        "audio": [fusion_views(rng.normal(size=n).astype(np.float32), AudioSpec())[0][None]
                  for n in (100, 480_000, 700_000)],
    }  # fmt: skip
    batch = items.get(modality, items["image"])
    encoder = model.encoder(modality)
    rows = encoder.encode(batch)

    assert rows.dtype == np.float32 and rows.shape == (3, encoder.width) == (3, model.width)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    for i in range(3):
        assert worst(encoder.encode(batch[i : i + 1])[0], rows[i]) < 1e-5


def test_laion_checkpoint_through_its_audio_tower(tmp_path):
    """A random HTSAT in LAION's layout: our tower equals the network called by hand, without any hub."""
    import torch

    pytest.importorskip("torchlibrosa")
    from prom3e_index.encoders import laion
    from prom3e_index.encoders.sound import LaionAudio

    htsat = laion._network_code()
    import types

    sizes = types.SimpleNamespace(
        model_name="tiny", audio_length=1024, clip_samples=480_000, mel_bins=64, sample_rate=48_000,
        window_size=1024, hop_size=480, fmin=50, fmax=14_000, class_num=527,
    )  # fmt: skip
    torch.manual_seed(0)
    branch = htsat.create_htsat_model(sizes, enable_fusion=True, fusion_type="aff_2d").eval()
    head = torch.nn.Sequential(
        torch.nn.Linear(768, 512), torch.nn.ReLU(), torch.nn.Linear(512, 512)
    )
    state = {f"module.audio_branch.{k}": v for k, v in branch.state_dict().items()}
    state |= {f"module.audio_projection.{k}": v for k, v in head.state_dict().items()}
    state["module.text_branch.x"] = torch.zeros(1)
    torch.save({"epoch": 1, "state_dict": state}, tmp_path / "laion.pt")
    wave = np.random.default_rng(1).normal(size=700_000).astype(np.float32)
    features, _ = fusion_views(wave, AudioSpec())

    encoder = LaionAudio(tmp_path / "laion.pt", AudioSpec())
    with torch.inference_mode():
        x = {
            "mel_fusion": torch.from_numpy(features[None]),
            "longer": torch.ones(1, 1, dtype=torch.bool),
        }
        by_hand = head(branch(x, device="cpu")["embedding"])[0].numpy()

    assert worst(encoder.encode([features[None]])[0], by_hand / np.linalg.norm(by_hand)) < 1e-5
    torch.save({"state_dict": {"a": torch.zeros(1)}}, tmp_path / "other.pt")
    with pytest.raises(ModelError, match="no LAION-CLAP checkpoint"):
        LaionAudio(tmp_path / "other.pt", AudioSpec())


def test_offline_and_not_cached_says_what_to_copy_where(tmp_path, monkeypatch):
    monkeypatch.setenv("PROM3E_CACHE", str(tmp_path))
    with pytest.raises(NotCachedError, match="MVRL/taxabind-config.*hub=DIR"):
        Model.open("taxabind").encoder("loc")
    with pytest.raises(NotCachedError, match="copy the repository"):
        Model.open("taxabind", hub=tmp_path).encoder("loc")


def test_image_spec_default_is_the_published_one(model):
    assert model.image_spec() == ImageSpec()


def test_geoclip_weights_of_the_package_serve_a_model_folder(tmp_path, world):
    """A model folder may take its location encoder from the geoclip package."""
    import shutil

    from prom3e_index.models.folder import BUILT_IN

    folder = tmp_path / "m"
    shutil.copytree(BUILT_IN / "mini", folder)
    text = (
        (folder / "model.toml")
        .read_text()
        .replace('source = "ecogeo"', 'source = "package:geoclip"')
    )
    (folder / "model.toml").write_text(text)
    assert Model.open(folder).encoder("loc").encode([(46.8, -121.7)]).shape == (1, 512)
    (folder / "model.toml").write_text(text.replace('"ecosat"', '"../../x"'))
    with pytest.raises(ModelError, match="outside the model's folder"):
        Model.open(folder).encoder("sat")


def test_pull_pins_each_repository_to_its_commit(tmp_path, monkeypatch, hub):
    """With a stand-in for the hub: `main` is resolved once, and that commit is used from then on."""
    import huggingface_hub

    from prom3e_index.models import hub_cache as hub_module

    monkeypatch.setenv("PROM3E_CACHE", str(tmp_path))
    asked = []

    class Api:
        def model_info(self, repo, revision):
            asked.append((repo, revision))
            return type("Info", (), {"sha": "c" * 40})()

    def snapshot(repo, revision, **options):
        asked.append((repo, revision, options.get("local_files_only", False)))
        return str(hub / repo)

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    assert hub_module.pull(["MVRL/ecogeo"]) == {"MVRL/ecogeo": "c" * 40}
    assert hub_module.pull(["MVRL/ecogeo"]) == {"MVRL/ecogeo": "c" * 40}
    found = hub_module.locate("hf:MVRL/ecogeo", tmp_path, None)

    assert found == hub / "MVRL/ecogeo"
    assert asked == [
        ("MVRL/ecogeo", "main"), ("MVRL/ecogeo", "c" * 40, False), ("MVRL/ecogeo", "c" * 40, False),
        ("MVRL/ecogeo", "c" * 40, True),
    ]  # fmt: skip
