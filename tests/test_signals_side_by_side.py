"""What is said of the signals equals loops over the answers; nothing that was fitted has seen the species it is judged on."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from made_answers import NAMES, made, several
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from prom3e_index.confidence.signals import species_mass
from prom3e_index.evaluation.uncertainty.foretold import TELLING, foretell, halves
from prom3e_index.evaluation.uncertainty.side_by_side import (
    COVERAGES,
    direction_records,
    drawn_spearman,
    expected_error_record,
    measured,
    risk_at,
    set_records,
    signal_records,
)


@pytest.fixture(scope="module")
def told():
    return foretell(several(), NAMES, "species", 3)


def record(records, signal, shown="every"):
    (found,) = [r for r in records if (r["signal"], r["shown"]) == (signal, shown)]
    return found


def test_halves_part_species_evenly_and_never_one():
    rng = np.random.default_rng(0)
    group = rng.choice(9, 500, p=np.arange(1, 10) / 45)
    half = halves(group, 1)
    assert all(len(set(half[group == g])) == 1 for g in range(9))
    assert abs(half.mean() - 0.5) < 0.1
    assert (half == halves(group, 1)).all()
    same = np.repeat(np.arange(8), 5)
    assert (halves(same, 1) != halves(same, 3)).any() and halves(same, 1).mean() == 0.5
    assert list(halves(np.zeros(3, int), 0)) == [0, 0, 0] and len(halves(np.zeros(0, int), 0)) == 0


def test_p_and_mass_are_those_of_the_calibration_of_the_other_half(told):
    for i, (asked, part) in enumerate(zip(several(), told.parts(range(4)), strict=True)):
        a = asked.answers
        assert told.directions[i] == (a.visible, a.target)
        assert (told.row[part] == a.observation).all() and (told.right[part] == a.right).all()
        assert (told.sure["sigma"][part] == -asked.sigma).all()
        assert (told.sure["nearest"][part] == a.first.cosines.max(axis=1)).all()
        for half in (0, 1):
            mine = told.half[part] == half
            fitted = told.fitted[1 - half]
            p = fitted.probabilities(a.first, a.visible, a.target)
            assert told.sure["p_right"][part][mine] == pytest.approx(p[mine])
            key = f"{a.target} from {'several' if len(a.visible) > 1 else 'one'}"
            mass = species_mass(a.first, fitted.fitted[key].temperature)
            assert told.sure["mass"][part][mine] == pytest.approx(mass[mine])
            seen = {s for s, h in zip(a.truth, told.half[part], strict=True) if h == half}
            assert not seen & set(a.truth[told.half[part] != half])


def test_what_cannot_be_learnt_is_not_foretold():
    """Right and wrong drawn by lot: the mean is told, and no more."""
    rng = np.random.default_rng(5)
    asked = [
        made(v, "sat", np.ones(900), np.arange(900) % 30, seed=s, kinds=30, right=rng.random(900) < 0.4)
        for s, v in enumerate([("image",), ("text",), ("image", "text")])
    ]  # fmt: skip
    for one in asked:  # the scores say nothing of the species
        one.answers.first.codes[:, 1:] = rng.integers(0, 30, (900, 39))
    found = foretell(asked, NAMES, "species", 0)
    every = record(signal_records(found), "p_right")
    assert every["r_auroc"] == pytest.approx(0.5, abs=0.05)
    assert every["mean"]["r_auroc"] == pytest.approx(0.5, abs=0.05)
    assert found.sure["p_right"].mean() == pytest.approx(found.right.mean(), abs=0.04)
    assert np.std(found.sure["p_right"]) < 0.1


def test_what_is_plain_is_foretold():
    """A species that stands alone above all others is right, a mixture is not: every pair in order."""
    asked = several(seed=9)
    for one in asked:
        first, truth = one.answers.first, one.answers.truth
        easy = np.arange(len(truth)) % 3 > 0
        first.scores[easy, 3:] = first.scores[easy, :1] - 2
        first.codes[easy, :3] = truth[easy, None]
        first.scores[~easy] = first.scores[~easy][:, :1]
        first.codes[~easy] = (truth[~easy, None] + 1 + np.arange(40)) % 12
        first.codes[~easy, 0] = (truth[~easy] + 1) % 12
    records = signal_records(foretell(asked, NAMES, "species", 0))
    for signal in ("mass", "p_right"):
        assert record(records, signal)["r_auroc"] == 1
        assert record(records, signal)["mean"]["r_auroc"] == 1
    assert record(records, "p_right")["aurc"] == pytest.approx(
        record(records, "p_right")["aurc_best"]
    )


def test_the_table_is_that_of_loops(told):
    records = signal_records(told)
    assert {r["shown"] for r in records} == {"1", "2", "every"}
    for shown, chosen in (("1", [0, 1, 3]), ("2", [2]), ("every", [0, 1, 2, 3])):
        parts = list(told.parts(chosen))
        at = np.concatenate(parts)
        for signal in TELLING:
            r, sure = record(records, signal, shown), told.sure[signal]
            assert (r["rows"], r["directions"]) == (len(at), len(chosen))
            assert r["wrong"] == pytest.approx((~told.right[at]).mean())
            assert r["r_auroc"] == pytest.approx(roc_auc_score(told.right[at], sure[at]))
            each = [roc_auc_score(told.right[p], sure[p]) for p in parts]
            assert r["mean"]["r_auroc"] == pytest.approx(np.mean(each))
            low, high = r["mean"]["intervals"]["r_auroc"]
            assert low < r["mean"]["r_auroc"] < high
            each = [spearmanr(-sure[p], told.error[p]).statistic for p in parts]
            assert r["error"]["mean"] == pytest.approx(np.mean(each))
            assert r["error"]["pooled"] == pytest.approx(
                spearmanr(-sure[at], told.error[at]).statistic
            )
            order = np.argsort(-sure[at], kind="stable")
            wrong = np.cumsum(~told.right[at][order]) / np.arange(1, len(at) + 1)
            if len(np.unique(sure[at])) == len(at):
                assert r["aurc"] == pytest.approx(wrong.mean())
                want = [wrong[max(int(c * len(at) + 1e-9), 1) - 1] for c in COVERAGES]
                assert r["risk"] == pytest.approx(want)
    assert "ece" in record(records, "p_right") and "ece" not in record(records, "sigma")
    sets = {}
    for (given, _), p in zip(told.directions, told.parts(range(4)), strict=True):
        sets.setdefault(given, []).append(p)
    doubt, error = zip(*(
        (-told.sure["nearest"][np.concatenate(p)].mean(), told.error[np.concatenate(p)].mean())
        for p in sets.values()
    ), strict=True)  # fmt: skip
    over = record(records, "nearest")["over_sets"]
    assert over["n"] == 3 and over["spearman"] == pytest.approx(spearmanr(doubt, error).statistic)


def test_a_line_of_each_direction_and_signal(told):
    lines = direction_records(told, NAMES)
    assert len(lines) == 4 * 5 and lines[10]["given"] == "image+text"
    part = list(told.parts([1]))[0]
    (line,) = [x for x in lines if (x["given"], x["signal"]) == ("text", "p_right")]
    assert (line["target"], line["rows"]) == ("sat", 400)
    assert line["right"] == pytest.approx(told.right[part].mean())
    assert line["r_auroc"] == pytest.approx(
        roc_auc_score(told.right[part], told.sure["p_right"][part])
    )


def test_sets_hold_the_right_species_as_often_as_a_loop_finds(told):
    held, size = np.zeros(len(told), bool), np.full(len(told), np.nan)
    for asked, part in zip(several(), told.parts(range(4)), strict=True):
        a = asked.answers
        for j, at in enumerate(part):
            judged = told.fitted[1 - told.half[at]].judge(
                a.first.at(np.array([j])), a.visible, a.target, 1000
            )
            if judged.species is not None:
                held[at], size[at] = a.truth[j] in judged.species, len(judged.species)
    found, some = set_records(told), np.isfinite(size)
    assert found["answers"] == some.sum() and found["without"] == pytest.approx(1 - some.mean())
    assert found["coverage"] == pytest.approx(held[some].mean())
    assert found["size"] == pytest.approx(size[some].mean())
    p = told.sure["p_right"][some]
    hard = np.argsort(p, kind="stable")[: -(-some.sum() // 3)]
    assert found["thirds"][0]["coverage"] == pytest.approx(held[some][hard].mean())
    assert found["thirds"][0]["size"] > found["thirds"][2]["size"]
    assert 0.8 < found["coverage"] <= 1


def test_the_expected_error_holds_what_a_loop_counts(told):
    found = expected_error_record(told)
    expected = -told.sure["expected_error"]
    inside = [abs(e - x) <= o for e, x, o in zip(told.error, expected, told.error_off, strict=True)]
    assert found["coverage"] == pytest.approx(np.mean(inside)) and found["answers"] == len(told)
    assert 0.8 < found["coverage"] < 1


def test_draws_of_a_correlation_are_those_of_repeated_rows():
    rng = np.random.default_rng(2)
    a = rng.normal(size=60)
    b = a + rng.normal(size=60)
    group = np.repeat(np.arange(20), 3)
    times = rng.integers(0, 3, (4, 20)).astype(np.float32)
    ranks = a.argsort().argsort(), b.argsort().argsort()
    for found, t in zip(drawn_spearman(a, b, group, times), times, strict=True):
        at = np.repeat(np.arange(60), t[group].astype(int))
        assert found == pytest.approx(np.corrcoef(ranks[0][at], ranks[1][at])[0, 1])
    assert np.isnan(drawn_spearman(a[:1], b[:1], group[:1], times)).all()
    assert np.isnan(drawn_spearman(a[:0], b[:0], group[:0], times)).all()


def test_none_and_few_answers_say_nothing_and_do_not_fail():
    none = foretell([], NAMES, "species", 0)
    assert len(none) == 0 and signal_records(none) == [] and direction_records(none, NAMES) == []
    assert set_records(none) is None and expected_error_record(none) is None
    asked = [made(("image",), "sat", np.ones(1), np.zeros(1, int))]
    one = foretell(asked, NAMES, "species", 0)
    found = signal_records(one)
    assert [r["signal"] for r in found if r["shown"] == "every"] == ["sigma", "nearest"]
    assert all(r["r_auroc"] is None and r["rows"] == 1 for r in found)
    assert one.lacking == {"sat from one": "no answers to sat from one were judged"}
    few = foretell([made(("image",), "sat", np.ones(60), np.arange(60) % 6)], NAMES, "species", 0)
    assert few.lacking == {"sat from one": "30 observations could be asked with; 50 are needed"}
    json.dumps([found, direction_records(one, NAMES)], allow_nan=False)
    assert risk_at(np.ones(1), np.ones(1, bool)) == [0.0] * 20


def test_signals_are_judged_on_the_same_answers():
    told = foretell(several(seed=4), NAMES, "species", 0)
    told.sure["mass"][::7] = np.nan
    found = measured(told)
    assert {len(found[s]) for s in TELLING} == {int(np.isfinite(told.sure["mass"]).sum())}
    without = replace(told, sure={**told.sure, "mass": np.full(len(told), np.nan)})
    assert "mass" not in measured(without) and len(measured(without)["sigma"]) == len(told)


def test_by_row_there_is_a_mass_of_likeness_and_no_set():
    rng = np.random.default_rng(6)
    asked = several(seed=6)
    for one in asked:
        a = one.answers
        a.first.codes[:] = 1000 + np.arange(400 * 40).reshape(400, 40)
        found = rng.random(400) < 0.3 + 10 * (a.first.scores[:, 0] - a.first.scores[:, 3])
        a.first.codes[:, 0] = np.where(found, a.truth, a.first.codes[:, 0])
    told = foretell(asked, NAMES, "row", 0)
    assert set_records(told) is None and np.isnan(told.members).all()
    mass = told.sure["mass"]
    assert ((mass > 0) & (mass < 1)).all()
    a, part = asked[0].answers, next(told.parts([0]))
    half = told.half[part] == 0
    tau = told.fitted[1].fitted["sat from one"].temperature
    p = np.exp((a.first.scores - a.first.scores[:, :1]) / tau)
    want = (p * np.clip(a.first.alike, 0, 1)).sum(axis=1) / p.sum(axis=1)
    assert mass[part][half] == pytest.approx(want[half], abs=1e-5)
