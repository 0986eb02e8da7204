"""A probe is believed by sites it was not trained on: both splits are shown, and neighbours that leak are counted."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from tiny_set import tiny, write

from prom3e_index.errors import InputError
from prom3e_index.evaluation.metrics import r_squared
from prom3e_index.evaluation.probe.run import ProbeConfig, _interval, evaluate_probe, markdown
from prom3e_index.evaluation.probe.splits import usual_splits


def placed(n=120, sites=12):
    """Rows on sites of one degree, each of one place, with a label that only the site tells."""
    data = tiny(n, seed=3, missing=-1)
    site = np.arange(n) % sites
    data.columns["latitude"] = 10.5 + site * 2.0
    data.columns["longitude"] = np.full(n, 7.5)
    data.columns["height"] = np.random.default_rng(0).normal(size=sites)[site] * 100
    data.columns["zone"] = np.array([f"z{s // 3}" for s in site])
    data.x[:, 2] = data.x[site, 2]
    return data, site


def config(tmp_path, **more):
    given = dict(
        labels=("height",), task="regression", given=("loc",), representations=("encoder",)
    )
    return ProbeConfig(tmp_path / "d.npz", tmp_path / "o", "mini", **(given | more))


def test_both_splits_are_shown_and_sites_come_first(tmp_path):
    data, site = placed()
    write(tmp_path / "d.npz", data)
    out = evaluate_probe(config(tmp_path))
    found = {(r["split"], r["representation"]): r for r in out["results"]}
    assert [r["split"] for r in out["results"]] == ["site"] * 3 + ["random"] * 3
    assert found["random", "encoder"]["r2"] > 0.9 > 0.3 > found["site", "encoder"]["r2"]
    assert found["site", "encoder"]["same_site"] == 0
    assert found["random", "encoder"]["same_site"] == found["random", "encoder"]["test"] == 24
    assert found["site", "encoder"]["test"] % 10 == 0
    text = (tmp_path / "o/probe.md").read_text()
    assert text.index("split site: 0 of") < text.index(
        "split random: 24 of 24 test rows are on a site"
    )
    assert "neighbours of test rows are trained on" in text
    assert json.loads((tmp_path / "o/probe.json").read_text())["facts"]["splits"] == [
        "site",
        "random",
    ]
    seen = out["facts"]["seen"]
    assert (seen["among"], seen["share"]) == (0, 0) and seen["by_modality"]["loc"] >= 24
    one = evaluate_probe(config(tmp_path, split="random"))
    assert {r["split"] for r in one["results"]} == {"random"}
    same = {r["representation"]: r["r2"] for r in one["results"]}
    assert same["encoder"] == found["random", "encoder"]["r2"]


def test_classes_of_no_training_row_are_counted(tmp_path):
    data, site = placed()
    data.columns["own"] = np.array([f"s{s}" for s in site])  # each site its own class
    write(tmp_path / "d.npz", data)
    out = evaluate_probe(config(tmp_path, labels=("own",), task="classification"))
    found = {(r["split"], r["representation"]): r for r in out["results"]}
    of_sites = found["site", "encoder"]
    assert of_sites["untrained"] == of_sites["test"] and of_sites["top-1"] == 0
    assert found["random", "encoder"]["untrained"] == 0 and found["random", "encoder"]["top-1"] == 1
    assert f"{of_sites['test']} are of a class that was not" in markdown(out)


def test_what_is_split_by_where_nothing_is_asked_for():
    data, _ = placed()
    assert usual_splits(data)[0] == ("site", "random")
    for change, words in (
        ({"latitude": np.where(np.arange(120) < 70, np.nan, 1.0)}, "50 of 120 rows have a place"),
        ({"latitude": np.where(np.arange(120) % 4, 20.5, 30.5)}, "the rows are on 2 sites"),
        ({"latitude": None}, "no columns latitude and longitude"),
    ):
        columns = {k: v for k, v in (data.columns | change).items() if v is not None}
        splits, why = usual_splits(replace(data, columns=columns))
        assert splits == ("random",) and words in why and "neighbours" in why
    told = np.array(["Train", "testing", "val"] * 40)
    splits, why = usual_splits(replace(data, columns=data.columns | {"SPLIT": told}))
    assert splits == ("SPLIT",) and "column SPLIT" in why
    told = np.array(["a", "b", "test"] * 40)
    assert usual_splits(replace(data, columns=data.columns | {"split": told}))[0][0] == "site"


def test_a_split_that_cannot_be_is_left_out_and_said(tmp_path):
    data, site = placed()
    data.columns["height"] = np.where(site == 0, np.arange(120.0), np.nan)
    data.columns["few"] = np.where(np.arange(120) < 9, 1.0, np.nan)
    write(tmp_path / "d.npz", data)
    out = evaluate_probe(config(tmp_path))
    assert {r["split"] for r in out["results"]} == {"random"}
    assert "height, split site is left out: " in markdown(out) and "one site only" in markdown(out)
    with pytest.raises(InputError, match="one site only"):
        evaluate_probe(config(tmp_path, split="site"))
    with pytest.raises(InputError, match="at least ten"):
        evaluate_probe(config(tmp_path, labels=("few",)))


def test_an_interval_over_sites_is_that_of_so_many_independent_values():
    """Ten equal rows a site are worth one: the interval is that of the sites alone, and three times wider."""
    rng = np.random.default_rng(1)
    value = rng.normal(size=40)
    rows = np.repeat(value, 10)
    site = np.repeat(rng.permutation(40), 10)
    mixed = rng.permutation(400)
    mean = lambda values: lambda i: float(values[i].mean())  # noqa: E731
    over = np.array(_interval(mean(rows[mixed]), 400, 0, site[mixed], 4000))
    alone = np.array(_interval(mean(value), 40, 5, None, 4000))
    by_row = np.array(_interval(mean(rows), 400, 0, None, 4000))
    assert over == pytest.approx(alone, abs=0.04)
    assert np.ptp(over) == pytest.approx(np.sqrt(10) * np.ptp(by_row), rel=0.15)
    assert value.std() / np.sqrt(40) * 3.92 == pytest.approx(np.ptp(over), rel=0.15)
    truth, told = rng.normal(size=50), rng.normal(size=50)
    low, high = _interval(lambda i: r_squared(truth[i], told[i]), 50, 0, np.arange(50) // 5)
    assert low < r_squared(truth, told) < high
