"""The MVAE against the golden model, and against a plain transcription of its equations."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from conftest import shared

from prom3e_index.errors import InputError, ModelError, ShapeError
from prom3e_index.mvae.files import read_mvae, write_mvae
from prom3e_index.mvae.network import MVAE, MVAEConfig

SETS = ["0", "5", "2_0", "1_3", "0_1_2_3_4_5"]


@pytest.fixture(scope="module")
def golden():
    folder = shared("fixtures/golden_given")
    return (
        read_mvae(folder),
        np.load(folder / "inputs.npz"),
        np.load(folder / "expected.npz"),
        folder,
    )


@pytest.mark.parametrize("visible", SETS)
def test_matches_the_golden_model(golden, visible):
    model, inputs, expected, _ = golden
    x = torch.from_numpy(inputs["embeddings"])
    order = [int(v) for v in visible.split("_")]
    present = torch.zeros(x.shape[:2], dtype=torch.bool)
    present[:, order] = True

    p = model.posterior(x, present)
    first = 2 + model.config.num_register_tokens
    tokens = torch.cat([p.tokens[:, :first], p.tokens[:, [first + i for i in order]]], 1)

    for name, value in {
        "mean": p.mean, "log_variance": p.log_variance, "tokens": tokens,
        "reconstructed": model.reconstruct(p, how="mean"),
    }.items():  # fmt: skip
        assert np.abs(value.numpy() - expected[f"{name}__{visible}"]).max() < 1e-5


def test_one_masked_pass_equals_a_pass_per_pattern(golden):
    model, inputs, expected, _ = golden
    x = torch.from_numpy(inputs["embeddings"]).clone()
    present = torch.zeros(x.shape[:2], dtype=torch.bool)
    for row in range(len(x)):
        present[row, [int(v) for v in SETS[row % len(SETS)].split("_")]] = True
    x[~present] = float("nan")

    mean = model.posterior(x, present).mean.numpy()

    for row in range(len(x)):
        assert np.abs(mean[row] - expected[f"mean__{SETS[row % len(SETS)]}"][row]).max() < 1e-5


def test_loss_terms_match_the_golden_cases(golden):
    """The golden losses recomputed from our forward pass and our loss functions."""
    from prom3e_index.training.losses import kl, reconstruction

    model, inputs, _, folder = golden
    x, eps = torch.from_numpy(inputs["embeddings"]), torch.from_numpy(inputs["eps"])
    given = json.loads((folder / "expected_loss.json").read_text())
    cases = given["cases"] if isinstance(given, dict) else given
    assert len(cases) == 10
    for case in cases:
        visible = case["visible"]
        present = torch.zeros(x.shape[:2], dtype=torch.bool)
        present[:, visible] = True
        p = model.posterior(x, present)
        z = p.mean + p.sigma * eps[:, None]
        decoded = [
            t for t in range(6)
            if (t != 5 or case["audio_flag"]) and not (case.get("masked_only") and t in visible)
        ]  # fmt: skip
        terms = [
            reconstruction(
                model.decode(z, [t])[:, 0], x[:, t], model.negative_scale, model.negative_shift
            )
            for t in decoded
        ]
        assert float(torch.stack(terms).mean()) == pytest.approx(case["reconstruction"], abs=1e-5)
        assert float(kl(p)) == pytest.approx(case["kl"], abs=1e-5)


def test_expectation_is_the_mean_of_the_two_unit_decodes(golden):
    model, inputs, _, _ = golden
    x = torch.from_numpy(inputs["embeddings"])
    p = model.posterior(x, torch.ones(x.shape[:2], dtype=torch.bool))

    up, down = model.decode(p.mean + p.sigma), model.decode(p.mean - p.sigma)
    expected = torch.nn.functional.normalize(up + down, dim=-1)

    assert torch.allclose(model.reconstruct(p), expected, atol=1e-6)


def test_samples_repeat_with_their_seed_and_need_one():
    model = MVAE(MVAEConfig(input_dim=8, embed_dim=16, heads=2, mlp_dim=8)).eval()
    x = torch.nn.functional.normalize(torch.randn(5, 6, 8), dim=-1)
    p = model.posterior(x, torch.ones(x.shape[:2], dtype=torch.bool))
    one, again = (
        model.reconstruct(p, how="sample", generator=torch.Generator().manual_seed(3))
        for _ in range(2)
    )

    assert torch.equal(one, again)
    with pytest.raises(InputError, match="seed"):
        model.reconstruct(p, how="sample")


def test_wrong_widths_and_empty_rows_are_named():
    model = MVAE(MVAEConfig(input_dim=8, embed_dim=16, heads=2, mlp_dim=8, num_modalities=3)).eval()
    with pytest.raises(ShapeError, match=r"\(2, 3, 9\).*\(n, 3, 8\)"):
        model.posterior(torch.zeros(2, 3, 9), torch.ones(2, 3, dtype=torch.bool))
    present = torch.ones(4, 3, dtype=torch.bool)
    present[2] = False
    with pytest.raises(InputError, match="Row 2"):
        model.posterior(torch.zeros(4, 3, 8), present)


def test_any_number_of_modalities_round_trips(tmp_path):
    model = MVAE(MVAEConfig(input_dim=8, embed_dim=16, heads=2, mlp_dim=8, num_modalities=8)).eval()
    write_mvae(model, tmp_path)
    again = read_mvae(tmp_path)
    x = torch.nn.functional.normalize(torch.randn(5, 8, 8), dim=-1)
    present = torch.rand(5, 8) > 0.5
    present[:, 0] = True

    assert torch.equal(model.posterior(x, present).mean, again.posterior(x, present).mean)


def test_default_size():
    model = MVAE(MVAEConfig())

    assert sum(p.numel() for p in model.parameters()) == 27_328_514
    assert len(model.state_dict()) == 96


def test_published_layout():
    listed = json.loads(shared("prom3e_state_dict.json").read_text())
    model = MVAE(MVAEConfig.from_dict(listed["config"]))

    assert sum(p.numel() for p in model.parameters()) == listed["total_parameters"]
    assert {k: list(v.shape) for k, v in model.state_dict().items()} == {
        e["key"]: e["shape"] for e in listed["entries"]
    }


@pytest.mark.parametrize("harm, words", [
    (lambda s: s.pop("cls_tokens"), "missing cls_tokens"),
    (lambda s: s.update(more=torch.zeros(1)), "unknown more"),
    (lambda s: s.update(cls_tokens=torch.zeros(2, 3)), r"cls_tokens is \(2, 3\), the model has \(2, 16\)"),
])  # fmt: skip
def test_tensors_that_do_not_fit_are_named(tmp_path, harm, words):
    from prom3e_index.models.weights import write_state

    model = MVAE(MVAEConfig(input_dim=8, embed_dim=16, heads=2, mlp_dim=8))
    write_mvae(model, tmp_path)
    state = dict(model.state_dict())
    harm(state)
    write_state(state, tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match=words):
        read_mvae(tmp_path)


def test_lightning_checkpoint_is_read_and_pickles_are_refused(tmp_path):
    model = MVAE(MVAEConfig(input_dim=8, embed_dim=16, heads=2, mlp_dim=8)).eval()
    write_mvae(model, tmp_path)
    (tmp_path / "model.safetensors").unlink()
    state = {f"model.{k}": v for k, v in model.state_dict().items()}
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "last.ckpt")
    assert torch.equal(read_mvae(tmp_path).cls_tokens, model.cls_tokens)

    class Evil:
        def __reduce__(self):
            return (print, ("run",))

    torch.save({"state_dict": Evil()}, tmp_path / "last.ckpt")
    with pytest.raises(ModelError, match="cannot be read"):
        read_mvae(tmp_path)
