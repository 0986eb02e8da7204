"""Maps over HTTP: densities, the range of a query, the map as a picture, outlines, OGC Features, and a map that lies below."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter

import numpy as np
import pytest
from served import serving

from prom3e_index.bundle.filters import Filter
from prom3e_index.grid.grid import Grid
from prom3e_index.maps.run import MapConfig, make_map
from prom3e_index.maps.spaces import maps_space
from prom3e_index.search.query import Query
from prom3e_index.server.ranges import side_of
from prom3e_index.world import planet


@pytest.fixture(autouse=True)
def cells_are_kept_elsewhere(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cells"))


def places(bundle, where="true"):
    return bundle.sql(
        f"SELECT row, latitude, longitude, obscured FROM observations WHERE latitude IS NOT NULL AND {where}"
    )


@pytest.mark.parametrize("tile", [(0, 0, 0), (1, 0, 0), (1, 1, 1), (3, 4, 3), (4, 2, 5)])
@pytest.mark.parametrize("filter", ["", "since=2025-01-01"])
def test_cells_count_the_observations_within(served, bundle, tile, filter):
    z, x, y = tile
    got = served.client.get(f"/api/v1/density/{z}/{x}/{y}?{filter}").json()
    step = 360 / 2**z / 64
    assert got["step_deg"] == step
    west, north = -180 + x * 360 / 2**z, 90 - y * 180 / 2**z
    where = "event_end >= DATE '2025-01-01'" if filter else "true"
    counts, hidden = Counter(), 0
    for _, latitude, longitude, obscured in places(bundle, where):
        column, line = (
            int((longitude - west) // step),
            int((latitude - (north - 32 * step)) // step),
        )
        if not (0 <= column < 64 and 0 <= line < 32):
            continue
        if obscured and step < 1:
            hidden += 1
        else:
            counts[line, column] += 1
    said = {
        (round((south - (north - 32 * step)) / step), round((w - west) / step)): n
        for w, south, _, _, n in got["cells"]
    }
    assert said == counts
    assert got["hidden"] == hidden
    assert not got["sampled"]


@pytest.mark.parametrize("tile", ["0/1/0", "0/0/1", "13/0/0", "-1/0/0", "2/4/0", "a/0/0", "2/0/4"])
def test_a_tile_that_is_none(served, tile):
    assert served.client.get(f"/api/v1/density/{tile}").status_code in (404, 422)


def test_the_range_of_a_query_is_the_map_of_the_command(served, bundle):
    name = str(
        bundle.sql(
            "SELECT taxon_species FROM observations WHERE taxon_species IS NOT NULL ORDER BY row LIMIT 1"
        )[0][0]
    )
    said = served.ask({"text": name}, target="image").json()
    got = served.client.get(f"{said['links']['range']}?cells=800").json()
    query = Query(text=name, space=maps_space(bundle.model()))
    right = make_map(
        bundle, query, MapConfig(cells=f"{got['side_deg']:g}deg", expected_error=False, keep=False)
    )
    cells = np.array(got["cells"], float)

    assert got["side_deg"] == side_of(None, 800) == 10
    assert len(cells) == len(right.scores)
    np.testing.assert_allclose(cells[:, 4], right.scores, atol=1e-5)
    lat, lon = right.grid.centres(right.mask.cells)
    np.testing.assert_allclose(cells[:, :4].mean(1), (lat + lon) / 2, atol=1e-6)
    np.testing.assert_allclose(cells[:, 2] - cells[:, 0], 10)
    assert any("no probability" in s for s in got["sentences"])
    assert got["taxon"] == name


def test_a_range_that_the_policy_forbids_is_refused_in_words(served, bundle):
    said = served.ask({"location": [10, 20]}, target="image").json()
    got = served.client.get(f"{said['links']['range']}?bbox=10,10,10.4,10.4&cells=20000")
    # 0.1 degree is the finest without a policy; the grid has no finer one
    assert got.status_code in (200, 422)
    assert served.client.get(f"{said['links']['range']}?bbox=5,4,3").status_code == 422


@pytest.mark.parametrize(
    ("box", "cells", "side"),
    [(None, 4000, 5.0), (None, 20_000, 2.0), (None, 100, 10.0), ((0, 0, 10, 10), 4000, 0.2),
     ((170, -5, -170, 5), 4000, 0.25), ((0.0, 0.0, 1.0, 1.0), 4000, 0.1)],
)  # fmt: skip
def test_cells_are_as_fine_as_their_number_allows(box, cells, side):
    assert side_of(box, cells) == side
    region = "world" if box is None else ",".join(map(str, box))
    assert side == 10.0 or len(Grid.of(region, f"{side:g}deg")) <= cells


def test_the_map_as_a_picture_has_the_hits_where_they_are(served, bundle):
    said = served.ask({"location": [10, 20]}, target="image", k=60).json()
    got = served.client.get("/map.svg", params={"search": said["id"], "width": 720, "height": 360})
    assert got.headers["content-type"] == "image/svg+xml"
    root = ET.fromstring(got.text)
    drawn = {int(g.get("data-row")): g for g in root if g.get("data-row")}
    assert drawn.keys() == {r for r, *_ in places(bundle)}
    for row, latitude, longitude, obscured in places(bundle):
        (mark,) = [e for e in drawn[row] if e.tag.endswith(("circle", "rect"))]
        assert mark.tag.endswith("rect" if obscured else "circle")
        if not obscured:
            assert float(mark.get("cx")) == pytest.approx((longitude + 180) * 2, abs=0.06)
            assert float(mark.get("cy")) == pytest.approx((90 - latitude) * 2, abs=0.06)
    assert "<script" not in got.text
    assert "style=" not in got.text
    assert "http://" not in got.text.replace("http://www.w3.org/2000/svg", "")


def test_a_box_of_the_map_across_the_date_line(served, bundle):
    said = served.ask({"location": [10, 20]}, target="image", k=60).json()
    got = served.client.get(
        "/map.svg",
        params={"search": said["id"], "bbox": "150,-90,-150,90", "width": 600, "height": 300},
    )
    drawn = {int(g.get("data-row")) for g in ET.fromstring(got.text) if g.get("data-row")}
    within = {r for r, _, o, hidden in places(bundle) if (o >= 150 or o <= -150) and not hidden}
    assert within <= drawn
    beyond = {r for r, _, o, hidden in places(bundle) if -149 < o < 149}
    assert not drawn & beyond


def test_the_outline_is_of_the_planet_where_the_index_is(served):
    got = served.client.get("/api/v1/outline.json")
    said = got.json()
    assert said["outline"] == "planet"
    polygons = said["features"][0]["geometry"]["coordinates"]
    rng = np.random.default_rng(3)
    lat, lon = rng.uniform(-85, 85, 400), rng.uniform(-179, 179, 400)
    true = planet.is_land(planet.fields(lat, lon))
    found = np.array([odd(polygons, x, y) for x, y in zip(lon, lat, strict=True)])
    assert (found == true).mean() > 0.97  # half a degree apart, and the coast between
    assert 0.1 < found.mean() < 0.9
    again = served.client.get(
        "/api/v1/outline.json", headers={"if-none-match": got.headers["etag"]}
    )
    assert again.status_code == 304


def odd(polygons, x, y) -> bool:
    crossed = 0
    for ring in (r for p in polygons for r in p):
        a = np.array(ring)
        b, a = a[1:], a[:-1]
        over = (a[:, 1] > y) != (b[:, 1] > y)
        at = a[over, 0] + (y - a[over, 1]) / (b[over, 1] - a[over, 1]) * (b[over, 0] - a[over, 0])
        crossed += int((at > x).sum())
    return bool(crossed % 2)


def test_the_earth_has_its_own_outline():
    from prom3e_index.server.outlined import as_geojson

    said = as_geojson("earth")
    polygons = said["features"][0]["geometry"]["coordinates"]
    assert odd(polygons, 16.4, 48.2)
    assert odd(polygons, -100, 40)
    assert not odd(polygons, -30, 0)
    assert not odd(polygons, 160, 0)
    assert "Natural Earth" in said["source"]


def test_all_observations_are_features_page_by_page(served, bundle):
    landing = served.client.get("/ogc").json()
    rel = {link["rel"]: link["href"] for link in landing["links"]}
    assert served.client.get(rel["conformance"]).json()["conformsTo"]
    collections = served.client.get(rel["data"]).json()["collections"]
    assert [c["id"] for c in collections] == ["observations"]
    following = next(link["href"] for link in collections[0]["links"] if link["rel"] == "items")
    following += "?limit=13"
    rows = []
    while following:
        page = served.client.get(following).json()
        assert page["numberMatched"] == 60
        assert page["numberReturned"] == len(page["features"])
        rows += [f["id"] for f in page["features"]]
        following = next((link["href"] for link in page["links"] if link["rel"] == "next"), None)
    assert rows == sorted(r for (r,) in bundle.sql("SELECT row FROM observations"))
    one = served.client.get("/ogc/collections/observations/items/7").json()
    assert one["id"] == 7
    assert "image" not in one["properties"]


@pytest.mark.parametrize(
    ("params", "chosen"),
    [({"bbox": "-60,-50,120,60"}, Filter(bbox=(-60, -50, 120, 60))),
     ({"bbox": "150,-90,-150,90"}, Filter(bbox=(150, -90, -150, 90))),
     ({"bbox": "-60,-50,0,120,60,9000"}, Filter(bbox=(-60, -50, 120, 60))),
     ({"datetime": "2025-01-01/.."}, Filter(since="2025-01-01")),
     ({"datetime": "../2024-12-31T23:59:59Z"}, Filter(until="2024-12-31")),
     ({"datetime": "2024-07-01T00:00:00Z/2025-02-01T00:00:00+01:00"}, Filter(since="2024-07-01", until="2025-02-01")),
     ({"datetime": "2024-10"}, Filter(since="2024-10", until="2024-10"))],
)  # fmt: skip
def test_features_are_filtered_as_a_search_is(served, bundle, params, chosen):
    got = served.client.get(
        "/ogc/collections/observations/items", params={**params, "limit": 1000}
    ).json()
    assert [f["id"] for f in got["features"]] == bundle.eligible(chosen).tolist()


@pytest.mark.parametrize(
    "params",
    [{"bbox": "1,2,3"}, {"bbox": "a,b,c,d"}, {"bbox": "0,10,1,5"}, {"datetime": "yesterday"}, {"datetime": "/"},
     {"datetime": "2024-01-01/2024-02-01/2024-03-01"}, {"datetime": "2024-13"}, {"limit": "0"}, {"limit": str(2**63)},
     {"offset": "-1"}, {"bbox": "nan,0,1,1"}],
)  # fmt: skip
def test_a_part_that_is_none_is_a_problem(served, params):
    got = served.client.get("/ogc/collections/observations/items", params=params)
    assert got.status_code == 400, got.text
    assert got.headers["content-type"] == "application/problem+json"


def test_a_collection_that_is_none(served):
    for name in ("birds", "search-none", "search-", "observations/../x"):
        assert served.client.get(f"/ogc/collections/{name}/items").status_code in (404, 422)


def test_the_map_below_comes_in_parts(bundle_path, served, tmp_path):
    assert served.client.get("/basemap.pmtiles").status_code == 404
    tiles = tmp_path / "site.pmtiles"
    tiles.write_bytes(b"PMTiles\x03" + bytes(range(256)) * 8)
    with serving(bundle_path, warm=False, basemap=tiles) as server:
        whole = server.client.get("/basemap.pmtiles")
        assert whole.content == tiles.read_bytes()
        part = server.client.get("/basemap.pmtiles", headers={"range": "bytes=7-10"})
        assert (part.status_code, part.content) == (206, tiles.read_bytes()[7:11])
        assert server.client.get("/api/v1/index").json()["allows"]["basemap"]
