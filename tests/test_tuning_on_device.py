"""What a device computes of validation is what the processor does: scores, ranks, choices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from embedding_sets import NAMES, made

from prom3e_index.evaluation import directions as module
from prom3e_index.evaluation.directions import directions
from prom3e_index.evaluation.ranking import Labels, Right, first_right
from prom3e_index.evaluation.ranking_on_device import first_right_of
from prom3e_index.evaluation.scores import VisibleSet
from prom3e_index.evaluation.weights_choice import settings_of
from prom3e_index.models.folder import Weights
from prom3e_index.mvae.network import MVAE, MVAEConfig
from prom3e_index.training.stage_two.choose_use import Candidate, choose_use, validate

SMALL = MVAEConfig(input_dim=12, embed_dim=16, heads=2, mlp_dim=24, num_register_tokens=2)


def candidate(**more):
    torch.manual_seed(0)
    return Candidate(MVAE(SMALL).requires_grad_(False), NAMES, **more)


def repeated():
    """Rows of which several have the same tile and the same name: ties."""
    given = made(90, seed=3, missing=0.25)
    x = given.x.clone()
    for column, step in ((1, 3), (4, 7)):
        x[:, column] = x[torch.arange(90) // step * step, column]
    has = given.present.clone()
    x[~has] = 0
    has &= x.abs().sum(2) > 0
    has[~has.any(1), 0] = True
    return replace(given, x=x, present=has)


@pytest.mark.parametrize("seed", range(5))
def test_ranks_are_those_of_the_compiled_loops(seed):
    rng = np.random.default_rng(seed)
    q, g = 40, 23
    scores = rng.integers(-3, 4, (q, g)).astype(np.float32) / 4  # ties everywhere
    codes, label = rng.integers(-1, 6, g), rng.integers(-1, 8, q)
    own = rng.integers(-1, g, q)
    for right in (
        Right.rows(own),
        Right.alike(label, Labels(codes), own),
        Right.where(rng.random((q, g)) < 0.1, own),
        Right.where(np.zeros((q, g), bool)),
    ):
        a, b = first_right(scores, right), first_right_of(torch.from_numpy(scores), right)
        for name in ("above", "tied", "good"):
            assert np.array_equal(getattr(a, name), getattr(b, name)), name


def test_no_query_and_one_gallery_row():
    none = first_right_of(torch.zeros(0, 4), Right.rows(np.zeros(0, np.int64)))
    assert len(none) == 0
    one = first_right_of(torch.zeros(2, 1), Right.rows(np.array([0, -1])))
    assert (
        one.above.tolist() == [0, 0] and one.tied.tolist() == [1, 0] and one.good.tolist() == [1, 0]
    )


@pytest.mark.parametrize("hidden", ["mean", "sigma", "both"])
def test_scores_of_every_setting_are_those_of_arrays(hidden):
    given = repeated()
    x, present = given.x.numpy(), given.present.numpy()
    model = candidate(hidden=hidden)
    seen = 0
    for d in directions(model, x, present, given.species, 50, mixed=NAMES):
        there = d.asks.on("cpu")
        for setting in settings_of():
            for space in ("encoder", "reconstructed", "hidden", "hybrid"):
                a = d.asks.products(d.target, d.part).scores(space, Weights(*setting))
                b = there.products(d.target, d.part).scores(space, Weights(*setting))
                assert isinstance(b, torch.Tensor) and a.dtype == np.float32
                assert np.allclose(a, b.numpy(), atol=2e-6), (space, setting)
        seen += 1
        if seen == 4:
            break
    assert seen == 4


def test_a_run_chooses_alike_where_its_products_are_a_devices(monkeypatch):
    val, model = repeated(), candidate()
    plain = validate(model, val), choose_use(model, val, 40)
    brought = []

    def there(*arguments):
        brought.append(1)
        return VisibleSet(*arguments).on("cpu")

    monkeypatch.setattr(module, "VisibleSet", there)
    told = validate(model, val), choose_use(model, val, 40)
    assert brought
    for one, two in zip(plain[0], told[0], strict=True):
        assert one.keys() == two.keys() and one["given"] == two["given"]
        for space in ("encoder", "reconstructed", "hybrid"):
            assert two[space] == pytest.approx(one[space], abs=1e-9)
    assert told[1] == plain[1]


def test_a_device_sees_numbers_that_are_none():
    given, model = made(60), candidate()
    for value in ("nan", "inf"):
        model.mvae.decoders[2].net[4].bias.data[:] = float(value)
        d = next(directions(model, given.x.numpy(), given.present.numpy(), None))
        assert not d.asks.finite() and not d.asks.on("cpu").finite()
