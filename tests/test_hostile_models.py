"""A model folder names sizes and files inside it: never code, a network, or a place outside."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from prom3e_index.errors import ModelError, NotCachedError
from prom3e_index.models import hub_cache
from prom3e_index.models.folder import BUILT_IN, Model

NAMES = {"open_clip": "taxabind-vit-b-16/open_clip_config.json", "clip": "ecosat/config.json",
         "clap": "ecosound/config.json", "sinr": "ecoclim/config.json", "mvae": "config.json"}  # fmt: skip


@pytest.fixture
def mini(tmp_path):
    folder = tmp_path / "mini"
    shutil.copytree(BUILT_IN / "mini", folder)
    return folder


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Whoever asks for a connection fails the test."""
    import socket

    def refuse(*_, **__):
        pytest.fail("a connection was asked for")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")


def change(mini, which: str, keys: str, value) -> None:
    path = mini / NAMES[which]
    config = json.loads(path.read_text())
    place = config
    *parents, last = keys.split(".")
    for key in parents:
        place = place[key]
    place[last] = value
    path.write_text(json.dumps(config))


@pytest.mark.parametrize(
    "which, keys, value, modality",
    [
        ("open_clip", "model_cfg.vision_cfg.timm_model_name", "hf-hub:attacker/model", "image"),
        ("open_clip", "model_cfg.text_cfg.hf_model_name", "attacker/model", "text"),
        ("open_clip", "model_cfg.text_cfg.hf_tokenizer_name", "attacker/model", "text"),
        ("open_clip", "model_cfg.custom_text", True, "text"),
        ("open_clip", "model_cfg.vision_cfg.attentional_pool", True, "image"),
        ("open_clip", "model_cfg.vision_cfg.layers", 10**9, "image"),
        ("open_clip", "model_cfg.vision_cfg.layers", [3, 4, 6, 3], "image"),
        ("open_clip", "model_cfg.vision_cfg.width", 10**6, "image"),
        ("open_clip", "model_cfg.vision_cfg.head_width", 7, "image"),
        ("open_clip", "model_cfg.vision_cfg.mlp_ratio", 1e9, "image"),
        ("open_clip", "model_cfg.vision_cfg.patch_size", 0, "image"),
        ("open_clip", "model_cfg.text_cfg.vocab_size", -5, "text"),
        ("open_clip", "model_cfg.text_cfg.heads", 5, "text"),
        ("open_clip", "model_cfg.text_cfg", "x", "text"),
        ("open_clip", "model_cfg", [], "text"),
        ("open_clip", "model_cfg.quick_gelu", "yes", "image"),
        ("clip", "_attn_implementation", "attacker/kernel", "sat"),
        ("clip", "auto_map", {"AutoModel": "attacker/m--x.X"}, "sat"),
        ("clip", "quantization_config", {"quant_method": "x"}, "sat"),
        ("clip", "hidden_act", "os.system", "sat"),
        ("clip", "num_hidden_layers", 10**9, "sat"),
        ("clip", "hidden_size", True, "sat"),
        ("clip", "image_size", "224", "sat"),
        ("clip", "layer_norm_eps", "1e-5", "sat"),
        ("clap", "attn_implementation", "attacker/kernel", "audio"),
        ("clap", "depths", [10**6, 1, 1, 1], "audio"),
        ("clap", "depths", [1] * 1000, "audio"),
        ("clap", "depths", [1, 1], "audio"),
        ("clap", "hidden_size", 1e30, "audio"),
        ("clap", "patch_stride", ["x", 4], "audio"),
        ("clap", "hidden_act", "attacker", "audio"),
        ("clap", "fusion_type", "attacker", "audio"),
        ("clap", "enable_fusion", "attacker", "audio"),
        ("sinr", "depth", 10**9, "env"),
        ("sinr", "num_filts", "512", "env"),
        ("sinr", "num_inputs", 0, "env"),
    ],
)  # fmt: skip
def test_a_configuration_that_names_more_than_sizes_is_refused(mini, which, keys, value, modality):
    change(mini, which, keys, value)
    with pytest.raises(ModelError):
        Model.open(mini).encoder(modality)


