"""Evaluation against plain loops: ranks, ties, gains, spaces, classes, intervals."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from tiny_set import NAMES, tiny

from prom3e_index.errors import InputError
from prom3e_index.evaluation.directions import pairs
from prom3e_index.evaluation.metrics import Resampler, ndcg
from prom3e_index.evaluation.ranking import PLACES, Answers, Labels
from prom3e_index.evaluation.retrieval.records import records
from prom3e_index.evaluation.retrieval.ridge import Ridge
from prom3e_index.evaluation.retrieval.scoring import score
from prom3e_index.models.folder import Model, Weights
from prom3e_index.search import hubness as hubs


def plain(scores, right, own=None):
    """Expected rank, expected relevance of the first places, by trying orders of every tie."""
    left = [j for j in range(len(scores)) if j != own]
    if not any(right[j] for j in left):
        return np.inf, np.zeros(PLACES)
    groups = [
        [j for j in left if scores[j] == v] for v in sorted({scores[j] for j in left}, reverse=True)
    ]
    gain, rank, place = [], None, 0
    for group in groups:
        good = sum(bool(right[j]) for j in group)
        gain += [good / len(group)] * len(group)
        if good and rank is None:  # mean place of the first right one over all orders of the tie
            orders = itertools.permutations([bool(right[j]) for j in group])
            rank = place + 1 + np.mean([o.index(True) for o in orders])
        place += len(group)
    gain = (gain + [0.0] * PLACES)[:PLACES]
    return rank, np.array(gain)


@pytest.mark.parametrize("g", [1, 2, 9, 10, 11, 12, 13, 70])
def test_ranks_and_gains_equal_a_plain_loop(g):
    rng = np.random.default_rng(g)
    for trial in range(6):
        b = 7
        values = max(g // 3, 1) + 1 if trial % 2 else 10_000  # with many ties, and with hardly any
        scores = (rng.integers(0, values, (b, g)) / 7).astype(np.float32)
        if trial % 2 and g > 13:
            scores[:, 13:] += np.arange(
                g - 13, dtype=np.float32
            )  # ties of at most 13, for the permutations
        own = rng.integers(-1, g, b)
        label, of = rng.integers(-1, 3, b), rng.integers(-1, 3, g)
        label = np.where(own >= 0, of[own], label)
        if g > 8 and trial % 2:
            scores = scores + np.repeat(np.arange(g // 4 + 1), 4)[:g].astype(np.float32) * 9
        found = Answers(scores, own, label, Labels(of))
        by_row, by_species = found.by_row(), found.by_species()
        by_label = found.by_label(label, Labels(of))
        for i in range(b):
            mine = np.arange(g) == own[i]
            rank, gain = plain(scores[i], mine)
            assert by_row.first.rank()[i] == pytest.approx(rank)
            assert by_row.gain[i] == pytest.approx(gain)
            right = (of == label[i]) & (label[i] >= 0)
            rank, gain = plain(scores[i], right, own[i])
            assert by_species.first.rank()[i] == pytest.approx(rank), (scores[i], right, own[i])
            assert by_species.gain[i] == pytest.approx(gain)
            assert (
                by_species.right[i]
                == by_label.right[i]
                == sum(right) - bool(right[own[i]] and own[i] >= 0)
            )
            near = by_label.first[i : i + 1]  # what is known to the tenth place, and no further
            for k in (1, 5, PLACES):
                assert near.recall(k) == pytest.approx(by_species.first[i : i + 1].recall(k))
            assert near.found == (by_species.first.above[i] < PLACES and np.isfinite(rank))


def test_ndcg_known_values():
    gain = np.zeros((3, PLACES), np.float32)
    gain[0, 0] = 1
    gain[1, [1, 2]] = 1
    found = ndcg(gain, np.array([1, 2, 0], np.int32))
    ideal = 1 + 1 / np.log2(3)
    assert found == pytest.approx([1, (1 / np.log2(3) + 1 / np.log2(4)) / ideal, 0])


def test_every_space_and_direction_equals_loops_over_single_rows():
    """Scores from the equations, a row at a time, through the tests' own use of the MVAE."""
    import torch

    data, model = tiny(), Model.open("mini")
    w = Weights(0.3, 0.4, 0.25)
    asked = [
        (("image",), "sat"),
        (("text",), "audio"),
        (("image", "loc"), "text"),
        (("sat",), "text"),
    ]
    found = {
        (s.given, s.target, s.space, s.match): s
        for s in score(data, model, asked, weights=lambda g, t: w)
    }

    def posterior(row, visible):
        x = torch.from_numpy(data.x[row : row + 1])
        shown = torch.zeros(1, 6, dtype=torch.bool)
        shown[0, visible] = True
        p = model.mvae.posterior(x, shown)
        made = model.mvae.reconstruct(p, how=model.decode, nodes=model.nodes)[0].detach().numpy()
        return p.mean[0].detach().numpy(), made

    unit = lambda v: v / np.linalg.norm(v)  # noqa: E731
    for given, target in asked:
        g, t = [NAMES.index(m) for m in given], NAMES.index(target)
        queries = [i for i in range(len(data)) if data.present[i, g].all()]
        gallery = [j for j in range(len(data)) if data.present[j, t]]
        hidden, mixed = {}, {}
        for j in gallery:
            rest = [m for m in range(6) if data.present[j, m] and m not in g]
            hidden[j], made = posterior(j, rest)
            mixed[j] = unit((1 - w.epsilon) * data.x[j, t] + w.epsilon * made[t])
        for space in ("encoder", "reconstructed", "hidden", "hybrid"):
            ranks = {"row": {}, "species": {}}
            for i in queries:
                mean = unit(data.x[i, g].sum(0))
                mu, made = posterior(i, g)
                q = {"encoder": mean, "reconstructed": made[t]}.get(
                    space, (1 - w.delta) * mean + w.delta * made[t]
                )
                scores = []
                for j in gallery:
                    f = data.x[j, t] if space == "encoder" else mixed[j]
                    block, other = float(q @ f), float(mu @ hidden[j])
                    gamma = {"encoder": 0, "reconstructed": 0, "hidden": 1}.get(space, w.gamma)
                    scores.append((1 - gamma) * block + gamma * other)
                scores = np.round(np.array(scores), 5)
                own = gallery.index(i) if i in gallery else None
                if own is not None:
                    ranks["row"][i] = plain_fast(scores, np.arange(len(gallery)) == own, None)
                kind = data.columns["species"]
                right = np.array([kind[j] == kind[i] != "" for j in gallery])
                rank = plain_fast(scores, right, own)
                if np.isfinite(rank):
                    ranks["species"][i] = rank
            for match, want in ranks.items():
                s = found[given, target, space, match]
                assert s.queries.tolist() == sorted(want), (given, target, space, match)
                assert s.first.rank() == pytest.approx([want[i] for i in sorted(want)], abs=0.51), (
                    given,
                    target,
                    space,
                )
                exact = np.mean(
                    [
                        abs(a - want[i]) < 1e-6
                        for a, i in zip(s.first.rank(), sorted(want), strict=True)
                    ]
                )
                assert exact > 0.9  # rounding makes or breaks a tie here and there
                assert s.gallery == len(gallery)


