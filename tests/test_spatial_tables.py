"""Geometries are places in WGS84, whatever file and projection they come in; what is no point is said."""

from __future__ import annotations

import json
import sqlite3
import struct
import sys
import zipfile

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from prom3e_index.errors import TableError
from prom3e_index.tables import read_observations, recognise, source_files
from prom3e_index.tables.geometry import centre, from_wkb
from prom3e_index.tables.sources import open_source

pyogrio = pytest.importorskip("pyogrio")
LAMBERT = "EPSG:31370"
TRIANGLE = [[(0.0, 0.0), (6.0, 0.0), (0.0, 3.0), (0.0, 0.0)]]


def point(x: float, y: float, order: str = "<") -> bytes:
    return (b"\x01" if order == "<" else b"\x00") + struct.pack(order + "Idd", 1, x, y)


def polygon(rings) -> bytes:
    out = struct.pack("<BII", 1, 3, len(rings))
    for ring in rings:
        out += struct.pack("<I", len(ring)) + b"".join(struct.pack("<dd", *p) for p in ring)
    return out


def line(points) -> bytes:
    return struct.pack("<BII", 1, 2, len(points)) + b"".join(struct.pack("<dd", *p) for p in points)


def write(
    path,
    geometries,
    driver=None,
    crs="EPSG:4326",
    kind="Point",
    layer=None,
    append=False,
    **columns,
):
    fields = columns or {"id": [f"g{i}" for i in range(len(geometries))]}
    pyogrio.raw.write(
        path, np.array(geometries, object), [np.array(v, object) for v in fields.values()], list(fields),
        geometry_type=kind, crs=crs, driver=driver, layer=layer, append=append,
    )  # fmt: skip


def rows(path, table=None, size: int = 2):
    source = open_source(path, None, table)
    return [r for batch in source.batches(size) for r in batch.to_pylist()], source


def places(found) -> list:
    return [
        None
        if r["decimalLatitude"] is None
        else (round(float(r["decimalLatitude"]), 6), round(float(r["decimalLongitude"]), 6))
        for r in found
    ]


@pytest.mark.parametrize(
    ("name", "driver", "kind"),
    [("t.gpkg", "GPKG", "geopackage"), ("t.fgb", "FlatGeobuf", "flatgeobuf"), ("t.shp", "ESRI Shapefile", "shapefile"),
     ("t.geojson", "GeoJSON", "geojson"), ("t.geojsonl", "GeoJSONSeq", "geojson"), ("t.kml", "KML", "kml")],
)  # fmt: skip
def test_points_of_every_format_are_the_same_places(tmp_path, name, driver, kind):
    at = [(4.25, 51.5), (-0.125, -33.75), (179.5, 0.0)]
    if kind == "flatgeobuf":
        pyogrio.raw.write(tmp_path / name, np.array([point(*p) for p in at], object), [np.array(["a", "b", "c"], object)],
                          ["Name"], geometry_type="Point", crs="EPSG:4326", driver=driver, SPATIAL_INDEX="NO")  # fmt: skip
    else:
        write(tmp_path / name, [point(*p) for p in at], driver, Name=["a", "b", "c"])

    found, source = rows(tmp_path / name)

    assert recognise(tmp_path / name) == source.format == kind
    assert [r["Name"] for r in found] == ["a", "b", "c"]
    assert places(found) == [(y, x) for x, y in at]
    assert source.facts["rows"] == 3


@pytest.mark.parametrize("name", ["t.gpkg", "t.parquet", "t.geojson"])
def test_projected_places_are_brought_to_degrees_and_that_is_said(tmp_path, name):
    pyproj = pytest.importorskip("pyproj")
    metres = [(152183.743364, 210003.572252), (145153.305108, 165506.850515)]
    lon, lat = pyproj.Transformer.from_crs(LAMBERT, "OGC:CRS84", always_xy=True).transform(
        *zip(*metres, strict=True)
    )
    path = tmp_path / name
    if name == "t.gpkg":
        write(path, [point(*p) for p in metres], crs=LAMBERT)
    elif name == "t.parquet":
        geo = {
            "primary_column": "geometry",
            "columns": {
                "geometry": {"encoding": "WKB", "crs": {"id": {"authority": "EPSG", "code": 31370}}}
            },
        }
        table = pa.table(
            {"id": ["g0", "g1"], "geometry": [point(*metres[0]), point(*metres[1], ">")]}
        )
        parquet.write_table(table.replace_schema_metadata({"geo": json.dumps(geo)}), path)
    else:
        features = [
            {
                "type": "Feature",
                "properties": {"id": f"g{i}"},
                "geometry": {"type": "Point", "coordinates": p},
            }
            for i, p in enumerate(metres)
        ]
        path.write_text(
            json.dumps(
                {
                    "type": "FeatureCollection",
                    "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::31370"}},
                    "features": features,
                }
            )
        )

    found, source = rows(path, size=1)

    assert places(found) == [(round(a, 6), round(b, 6)) for a, b in zip(lat, lon, strict=True)]
    assert [r["id"] for r in found] == ["g0", "g1"]
    assert any("31370" in s and "degrees in WGS84" in s for s in source.said)


