"""The MVAE and its losses against numbers of an independent float64 transcription (`golden/`), everywhere."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import torch
from conftest import ROOT

from prom3e_index.mvae.class_tokens import posterior_of
from prom3e_index.mvae.files import read_mvae
from prom3e_index.training.losses import kl, reconstruction
from prom3e_index.training.stage_two.batches import make_batch
from prom3e_index.training.stage_two.recipe import Recipe
from prom3e_index.training.stage_two.step import Step

FOLDER = ROOT / "tests/golden"
SETS = ["0", "5", "2_0", "1_3", "4_1_2", "0_1_2_3_4_5"]
CASES = json.loads((FOLDER / "losses.json").read_text())


@pytest.fixture(scope="module")
def model():
    return read_mvae(FOLDER / "mvae")


@pytest.fixture(scope="module")
def inputs():
    with np.load(FOLDER / "inputs.npz") as z:
        return torch.from_numpy(z["embeddings"]), torch.from_numpy(z["eps"])


@pytest.fixture(scope="module")
def expected():
    with np.load(FOLDER / "expected.npz") as z:
        return dict(z)


def shown(x, visible):
    present = torch.zeros(x.shape[:2], dtype=torch.bool)
    present[:, [int(v) for v in visible]] = True
    return present


def worst(found, wanted):
    return float(np.abs(found.numpy() - wanted).max())


@pytest.mark.parametrize("key", SETS)
def test_every_output_of_the_network(model, inputs, expected, key):
    x, order = inputs[0], [int(v) for v in key.split("_")]
    p = model.posterior(x, shown(x, order))
    first = 2 + model.config.num_register_tokens
    tokens = torch.cat([p.tokens[:, :first], p.tokens[:, [first + i for i in order]]], dim=1)

    assert worst(p.mean, expected[f"mean__{key}"]) < 1e-5
    assert worst(p.log_variance, expected[f"log_variance__{key}"]) < 1e-5
    assert worst(tokens, expected[f"tokens__{key}"]) < 1e-5
    assert worst(model.reconstruct(p, how="mean"), expected[f"at_mean__{key}"]) < 1e-5
    assert worst(model.reconstruct(p), expected[f"expectation__{key}"]) < 1e-5


def test_rows_that_show_different_sets_in_one_pass(model, inputs, expected):
    x = inputs[0].clone()
    present = torch.cat(
        [shown(x[i : i + 1], SETS[i % len(SETS)].split("_")) for i in range(len(x))]
    )
    x[~present] = float("nan")
    full, short = model.posterior(x, present), posterior_of(model, x, present, "cpu")

    for i in range(len(x)):
        key = SETS[i % len(SETS)]
        assert worst(full.mean[i], expected[f"mean__{key}"][i]) < 1e-5
        assert worst(short.mean[i], expected[f"mean__{key}"][i]) < 1e-5
        assert worst(short.log_variance[i], expected[f"log_variance__{key}"][i]) < 1e-5


@pytest.mark.parametrize("case", CASES, ids=str)
def test_losses_of_the_plain_functions_and_of_a_training_step(model, inputs, case):
    x, eps = inputs
    p = model.posterior(x, shown(x, case["visible"]))
    z = p.mean + p.sigma * eps[:, None]
    for t, wanted in case["by_target"].items():
        made = model.decode(z, [int(t)])[:, 0]
        found = reconstruction(made, x[:, int(t)], model.negative_scale, model.negative_shift)
        assert float(found) == pytest.approx(wanted, abs=1e-5)
    assert float(kl(p)) == pytest.approx(case["kl"], abs=1e-5)

    terms = step_of(model, inputs, case)
    assert float(terms.reconstruction) == pytest.approx(case["reconstruction"], abs=1e-5)
    assert float(terms.kl) == pytest.approx(case["kl"], abs=1e-5)
    assert float(terms.total) == pytest.approx(case["total"], abs=1e-5)


def step_of(model, inputs, case):
    x, eps = inputs
    present = torch.ones(x.shape[:2], dtype=torch.bool)
    hidden = (
        set(range(6))
        - set(case["targets"])
        - (set(case["visible"]) if case["masked_only"] else set())
    )
    present[:, sorted(hidden)] = False
    recipe = Recipe(masked_only=case["masked_only"], lambda_kl=model.config.lambda_kl)
    batch = make_batch(x, present, shown(x, case["visible"]), eps[:, None], recipe)
    return Step(model, recipe)(batch)


@pytest.mark.parametrize("case", [c for c in CASES if "gradient_norms" in c], ids=str)
def test_gradients_are_those_of_differences(inputs, case):
    model = read_mvae(FOLDER / "mvae").requires_grad_(True)
    step_of(model, inputs, case).total.backward()
    found = {n: float(p.grad.norm()) for n, p in model.named_parameters() if p.grad is not None}

    for name, wanted in case["gradient_norms"].items():
        assert found.get(name, 0.0) == pytest.approx(wanted, rel=1e-3, abs=1e-5), name


def test_the_transcription_gives_the_stored_numbers(expected):
    """The stored numbers are those of the script beside them, and a wrong constant would be seen."""
    from safetensors.numpy import load_file

    sys.path.insert(0, str(FOLDER))
    try:
        import transcription
    finally:
        sys.path.remove(str(FOLDER))
    weights = {
        k: v.astype(np.float64) for k, v in load_file(FOLDER / "mvae/model.safetensors").items()
    }
    config = json.loads((FOLDER / "mvae/config.json").read_text())
    with np.load(FOLDER / "inputs.npz") as z:
        x = z["embeddings"].astype(np.float64)
    mean, log_variance, _ = transcription.posterior(weights, config, x, [1, 3])

    assert np.abs(mean - expected["mean__1_3"]).max() < 1e-6
    assert np.abs(log_variance - expected["log_variance__1_3"]).max() < 1e-6
    other = transcription.posterior(weights, config | {"heads": 2}, x, [1, 3])[0]
    assert np.abs(other - expected["mean__1_3"]).max() > 1e-4
