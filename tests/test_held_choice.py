"""How weights are chosen on held-out rows: by them where they can tell settings apart, else by the rows of the index."""

from __future__ import annotations

import numpy as np
import pytest
from embedding_sets import NAMES, made

from prom3e_index.evaluation.directions import directions
from prom3e_index.evaluation.first_right import FirstRight
from prom3e_index.evaluation.weights_choice import GAMMAS, HIDDEN_ALONE, settings_of
from prom3e_index.models.folder import Weights
from prom3e_index.mvae.network import MVAE, MVAEConfig
from prom3e_index.training.stage_two.choose_held import choose_held
from prom3e_index.training.stage_two.choose_use import Candidate

TRIED = settings_of()
ENCODER, HIDDEN = TRIED.index((0.0, 0.0, 0.0)), TRIED.index((*HIDDEN_ALONE, 0.0))


class Asked:
    """A direction whose ranks are given: (q, settings)."""

    given, target = "image", "text"

    def __init__(self, ranks, rows):
        self._ranks, self.rows = np.asarray(ranks, float), np.asarray(rows, int)

    def every_first(self, settings):
        assert [w for _, w in settings] == [Weights(*s) for s in TRIED]
        one = np.ones(len(self.rows), np.int32)
        return [FirstRight(r.astype(np.int32) - 1, one, one) for r in self._ranks.T]


def ranks(q, **found):
    """All beyond the tenth place, but for the settings that find their first `n` queries."""
    out = np.full((q, len(TRIED)), 50.0)
    for at, n in found.items():
        out[:n, {"encoder": ENCODER, "hidden": HIDDEN}[at]] = 1
    return out


def chosen(held, trained, marks=None):
    numbers = np.arange(500, dtype=np.uint64) if marks is None else marks
    (record,) = choose_held([held], [trained], lambda given: numbers).records
    return record["delta"], record["gamma"], record["distinct"]


def test_what_held_out_queries_can_tell_apart_they_decide():
    held = Asked(ranks(40, encoder=30, hidden=5), range(40))
    trained = Asked(ranks(100, encoder=10, hidden=100), range(100, 200))
    assert chosen(held, trained) == (0.0, 0.0, 40)


def test_what_they_cannot_tell_apart_the_rows_of_the_index_decide():
    held = Asked(ranks(40, encoder=6, hidden=5), range(40))
    trained = Asked(ranks(100, encoder=10, hidden=100), range(100, 200))
    assert chosen(held, trained) == (*HIDDEN_ALONE, 40)


def test_a_photo_that_is_repeated_is_one_query():
    """Forty rows of two photos tell as little as two do."""
    held = Asked(ranks(40, encoder=20), range(40))
    trained = Asked(ranks(100, encoder=10, hidden=100), range(100, 200))
    marks = np.arange(500, dtype=np.uint64)
    marks[:20], marks[20:40] = 7, 8
    assert chosen(held, trained, marks) == (*HIDDEN_ALONE, 2)
    assert chosen(held, trained) == (0.0, 0.0, 40)


@pytest.mark.parametrize("q", [0, 1])
def test_no_query_or_one_tells_nothing(q):
    held = Asked(ranks(q, encoder=q), range(q))
    trained = Asked(ranks(100, hidden=100), range(100, 200))
    found = choose_held([held], [trained], lambda given: np.arange(500))
    if q:
        assert (found.records[0]["delta"], found.records[0]["gamma"]) == HIDDEN_ALONE
    else:
        assert found.records == [] and found.default == (0.5, 0.0)


def test_settings_reach_the_hidden_block_alone_once():
    assert max(GAMMAS) == 1 and sorted(TRIED) == sorted(set(TRIED))
    assert [s for s in TRIED if s[1] == 1] == [(*HIDDEN_ALONE, e) for e in (0.0, 0.25, 0.5)]


def test_only_some_rows_ask_and_all_answer():
    """Against the same directions with every row asking: the same ranks for those that ask."""
    given = made(60, missing=0.2)
    mvae = (
        MVAE(MVAEConfig(input_dim=12, embed_dim=16, heads=2, mlp_dim=24))
        .eval()
        .requires_grad_(False)
    )
    model, asking = Candidate(mvae, NAMES), np.arange(60) % 3 == 0
    x, present = given.x.numpy(), given.present.numpy()
    w = [("hybrid", Weights(0.5, 0.5, 0.0))]
    whole = {(d.given, d.target): d for d in directions(model, x, present, given.species, least=5)}
    some = list(directions(model, x, present, given.species, asking=asking, least=5))
    assert len(some) == 30
    for d in some:
        full = whole[d.given, d.target]
        mine = np.isin(full.rows, d.rows)
        assert asking[d.rows].all() and d.gallery == full.gallery
        assert full.rows[mine].tolist() == d.rows.tolist()
        here, there = d.every_first(w)[0], full.every_first(w)[0][mine]
        np.testing.assert_allclose(here.rank(), there.rank())
