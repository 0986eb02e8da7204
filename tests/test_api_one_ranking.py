"""One ranking over HTTP: the hits of `Bundle.search`, and the same in list, map, facets, export and OGC, in order."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections import Counter

import numpy as np
import pytest

from prom3e_index.bundle.filters import Filter
from prom3e_index.licences import code_of
from prom3e_index.search.query import Query
from prom3e_index.show.maps import cell_of

BOX = (-60.0, -50.0, 120.0, 60.0)
FILTERS = {
    "none": ({}, Filter()),
    "box": ({"bbox": list(BOX)}, Filter(bbox=BOX)),
    "near": ({"near": [10.0, 20.0, 6000.0]}, Filter(near=(10.0, 20.0, 6000.0))),
    "days": ({"since": "2024-07", "until": "2025"}, Filter(since="2024-07", until="2025")),
    "licence": ({"license": ["CC0-1.0", "CC-BY-4.0"]}, Filter(licence_allow="cc0,by")),
    "nothing": ({"bbox": [0, 0, 0.001, 0.001]}, Filter(bbox=(0, 0, 0.001, 0.001))),
}


def a_name(bundle) -> str:
    found = bundle.sql(
        "SELECT taxon_species FROM observations WHERE taxon_species IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1"
    )
    return str(found[0][0])


def every_hit(served, said) -> list[dict]:
    """The hits of all pages, seven at a time."""
    hits, following = [], f"/api/v1/searches/{said['id']}?limit=7"
    while following:
        page = served.client.get(following).json()
        hits += page["hits"]
        following = page["next"]
    return hits


@pytest.mark.parametrize("name", FILTERS)
def test_hits_and_eligible_rows_are_those_of_the_library(served, bundle, name):
    asked, chosen = FILTERS[name]
    text = a_name(bundle)
    said = served.ask({"text": text}, target="image", k=50, filter=asked).json()
    right = bundle.search(Query(text=text, target="image", k=50, filter=chosen))

    assert said["numberMatched"] == right.search["eligible"]
    assert said["ranked"] == len(right)
    got = every_hit(served, said)
    assert [h["row"] for h in got] == [h.row for h in right]
    assert [h["score"] for h in got] == pytest.approx([h.score for h in right], abs=2e-6)
    assert [h["completed"] for h in got] == [h.completed for h in right]
    assert said["confidence"]["p_right"] == right.query["confidence"]["p_right"]
    assert said["weights"] == right.query["weights"]


def test_a_taxon_and_a_place_within_leave_as_many_as_the_command_line(served, bundle):
    text = a_name(bundle)
    genus = text.split()[0]
    said = served.ask(
        {"location": [10, 20]}, target="image", filter={"taxon": genus, "near": [0, 0, 9000]}
    ).json()
    right = bundle.eligible(Filter(taxon=genus, near=(0, 0, 9000)))

    assert said["numberMatched"] == len(right)
    assert {h["row"] for h in said["hits"]} <= set(right.tolist())


@pytest.fixture(scope="module")
def search(served, bundle):
    """A search of all rows, with obscured places and completed targets among them."""
    said = served.ask({"text": a_name(bundle)}, target="audio", k=1000).json()
    assert said["ranked"] == bundle.rows
    return said


def table_of(body: bytes) -> list[dict[str, str]]:
    with zipfile.ZipFile(io.BytesIO(body)) as z:
        name = next(
            n for n in z.namelist() if n.endswith(".csv") and "ATTR" not in n and "deriv" not in n
        )
        return list(csv.DictReader(io.TextIOWrapper(z.open(name), "utf-8")))


def test_list_map_export_and_features_have_the_same_ids_in_the_same_order(served, search):
    here = f"/api/v1/searches/{search['id']}"
    ids = [h["id"] for h in every_hit(served, search)]
    mapped = served.client.get(f"{here}/map").json()
    exported = table_of(served.client.get(f"{here}/export", params={"format": "csv"}).content)
    alone = served.client.get(f"{here}/export", params={"format": "geojson", "alone": True}).json()
    features = served.client.get(
        f"/ogc/collections/search-{search['id']}/items", params={"limit": 1000}
    ).json()

    assert len(ids) == len(set(ids)) == 60
    assert [f["properties"]["id"] for f in mapped["features"]] == ids
    assert [r["id"] for r in exported] == ids
    assert [f["properties"]["id"] for f in alone["features"]] == ids
    assert [f["properties"]["id"] for f in features["features"]] == ids
    assert features["numberMatched"] == 60


def test_facets_count_the_very_hits_of_the_list(served, search, bundle):
    hits = every_hit(served, search)
    by = "species,license,kind,month"
    got = served.client.get(f"/api/v1/searches/{search['id']}/facets", params={"by": by}).json()
    assert got["window"] == len(hits)

    def told(name):
        return {v["value"]: v["count"] for v in got["facets"][name]["values"]}

    species = Counter(h["species"] for h in hits)
    assert got["facets"]["species"]["without"] == species.pop(None, 0)
    assert told("species") == species
    assert told("license") == Counter(code_of(h["license"]) for h in hits)
    assert told("kind") == Counter("completed" if h["completed"] else "observed" for h in hits)
    months = bundle.sql(
        "SELECT month(event_start) FROM observations WHERE event_start IS NOT NULL AND "
        "date_trunc('month', event_start) = date_trunc('month', event_end)"
    )
    assert told("month") == Counter(f"{m:02d}" for (m,) in months)


def test_marks_of_another_kind_of_facet_are_refused_with_the_nearest(served, search):
    got = served.client.get(f"/api/v1/searches/{search['id']}/facets?by=speceis")
    assert got.status_code == 422
    assert got.json()["near"][0] == "species"


def test_an_obscured_place_is_a_cell_on_the_map_and_no_tile_is_linked(served, search, bundle):
    hidden = {
        int(r): (a, o)
        for r, a, o in bundle.sql(
            "SELECT row, latitude, longitude FROM observations WHERE obscured AND latitude IS NOT NULL"
        )
    }
    assert hidden
    mapped = served.client.get(f"/api/v1/searches/{search['id']}/map").json()
    shapes = {f["id"]: f["geometry"] for f in mapped["features"]}
    hits = {h["row"]: h for h in every_hit(served, search)}
    for row, (latitude, longitude) in hidden.items():
        south, west, north, east = cell_of(latitude, longitude, None)
        corners = np.array(shapes[row]["coordinates"][0])
        np.testing.assert_allclose(corners.min(0), [west, south], atol=1e-6)
        np.testing.assert_allclose(corners.max(0), [east, north], atol=1e-6)
        assert hits[row]["links"]["sat"] is None
    open_rows = [r for r, s in shapes.items() if s and r not in hidden]
    assert {shapes[r]["type"] for r in open_rows} == {"Point"}
    places = bundle.sql("SELECT row, longitude, latitude FROM observations")
    for row, *place in places:
        if row in open_rows:
            assert shapes[row]["coordinates"] == place
    assert mapped["without_place"] == sum(s is None for s in shapes.values())


def test_a_completed_hit_says_so_everywhere_and_has_no_file(served, search):
    hits = [h for h in every_hit(served, search) if h["completed"]]
    rows = table_of(served.client.get(f"/api/v1/searches/{search['id']}/export").content)
    by_id = {r["id"]: r for r in rows}
    assert hits
    for h in hits:
        assert "audio" in h["completed_modalities"]
        assert h["links"]["audio"] is None
        assert by_id[h["id"]]["completed"] == "true"


@pytest.mark.parametrize("format", ["csv", "geojson", "parquet", "geoparquet", "dwca", "gpkg"])
def test_no_export_tells_a_path_and_each_row_has_its_licence(served, search, tmp_path, format):
    if format == "gpkg":
        pytest.importorskip("pyogrio")
    got = served.client.get(f"/api/v1/searches/{search['id']}/export", params={"format": format})
    assert got.status_code == 200
    with zipfile.ZipFile(io.BytesIO(got.content)) as z:
        whole = b"".join(z.read(n) for n in z.namelist())
        names = z.namelist()
    assert b"/tmp/" not in whole
    assert b"world/w" not in whole
    if format != "dwca":
        assert any("ATTRIBUTION" in n for n in names)
        assert any("README" in n for n in names)
    link = got.headers["link"]
    assert "creativecommons.org/licenses/by-nc/" in link
    assert 'rel="license"' in link
    if format == "csv":
        for r in table_of(got.content):
            assert r["license"]
            assert r["rights_holder"]
            assert r["media"] == "" or r["media"].startswith(
                f"{served.url}/api/v1/media/{r['row']}/"
            )


def test_the_species_of_an_answer_are_a_table(served, search):
    hits = every_hit(served, search)
    got = served.client.get(f"/api/v1/searches/{search['id']}/export", params={"format": "species"})
    rows = list(csv.DictReader(io.StringIO(got.text)))
    named = [h["species"] or h["scientific_name"] for h in hits]

    assert [r["species"] for r in rows] == list(dict.fromkeys(n for n in named if n))
    assert {r["species"]: int(r["hits"]) for r in rows} == Counter(n for n in named if n)
    first = next(h for h in hits if h["species"])
    assert int(rows[0]["best_rank"]) == first["rank"]


def test_a_search_is_the_same_whatever_way_it_is_asked(served, bundle):
    text = a_name(bundle)
    posted = served.ask({"text": [text], "location": [10.0, 20.0]}, target="image", k=30,
                        filter={"bbox": list(BOX), "observed_only": True}).json()  # fmt: skip
    got = served.client.get(
        "/api/v1/searches",
        params={"text": text, "location": "10,20", "target": "image", "k": 30, "observed_only": "true",
                "bbox": ",".join(map(str, BOX))},
    )  # fmt: skip
    assert got.status_code == 303
    by_address = served.client.get(got.headers["location"]).json()

    assert [h["row"] for h in by_address["hits"]] == [h["row"] for h in posted["hits"]]
    assert by_address["numberMatched"] == posted["numberMatched"]
    assert by_address["query"] == posted["query"]
    assert by_address["filter"] == posted["filter"]
    again = served.client.post(
        "/api/v1/searches",
        json={k: by_address[k] for k in ("query", "target", "k", "filter", "group_by")},
    ).json()
    assert [h["row"] for h in again["hits"]] == [h["row"] for h in posted["hits"]]


def test_one_of_each_species(served, bundle):
    said = served.ask({"text": a_name(bundle)}, target="image", k=50, group_by="species").json()
    right = bundle.search(Query(text=a_name(bundle), target="image", k=50, group_by="species"))
    assert [h["row"] for h in every_hit(served, said)] == [h.row for h in right]


def test_a_file_is_asked_with_as_the_library_asks(served, bundle, world):
    cell = bundle.sql("SELECT image FROM observations WHERE has_image ORDER BY row LIMIT 1")[0][0]
    photo = world / cell
    sent = served.put(photo, "image/jpeg").json()
    said = served.ask({"image": {"upload": sent["upload"]}}, target="image", k=12).json()
    right = bundle.search(Query(image=photo, target="image", k=12))

    assert [h["row"] for h in said["hits"]] == [h.row for h in right]
    assert said["query"] == {"image": [{"upload": sent["upload"]}]}
    assert str(photo.parent) not in json.dumps(said)


def test_a_span_of_a_recording_is_asked_with_as_the_library_asks(served, bundle, world):
    cell = bundle.sql("SELECT audio FROM observations WHERE has_audio ORDER BY row LIMIT 1")[0][0]
    sound = world / cell
    sent = served.put(sound, "audio/wav").json()
    part = {"upload": sent["upload"], "from": 0.5, "to": 1.5}
    said = served.ask({"audio": [part]}, target="image", k=12).json()
    right = bundle.search(Query(audio=f"{sound}@0.5-1.5", target="image", k=12))

    assert [h["row"] for h in said["hits"]] == [h.row for h in right]
    assert said["query"]["audio"] == [part]
