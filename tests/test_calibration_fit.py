"""A fitted calibration tells right from wrong on other species, keeps its promises, and says where it knows nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from answers_in_space import NAMES, ONE, TWO, made_answers

from prom3e_index.confidence.answers import Answers
from prom3e_index.confidence.calibrated import LEAST_ELIGIBLE, Calibration, key_of
from prom3e_index.confidence.fit import fit
from prom3e_index.confidence.metrics import ece, in_thirds, r_auroc, wilson
from prom3e_index.confidence.pooled import LEAST, Pooled, quantile
from prom3e_index.confidence.signals import UNKNOWN, First


@pytest.fixture(scope="module")
def asked():
    return made_answers(ONE + TWO, queries=240)


@pytest.fixture(scope="module")
def calibration(asked):
    return fit(asked, NAMES)


def told(calibration, answers):
    """P of each answer, and whether it was right."""
    p = [calibration.probabilities(a.first, a.visible, a.target) for a in answers]
    return np.concatenate(p), np.concatenate([a.right for a in answers])


def out_of_fold(asked):
    """P and truth of each answer by functions fitted without its species, of directions that are fitted together."""
    by_key = {}
    for a in asked:
        by_key.setdefault(key_of(a.visible, a.target), []).append(a)
    p = [Pooled.of((key,), some, NAMES, 0).p for key, some in by_key.items()]
    every = [a for some in by_key.values() for a in some]
    right, group = (np.concatenate([getattr(a, n) for a in every]) for n in ("right", "group"))
    return np.concatenate(p), right, group


def test_it_tells_wrong_answers_of_other_draws_and_means_what_it_says(calibration):
    p, right = told(calibration, made_answers(ONE + TWO, queries=240, seed=5))

    assert r_auroc(p, right) > 0.8
    assert ece(p, right) < 0.05
    assert calibration.quality["r_auroc"] == pytest.approx(r_auroc(p, right), abs=0.06)
    assert abs(p.mean() - right.mean()) < 0.04


def test_out_of_fold_no_answer_is_judged_by_its_own_species(asked):
    p, right, group = out_of_fold(asked)
    flipped = [replace(a, truth=np.where(a.group == 3, (a.truth + 1) % 12, a.truth)) for a in asked]
    again, _, _ = out_of_fold(flipped)

    assert r_auroc(p, right) > 0.8
    # The truth of a species decides nothing of what is said of its own answers.
    assert np.abs(p - again)[group == 3].max() < 1e-9


def test_shuffled_labels_give_the_base_rate():
    asked = made_answers(ONE + TWO, queries=400, seed=2, shuffled=True)
    p, right, _ = out_of_fold(asked)

    assert abs(r_auroc(p, right) - 0.5) < 0.05
    assert abs(p.mean() - right.mean()) < 0.01 and p.std() < 0.08


def test_sets_hold_the_right_species_as_often_as_they_say():
    coverage, hardest = [], []
    for seed in range(4):
        made = made_answers(ONE, queries=480, seed=10 + seed)
        half = np.random.default_rng(seed).permutation(480) < 240
        calibration = fit([a.at(half) for a in made], NAMES)
        p, inside, size = [], [], []
        for a in (a.at(np.flatnonzero(~half)[::4]) for a in made):
            p.append(calibration.probabilities(a.first, a.visible, a.target))
            for i, truth in enumerate(a.truth):
                judged = calibration.judge(a.first.at(slice(i, i + 1)), a.visible, a.target, 400)
                inside.append(int(truth) in judged.species)
                size.append(len(judged.species))
        thirds = in_thirds(np.concatenate(p), np.array(inside), np.array(size))
        coverage.append(np.mean(inside))
        hardest.append(thirds[0]["coverage"])
        assert thirds[0]["size"] > thirds[2]["size"]

    assert 0.88 <= np.mean(coverage) <= 0.95
    assert np.mean(hardest) >= 0.85


def test_what_to_add_is_the_measured_change_and_never_a_harm(calibration, asked):
    found = {(a.visible, a.target): a for a in asked}
    for (visible, target), a in found.items():
        if len(visible) > 1:
            continue
        measured = {}
        for (more, t), b in found.items():
            if t == target and len(more) == 2 and set(visible) < set(more):
                (added,) = set(more) - set(visible)
                change = (~b.right).mean() - (~a.right).mean()
                measured[added] = (change, len(a.truth))
        stored = calibration.added(visible, target)
        assert stored.keys() == measured.keys()
        for m, (change, rows) in measured.items():
            assert stored[m][0] == pytest.approx(change) and stored[m][3] == rows
        advice = calibration.advice(visible, target)
        sure = {m: v for m, v in stored.items() if v[2] < 0}
        assert (advice is None) == (not sure)
        if advice is not None:
            assert advice.modality == min(sure, key=lambda m: sure[m][0])
            assert advice.failure_change < 0 and advice.interval[1] < 0


def test_an_addition_that_harms_is_never_advised():
    asked = made_answers([(("image",), "loc"), (("text",), "loc")], queries=300, seed=3)
    good, bad = asked
    harmed = replace(
        bad,
        visible=("image", "text"),
        first=First(
            bad.first.scores,
            np.roll(bad.first.codes, 1, axis=0),
            bad.first.cosines,
            bad.first.alike,
        ),
    )
    calibration = fit([good, harmed], NAMES)

    assert calibration.added(("image",), "loc")["text"][0] > 0.2
    assert calibration.advice(("image",), "loc") is None


def test_interval_and_counts_are_those_of_answers_like_it(calibration):
    fitted = calibration.fitted["loc from one"]
    for mean, answers, right, rows in fitted.bins:
        (low, high), n, k = fitted.interval(mean)
        expected = wilson(round(right / answers * rows), rows)
        assert (n, k) == (answers, right)
        assert (low, high) == pytest.approx((min(expected[0], mean), max(expected[1], mean)))
    for p in np.linspace(0, 1, 33):
        (low, high), n, k = fitted.interval(p)
        assert 0 <= low <= p <= high <= 1 and 0 <= k <= n
    assert sum(b[1] for b in fitted.bins) == fitted.answers


def test_the_expected_error_lies_in_its_interval_nine_times_in_ten(calibration):
    inside = []
    for a in made_answers(ONE, queries=240, seed=8):
        expected = calibration.errors(a.first, a.visible, a.target)
        off = calibration.fitted[key_of(a.visible, a.target)].error_off
        inside.append(np.abs(expected - a.error) <= off)

    assert 0.86 < np.mean(inside) < 0.94


@pytest.mark.parametrize(
    ("values", "level", "wanted"),
    [
        ([3, 1, 2], 0.5, 2),
        ([1], 0.5, 1),
        ([1], 0.9, np.inf),
        ([], 0.9, np.inf),
        (range(1, 10), 0.9, 9),
    ],
)
def test_the_quantile_is_that_of_split_conformal_prediction(values, level, wanted):
    assert quantile(np.array(values, float), level) == wanted


def test_of_too_few_observations_or_one_outcome_nothing_is_said():
    few = made_answers(ONE, queries=LEAST - 1)
    assert str(LEAST) in fit(few, NAMES).why_not(("image",), "sat")
    assert fit(made_answers(ONE, queries=LEAST), NAMES).why_not(("image",), "sat") is None
    sure = [replace(a, truth=a.first.codes[:, 0].copy()) for a in made_answers(ONE, queries=100)]
    assert "0 wrong" in fit(sure, NAMES).why_not(("image",), "sat")
    assert fit([], NAMES).fitted == {} and fit([], NAMES).why_not(("image",), "sat")
    by_row = fit([], NAMES, "row")
    assert "names of species" in by_row.why_not(("image", "sat"), "sat")
    assert "judged" in by_row.why_not(("image",), "sat")


def test_one_species_of_answers_is_said():
    asked = [replace(a, group=np.zeros_like(a.group)) for a in made_answers(ONE[:2], queries=100)]
    assert "one species" in fit(asked, NAMES).why_not(*ONE[0])


def test_answers_that_say_nothing_have_a_reason_and_no_number(calibration):
    first = made_answers(ONE[:1])[0].first.at(slice(0, 1))
    unknown = replace(first, codes=np.full_like(first.codes, UNKNOWN))
    alone = replace(first, codes=np.zeros_like(first.codes))
    cases = [
        (first, ("image",), "text", 400, "text"),
        (first, ("image",), "sat", LEAST_ELIGIBLE - 1, str(LEAST_ELIGIBLE)),
        (unknown, ("image",), "sat", 400, "species"),
        (alone, ("image",), "sat", 200, "one species"),
        (First.of([], [], [], []), ("image",), "sat", 0, "eligible"),
    ]
    for asked, visible, target, eligible, said in cases:
        judged = calibration.judge(asked, visible, target, eligible)
        assert judged.confidence.p_right is None and judged.species is None
        assert said in judged.confidence.reason, judged
    # A whole first page of one species among more rows is a sure answer.
    assert calibration.judge(alone, ("image",), "sat", 400).confidence.p_right > 0.9


def test_the_row_rule_speaks_of_the_very_observation():
    asked = made_answers(ONE, queries=200, seed=6, rows=200, species=200)
    calibration = fit(asked, NAMES, "row")
    p, right = told(calibration, made_answers(ONE, queries=200, seed=7, rows=200, species=200))
    judged = calibration.judge(asked[0].first.at(slice(0, 1)), *ONE[0], 200)

    assert judged.confidence.rule == "row" and judged.species is None and judged.species_reason
    assert r_auroc(p, right) > 0.65


def test_targets_from_one_and_from_several_are_fitted_apart_where_both_suffice(asked, calibration):
    assert set(calibration.fitted) == {
        f"{t} from {h}" for t in NAMES[:4] for h in ("one", "several")
    }
    assert calibration.fitted["sat from one"] != calibration.fitted["sat from several"]
    few: list[Answers] = [a if len(a.visible) == 1 else a.at(np.arange(30)) for a in asked]
    joined: Calibration = fit(few, NAMES)
    assert joined.fitted["sat from one"] == joined.fitted["sat from several"]
