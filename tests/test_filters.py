"""Filters against Python: predicates, places, dates, taxa; what is no predicate is refused."""

from __future__ import annotations

import math
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prom3e_index.bundle.filters import Filter, parse_bbox, parse_day, parse_near
from prom3e_index.errors import InputError
from prom3e_index.search.query import Query

FILTERS = {
    "where": (dict(filter=Filter(where="\"class\" IS NOT NULL AND license = 'CC0 1.0'")),
              lambda r: r["class"] is not None and r["license"] == "CC0 1.0"),
    "near": (dict(filter=Filter(near=(10.0, 20.0, 6000.0))), lambda r: distance(r, 10.0, 20.0) <= 6000),
    "bbox": (dict(filter=Filter(bbox=(-60.0, -30.0, 60.0, 45.0))),
             lambda r: r["latitude"] is not None and -30 <= r["latitude"] <= 45 and -60 <= r["longitude"] <= 60),
    "bbox across 180°": (dict(filter=Filter(bbox=(100.0, -90.0, -100.0, 90.0))),
                         lambda r: r["latitude"] is not None and (r["longitude"] >= 100 or r["longitude"] <= -100)),
    "dates": (dict(filter=Filter(since=date(2024, 3, 1), until=date(2024, 12, 31))),
              lambda r: date(2024, 3, 1) <= r["event_start"] <= date(2024, 12, 31)),
    "observed": (dict(observed_only=True), lambda r: r["has_image"]),
    "together": (dict(observed_only=True, filter=Filter(where="longitude > 0", bbox=(-180.0, 0.0, 180.0, 90.0))),
                 lambda r: r["has_image"] and r["latitude"] is not None and r["longitude"] > 0 and r["latitude"] >= 0),
    "nothing": (dict(filter=Filter(where="latitude > 1000")), lambda r: False),
}  # fmt: skip


def distance(row, latitude, longitude):
    if row["latitude"] is None:
        return math.inf
    a, b, c, d = (math.radians(v) for v in (row["latitude"], row["longitude"], latitude, longitude))
    cosine = math.sin(a) * math.sin(c) + math.cos(a) * math.cos(c) * math.cos(b - d)
    return 6371.0088 * math.acos(min(1, max(-1, cosine)))


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("k", [1, 5, 60])
def test_filters_equal_python_and_exact_search(bundle, name, k):
    options, keeps = FILTERS[name]
    columns = bundle.columns
    rows = [
        dict(zip(columns, r, strict=True))
        for r in bundle.sql("SELECT * FROM observations ORDER BY row")
    ]
    eligible = [r["row"] for r in rows if keeps(r)]
    every = {
        h.row: h.score for h in bundle.search(Query(location=(5, 5), target="image", k=60)).hits
    }
    expected = sorted(eligible, key=lambda row: (-every[row], row))[:k]

    answer = bundle.search(Query(location=(5, 5), target="image", k=k, **options))

    assert [h.row for h in answer.hits] == expected
    assert answer.search["eligible"] == len(eligible)
    if not eligible:
        assert "no observation satisfies the filters" in answer.search["notes"]


def test_taxon_at_any_rank_and_near_names(bundle):
    family = bundle.sql("SELECT family FROM observations WHERE family IS NOT NULL LIMIT 1")[0][0]
    count = bundle.sql("SELECT count(*) FROM observations WHERE family = ?", [family])[0][0]
    answer = bundle.search(Query(location=(0, 0), filter=Filter(taxon=family.upper()), k=60))
    assert len(answer.hits) == count
    missed = bundle.search(Query(location=(0, 0), filter=Filter(taxon=family[:-1] + "x"), k=3))
    assert not missed.hits and any(family in note for note in missed.search["notes"])


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=40))
def test_no_text_breaks_the_predicate_check(bundle, where):
    try:
        bundle.eligible(Filter(where=where))
    except InputError:
        pass
    assert bundle.sql("SELECT count(*) FROM observations") == [(60,)]


@pytest.mark.parametrize("parse, text", [
    (parse_near, "1,2"), (parse_near, "1,2,3"), (parse_near, "91,2,3km"), (parse_bbox, "1,2,3"),
    (parse_bbox, "0,50,10,40"), (lambda t: parse_day(t, last=True), "soon"),
])  # fmt: skip
def test_filter_texts_that_are_wrong(parse, text):
    with pytest.raises(InputError):
        parse(text)


def test_filter_texts_that_are_right():
    assert parse_near("46.8,-121.7,500m") == (46.8, -121.7, 0.5)
    assert parse_bbox("170,-10,-170,10") == (170, -10, -170, 10)
    assert parse_day("2024-02", last=True) == date(2024, 2, 29)


@settings(max_examples=150, deadline=None)
@given(
    st.floats(-90, 90), st.floats(-180, 180), st.floats(0.5, 12_000),
    st.lists(st.tuples(st.floats(-90, 90), st.floats(-180, 180)), min_size=1, max_size=30),
)  # fmt: skip
def test_near_is_the_great_circle_at_poles_and_antimeridian_too(lat, lon, km, places):
    import duckdb

    from prom3e_index.bundle.filters import EARTH_RADIUS_KM, lookups

    places = [
        *places,
        (lat, lon),
        (lat, -lon),
        (-lat, lon),
        (90.0, 0.0),
        (lat, 180.0),
        (lat, -180.0),
    ]
    con = duckdb.connect()
    con.execute("CREATE TABLE every (row BIGINT, latitude DOUBLE, longitude DOUBLE)")
    con.executemany("INSERT INTO every VALUES (?, ?, ?)", [(i, *p) for i, p in enumerate(places)])
    ((query, params),) = lookups(Filter(near=(lat, lon, km)), ["row"], ())
    found = {r[0] for r in con.execute(query, params).fetchall()}
    for i, (a, b) in enumerate(places):
        u, v = (
            np.array([math.cos(math.radians(y)) * math.cos(math.radians(x)),
                      math.cos(math.radians(y)) * math.sin(math.radians(x)), math.sin(math.radians(y))])
            for y, x in ((lat, lon), (a, b))
        )  # fmt: skip
        away = EARTH_RADIUS_KM * math.atan2(float(np.linalg.norm(np.cross(u, v))), float(u @ v))
        if abs(away - km) > 1e-3 * max(1, km * 1e-3):
            assert (i in found) == (away < km), (places[i], away, km)
