"""A model that is trained is calibrated on its validation rows, or says why not; what sets ask is inferred once."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from embedding_sets import TINY, made, write_npz
from test_joined_queries import SETS, plain

import prom3e_index.training.stage_two.choose_confidence as chosen
from prom3e_index.confidence.calibrated import Calibration
from prom3e_index.errors import InputError
from prom3e_index.models.folder import BUILT_IN, Model
from prom3e_index.mvae.files import write_mvae
from prom3e_index.mvae.network import MVAE, MVAEConfig
from prom3e_index.training.stage_two.recipe import RECIPES
from prom3e_index.training.stage_two.run import MVAERun, run_mvae


@pytest.fixture(scope="module")
def joins(tmp_path_factory):
    """`mini` where images and names ask for sounds as a sum."""
    out = tmp_path_factory.mktemp("calibrates") / "mini"
    shutil.copytree(BUILT_IN / "mini", out)
    toml = out / "model.toml"
    toml.write_text(plain(toml.read_text()) + SETS)
    return Model.open(out)


def test_answers_are_those_of_each_modality_inferred_anew(joins, monkeypatch):
    rows, real, calls = made(90, d=512, missing=0.2), chosen.infer, []

    def counted(model, x, shown, targets, **more):
        if len(shown) and (shown == shown[0]).all():
            calls.append(tuple(np.flatnonzero(shown[0])))
        return real(model, x, shown, targets, **more)

    def answers():
        asks, rng = np.ones(len(rows), bool), np.random.default_rng(0)
        species = np.unique(rows.species, return_inverse=True)[1].astype(np.int64)
        return list(chosen._answers(joins, rows, species, asks, rng))

    monkeypatch.setattr(chosen, "infer", counted)
    once = answers()
    assert [calls.count((i,)) for i in range(6)] == [2, 1, 1, 1, 2, 1]  # as a set, and in sums
    alone, joined = chosen.joined_rows, []

    def anew(model, how, x, visible, target, rows, told):
        joined.append(how is not None)
        return alone(model, how, x, visible, target, rows)

    monkeypatch.setattr(chosen, "joined_rows", anew)
    for one, other in zip(once, answers(), strict=True):
        assert (one.visible, one.target) == (other.visible, other.target)
        assert one.first.scores == pytest.approx(other.first.scores, abs=2e-6)
        assert one.observation.tolist() == other.observation.tolist()
    assert sum(joined) == 1


@pytest.mark.parametrize("rows, why", [
    (made(60, d=512, species=False), "the validation rows have no species"),
    (made(12, d=512, missing=-1), "observations could be asked with"),
    (replace(made(40, d=512), species=np.arange(40).astype(str)), "no row can ask another of its species"),
    (replace(made(40, d=512), asking=np.zeros(40, bool)), "no row can ask another of its species"),
    (replace(made(80, d=512, missing=-1), species=np.full(80, "s")), "answers were right and 0 wrong"),
])  # fmt: skip
def test_rows_that_cannot_calibrate_say_why(joins, rows, why):
    assert why in chosen.choose_confidence(joins, rows)


def run(folder, validation):
    torch.manual_seed(1)
    start = MVAE(MVAEConfig(input_dim=12, embed_dim=16, heads=2, mlp_dim=24)).eval()
    write_mvae(start, folder / "start")
    write_npz(folder / "t.npz", made(120, missing=0.1))
    write_npz(folder / "v.npz", validation)
    sets, init = (folder / "t.npz",), str(folder / "start")
    wanted = MVAERun(sets, folder / "out", TINY, init=init, validation=folder / "v.npz")
    return run_mvae(wanted, lambda *a: None)


def test_a_run_says_that_its_model_was_calibrated(tmp_path):
    found = run(tmp_path, made(90, seed=4, missing=0.1))
    held = found.calibrated
    assert isinstance(held, Calibration)
    q = held.quality
    line = f"calibrated on {q['answers']:,} answers to {q['rows']} validation rows: chances are off by {q['ece']:.1%}"
    assert line in found.summary()
    assert Model.open(tmp_path / "out").confidence.quality["answers"] == q["answers"]


def test_a_run_says_why_its_model_was_not(tmp_path):
    found = run(tmp_path, made(90, seed=4, species=False))
    assert found.calibrated == "the validation rows have no species"
    assert (
        "not calibrated, so small indexes of it tell no chances: the validation rows have no species"
        in (found.summary())
    )
    assert not (tmp_path / "out" / "confidence.json").exists()


@pytest.mark.parametrize("name", ["contrast", "mixed", "lambda_kl"])
def test_a_loss_is_not_weighted_below_nothing(name):
    with pytest.raises(InputError, match=f"{name} is -0.1; it must be at least 0"):
        replace(RECIPES["best"], **{name: -0.1})
    assert getattr(replace(RECIPES["best"], **{name: 0.0}), name) == 0
