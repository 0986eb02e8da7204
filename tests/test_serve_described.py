"""What `docs/serve.md` says of addresses is what there is, and GDAL reads the features as it says."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest
from conftest import ROOT
from served import TOKEN

from prom3e_index.server.addressed import FilterParameters
from prom3e_index.server.asking import Only

PAGE = (ROOT / "docs" / "serve.md").read_text(encoding="utf-8")


def test_all_addresses_are_listed_and_no_other(served):
    listed = re.findall(r"`(GET|PUT|POST|DELETE) (/[^`]*)`", PAGE)
    paths = served.client.get("/openapi.json").json()["paths"]
    there = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert set(listed) == there
    assert len(listed) == len(there)


def test_the_query_with_observations_is_one(served, bundle):
    row = int(bundle.sql("SELECT min(row) FROM observations WHERE has_image")[0][0])
    said = json.loads(re.search(r"-d '(\{.*\})'", PAGE)[1])
    said["query"] = {
        "like": {"row": row, "by": said["query"]["like"]["by"]},
        "more": [4, 5],
        "less": [7],
    }
    got = served.client.post("/api/v1/searches", json=said)
    assert got.status_code == 201, got.text
    assert row not in [h["row"] for h in got.json()["hits"]]


def test_all_fields_of_a_filter_are_listed_and_each_is_the_same_in_json_and_in_an_address(
    served, bundle
):
    family = bundle.sql("SELECT mode(family) FROM observations")[0][0]
    rows = re.findall(
        r"^\| `(\w+)` \| `(.+?)` \| `(.+?)`",
        PAGE.partition("## Filters")[2].replace("Corvidae", family),
        re.M,
    )
    paths = served.client.get("/openapi.json").json()["paths"]
    asked = {p["name"] for p in paths["/api/v1/searches"]["get"]["parameters"]}
    assert [name for name, *_ in rows] == list(Only.model_fields)
    of_one = set(FilterParameters.model_fields)
    assert of_one - {name for name, *_ in rows} == {"datetime"} and "`datetime=" in PAGE
    expected = {
        "taxon": f"family = '{family}'",
        "bbox": "longitude BETWEEN -60 AND 120 AND latitude BETWEEN -50 AND 60",
        "near": "acos(sin(radians(latitude)) * sin(radians(10)) + cos(radians(latitude)) * cos(radians(10)) "
        "* cos(radians(longitude - 20))) * 6371 < 6000",
        "since": "event_end >= '2024-05-01'",
        "until": "event_start <= '2025-06-15'",
        "license": "license IN ('CC0 1.0', 'CC BY 4.0')",
        "observed_only": "has_image",
    }
    search = {"query": {"location": [5, 5]}, "target": "image", "k": 60}

    def found(answer):
        assert answer.status_code in (200, 201), answer.text
        page = served.client.get(f"/api/v1/searches/{answer.json()['id']}", params={"limit": 60})
        return [h["row"] for h in page.json()["hits"]]

    for name, value, address in rows:
        assert name in asked and set(re.findall(r"(\w+)=", address)) == {name}
        given = {"filter": {name: json.loads(value)}}
        mine = found(served.client.post("/api/v1/searches", json=search | given))
        place = f"/api/v1/searches?location=5,5&target=image&k=60&{address}"
        assert found(served.client.get(place, follow_redirects=True)) == mine
        held = bundle.sql(f"SELECT row FROM observations WHERE {expected[name]} ORDER BY row")
        assert sorted(mine) == [row for (row,) in held], name


@pytest.mark.skipif(shutil.which("ogrinfo") is None, reason="GDAL's ogrinfo is not installed")
def test_gdal_reads_the_features(served, bundle):
    command = ["ogrinfo", "-ro", "-so", f"OAPIF:{served.url}/ogc", "observations"]
    header = {"GDAL_HTTP_HEADERS": f"Authorization: Bearer {TOKEN}", "PATH": "/usr/bin:/bin"}
    got = subprocess.run(command, env=header, capture_output=True, text=True, timeout=60)
    assert got.returncode == 0, got.stderr
    assert f"Feature Count: {len(bundle)}" in got.stdout and "scientific_name: String" in got.stdout
    (east, north) = bundle.sql("SELECT median(longitude), median(latitude) FROM observations")[0]
    box = ["-spat", "-180", "-90", str(east), str(north)]
    few = subprocess.run([*command, *box], env=header, capture_output=True, text=True, timeout=60)
    where = f"SELECT count(*) FROM observations WHERE longitude <= {east} AND latitude <= {north}"
    within = int(bundle.sql(where)[0][0])
    assert f"Feature Count: {within}\n" in few.stdout
    assert 0 < within < len(bundle)
    without = subprocess.run(
        command, env={"PATH": header["PATH"]}, capture_output=True, text=True, timeout=60
    )
    assert without.returncode and "401" in without.stderr
