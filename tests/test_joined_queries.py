"""Queries of several modalities joined of what each asks alone: formula, stored settings, search and evaluation alike."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from prom3e_index.errors import ModelError
from prom3e_index.evaluation.data import EvalSet
from prom3e_index.evaluation.gallery import Gallery
from prom3e_index.evaluation.ranking import Right
from prom3e_index.evaluation.retrieval.scoring import score
from prom3e_index.evaluation.scores import VisibleSet
from prom3e_index.evaluation.sets_choice import KAPPAS, choose_sets, likelihoods
from prom3e_index.models.folder import BUILT_IN, Model, Weights
from prom3e_index.mvae.completion import infer
from prom3e_index.search.joined import joined_rows
from prom3e_index.search.query import Query
from prom3e_index.search.query_names import read_text
from prom3e_index.search.run import Bundle
from prom3e_index.training.stage_two.output import set_lines

SETS = """
[weights.sets.2]
own = 0.25
[weights.sets.3]
delta = 0.75
gamma = 0.1
[weights.kappa]
"image->audio" = 30.0
"text->audio" = 10.0
"image->text" = 3
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """`mini` as it would be if validation had chosen sums."""
    out = tmp_path_factory.mktemp("joined") / "mini"
    shutil.copytree(BUILT_IN / "mini", out)
    toml = out / "model.toml"
    toml.write_text(plain(toml.read_text()) + SETS)
    return out


def plain(text):
    """Without what a model may say of sets already."""
    keep, kept = True, []
    for line in text.splitlines():
        if line.startswith("["):
            keep = not line.startswith(("[weights.sets", "[weights.kappa"))
        if keep:
            kept.append(line)
    return "\n".join(kept) + "\n"


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def by_hand(model, x, visible, target, own, kappas):
    """The vector written out: own · q(G) + (1 − own) · Σ κ q(m) / Σ κ, every q by the paper's formula."""

    def one(names):
        shown = np.zeros((1, 6), bool)
        shown[0, [model.modalities.index(m) for m in names]] = True
        w, found = model.weights(names, target), infer(model, x[None], shown, (target,))
        q = (1 - w.delta) * unit(x[shown[0]].sum(axis=0)) + w.delta * found.reconstructed[0, 0]
        return np.concatenate([(1 - w.gamma) * q, w.gamma * found.hidden[0]])

    total = sum(kappas.values())
    return own * one(visible) + (1 - own) * sum(k / total * one([m]) for m, k in kappas.items())


def test_the_joined_vector_is_the_formula_and_scores_are_linear(folder):
    model, rng = Model.open(folder), np.random.default_rng(0)
    x = unit(rng.normal(size=(3, 6, 512))).astype(np.float32)
    how = model.joined(("text", "image"), "audio")
    rows = np.stack([by_hand(model, v, ["image", "text"], "audio", 1, {"image": 1}) for v in x])
    found = joined_rows(model, how, x, ["image", "text"], "audio", rows.astype(np.float32))
    for got, v in zip(found, x, strict=True):
        want = by_hand(model, v, ["image", "text"], "audio", 0.25, {"image": 30, "text": 10})
        np.testing.assert_allclose(got, want, atol=1e-5)
    told = how.told(["image", "text"])
    assert told == {"own": 0.25, "alone": {"image": 0.5625, "text": 0.1875}}


def test_sets_without_a_kappa_for_each_ask_as_one(folder):
    model = Model.open(folder)
    rows = np.zeros((1, 4), np.float32)
    for visible, target in (
        (["image"], "audio"),  # one alone
        (["image", "loc"], "audio"),  # no κ of loc
        (["image", "text"], "sat"),  # none for sat
        (["image", "text", "loc"], "audio"),  # three: own is 1
        (["image", "text", "loc", "env"], "audio"),
    ):
        how = model.joined(visible, target)
        assert how is None
        assert joined_rows(model, how, np.zeros((1, 6, 512)), visible, target, rows) is rows


