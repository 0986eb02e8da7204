"""A climate raster gives a place its own climate or none, however the raster lies, and never a neighbour's."""

from __future__ import annotations

import numpy as np
import pytest

from prom3e_index.errors import InputError
from prom3e_index.media.climate import ClimateRaster

BANDS = 3


def write(path, layers, west, south, east, north, *, crs="EPSG:4326", transform=None, **options):
    """A GeoTIFF of (bands, rows, columns), its first row the northernmost unless `transform` says else."""
    import rasterio
    from rasterio.transform import from_bounds

    bands, rows, columns = layers.shape
    place = transform or from_bounds(west, south, east, north, columns, rows)
    with rasterio.open(
        path, "w", driver="GTiff", width=columns, height=rows, count=bands, dtype=layers.dtype,
        crs=crs, transform=place, **options,
    ) as tif:  # fmt: skip
        tif.write(layers)
    return path


def degrees(south, north, west, east, step):
    """Bands whose every cell holds its own centre: latitude, longitude, and their sum."""
    lat = np.arange(north - step / 2, south, -step)
    lon = np.arange(west + step / 2, east, step)
    a, b = np.meshgrid(lat, lon, indexing="ij")
    return np.stack([a, b, a + b]).astype(np.float32)


def unscaled(raster, layers, latitude, longitude):
    """What `lookup` gives, in the layers' own units, and which places are known."""
    mean = layers.astype(np.float64).mean((1, 2))
    std = layers.astype(np.float64).std((1, 2))
    values, known = raster.lookup(np.array(latitude, float), np.array(longitude, float))
    return values * std + mean, known


@pytest.mark.parametrize("west", [-180, 0, -10, 170])
def test_a_global_raster_is_read_at_the_place_wherever_it_begins(tmp_path, west):
    layers = degrees(-90, 90, west, west + 360, 2)
    raster = ClimateRaster.open(write(tmp_path / "c.tif", layers, west, -90, west + 360, 90), 3)
    rng = np.random.default_rng(0)
    lat, lon = rng.uniform(-90, 90, 500), rng.uniform(-180, 180, 500)
    got, known = unscaled(raster, layers, lat, lon)

    assert known.all()
    assert np.abs(got[:, 0] - lat).max() <= 1.001
    around = np.abs((got[:, 1] - lon + 180) % 360 - 180)
    assert around.max() <= 1.001


def test_poles_and_the_date_line_lie_in_the_outermost_cells(tmp_path):
    layers = degrees(-90, 90, -180, 180, 10)
    raster = ClimateRaster.open(write(tmp_path / "c.tif", layers, -180, -90, 180, 90), 3)
    got, known = unscaled(
        raster, layers, [90, -90, 0, 0, 89.999, -90], [0, 0, 180, -180, 179.999, 180]
    )

    assert known.all()
    assert np.allclose(got[:, 0], [85, -85, -5, -5, 85, -85], atol=1e-3)
    assert np.allclose(got[2:4, 1], [175, -175], atol=1e-3)


def scale(path, mean, std):
    path.write_text("mean,std\n" + "".join(f"{m},{s}\n" for m, s in zip(mean, std, strict=True)))


def test_a_part_of_the_globe_needs_a_scale_and_knows_nothing_outside_it(tmp_path):
    layers = degrees(50, 60, 0, 10, 1)
    path = write(tmp_path / "north.tif", layers, 0, 50, 10, 60)
    with pytest.raises(
        InputError, match=r"latitude 50 to 60, longitude 0 to 10.*north\.scale\.csv"
    ):
        ClimateRaster.open(path, 3)
    scale(tmp_path / "north.scale.csv", [40, 0, 50], [10, 20, 30])
    raster = ClimateRaster.open(path, 3)
    values, known = raster.lookup(
        np.array([-10.0, 55.5, 50.0, 60.0, 49.9, 55.0, np.nan]),
        np.array([-55.0, 3.5, 10.0, 0.0, 5.0, 10.1, 5.0]),
    )

    assert known.tolist() == [False, True, True, True, False, False, False]
    assert not values[~known].any()
    expected = (np.array([[55.5, 3.5, 59], [50.5, 9.5, 60], [59.5, 0.5, 60]]) - [40, 0, 50]) / [
        10,
        20,
        30,
    ]
    assert np.allclose(values[known], expected, atol=1e-5)


