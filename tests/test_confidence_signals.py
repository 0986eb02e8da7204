"""Signals of an answer beside sums written out; a raised first score never lowers P; files of anyone's are checked."""

from __future__ import annotations

import copy
import json
import math

import numpy as np
import pytest
from answers_in_space import NAMES as MODALITIES
from answers_in_space import ONE, TWO, made_answers
from hypothesis import given, settings
from hypothesis import strategies as st

from prom3e_index.confidence.calibrated import key_of
from prom3e_index.confidence.fit import fit
from prom3e_index.confidence.signals import (
    ERROR_NAMES,
    FIRST,
    NAMES,
    RISING,
    UNKNOWN,
    First,
    error_signals,
    signals,
    species_entropy,
    species_mass,
)
from prom3e_index.confidence.stored import from_dict, read, to_dict, written


@pytest.fixture(scope="module")
def calibration():
    return fit(made_answers(ONE + TWO), MODALITIES)


def by_hand(scores, codes, cosines, alike, tau):
    """The signals of one answer, by loops over its rows."""
    s = [float(v) for v in scores]
    p = [math.exp((v - s[0]) / tau) for v in s]
    total = sum(p)
    p = [v / total for v in p]
    same = [i == 0 or (c == codes[0] and c != UNKNOWN) for i, c in enumerate(codes)]
    mass = min(sum(v for v, y in zip(p, same, strict=True) if y), 1.0)
    likeness = min(sum(v * min(max(a, 0), 1) for v, a in zip(p, alike, strict=True)), 1.0)

    def logit(v):
        return 12.0 if v >= 1 else -12.0 if v <= 0 else min(max(math.log(v / (1 - v)), -12), 12)

    def entropy(weights):
        whole = sum(weights)
        return -sum(w / whole * math.log(w / whole) for w in weights if w > 0) if whole else 0.0

    others: dict[object, float] = {}
    for i, (v, y) in enumerate(zip(p, same, strict=True)):
        if not y:
            key = codes[i] if codes[i] != UNKNOWN else ("row", i)
            others[key] = others.get(key, 0.0) + v
    rest = [v for v, y in zip(s, same, strict=True) if not y]
    return {
        "mass": logit(mass),
        "alike": logit(likeness),
        "margin": s[0] - (max(rest) if rest else s[-1]),
        "gap": s[0] - s[1] if len(s) > 1 else 0.0,
        "top": s[0],
        "nearest": max(cosines),
        "votes": sum(same[:10]) / len(same[:10]),
        "others": entropy(list(others.values())),
        "spread": entropy(p[1:]),
        "agreement": float(same[max(range(len(s)), key=lambda i: cosines[i])]),
    }


def drawn(rng, k, species=4):
    scores = np.sort(rng.uniform(-0.2, 0.9, k))[::-1]
    codes = rng.integers(-1, species, k)
    cosines = rng.uniform(-1, 1, k)
    alike = np.concatenate([[1.0], rng.uniform(-0.5, 1, max(0, k - 1))])[:k]
    return scores, codes, cosines, alike


@pytest.mark.parametrize("k", [1, 2, 9, 10, 11, 199, 200])
def test_signals_are_the_sums_written_out(k):
    rng = np.random.default_rng(k)
    for tau in (0.01, 0.08, 0.5):
        given_ = drawn(rng, k)
        made = signals(First.of(*given_), tau)[0]
        wanted = by_hand(*given_, tau)
        assert dict(zip(NAMES, made, strict=True)) == pytest.approx(wanted, abs=1e-6)


def test_answers_of_other_lengths_beside_each_other_keep_their_signals():
    rng = np.random.default_rng(1)
    parts = [First.of(*drawn(rng, k)) for k in (3, 200, 1)]
    together = First.joined(parts)
    for tau in (0.02, 0.3):
        apart = np.concatenate([signals(p, tau) for p in parts])
        assert signals(together, tau) == pytest.approx(apart, abs=1e-12)
        assert species_mass(together, tau) == pytest.approx(
            np.concatenate([species_mass(p, tau) for p in parts])
        )
        assert species_entropy(together, tau) == pytest.approx(
            np.concatenate([species_entropy(p, tau) for p in parts]), abs=1e-9
        )


def test_only_the_first_rows_are_read():
    rng = np.random.default_rng(2)
    long = drawn(rng, FIRST + 50)
    short = tuple(v[:FIRST] for v in long)

    assert (signals(First.of(*long), 0.05) == signals(First.of(*short), 0.05)).all()


@pytest.mark.parametrize(
    ("scores", "codes"),
    [
        ([], []),
        ([0.5], [3]),
        ([0.5], [UNKNOWN]),
        ([0.5, 0.5, 0.5], [1, 2, 3]),
        ([0.5, -np.inf], [1, 1]),
        ([-np.inf, -np.inf], [1, 2]),
        ([np.nan, np.nan], [1, 2]),
        ([1e9, -1e9], [1, 2]),
    ],
)
def test_whatever_an_answer_holds_its_signals_are_finite(scores, codes):
    zeros = np.zeros(len(scores))
    first = First.of(np.array(scores), np.array(codes, int), zeros, zeros)

    assert np.isfinite(signals(first, 0.01)).all() and np.isfinite(error_signals(first, 0.01)).all()
    assert signals(first, 0.01).shape == (1, len(NAMES))
    assert error_signals(first, 0.01).shape == (1, len(ERROR_NAMES))


