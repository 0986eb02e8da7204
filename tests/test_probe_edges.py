"""Probes where they break easily: far numbers, unknown places, two sites, few rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tiny_set import tiny, write

from prom3e_index.errors import InputError
from prom3e_index.evaluation.probe.fitting import coordinates, fit, standardise
from prom3e_index.evaluation.probe.run import ProbeConfig, evaluate_probe
from prom3e_index.evaluation.probe.splits import inner_split, split_rows


def test_far_numbers_are_read_as_near_ones_are():
    """A label of 1.7e9 (a moment in seconds) that varies by 1 is as readable as one around 0."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 5)).astype(np.float32)
    y = x.astype(np.float64) @ rng.normal(size=5)
    train, test = np.arange(150), np.arange(150, 200)
    inner = np.arange(120), np.arange(120, 150)
    near, _ = fit(x.copy(), y, train, test, inner, "regression", None)
    far, _ = fit(x.copy(), y + 1.7e9, train, test, inner, "regression", None)
    assert far - 1.7e9 == pytest.approx(near, abs=1e-3) and near == pytest.approx(y[test], abs=0.05)


def test_standardised_columns_have_the_training_rows_moments():
    rng = np.random.default_rng(1)
    x = (rng.normal(size=(300, 130)) * 7 + 1000).astype(np.float32)
    x[:, 3] = 5  # constant
    x[::7, 4] = np.nan
    raw, train = x.astype(np.float64), np.arange(200)
    standardise(x, train)
    deviation = np.nanstd(raw[train], axis=0)
    deviation[3] = 1
    want = (raw - np.nanmean(raw[train], axis=0)) / deviation
    free = [i for i in range(130) if i not in (3, 4)]
    assert x[:, free] == pytest.approx(want[:, free], abs=2e-3)
    assert not x[:, 3].any() and not x[::7, 4].any()
    assert x[1:7, 4] == pytest.approx(want[1:7, 4], abs=2e-3)


def places(n=60):
    data = tiny(n, missing=-1)
    rng = np.random.default_rng(0)
    data.columns["latitude"] = rng.uniform(-60, 60, n)
    data.columns["longitude"] = rng.uniform(-179, 179, n)
    return data


def test_unknown_and_obscured_places_are_no_coordinates():
    data = places()
    data.columns["latitude"][4] = np.nan
    data.columns["obscured"] = np.where(np.arange(60) == 7, "true", "false")
    found = coordinates(data)
    assert np.isnan(found[[4, 7]]).all() and np.isfinite(np.delete(found, [4, 7], 0)).all()
    lat, lon = np.radians(data.columns["latitude"][0]), np.radians(data.columns["longitude"][0])
    assert found[0, 2:] == pytest.approx(
        [np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], abs=1e-6
    )


def test_the_antimeridian_divides_no_site_and_two_sites_can_be_probed():
    data = places(40)
    data.columns["latitude"][:] = 10.5
    data.columns["longitude"] = np.array([180.0, -180.0] * 10 + [20.5] * 20)
    train, test = split_rows(data, "site", 0)
    one = set(range(20))
    assert set(test) in (one, set(range(40)) - one)  # both writings of one meridian together
    some, rest = inner_split(data, "site", 1, train)  # of one site: at random
    assert len(some) + len(rest) == len(train) == 20 and len(rest) == 4
    data.columns["longitude"][:] = 20.5
    with pytest.raises(InputError, match="one site only"):
        split_rows(data, "site", 0)


def test_few_rows_are_refused_or_probed_but_never_crash(tmp_path):
    data = places(40)
    data.columns["height"] = np.where(np.arange(40) < 10, np.arange(40.0), np.nan)
    data.columns["part"] = np.array(["train"] * 4 + ["test"] * 36)
    write(tmp_path / "d.npz", data)
    config = ProbeConfig(
        tmp_path / "d.npz", tmp_path / "o", "mini", labels=("height",), task="regression",
        given=("image", "image"), representations=("encoder",), split="random",
    )  # fmt: skip
    found = evaluate_probe(config)["results"]
    assert [(r["representation"], r["train"], r["test"], r["given"]) for r in found] == [
        ("mean", 8, 2, []), ("coordinates", 8, 2, []), ("encoder", 8, 2, ["image"])
    ]  # fmt: skip
    with pytest.raises(InputError, match="4 of the rows with 'height' are to train on; at least 5"):
        evaluate_probe(replace(config, split="part"))
    few = evaluate_probe(replace(config, rows=30, labels=("species",), task="classification"))
    assert few["facts"]["rows"] == 30 and few["facts"]["rows_in_source"] == 40
