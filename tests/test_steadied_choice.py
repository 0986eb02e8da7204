"""How δ, γ, ε are chosen on few and alike rows: what directions share steadies them, and other species judge."""

from __future__ import annotations

import numpy as np
import pytest

from prom3e_index.evaluation.borrowed import FOLDS, Grouped, folds_of, gain, steadied
from prom3e_index.evaluation.directions import directions
from prom3e_index.evaluation.first_right import FirstRight
from prom3e_index.evaluation.weights_choice import HIDDEN_ALONE, PARTS, choose, settings_of
from prom3e_index.models.folder import Model

TRIED = settings_of()
PLACE = {s: i for i, s in enumerate(TRIED)}


def plain_steadied(values, groups):
    """The same by loops over queries: centre, variance over groups, share of a direction's own mean."""
    own, noise = [], []
    for v, g in zip(values, groups, strict=True):
        v = v - v.mean(axis=1, keepdims=True)
        mean = v.mean(axis=0)
        codes = sorted(set(g.tolist()))
        total = np.zeros(v.shape[1])
        for code in codes:
            apart = np.zeros(v.shape[1])
            for row in v[g == code]:
                apart = apart + row - mean
            total += apart**2
        own.append(mean)
        noise.append(total / len(v) ** 2 * len(codes) / (len(codes) - 1))
    own, noise = np.array(own), np.array(noise)
    between = np.maximum(own.var(axis=0, ddof=1) - noise.mean(axis=0), 0).mean()
    centre = own.mean(axis=0)
    return [
        centre + between / (between + n.mean()) * (o - centre)
        for o, n in zip(own, noise, strict=True)
    ]


def test_steadied_means_equal_the_formula_by_loops():
    rng = np.random.default_rng(0)
    groups = [rng.integers(0, 6, q) for q in (30, 9, 50)]
    values = [rng.random((len(g), 4)) + g[:, None] * rng.random(4) for g in groups]
    found = steadied([Grouped.of(v, g) for v, g in zip(values, groups, strict=True)])
    np.testing.assert_allclose(found, plain_steadied(values, groups))
    alone = steadied([Grouped.of(values[0], groups[0])])
    level = values[0] - values[0].mean(axis=1, keepdims=True)
    np.testing.assert_allclose(alone, [level.mean(axis=0)])
    assert steadied([]).shape == (0, 0)


def test_a_direction_of_one_group_says_what_all_say():
    """One photo that asks forty times is one query: it has no variance of its own, so it is no evidence."""
    rng = np.random.default_rng(1)
    many = [Grouped.of(rng.random((40, 3)) + [0, 1, 0], np.arange(40)) for _ in range(3)]
    one = Grouped.of(np.tile([1.0, 0.0, 0.0], (40, 1)), np.zeros(40, int))
    found = steadied([*many, one])
    assert one.errors().tolist() == [np.inf] * 3
    means = [g.levelled().means() for g in [*many, one]]
    np.testing.assert_allclose(found[3], np.mean(means, axis=0))


def test_a_group_is_in_one_fold_and_counts_once():
    some = [Grouped.of(np.zeros((n, 1)), np.arange(n) % m) for n, m in ((30, 12), (7, 7), (3, 1))]
    folds = folds_of(some)
    fold = {}
    for grouped, of in zip(some, folds, strict=True):
        for code, k in zip(grouped.groups, of, strict=True):
            assert fold.setdefault(int(code), int(k)) == k
    assert set(fold.values()) == set(range(FOLDS))
    sums, counts = np.array([1.0, 2.0, -1.0]), np.array([2, 3, 1])
    twice = gain(np.tile(sums, 2), np.tile(counts, 2), np.tile([7, 8, 9], 2))
    once = gain(sums, counts, np.array([7, 8, 9]))
    assert twice == pytest.approx(once) and once[0] == pytest.approx(2 / 6)


class Asked:
    """A direction whose places are given: (q, settings), 0 is first."""

    def __init__(self, given, target, above, groups):
        self.given, self.target, self.groups = given, target, groups
        self._above = above

    def every_first(self, settings):
        one = np.ones(len(self.groups), np.int32)
        return [FirstRight(a.astype(np.int32), one, one) for a in self._above.T]


def asked(given, right, q=60, target="text", seed=0):
    """Each setting finds a random share of the queries: those in `right` the share given there, else a tenth."""
    rng = np.random.default_rng(seed)
    share = np.full(len(TRIED), 0.1)
    for setting, value in right.items():
        share[PLACE[setting]] = value
    return Asked(given, target, 20 * (rng.random((q, len(TRIED))) > share), np.arange(q))


MIX, PART, HIDDEN = (0.25, 0.5, 0.0), (0.0, 0.0, 0.0), (*HIDDEN_ALONE, 0.0)


