"""What a client learns of a hidden place by asking again and again, over HTTP: the centre of its cell, and no more.

Each attack is run on open rows too, whose places it finds to some metres: one that finds nothing would prove nothing.
"""

from __future__ import annotations

import json
import math

import pytest
from policies import OPEN, RULE, TRUE, birds, built
from served import serving

METRES = 111_195.0
EVERY = {**TRUE, **OPEN}


@pytest.fixture(scope="module")
def hidden(tmp_path_factory):
    """Falcons whose places stand for cells of 0.1 degree, and tits whose places are open."""
    with serving(built(tmp_path_factory.mktemp("oracles"), birds())) as server:
        yield server


@pytest.fixture(scope="module")
def withheld(tmp_path_factory):
    """The same, of which the falcons' places are told to nobody."""
    rule = RULE.replace("0.1deg", "withhold")
    with serving(built(tmp_path_factory.mktemp("withheld"), birds(), rule)) as server:
        yield server


def metres(a, b) -> float:
    """Great-circle distance by the haversine."""
    p, q = math.radians(a[0]), math.radians(b[0])
    half = math.sin((q - p) / 2) ** 2
    half += math.cos(p) * math.cos(q) * math.sin(math.radians(b[1] - a[1]) / 2) ** 2
    return math.degrees(2 * math.asin(math.sqrt(half))) * METRES


def published(key):
    """Where a row is told to be: an open one where it is, a hidden one in the middle of its cell."""
    place = EVERY[key]
    return tuple((math.floor(v * 10) + 0.5) / 10 for v in place) if key in TRUE else place


def by_search(server, key, **only) -> bool:
    got = server.ask({"text": "Parus major"}, target="text", k=6, filter=only)
    assert got.status_code == 201, got.text
    return key in {h["id"] for h in got.json()["hits"]}


def by_ogc(server, key, **only) -> bool:
    params = {k: ",".join(f"{v:.9f}" for v in box) for k, box in only.items()}
    got = server.client.get("/ogc/collections/observations/items", params=params)
    assert got.status_code == 200, got.text
    return key in {f["properties"]["id"] for f in got.json()["features"]}


def edge(held, low: float, high: float) -> float:
    """Where a row that is held at `low` and not at `high` ceases to be held."""
    assert held(low) and not held(high)
    while high - low > 1e-7:
        middle = (low + high) / 2
        low, high = (middle, high) if held(middle) else (low, middle)
    return low


@pytest.mark.parametrize("held", [by_search, by_ogc])
@pytest.mark.parametrize("key", ["f1", "f2", "p1", "p3"])
def test_boxes_that_are_halved_give_the_cell(hidden, held, key):
    latitude, longitude = EVERY[key]
    found = (
        edge(lambda s: held(hidden, key, bbox=[-180, s, 180, 90]), latitude - 1, latitude + 1),
        edge(lambda w: held(hidden, key, bbox=[w, -90, 180, 90]), longitude - 1, longitude + 1),
    )
    assert metres(found, published(key)) < 1
    assert metres(found, EVERY[key]) > 3000 or key in OPEN


@pytest.mark.parametrize("key", ["f1", "f3", "p2"])
def test_circles_that_are_halved_give_the_distance_to_the_middle_of_the_cell(hidden, key):
    latitude, longitude = EVERY[key]
    for turn in ((0.3, 0.0), (-0.2, 0.3)):
        anchor = (latitude + turn[0], longitude + turn[1])
        radius = edge(lambda r: not by_search(hidden, key, near=[*anchor, r]), 1.0, 100.0)  # noqa: B023
        right = metres(anchor, published(key)) / 1000
        assert radius == pytest.approx(right, rel=3e-3)  # the Earth may be a sphere or not
        assert key in OPEN or abs(radius - metres(anchor, EVERY[key]) / 1000) > 3e-3 * right


def score(server, key, place, target) -> float:
    got = server.ask({"location": list(place)}, target=target, k=6).json()
    return next(h["score"] for h in got["hits"] if h["id"] == key)


@pytest.mark.parametrize("key", ["f1", "f2", "f3", "p1", "p2", "p3"])
def test_scores_of_places_are_highest_in_the_middle_of_the_cell(hidden, key):
    """A place that is asked with is most like the row whose place it is."""
    latitude, longitude = EVERY[key]
    south, west = math.floor(latitude * 10) / 10, math.floor(longitude * 10) / 10
    within = [(south + a / 20, west + o / 20) for a in (0.2, 1, 1.8) for o in (0.2, 1, 1.8)]
    scores = {p: score(hidden, key, p, "loc") for p in (*within, EVERY[key], published(key))}
    assert max(scores, key=scores.__getitem__) == pytest.approx(published(key), abs=1e-6)


def test_what_a_hidden_row_is_asked_by_does_not_hold_its_place(hidden):
    """Nothing of it was encoded but its cell, so it answers as a row that was made in the middle of the cell does."""
    rows = {
        h["id"]: h["row"]
        for h in hidden.ask({"text": "Parus major"}, target="text", k=6).json()["hits"]
    }
    for key in EVERY:
        like = hidden.ask({"like": {"row": rows[key], "by": ["loc"]}}, target="loc", k=6).json()
        near = hidden.ask({"location": list(published(key))}, target="loc", k=6).json()
        others = [h["id"] for h in near["hits"] if h["id"] != key]
        assert [h["id"] for h in like["hits"]] == others
        of = {h["id"]: h["score"] for h in near["hits"]}
        assert [of[h["id"]] for h in like["hits"]] == pytest.approx(
            [h["score"] for h in like["hits"]], abs=3e-3
        )


def test_what_is_counted_or_sorted_is_no_place(hidden):
    said = hidden.client.get("/api/v1/index").json()
    assert not [f for f in said["facets"] if f in ("latitude", "longitude") or "sat" in f]
    id = hidden.ask({"text": "Falco rusticolus"}, target="image").json()["id"]
    for by in ("latitude", "longitude", "env", "sat", "bio_1"):
        assert hidden.client.get(f"/api/v1/searches/{id}/facets?by={by}").status_code == 422
    for name in ("sort", "sortby", "where", "filter", "fields", "columns"):
        for path in (
            f"/api/v1/searches/{id}",
            f"/api/v1/searches/{id}/export",
            "/ogc/collections/observations/items",
        ):
            assert hidden.client.get(path, params={name: "latitude"}).status_code == 400


def test_a_withheld_place_is_in_no_box_and_no_circle(withheld):
    for key, (latitude, longitude) in EVERY.items():
        here = by_search(withheld, key, near=[latitude, longitude, 1000.0])
        world = by_ogc(withheld, key, bbox=[-180, -90, 180, 90])
        assert here == world == (key in OPEN)
        assert by_search(withheld, key)
    cells = withheld.client.get("/api/v1/density/0/0/0").json()
    assert sum(c[4] for c in cells["cells"]) == len(OPEN)
    found = withheld.client.get("/ogc/collections/observations/items").json()["features"]
    assert {f["properties"]["id"] for f in found if f["geometry"] is None} == set(TRUE)
    told = json.dumps(found)
    for latitude, longitude in TRUE.values():
        assert f"{latitude:.2f}" not in told and f"{longitude:.2f}" not in told
