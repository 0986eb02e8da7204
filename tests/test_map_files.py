"""Files of maps: strict Cloud-Optimised GeoTIFFs, pictures with a fixed scale and the coast in its place, whole folders."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
import rasterio
from PIL import Image

from prom3e_index.errors import InputError
from prom3e_index.grid.grid import Grid
from prom3e_index.grid.masks import mask_of
from prom3e_index.grid.outlines import outlines
from prom3e_index.grid.picture import lines, picture_png
from prom3e_index.grid.write import NODATA, Band, whole_folder, write_json, write_raster


@pytest.fixture(scope="module")
def mapped():
    grid = Grid.of("conus", "50km")
    inside = mask_of(grid).inside
    lat, lon = grid.centres()
    one = Band("similarity", np.where(inside, np.sin(lat), np.nan), "", "cosine", -1, 1)
    two = Band("percentile", np.where(inside, lon % 100, np.nan), "%", "of the region", 0, 100)
    return grid, inside, [one, two]


def test_a_raster_is_what_software_expects(mapped, tmp_path):
    grid, inside, bands = mapped
    write_raster(tmp_path / "map.tif", grid, bands, {"QUERY": "abc"})

    with rasterio.open(tmp_path / "map.tif") as tif:
        values = tif.read()
        assert tif.crs.to_epsg() == 6933 and tif.transform == grid.transform and tif.transform.e < 0
        assert tif.dtypes == ("float32", "float32") and tif.nodatavals == (NODATA, NODATA)
        assert tif.descriptions == ("similarity", "percentile") and tif.units[1] == "%"
        assert tif.tags()["AREA_OR_POINT"] == "Area" and tif.tags()["QUERY"] == "abc"
        assert tif.tags(1)["long_name"] == "cosine"
        assert float(tif.tags(1)["STATISTICS_MAXIMUM"]) == pytest.approx(np.nanmax(bands[0].values), abs=1e-4)  # fmt: skip
        assert np.array_equal(tif.dataset_mask() > 0, inside.reshape(grid.shape))
        lat, lon = grid.centres(np.flatnonzero(inside)[:9])
        x, y = grid.projection.points(lat, lon, -180.0)
        sampled = np.array(list(tif.sample(list(zip(x, y, strict=True)), indexes=1)))[:, 0]
    assert not np.isnan(values).any()
    assert np.allclose(sampled, np.sin(lat), atol=1e-6)
    assert "similarity" in (tmp_path / "map.qml").read_text()


def test_a_raster_is_a_strict_cog(mapped, tmp_path):
    validate = pytest.importorskip("rio_cogeo").cog_validate
    grid, _, bands = mapped
    write_raster(tmp_path / "small.tif", grid, bands, {})
    wide = Grid.of("world", "0.25deg")
    write_raster(tmp_path / "wide.tif", wide, [Band("x", np.arange(len(wide)) % 7.0)], {})

    assert validate(tmp_path / "small.tif", strict=True) == (True, [], [])
    assert validate(tmp_path / "wide.tif", strict=True) == (True, [], [])


def test_the_same_map_has_the_same_bytes(mapped, tmp_path):
    grid, _, bands = mapped
    for name in ("a", "b"):
        write_raster(tmp_path / f"{name}.tif", grid, bands, {"QUERY": "abc"})
    pictures = [picture_png(grid, bands[0], title="t", below=["b"]) for _ in range(2)]

    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()
    assert pictures[0] == pictures[1]


def test_values_that_no_reader_would_understand_are_refused(mapped, tmp_path):
    grid, _, _ = mapped
    for band, said in (
        (Band("x", np.full(len(grid), np.inf)), "infinite"),
        (Band("x", np.full(len(grid), NODATA)), "-9999"),
        (Band("no name", np.zeros(len(grid))), "letters"),
        (Band("x", np.zeros(3)), "cells"),
    ):
        with pytest.raises(InputError, match=said):
            write_raster(tmp_path / "map.tif", grid, [band], {})
    with pytest.raises(InputError, match="at least one"):
        write_raster(tmp_path / "map.tif", grid, [], {})
    assert list(tmp_path.iterdir()) == []


CAPES = {"Land's End": (50.07, -5.71), "Cabo da Roca": (38.78, -9.5), "Ras Hafun": (10.43, 51.41)}


def test_the_coast_stands_within_a_pixel_of_where_it_is():
    grid = Grid.of("-20,0,60,60", "0.25deg")
    png = picture_png(
        grid, Band("x", np.full(len(grid), np.nan), "", "", 0, 1), title="t", below=["b"]
    )
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("L")).astype(int)
    frame = np.flatnonzero((pixels < 40).mean(0) > 0.6), np.flatnonzero((pixels < 40).mean(1) > 0.6)
    left, right = frame[0][0], frame[0][frame[0] < 1085][-1]
    top, bottom = frame[1][0], frame[1][-1]
    for name, (lat, lon) in CAPES.items():
        x = left + (lon + 20) / 80 * (right - left)
        y = top + (60 - lat) / 60 * (bottom - top)
        near = pixels[round(y) - 2 : round(y) + 3, round(x) - 2 : round(x) + 3]
        assert near.min() < 140, name  # the line; the sea is 240
        found = min(
            float(np.hypot(a - lon, b - lat).min())
            for a, b in lines(grid, outlines("land")[0].rings)
        )
        assert found < 80 / (right - left) * 1.5, name


def test_a_picture_needs_a_fixed_scale(mapped):
    grid, _, bands = mapped
    with pytest.raises(InputError, match="no fixed scale"):
        picture_png(grid, Band("x", bands[0].values), title="t", below=[])


def test_nothing_is_left_of_a_folder_that_was_not_finished(tmp_path):
    with pytest.raises(ZeroDivisionError), whole_folder(tmp_path / "m") as folder:
        (folder / "map.tif").write_text("x")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []

    with whole_folder(tmp_path / "m") as folder:
        (folder / "map.tif").write_text("x")
    with pytest.raises(InputError, match="exists"), whole_folder(tmp_path / "m"):
        pass
    with whole_folder(tmp_path / "m", overwrite=True) as folder:
        (folder / "map.tif").write_text("y")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/thesis.doc").write_text("mine")
    with (
        pytest.raises(InputError, match="no map"),
        whole_folder(tmp_path / "other", overwrite=True),
    ):
        pass
    assert (tmp_path / "m/map.tif").read_text() == "y"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m", "other"]


def test_json_has_no_nan(tmp_path):
    write_json(
        tmp_path / "m.json", {"b": np.float32(1 / 3), "a": [np.nan, np.int64(3), True, None]}
    )
    text = (tmp_path / "m.json").read_text()

    assert json.loads(text) == {"a": [None, 3, True, None], "b": 0.333333}
    assert text.index('"a"') < text.index('"b"')