def test_the_luckiest_setting_of_a_direction_gives_way_to_what_serves_all():
    """In one direction another setting is ahead by chance; nine others agree on one."""
    rest = [asked(f"m{i}", {MIX: 0.6}, seed=i) for i in range(9)]
    lucky = asked("photo", {MIX: 0.55, (0.9, 0.9, 0.0): 0.62}, q=12, seed=99)
    alone = choose([lucky]).weights["photo", "text"]
    found = choose([*rest, lucky]).weights["photo", "text"]
    assert (found.delta, found.gamma, found.epsilon) == MIX
    assert (alone.delta, alone.gamma) != MIX[:2]


def test_a_direction_with_many_queries_keeps_its_own():
    rest = [asked(f"m{i}", {MIX: 0.6}, seed=i) for i in range(5)]
    own = asked("photo", {HIDDEN: 0.9, MIX: 0.6}, q=500, seed=9)
    found = choose([*rest, own]).weights
    assert (found["photo", "text"].delta, found["photo", "text"].gamma) == HIDDEN[:2]
    assert (found["m0", "text"].delta, found["m0", "text"].gamma) == MIX[:2]


def test_a_mixture_that_loses_where_it_was_not_chosen_gives_way_to_its_best_part():
    """Each of the mixtures finds the species of one fold only: ahead where chosen, behind on all other species."""
    q = 200
    groups = np.arange(q)
    fold = folds_of([Grouped(np.zeros((q, 1)), np.ones(q, int), groups)])[0]
    above = np.full((q, len(TRIED)), 20.0)
    above[np.arange(q) % 10 < 6, PLACE[PART]] = 0
    mixtures = [i for i, s in enumerate(TRIED) if s[:2] not in PARTS and s[2] == 0][:FOLDS]
    for k, i in enumerate(mixtures):
        above[(fold != k) & (np.arange(q) % 10 < 9), i] = 0  # 0.72 of all, nothing of fold k
    for i in mixtures:
        assert (above[:, i] == 0).mean() > (above[:, PLACE[PART]] == 0).mean()
    found = choose([Asked("image", "text", above, groups)]).weights["image", "text"]
    assert (found.delta, found.gamma) == PART[:2]


def test_a_gallery_is_mixed_where_that_surely_gains():
    sure = [asked(f"m{i}", {PART: 0.5, (0.0, 0.0, 0.5): 0.8}, q=200, seed=i) for i in range(4)]
    assert choose(sure).epsilon == {"text": 0.5}
    chance = [asked(f"m{i}", {PART: 0.5, (0.0, 0.0, 0.5): 0.5}, seed=i) for i in range(4)]
    assert choose(chance).epsilon == {"text": 0.0}


@pytest.mark.parametrize("q", [0, 1, 2])
def test_no_query_or_one_chooses_no_mixture(q):
    found = choose([asked("image", {MIX: 1.0}, q=q)])
    assert len(found.records) == (q > 0) and (q > 0 or found.default == (0.5, 0.0))
    if q == 1:
        w = found.weights["image", "text"]
        assert (w.delta, w.gamma) in PARTS and w.epsilon == 0


def sorted_rows(n=90):
    rng = np.random.default_rng(5)
    x = rng.normal(size=(n, 6, 512)).astype(np.float32)
    x[30:40, 2] = x[0, 2]
    x /= np.linalg.norm(x, axis=2, keepdims=True)
    present = np.ones((n, 6), bool)
    present[::7, 1] = False
    return x, present, np.array([f"s{i // 10}" for i in range(n)], object)


def test_of_many_queries_all_species_ask_though_the_table_is_sorted_by_them():
    """The first thirty rows would be three species of nine; and one row asks in every direction that has it."""
    x, present, species = sorted_rows()
    rows = {
        (d.given, d.target): d.rows
        for d in directions(Model.open("mini"), x, present, species, 30)
        if d.given in ("image", "text")
    }
    for asking in rows.values():
        assert len(asking) == 30 and asking.tolist() == sorted(set(asking.tolist()))
        assert len(set(species[asking])) >= 7
    assert rows["image", "text"].tolist() == rows["image", "audio"].tolist()
    assert len(set(rows["image", "text"]) & set(rows["image", "sat"])) >= 25
    whole = next(directions(Model.open("mini"), x, present, species, 90))
    assert whole.queries == int(present[:, 1].sum())


def test_alike_are_queries_of_one_species_or_of_one_item():
    x, present, species = sorted_rows()
    species[40:60] = None
    found = {
        (d.given, d.target): d
        for d in directions(Model.open("mini"), x, present, species)
        if d.given == "image"
    }
    by_species, by_item = found["image", "audio"], found["image", "loc"]
    same = by_species.groups[:, None] == by_species.groups
    assert (same == (species[by_species.rows][:, None] == species[by_species.rows])).all()
    place = by_item.groups[:, None] == by_item.groups
    assert (place == (x[by_item.rows, 2] @ x[by_item.rows, 2].T > 1 - 1e-5)).all()