@pytest.mark.parametrize(
    "key, value",
    [
        ("depth", 10**9),
        ("embed_dim", "64"),
        ("heads", 0),
        ("mlp_dim", 1e12),
        ("num_modalities", 10**7),
        ("heads", 7),
    ],
)
def test_an_mvae_of_impossible_size_is_refused(mini, key, value):
    change(mini, "mvae", key, value)
    with pytest.raises(ModelError):
        _ = Model.open(mini).mvae


@pytest.mark.parametrize(
    "line, use",
    [
        ("image_resize = 1000000", "image"), ("image_crop = 257", "image"), ("sat_crop = 0", "sat"),
        ("normalize_std = [0.2, 0.0, 0.2]", "image"), ("normalize_mean = [0.5]", "image"),
        ("normalize_mean = 'abc'", "image"), ("audio_sample_rate = 0", "audio"), ("audio_max_length_s = 1e9", "audio"),
    ],
)  # fmt: skip
def test_preprocessing_out_of_bounds_is_refused(mini, line, use):
    toml = mini / "model.toml"
    toml.write_text(toml.read_text() + f"\n[preprocess]\n{line}\n")
    with pytest.raises(ModelError, match=line.split()[0]):
        Model.open(mini).media_spec(use)


def test_settings_that_change_nothing_are_passed_over(mini):
    rng = np.random.default_rng(0)
    items = {"image": [rng.integers(0, 255, (224, 224, 3), np.uint8)], "text": ["Pica pica"],
             "sat": [rng.integers(0, 255, (224, 224, 3), np.uint8)]}  # fmt: skip
    before = {m: Model.open(mini).encoder(m).encode(v) for m, v in items.items()}
    for keys, value in {
        "model_cfg.vision_cfg.timm_model_name": None, "model_cfg.vision_cfg.patch_dropout": 0.0,
        "model_cfg.vision_cfg.pool_type": "tok", "model_cfg.text_cfg.hf_model_name": "",
        "model_cfg.text_cfg.pool_type": "argmax", "model_cfg.vision_cfg.act_kwargs": {},
        "model_cfg.vision_cfg.mlp_ratio": 4.0,
    }.items():  # fmt: skip
        change(mini, "open_clip", keys, value)
    change(mini, "clip", "return_dict", True)
    change(mini, "clip", "id2label", {"0": "LABEL_0"})
    for modality, rows in before.items():
        assert np.array_equal(Model.open(mini).encoder(modality).encode(items[modality]), rows)


@pytest.mark.parametrize(
    "name",
    ["../x", "../../etc", "/etc", "a/../b", "a/..", "../a/b", "a/b/c", "a", "a\\b", "..\\a", "a/b\\..\\c", "a//b",
     "./a", "a/.", "a/b\n", "", "hf-hub:../x", "a/b%2f..", "é/b"],
)  # fmt: skip
def test_a_repository_is_an_owner_and_a_name(tmp_path, name):
    hub = tmp_path / "hub"
    for folder in (hub, tmp_path / "x", hub / "a" / "b" / "c"):
        folder.mkdir(parents=True, exist_ok=True)
    with pytest.raises(ModelError, match="names no hub repository"):
        hub_cache.locate(f"hf:{name}", tmp_path, hub)
    with pytest.raises(ModelError, match="names no hub repository"):
        hub_cache.locate(f"hf:{name}", tmp_path, None)
    with pytest.raises(ModelError, match="names no hub repository"):
        hub_cache.pull([name.removeprefix("hf-hub:")])
    assert hub_cache.locate("hf:a/b", tmp_path, hub) == hub / "a" / "b"
    with pytest.raises(NotCachedError):
        hub_cache.locate("hf:MVRL/taxabind-vit-b-16.v2", tmp_path, hub)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '"x"', '{"a/b": 3}', '{"a/b": "main"}', '{"a/b": null}', "\udcff"]
)
def test_a_damaged_list_of_commits_is_said_and_a_whole_one_is_kept(tmp_path, monkeypatch, text):
    monkeypatch.setenv("PROM3E_CACHE", str(tmp_path))
    hub_cache.lock_file().write_text(text, errors="surrogateescape")
    with pytest.raises(ModelError, match="revisions.json is damaged.*Delete it"):
        hub_cache.pinned()
    hub_cache._pin({"a/b": "c" * 40})
    assert hub_cache.pinned() == {"a/b": "c" * 40}

    def cut_off(*_, **__):
        raise OSError("no room")

    monkeypatch.setattr("pathlib.Path.replace", cut_off)
    with pytest.raises(OSError, match="no room"):
        hub_cache._pin({"a/b": "d" * 40})
    assert hub_cache.pinned() == {"a/b": "c" * 40}
    assert [p.name for p in tmp_path.iterdir()] == ["revisions.json"]


