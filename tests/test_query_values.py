"""What a query may be made of: the same checks in the library and on the command line, before anything is searched."""

from __future__ import annotations

import math
from datetime import date

import duckdb
import numpy as np
import pytest
from plain_index import made, rows, write
from typer.testing import CliRunner

from prom3e_index import Filter, Query
from prom3e_index.bundle.filters import lookups, parse_bbox
from prom3e_index.cli.app import app
from prom3e_index.errors import InputError, ShapeError

N = 8


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("values")
    x, present = rows(N, seed=5)
    dates = np.array([f"2024-0{1 + i % 8}-01" if i % 2 else "" for i in range(N)])
    return made(
        folder,
        [write(folder / "a.npz", x, present, event_start=dates, event_end=dates, event_date=dates)],
    )


NAN = math.nan
UNIT = [1.0] + [0.0] * 511


@pytest.mark.parametrize("query, words", [
    (dict(location=(999, 999)), "location has the latitude 999: outside -90..90"), (dict(location=(0, 181)), "longitude 181"),
    (dict(location=(NAN, 0)), "2 numbers"), (dict(location=(0, math.inf)), "2 numbers"), (dict(location=(1,)), "2 numbers"),
    (dict(location=5), "2 numbers"), (dict(env=[NAN] * 20), "env is"), (dict(env=[]), "env is"),
    (dict(env=["a"] * 20), "env is"), (dict(k=0), "k is 0"), (dict(k=-3), "k is -3"), (dict(k=2.5), "k is 2.5"), (dict(k=True), "k is True"),
    (dict(k="5"), "k is '5'"), (dict(delta=1.01), "delta is 1.01"), (dict(gamma=-0.1), "gamma is -0.1"), (dict(epsilon=NAN), "epsilon is nan"),
    (dict(epsilon="1"), "epsilon is '1'"), (dict(space="latent"), "Unknown space 'latent'"), (dict(text=" "), "text of the query is empty"),
    (dict(text=7), "text of the query"), (dict(image=7), "image is 7"), (dict(embedding=UNIT), "go together"),
    (dict(embedding_of="image"), "go together"), (dict(embedding=[NAN] * 512, embedding_of="sat"), "not numbers"),
    (dict(embedding=["x"] * 512, embedding_of="sat"), "no vector of numbers"), (dict(embedding=UNIT, embedding_of="smell"), "Unknown modality 'smell'"),
    (dict(embedding=UNIT, embedding_of="loc"), "gives loc twice"), (dict(embedding=UNIT, embedding_of="place"), "gives loc twice"),
    (dict(text="x", embedding=UNIT, embedding_of="text"), "gives text twice"), (dict(image="a.jpg", embedding=UNIT, embedding_of="photo"), "gives image twice"),
    (dict(target="smell"), "Unknown modality"), (dict(filter=dict(near=(0, 0, -1))), "radius -1 km"), (dict(filter=dict(near=(0, 0, NAN))), "3 numbers"),
    (dict(filter=dict(near=(0, 200, 1))), "near has the longitude 200"), (dict(filter=dict(bbox=(0, 0, 1))), "4 numbers"),
    (dict(filter=dict(bbox=(0, 5, 1, 4))), "bbox is 0,5,1,4"), (dict(filter=dict(bbox=(-181, 0, 0, 1))), "bbox is -181"),
    (dict(filter=dict(since="2024-13")), "no date"), (dict(filter=dict(since=2024)), "since is 2024"), (dict(filter=dict(taxon="")), "taxon is empty"),
    (dict(filter=dict(where=5)), "where is 5"), (dict(filter=dict(since=date(2024, 5, 1), until=date(2024, 4, 1))), "since=2024-05-01 lies after until=2024-04-01"),
    (dict(filter=dict(observed="sat"), observed_only=True, target="image"), "leave one out"),
])  # fmt: skip
def test_values_that_nothing_could_be_found_with_are_refused(index, query, words):
    with pytest.raises(InputError, match=words):
        if "filter" in query:
            query = query | {"filter": Filter(**query["filter"])}
        index.search(Query(**{"location": (1.0, 2.0)} | query))


def test_the_models_own_widths_are_asked_for(index):
    with pytest.raises(ShapeError, match=r"\(1, 19\)"):
        index.search(Query(env=[1.0] * 19))
    with pytest.raises(ShapeError, match="768 wide.*512"):
        index.search(Query(embedding=[1.0] * 768, embedding_of="sat"))
    with pytest.raises(InputError, match="gives nothing"):
        index.search(Query())