@pytest.mark.parametrize("name", ["t.gpkg", "t.geojson"])
def test_lines_and_polygons_have_a_point_and_are_counted(tmp_path, name):
    path = tmp_path / name
    if name == "t.gpkg":
        write(
            path,
            [polygon(TRIANGLE), line([(0, 0), (4, 0), (4, 4)]), None, point(1, 2)],
            kind="Unknown",
        )
    else:
        geometries = [{"type": "Polygon", "coordinates": TRIANGLE}, {"type": "LineString", "coordinates": [[0, 0], [4, 0], [4, 4]]},
                      None, {"type": "Point", "coordinates": [1, 2, 99]}]  # fmt: skip
        path.write_text(
            "\n".join(
                json.dumps({"type": "Feature", "id": i, "properties": {"name": "x"}, "geometry": g})
                for i, g in enumerate(geometries)
            )
        )

    found, source = rows(path)
    rows_again = [r for batch in source.batches(4) for r in batch.to_pylist()]

    assert places(found) == [(1.0, 2.0), (0.0, 4.0), None, (2.0, 1.0)] and rows_again == found
    said = [s for s in source.said if s.startswith("Geometries: ")]
    assert said == ["Geometries: 1 LineString, 1 Polygon: the place of each is a point within it (centroid or half way along).",
                    "Geometries: 1 rows have none, so they have no place."]  # fmt: skip


@pytest.mark.parametrize("size", [1, 2, 7])
def test_a_geometry_that_gives_no_place_is_a_loss_of_its_row_with_the_reason(tmp_path, size):
    cut, curve = point(1, 2)[:9], struct.pack("<BII", 1, 8, 0)
    about = {"version": "1.0.0", "primary_column": "geometry", "columns": {"geometry": {"encoding": "WKB"}}}  # fmt: skip
    cells = [point(4, 51), cut, None, point(5, 52), curve]
    table = pa.table({"id": list("abcde"), "geometry": cells})
    parquet.write_table(
        table.replace_schema_metadata({"geo": json.dumps(about)}), tmp_path / "t.parquet"
    )
    shapes = [{"type": "Point", "coordinates": p} for p in ([4, 51], ["x", "y"], [], [5, 52])]
    features = [{"type": "Feature", "id": i, "geometry": g} for i, g in zip("abcd", shapes, strict=True)]  # fmt: skip
    features.append({"type": "Feature", "id": "e", "geometry": {"type": "Arc", "coordinates": []}})
    (tmp_path / "t.geojson").write_text("\n".join(map(json.dumps, features)))

    for name, why in (("t.parquet", ("the geometry is cut off", "a geometry of type 8 has no point")),
                      ("t.geojson", ("the coordinates are no numbers", "a geometry of type Arc has no point"))):  # fmt: skip
        read = read_observations(tmp_path / name)
        found = [r for batch in read.batches(size) for r in batch.to_pylist()]

        assert [(r["id"], r["latitude"], r["longitude"]) for r in found] == [
            ("a", 51, 4), ("b", None, None), ("c", None, None), ("d", 52, 5), ("e", None, None)]  # fmt: skip
        lost = {r["id"]: [p["reason"] for p in r["problems"]] for r in found if r["problems"]}
        assert list(lost) == ["b", "e"]
        assert why[0] in lost["b"][0] and why[1] in lost["e"][0]
        assert "Geometries: 1 rows have none, so they have no place." in read.said


def test_the_point_of_a_shape_lies_within_it():
    horseshoe = [[(0, 0), (10, 0), (10, 10), (9, 10), (9, 1), (1, 1), (1, 10), (0, 10), (0, 0)]]
    x, y = centre("Polygon", horseshoe)

    assert (0 < x < 1 or 9 < x < 10) and y == 5.0
    assert centre("Polygon", [[(0, 0), (4, 0), (4, 2), (0, 2), (0, 0)]]) == (2.0, 1.0)
    assert centre("MultiPolygon", [[[(9, 9), (10, 9), (10, 10), (9, 9)]], TRIANGLE]) == (2.0, 1.0)
    assert centre("MultiPoint", [(0, 0), (2, 4)]) == (1.0, 2.0)
    assert centre("Point", [float("nan"), float("nan")]) is None
    assert centre("LineString", [(3, 3), (3, 3)]) == (3.0, 3.0)
    assert centre("GeometryCollection", [("Point", []), ("Point", [5, 6])]) == (5.0, 6.0)


