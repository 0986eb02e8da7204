"""`diversity --assign random`: cells of places drawn within the uncertainty, as GBIF's cubes have it, the same again for one seed."""

from __future__ import annotations

import json
import math

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.stats import kstest
from test_diversity_counts import row, table

from prom3e_index.diversity.run import DiversityConfig, diversity
from prom3e_index.errors import InputError
from prom3e_index.grid.grid import Grid
from prom3e_index.maps.occurrences import read_occurrences
from prom3e_index.maps.placed import drawn_places, place


def metres(lat, lon, lat0, lon0) -> np.ndarray:
    """By the haversine, whatever way the draws were made."""
    a, b = np.radians(lat), math.radians(lat0)
    h = np.sin((a - b) / 2) ** 2 + np.cos(a) * math.cos(b) * np.sin(np.radians(lon - lon0) / 2) ** 2
    return 2 * 6_371_008.8 * np.arcsin(np.sqrt(h))


@pytest.mark.parametrize(("stated", "reach"), [("25000", 25_000.0), ("", 1000.0)])
@pytest.mark.parametrize(("lat", "lon"), [(48.2, 16.3), (-62.0, 179.95)])
def test_places_lie_evenly_in_the_circle_of_uncertainty(tmp_path, stated, reach, lat, lon):
    rows = [row(i, lat=lat, lon=lon, coordinateUncertaintyInMeters=stated) for i in range(2000)]
    new_lat, new_lon = drawn_places(read_occurrences(table(tmp_path, rows)), seed=3)
    far = metres(new_lat, new_lon, lat, lon)

    assert far.max() <= reach * (1 + 1e-9) and (np.abs(new_lon) <= 180).all()
    assert kstest((far / reach) ** 2, "uniform").pvalue > 0.001  # evenly over the area
    east = (new_lon - lon + 180) % 360 - 180
    turn = np.arctan2(east * math.cos(math.radians(lat)), new_lat - lat) / (2 * math.pi) + 0.5
    assert kstest(turn, "uniform").pvalue > 0.001


def test_a_draw_is_the_records_own_whatever_the_region(tmp_path):
    """Of two regions and masks the records that both count lie where they lay, in the cell of the place drawn."""
    rng = np.random.default_rng(4)
    rows = [row(i, lat=rng.uniform(2, 8), lon=rng.uniform(2, 8), coordinateUncertaintyInMeters="15000")
            for i in range(500)]  # fmt: skip
    found = read_occurrences(table(tmp_path, rows))
    lat, lon = drawn_places(found, seed=7)
    wide, narrow = Grid.of("0,0,10,10", "0.25deg"), Grid.of("3,3,7,7", "0.25deg")
    of_wide = place(found, wide, np.ones(len(wide), bool), drawn=7)
    of_narrow = place(found, narrow, np.ones(len(narrow), bool), drawn=7)

    assert len(of_wide.row) == 500 and 0 < len(of_narrow.row) < 500
    for grid, placed in ((wide, of_wide), (narrow, of_narrow)):
        assert np.array_equal(placed.cell, grid.cell_of(lat[placed.row], lon[placed.row]))
    points = place(found, wide, np.ones(len(wide), bool))
    assert not np.array_equal(points.cell, of_wide.cell)
    own = [r["decimalLatitude"] for r in rows], [r["decimalLongitude"] for r in rows]
    assert np.array_equal(points.cell, wide.cell_of(*map(np.array, own)))


def made(table_path, out, **more) -> tuple[dict, bytes]:
    config = DiversityConfig(
        str(table_path),
        out,
        region="0,0,10,10",
        cells="0.5deg",
        mask="none",
        unit="record",
        rarefy=2,
        **more,
    )
    diversity(config)
    return json.loads((out / "diversity.json").read_text()), (out / "cube.parquet").read_bytes()


def test_cubes_of_one_seed_are_one_and_every_record_is_in_each(tmp_path):
    rng = np.random.default_rng(1)
    rows = [row(i, lat=rng.uniform(2, 8), lon=rng.uniform(2, 8), coordinateUncertaintyInMeters="15000")
            for i in range(400)]  # fmt: skip
    rows += [
        row(400, "Pica"),
        row(401, coordinateUncertaintyInMeters="900000"),
        row(402, decimalLatitude=""),
    ]
    path = table(tmp_path, rows)
    first, again, other, point = (
        made(path, tmp_path / name, assign=way, seed=seed)
        for name, way, seed in (("a", "random", 5), ("b", "random", 5), ("c", "random", 6), ("d", "point", 5))
    )  # fmt: skip

    assert first[1] == again[1] and first[1] not in (other[1], point[1])
    assert first[0]["assigned"] == "random" and point[0]["assigned"] == "point"
    for told, _ in (first, other, point):
        cube = told["cube"]["records"]
        assert cube == told["records"] == 400
        assert cube + sum(told["left_out"].values()) == told["rows"] == len(rows)
    held = pq.read_table(tmp_path / "a" / "cube.parquet").column("occurrences")
    assert sum(held.to_pylist()) == 400
    assert "drawn within its uncertainty (seed 5)" in (tmp_path / "a/report.html").read_text()
    assert "drawn within" not in (tmp_path / "d/report.html").read_text()


@pytest.mark.parametrize(("cells", "stay"), [("1km", False), ("2km", True)])
def test_an_uncertainty_that_is_not_stated_stands_for_a_kilometre(tmp_path, cells, stay):
    """Half the diagonal of 1 km is 707 m, of 2 km 1,414 m."""
    grid = Grid.of("5,5,6,6", cells)
    found = read_occurrences(table(tmp_path, [row(1), row(2, coordinateUncertaintyInMeters="50")]))
    placed = place(found, grid, np.ones(len(grid), bool))

    assert placed.row.tolist() == ([0, 1] if stay else [1])
    why = "no uncertainty is stated, and 1,000 m are more than half a cell's diagonal"
    assert placed.left_out == ({} if stay else {why: 1})


def test_another_way_of_assigning_is_told_the_ways(tmp_path):
    with pytest.raises(
        InputError, match="assign is 'radnom'; known: point, random; nearest: random"
    ):
        DiversityConfig("t.csv", tmp_path / "o", assign="radnom").check()
    with pytest.raises(InputError, match="fixes assign"):
        DiversityConfig("t.csv", tmp_path / "o", assign="random", paper=True).check()
