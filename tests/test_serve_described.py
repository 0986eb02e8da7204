"""What `docs/serve.md` says of addresses is what there is, and GDAL reads the features as it says."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest
from conftest import ROOT
from served import TOKEN

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
