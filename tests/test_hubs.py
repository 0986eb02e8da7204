"""A correction against hubs: stored beside the gallery, added by one inner product, only where it belongs."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch

from prom3e_index.errors import InputError, ModelError
from prom3e_index.indexer.build import build
from prom3e_index.indexer.verify import verify
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.models.folder import BUILT_IN, Model
from prom3e_index.search.hubness import BANK, K, chosen_method
from prom3e_index.search.query import Query
from prom3e_index.search.run import Bundle


@pytest.fixture(scope="module")
def corrected(world, tmp_path_factory):
    out = tmp_path_factory.mktemp("hubs") / "c.p3i"
    build(BuildConfig(table=str(world / "observations.csv"), out=out, hubs="csls", model="mini"))
    return Bundle.open(out)


def csls(bundle, model, given, target):
    """−½ · mean of the ten best of the bank's queries, from the equations."""
    g, t = model.modalities.index(given), model.modalities.index(target)
    x, present = model.bank()
    width = int(bundle.manifest["width"]) + int(bundle.manifest["hidden_width"])
    gallery = np.asarray(bundle.vectors(target)[:, :width], np.float32)
    w = model.weights((given,), target)
    asks = np.flatnonzero(present[:, g])[:BANK]
    shown = torch.zeros(len(asks), len(model.modalities), dtype=torch.bool)
    shown[:, g] = True
    with torch.inference_mode():
        p = model.mvae.posterior(torch.from_numpy(x[asks]), shown)
        made = model.mvae.reconstruct(p, how=model.decode, nodes=model.nodes)[:, t].numpy()
    q = (1 - w.delta) * x[asks, g] + w.delta * made
    queries = np.concatenate([(1 - w.gamma) * q, w.gamma * p.mean.numpy()], axis=1)
    products = [gallery @ query for query in queries]
    found = -np.sort(np.array(products), axis=0)[-K:].mean(axis=0) / 2
    return found - centre(model, target, queries)


def centre(model, target, queries):
    """The mean of that over the bank's own rows, completed together and mixed a row at a time."""
    t, w = model.modalities.index(target), model.weights((), target)
    x, present = model.bank()
    able = np.flatnonzero(present.any(1))[:BANK]
    with torch.inference_mode():
        p = model.mvae.posterior(torch.from_numpy(x[able]), torch.from_numpy(present[able]))
        whole = model.mvae.reconstruct(p, how=model.decode, nodes=model.nodes)[:, t].numpy()
    rows = []
    for row, made, hidden in zip(able, whole, p.mean.numpy(), strict=True):
        if present[row, t]:
            mixed = (1 - w.epsilon) * x[row, t] + w.epsilon * made
            made = mixed / np.linalg.norm(mixed)
        rows.append(np.concatenate([made, hidden]))
    best = np.sort(np.array(rows) @ queries.T, axis=1)[:, -K:]
    return -best.mean() / 2


def test_the_stored_bias_is_that_of_the_formula(corrected):
    model = corrected.model()
    hubs = corrected.manifest["hubs"]
    assert (hubs["method"], hubs["chosen_by"]) == ("csls", "the build")
    assert corrected.bias_width == 6
    for given, target in (("image", "sat"), ("audio", "image"), ("loc", "text")):
        stored = np.asarray(corrected.vectors(target)[:, -6:], np.float32)[
            :, model.modalities.index(given)
        ]
        assert stored == pytest.approx(csls(corrected, model, given, target), abs=1e-3)
    own = np.asarray(corrected.vectors("sat")[:, -6:], np.float32)[:, model.modalities.index("sat")]
    assert not own.any()