def plain_fast(scores, right, own):
    left = np.array([j for j in range(len(scores)) if j != own])
    if not len(left) or not right[left].any():
        return np.inf
    best = scores[left][right[left]].max()
    tied = scores[left] == best
    good = (tied & right[left]).sum()
    return (scores[left] > best).sum() + 1 + (tied & ~right[left]).sum() / (good + 1)


def test_genus_recall_is_that_of_loops():
    data = tiny(60, seed=3)
    found = score(data, None, [(("image",), "sat")], spaces=("encoder",))
    s = next(s for s in found if s.match == "genus")
    genus, have = data.columns["genus"], np.flatnonzero(data.present[:, 1])
    for i, rank in zip(s.queries, s.first.rank(), strict=True):
        scores = data.x[have, 1] @ data.x[i, 0]
        own = np.flatnonzero(have == i)
        want = plain_fast(scores, genus[have] == genus[i], own[0] if len(own) else None)
        assert rank == (pytest.approx(want) if want <= PLACES else np.inf)  # no tie among these


def test_one_species_no_species_and_missing_modalities():
    data = tiny(30, seed=1)
    data.columns["species"][:] = "only"
    one = score(data, None, [(("image",), "sat")], spaces=("encoder",))
    assert {s.match: s.first.recall(1).mean() for s in one}["species"] == 1
    del data.columns["species"], data.columns["genus"]
    assert {s.match for s in score(data, None, [(("image",), "sat")], spaces=("encoder",))} == {
        "row"
    }
    data.present[:, 1] = False
    assert score(data, None, [(("image",), "sat"), (("sat",), "image")], spaces=("encoder",)) == []
    with pytest.raises(InputError, match="need a model"):
        score(data, None, [(("image",), "loc")])


def test_pairs_and_combinations():
    assert len(pairs(NAMES)) == 30
    assert len(pairs(NAMES, every=True)) == sum(
        len(list(itertools.combinations(NAMES, k))) * (6 - k) for k in range(1, 6)
    )
    assert pairs(NAMES, ["sat+image->text", "audio+loc→image"])[30:] == [
        (("image", "sat"), "text"),
        (("loc", "audio"), "image"),
    ]
    with pytest.raises(InputError, match="is given and asked for"):
        pairs(NAMES, ["image->image"])
    with pytest.raises(InputError, match="written image\\+sat->text"):
        pairs(NAMES, ["image,text"])


