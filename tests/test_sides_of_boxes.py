"""A box holds its four sides: a place exactly on one of them counts, once, in the cell within."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from prom3e_index.diversity.run import DiversityConfig, diversity
from prom3e_index.grid.grid import Grid
from prom3e_index.grid.region import Region, box_around

BOX = "10,40,14,43"


def _write(path, places):
    with path.open("w", newline="") as f:
        out = csv.writer(f)
        out.writerow(
            ["occurrenceID", "scientificName", "decimalLatitude", "decimalLongitude", "eventDate"]
        )
        for i, (lat, lon) in enumerate(places):
            out.writerow([i, "Pica pica", lat, lon, "2020-05-01"])
    return path


@pytest.mark.parametrize("cells", ["1deg", "0.25deg", "6x8"])
def test_a_place_on_a_side_is_in_the_cell_within(cells):
    grid = Grid.of(BOX, cells)
    rows, columns = grid.shape
    lat = np.array([43, 43, 40, 40, 43, 40, 41.5, 41.5, 42.0])
    lon = np.array([10, 14, 10, 14, 12, 12, 10.0, 14.0, 12.0])
    row, column = np.divmod(grid.cell_of(lat, lon), columns)

    middle = columns // 2  # on an inner line it is the cell south and east of it, as before
    a_third, half = rows // 3, rows // 2
    assert row.tolist() == [0, 0, rows - 1, rows - 1, 0, rows - 1, half, half, a_third]
    assert column.tolist() == [0, columns - 1, 0, columns - 1, middle, middle, 0, columns - 1, middle]  # fmt: skip
    beyond = grid.cell_of(
        np.array([43.001, 39.999, 41.0, 41.0]), np.array([12.0, 12.0, 9.999, 14.001])
    )
    assert beyond.tolist() == [-1] * 4


def test_the_world_holds_its_poles_and_no_place_twice():
    for grid in (Grid.of("world", "1deg"), Grid.of("-180,-90,180,90", "90x180")):
        rows, columns = grid.shape
        lat, lon = np.array([-90, 90, 0.0, 0.0]), np.array([0, 0, 180.0, -180.0])
        row, column = np.divmod(grid.cell_of(lat, lon), columns)
        assert row.tolist() == [rows - 1, 0, rows // 2, rows // 2]
        assert column.tolist() == [columns // 2, columns // 2, 0, 0]  # 180 is −180


def test_a_box_over_the_date_line_holds_its_sides():
    grid = Grid.of("170,-50,-170,-30", "1deg")
    found = grid.cell_of(np.array([-50.0, -30.0, -50.0]), np.array([170.0, -170.0, -170.0]))
    assert found.tolist() == [19 * 20, 19, 19 * 20 + 19]


def test_rows_on_the_sides_of_a_region_count(tmp_path):
    sides = [(43, 10), (43, 14), (40, 10), (40, 14), (40, 12.3), (41.7, 14), (39.999, 12), (41, 9)]
    told = diversity(
        DiversityConfig(
            str(_write(tmp_path / "t.csv", sides)), tmp_path / "o", BOX, "1deg", mask="none", rarefy=1
        )
    )  # fmt: skip
    assert told["records"] == 6 and told["left_out"] == {"outside the region": 2}
    assert told["rows"] == told["records"] + sum(told["left_out"].values())


@pytest.mark.parametrize(
    ("lat", "lon", "box"),
    [
        ([48, 50], [16, 17], "16,48,18,51"),
        ([48.2], [16.4], "16,48,17,49"),
        ([48], [16], "16,48,17,49"),
        ([-17.5, -18.5], [179.5, -179.5], "179,-19,181,-17"),  # Fiji: not once around the Earth
        ([65, 66], [180, 178], "178,65,181,67"),
        ([65], [-180], "-180,65,-179,66"),
        ([90], [0], "0,89,1,90"),
        ([-90], [0], "0,-90,1,-89"),
        ([0, 1], [-90, 90], "-90,0,91,2"),  # as wide either way: not over the date line
        ([0, 0, 0], [-120, 0, 120], "-120,0,121,1"),
        ([0, 1], [-179.5, 5], "5,0,181,2"),
        ([0] * 4, [-180, -90, 0, 90], "-180,0,91,1"),
        ([0] * 24, list(range(-170, 70, 10)), "-170,0,61,1"),
        ([0] * 23, [*range(120, 180, 10), *range(-180, -10, 10)], "120,0,341,1"),
        ([0] * 27, [*range(150, 180, 10), *range(-180, 60, 10)], "150,0,51,1"),  # not 150 to 411
        ([0] * 32, [*range(130, 180, 10), *range(-180, 90, 10)], "-180,0,180,1"),  # nearly around
    ],
)
def test_the_box_around_places_is_the_shortest_that_holds_them(lat, lon, box):
    found = box_around(np.array(lat, float), np.array(lon, float))
    assert found == box
    west, south, east, north = Region.of(found).bounds
    assert south <= min(lat) and max(lat) <= north and 0 < east - west <= 360
    for cells in ("1deg", "0.5deg", "7x9"):
        assert (
            Grid.of(found, cells).cell_of(np.array(lat, float), np.array(lon, float)) >= 0
        ).all()


@pytest.mark.parametrize(
    ("lat", "lon", "margin", "box"),
    [
        ([48.2], [16.4], 2, "14,46,19,51"),
        ([89.5], [179.5], 2, "177,87,182,90"),
        ([-89.5], [-179.5], 2, "178,-90,183,-87"),
        ([0, 0], [-178, 178], 2, "176,-2,185,3"),
        ([0] * 180, list(range(-180, 180, 2)), 2, "-180,-2,180,3"),
    ],
)
def test_a_margin_goes_over_the_date_line_and_not_past_a_pole(lat, lon, margin, box):
    assert box_around(np.array(lat, float), np.array(lon, float), margin) == box


def test_records_on_both_sides_of_the_date_line_are_one_small_map(tmp_path):
    table = _write(
        tmp_path / "fiji.csv", [(-17.5, 179.5), (-16.5, -179.5), (-17, 180), (-17, -180)]
    )
    diversity(
        DiversityConfig(str(table), tmp_path / "o", cells="1deg", mask="none", rarefy=1, model="none")
    )  # fmt: skip
    told = json.loads((tmp_path / "o" / "diversity.json").read_text())

    assert (told["grid"]["rows"], told["grid"]["columns"]) == (2, 2)
    assert told["records"] == 4 and not told["left_out"]
