"""Grids: lattices that fit each other, date line and poles, true areas, masks, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
from rasterio.features import rasterize

from prom3e_index.errors import InputError
from prom3e_index.grid.grid import Grid
from prom3e_index.grid.masks import mask_of
from prom3e_index.grid.outlines import conus, holds, outlines

WGS84_KM2 = 510_065_621.724


def test_the_world_has_each_place_once_and_no_pole():
    grid = Grid.of("world", "1deg")
    lat, lon = grid.centres()

    assert grid.shape == (180, 360)
    assert np.array_equal(np.unique(lat), np.arange(-89.5, 90))
    assert np.array_equal(np.unique(lon), np.arange(-179.5, 180))
    assert lat[0] == 89.5 and lon[0] == -179.5  # row 0 is the north
    assert grid.areas_km2().sum() == pytest.approx(WGS84_KM2, rel=1e-9)


def test_maps_of_two_regions_lie_on_one_lattice():
    for cells in ("0.1deg", "25km", "5min"):
        one, other = Grid.of("AUT", cells), Grid.of("5,40,20,50", cells)
        a, b = one.affine, other.affine
        steps = (a[2] - b[2]) / a[0], (a[5] - b[5]) / a[4]
        assert np.allclose(steps, np.round(steps), atol=1e-6)
        assert set(one.codes()) <= set(other.codes())


def test_a_place_is_in_the_cell_that_holds_it():
    rng = np.random.default_rng(3)
    lat, lon = rng.uniform(-85, 85, 400), rng.uniform(-180, 180, 400)
    for grid in (Grid.of("world", "0.25deg"), Grid.of("-60,-40,40,60", "2deg")):
        a, _, c, _, e, f = grid.affine
        found = grid.cell_of(lat, lon)
        for i, cell in enumerate(found):
            row, column = np.floor((lat[i] - f) / e), np.floor((lon[i] - c) / a)
            inside = 0 <= row < grid.shape[0] and 0 <= column < grid.shape[1]
            assert cell == (row * grid.shape[1] + column if inside else -1)


@pytest.mark.parametrize(
    ("region", "cells", "crs"),
    [("world", "1deg", None), ("world", "200km", None), ("170,-50,-170,-30", "1deg", None),
     ("FJI", "25km", None), ("conus", "50km", 5070), ("AUT", "10km", 3035), ("RUS", "2deg", None)],
)  # fmt: skip
def test_every_centre_lies_in_its_own_cell(region, cells, crs):
    grid = Grid.of(region, cells, crs)
    lat, lon = grid.centres()
    known = np.flatnonzero(np.isfinite(lat))

    assert len(known) > 0.9 * len(grid)
    assert np.array_equal(grid.cell_of(lat[known], lon[known]), known)


def test_a_region_runs_on_over_the_date_line():
    grid = Grid.of("170,-50,-170,-30", "1deg")
    lat, lon = grid.centres(np.array([0, 19]))

    assert grid.shape == (20, 20) and grid.affine[2] == 170
    assert lon.tolist() == [170.5, -170.5]
    assert grid.cell_of(np.array([-40.0]), np.array([-175.0])) == [10 * 20 + 15]
    assert grid.cell_of(np.array([-40.0, -40.0]), np.array([169.0, -169.5])).tolist() == [-1, -1]
    assert Grid.of("FJI", "1deg").region.bounds[2] > 180


def test_sub_points_are_spread_over_the_cell_and_centre_on_it():
    grid = Grid.of("0,0,3,2", "1deg")
    lat, lon = grid.sub_points(np.array([0]), 4)

    assert sorted(zip(lat[0], lon[0], strict=True)) == [(1.25, 0.25), (1.25, 0.75), (1.75, 0.25), (1.75, 0.75)]  # fmt: skip
    with pytest.raises(InputError, match="square"):
        grid.sub_points(None, 3)


def test_equal_area_cells_have_one_area_and_the_ellipsoid_agrees():
    geod = pytest.importorskip("pyproj").Geod(ellps="WGS84")
    for crs, cells in ((None, "25km"), (5070, "20km"), (3035, "10km")):
        grid = Grid.of("conus" if crs != 3035 else "AUT", cells, crs)
        some = np.arange(0, len(grid), max(1, len(grid) // 300))
        areas = grid.areas_km2(some)
        assert grid.equal_area
        assert areas.max() / areas.min() < 1.0001
        assert areas[0] == pytest.approx(float(cells[:-2]) ** 2, rel=1e-5)
    degrees = Grid.of("10,50,12,52", "1deg")
    corner = np.linspace(10, 11, 200)
    ring_lon = np.concatenate([corner, corner[::-1]])
    ring_lat = np.concatenate([np.full(200, 51.0), np.full(200, 52.0)])
    truth = abs(geod.polygon_area_perimeter(ring_lon, ring_lat)[0]) / 1e6
    assert degrees.areas_km2()[0] == pytest.approx(truth, rel=1e-6)


def test_cells_of_h3_are_those_of_the_library():
    h3 = pytest.importorskip("h3")
    grid = Grid.of("170,-50,-170,-30", "h3:3")
    lat, lon = grid.centres()
    rng = np.random.default_rng(0)
    a, b = rng.uniform(-48, -32, 200), rng.choice([-1, 1], 200) * rng.uniform(171, 180, 200)

    codes = grid.codes()
    assert all(h3.is_valid_cell(c) for c in codes)
    own = grid.cell_of(a, b)
    for i, cell in enumerate(own):
        name = h3.latlng_to_cell(a[i], b[i], 3)
        assert cell == (codes.index(name) if name in codes else -1)
    every = {c for base in h3.get_res0_cells() for c in h3.cell_to_children(base, 3)}
    places = {c: h3.cell_to_latlng(c) for c in every}
    assert set(codes) == {c for c, (y, x) in places.items() if -50 <= y <= -30 and (x - 170) % 360 < 20}  # fmt: skip
    assert grid.areas_km2()[0] == pytest.approx(h3.cell_area(codes[0], unit="km^2"))
    drawn = grid.raster(np.arange(len(grid), dtype=float))
    assert drawn.shape == grid.shape and set(np.unique(drawn[np.isfinite(drawn)])) == set(
        range(len(grid))
    )
    assert np.isfinite(lat).all() and np.isfinite(lon).all()


def test_a_raster_is_copied_to_the_bit(tmp_path):
    transform = rasterio.Affine(1234.5678, 0, -2356113.7422, 0, -1234.5678, 3172567.9209)
    with rasterio.open(tmp_path / "r.tif", "w", driver="GTiff", dtype="uint8", count=1, width=7, height=5,
                       crs="EPSG:5070", transform=transform) as tif:  # fmt: skip
        tif.write(np.ones((1, 5, 7), np.uint8))
    grid = Grid.like(tmp_path / "r.tif")

    assert (grid.crs, grid.shape, grid.transform) == ("EPSG:5070", (5, 7), transform)
    lat, lon = grid.centres()
    assert np.array_equal(grid.cell_of(lat, lon), np.arange(35))


def test_rasters_that_do_not_say_where_they_lie_are_refused(tmp_path):
    for name, crs, e in (("none", None, -1.0), ("south", "EPSG:4326", 1.0)):
        with rasterio.open(tmp_path / f"{name}.tif", "w", driver="GTiff", dtype="uint8", count=1, width=2, height=2,
                           crs=crs, transform=rasterio.Affine(2, 0, 5, 0, e, 9)) as tif:  # fmt: skip
            tif.write(np.ones((1, 2, 2), np.uint8))
    with pytest.raises(InputError, match="no reference system"):
        Grid.like(tmp_path / "none.tif")
    with pytest.raises(InputError, match="upside down"):
        Grid.like(tmp_path / "south.tif")
    with pytest.raises(InputError, match="does not exist"):
        Grid.like(tmp_path / "nothing.tif")


def test_the_contiguous_states_by_the_paper_s_grid():
    grid = Grid.of("conus", "250x500")
    mask = mask_of(grid)
    places = {
        "Delaware": (39.0, -75.5),
        "DC": (38.9, -77.02),
        "Keys": (24.7, -81.1),
        "Lake Michigan": (43.5, -87.0),
    }
    inside = {name: bool(holds(conus(), [a], [b])[0]) for name, (a, b) in places.items()}

    assert abs(int(mask.inside.sum()) - 71_354) <= 100
    assert inside == {"Delaware": True, "DC": True, "Keys": True, "Lake Michigan": False}
    assert "2017" in mask.words


def test_places_within_are_those_that_gdal_draws():
    lat, lon = 90 - (np.arange(720) + 0.5) / 4, -180 + (np.arange(1440) + 0.5) / 4
    every = np.meshgrid(lat, lon, indexing="ij")
    place = rasterio.Affine(0.25, 0, -180, 0, -0.25, 90)
    for code in ("ATA", "FJI", "AUT", "MDG"):
        (own,) = [o for o in outlines("country") if o.code == code]
        drawn = np.zeros((720, 1440), bool)
        for ring in own.rings:  # inside is what an odd number of them surrounds
            shape = {"type": "Polygon", "coordinates": [ring.tolist()]}
            drawn ^= rasterize([shape], (720, 1440), transform=place).astype(bool)
        found = holds([own], every[0].ravel(), every[1].ravel()).reshape(720, 1440)
        assert found.any() and (found != drawn).sum() <= 3, code
    assert holds(outlines("land"), [-89.9, 66.5, 66.5, np.nan, 0], [0, 179.99, -179.99, 0, -30]).tolist() == [
        True, True, True, False, False,
    ]  # fmt: skip


def test_masks_of_files(tmp_path):
    square = {"type": "Polygon", "coordinates": [[[1, 1], [3, 1], [3, 3], [1, 3], [1, 1]]]}
    (tmp_path / "s.geojson").write_text(json.dumps(square))
    grid = Grid.of("0,0,4,4", "1deg")
    values = np.zeros((1, 4, 4), np.float32)
    values[0, 0, 3], values[0, 1, 1] = 5, np.nan
    with rasterio.open(tmp_path / "m.tif", "w", driver="GTiff", dtype="float32", count=1, width=4, height=4,
                       crs="EPSG:4326", transform=rasterio.Affine(1, 0, 0, 0, -1, 4)) as tif:  # fmt: skip
        tif.write(values)

    assert mask_of(grid, str(tmp_path / "s.geojson")).cells.tolist() == [5, 6, 9, 10]
    assert mask_of(grid, str(tmp_path / "m.tif")).cells.tolist() == [3]
    assert mask_of(Grid.of(str(tmp_path / "s.geojson"), "1deg"), "none").inside.all()
    assert len(mask_of(grid, "none").cells) == 16
    with pytest.raises(InputError, match="No cell"):
        mask_of(Grid.of("-40,30,-39,31", "1deg"))
    with pytest.raises(InputError, match="--climate|climate"):
        mask_of(grid, "climate")
    with pytest.raises(InputError, match="must be land"):
        mask_of(grid, "sea")


@pytest.mark.parametrize(
    ("region", "cells", "crs", "said"),
    [
        ("Austra", "1deg", None, "nearest: Austria"),
        ("10,5,12,3", "1deg", None, "south below"),
        ("10,5,10,6", "1deg", None, "0 degrees wide"),
        ("world", "0.7deg", None, "do not divide the globe"),
        ("world", "0.01deg", None, "648,000,000 cells"),
        ("conus", "fine", None, "0.1deg, 5min, 25km"),
        ("conus", "0km", None, "0.1deg, 5min, 25km"),
        ("conus", "10km", 999_999, "EPSG code"),
        ("conus", "10km", "4326", "in degrees"),
        ("conus", "0.1deg", 5070, "kilometres or metres"),
        ("conus", "h3:16", None, "0 to 15"),
        ("nowhere.geojson", "1deg", None, "cannot be read"),
    ],
)
def test_what_makes_no_grid_is_said(region, cells, crs, said):
    with pytest.raises(InputError, match=said):
        Grid.of(region, cells, crs)
