"""Observations, names, marks and the index over HTTP: what may be told, told as it stands."""

from __future__ import annotations

import json
import shutil

import pytest
from served import serving

from prom3e_index.bundle.filters import Filter
from prom3e_index.search.filtered import extent
from prom3e_index.search.query import Query


def test_an_observation_is_told_as_the_table_has_it(served, bundle):
    rows = bundle.sql(
        "SELECT row, id, scientific_name, license, bio_3, event_date, obscured FROM observations ORDER BY row LIMIT 9"
    )
    assert any(hidden for *_, hidden in rows)
    for row, id, name, licence, climate, day, hidden in rows:
        by_row = served.client.get(f"/api/v1/observations/{row}").json()
        by_id = served.client.get("/api/v1/observations", params={"id": id}).json()
        assert by_row == by_id
        assert (by_row["row"], by_row["id"], by_row["scientific_name"]) == (row, id, name)
        assert by_row["license"] == licence
        assert by_row["event_date"] == day
        told = by_row["fields"].get("bio_3")  # a climate tells where an obscured place is
        assert told == (None if climate is None or hidden else pytest.approx(float(climate)))
        assert not {"image", "audio", "sat", "env"} & by_row["fields"].keys()
        has = bundle.sql(f"SELECT has_image, has_audio FROM observations WHERE row = {row}")[0]
        assert ("image" in by_row["observed"], "audio" in by_row["observed"]) == has


@pytest.mark.parametrize("row", ["60", "99999999", "-1", "a", "1.5", str(10**15)])
def test_a_row_that_is_none_is_a_problem(served, row):
    got = served.client.get(f"/api/v1/observations/{row}")
    assert got.status_code in (404, 422)
    assert got.headers["content-type"] == "application/problem+json"


def test_an_id_that_is_none_is_a_problem(served):
    for id in ("nobody", "' OR 1=1 --", "x" * 300):
        got = served.client.get("/api/v1/observations", params={"id": id})
        assert got.status_code == 404


@pytest.mark.parametrize("by", [None, ["image"], ["loc"], ["image", "loc"]])
def test_more_like_this_is_what_the_library_finds(served, bundle, by):
    row = int(
        bundle.sql("SELECT row FROM observations WHERE has_image AND has_loc ORDER BY row LIMIT 1")[
            0
        ][0]
    )
    params = {"target": "image", "k": 15, **({"by": by} if by else {})}
    got = served.client.get(f"/api/v1/observations/{row}/similar", params=params)
    assert got.status_code == 303, got.text
    said = served.client.get(got.headers["location"]).json()
    right = bundle.search(
        Query(like=(row,), like_by=tuple(by) if by else None, target="image", k=15)
    )

    assert [h["row"] for h in said["hits"]] == [h.row for h in right]
    assert row not in [h["row"] for h in said["hits"]]
    assert any("left out" in n for n in said["notes"])


def test_marks_move_a_query_as_the_library_moves_it(served, bundle):
    said = served.ask(
        {"location": [10, 20], "more": [3, 5], "less": [7]}, target="image", k=20
    ).json()
    right = bundle.search(Query(location=(10, 20), more=(3, 5), less=(7,), target="image", k=20))
    assert [h["row"] for h in said["hits"]] == [h.row for h in right]


def test_a_row_that_lacks_what_it_is_asked_by_is_refused_in_words(served, bundle):
    row = int(
        bundle.sql("SELECT row FROM observations WHERE NOT has_audio ORDER BY row LIMIT 1")[0][0]
    )
    got = served.client.get(f"/api/v1/observations/{row}/similar", params={"by": "audio"})
    assert got.status_code == 422
    assert "audio" in got.json()["detail"]


def test_names_are_completed_by_scientific_and_common_beginnings(served, bundle):
    name, common = bundle.sql(
        "SELECT taxon_species, common_name FROM observations WHERE taxon_species IS NOT NULL AND common_name IS NOT NULL "
        "GROUP BY ALL ORDER BY count(*) DESC, 1 LIMIT 1"
    )[0]
    rows = len(bundle.eligible(Filter(taxon=name)))
    for typed in (
        name[:5].lower(),
        name.upper(),
        common[:6],
        common.split()[-1][:4],
        name.split()[1],
    ):
        got = served.client.get("/api/v1/taxa", params={"q": typed, "limit": 50}).json()
        found = [t for t in got if t["name"] == name]
        assert found, (typed, got)
        assert found[0]["rows"] == rows
        assert found[0]["rank"] == "species"
        assert not found[0]["near"]
    genus = name.split()[0]
    got = served.client.get("/api/v1/taxa", params={"q": genus, "limit": 50}).json()
    held = next(t for t in got if t["rank"] == "genus" and t["name"] == genus)
    assert held["rows"] == len(bundle.eligible(Filter(taxon=genus)))


def test_a_wrong_name_gives_near_ones_and_signs_are_letters(served, bundle):
    name = str(
        bundle.sql(
            "SELECT taxon_species FROM observations WHERE taxon_species IS NOT NULL LIMIT 1"
        )[0][0]
    )
    wrong = name[:-2] + name[-1] + name[-2]
    got = served.client.get("/api/v1/taxa", params={"q": wrong}).json()
    assert got[0]["near"]
    assert name in [t["name"] for t in got]
    for typed in ("%", "_", "\\", "' OR true --"):
        assert all(t["near"] for t in served.client.get("/api/v1/taxa", params={"q": typed}).json())
    refused = served.ask({"location": [1, 2]}, filter={"taxon": wrong})
    assert refused.status_code == 422
    said = refused.json()
    assert said["type"] == "/problems/unknown-taxon"
    assert said["parameter"] == "filter.taxon"
    assert name in said["near"]
    assert "Did you mean" in said["detail"]


