"""Small things that a program says of itself, each true: decoding, what goes on after Ctrl-C, what was compared."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from prom3e_index.cli import app, start
from prom3e_index.indexer.npz import infer_npz
from prom3e_index.models.folder import Model


def test_infer_decodes_as_the_model_does(tmp_path):
    model = Model.open("mini")
    x = (
        np.random.default_rng(0)
        .normal(size=(3, len(model.modalities), model.width))
        .astype(np.float32)
    )
    x /= np.linalg.norm(x, axis=2, keepdims=True)
    np.savez(tmp_path / "x.npz", embeddings=x)
    infer_npz(tmp_path / "x.npz", "mini", "loc", None, None, tmp_path / "own.npz")
    shown = torch.zeros(3, len(model.modalities), dtype=torch.bool)
    shown[:, model.modalities.index("loc")] = True
    posterior = model.mvae.posterior(torch.from_numpy(x), shown)
    wanted = {how: model.mvae.reconstruct(posterior, how=how, nodes=model.nodes).numpy() for how in ("mean", "expectation")}  # fmt: skip

    with np.load(tmp_path / "own.npz") as z:
        assert np.abs(z["reconstructed"] - wanted[model.decode]).max() < 1e-5
    assert np.abs(wanted["mean"] - wanted["expectation"]).max() > 1e-3


@pytest.mark.parametrize(
    "command, goes_on", [("query", False), ("build", True), ("verify", False), ("train", True)]
)
def test_ctrl_c_promises_no_more_than_is_kept(command, goes_on, monkeypatch, capsys):
    def interrupted():
        raise start.Interrupted

    monkeypatch.setattr(sys, "argv", ["prom3e-index", command])
    monkeypatch.setattr(app, "_run", interrupted)
    with pytest.raises(SystemExit) as stop:
        app.main()
    assert stop.value.code == 130
    assert ("goes on where it stopped" in capsys.readouterr().err) is goes_on
