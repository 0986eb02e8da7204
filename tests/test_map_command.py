"""`prom3e-index map`: a whole folder or a clear line, on any grid, without a network or anything heavy for its help."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
from processes import program
from test_repository import run_python
from typer.testing import CliRunner

from prom3e_index.cli.app import app
from prom3e_index.errors import InputError


def run(*words, fails=None):
    usual = {"--samples": 1, "--mask": "none"}
    words = [*words, *(x for pair in usual.items() if pair[0] not in words for x in pair)]
    done = CliRunner().invoke(app, ["map", *map(str, words)])
    if fails is None:
        assert done.exit_code == 0, done.exception or done.output
    else:
        assert isinstance(done.exception, InputError) and fails in done.exception.typed
    return done


@pytest.fixture
def asked(bundle_path, world, tmp_path):
    photo = sorted(world.glob("photos/*.jpg"))[0]
    return ["-i", bundle_path, "--photo", photo, "--cache", tmp_path / "cells"]


def test_a_map_on_another_raster_s_grid(asked, tmp_path):
    transform = rasterio.Affine(200_000.5, 0, -2_356_113.25, 0, -150_000.25, 3_172_567.75)
    with rasterio.open(tmp_path / "r.tif", "w", driver="GTiff", dtype="uint8", count=1, width=20, height=15,
                       crs="EPSG:5070", transform=transform) as tif:  # fmt: skip
        tif.write(np.ones((1, 15, 20), np.uint8))
    run(*asked, "--like", tmp_path / "r.tif", "-o", tmp_path / "m")

    with rasterio.open(tmp_path / "m/map.tif") as made, rasterio.open(tmp_path / "r.tif") as other:
        assert (made.crs, made.transform, made.shape) == (other.crs, other.transform, other.shape)
        assert made.descriptions == (
            "similarity",
            "percentile",
            "sigma_l1",
            "extrapolation",
            "records",
            "expected_error",  # the index is calibrated
        )


def test_a_map_over_the_date_line_is_one_raster(asked, tmp_path):
    run(*asked, "--region", "170,-50,-170,-30", "--grid", "2deg", "-o", tmp_path / "m")

    with rasterio.open(tmp_path / "m/map.tif") as tif:
        assert tif.bounds == (170, -50, 190, -30) and tif.shape == (10, 10)
        value = next(tif.sample([(-175 + 360, -41)]))[0]
        assert value == tif.read(1)[5, 7] and value != tif.nodata


def test_a_map_of_the_world_by_degrees(asked, tmp_path, recwarn):
    run(*asked, "--grid", "5deg", "-o", tmp_path / "m")

    with rasterio.open(tmp_path / "m/map.tif") as tif:
        assert tif.shape == (36, 72) and tuple(tif.bounds) == (-180, -90, 180, 90)
    assert not [w for w in recwarn if "invalid" in str(w.message) or "divide" in str(w.message)]


def test_cells_of_h3(asked, tmp_path):
    pytest.importorskip("h3")
    run(*asked, "--region", "0,0,20,20", "--grid", "h3:2", "-o", tmp_path / "m")
    facts = json.loads((tmp_path / "m/map.json").read_text())

    with rasterio.open(tmp_path / "m/map.tif") as tif:
        assert tif.crs.to_epsg() == 4326
        assert facts["cells"] == facts["grid"]["cells"] == 58
        drawn = tif.read(3)
        assert len(np.unique(drawn[drawn != tif.nodata])) >= 57  # two of them may be alike


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--region", "Atlantis"], "Unknown region"),
        (["--region", "10,5,12,3"], "south below north"),
        (["--crs", "99999"], "EPSG code"),
        (["--like", "nothing.tif"], "does not exist"),
        (["--grid", "0.01deg", "--region", "0,0,1,1"], "the finest that may be are 0.1 degree"),
        (["--mask", "climate"], "--climate RASTER"),
        (["--samples", "3"], "square"),
        (["--paper", "--space", "hidden"], "--paper is a space of its own"),
    ],
)
def test_what_makes_no_map_is_said_and_nothing_is_left(asked, tmp_path, words, said):
    words = words if {"--grid", "--crs", "--like"} & {*words} else [*words, "--grid", "5deg"]
    run(*asked, *words, "-o", tmp_path / "m", fails=said)
    assert [p.name for p in tmp_path.iterdir() if p.name != "cells"] == []


def test_a_folder_is_replaced_only_when_that_is_said(asked, tmp_path):
    words = [*asked, "--grid", "10deg", "-o", tmp_path / "m"]
    run(*words)
    before = (tmp_path / "m/map.tif").stat().st_mtime_ns
    run(*words, fails="exists")
    assert (tmp_path / "m/map.tif").stat().st_mtime_ns == before
    done = run(*words, "--overwrite")
    assert "no probability" in done.output
    assert (tmp_path / "m/map.tif").stat().st_mtime_ns > before


def test_help_imports_nothing_heavy():
    heavy = (
        "torch",
        "rasterio",
        "matplotlib",
        "numpy",
        "duckdb",
        "sklearn",
        "scipy",
        "pyarrow",
        "h3",
    )
    code = (
        "import sys\nsys.argv = ['prom3e-index', 'map', '--help']\nfrom prom3e_index.cli.app import main\n"
        f"try:\n    main()\nexcept SystemExit: pass\nprint(sorted(m for m in {heavy!r} if m in sys.modules))"
    )
    assert run_python(code).splitlines()[-1] == "[]"


def test_the_program_as_it_is_typed(asked, tmp_path):
    done = program("map", *asked, "--mask", "none", "--grid", "10deg", "-o", tmp_path / "m")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(
        f"{tmp_path / 'm'}: image, 648 cells of 10deg on EPSG:4326; similarity "
    )
    again = program("map", *asked, "--mask", "none", "--grid", "10deg", "-o", tmp_path / "m")
    assert again.returncode == 2 and "exists" in again.stderr and "Traceback" not in again.stderr


def test_a_map_of_cells_with_tiles_and_climates(asked, world, tmp_path):
    folder = tmp_path / "tiles"
    folder.mkdir()
    tile = sorted((world / "tiles").glob("*.png"))[0]
    for name in ("Zürich 名_10.5_20.5.png", "10degE3N4.png"):
        (folder / name).write_bytes(tile.read_bytes())
    (folder / "empty_30.5_20.5.png").touch()
    (folder / "link_1.0_1.0.png").symlink_to(tile)
    done = run(
        *asked, "--grid", "10deg", "--tiles", folder, "--climate", world / "climate.npy", "-o", tmp_path / "m"
    )  # fmt: skip

    facts = json.loads((tmp_path / "m/map.json").read_text())
    counts = {
        "cells": 2,
        "tiles": 2,
        "unread": 1,
        "outside": 0,
        "of_no_known_place": 0,
        "links_or_no_files": 1,
    }
    assert facts["tiles"] == counts and facts["cells_show"] == ["loc", "env", "sat"]
    told = json.loads((tmp_path / "m/odmap.json").read_text())
    assert told["overview"]["predictors"] == "place and climate and satellite tile"
    assert "2 tiles in 2 of the cells" in done.output and "1 tiles cannot be read" in done.output
    assert "1 tiles are links or no files" in done.output