def test_a_number_of_modalities_has_its_own_weights(folder):
    model, before = Model.open(folder), Model.open("mini")
    w = model.weights(("image", "text", "loc"), "audio")
    default = before.weights(("image", "text", "loc", "env"), "audio")
    assert (w.delta, w.gamma) == (0.75, 0.1)
    assert model.weights(("image", "text", "loc", "env"), "audio") == default
    assert model.weights(("image", "text"), "audio") == before.weights(("image", "text"), "audio")
    for given in ("image", "text"):
        assert model.weights((given,), "audio") == before.weights((given,), "audio")


def test_search_asks_with_the_joined_vector_and_says_so(bundle_path, folder, tmp_path):
    """Hits equal those of the formula over the stored gallery; other spaces and own weights ask as one."""
    from prom3e_index.cli.explained import explained

    copy = tmp_path / "i.p3i"
    shutil.copytree(bundle_path, copy)
    bundle, model = Bundle.open(copy), Model.open(folder)
    x = unit(np.random.default_rng(1).normal(size=(6, 512))).astype(np.float32)
    name = "Vexfius brawimrasa"
    x[model.modalities.index("text")] = unit(
        model.encoder("text").encode([read_text(bundle, name)[0]])
    )[0]
    asked = {"text": name, "embedding": x[0], "embedding_of": "image", "target": "audio"}
    asked |= {"k": 5, "model": str(folder)}
    answer = bundle.search(Query(**asked))
    want = by_hand(model, x, ["image", "text"], "audio", 0.25, {"image": 30, "text": 10})
    stored = np.asarray(bundle.vectors("audio")[np.arange(bundle.rows)], np.float32)
    scores = stored[:, : len(want)] @ want
    best = np.argsort(-scores, kind="stable")[:5]
    assert [h.row for h in answer.hits] == best.tolist()
    assert [h.score for h in answer.hits] == pytest.approx(scores[best], abs=1e-4)
    assert answer.query["joined"]["alone"] == {"image": 0.5625, "text": 0.1875}
    assert "all together 0.25, each alone: image 0.56, text 0.19" in " ".join(explained(answer))
    for more in ({"space": "encoder"}, {"delta": 0.5}, {"target": "sat"}):
        other = bundle.search(Query(**{**asked, **more}))
        assert "joined" not in other.query and "each alone" not in " ".join(explained(other))


def observations(n=60, seed=3):
    rng = np.random.default_rng(seed)
    x = unit(rng.normal(size=(n, 6, 512))).astype(np.float32)
    species = np.array([f"s{i % 7}" for i in range(n)], object)
    return x, np.ones((n, 6), bool), species


@pytest.mark.parametrize("epsilon", [0.0, 0.5])
def test_evaluation_scores_with_the_same_vector(folder, epsilon):
    x, present, _ = observations()
    model = Model.open(folder)
    t, given = model.modalities.index("audio"), ("image", "text")
    gallery, queries = Gallery(x, present, t), np.arange(10, 30)
    how = model.joined(given, "audio")
    asks = VisibleSet(
        x, present, model.modalities, given, queries, {"audio": gallery}, model, ["audio"],
        None, {"audio": how},
    )  # fmt: skip
    w = Weights(*[getattr(model.weights(given, "audio"), k) for k in ("delta", "gamma")], epsilon)
    found = asks.products("audio", slice(3, 9)).scores("hybrid", w)
    shown = present.copy()
    shown[:, [model.modalities.index(m) for m in given]] = False
    made = infer(model, x, shown, ("audio",))
    g = unit((1 - epsilon) * x[:, t] + epsilon * made.reconstructed[:, 0])
    rows = np.concatenate([g, made.hidden], axis=1)
    for i, got in zip(queries[3:9], found, strict=True):
        want = by_hand(model, x[i], ["image", "text"], "audio", 0.25, {"image": 30, "text": 10})
        np.testing.assert_allclose(got, rows @ want, atol=2e-5)