answers = st.integers(0, 2**32 - 1), st.integers(1, 60), st.floats(0, 5), st.integers(0, 40)


@settings(max_examples=150, deadline=None)
@given(*answers)
def test_a_raised_first_score_lowers_no_rising_signal_and_changes_no_other(seed, k, more, species):
    rng = np.random.default_rng(seed)
    scores, codes, cosines, alike = drawn(rng, k, species + 1)
    raised = scores.copy()
    raised[0] += more
    before, after = (signals(First.of(s, codes, cosines, alike), 0.04)[0] for s in (scores, raised))
    rising = len(RISING)

    assert (after[:rising] >= before[:rising] - 1e-9).all()
    assert after[rising:] == pytest.approx(before[rising:], abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(*answers)
def test_a_raised_first_score_never_lowers_p(calibration, seed, k, more, species):
    rng = np.random.default_rng(seed)
    scores, codes, cosines, alike = drawn(rng, k, species + 1)
    codes[0] = 0  # the first row is the one that P speaks of
    raised = scores.copy()
    raised[0] += more
    for visible, target in (ONE[0], TWO[0]):
        p = [
            calibration.probabilities(First.of(s, codes, cosines, alike), visible, target)[0]
            for s in (scores, raised)
        ]
        assert p[1] >= p[0] - 1e-9


def test_rows_of_unknown_species_are_passed_over():
    rng = np.random.default_rng(4)
    scores, codes, cosines, alike = drawn(rng, 60)
    codes[:3] = UNKNOWN
    codes[3] = 2
    known = codes != UNKNOWN
    first, place = First.of(scores, codes, cosines, alike).labelled()
    wanted = First.of(scores[known], codes[known], cosines[known], np.zeros(known.sum()))

    assert place.tolist() == [3]
    assert first.codes[0, : known.sum()].tolist() == codes[known].tolist()
    at = [NAMES.index(n) for n in NAMES if n != "alike"]
    assert signals(first, 0.05)[0, at] == pytest.approx(signals(wanted, 0.05)[0, at])


def test_a_calibration_is_the_same_when_it_was_written_and_read(calibration):
    again = read(written(calibration).encode(), MODALITIES, "index")
    asked = made_answers(ONE + TWO, seed=9)
    for a in asked:
        p, q = (c.probabilities(a.first, a.visible, a.target) for c in (calibration, again))
        assert q == pytest.approx(p, abs=1e-5)
        one, other = (c.advice(a.visible, a.target) for c in (calibration, again))
        assert (one is None) == (other is None)
        assert one is None or (one.modality, one.rows) == (other.modality, other.rows)
    judged = again.judge(asked[0].first.at(slice(0, 1)), asked[0].visible, asked[0].target, 400)
    assert judged.confidence.p_right is not None and judged.confidence.source == "index"


def paths(value, at=()):
    """Where in JSON values stand."""
    if isinstance(value, dict):
        for k, v in value.items():
            yield from paths(v, (*at, k))
    elif isinstance(value, list):
        for i, v in enumerate(value[:2]):
            yield from paths(v, (*at, i))
    yield at


def test_a_file_of_anyones_is_a_calibration_or_an_error_that_says_where(calibration):
    stated = json.loads(written(calibration))
    key = key_of(*ONE[0])
    stated["fitted"] = {key: stated["fitted"][key]}
    stated["quality"] = {k: stated["quality"][k] for k in ("ece", "rows")}
    shown = next(iter(stated["changes"]))
    stated["changes"] = {shown: stated["changes"][shown]}
    first = made_answers(ONE[:1])[0].first.at(slice(0, 1))
    refused = 0
    for path in [p for p in paths(stated) if p]:
        for bad in (None, "x", -1, 1e300, float("inf"), [], {}, [1] * 3, {"a": 1}, True):
            values = copy.deepcopy(stated)
            inner = values
            for step in path[:-1]:
                inner = inner[step]
            inner[path[-1]] = bad
            try:
                made = from_dict(values, MODALITIES, "index")
            except ValueError as e:
                refused += 1
                assert str(e)
                continue
            judged = made.judge(first, *ONE[0], 400)  # what was taken can be used
            made.advice(*ONE[0])
            p = judged.confidence.p_right
            assert p is None or 0 <= p <= 1
    assert refused > 300


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b'{"version":2}', b"[" * 100_000, b"\xff"])
def test_what_is_no_calibration_is_refused(text):
    with pytest.raises(ValueError, match="."):
        read(text, MODALITIES, "index")


def test_weights_below_zero_of_rising_signals_are_refused(calibration):
    values = json.loads(written(calibration))
    next(iter(values["fitted"].values()))["right"]["weights"][0] = -0.1

    with pytest.raises(ValueError, match="below 0"):
        from_dict(values, MODALITIES, "index")
    with pytest.raises(ValueError, match="modalities"):
        from_dict(to_dict(calibration), MODALITIES[:3], "index")