def test_answers_are_those_of_plain_scores_plus_the_bias(corrected, bundle):
    model = corrected.model()
    row = int(np.flatnonzero(corrected.present[:, 0])[0])
    vector = np.asarray(corrected.embeddings("image")[row], np.float32)
    ask = Query(embedding=vector, embedding_of="image", target="sat", k=60)
    with_bias, without = corrected.search(ask), bundle.search(ask)
    bias = np.asarray(corrected.vectors("sat")[:, -6:], np.float32)[:, 0]
    plain = {h.row: h.score for h in without.hits}
    assert {h.row: h.score for h in with_bias.hits} == pytest.approx(
        {r: s + bias[r] for r, s in plain.items()}, abs=1e-4
    )
    assert with_bias.query["hubs"] == "csls" and without.query["hubs"] == "none"
    from dataclasses import replace

    for other in (
        replace(ask, space="encoder"),
        replace(ask, delta=0.2),
        replace(ask, space="hidden"),
    ):
        a, b = corrected.search(other), bundle.search(other)
        assert a.query["hubs"] == "none"
        assert {h.row: h.score for h in a.hits} == pytest.approx(
            {h.row: h.score for h in b.hits}, abs=1e-5
        )
    place = replace(ask, location=(10.0, 20.0))  # two are given: the mean of their biases
    both = np.asarray(corrected.vectors("sat")[:, -6:], np.float32)[
        :, [0, model.modalities.index("loc")]
    ].mean(1)
    plain = {h.row: h.score for h in bundle.search(place).hits}
    assert {h.row: h.score for h in corrected.search(place).hits} == pytest.approx(
        {r: s + both[r] for r, s in plain.items()}, abs=1e-4
    )


def test_a_corrected_bundle_verifies_and_is_certified(corrected, bundle):
    assert all(c.ok for c in verify(corrected, 10))
    targets = corrected.manifest["certificate"]["targets"]
    assert {t["recall@10"] for t in targets.values()} == {1.0}
    assert bundle.manifest["hubs"] == {"method": "none", "chosen_by": "the model", "centre": {}}
    assert bundle.bias_width == 0


def test_methods_and_banks_are_checked(tmp_path):
    mini = Model.open("mini")
    assert chosen_method(mini, None) == "none" and chosen_method(mini, "softmax30") == "softmax30"
    with pytest.raises(InputError, match="hubs is 'cls'; known: none, csls"):
        chosen_method(mini, "cls")
    with pytest.raises(InputError, match="geoclip has no bank of training queries"):
        chosen_method(Model.open("geoclip"), "csls")
    folder = tmp_path / "m"
    shutil.copytree(BUILT_IN / "mini", folder)
    (folder / "bank.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="holds no bank of queries"):
        Model.open(folder).bank()
    from safetensors.numpy import save_file

    save_file(
        {"x": np.zeros((4, 6, 9), np.float16), "present": np.ones((4, 6), bool)},
        folder / "bank.safetensors",
    )
    with pytest.raises(ModelError, match=r"the bank is \(4, 6, 9\), the model takes \(4, 6, 512\)"):
        Model.open(folder).bank()


def test_training_writes_a_bank_and_what_validation_says(tmp_path):
    from tiny_set import tiny, write

    from prom3e_index.training.stage_two.recipe import Recipe
    from prom3e_index.training.stage_two.run import MVAERun, run_mvae

    write(tmp_path / "train.npz", tiny(120, seed=1))
    write(tmp_path / "val.npz", tiny(60, seed=2))
    recipe = Recipe(steps=3, batch_size=32, embed_dim=32, heads=2, mlp_dim=32)
    run = MVAERun(
        sets=(tmp_path / "train.npz",),
        out=tmp_path / "m",
        recipe=recipe,
        validation=tmp_path / "val.npz",
    )
    run_mvae(run, lambda *_: None)
    model = Model.open(tmp_path / "m")
    x, present = model.bank()
    assert len(x) == 120 and present.shape == (120, 6)
    with np.load(tmp_path / "train.npz") as z:
        assert np.where(present[:, :, None], x, 0) == pytest.approx(
            z["embeddings"] * z["present"][:, :, None], abs=2e-3
        )
    text = (tmp_path / "m/model.toml").read_text()
    assert "[hubs]  # validation" in text and model.hubs in (
        "none",
        "csls",
        "softmax10",
        "softmax30",
    )
    assert json.dumps(model.hubs) in text
