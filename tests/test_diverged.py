"""A run that meets numbers that are none stops at once, keeps the step before, and writes no model."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from embedding_sets import NAMES, TINY, made, write_npz
from processes import program, run_alone_and_in_a_group

from prom3e_index.errors import DivergedError, ModelError
from prom3e_index.models.weights import read_state, write_state
from prom3e_index.mvae.files import read_mvae, write_mvae
from prom3e_index.mvae.network import MVAE, MVAEConfig
from prom3e_index.training import checkpoint
from prom3e_index.training.checkpoint import load
from prom3e_index.training.finite import Watch
from prom3e_index.training.losses import kl_of
from prom3e_index.training.stage_two import loop
from prom3e_index.training.stage_two.choose_use import Candidate, choose_use
from prom3e_index.training.stage_two.loop import train_mvae
from prom3e_index.training.stage_two.run import MVAERun, run_mvae
from prom3e_index.training.stage_two.step import Step


class _Stop(Exception):
    pass


def poison(monkeypatch, at: int, kind: str) -> None:
    """From the forward pass of step `at` (from 1) comes a bad loss or gradient, or an interruption."""
    forward, calls = Step.forward, [0]

    def poisoned(self, batch):
        calls[0] += 1
        terms = forward(self, batch)
        if calls[0] != at:
            return terms
        if kind == "stop":
            raise _Stop
        if kind == "gradient":  # the slope of a root at 0 is infinite, its value is not
            return terms._replace(total=terms.total + (0 * self.model.negative_scale).sqrt())
        return terms._replace(total=terms.total * float(kind))

    monkeypatch.setattr(Step, "forward", poisoned)


def tensors_equal(a, b) -> None:
    assert a.keys() == b.keys()
    for name, value in a.items():
        assert torch.equal(value, b[name]), name


@pytest.mark.parametrize("kind", ["nan", "inf", "gradient"])
@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("look", ["at once", "at lines"])
def test_the_step_before_is_kept_exactly(tmp_path, monkeypatch, kind, precision, look):
    """`at lines` is how a GPU looks: seven more steps are taken before the flag is read, and change nothing."""
    recipe, sets = replace(TINY, precision=precision, steps=16, validate=1), [made(40)]
    monkeypatch.setattr(checkpoint, "SAVE_EVERY_S", 0.0)
    with monkeypatch.context() as m:
        poison(m, 6, "stop")
        with pytest.raises(_Stop):
            train_mvae(sets, NAMES, recipe, tmp_path / "straight")
    if look == "at lines":
        monkeypatch.setattr(loop, "Watch", lambda o, me: Watch(o, me, at_once=False))
        monkeypatch.setattr(loop, "LINES", 1)
    with monkeypatch.context() as m:
        poison(m, 6, kind)
        with pytest.raises(DivergedError, match="stopped after step 5") as told:
            train_mvae(sets, NAMES, recipe, tmp_path / "bad")

    assert "lr=0.001" in str(told.value) and "bad/last_good" in str(told.value)
    (good, at), (kept, kept_at) = (
        load(tmp_path / f / "last.safetensors") for f in ("straight", "bad")
    )
    assert at["at"] == kept_at["at"] == 5
    tensors_equal(good, kept)
    written = read_mvae(tmp_path / "bad/last_good").state_dict()
    tensors_equal(
        dict(written), {k[14:]: v for k, v in good.items() if k.startswith("weights.model.")}
    )
    assert json.loads((tmp_path / "bad/stopped.json").read_text())["last_good_step"] == 5
    rows = list(csv.DictReader((tmp_path / "bad/log.csv").open()))
    assert all(np.isfinite(float(v)) for r in rows for v in r.values()), (
        "no line of the log is none"
    )
    assert not (tmp_path / "bad/best.safetensors").exists()

    poison(monkeypatch, 1, kind)  # gone on with: the very next step is as bad as before
    with pytest.raises(DivergedError, match="stopped after step 5"):
        train_mvae(sets, NAMES, recipe, tmp_path / "bad")
    tensors_equal(load(tmp_path / "bad/last.safetensors")[0], good)


def test_an_average_of_weights_stops_where_they_do(tmp_path, monkeypatch):
    recipe = replace(TINY, ema=0.5, validate=1)
    monkeypatch.setattr(checkpoint, "SAVE_EVERY_S", 0.0)
    for kind, error in (("stop", _Stop), ("nan", DivergedError)):
        with monkeypatch.context() as m:
            poison(m, 4, kind)
            with pytest.raises(error):
                train_mvae([made(40)], NAMES, recipe, tmp_path / kind)
    tensors_equal(*(load(tmp_path / k / "last.safetensors")[0] for k in ("stop", "nan")))


def test_two_processes_stop_together_when_one_of_them_meets_it(tmp_path):
    code = """
import torch
from pathlib import Path
from dataclasses import replace
from prom3e_index.errors import DivergedError
from prom3e_index.training.distributed import join
from embedding_sets import NAMES, TINY, made
from prom3e_index.training.stage_two.loop import train_mvae
from prom3e_index.training.stage_two.step import Step
me, forward, calls = join("cpu"), Step.forward, [0]
def poisoned(self, batch):
    calls[0] += 1
    terms = forward(self, batch)
    bad = calls[0] == 4 and me.rank == me.count - 1
    return terms._replace(total=terms.total * float("nan")) if bad else terms
Step.forward = poisoned
try:
    train_mvae([made(64)], NAMES, TINY, Path({out!r}))
    raise SystemExit("it went on")
except DivergedError as e:
    assert "after step 3" in str(e), e
