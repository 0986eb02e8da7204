"""GeoPackage, GeoParquet and H3 tables as software that is not ours reads them: GDAL, DuckDB, h3."""

from __future__ import annotations

import json
import sqlite3
import sys

import duckdb
import h3
import numpy as np
import pyarrow as pa
import pyogrio
import pytest
from exported import ROWS
from pyarrow import parquet

from prom3e_index import Bundle, Filter
from prom3e_index.errors import InputError
from prom3e_index.exports.cells import check_resolution, write_cells
from prom3e_index.exports.points import places, points
from prom3e_index.exports.rows import Rows
from prom3e_index.exports.write import write_export

WITH_PLACE = [r for r in ROWS if r.get("decimalLatitude")]


def point(text: bytes) -> tuple[float, float]:
    """Longitude and latitude of well-known binary, by GDAL's own reading."""
    import struct

    order, kind, x, y = struct.unpack("<BIdd", text)
    assert (order, kind) == (1, 1)
    return x, y


def test_a_geopackage_is_what_gdal_reads(opened, tmp_path):
    file = tmp_path / "a.gpkg"
    done = write_export(opened, file)
    info = pyogrio.read_info(file)
    assert (info["crs"], info["geometry_type"], info["features"], info["layer_name"]) == (
        "EPSG:4326",
        "Point",
        11,
        "observations",
    )
    assert info["capabilities"]["fast_spatial_filter"] and done == 11
    assert json.loads(info["layer_metadata"]["PROM3E"])["licence"] == "ARR" == done.licence
    meta, layer = pyogrio.read_arrow(file)
    shapes = layer.column(meta["geometry_name"]).to_pylist()
    found = {
        i: None if s is None else point(s)
        for i, s in zip(layer["id"].to_pylist(), shapes, strict=True)
    }
    assert found == {
        r["occurrenceID"]: (float(r["decimalLongitude"]), float(r["decimalLatitude"]))
        if r.get("decimalLatitude")
        else None
        for r in ROWS
    }
    stored = dict(opened.sql("SELECT id, occurrenceRemarks FROM observations"))
    assert (
        dict(zip(layer["id"].to_pylist(), layer["occurrenceRemarks"].to_pylist(), strict=True))
        == stored
    )
    with sqlite3.connect(file) as con:
        assert con.execute("PRAGMA application_id").fetchone() == (1196444487,)
        assert con.execute("PRAGMA user_version").fetchone() == (10400,)
        assert con.execute("SELECT count(*) FROM rtree_observations_geom").fetchone() == (
            len(WITH_PLACE),
        )
        assert con.execute("SELECT srs_id FROM gpkg_geometry_columns").fetchall() == [(4326,)]
    _, near = pyogrio.read_arrow(file, bbox=(179, -1, 180, 1))
    assert near["id"].to_pylist() == ["urn:a:3"]


def test_a_geoparquet_is_a_geometry_to_duckdb_without_an_extension(opened, tmp_path):
    file = tmp_path / "a.geoparquet"
    assert write_export(opened, file) == 11
    con = duckdb.connect(
        config={"autoload_known_extensions": "false", "autoinstall_known_extensions": "false"}
    )
    kinds = dict(
        r[:2] for r in con.execute(f"DESCRIBE SELECT * FROM read_parquet('{file}')").fetchall()
    )
    assert kinds["geometry"] == "GEOMETRY('OGC:CRS84')" and kinds["bbox"].startswith(
        "STRUCT(xmin DOUBLE"
    )
    rows = con.execute(
        f"SELECT id, longitude, latitude, bbox FROM read_parquet('{file}')"
    ).fetchall()
    assert len(rows) == 11
    for name, x, y, box in rows:
        assert box is None if x is None else box == {"xmin": x, "ymin": y, "xmax": x, "ymax": y}, (
            name
        )
    meta = parquet.read_schema(file).metadata
    geo = json.loads(meta[b"geo"])
    assert (
        geo["version"] == "1.1.0"
        and geo["primary_column"] == "geometry"
        and "crs" not in geo["columns"]["geometry"]
    )
    assert geo["columns"]["geometry"] == {
        "encoding": "WKB", "geometry_types": ["Point"], "bbox": [-179.99, -33.5, 179.99, 48.21],
        "covering": {"bbox": {s: ["bbox", s] for s in ("xmin", "ymin", "xmax", "ymax")}},
    }  # fmt: skip
    assert json.loads(meta[b"prom3e"])["rows"] == 11
    shapes = parquet.read_table(file)["geometry"].to_pylist()
    assert {point(s) for s in shapes if s is not None} == {
        (float(r["decimalLongitude"]), float(r["decimalLatitude"])) for r in WITH_PLACE
    }


