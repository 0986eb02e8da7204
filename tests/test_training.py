"""Stage 2 as a run: overfitting, epochs, rates, early stops, several processes, absent modalities."""

from __future__ import annotations

import csv
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from embedding_sets import NAMES, TINY, made
from processes import run_alone_and_in_a_group
from torch.nn import functional as F

from prom3e_index.errors import InputError
from prom3e_index.mvae.network import MVAE, MVAEConfig
from prom3e_index.training.checkpoint import load
from prom3e_index.training.schedule import Order
from prom3e_index.training.stage_two.loop import train_mvae
from prom3e_index.training.stage_two.recipe import BEST, PUBLISHED, Recipe
from prom3e_index.training.stage_two.sets import EmbeddingSet


@pytest.mark.parametrize("recipe", [PUBLISHED, BEST], ids=["published", "best"])
def test_overfits_32_rows(tmp_path, recipe):
    rng = np.random.default_rng(0)
    x = F.normalize(torch.from_numpy(rng.normal(size=(32, 6, 12)).astype(np.float32)), dim=-1)
    given = EmbeddingSet(x, torch.ones(32, 6, dtype=torch.bool), None, "made", "f")
    recipe = replace(recipe, embed_dim=64, heads=4, mlp_dim=128, batch_size=32, steps=400, lr=3e-3, noise="none",
                     precision="float32")  # fmt: skip
    trained = train_mvae([given], NAMES, recipe, tmp_path / "run")
    one = torch.zeros(32, 6, dtype=torch.bool)
    one[:, 2] = True
    made_of = trained.mvae.reconstruct(trained.mvae.posterior(x, one), how="mean")
    for t in range(6):
        found = (made_of[:, t] @ x[:, t].T).argmax(1)
        assert float((found == torch.arange(32)).float().mean()) == 1.0


def test_two_processes_take_the_same_steps_as_one(tmp_path):
    code = """
from pathlib import Path
from dataclasses import replace
from prom3e_index.training.distributed import join
from embedding_sets import NAMES, TINY, made
from prom3e_index.training.stage_two.loop import train_mvae
recipe = replace(TINY, steps=4, mixed=0.5, visible="row", negatives="species", batch_size=16)
train_mvae([made(64)], NAMES, recipe, Path({out!r}), validation=made(60, seed=2))
join("cpu").leave()
"""
    run_alone_and_in_a_group(*(code.format(out=str(tmp_path / n)) for n in ("one", "two")))
    one, two = (load(tmp_path / n / "last.safetensors")[0] for n in ("one", "two"))
    for name, value in one.items():
        if name.startswith("weights."):
            assert torch.allclose(value, two[name], atol=2e-5), name


def test_a_modality_that_is_always_absent_is_neither_shown_nor_decoded(tmp_path):
    given = made(60, missing=0.2)
    x, present = given.x.clone(), given.present.clone()
    x[:, 5], present[:, 5] = 0, False
    given = EmbeddingSet(x, present, given.species, "made", "f")
    torch.manual_seed(TINY.seed)
    start = dict(
        MVAE(
            MVAEConfig(input_dim=12, embed_dim=16, heads=2, mlp_dim=24, num_register_tokens=2)
        ).state_dict()
    )
    for recipe in (TINY, replace(TINY, visible="row", noise="none")):
        trained = train_mvae([given], NAMES, recipe, tmp_path / recipe.visible)
        after = trained.mvae.state_dict()
        for name, value in start.items():
            if name.startswith(("projectors.5", "decoders.5", "modality_identifiers.5")):
                assert torch.equal(after[name], value), name
        assert not torch.equal(after["decoders.4.net.1.weight"], start["decoders.4.net.1.weight"])


def test_rows_of_an_epoch_come_once_and_sets_are_mixed_as_asked():
    recipe = Recipe(batch_size=10, epochs=3)
    order = Order([45], recipe)
    assert order.steps == 12 and order.per_epoch == 4
    for epoch in range(3):
        seen = torch.cat([order.batch(4 * epoch + k)[1] for k in range(4)])
        assert len(seen.unique()) == 40
    coin = Order([1000, 100], replace(recipe, steps=4000))
    size = Order([1000, 100], replace(recipe, steps=4000, mix="size"))
    share = [np.mean([o.batch(s)[0] for s in range(4000)]) for o in (coin, size)]
    assert share[0] == pytest.approx(0.5, abs=0.03) and share[1] == pytest.approx(1 / 11, abs=0.02)


def test_rates_are_the_published_schedules():
    import math

    cosine = Order([100], Recipe(batch_size=10, epochs=40))
    assert [cosine.rate(s) for s in (0, 200, 399)] == pytest.approx(
        [1e-4, 5e-5, 1e-4 * (1 + math.cos(math.pi * 399 / 400)) / 2])  # fmt: skip
    restarts = Order([100], Recipe(batch_size=10, epochs=40, schedule="restarts"))
    assert restarts.rate(0) == restarts.rate(200) == pytest.approx(1e-4)
    assert restarts.rate(100) == pytest.approx(1e-6 + (1e-4 - 1e-6) / 2)
    warm = Order([100], Recipe(batch_size=10, epochs=40, warmup=0.1))
    assert warm.rate(0) == pytest.approx(1e-4 / 40) and warm.rate(40) == pytest.approx(1e-4)


def test_stops_early_and_keeps_the_best(tmp_path):
    recipe = replace(TINY, lr=1e-12, steps=40, validate=20, patience=3)
    trained = train_mvae([made(64)], NAMES, recipe, tmp_path / "run", validation=made(60, seed=2))
    assert trained.step == 2 and trained.steps == 8, (
        "nothing gets better: the first, then three more"
    )


def test_tensorboard_gets_the_scalars_of_the_log_or_says_what_is_missing(tmp_path, monkeypatch):
    import types

    written = []

    class SummaryWriter:
        def __init__(self, folder, purge_step):
            written.append((folder, purge_step))

        def add_scalar(self, name, value, step):
            written.append((name, value, step))

        def close(self):
            written.append("closed")

    fake = types.ModuleType("torch.utils.tensorboard")
    fake.SummaryWriter = SummaryWriter
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", fake)
    train_mvae([made(40)], NAMES, TINY, tmp_path / "run", tensorboard=True)
    rows = list(csv.DictReader((tmp_path / "run/log.csv").open()))
    losses = [(v, s) for n, v, s in (w for w in written if len(w) == 3) if n == "loss"]
    assert [(f"{v:.6g}", str(s)) for v, s in losses] == [(r["loss"], r["step"]) for r in rows]
    assert written[-1] == "closed"

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(InputError, match="pip install tensorboard"):
        train_mvae([made(40)], NAMES, TINY, tmp_path / "other", tensorboard=True)
