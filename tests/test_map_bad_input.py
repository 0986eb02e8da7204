"""What maps are asked for is used or refused: no option is passed over, and what is wrong is one sentence."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import rasterio
from test_map_command import asked as asked
from test_map_command import run

from prom3e_index.diversity.run import DiversityConfig, diversity
from prom3e_index.errors import InputError
from prom3e_index.grid.grid import Grid
from prom3e_index.grid.masks import climate_of_mask, mask_of
from prom3e_index.maps.cell_tiles import Tiles
from prom3e_index.maps.records import RecordsConfig, map_of_records

MISSING = -32768


@pytest.fixture
def climate(tmp_path):
    """Two variables in their own units over a part of the globe: known in the west, one of them in the middle."""
    values = np.full((2, 6, 9), MISSING, np.int16)
    values[0, :, :3], values[1, :, :6] = 0, 1200
    with rasterio.open(tmp_path / "c.tif", "w", driver="GTiff", dtype="int16", count=2, width=9, height=6,
                       crs="EPSG:4326", nodata=MISSING, transform=rasterio.Affine(1, 0, 10, 0, -1, 50)) as tif:  # fmt: skip
        tif.write(values)
    return tmp_path / "c.tif"


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "t.csv"
    places = [(47.5, 11.5), (46.5, 14.5), (45.5, 17.5), (44.5, 12.5)]
    path.write_text(
        "occurrenceID,scientificName,decimalLatitude,decimalLongitude\n"
        + "".join(f"{i},Pica pica,{lat},{lon}\n" for i, (lat, lon) in enumerate(places))
    )
    return path


def test_a_mask_of_climate_is_of_any_variables_in_any_units(climate, table, tmp_path):
    grid = Grid.of("10,44,19,50", "1deg")
    inside = mask_of(grid, "climate", climate_of_mask(climate, "climate")).inside
    assert inside.reshape(6, 9).tolist() == [[True] * 6 + [False] * 3] * 6

    told = diversity(
        DiversityConfig(str(table), tmp_path / "o", "10,44,19,50", "1deg", mask="climate", climate=climate, rarefy=1)
    )  # fmt: skip
    assert told["records"] == 3 and told["left_out"] == {"outside the mask": 1}


def test_a_climate_that_no_mask_uses_is_refused(climate, table, tmp_path):
    with pytest.raises(InputError, match="goes with mask climate"):
        diversity(DiversityConfig(str(table), tmp_path / "o", climate=climate))
    with pytest.raises(InputError, match="goes with mask climate"):
        map_of_records(RecordsConfig(str(table), "Pica pica", cells="1deg", climate=climate))
    assert not (tmp_path / "o").exists()


def test_components_are_mapped_where_a_climate_is_known(climate, tmp_path):
    words = [
        "--components",
        "encoder",
        "--model",
        "mini",
        "--grid",
        "1deg",
        "--region",
        "8,44,19,50",
    ]
    run(*words, "--mask", "climate", "--climate", climate, "-o", tmp_path / "m")
    with rasterio.open(tmp_path / "m/map.tif") as tif:
        known = tif.dataset_mask().astype(bool)
    assert known.tolist() == [[False] * 2 + [True] * 6 + [False] * 3] * 6
    run(*words, "--climate", climate, "-o", tmp_path / "n", fails="goes with --mask climate")


@pytest.mark.parametrize(
    "given",
    [["--grid", "25km"], ["--region", "AUT"], ["--crs", "3035"], ["--region", "AUT", "--grid", "1deg"]],
)  # fmt: skip
def test_a_raster_s_grid_goes_with_no_other(asked, climate, tmp_path, given):
    left = ", ".join(o for o in ("--grid", "--crs", "--region") if o in given)
    run(*asked, "--like", climate, *given, "-o", tmp_path / "m", fails=f"leave {left} out")
    for way in (
        ["--records", tmp_path / "t.csv", "--taxon", "x"],
        ["--components", "mean", "--model", "mini"],
    ):
        run(*way, "--like", climate, *given, "-o", tmp_path / "m", fails=f"leave {left} out")
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [("--region", "", "Unknown region ''"), ("--grid", "", "--grid is ''"), ("--region", " ", "Unknown region")],
)  # fmt: skip
def test_nothing_is_no_region_and_no_cell(asked, table, tmp_path, option, value, said):
    """As an unset variable of a script is: the whole Earth is not what it meant."""
    run(*asked, option, value, "-o", tmp_path / "m", fails=said)
    run("--records", table, "--taxon", "Pica pica", option, value, "-o", tmp_path / "m", fails=said)
    run("--components", "mean", "--model", "mini", option, value, "-o", tmp_path / "m", fails=said)
    own = {"--region": "region", "--grid": "cells"}[option]
    with pytest.raises(InputError, match=said.lstrip("-")):
        diversity(DiversityConfig(str(table), tmp_path / "m", **{own: value}))
    assert not (tmp_path / "m").exists()


def test_messages_are_sentences(asked, tmp_path):
    run(
        *asked[:2],
        "--taxon",
        "Nosuchus",
        "-o",
        tmp_path / "m",
        fails="No observation is of 'Nosuchus'",
    )
    with pytest.raises(InputError) as told:
        (tmp_path / "text.tif").write_text("hello")
        Grid.like(tmp_path / "text.tif")
    assert not str(told.value).endswith("..")
    done = run(*asked[:2], "--taxon", "Nosuchus", "-o", tmp_path / "m", fails="Nosuchus")
    assert ".;" not in str(done.exception) and str(done.exception).endswith(".")


def test_a_picture_is_no_grid_and_says_so_once(tmp_path):
    from PIL import Image

    Image.new("RGB", (8, 8)).save(tmp_path / "p.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError, match="no reference system"):
            Grid.like(tmp_path / "p.png")


def test_tiles_where_nothing_is_mapped_are_counted(tmp_path):
    for name in ("a_47.5_11.5", "b_46.5_12.5", "c_46.4_12.4", "d_10.5_11.5", "e"):
        (tmp_path / f"{name}.png").touch()
    grid = Grid.of("10,44,19,50", "1deg")
    tiles = Tiles.read(tmp_path, grid)
    first, second = grid.cell_of(np.array([47.5, 46.5]), np.array([11.5, 12.5])).tolist()

    assert (tiles.outside, tiles.nowhere, sum(map(len, tiles.of.values()))) == (1, 1, 3)
    assert tiles.elsewhere(np.array([first, second])) == 1
    assert tiles.elsewhere(np.array([first])) == 3
    assert tiles.elsewhere(np.array([second])) == 2


def test_one_species_is_one_species(table, tmp_path):
    from typer.testing import CliRunner

    from prom3e_index.cli.app import app

    words = ["diversity", str(table), "--mask", "none", "--grid", "1deg", "--rarefy", "1"]
    done = CliRunner().invoke(app, [*words, "-o", str(tmp_path / "o")])
    assert done.exit_code == 0 and "; 1 species\n" in done.output