def test_columns_of_the_table_that_a_layer_needs_get_other_names(tmp_path):
    from prom3e_index.exports.geopackage import write_geopackage
    from prom3e_index.exports.geoparquet import write_geoparquet

    batch = pa.record_batch(
        {
            "GEOM": ["a"],
            "fid": [7],
            "Geometry": ["b"],
            "bbox": [[1, 2]],
            "longitude": [1.0],
            "latitude": [2.0],
            "many": [{"a": None}],
        }
    )
    write_geopackage(batch.schema, [batch], tmp_path / "a.gpkg", {})
    _, layer = pyogrio.read_arrow(tmp_path / "a.gpkg")
    row = layer.to_pylist()[0]
    assert (row["source_GEOM"], row["source_fid"], row["bbox"], row["many"]) == (
        "a",
        7,
        "[1, 2]",
        '{"a": null}',
    )
    write_geoparquet(batch.schema, [batch], tmp_path / "a.parquet", {})
    assert parquet.read_table(tmp_path / "a.parquet").column_names == [
        "GEOM", "fid", "source_Geometry", "source_bbox", "longitude", "latitude", "many", "geometry", "bbox",
    ]  # fmt: skip


def test_points_are_the_places_and_null_where_there_is_none():
    x = np.array([0.0, -180, 180, 181, np.nan, 5, 5])
    y = np.array([0.0, -90, 90, 0, 0, np.nan, 91])
    batch = pa.record_batch(
        {"longitude": pa.array(x, from_pandas=True), "latitude": pa.array(y, from_pandas=True)}
    )
    made = points(*places(batch))
    made.validate(full=True)
    assert [None if v is None else point(v) for v in made.to_pylist()] == [
        (0, 0),
        (-180, -90),
        (180, 90),
        None,
        None,
        None,
        None,
    ]
    for n in (0, 1, 7, 8, 9):  # the mask is packed by eight
        again = points(*places(batch.take(pa.array(np.arange(n) % 7))))
        again.validate(full=True)
        assert again.null_count == sum(i % 7 > 2 for i in range(n))


def test_cells_count_each_observation_that_is_surely_in_them(opened, tmp_path):
    """Against h3 row by row; the obscured row, and those without a place, are in none and told."""
    done = write_export(opened, tmp_path / "a.h3.parquet", resolution=4)
    found = {r["h3"]: r for r in parquet.read_table(tmp_path / "a.h3.parquet").to_pylist()}
    expected: dict[str, set[str]] = {}
    for r in WITH_PLACE:
        if r["occurrenceID"] != "urn:a:2":
            cell = h3.latlng_to_cell(float(r["decimalLatitude"]), float(r["decimalLongitude"]), 4)
            expected.setdefault(cell, set()).add(r["occurrenceID"])
    assert {k: r["observations"] for k, r in found.items()} == {
        k: len(v) for k, v in expected.items()
    }
    assert done == len(expected) and sum("in no cell: 1 " in n for n in done.notes) == 2
    for key, r in found.items():
        assert h3.is_valid_cell(key) and h3.get_resolution(key) == 4 and len(key) == 15
        assert r["area_km2"] == pytest.approx(h3.cell_area(key, unit="km^2"))
    many = found[h3.latlng_to_cell(1.5, 2.5, 4)]
    assert (many["species"], str(many["first_day"]), str(many["last_day"])) == (
        1,
        "2024-01-01",
        "2999-01-01",
    )
    for wrong in (-1, 16, 2.5, True):
        with pytest.raises(InputError, match="whole number from 0"):
            check_resolution(wrong)