def test_the_index_says_what_it_holds(served, bundle):
    said = served.client.get("/api/v1/index").json()
    assert said["rows"] == said["observations"] == 60
    assert said["outline"] == "planet"
    assert said["bbox"] == list(extent(bundle))
    observed = {m["name"]: m["rows"] for m in said["modalities"]}
    assert observed == {m: int(bundle.present[:, i].sum()) for i, m in enumerate(bundle.modalities)}
    assert sum(licence["rows"] for licence in said["licences"]) == 60
    assert said["limits"]["k"] == 1000
    assert "/" not in json.dumps([said["name"], said["model"]])
    names = {c["name"] for c in said["columns"]}
    assert "scientific_name" in names
    assert not {"image", "sat", "audio", "row"} & names


@pytest.fixture
def marking(bundle_path, tmp_path):
    index = tmp_path / "index.p3i"
    shutil.copytree(bundle_path, index)
    with serving(index, warm=False, marks=tmp_path / "index.p3i.marks.jsonl") as server:
        yield server, tmp_path / "index.p3i.marks.jsonl"


def test_marks_are_lines_that_are_only_added(marking, bundle):
    server, file = marking
    ids = {int(r): i for r, i in bundle.sql("SELECT row, id FROM observations")}
    post = lambda rows, mark: server.client.post(  # noqa: E731
        "/api/v1/marks", json={"rows": rows, "mark": mark, "by": "me", "search": "abc"}
    )
    assert post([4, 2], "relevant").json() == {"count": 2}
    first = file.read_text()
    assert post([9], "irrelevant").status_code == 201
    assert post([4], "irrelevant").status_code == 201
    assert file.read_text().startswith(first)
    told = server.client.get("/api/v1/marks").json()
    assert [(m["row"], m["id"], m["mark"]) for m in told["marks"]] == [
        (4, ids[4], "irrelevant"), (2, ids[2], "relevant"), (9, ids[9], "irrelevant")
    ]  # fmt: skip
    assert {m["by"] for m in told["marks"]} == {"me"}
    assert server.client.delete("/api/v1/marks", params={"row": [2, 3]}).json() == {"count": 1}
    assert [m["row"] for m in server.client.get("/api/v1/marks").json()["marks"]] == [4, 9]
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(lines) == 5
    assert lines[0].keys() == {"row", "id", "mark", "at", "by", "search", "generation"}
    assert file.stat().st_mode & 0o077 == 0
    assert server.client.delete("/api/v1/marks").json() == {"count": 2}
    assert server.client.get("/api/v1/marks").json()["marks"] == []


def test_the_marked_hits_are_exported_in_their_order(marking):
    server, _ = marking
    said = server.ask({"location": [10, 20]}, target="image", k=30).json()
    rows = [said["hits"][i]["row"] for i in (8, 3, 5)]
    server.client.post("/api/v1/marks", json={"rows": rows, "mark": "relevant"})
    server.client.post("/api/v1/marks", json={"rows": rows[:1], "mark": "irrelevant"})
    wanted = {"format": "geojson", "rows": "marked", "alone": True}
    got = server.client.get(f"/api/v1/searches/{said['id']}/export", params=wanted).json()
    assert [f["properties"]["row"] for f in got["features"]] == [rows[1], rows[2]]
    server.client.post("/api/v1/marks", json={"rows": rows, "mark": "irrelevant"})
    none = server.client.get(f"/api/v1/searches/{said['id']}/export", params=wanted)
    assert none.status_code == 422
    assert "Of the 30 hits none is marked" in none.json()["detail"]


def test_a_file_of_marks_that_is_none_or_cut_off(marking):
    server, file = marking
    server.client.post("/api/v1/marks", json={"rows": [1], "mark": "relevant"})
    with file.open("a") as f:
        f.write('{"row": 2, "id": "x", "ma')  # a crash
    assert [m["row"] for m in server.client.get("/api/v1/marks").json()["marks"]] == [1]
    server.client.post("/api/v1/marks", json={"rows": [3], "mark": "relevant"})
    told = server.client.get("/api/v1/marks").json()
    assert [m["row"] for m in told["marks"]] == [1, 3]
    assert told["unread"] == 1
    file.write_text("occurrenceID,scientificName\n1,Pica pica\n")
    refused = server.client.post("/api/v1/marks", json={"rows": [3], "mark": "relevant"})
    assert refused.status_code == 422
    assert "no file of marks" in refused.json()["detail"]
    assert str(file.parent) not in refused.text
    assert file.read_text() == "occurrenceID,scientificName\n1,Pica pica\n"


@pytest.mark.parametrize(
    "body",
    [{}, {"rows": [], "mark": "relevant"}, {"rows": [1], "mark": "good"}, {"rows": ["1"], "mark": "relevant"},
     {"rows": [1], "mark": "relevant", "path": "/etc"}, {"rows": [1] * 1001, "mark": "relevant"},
     {"rows": [60], "mark": "relevant"}, {"rows": [True], "mark": "relevant"}],
)  # fmt: skip
def test_what_is_no_mark_is_refused(marking, body):
    server, file = marking
    assert server.client.post("/api/v1/marks", json=body).status_code in (404, 422)
    assert not file.exists()


def test_without_marks_there_are_none(served):
    assert served.client.get("/api/v1/marks").status_code == 404
    assert (
        served.client.post("/api/v1/marks", json={"rows": [1], "mark": "relevant"}).status_code
        == 404
    )
