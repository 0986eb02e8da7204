"""What is chosen and reported: unknown species are no species, small banks correct nothing, an index is measured as it is."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
from tiny_set import NAMES, tiny, write

from prom3e_index.errors import InputError, MismatchError
from prom3e_index.evaluation.data import EvalSet
from prom3e_index.evaluation.directions import pairs
from prom3e_index.evaluation.gallery import Gallery
from prom3e_index.evaluation.opened import EvaluationConfig, open_evaluated
from prom3e_index.evaluation.retrieval import choice
from prom3e_index.evaluation.retrieval.error_split import error_split
from prom3e_index.evaluation.retrieval.hub_biases import hub_biases
from prom3e_index.evaluation.retrieval.run import RetrievalConfig, evaluate_retrieval
from prom3e_index.evaluation.scores import VisibleSet
from prom3e_index.evaluation.sources import read_eval
from prom3e_index.indexer.build import build
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.models.folder import BUILT_IN, Model, Weights
from prom3e_index.search.hubness import Correction
from prom3e_index.search.run import Bundle


def test_rows_of_no_species_match_nothing_when_weights_are_chosen(monkeypatch):
    """An index gives None for an unknown species; that is no species `None` that many rows share."""
    val = tiny(60, missing=-1)
    val.columns["species"] = np.array(["alone"] + [None] * 59, object)
    seen = []
    directions = choice.directions

    def watched(model, x, present, species, **more):
        seen.extend(directions(model, x, present, species, **more))
        return iter(seen)

    monkeypatch.setattr(choice, "directions", watched)
    choice.chosen_weights(Model.open("mini"), val, pairs(NAMES)[:6], ("hybrid",), True)
    assert {d.target for d in seen} == {"sat", "loc", "env"}  # the same items only


def test_a_bank_of_few_rows_corrects_nothing(tmp_path):
    data = tiny(90, seed=3, missing=-1)
    for name, at in (("test", slice(0, 40)), ("val", slice(40, 71)), ("train", slice(71, 90))):
        write(tmp_path / f"{name}.npz", data.rows(np.arange(90)[at]))
    config = RetrievalConfig(
        tmp_path / "test.npz", tmp_path / "o", "mini", validation=tmp_path / "val.npz",
        train=tmp_path / "train.npz", spaces=("encoder",),
    )  # fmt: skip
    results = evaluate_retrieval(config)
    assert {r["space"] for r in results["results"]} == {"encoder"}  # 19 rows: no hubs, no ridge
    assert results["hubness"] == {"validation": [], "test": []}


def test_a_correction_of_no_right_answer_by_species_is_not_judged_by_row():
    assert choice._recall({"row": 0.9, "species": 0.0}) == 0
    assert choice._recall({"row": 0.9, "species": None}) == 0.9
    assert choice._recall({"row": None, "species": None}) == 0


def test_several_targets_are_refused():
    with pytest.raises(InputError, match="'image->sat,loc' has 2 targets"):
        pairs(NAMES, ["image->sat,loc"])


def own_bundle(world, tmp_path, **more):
    out = tmp_path / "i.p3i"
    build(BuildConfig(table=str(world / "observations.csv"), out=out, **more, model="mini"))
    return out


def test_another_epsilon_or_mvae_is_not_measured_through_the_index(bundle_path):
    """What an index stores is mixed with its own ε by its own MVAE; other scores are no loss of its search."""
    data, model = read_eval(bundle_path, NAMES, 512, species="true_species"), Model.open("mini")
    own = lambda g, t: replace(model.weights(g, t), epsilon=model.weights((), t).epsilon)  # noqa: E731
    asked = [(("image",), "sat")]
    another = 0.0 if model.weights((), "sat").epsilon else 0.5
    (through,) = error_split(data, model, asked, own)
    assert through["index"] is not None and through["found"] == 1
    (other,) = error_split(data, model, asked, lambda g, t: replace(own(g, t), epsilon=another))
    assert other["index"] is None and other["found"] is None
    assert other["half"] == pytest.approx(other["completed"], abs=0.05)


def test_the_bias_is_the_one_that_an_index_stores(world, tmp_path):
    """For rows that lack the visible modality both infer from all there is: equal but for a constant."""
    path = own_bundle(world, tmp_path, hubs="csls")
    bundle, model = Bundle.open(path), Model.open("mini")
    data = read_eval(path, NAMES, 512)
    x, present = model.bank()
    n = len(x)
    bank = EvalSet(x, present, NAMES, np.arange(n).astype(str), {}, "b", "b", np.arange(n), n)
    for given, target in (("image", "sat"), ("audio", "text")):
        i, t = NAMES.index(given), NAMES.index(target)
        w = replace(model.weights((given,), target), epsilon=model.weights((), target).epsilon)
        gallery = Gallery(data.x, data.present, t)
        queries = np.flatnonzero(data.present[:, i])
        asks = VisibleSet(
            data.x, data.present, NAMES, (given,), queries, {target: gallery}, model,
            [target] if w.epsilon else [],
        )  # fmt: skip
        hybrid = Correction("hybrid", "csls")
        _, found = hub_biases(asks, bank, model, {target: w}, ("hybrid",), [hybrid])[target][
            "hybrid+csls"
        ]
        stored = np.asarray(bundle.vectors(target)[data.numbers[gallery.rows]][:, -6:], np.float32)[
            :, i
        ]
        hidden = np.array([bool(v) for v in data.columns["obscured"]])[gallery.rows]
        alone = ~data.present[gallery.rows, i] & ~hidden
        apart = (found - stored)[alone]
        assert alone.sum() >= 5 and apart == pytest.approx(
            np.full(alone.sum(), apart.mean()), abs=1e-3
        )
    assert (
        hub_biases(asks, bank.rows(np.arange(3)), model, {target: w}, ("hybrid",), [hybrid]) == {}
    )


def test_an_index_is_evaluated_with_its_encoders(bundle_path, tmp_path):
    """Another MVAE on the same encoders is welcome; another encoder would give embeddings of another space."""
    folder = tmp_path / "other"
    shutil.copytree(BUILT_IN / "mini", folder)
    text = (folder / "model.toml").read_text().replace('name = "mini"', 'name = "other"')
    (folder / "model.toml").write_text(text)
    config = EvaluationConfig(bundle_path, tmp_path, str(folder))
    assert open_evaluated(config).name == "other"
    assert open_evaluated(EvaluationConfig(bundle_path, tmp_path)).name == "mini"
    assert open_evaluated(EvaluationConfig(tmp_path, tmp_path)) is None
    weights = folder / "ecogeo/model.safetensors"
    from safetensors.numpy import load_file, save_file

    arrays = load_file(weights)
    first = next(iter(arrays))
    save_file({**arrays, first: arrays[first] + 1}, weights)
    with pytest.raises(MismatchError, match="loc"):
        open_evaluated(config)


def test_weights_stay_between_their_bounds():
    val = tiny(60, seed=2, missing=-1)
    of, words = choice.chosen_weights(Model.open("mini"), val, pairs(NAMES), ("hybrid",), True)
    assert words == "δ alone chosen on tiny2"
    assert all(of(g, t).gamma == of(g, t).epsilon == 0 for g, t in pairs(NAMES))
    assert isinstance(of(("image", "sat"), "text"), Weights)