@pytest.mark.parametrize("scale", [1e-30, 1e-5, 1e18, 1e200])
def test_the_length_of_an_embedding_does_not_matter(index, scale):
    vector = np.asarray(index.embeddings("loc")[2], np.float64)
    hits = [
        index.search(Query(embedding=v, embedding_of="loc", target="sat", k=N)).hits
        for v in (vector, vector * scale)
    ]
    assert [h.row for h in hits[0]] == [h.row for h in hits[1]]
    assert [h.score for h in hits[0]] == pytest.approx([h.score for h in hits[1]], abs=2e-6)


def test_the_command_line_refuses_alike(index):
    for words, options in (
        ("latitude 999", ["--location", "999,0"]), ("epsilon is 2", ["--location", "1,2", "--epsilon", "2"]),
        ("k is 0", ["--location", "1,2", "-k", "0"]), ("bbox", ["--location", "1,2", "--bbox", "0,5,1,4"]),
        ("true or false", ["--location", "1,2", "--where", "latitude"]),
    ):  # fmt: skip
        said = CliRunner().invoke(app, ["query", "-i", str(index.path), *options])
        assert isinstance(said.exception, InputError) or said.exit_code == 2
        assert words in f"{said.exception} {said.output}", options


@pytest.mark.parametrize("given, target", [
    (dict(location=(1, 2)), "loc"), (dict(embedding=UNIT, embedding_of="image"), "image"), (dict(embedding=UNIT, embedding_of="photo"), "image"),
    (dict(embedding=UNIT, embedding_of="image", location=(1, 2)), "image"), (dict(embedding=UNIT, embedding_of="sat"), "sat"),
    (dict(embedding=UNIT, embedding_of="sat", location=(1, 2)), "sat"), (dict(embedding=UNIT, embedding_of="text", location=(1, 2)), "loc"),
    (dict(embedding=UNIT, embedding_of="audio", location=(1, 2)), "audio"), (dict(location=(1, 2), env=[0.0] * 20), "loc"),
    (dict(embedding=UNIT, embedding_of="image", target="sat"), "sat"),
])  # fmt: skip
def test_search_by_example_is_the_default(index, given, target):
    query = Query(**given, k=1)
    assert index.search(query).query["target"] == target
    assert [a.query["target"] for a in index.search_many([query, query], workers=1)] == [target] * 2


def test_date_filters_say_how_many_have_no_date(index):
    answer = index.search(Query(location=(1, 2), filter=Filter(since=date(2024, 1, 1))))
    assert answer.search["eligible"] == N // 2
    assert f"{N // 2} of {N} observations have no date and are left out" in answer.search["notes"]
    assert not any("no date" in n for n in index.search(Query(location=(1, 2))).search["notes"])


@pytest.mark.parametrize("box, inside", [
    ((-180, -10, 0, 10), {180.0, -180.0, -179.0, 0.0}), ((0, -10, 180, 10), {180.0, -180.0, 179.0, 0.0, 5.0}), ((180, -10, 180, 10), {180.0, -180.0}),
    ((-180, -10, -180, 10), {180.0, -180.0}), ((170, -10, -170, 10), {180.0, -180.0, 179.0, -179.0}), ((180, -10, -170, 10), {180.0, -180.0, -179.0}),
    ((170, -10, -180, 10), {180.0, -180.0, 179.0}), ((-180, -10, 180, 10), {180.0, -180.0, 179.0, -179.0, 0.0, 5.0}), ((1, -10, 9, 10), {5.0}),
])  # fmt: skip
def test_a_box_that_ends_at_the_antimeridian_holds_both_its_names(box, inside):
    con = duckdb.connect()
    places = [180.0, -180.0, 179.0, -179.0, 0.0, 5.0]
    con.execute("CREATE TABLE every (row BIGINT, latitude DOUBLE, longitude DOUBLE)")
    con.executemany("INSERT INTO every VALUES (?, 0, ?)", [list(p) for p in enumerate(places)])
    f = Filter(bbox=parse_bbox(",".join(map(str, box))))
    ((query, params),) = lookups(f, ["row"], ())
    assert {places[r[0]] for r in con.execute(query, params).fetchall()} == inside


def test_an_answer_is_json_whatever_numbers_it_was_asked_with(index):
    import json

    one = np.float32(1)
    f = Filter(
        near=(one, one, np.float32(1e4)), bbox=(-one, -one, one, one), since=date(2024, 1, 1)
    )
    asked = Query(location=(one, one), env=np.zeros(20, np.float32), k=np.int64(3), filter=f)
    told = json.loads(json.dumps(index.search(asked).to_dict(), allow_nan=False))["query"]
    assert told["k"] == 3 and told["given"]["loc"] == [1, 1] and len(told["given"]["env"]) == 20
    assert told["filters"] == {
        "near": [1, 1, 10_000],
        "bbox": [-1, -1, 1, 1],
        "since": "2024-01-01",
    }
