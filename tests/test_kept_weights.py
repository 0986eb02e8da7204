"""Weights are kept by what users meet, completions are made as the decoders were trained."""

from __future__ import annotations

import csv
import tomllib
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from embedding_sets import NAMES, TINY, made, write_npz

from prom3e_index.training.stage_two.choose_use import Candidate, kept_by, validate
from prom3e_index.training.stage_two.loop import train_mvae
from prom3e_index.training.stage_two.recipe import BEST, PUBLISHED, Recipe
from prom3e_index.training.stage_two.run import MVAERun, run_mvae


def test_the_weights_kept_are_the_best_by_completions_and_mixture_alike(tmp_path):
    recipe = replace(TINY, steps=24, validate=6, lr=3e-2)
    trained = train_mvae([made(64)], NAMES, recipe, tmp_path, validation=made(60, seed=2))
    found = defaultdict(list)
    for row in csv.DictReader((tmp_path / "validation.csv").open()):
        found[int(row["step"])].append((float(row["reconstructed"]), float(row["hybrid"])))
    by = {step: float(np.mean(values)) for step, values in found.items()}
    assert len(by) == 6 and len({round(v, 6) for v in by.values()}) > 1
    assert trained.step == max(by, key=lambda s: by[s])
    assert trained.recall == pytest.approx(by[trained.step], abs=1e-5)


def test_neither_space_alone_decides():
    records = [{"reconstructed": 0.2, "hybrid": 0.6}, {"reconstructed": 0.4, "hybrid": 0.4}]
    assert kept_by(records) == pytest.approx((0.3 + 0.5) / 2)


@pytest.mark.parametrize(
    ("noise", "decode"), [("none", "mean"), ("dimension", "mean"), ("scalar", "expectation")]
)
def test_recall_in_training_is_of_completions_as_the_decoders_were_trained(tmp_path, noise, decode):
    val = made(60, seed=2)
    recipe = replace(TINY, noise=noise, steps=6, validate=1, lr=1e-2)
    trained = train_mvae([made(64)], NAMES, recipe, tmp_path, validation=val)
    told = {
        (r["given"], r["target"]): float(r["reconstructed"])
        for r in csv.DictReader((tmp_path / "validation.csv").open())
    }
    own = validate(Candidate(trained.mvae, NAMES, decode=decode), val)
    assert told == {
        (r["given"], r["target"]): pytest.approx(r["reconstructed"], abs=1e-5) for r in own
    }
    other = {"mean": "expectation", "expectation": "mean"}[decode]
    differs = validate(Candidate(trained.mvae, NAMES, decode=other), val)
    assert [r["reconstructed"] for r in own] != [r["reconstructed"] for r in differs]


@pytest.mark.parametrize(("recipe", "decode"), [(BEST, "mean"), (PUBLISHED, "expectation")])
def test_a_model_without_validation_is_decoded_as_it_was_trained(tmp_path, recipe, decode):
    data = write_npz(tmp_path / "t.npz", made(40))
    names = ("embed_dim", "heads", "mlp_dim", "registers", "batch_size", "steps")
    small = replace(recipe, **{n: getattr(TINY, n) for n in names})
    np.savez(tmp_path / "wide.npz", **_widened(data))
    run_mvae(
        MVAERun((tmp_path / "wide.npz",), tmp_path / "out", small, holdout=False), lambda *a: None
    )
    written = tomllib.loads((tmp_path / "out/model.toml").read_text())
    assert written["mvae"]["decode"] == decode == recipe.decode


def _widened(data):
    arrays = dict(np.load(data))
    x = arrays["embeddings"]
    arrays["embeddings"] = np.pad(x, ((0, 0), (0, 0), (0, 512 - x.shape[2])))
    return arrays


def test_best_is_what_the_log_says():
    assert BEST == Recipe(
        lr=1e-3, visible="row", one_visible=0.5, noise="none", contrast=0.3, patience=10
    )
