"""Independent components of places: found anew from a mixture, as a GeoTIFF and colours; the evaluation's picture is one."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
from processes import program

from prom3e_index.errors import InputError
from prom3e_index.grid.grid import Grid
from prom3e_index.grid.picture import mixed
from prom3e_index.maps.components import SPREAD, component_bands, components


def sources(n: int = 3000) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.stack([rng.exponential(size=n), rng.uniform(-1, 1, n), rng.laplace(size=n)], 1)


def test_what_was_mixed_is_found_anew():
    true = sources()
    mixture = true @ np.random.default_rng(1).normal(size=(3, 20)) + 5
    found = components(mixture.astype(np.float32))

    match = np.abs(np.corrcoef(true.T, found.T)[:3, 3:])
    assert sorted(match.argmax(axis=0).tolist()) == [0, 1, 2] and match.max(axis=0).min() > 0.97
    assert found.mean(axis=0) == pytest.approx(0, abs=1e-3) and found.std(axis=0) == pytest.approx(
        1, abs=1e-3
    )
    assert ((found**3).mean(axis=0) >= 0).all() and match[:, 0].argmax() == 0  # the skewest is red
    assert np.array_equal(found, components(mixture.astype(np.float32)))


def test_colours_span_the_same_everywhere():
    grid = Grid.of("0,0,4,1", "1deg")
    found = np.array([[-SPREAD, 0, SPREAD], [9, -9, 0], [0, 0, 0]], np.float32)
    bands = component_bands(found, np.array([0, 1, 3]), len(grid))
    colours = mixed(bands, [grid.raster(b.cells()) for b in bands])[0]

    assert colours[0].tolist() == [0, 0.5, 1, 1] and colours[1].tolist() == [1, 0, 0.5, 1]
    assert colours[2, 3] == 0 and colours[3].tolist() == [0.5, 0.5, 0.5, 1]


def test_too_little_to_find():
    with pytest.raises(InputError, match="9 cells are mapped"):
        components(sources(9).astype(np.float32))
    with pytest.raises(InputError, match="fewer than three ways"):
        components(np.repeat(sources(50)[:, :1], 4, 1).astype(np.float32))


def test_a_map_of_a_model(tmp_path):
    done = program(
        "map",
        "--components",
        "mean",
        "--model",
        "mini",
        "--grid",
        "10deg",
        "--samples",
        1,
        "-o",
        tmp_path / "m",
    )
    assert done.returncode == 0, done.stderr
    facts = json.loads((tmp_path / "m" / "map.json").read_text())
    with rasterio.open(tmp_path / "m" / "map.tif") as tif:
        held = tif.read(masked=True)
        assert tif.descriptions == ("component_1", "component_2", "component_3")
    assert (
        facts["mask"] == "land of the invented planet" and (~held.mask[0]).sum() == facts["cells"]
    )

    from prom3e_index.evaluation.probe.representations import of_places
    from prom3e_index.models.folder import Model

    model, grid = Model.open("mini"), Grid.of("world", "10deg")
    lat, lon = grid.centres(np.flatnonzero(~held.mask[0].ravel()))
    at = model.encoder("loc").encode(np.stack([lat, lon], 1))
    wanted = components(of_places(model, at, "mean"))
    have = held.reshape(3, -1)[:, ~held.mask[0].ravel()].T
    assert np.abs(have - wanted).max() < 0.05  # signs, order and colours too

    for more, said in (
        (["--components", "mean"], "--components needs --model"),
        (["--components", "mean", "--model", "geoclip"], "has no MVAE"),
        (["--components", "encoder", "--model", "mini", "--text", "x"], "leave a query out"),
        (
            ["--components", "encoder", "--model", "mini", "--threshold", "lpt", "--no-cache"],
            "leave --threshold, --no-cache out",
        ),
        (["--components", "encoder", "--model", "mini", "--space", "hidden"], "leave --space out"),
        (
            ["--components", "encoder", "--model", "mini", "--climate", "c.tif"],
            "goes with --mask climate",
        ),
    ):
        done = program("map", *more, "-o", tmp_path / "n")
        assert done.returncode == 2 and said in done.stderr, done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_the_evaluations_picture_is_drawn_of_the_same():
    from prom3e_index.evaluation.pages.uncertainty_page import _maps
    from prom3e_index.models.folder import Model

    assert _maps(Model.open("mini")).count("data:image/png") == 1
