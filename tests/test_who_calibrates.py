"""Who asks a calibration's questions and which rows are read: bounded however many modalities, rows and widths there are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from answers_in_space import NAMES, ONE, TWO, made_answers

import prom3e_index.indexer.kin as kin_module
from prom3e_index.bundle.faiss.places import first_places
from prom3e_index.confidence.asking import ALL_SETS, MOST, ROWS, directions
from prom3e_index.confidence.pooled import LEAST, Pooled
from prom3e_index.confidence.quality import LEAST_CHANGED, changes_of
from prom3e_index.indexer.own_answers import _has_another


@pytest.mark.parametrize("m", [0, 1, 2, ALL_SETS, ALL_SETS + 1, 10, 11, 20, 30])
def test_questions_are_bounded_however_many_modalities_there_are(m):
    asked = directions(m)
    assert sum(asked.values()) <= MOST
    ones = {(g, t): rows for (g, t), rows in asked.items() if len(g) == 1}
    assert set(ones) == {((g,), t) for g in range(m) for t in range(m)}
    assert all(rows >= LEAST for (g, t), rows in asked.items() if t not in g)
    if m <= ALL_SETS:
        assert all(
            rows == ROWS[min(len(g), 3) - 1] // (1 + (t in g)) for (g, t), rows in asked.items()
        )


@pytest.mark.parametrize("k", [1, 4, 5, 6, 200])
@pytest.mark.parametrize("width", [0, 1, 5, 47, 48, 300, 2_001])
def test_first_places_are_those_of_a_stable_sort_ties_and_all(k, width):
    rng = np.random.default_rng(width)
    for scores in (
        rng.normal(size=(7, width)),
        rng.integers(0, 3, (7, width)) / 2,  # many ties at the last place
        np.zeros((2, width)),
        np.where(rng.random((7, width)) < 0.5, -np.inf, 0.5),
        np.where(rng.random((7, width)) < 0.99, -np.inf, 0.5),
        np.sort(rng.random((7, width))),  # the best stand in the columns that no group has
    ):
        wanted = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        assert first_places(scores.astype(np.float32), k).tolist() == wanted.tolist()
        assert first_places(scores[:0], k).shape == wanted[:0].shape


def test_what_is_no_number_stands_last():
    scores = np.array([[np.nan, 0.1, np.nan, 0.3]], np.float32)
    assert first_places(scores, 2).tolist() == [[3, 1]]
    assert first_places(scores, 3).tolist() == [[3, 1, 0]]
    assert first_places(scores, 9).tolist() == [[3, 1, 0, 2]]


class Groups:
    """Stands for `Kin`: rows of one group belong together; how many were compared is kept."""

    def __init__(self, group):
        self.group, self.compared = np.asarray(group), 0

    def of(self, rows, others):
        self.compared += others.size
        return self.group[others] == self.group[rows[:, None]]


@pytest.mark.parametrize("other", [None, 0, 15, 16, 17, 143, 144, 999])
def test_a_row_asks_if_any_of_its_species_is_no_kin(other):
    group = np.zeros(1000, int)
    if other is not None:
        group[other] = 1
    kin = Groups(group)
    assert _has_another(kin, 500, np.arange(1000)) == (other is not None)
    assert kin.compared == (16 if other in (0, 15) else 144 if other in (16, 17, 143) else 1000)


def test_a_row_alone_does_not_ask():
    assert not _has_another(Groups([0]), 0, np.array([0]))


@pytest.mark.parametrize("size", [1, 2048, 1 << 26])
def test_equal_embeddings_have_equal_numbers_whatever_is_read_at_a_time(bundle, monkeypatch, size):
    monkeypatch.setattr(kin_module, "_BLOCK_BYTES", size)
    found = kin_module._contents(bundle)
    for i, m in enumerate(bundle.modalities):
        stored = np.asarray(bundle.embeddings(m)[:]).view(np.uint16)
        has = bundle.present[:, i]
        assert ((found[:, i] != 0) == has).all()
        names = {bytes(v): c for v, c in zip(stored[has], found[has, i], strict=True)}
        assert [names[bytes(v)] for v in stored[has]] == found[has, i].tolist()
        assert len(set(names.values())) == len(names)


def test_changes_are_those_of_all_pairs_of_directions():
    asked = made_answers(ONE + TWO, queries=60)
    asked.append(replace(asked[0], target="text", visible=("image", "text")))  # shows its target
    asked.append(asked[-1].at(np.arange(LEAST_CHANGED - 1)))
    asked[-1] = replace(asked[-1], visible=("image", "sat", "loc"), target=asked[0].target)
    wanted = {}
    for a in asked:
        for b in asked:
            extra = set(b.visible) - set(a.visible)
            if a.target != b.target or set(a.visible) - set(b.visible) or len(extra) != 1:
                continue
            right = dict(zip(b.observation.tolist(), b.right.tolist(), strict=True))
            both = [
                float(mine) - right[o]
                for o, mine in zip(a.observation.tolist(), a.right.tolist(), strict=True)
                if o in right
            ]
            if len(both) >= LEAST_CHANGED and a.target not in extra:
                key = "+".join(m for m in NAMES if m in a.visible), a.target, *extra
                wanted[key] = (sum(both) / len(both), len(both))
    found = {
        (visible, target, added): (v[0], v[3])
        for visible, targets in changes_of(asked, NAMES).items()
        for target, more in targets.items()
        for added, v in more.items()
    }
    assert found.keys() == wanted.keys() and len(wanted) > 10
    for key, (change, rows) in wanted.items():
        assert found[key] == (pytest.approx(change), rows)


def test_errors_out_of_fold_are_found_once(monkeypatch):
    asked = made_answers(ONE[:2], queries=80)
    pooled = Pooled.of(("loc from one",), asked, NAMES, 0)
    first = pooled.errors_out_of_fold
    monkeypatch.setattr("prom3e_index.confidence.pooled.fit_ridge", lambda *_: 1 / 0)
    assert first is not None and pooled.errors_out_of_fold is first