assert calls == [4]
me.leave()
"""
    run_alone_and_in_a_group(*(code.format(out=str(tmp_path / n)) for n in ("one", "two")))
    one, two = (read_mvae(tmp_path / n / "last_good").state_dict() for n in ("one", "two"))
    for name, value in one.items():
        assert torch.allclose(value, two[name], atol=2e-5), name


def test_the_command_says_it_in_one_line_and_writes_no_model(tmp_path):
    write_mvae(
        MVAE(MVAEConfig(input_dim=12, embed_dim=16, heads=2, mlp_dim=24)), tmp_path / "start"
    )
    train = write_npz(tmp_path / "t.npz", made(80))
    done = program("train", "mvae", train, "--init", tmp_path / "start", "--steps", 60, "--batch-size", 16,
                   "--out", tmp_path / "own", "--lr", 1000)  # fmt: skip
    said = [line for line in done.stderr.splitlines() if line.startswith("Error:")]
    assert done.returncode == 2 and len(said) == 1 and "a lower rate than --lr 1000" in said[0]
    assert not list((tmp_path / "own").glob("*.*")), "only run/ is there"
    at = json.loads((tmp_path / "own/run/stopped.json").read_text())["last_good_step"]
    assert f"the weights of step {at}," in said[0]


def test_weights_that_are_none_are_neither_taken_nor_written(tmp_path):
    start = MVAE(MVAEConfig(input_dim=12, embed_dim=16, heads=2, mlp_dim=24, num_register_tokens=2))
    start.decoders[3].net[4].bias.data[2] = float("nan")
    with pytest.raises(ModelError, match=r"decoders\.3\.net\.4\.bias holds values that are no"):
        train_mvae([made(40)], NAMES, TINY, tmp_path / "run", init=start)
    assert not (tmp_path / "run").exists()
    with pytest.raises(ModelError, match=r"decoders\.3\.net\.4\.bias .* was not written"):
        write_mvae(start, tmp_path / "m")
    assert not (tmp_path / "m/model.safetensors").exists()

    large = {"a": torch.tensor([65504.0]), "b": torch.tensor([7e4]), "n": torch.tensor([3])}
    with pytest.raises(ModelError, match=r"b holds .* half precision ends at 65,504"):
        write_state(large, tmp_path / "half.safetensors", half=True)
    assert not (tmp_path / "half.safetensors").exists()
    write_state(large, tmp_path / "whole.safetensors")
    tensors_equal(read_state(tmp_path / "whole.safetensors"), {**large})


def test_answers_that_are_none_choose_nothing(tmp_path):
    """Ranks among NaN scores would all be first: such a model must not win on validation."""
    torch.manual_seed(0)
    model = MVAE(MVAEConfig(input_dim=12, embed_dim=16, heads=2, mlp_dim=24)).requires_grad_(False)
    val = made(60, seed=2)
    choose_use(Candidate(model, NAMES), val, 30)
    for decoder in model.decoders:
        decoder.net[4].weight.data.fill_(3e38)
    with pytest.raises(DivergedError, match="holds values that are no finite numbers"):
        choose_use(Candidate(model, NAMES), val, 30)


def test_a_run_whose_answers_are_none_ends_at_validation(tmp_path, monkeypatch):
    def validate(model, val, limit=300):
        raise DivergedError("no number")

    monkeypatch.setattr(loop, "validate", validate)
    paths = [write_npz(tmp_path / n, made(60, seed=i)) for i, n in enumerate(("t.npz", "v.npz"))]
    write_mvae(
        MVAE(MVAEConfig(input_dim=12, embed_dim=16, heads=2, mlp_dim=24)), tmp_path / "start"
    )
    run = MVAERun(
        (paths[0],), tmp_path / "own", TINY, validation=paths[1], init=str(tmp_path / "start")
    )
    with pytest.raises(DivergedError, match="step 6: answers to validation rows are no finite"):
        run_mvae(run, lambda *a: None)
    assert not (tmp_path / "own/model.toml").exists()


def test_kl_has_its_value_and_gradient_wherever_it_is_not_left_out():
    g = torch.Generator().manual_seed(0)
    mean, log_variance = torch.randn(9, 5, generator=g), 3 * torch.randn(9, 5, generator=g)
    for form in ("code", "printed"):
        m, v = (t.clone().requires_grad_() for t in (mean, log_variance))
        kl_of(m, v, form).backward()
        mm, vv = mean.double().numpy(), log_variance.double().numpy()
        n = mm.size
        slope = -0.5 * (1 - np.exp(vv)) / n if form == "code" else np.zeros_like(vv)
        value = (-0.5 * (1 + (vv if form == "code" else np.exp(vv)) - mm**2 - np.exp(vv))).mean()
        assert float(kl_of(m, v, form).detach()) == pytest.approx(value, rel=1e-5, abs=1e-5)
        assert np.abs(v.grad.numpy() - slope).max() < 1e-6 * max(1, np.abs(slope).max())
        assert np.abs(m.grad.numpy() - mm / n).max() < 1e-6


@pytest.mark.parametrize("above", [13.0, 79.0, 80.5, 88.0, 90.0, 1e4])
def test_kl_above_its_limit_has_no_value_and_no_gradient(above):
    mean = torch.full((3, 4), 0.5, requires_grad=True)
    log_variance = torch.zeros(3, 4)
    log_variance[1, 2] = above
    log_variance.requires_grad_()
    value = kl_of(mean, log_variance)
    value.backward()
    assert float(value.detach()) == 0
    assert not mean.grad.any() and not log_variance.grad.any(), "0, and not NaN"
