"""Another ε than the stored one: the scores of the formula, from what is stored where that suffices, bounded elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
from plain_index import NAMES, made, rows, write

import prom3e_index.mvae.completion as completion
import prom3e_index.search.remix as remix
from prom3e_index.bundle.filters import Filter
from prom3e_index.errors import InputError
from prom3e_index.search.query import Query

N = 30
TWIN = 17


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """Three segments; rows 0 and N are equal, and stand in two of them; rows 1 and `TWIN` in one."""
    folder = tmp_path_factory.mktemp("remix")
    x, present = rows(N + 3, seed=4)
    whole = rows(1, seed=5, share=2.0)
    x[0], present[0] = whole[0][0], whole[1][0]
    x[N], present[N] = x[0], present[0]
    x[TWIN], present[TWIN] = x[1], present[1]
    parts = [
        write(folder / "a.npz", x[:N], present[:N]),
        write(folder / "b.npz", x[N : N + 1], present[N : N + 1], N),
        write(folder / "c.npz", x[N + 1 :], present[N + 1 :], N + 1),
    ]
    return made(folder, parts)


def by_hand(bundle, given, vector, target, delta, gamma, epsilon):
    """Scores of every row in float64, from embeddings and MVAE alone."""
    import torch

    model = bundle.model()
    t, g = NAMES.index(target), NAMES.index(given)
    f = np.stack([np.asarray(bundle.embeddings(m)[:], np.float32) for m in NAMES], 1)

    def mvae(x, has):
        with torch.inference_mode():
            p = model.mvae.posterior(torch.from_numpy(x), torch.from_numpy(has))
            made = model.mvae.reconstruct(p, [t], how=model.decode, nodes=model.nodes)[:, 0]
        return p.mean.double().numpy(), made.double().numpy()

    x, has = np.zeros((1, 6, 512), np.float32), np.zeros((1, 6), bool)
    x[0, g], has[0, g] = vector, True
    h_q, r_q = mvae(x, has)
    h, r = mvae(f, bundle.present)
    q = (1 - delta) * vector.astype(np.float64) + delta * r_q[0]
    mixed = (1 - epsilon) * f[:, t] + epsilon * r
    mixed /= np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-9)
    gallery = np.where(bundle.present[:, t : t + 1], mixed, r)
    return (1 - gamma) * gallery @ q + gamma * h @ h_q[0]


@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("gamma", [0.0, 0.6])
@pytest.mark.parametrize("target", ["sat", "image"])
def test_scores_are_those_of_the_formula(index, target, gamma, epsilon):
    vector = np.asarray(index.embeddings("loc")[3], np.float32)
    vector /= np.linalg.norm(vector)
    ask = Query(
        embedding=vector,
        embedding_of="loc",
        target=target,
        k=99,
        delta=0.2,
        gamma=gamma,
        epsilon=epsilon,
    )
    expected = by_hand(index, "loc", vector, target, 0.2, gamma, epsilon)
    for _ in range(2):  # the second time from what was kept
        hits = index.search(ask).hits
        assert {h.row: h.score for h in hits} == pytest.approx(dict(enumerate(expected)), abs=1e-3)
        order = [h.score for h in hits]
        assert order == sorted(order, reverse=True)


@pytest.mark.parametrize("target", NAMES)
@pytest.mark.parametrize("epsilon", [0.0, 0.35, 1.0, None])
def test_equal_rows_of_one_segment_tie_and_go_by_row(index, target, epsilon):
    for space in ("hybrid", "encoder"):
        hits = found(index, target, epsilon, space)
        assert hits[1].score == hits[TWIN].score, space
        assert hits[TWIN].rank == hits[1].rank + 1


@pytest.mark.parametrize("target", NAMES)
@pytest.mark.parametrize("space", ["hybrid", "encoder"])
def test_equal_observed_rows_of_two_segments_tie_and_go_by_row(index, target, space):
    """γ = 0 and ε = 0: nothing that is compared was completed, where the target was observed."""
    assert index.present[0].all()
    for gamma in (0.0, None) if space == "encoder" else (0.0,):
        hits = found(index, target, 0.0, space, gamma=gamma)
        assert hits[0].score == hits[N].score and hits[N].rank == hits[0].rank + 1


@pytest.mark.parametrize("target", NAMES)
def test_what_two_segments_complete_differs_in_the_last_bit_at_most(index, target):
    for epsilon in (0.0, 0.35, 1.0, None):
        hits = found(index, target, epsilon, "hybrid")
        assert hits[0].score == pytest.approx(hits[N].score, abs=2e-6), epsilon


def found(index, target, epsilon, space, **more):
    """All hits by their rows."""
    ask = Query(location=(3, 4), target=target, k=99, epsilon=epsilon, space=space, **more)
    return {h.row: h for h in index.search(ask).hits}


def counting(monkeypatch):
    seen = []
    infer = completion.infer
    monkeypatch.setattr(
        completion, "infer", lambda m, x, *a, **k: seen.append(len(x)) or infer(m, x, *a, **k)
    )
    return seen


def test_the_mvae_runs_for_what_is_not_stored_only(index, monkeypatch):
    remix._kept.clear()
    seen = counting(monkeypatch)
    has = int(index.present[:, NAMES.index("sat")].sum())
    for settings, wanted in (
        (dict(space="encoder"), [1]), (dict(epsilon=0.0), [1]), (dict(epsilon=0.0, gamma=0.3), [1]),
        (dict(epsilon=0.7, gamma=1.0), [1]), (dict(space="hidden", epsilon=0.2), [1]),
        (dict(epsilon=1.0, gamma=0.5), [1, has]), (dict(epsilon=0.7, gamma=0.5), [1]),
        (dict(epsilon=1.0, gamma=0.5), [1]),
    ):  # fmt: skip
        seen.clear()
        path = index.search(Query(location=(1, 2), target="sat", k=3, **settings)).search["path"]
        assert seen == wanted, settings
        assert ("completed again" in path) == (len(wanted) > 1)


@pytest.mark.parametrize("over", [0, 1])
def test_what_one_query_may_have_completed_is_bounded(index, monkeypatch, over):
    remix._kept.clear()
    has = int(index.present[:, NAMES.index("sat")].sum())
    monkeypatch.setattr(remix, "MOST", has - over)
    ask = Query(location=(1, 2), target="sat", epsilon=0.7, gamma=0.5, k=99)
    own = f"{index.manifest['epsilon']['sat']:g}"
    if not over:
        assert len(index.search(ask).hits) == N + 3
        return
    with pytest.raises(
        InputError, match=rf"sat of {has} observations.*at most {has - 1}.*own ε = {own}, "
    ):
        index.search(ask)
    few = Query(
        location=(1, 2), target="sat", epsilon=0.7, gamma=0.5, filter=Filter(where="row < 4")
    )
    assert len(index.search(few).hits) == 4