def test_wkb_of_every_dialect_and_none_that_is_cut():
    assert from_wkb(struct.pack("<BIddd", 1, 1001, 1, 2, 3)) == ("Point", [1, 2])
    assert from_wkb(struct.pack("<BIdddd", 1, 3001, 1, 2, 3, 4)) == ("Point", [1, 2])
    assert from_wkb(struct.pack("<BIIddd", 1, 0xA0000001, 4326, 1, 2, 3)) == ("Point", [1, 2])
    assert from_wkb(struct.pack("<BII", 1, 4, 1) + point(7, 8)) == ("MultiPoint", [[7, 8]])
    assert from_wkb(polygon(TRIANGLE)) == ("Polygon", [[list(p) for p in TRIANGLE[0]]])
    for bad in (b"", b"\x01", point(1, 2)[:-1], polygon(TRIANGLE)[:-3], struct.pack("<BII", 1, 2, 2**32 - 1),
                struct.pack("<BI", 1, 8), struct.pack("<BII", 1, 7, 1) * 40):  # fmt: skip
        with pytest.raises(ValueError, match="geometry"):
            from_wkb(bad)


def test_a_shapefile_is_read_from_its_folder_and_its_zip_with_whole_names_and_media_above(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.jpg").write_bytes(b"x")
    (tmp_path / "shp").mkdir()
    write(
        tmp_path / "shp/obs.shp",
        [point(4, 51)],
        scientificName=["Parus major"],
        image=["photos/a.jpg"],
    )
    with zipfile.ZipFile(tmp_path / "obs.zip", "w") as z:
        for p in sorted((tmp_path / "shp").iterdir()):
            z.write(p, f"export/{p.name}")

    for path, media in (
        (tmp_path / "shp", tmp_path),
        (tmp_path / "shp/obs.shp", tmp_path),
        (tmp_path / "obs.zip", tmp_path),
    ):
        found, source = rows(path)

        assert [(r["scientificName"], r["image"]) for r in found] == [
            ("Parus major", "photos/a.jpg")
        ] and places(found) == [(51, 4)]
        assert source.format == "shapefile" and source.media == media
        assert any("scientific → scientificName" in s for s in source.said)
    assert {p.suffix for p in source_files(tmp_path / "shp")} >= {".shp", ".dbf", ".prj"}


def test_layers_are_chosen_by_name_and_views_are_never_run(tmp_path):
    path = tmp_path / "t.gpkg"
    write(path, [point(1, 2)], layer="plots")
    write(path, [point(3, 4)], layer="birds", append=True)
    con = sqlite3.connect(path)
    con.execute("CREATE VIEW trap AS SELECT * FROM birds")
    con.execute(
        "INSERT INTO gpkg_contents (table_name, data_type, identifier) VALUES ('trap', 'features', 'trap')"
    )
    con.commit()
    con.close()

    with pytest.raises(TableError, match="has the layers plots, birds; name one as PATH::LAYER"):
        rows(path)
    with pytest.raises(TableError, match="is a view"):
        rows(path, "trap")
    found, source = rows(path, "birds")

    assert places(found) == [(4.0, 3.0)] and any("not plots" in s for s in source.said)


def test_a_table_with_places_of_its_own_keeps_them(tmp_path):
    write(tmp_path / "t.gpkg", [point(1, 2)], decimalLatitude=["50"], decimalLongitude=["5"])

    found, source = rows(tmp_path / "t.gpkg")

    assert found == [{"decimalLatitude": "50", "decimalLongitude": "5"}]
    assert any("its geometries are not used" in s for s in source.said)


def test_waypoints_and_placemarks_have_a_time_and_no_column_of_the_device(tmp_path):
    (tmp_path / "w.gpx").write_text(
        '<?xml version="1.0"?><gpx version="1.1" creator="x" xmlns="http://www.topografix.com/GPX/1/1">'
        '<wpt lat="51.5" lon="4.25"><time>2023-05-23T10:00:00Z</time><name>Parus major</name><sat>7</sat></wpt>'
        '<trk><name>walk</name><trkseg><trkpt lat="1" lon="2"/></trkseg></trk></gpx>'
    )
    (tmp_path / "k.kml").write_text(
        '<?xml version="1.0"?><kml xmlns="http://www.opengis.net/kml/2.2"><Document><Placemark><name>Parus major</name>'
        "<TimeStamp><when>2023-05-23T10:00:00Z</when></TimeStamp><ExtendedData><Data name='count'><value>3</value></Data>"
        "</ExtendedData><Point><coordinates>4.25,51.5,0</coordinates></Point></Placemark></Document></kml>"
    )
    with zipfile.ZipFile(tmp_path / "k.kmz", "w") as z:
        z.write(tmp_path / "k.kml", "doc.kml")

    for name in ("w.gpx", "k.kml", "k.kmz"):
        found, source = rows(tmp_path / name)

        assert places(found) == [(51.5, 4.25)] and str(found[0]["eventDate"]).startswith(
            "2023-05-23 10:00:00"
        )
        assert found[0].get("Name", found[0].get("name")) == "Parus major"
        assert not {"sat", "id", "icon"} & set(source.columns)
    assert any("not routes, tracks" in s for s in rows(tmp_path / "w.gpx")[1].said)


def test_without_the_extra_the_message_has_the_line_that_installs_it(tmp_path, monkeypatch):
    write(tmp_path / "t.gpkg", [point(1, 2)])
    monkeypatch.setitem(sys.modules, "pyogrio", None)

    with pytest.raises(TableError, match=r"pip install 'prom3e-index\[formats\]'"):
        rows(tmp_path / "t.gpkg")
