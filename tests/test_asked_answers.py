"""The answers that uncertainty is judged by are those of a plain computation: who asks, who answers, which is right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tiny_set import tiny

from prom3e_index.bundle.faiss.places import first_places
from prom3e_index.encoders.protocol import unit_rows
from prom3e_index.evaluation.uncertainty import asked
from prom3e_index.evaluation.uncertainty.asked import ask, rule_of, visible_sets
from prom3e_index.models.folder import Model, Weights
from prom3e_index.mvae.completion import infer, prepare
from prom3e_index.search import score

WEIGHTS = Weights(0.4, 0.3, 0.25)


@pytest.fixture(scope="module")
def model():
    return Model.open("mini")


def answers_of(data, model, **more):
    tokens = prepare(model, data.x, data.present)
    found = ask(data, model, lambda g, t: WEIGHTS, tokens, **more)
    return {(a.answers.visible, a.answers.target): a for a in found}


def plainly(data, model, given, target, row):
    """Gallery rows and scores of one query, by the formulas of the search; f̂ of the query; its ‖σ‖₁."""
    names = list(data.modalities)
    shown = np.zeros((1, 6), bool)
    shown[0, [names.index(m) for m in given]] = True
    q = infer(model, data.x[row : row + 1], shown, (target,))
    mean = unit_rows(data.x[row, shown[0]].mean(axis=0, keepdims=True))
    gallery = np.flatnonzero(data.present[:, names.index(target)])
    without = data.present[gallery] & ~shown
    rows, has = [], without.any(axis=1)
    for i, r in enumerate(gallery):
        g = infer(model, data.x[r : r + 1], without[i : i + 1], (target,))
        observed = data.x[r : r + 1, names.index(target)]
        rows.append(
            score.gallery(
                observed, np.ones(1, bool), g.reconstructed[:, 0], g.hidden, WEIGHTS.epsilon
            )[0]
        )
    assert has.all()
    block = np.array(rows)[:, : data.x.shape[2]]
    made = score.query_rows(mean, q.reconstructed[:, 0], q.hidden, "hybrid", WEIGHTS)
    return gallery, (made @ np.array(rows).T)[0], block, q


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("given", [("image",), ("loc", "text")])
def test_first_rows_codes_cosines_errors_and_sigma_are_those_of_a_plain_search(
    model, labelled, given
):
    data = tiny(45, seed=3, missing=0.15)
    if not labelled:
        data = replace(data, columns={})
    target, kind = "sat", data.texts("species") if labelled else None
    found = answers_of(data, model)[given, target]
    a = found.answers
    able = data.has(given) & ((kind != "") if labelled else data.has((target,)))
    assert list(a.observation) == list(np.flatnonzero(able))
    codes = {k: i for i, k in enumerate(sorted(set(kind)))} if labelled else {}
    for i in (0, 7, len(a.truth) - 1):
        row = int(a.observation[i])
        gallery, scores, block, q = plainly(data, model, given, target, row)
        keep = gallery != row if labelled else np.ones(len(gallery), bool)
        order = np.argsort(-scores[keep], kind="stable")
        rows = gallery[keep][order]
        want = [codes[kind[r]] if kind[r] else -1 for r in rows] if labelled else list(rows)
        held = np.isfinite(a.first.scores[i])
        assert a.first.scores[i][held] == pytest.approx(scores[keep][order], abs=2e-5)
        assert (a.first.codes[i][held] == want).mean() > 0.9  # float32 may swap neighbours
        assert a.first.codes[i][0] == want[0]
        cosines = (q.reconstructed[0, 0] @ block.T)[keep][order]
        assert a.first.cosines[i][held] == pytest.approx(cosines, abs=2e-3)
        alike = block[keep][order] @ block[keep][order][0]
        assert a.first.alike[i][held] == pytest.approx(alike, abs=2e-3)
        assert found.sigma[i] == pytest.approx(q.sigma_l1[0], rel=1e-5)
        own = data.present[row, 1]
        wrong = 1 - float(q.reconstructed[0, 0] @ data.x[row, 1])
        assert a.error[i] == pytest.approx(wrong, abs=1e-5) if own else np.isnan(a.error[i])
        assert a.right[i] == (want[0] == (codes[kind[row]] if labelled else row))


def test_sets_are_those_of_up_to_three_and_of_all_but_one():
    data = tiny(60, missing=-1)
    sizes = [len(s) for s in visible_sets(data)]
    assert [sizes.count(k) for k in range(1, 7)] == [6, 15, 20, 0, 6, 0]
    data.present[19:, 5] = False  # nineteen sounds ask nothing and answer nothing
    sets = visible_sets(data)
    assert [[len(s) for s in sets].count(k) for k in range(1, 6)] == [5, 10, 10, 5, 0]
    assert not any("audio" in s for s in sets)
    data.present[19, 5] = True
    assert len(visible_sets(data)) == 47


def test_of_more_rows_the_same_are_drawn_for_every_direction(model, monkeypatch):
    monkeypatch.setattr(asked, "LARGEST", 2)
    data = tiny(60, missing=-1)
    found = answers_of(data, model, most=25, seed=4)
    drawn = {tuple(a.answers.observation) for a in found.values()}
    assert len(drawn) == 1 and len(drawn.pop()) == 25
    other = answers_of(data, model, most=25, seed=5)
    assert {tuple(a.answers.observation) for a in other.values()} != drawn


def test_fewer_than_twenty_rows_ask_nothing(model):
    assert answers_of(tiny(19, missing=-1), model) == {}
    assert len(answers_of(tiny(20, missing=-1), model)) == 0  # one row has no species
    data = tiny(21, missing=-1)
    assert len(answers_of(data, model)) == 156
    assert rule_of(data) == "species"
    data.columns["species"][:] = ""
    assert rule_of(data) == "row"
    assert all(
        (a.answers.truth == a.answers.observation).all() for a in answers_of(data, model).values()
    )


@pytest.mark.parametrize("width", [1, 199, 200, 201, 500])
def test_the_first_two_hundred_are_those_of_a_full_sort(width):
    rng = np.random.default_rng(width)
    scores = rng.normal(size=(5, width)).astype(np.float32)
    want = np.argsort(-scores, axis=1, kind="stable")[:, :200]
    assert (first_places(scores, 200) == want).all()
    scores[0] = 0.5
    scores[1, : width // 2] = np.nan
    found = first_places(scores, 200)
    assert list(found[0]) == sorted(found[0])
    assert not np.isnan(scores[1, found[1, : min(200, width - width // 2)]]).any()


def test_a_query_is_complete_by_itself(model):
    """No answer depends on who else asks."""
    data = tiny(40, seed=1, missing=-1)
    key = ("image",), "sat"
    a, b = answers_of(data, model)[key], answers_of(data, model, most=21)[key]
    at = np.searchsorted(a.answers.observation, b.answers.observation)
    assert np.allclose(a.answers.first.at(at).scores, b.answers.first.scores, atol=1e-5)