@pytest.mark.parametrize("west, east", [(170, 190), (-190, -170)])
def test_a_part_that_crosses_the_date_line_is_met_from_both_sides(tmp_path, west, east):
    layers = degrees(-20, -10, west, east, 1)
    path = write(tmp_path / "fiji.tif", layers, west, -20, east, -10)
    scale(tmp_path / "fiji.scale.csv", [0] * 3, [100] * 3)
    values, known = ClimateRaster.open(path, 3).lookup(
        np.full(5, -15.5), np.array([175.5, -175.5, 180.0, 0.0, 169.9])
    )

    assert known.tolist() == [True, True, True, False, False]
    around = (values[:3, 1] * 100 - [175.5, -175.5, 180.0] + 180) % 360 - 180
    assert np.abs(around).max() <= 0.51


def test_rows_from_the_south_columns_from_the_east(tmp_path):
    from affine import Affine

    layers = degrees(-90, 90, -180, 180, 10)
    lat, lon = [52.0, -33.0], [13.0, 151.0]
    straight = write(tmp_path / "n.tif", layers, -180, -90, 180, 90)
    expected = ClimateRaster.open(straight, 3).lookup(np.array(lat), np.array(lon))[0]
    south = Affine(10, 0, -180, 0, 10, -90)
    east = Affine(-10, 0, 180, 0, -10, 90)
    for name, turned, place in (("s", layers[:, ::-1], south), ("e", layers[:, :, ::-1], east)):
        path = write(tmp_path / f"{name}.tif", turned.copy(), 0, 0, 0, 0, transform=place)
        assert np.allclose(
            ClimateRaster.open(path, 3).lookup(np.array(lat), np.array(lon))[0], expected
        )
    turned = Affine(10, 1, -180, 0, -10, 90)
    path = write(tmp_path / "turned.tif", layers, 0, 0, 0, 0, transform=turned)
    with pytest.raises(InputError, match="north must be up"):
        ClimateRaster.open(path, 3)


def test_a_globe_with_values_in_one_country_is_a_part_of_it(tmp_path):
    layers = degrees(-90, 90, -180, 180, 2)
    layers[:, :, :75] = np.nan
    layers[:, :, 100:] = np.nan
    path = write(tmp_path / "c.tif", layers, -180, -90, 180, 90)
    with pytest.raises(InputError, match="a part of the globe only.*14% of its cells"):
        ClimateRaster.open(path, 3)
    path = write(tmp_path / "none.tif", np.full_like(layers, np.nan), -180, -90, 180, 90)
    with pytest.raises(InputError, match="no known value"):
        ClimateRaster.open(path, 3)


def test_an_unknown_cell_is_unknown_and_an_unknown_value_the_mean(tmp_path):
    for kind, nodata, unknown in (
        ("int16", -32768, -32768), ("int16", None, -9999), ("float32", None, -3.4e38), ("float32", 7e9, 7e9),
        ("float32", None, np.nan), ("float32", None, np.inf),
    ):  # fmt: skip
        layers = degrees(-90, 90, -180, 180, 10).round().astype(kind)
        layers[:, 3, 4] = unknown
        layers[1, 5, 6] = unknown
        path = write(tmp_path / "c.tif", layers, -180, -90, 180, 90, nodata=nodata)
        values, known = ClimateRaster.open(path, 3).lookup(
            np.array([55.0, 35.0, 25.0]), np.array([-135.0, -115.0, -115.0])
        )
        plain = layers.astype(np.float64)
        plain[:, 3, 4] = plain[1, 5, 6] = np.nan
        expected = (plain - np.nanmean(plain, (1, 2), keepdims=True)) / np.nanstd(
            plain, (1, 2), keepdims=True
        )
        assert known.tolist() == [False, True, True], (kind, unknown)
        assert not values[0].any() and values[1, 1] == 0
        assert np.allclose(values[1, [0, 2]], expected[[0, 2], 5, 6], atol=1e-4)
        assert np.allclose(values[2], expected[:, 6, 6], atol=1e-4)