def test_intervals_cover_and_gain_is_paired():
    rng = np.random.default_rng(0)
    inside = 0
    for seed in range(60):
        low, high = Resampler(seed, 300).intervals((rng.random(200) < 0.3)[:, None])[0]
        inside += low <= 0.3 <= high
    assert 50 <= inside <= 60
    data = tiny(60, seed=5)
    scored = score(data, Model.open("mini"), pairs(NAMES)[:3])
    found = records(scored)
    pick = {(tuple(r["given"]), r["target"], r["space"], r["match"]): r for r in found}
    by = {(s.given, s.target, s.space, s.match): s for s in scored}
    r = pick[("image",), "sat", "hybrid", "row"]
    a, b = (
        by[("image",), "sat", "hybrid", "row"].first.recall(1),
        by[("image",), "sat", "encoder", "row"].first.recall(1),
    )
    assert r["recall@1"] == a.mean() and r["gain"]["recall@1"] == pytest.approx(a.mean() - b.mean())
    assert (r["gain"]["won"], r["gain"]["lost"]) == ((a > b).sum(), (b > a).sum())
    won, lost = r["gain"]["won"], r["gain"]["lost"]
    from math import comb

    tail = sum(comb(won + lost, k) for k in range(min(won, lost) + 1)) / 2 ** (won + lost)
    assert r["gain"]["p"] == pytest.approx(min(1, 2 * tail))
    ordered = sorted(
        x["gain"]["p"] for x in found if x["space"] == "hybrid" and x["match"] == "row"
    )
    first = min(1, ordered[0] * len(ordered))
    assert min(
        x["gain"]["p_holm"] for x in found if x["space"] == "hybrid" and x["match"] == "row"
    ) == pytest.approx(first)


def test_corrections_add_the_bias_of_their_formula():
    rng = np.random.default_rng(2)
    products = rng.normal(size=(30, 8)).astype(np.float32)
    top = np.sort(products, axis=0)[-hubs.K :].mean(0)
    want = -top / 2
    assert hubs.bias(products, "csls") == pytest.approx(want - want.mean(), abs=1e-5)
    soft = -np.log(np.exp(30 * products.astype(float)).mean(0)) / 30
    assert hubs.bias(products, "softmax30") == pytest.approx(soft - soft.mean(), abs=1e-4)

    data, bank = tiny(50, seed=7, missing=0), tiny(40, seed=8, missing=0)
    c = hubs.Correction("encoder", "csls")
    found = {
        (s.space, s.match): s
        for s in score(
            data, None, [(("image",), "sat")], spaces=("encoder",), bank=bank, corrections=(c,)
        )
    }
    scores = data.x[:, 0] @ data.x[:, 1].T + hubs.bias(bank.x[:, 0] @ data.x[:, 1].T, "csls")
    want = [plain_fast(scores[i], np.arange(50) == i, None) for i in range(50)]
    assert found["encoder+csls", "row"].first.rank() == pytest.approx(want)
    counts = np.bincount(np.argsort(-scores, axis=1)[:, :10].ravel(), minlength=50)
    centred = counts - counts.mean()
    assert found["encoder+csls", "row"].hubs == pytest.approx(
        (centred**3).mean() / (centred**2).mean() ** 1.5
    )


def test_ridge_equals_the_normal_equations():
    rng = np.random.default_rng(0)
    train, val = tiny(200, seed=11, missing=0, d=16), tiny(60, seed=12, missing=0, d=16)
    mix = rng.normal(size=(16, 16)).astype(np.float32)
    for s in (train, val):
        s.x[:, 1] = s.x[:, 0] @ mix + 0.1
        s.x[:, 1] /= np.linalg.norm(s.x[:, 1], axis=1, keepdims=True)
    ridge = Ridge(train, val)
    found = ridge.predict(val.x, ("image",), "sat")
    penalty = ridge.penalty[("image",), "sat"]
    x, y = train.x[:, 0].astype(float), train.x[:, 1].astype(float)
    xc, yc = x - x.mean(0), y - y.mean(0)
    b = np.linalg.solve(xc.T @ xc + penalty * np.eye(16), xc.T @ yc)
    want = (val.x[:, 0] - x.mean(0)) @ b + y.mean(0)
    want /= np.linalg.norm(want, axis=1, keepdims=True)
    assert found == pytest.approx(want, abs=1e-4)
    assert (found * val.x[:, 1]).sum(1).mean() > 0.9
    assert Ridge(train.rows(np.arange(10)), val).predict(val.x, ("image",), "sat") is None


def test_zero_shot_equals_nearest_name():
    from prom3e_index.evaluation.retrieval.classify import classes, zero_shot

    data = tiny(80, seed=41, missing=0)
    codes, vectors = classes(data)
    kind = data.columns["species"]
    names = sorted({k for k in kind if k})
    for i, name in enumerate(names):
        mean = np.unique(data.x[kind == name, 4], axis=0).mean(0)
        assert vectors[i] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-6)
    (s,) = zero_shot(data, None, [("image",)], weights=lambda g, t: Weights())
    assert len(s.queries) == (kind != "").sum() and s.gallery == len(names)
    best = (data.x[s.queries, 0] @ vectors.T).argmax(1)
    assert (s.first.recall(1) == (np.array(names)[best] == kind[s.queries])).all()