def test_an_observation_of_several_rows_is_counted_once(tmp_path):
    rows = {
        "id": ["a", "a#2", "b"],
        "observation": ["a", "a", "b"],
        "longitude": [1.0] * 3,
        "latitude": [2.0] * 3,
    }
    batch = pa.record_batch(rows)
    for several, wanted in ((True, 2), (False, 3)):
        assert write_cells([batch], tmp_path / "c.parquet", 5, {}, several=several) == (1, {})
        (cell,) = parquet.read_table(tmp_path / "c.parquet").to_pylist()
        assert (cell["observations"], cell["species"], cell["first_day"]) == (wanted, 0, None)


def test_no_rows_make_a_table_without_cells(tmp_path):
    assert write_cells([], tmp_path / "c.parquet", 5, {}) == (0, {})
    assert parquet.read_table(tmp_path / "c.parquet").num_rows == 0


def test_a_completed_place_is_no_geometry_and_no_cell(tmp_path):
    """Rows whose place only the model completed have none, in any layer."""
    from exported import index_of, table

    head = ("id", "scientificName", "decimalLatitude", "decimalLongitude")
    rows = [
        {
            "id": "here",
            "scientificName": "Pica pica",
            "decimalLatitude": "10",
            "decimalLongitude": "20",
        },
        {"id": "nowhere", "scientificName": "Pica pica"},
    ]
    with Bundle.open(index_of(table(tmp_path / "t.csv", rows, head), tmp_path / "i.p3i")) as bundle:
        for name in ("a.gpkg", "a.geoparquet", "a.geojson", "a.csv", "a.h3.parquet"):
            bundle.export(tmp_path / name)
    _, layer = pyogrio.read_arrow(tmp_path / "a.gpkg")
    assert [s is None for s in layer["geom"].to_pylist()] == [False, True]
    table_ = parquet.read_table(tmp_path / "a.geoparquet").to_pylist()
    assert [(r["geometry"] is None, r["latitude"]) for r in table_] == [(False, 10.0), (True, None)]
    shapes = json.loads((tmp_path / "a.geojson").read_text())["features"]
    assert [f["geometry"] for f in shapes] == [{"type": "Point", "coordinates": [20.0, 10.0]}, None]
    assert parquet.read_table(tmp_path / "a.h3.parquet")["observations"].to_pylist() == [1]


def test_without_the_package_one_line_says_what_to_install(opened, tmp_path, monkeypatch):
    for module, name in (("pyogrio", "a.gpkg"), ("h3", "a.h3.parquet")):
        monkeypatch.setitem(sys.modules, module, None)
        monkeypatch.setattr(
            "prom3e_index.exports.extra.find_spec",
            lambda wanted, gone=module: None if wanted == gone else 1,
        )
        with pytest.raises(
            InputError,
            match=rf"needs {module}, which is not installed: pip install 'prom3e-index\[gis\]'",
        ):
            write_export(opened, tmp_path / name)
        assert not list(tmp_path.iterdir())


def test_layers_of_a_filter_have_its_rows(opened, tmp_path):
    chosen = Filter(where="license LIKE 'CC%'", taxon="Pica pica")
    wanted = [
        i
        for (i,) in opened.sql(
            "SELECT id FROM observations WHERE license LIKE 'CC%' AND scientific_name = 'Pica pica' ORDER BY row"
        )
    ]
    assert len(wanted) == 5
    assert (
        write_export(opened, tmp_path / "a.gpkg", chosen=chosen)
        == write_export(opened, tmp_path / "a.geoparquet", chosen=chosen)
        == 5
    )
    assert (
        pyogrio.read_arrow(tmp_path / "a.gpkg")[1]["id"].to_pylist()
        == parquet.read_table(tmp_path / "a.geoparquet")["id"].to_pylist()
        == wanted
    )
    assert len(Rows.chosen(opened, chosen)) == 5