def test_packed_values_are_unpacked_before_a_given_scale(tmp_path):
    import rasterio

    layers = (degrees(0, 10, 0, 10, 1) * 10).astype(np.int16)
    path = write(tmp_path / "p.tif", layers, 0, 0, 10, 10)
    with rasterio.open(path, "r+") as tif:
        tif.scales, tif.offsets = (0.1,) * 3, (5.0,) * 3
    scale(tmp_path / "p.scale.csv", [5] * 3, [10] * 3)
    values, _ = ClimateRaster.open(path, 3).lookup(np.array([4.5]), np.array([2.5]))

    assert np.allclose(values, [[0.45, 0.25, 0.7]], atol=1e-5)


def test_what_is_not_in_degrees_or_not_scaled_is_refused(tmp_path):
    layers = degrees(-90, 90, -180, 180, 10)
    path = write(tmp_path / "m.tif", layers, -2e7, -1e7, 2e7, 1e7, crs="EPSG:3857")
    with pytest.raises(InputError, match="EPSG:3857; degrees are needed"):
        ClimateRaster.open(path, 3)
    path = write(tmp_path / "u.tif", layers, -2e7, -1e7, 2e7, 1e7, crs=None)
    with pytest.raises(InputError, match="degrees of latitude and longitude are needed"):
        ClimateRaster.open(path, 3)
    with pytest.raises(InputError, match="has 3 bands, the model reads 20"):
        ClimateRaster.open(path, 20)
    np.save(tmp_path / "raw.npy", layers.transpose(1, 2, 0) * 10)
    with pytest.raises(InputError, match="values such as .*the encoder takes scaled"):
        ClimateRaster.open(tmp_path / "raw.npy", 3)
    path = write(tmp_path / "r.tif", degrees(0, 10, 0, 10, 1) * 100, 0, 0, 10, 10)
    scale(tmp_path / "r.scale.csv", [0] * 3, [1] * 3)
    with pytest.raises(InputError, match="the encoder takes scaled"):
        ClimateRaster.open(path, 3)
    for text, words in (
        ("mean,std\n1,1\n", "1 lines"), ("mean,std\n1,0\n1,1\n1,1\n", "deviation above 0"),
        ("a,b\n1,2\n", "columns mean,std"), ("mean,std\nx,1\n", "columns mean,std"),
        ("mean,std\n1,nan\n1,1\n1,1\n", "deviation above 0"),
    ):  # fmt: skip
        (tmp_path / "r.scale.csv").write_text(text)
        with pytest.raises(InputError, match=words):
            ClimateRaster.open(path, 3)


def test_rows_without_climate_are_counted_as_lost(tmp_path):
    """At sea and beyond the raster an observation has no climate; the others have that of their cell."""
    from prom3e_index.indexer.build import build
    from prom3e_index.indexer.work import BuildConfig
    from prom3e_index.models.folder import Model
    from prom3e_index.search.run import Bundle

    rng = np.random.default_rng(1)
    values = rng.normal(size=(18, 36, 20)).astype(np.float32)
    values[4, 19] = np.nan
    values[6, 20, 3] = np.nan
    np.save(tmp_path / "c.npy", values)
    rows = ["id,latitude,longitude", "land,55,15", "sea,45,15", "partly,25,25"]
    (tmp_path / "t.csv").write_text("\n".join(rows) + "\n")
    build(
        BuildConfig(
            table=str(tmp_path / "t.csv"),
            out=tmp_path / "i",
            climate=tmp_path / "c.npy",
            model="mini",
        )
    )
    bundle = Bundle.open(tmp_path / "i")
    stored = np.asarray(bundle.embeddings("env")[:], np.float32)
    cells = np.nan_to_num(values[[3, 6], [19, 20]])

    assert bundle.sql("SELECT id, has_env FROM observations ORDER BY row") == [
        ("land", True), ("sea", False), ("partly", True),
    ]  # fmt: skip
    assert bundle.sql("SELECT row, modality, reason FROM lost") == [
        (1, "env", "c.npy has no climate at this place")
    ]
    assert bundle.manifest["counts"]["files_lost"] == 1
    assert np.allclose(stored[[0, 2]], Model.open("mini").encoder("env").encode(cells), atol=1e-3)
    assert not stored[1].any()
