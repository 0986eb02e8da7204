"""What an answer says of its own chances: as loops over all rows say, from eligible rows alone, and no hit moves for it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from plain_calibration import ADDED, plain, put_into
from plain_index import made, rows, write

import prom3e_index.search.confidence as confidence
from prom3e_index.bundle.filters import Filter
from prom3e_index.confidence.signals import FIRST
from prom3e_index.mvae.completion import infer
from prom3e_index.search.query import Query
from prom3e_index.search.run import Bundle

N, M = 190, 73
SPECIES = ("Pica pica", "Parus major", "Corvus corax", "Turdus merula", "")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("told")
    x, present = rows(N + M, seed=8)
    names = np.random.default_rng(1).choice(SPECIES, N + M)
    parts = [
        write(folder / "a.npz", x[:N], present[:N], scientific_name=names[:N]),
        write(folder / "b.npz", x[N:], present[N:], N, scientific_name=names[N:]),
    ]
    return made(folder, parts).path


@pytest.fixture
def index(folder):
    return put_into(Bundle.open(folder))


def vector(index, row=5, of="loc"):
    return np.asarray(index.embeddings(of)[row], np.float32)


def ask(index, row=5, target="image", of="loc", **more):
    v = vector(index, row, of)
    return index.search(Query(embedding=v, embedding_of=of, target=target, **more))


def by_loops(index, row, target, of="loc", f=None):
    """From the whole ranking, asked without confidence, and the stored vectors."""
    every = ask(index, row, target, of, k=N + M, confidence=False, filter=f or Filter()).hits
    names = dict(index.sql("SELECT row, taxon_species FROM observations"))
    x, has = np.zeros((1, 6, 512), np.float32), np.zeros((1, 6), bool)
    at = index.modalities.index(of)
    x[0, at], has[0, at] = vector(index, row, of), True
    completed = infer(index.model(), x, has, (target,)).reconstructed[0, 0]
    block = np.asarray(index.vectors(target)[np.arange(N + M)][:, : len(completed)], np.float32)
    first = every[:FIRST]
    return plain(
        [h.score for h in first],
        [names[h.row] for h in first],
        [float(block[h.row] @ completed) for h in first],
        [of],
    )


@pytest.mark.parametrize("target, of", [("image", "loc"), ("text", "loc"), ("loc", "loc"), ("loc", "text")])  # fmt: skip
def test_it_is_what_loops_over_all_rows_say(index, target, of):
    asking = np.flatnonzero(index.present[:, index.modalities.index(of)])
    places = set()
    for row in asking[::23]:
        answer = ask(index, int(row), target, of, k=12)
        place, p, error, inside = by_loops(index, int(row), target, of)
        told = answer.query["confidence"]
        assert told["p_right"] == pytest.approx(p, abs=2e-4) and told["hit"] == place + 1
        assert told["interval"][0] <= told["p_right"] <= told["interval"][1]
        assert (told["rule"], told["source"], told["ece"]) == ("species", "index", 0.031)
        assert 26 <= told["rows"] <= 35 and 0 <= told["right"] <= told["rows"]
        assert answer.query["species_set"]["names"] == inside
        expected = answer.query["expected_error"][target]
        assert expected["value"] == pytest.approx(error, abs=2e-4)
        low, high = expected["interval"]
        assert (low, high) == pytest.approx((max(error - 0.15, 0), min(error + 0.15, 2)), abs=2e-4)
        assert [h.p_right for h in answer] == [
            told["p_right"] if i == place else None for i in range(len(answer))
        ]
        places.add(place)
        json.dumps(answer.to_dict(), allow_nan=False)
    assert len(places) > 1  # some first hits have no species


@pytest.mark.parametrize("where", ["row % 2 = 0", "row % 9 = 1", "row < 12", "row >= 190"])
def test_under_a_filter_it_is_told_from_the_eligible_rows(index, where):
    f = Filter(where=where)
    answer = ask(index, 7, filter=f, k=3)
    place, p, _, inside = by_loops(index, 7, "image", f=f)
    assert answer.query["confidence"]["p_right"] == pytest.approx(p, abs=2e-4)
    assert answer.query["species_set"]["names"] == inside
    assert p != pytest.approx(by_loops(index, 7, "image")[1], abs=1e-3)


def test_too_few_eligible_rows_and_one_species_are_said(index):
    few = ask(index, filter=Filter(where="row < 9")).query
    assert (
        few["confidence"]["p_right"] is None
        and "9 rows are eligible" in few["confidence"]["reason"]
    )
    assert few["species_set"]["names"] is None and few["add_next"] is None
    one = ask(index, filter=Filter(where="taxon_species = 'Pica pica'")).query
    assert "one species" in one["confidence"]["reason"]
    none = ask(index, filter=Filter(where="row < 0"))
    assert len(none) == 0 and "0 rows are eligible" in none.query["confidence"]["reason"]
    unknown = ask(index, filter=Filter(where="taxon_species IS NULL")).query
    assert "has a species" in unknown["confidence"]["reason"]


def bytes_of(answer):
    return [(h.row, np.float32(h.score).tobytes(), h.completed, h.media) for h in answer.hits]


ASKED = [
    {"k": 1}, {"k": 10}, {"k": FIRST - 1}, {"k": FIRST}, {"k": FIRST + 1}, {"k": N + M + 5},
    {"exact": True, "k": 3}, {"filter": Filter(where="row % 3 = 0"), "k": 4}, {"group_by": "species", "k": 3},
    {"group_by": "id", "k": 40}, {"group_by": "license", "k": 2}, {"epsilon": 0.3, "k": 5}, {"delta": 0.2, "k": 5},
    {"space": "encoder", "k": 5}, {"observed_only": True, "k": 5},
]  # fmt: skip


@pytest.mark.parametrize("asked", ASKED, ids=str)
def test_hits_are_the_same_to_the_byte_with_and_without(index, asked):
    for target in ("image", "text"):
        with_it, without = (ask(index, 9, target, confidence=c, **asked) for c in (True, False))
        assert bytes_of(with_it) == bytes_of(without)
        paths = [a.search["path"].partition(", ")[0] for a in (with_it, without)]
        assert paths[0] == paths[1]
        assert without.query["confidence"]["reason"] == confidence.NOT_ASKED
        assert without.query["species_set"]["names"] is without.query["add_next"] is None


@pytest.mark.parametrize("best", [True, False])
def test_many_at_once_are_told_as_each_alone(index, best, monkeypatch):
    if not best:
        monkeypatch.setattr(type(index), "finds_best", lambda *_: False)
    queries = [
        Query(embedding=vector(index, i), embedding_of="loc", target=("image", "text")[i % 2], k=5,
              confidence=i % 5 != 0, filter=Filter(where=f"row % {1 + i % 3} = 0"))
        for i in range(30)
    ]  # fmt: skip
    for query, together in zip(queries, index.search_many(queries), strict=True):
        alone = index.search(query)
        assert [h.row for h in together] == [h.row for h in alone]
        a, b = together.query["confidence"], alone.query["confidence"]
        assert a["p_right"] == pytest.approx(b["p_right"], abs=2e-4)
        assert (a["p_right"] is None) == (not query.confidence) and a["reason"] == b["reason"]
        assert together.query["species_set"] == alone.query["species_set"]


def test_an_approximate_search_is_asked_twice_and_its_hits_stay(index, monkeypatch):
    """A search of 200 rows that finds other rows first than one of ten does not touch the ten."""
    plain_hits = bytes_of(ask(index, 3, k=10, confidence=False))
    nearest, asked = type(index).nearest, []

    def strange(self, target, queries, k, rows=None, *, exactly=False):
        asked.append(k)
        scores, found, path = nearest(
            self, target, queries, k + (k >= FIRST), rows, exactly=exactly
        )
        return (scores[:, 1:], found[:, 1:], path) if k >= FIRST else (scores, found, path)

    monkeypatch.setattr(type(index), "nearest", strange)
    monkeypatch.setattr(type(index), "finds_best", lambda *_: False)
    answer = ask(index, 3, k=10)
    assert asked == [10, FIRST] and bytes_of(answer) == plain_hits
    assert answer.query["confidence"]["p_right"] is not None


@pytest.mark.parametrize("asked, why", [
    ({"space": "reconstructed"}, "space hybrid, not in reconstructed"), ({"delta": 0.1}, "another delta"),
    ({"gamma": 0.1, "epsilon": 0.2}, "another gamma, epsilon"),
])  # fmt: skip
def test_where_it_does_not_hold_it_says_why(index, asked, why):
    told = ask(index, **asked).query
    assert told["confidence"]["p_right"] is None and why in told["confidence"]["reason"]
    assert told["species_set"] == {
        "level": None,
        "names": None,
        "reason": told["confidence"]["reason"],
    }
    assert told["expected_error"] == {} and told["add_next"] is None


def test_another_model_is_another_calibration(index, tmp_path):
    import shutil

    shutil.copytree(index.model().folder, tmp_path / "other")
    shutil.copytree(index.model().folder, tmp_path / "mini")
    other = ask(index, model=str(tmp_path / "other")).query["confidence"]
    assert other["p_right"] is None and "calibrated with model mini" in other["reason"]
    moved = ask(index, model=str(tmp_path / "mini")).query["confidence"]
    assert moved["p_right"] == ask(index).query["confidence"]["p_right"]


def test_turned_off_nothing_is_read(index, monkeypatch):
    def read(*_, **__):
        raise AssertionError("read")

    monkeypatch.setattr("prom3e_index.search.first_rows.first_rows", read)
    monkeypatch.setattr("prom3e_index.search.first_rows.calibration_for", read)
    asked: list = []
    nearest = type(index).nearest
    monkeypatch.setattr(
        type(index), "nearest",
        lambda self, t, q, k, *a, **m: (asked.append(k), nearest(self, t, q, k, *a, **m))[1],
    )  # fmt: skip
    assert ask(index, k=4, confidence=False).query["confidence"]["p_right"] is None
    assert asked == [4]


def test_what_to_add_is_what_surely_helped_most(index):
    told = ask(index, 5, "image").query["add_next"]
    change, low, high, n = ADDED["text"]
    assert told == {"modality": "text", "failure_change": change, "interval": [low, high], "rows": n,
                    "no_help": ["sat", "env"]}  # fmt: skip
    assert (
        ask(index, int(np.flatnonzero(index.present[:, 4])[0]), "image", "text").query["add_next"]
        is None
    )


def test_the_models_own_serves_where_the_index_has_none(folder):
    index = Bundle.open(folder)
    index.calibration = None
    put_into(given := type("M", (), {"modalities": index.modalities})(), source="model")
    index.manifest["planet"] = True  # else a model of the planet says nothing of it
    model = index.model()
    type(model).confidence, before = (
        property(lambda self: given.calibration),
        type(model).confidence,
    )
    try:
        assert ask(index).query["confidence"]["source"] == "model"
        index.manifest.pop("confidence", None)
        type(model).confidence = None
        told = ask(index).query["confidence"]
    finally:
        type(model).confidence = before
    assert told["source"] is None and "earlier version" in told["reason"]


def test_a_row_rule_speaks_of_the_first_hit(folder):
    index = put_into(Bundle.open(folder), "row")
    answer = ask(index, 5)
    told = answer.query["confidence"]
    assert told["rule"] == "row" and told["hit"] == 1 and answer[0].p_right == told["p_right"]
    assert answer.query["species_set"]["names"] is None and answer.query["species_set"]["reason"]