def test_a_bundle_keeps_a_model_for_each_device(bundle_path, monkeypatch):
    from prom3e_index.search.run import Bundle

    bundle = Bundle.open(bundle_path)
    one, other = bundle.model(device="cpu"), bundle.model(device="cpu:0")
    assert (one.device, other.device) == ("cpu", "cpu:0")
    assert bundle.model(device="cpu") is one and bundle.model(device="cpu:0") is other


def test_weights_are_mapped_and_survive_being_written_over(tmp_path):
    """What is written to the file it came from is what it was; both towers of a pair are read from one mapping."""
    import torch

    from prom3e_index.models.weights import read_state, write_state

    state = {"a": torch.arange(1 << 16, dtype=torch.float32), "b": torch.ones(3, dtype=torch.int64)}
    write_state(state, tmp_path / "w.safetensors")
    held = read_state(tmp_path / "w.safetensors")
    write_state(held, tmp_path / "w.safetensors")
    again = read_state(tmp_path / "w.safetensors")
    for key, value in state.items():
        assert torch.equal(held[key], value) and torch.equal(again[key], value)
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]


def test_sizes_that_the_weights_do_not_have_cost_no_memory(mini):
    """A tower of 700 GB is refused by its weights before anything of it is made."""
    change(mini, "open_clip", "model_cfg.vision_cfg.width", 16_384)
    change(mini, "open_clip", "model_cfg.vision_cfg.layers", 64)
    code = (
        "import resource\nresource.setrlimit(resource.RLIMIT_DATA, (4 << 30, 4 << 30))\n"
        "from prom3e_index.models.folder import Model\nfrom prom3e_index.errors import ModelError\n"
        f"try:\n    Model.open({str(mini)!r}).encoder('image')\nexcept ModelError as e: print(e)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert "do not fit" in done.stdout, done.stderr


@pytest.mark.parametrize("modality", ["image", "sat", "loc", "env", "text", "audio"])
def test_encoders_give_the_same_on_a_gpu(modality):
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no GPU here")
    from prom3e_index.media.audio import AudioSpec, fusion_views

    rng = np.random.default_rng(0)
    pixels = [rng.integers(0, 255, (224, 224, 3), np.uint8) for _ in range(3)]
    sound = [fusion_views(rng.normal(size=500_000).astype(np.float32), AudioSpec())[0][None]]
    items = {
        "loc": [(10.0, 20.0), (-90.0, 180.0)],
        "env": rng.normal(size=(3, 20)),
        "text": ["Pica pica", "a"],
        "audio": sound,
    }
    batch = items.get(modality, pixels)
    cpu, gpu = (Model.open("mini", device=d).encoder(modality) for d in ("cpu", "cuda"))

    assert cpu.fingerprint == gpu.fingerprint
    assert np.abs(cpu.encode(batch) - gpu.encode(batch)).max() < 1e-4
