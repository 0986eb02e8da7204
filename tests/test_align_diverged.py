"""Stage 1 stops at a loss or gradient that is no number, with the weights of the update before."""

from __future__ import annotations

import json

import pytest
import torch
from test_align import toy

from prom3e_index.errors import DivergedError, ModelError
from prom3e_index.models.weights import read_state, write_state
from prom3e_index.training import checkpoint
from prom3e_index.training.checkpoint import load
from prom3e_index.training.finite import Watch
from prom3e_index.training.stage_one import align as module
from prom3e_index.training.stage_one.align import AlignConfig, align


class _Stop(Exception):
    pass


def tower_that(kind: str | None, at: int):
    """A toy whose embedding is bad in its `at`-th call, and its writer."""
    tower, anchors, label = toy()
    embed, calls = tower.embed, [0]

    def bad(x):
        calls[0] += 1
        out = embed(x)
        if calls[0] != at or kind is None:
            return out
        if kind == "stop":
            raise _Stop
        if kind == "gradient":
            return out + (0 * tower.network.bias).sqrt()
        return out * float(kind)

    tower.embed = bad
    tower.write = lambda to, half: write_state(
        dict(tower.network.state_dict()), to / "model.safetensors", half=half
    )
    return tower, anchors, label


@pytest.mark.parametrize("kind", ["nan", "gradient"])
@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("look", ["at once", "at lines"])
def test_the_update_before_is_kept_exactly(tmp_path, monkeypatch, kind, precision, look):
    """Three steps an update; the eighth step is bad, so the weights are those of step 6."""
    config = AlignConfig(
        loss="supcon", epochs=6, batch_size=16, accumulate=3, lr=1e-2, precision=precision
    )
    monkeypatch.setattr(checkpoint, "SAVE_EVERY_S", 0.0)
    if look == "at lines":
        adamw = torch.optim.AdamW
        monkeypatch.setattr(torch.optim, "AdamW", lambda *a, **k: adamw(*a, **{**k, "fused": True}))
        monkeypatch.setattr(module, "Watch", lambda o, me: Watch(o, me, at_once=False))
        monkeypatch.setattr(module, "LINES", 1)
    with pytest.raises(_Stop):
        align(*tower_that("stop", 8), config, tmp_path / "straight")
    with pytest.raises(DivergedError, match="stopped after step 6.*lr=0.01"):
        align(*tower_that(kind, 8), config, tmp_path / "bad")

    (good, at), (kept, kept_at) = (
        load(tmp_path / f / "last.safetensors") for f in ("straight", "bad")
    )
    assert at["at"] == kept_at["at"] == 6 and good.keys() == kept.keys()
    assert all(torch.equal(good[k], kept[k]) for k in good)
    written = read_state(tmp_path / "bad/last_good/model.safetensors")
    assert torch.equal(written["weight"], good["weights.networks.0.weight"])
    assert json.loads((tmp_path / "bad/stopped.json").read_text())["last_good_step"] == 6
    log = (tmp_path / "bad/log.csv").read_text()
    assert "nan" not in log and "inf" not in log

    with pytest.raises(DivergedError, match="after step 6"):  # gone on with: steps 7 and 8
        align(*tower_that(kind, 2), config, tmp_path / "bad")


def test_a_network_that_is_none_is_not_trained(tmp_path):
    tower, anchors, label = toy()
    tower.network.weight.data[1, 1] = float("inf")
    with pytest.raises(ModelError, match="The network to start from: networks.0.weight holds"):
        align(tower, anchors, label, AlignConfig(batch_size=16), tmp_path / "run")


def test_an_update_that_overflows_keeps_what_was_saved_before(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "SAVE_EVERY_S", 0.0)
    config = AlignConfig(loss="supcon", epochs=3, batch_size=16, accumulate=1, lr=1e-2)
    tower, anchors, label = tower_that(None, 0)
    update, done = Watch.update, []

    def overflow(self):
        good = update(self)
        done.append(1)
        if len(done) == 5:
            tower.network.weight.data[2, 3] = float("inf")
        return good

    monkeypatch.setattr(Watch, "update", overflow)
    with pytest.raises(DivergedError, match="the weights of step 4, the last good ones"):
        align(tower, anchors, label, config, tmp_path / "run")
    assert len(done) == 5
    kept = read_state(tmp_path / "run/last_good/model.safetensors")["weight"]
    assert torch.equal(
        kept, load(tmp_path / "run/last.safetensors")[0]["weights.networks.0.weight"]
    )
