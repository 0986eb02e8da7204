"""The report names the keys and columns of the user's file, also where a reader makes columns of its own of them."""

from __future__ import annotations

import csv
import json

import pytest

from prom3e_index.indexer.look import look
from prom3e_index.indexer.work import BuildConfig


def columns(path) -> dict[str, list[str]]:
    found = look(BuildConfig(table=str(path), out=path.parent / "none.p3i"))
    assert found.rows == found.kept == 1
    return {f.name: f.columns for f in found.fields if f.rows}


def text(folder, name: str, value: object):
    folder.joinpath(name).write_text(json.dumps(value))
    return folder / name


def test_geojson(tmp_path):
    point = {"type": "Point", "coordinates": [4.4, 51.2]}
    feature = {
        "type": "Feature", "id": "x1", "geometry": point,
        "properties": {"Artname": "Parus major", "observed_on": "2024-05-01"},
    }  # fmt: skip
    found = columns(
        text(tmp_path, "t.geojson", {"type": "FeatureCollection", "features": [feature]})
    )
    assert found["place"] == ["geometry"] and found["date"] == ["observed_on"]


@pytest.mark.parametrize("own", [False, True])
def test_json_of_an_api(tmp_path, own):
    record = {
        "uuid": "u1", "observed_on": "2024-05-01", "location": "51.2,4.4",
        "taxon": {"name": "Parus major", "rank": "species", "iconic_taxon_name": "Aves"},
    }  # fmt: skip
    if own:
        record |= {"latitude": "51.2", "longitude": "4.4"}
    found = columns(text(tmp_path, "t.json", {"results": [record]}))
    assert found["place"] == ([*("latitude", "longitude") * own, "location"])  # looked at last


def test_coco(tmp_path):
    value = {
        "images": [{"id": 1, "file_name": "a.jpg", "datetime": "2024-05-01 10:00:00"}],
        "categories": [{"id": 3, "name": "Vulpes vulpes"}],
        "annotations": [{"id": 9, "image_id": 1, "category_id": 3}],
    }
    found = columns(text(tmp_path, "t.json", value))
    assert found["name"][0] == "name (categories)"
    assert found["date"] == ["datetime, date_captured or date (images)"]


def test_a_camera_trap_package(tmp_path):
    tables = {
        "deployments": [{"deploymentID": "d1", "latitude": "51.2", "longitude": "4.4", "deploymentStart": "2024-05-01T00:00:00Z", "deploymentEnd": "2024-05-09T00:00:00Z"}],
        "media": [{"mediaID": "m1", "deploymentID": "d1", "timestamp": "2024-05-02T00:00:00Z", "filePath": "a.jpg", "fileMediatype": "image/jpeg"}],
        "observations": [{"observationID": "o1", "deploymentID": "d1", "mediaID": "m1", "eventStart": "2024-05-02T00:00:00Z", "scientificName": "Vulpes vulpes", "observationType": "animal", "observationLevel": "media"}],
    }  # fmt: skip
    for name, rows in tables.items():
        with (tmp_path / f"{name}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    profile = "https://raw.githubusercontent.com/tdwg/camtrap-dp/1.0/camtrap-dp-profile.json"
    resources = [{"name": n, "path": f"{n}.csv"} for n in tables]
    text(tmp_path, "datapackage.json", {"profile": profile, "resources": resources})
    found = columns(tmp_path)
    assert found["place"] == ["latitude (deployments)", "longitude (deployments)"]
    keys = {key for rows in tables.values() for key in rows[0]}
    assert found["date"][0] == "eventStart (observations)"
    of_taxa = found.pop("name")  # `datapackage.json` may list vernacular names and ranks
    assert "scientificName" in of_taxa
    assert {c.split(" (")[0] for listed in found.values() for c in listed} <= keys


def test_a_plain_table_is_as_it_was(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("id,Lat,Long,species\na,1,2,Parus major\n")
    found = columns(path)
    assert found["place"] == ["Lat", "Long"] and found["name"] == ["species"]
