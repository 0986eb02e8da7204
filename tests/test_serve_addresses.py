"""Addresses: parameters that are none are refused wherever they stand, and whatever is read can be asked for its headers."""

from __future__ import annotations

import re

import pytest

from prom3e_index.server.parameters import MOST


@pytest.fixture(scope="module")
def paths(served, bundle, tmp_path_factory):
    """Each address that can be read, once with real values: those of the description and those that are not in it."""
    from PIL import Image

    file = tmp_path_factory.mktemp("sent") / "x.png"
    Image.new("RGB", (40, 30)).save(file)
    sound = bundle.sql("SELECT min(row) FROM observations WHERE has_audio AND NOT obscured")[0][0]
    held = {
        "id": served.ask({"location": [10, 20]}, target="image", k=5).json()["id"],
        "row": int(sound), "collection": "observations", "z": 0, "x": 0, "y": 0,
    }  # fmt: skip
    upload = served.put(file, "image/png").json()["upload"]
    needed = {
        "/api/v1/observations": "id=nobody",
        "/api/v1/taxa": "q=a",
        "/api/v1/searches": "location=1,2",
    }
    out = ["/", "/static/app.js", "/metrics", "/api/v1/version", "/openapi.json"]
    for path, methods in served.client.get("/openapi.json").json()["paths"].items():
        if "get" in methods:
            values = {**held, "id": upload} if "/uploads/" in path else held
            query = needed.get(path)
            out.append(path.format(**values) + (f"?{query}" if query else ""))
    return out


def with_parameter(path: str, text: str) -> str:
    return f"{path}{'&' if '?' in path else '?'}{text}"


def test_an_unknown_parameter_is_refused_wherever_it_stands(served, paths):
    assert len(paths) > 35
    for path in paths:
        if path == "/" or path in ("/healthz", "/readyz"):
            continue
        got = served.client.get(with_parameter(path, "nosuchthing=1"))
        assert got.status_code == 400, path
        assert got.headers["content-type"] == "application/problem+json"
        assert got.json()["parameter"] == "nosuchthing" and "'nosuchthing'" in got.json()["detail"]


def test_it_is_refused_where_something_is_changed_too(served):
    wrong = [
        served.client.post("/api/v1/searches?limt=3", json={"query": {"location": [1, 2]}}),
        served.client.delete("/api/v1/marks?rows=3"),
        served.client.put("/api/v1/uploads?modlity=image", content=b"x", headers={"content-type": "image/png"}),
    ]  # fmt: skip
    assert [w.json()["near"][0] for w in wrong] == ["limit", "row", "modality"]
    assert {w.status_code for w in wrong} == {400}


@pytest.mark.parametrize(
    ("path", "wrong", "meant"),
    [
        ("/api/v1/searches?location=1,2&taxno=Fictanimalia", "taxno", "taxon"),
        ("/api/v1/taxa?q=a&limits=3", "limits", "limit"), ("/api/v1/density/0/0/0?Bbox=1,2,3,4", "Bbox", "bbox"),
        ("/ogc/collections/observations/items?date_time=2020", "date_time", "datetime"),
        ("/api/v1/media/0/image?Size=320", "Size", "size"), ("/map.svg?serach=x", "serach", "search"),
    ],
)  # fmt: skip
def test_what_may_be_meant_is_said(served, path, wrong, meant):
    said = served.client.get(path).json()
    assert (said["status"], said["parameter"]) == (400, wrong)
    assert said["near"][0] == meant and f"nearest: {meant}" in said["detail"]


def test_lists_are_given_more_than_once_and_nothing_else(served):
    get = served.client.get
    assert get("/api/v1/searches?text=Fictanimalia&text=Fictplantae").status_code == 303
    twice = get("/api/v1/taxa?q=a&limit=3&limit=4")
    assert twice.status_code == 400 and twice.json()["parameter"] == "limit"
    assert "2 times" in twice.json()["detail"]
    many = get("/api/v1/searches?" + "more=1&" * (MOST + 1))
    assert many.status_code == 400 and f"{MOST:,}" in many.json()["detail"]


def test_the_page_opens_whatever_its_address_holds_and_versions_of_its_files_stay(served):
    assert served.client.get("/?location=1,2&whatever=3").status_code == 200
    page = served.client.get("/").text
    files = re.findall(r'(?:href|src)="(/static/[^"]+\?v=[^"]+)"', page)
    assert len(files) >= 3
    for file in files:
        assert served.client.get(file).status_code == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("observations/items?bbox=1,2,3", 400), ("observations/items?datetime=soon", 400), ("observations/items?limit=0", 400),
        ("observations/items?limit=ten", 400), ("observations/items?taxon=%20", 400), ("nothing", 404), ("nothing/items", 404),
        ("observations/items/x", 404), ("observations/items/99999", 404), ("search-unknown/items", 404),
    ],
)  # fmt: skip
def test_ogc_has_its_own_statuses(served, path, status):
    got = served.client.get(f"/ogc/collections/{path}")
    assert got.status_code == status, got.text
    assert (
        got.headers["content-type"] == "application/problem+json" and got.json()["status"] == status
    )


def test_ogc_gives_as_many_as_it_can_of_a_limit_that_is_too_large(served):
    got = served.client.get("/ogc/collections/observations/items?limit=100000").json()
    assert got["numberReturned"] == got["numberMatched"] == 60


def test_whatever_is_read_is_asked_for_its_headers(served, paths):
    """The same status and headers, and nothing else."""
    moving = {"date", "content-length", "location", "transfer-encoding"}
    for path in paths:
        read, headers = served.client.get(path), served.client.head(path)
        assert headers.status_code == read.status_code, path
        assert headers.content == b""
        assert dict(headers.headers).keys() == dict(read.headers).keys(), path
        for name in read.headers.keys() - moving:
            assert headers.headers[name] == read.headers[name], (path, name)
        if "content-encoding" not in read.headers and path != "/metrics":
            assert int(headers.headers["content-length"]) == len(read.content), path
    part = served.client.head(
        "/static/app.js", headers={"if-none-match": read.headers.get("etag", "x")}
    )
    assert part.status_code in (200, 304)
    assert served.client.head("/api/v1/nothing").status_code == 404
    assert served.client.head("/api/v1/index", headers={"authorization": "x"}).status_code == 401
    assert not served.faults
