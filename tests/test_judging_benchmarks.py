"""Benchmarks that judge choices: halves without a common site, and what they leave out of their figures is told."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import ROOT

from prom3e_index.confidence.metrics import ece, r_auroc

sys.path.insert(0, str(ROOT / "benchmarks"))
import confidence
import weights

NAMES = ("image", "sat", "loc", "env", "text", "audio")


def six_rows(**more):
    """Climates a a b b, one unknown, c; all names are one."""
    rng = np.random.default_rng(0)
    climates = np.eye(8, dtype=np.float32)
    x = rng.normal(size=(6, 6, 8)).astype(np.float32)
    x[:, 3] = climates[[0, 0, 1, 1, 0, 2]]
    x[:, 4] = climates[0]
    present = np.ones((6, 6), bool)
    present[4, 3] = False
    species = np.array(list("pqrstu"))
    return {"embeddings": x, "present": present, "species": species} | more


def test_rows_with_one_climate_are_a_site_and_unknown_ones_are_none():
    data = six_rows()
    site = weights._sites(data, data["embeddings"], data["present"], NAMES)
    assert site[0] == site[1] != site[2] == site[3] != site[5] != site[0]
    assert site[4] == -1 and sorted(set(site)) == [-1, 0, 1, 2]


def test_coordinates_go_before_climate_by_cells_of_three_degrees():
    places = {
        "latitude": np.array(["0.1", "1", "30", "", "0", "nan"]),
        "longitude": np.array(["0", "-1", "0", "0", "30", "0"]),
    }
    data = six_rows(**places)
    site = weights._sites(data, data["embeddings"], data["present"], NAMES[:3])
    assert site[0] == site[1] and len({site[0], site[2], site[4]}) == 3
    assert site[3] == site[5] == -1


@pytest.mark.parametrize("places", [False, True])
def test_halves_share_no_site_and_have_all_rows_whose_site_is_known(places, tmp_path):
    rng = np.random.default_rng(1)
    n, data = 90, six_rows()
    of = rng.integers(0, 9, n)
    x = rng.normal(size=(n, 6, 8)).astype(np.float32)
    x[:, 3] = rng.normal(size=(9, 8))[of]
    present = np.ones((n, 6), bool)
    known = rng.random(n) < 0.8
    present[:, 3] = known
    data = {"embeddings": x, "present": present, "species": np.arange(n).astype(str)}
    if places:
        data["latitude"] = np.where(known, (of * 10).astype(str), "")
        data["longitude"] = np.full(n, "5")
        present[:, 3] = True
    np.savez(tmp_path / "e.npz", **data)
    one, other = (half[2].astype(int) for half in weights.halves(tmp_path / "e.npz", NAMES))
    assert sorted([*one, *other]) == list(np.flatnonzero(known))
    assert not set(of[one]) & set(of[other])
    assert abs(len(one) - len(other)) <= np.bincount(of[known]).max()


def test_answers_without_a_chance_are_counted_and_left_out():
    rng = np.random.default_rng(2)
    p = rng.random(400)
    right = rng.random(400) < p
    told = np.where(np.arange(400) < 100, np.nan, p)  # the first direction could not be fitted
    members = np.where(np.arange(400) % 4 == 0, np.nan, rng.integers(1, 5, 400))
    held = rng.random(400) < 0.9
    f = SimpleNamespace(
        parts=lambda chosen: (np.arange(100 * i, 100 * i + 100) for i in chosen),
        sure={"p_right": told}, right=right, members=members, held=held,
    )  # fmt: skip
    found = confidence.judged(f, range(4))
    at = np.arange(100, 400)
    given = at[np.isfinite(members[at])]
    assert found["no P"] == pytest.approx(0.25) and found["R@1"] == right[at].mean()
    assert found["R-AUROC pooled"] == r_auroc(p[at], right[at])
    each = [r_auroc(p[i : i + 100], right[i : i + 100]) for i in (100, 200, 300)]
    assert found["mean"] == pytest.approx(np.mean(each))
    assert found["ECE"] == ece(p[at], right[at])
    assert found["sets given"] == pytest.approx(len(given) / 300)
    assert found["cover"] == held[given].mean() and found["size"] == members[given].mean()
    hardest = given[np.argsort(p[given], kind="stable")][: len(given) // 3]
    assert found["hardest third"] == pytest.approx(held[hardest].mean(), abs=0.02)
