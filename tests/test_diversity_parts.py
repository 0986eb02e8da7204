"""Large grids of diversity are worked out some rows or cells at a time, and come out as if at once."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio

from prom3e_index.diversity import model_bands, smoothing
from prom3e_index.diversity.run import DiversityConfig, diversity


@pytest.mark.parametrize("sigma", [0.6, 2.0, 5.3])
@pytest.mark.parametrize("around", [False, True])
@pytest.mark.parametrize("rows", [1, 40, 41, 97])
def test_smoothed_rows_are_those_of_the_whole(monkeypatch, sigma, around, rows):
    rng = np.random.default_rng(rows)
    values = np.where(rng.random((97, 30)) < 0.4, rng.lognormal(size=(97, 30)), np.nan)
    inside = rng.random((97, 30)) < 0.8
    whole = smoothing.smoothed(values, inside, sigma, around)
    monkeypatch.setattr(smoothing, "_AT_ONCE", rows * 30)
    parts = smoothing.smoothed(values, inside, sigma, around)

    assert np.isfinite(whole).sum() > 1000
    assert np.array_equal(whole, parts, equal_nan=True)


@pytest.fixture(scope="module")
def of_index(bundle_path, tmp_path_factory):
    out = tmp_path_factory.mktemp("parts")
    config = DiversityConfig(
        str(bundle_path), out / "whole", region="world", cells="20deg", rarefy=2
    )
    diversity(config)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_bands, "_PART", 7)
        patch.setattr(model_bands, "_QUERIES", 3)
        diversity(DiversityConfig(**{**config.__dict__, "out": out / "parts"}))
    return out


def test_the_model_is_asked_some_cells_at_a_time(of_index):
    with (
        rasterio.open(of_index / "whole/diversity.tif") as one,
        rasterio.open(of_index / "parts/diversity.tif") as two,
    ):
        assert one.descriptions == two.descriptions and "sigma_l1" in one.descriptions
        assert np.allclose(one.read(), two.read(), rtol=1e-4, atol=1e-4)


def test_what_is_told_of_a_band_is_what_the_raster_holds(of_index):
    told = json.loads((of_index / "whole/diversity.json").read_text())["bands"]
    with rasterio.open(of_index / "whole/diversity.tif") as tif:
        assert set(told) == set(tif.descriptions)
        for name, values in zip(tif.descriptions, tif.read(), strict=True):
            known = values[values != -9999]
            assert told[name]["cells"] == len(known) > 0
            low, middle, high = np.quantile(known.astype(float), [0, 0.5, 1])
            assert [told[name][k] for k in ("least", "median", "most")] == pytest.approx(
                [low, middle, high], rel=1e-5, abs=1e-6
            )