def test_a_reported_direction_is_joined_and_one_modality_is_as_before(folder):
    x, present, species = observations()
    n = len(x)
    model = Model.open(folder)
    data = EvalSet(
        x, present, model.modalities, np.arange(n).astype(str), {"species": species}, "x", "f",
        np.arange(n), n,
    )  # fmt: skip
    asked = [(("image",), "audio"), (("image", "text"), "audio")]

    def ranks(**more):
        found = score(data, model, asked, spaces=("hybrid",), weights=model.weights, **more)
        return {(s.given, s.match): s.first.above.tolist() for s in found}

    plain_ranks, joined = ranks(), ranks(joins=model.joined)
    assert plain_ranks[("image",), "row"] == joined[("image",), "row"]
    assert plain_ranks[("image", "text"), "row"] != joined[("image", "text"), "row"]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("[weights.sets]\n2 = 1", "weights.sets.2 is 1"),
        ("[weights.sets.1]\nown = 0.5", "'weights.sets.1' is no number of modalities"),
        ("[weights.sets.02]\nown = 0.5", "'weights.sets.02' is no number"),
        ("[weights.sets.x]\nown = 0.5", "'weights.sets.x' is no number"),
        ("[weights.sets.2]\nown = 1.5", "weights.sets.2.own is 1.5; a number from 0 to 1"),
        ("[weights.sets.2]\nown = nan", "own is nan"),
        ("[weights.sets.2]\nown = true", "own is True"),
        ('[weights.sets.2]\ndelta = "x"', "delta is 'x'"),
        ("[weights.sets.2]\nepsilon = 0.5", "a table of delta, gamma and own"),
        ('[weights.kappa]\n"image->text" = 0', "weights.kappa.image->text is 0"),
        ('[weights.kappa]\n"image->text" = -inf', "is -inf"),
        ('[weights.kappa]\n"image->text" = [1]', r"is \[1\]"),
    ],
)
def test_hostile_settings_are_refused_by_name(folder, tmp_path, lines, words):
    out = tmp_path / "m"
    shutil.copytree(BUILT_IN / "mini", out)
    toml = out / "model.toml"
    toml.write_text(plain(toml.read_text()) + lines + "\n")
    with pytest.raises(ModelError, match=words):
        Model.open(out)


def test_tables_where_none_is_needed_are_refused(tmp_path):
    settings = Model.open("mini").settings
    for name in ("sets", "kappa"):
        changed = json.loads(json.dumps(settings))
        changed["weights"][name] = 3
        with pytest.raises(ModelError, match=f"weights.{name} is 3; a table"):
            Model(BUILT_IN / "mini", changed)


def test_likelihood_is_the_softmax_of_the_right_rows():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(4, 9)).astype(np.float32)
    right = np.zeros((4, 9), bool)
    right[:3, [1, 5]] = True
    skip = np.array([1, -1, 8, 2])
    found = likelihoods(scores, Right.where(right, skip))
    for i in range(3):
        for kappa, got in zip(KAPPAS, found[i], strict=True):
            e = np.exp(kappa * (scores[i].astype(float) - scores[i].max()))
            keep = np.arange(9) != skip[i]
            want = np.log(max(e[right[i] & keep].sum() / e[keep].sum(), 1e-300))
            assert got == pytest.approx(want, rel=1e-6, abs=1e-9)
    assert np.isnan(found[3]).all()


def test_random_rows_choose_nothing():
    x, present, species = observations(64)
    present[:, 4:] = False
    model = Model.open("mini")
    weights = lambda given, target: Weights()  # noqa: E731
    found = choose_sets(model, x, present, species, weights)
    assert set(found.tried) == {2, 3}
    assert all(set(ways) == {"own", "sum", "both"} for ways in found.tried.values())
    assert (found.sizes, found.kappa) == ({}, {})
    none = choose_sets(model, x[:19], present[:19], species[:19], weights)
    assert (none.sizes, none.kappa, none.tried) == ({}, {}, {})
    assert set_lines(none) == set_lines(None) == []
